//! Settings of a session or a method, from files and flags.

use std::num::NonZeroUsize;

use anyhow::{Context, bail};
use rlad::Config;
use rlad::baselines::Method;
use rlad::data::Calendar;

use crate::args::SessionArgs;
use crate::folder::read_config;

impl SessionArgs {
    /// The settings of a new session on a part of each series: the preset, a file over it, flags over that.
    ///
    /// # Errors
    /// If the file cannot be used, or a setting is outside of its range.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        let mut config = match &self.config {
            Some(path) => read_config(path)?,
            None => Config::preset(self.preset.unwrap_or_default()),
        };
        if let Some(preset) = self.preset.filter(|preset| *preset != config.preset) {
            bail!("`--config` is made from the preset `{:?}`, but `--preset` says `{preset:?}`", config.preset);
        }
        let questions = &self.questions;
        config.part = self.form.part.unwrap_or(config.part);
        config.questions = questions.n_questions.map_or(config.questions, |budget| budget.in_all(0));
        config.query.per_round = questions.per_round.map_or(config.query.per_round, NonZeroUsize::get);
        config.query.strategy = questions.strategy.unwrap_or(config.query.strategy);
        config.query.answers = questions.answers.unwrap_or(config.query.answers);
        config.seed = self.seed.unwrap_or(config.seed);
        self.decision.change(&mut config.decision);
        config.validate()?;
        Ok(config)
    }

    /// The calendar of expected events that was named.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn calendar(&self) -> anyhow::Result<Option<Calendar>> {
        Ok(self.calendar.as_ref().map(Calendar::read).transpose()?)
    }

    /// A flag that was given, and that only a new session takes.
    pub(crate) fn flag_of_a_new_session(&self) -> Option<&'static str> {
        let questions = &self.questions;
        let given = [
            ("--preset", self.preset.is_some()),
            ("--config", self.config.is_some()),
            ("--seed", self.seed.is_some()),
            ("--per-round", questions.per_round.is_some()),
            ("--strategy", questions.strategy.is_some()),
            ("--answers", questions.answers.is_some()),
            ("--part", self.form.part.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag).or_else(|| self.decision.given())
    }

    /// Uses as many threads as were asked for in all that follows.
    ///
    /// # Errors
    /// If the system does not give them.
    pub(crate) fn use_threads(&self) -> anyhow::Result<()> {
        use_threads(self.threads)
    }
}

/// Uses this many threads for all that follows; one a core where none is named.
///
/// # Errors
/// If the system does not give them.
pub(crate) fn use_threads(threads: Option<NonZeroUsize>) -> anyhow::Result<()> {
    if let Some(threads) = threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get());
        pool.build_global().context("cannot start the threads")?;
    }
    Ok(())
}

/// A method by its name, with settings of the form `key=value`.
///
/// # Errors
/// If there is no such method or setting, or a setting is outside of its range.
pub(crate) fn method(name: &str, settings: &[String]) -> anyhow::Result<Method> {
    let mut table = toml::Table::new();
    for setting in settings {
        // A setting that is no TOML value is a text without its quotes.
        let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
        let quoted = || toml::Table::from_iter([(key.to_owned(), value.into())]);
        table.extend(toml::from_str::<toml::Table>(setting).unwrap_or_else(|_| quoted()));
    }
    Ok(Method::from_settings(name, &table)?)
}
