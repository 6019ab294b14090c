//! A suite: detectors, data and their split, seeds and budgets.

mod live;

use std::path::{Path, PathBuf};

use anyhow::Context;
use rlad::active::AnswerStyle;
use rlad::baselines::Method;
use rlad::config::AnswerKind;
use rlad::data::Part;
use rlad::{Config, Error};
use serde::{Deserialize, Serialize};

pub(crate) use self::live::Live;
use crate::advice::Advice;

/// The suites that come with the program: name and content.
pub(crate) const BUILT_IN: &[(&str, &str)] = &[
    ("quick", include_str!("../../suites/quick.toml")),
    ("nab", include_str!("../../suites/nab.toml")),
    ("kpi", include_str!("../../suites/kpi.toml")),
    ("wsd", include_str!("../../suites/wsd.toml")),
    ("small-kpi", concat!(include_str!("../../suites/small-kpi.toml"), include_str!("../../suites/small-runs.toml"))),
    ("small-nab", concat!(include_str!("../../suites/small-nab.toml"), include_str!("../../suites/small-runs.toml"))),
    ("small-wsd", concat!(include_str!("../../suites/small-wsd.toml"), include_str!("../../suites/small-runs.toml"))),
    ("live-wsd", concat!(include_str!("../../suites/live-wsd.toml"), include_str!("../../suites/live-runs.toml"))),
    ("live-kpi", concat!(include_str!("../../suites/live-kpi.toml"), include_str!("../../suites/live-runs.toml"))),
    ("yahoo-a1", include_str!("../../suites/yahoo-a1.toml")),
    ("yahoo-a2", include_str!("../../suites/yahoo-a2.toml")),
];

/// No run may take longer than a week.
const MAX_MINUTES: u64 = 7 * 24 * 60;

/// A suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suite {
    /// Its name, that of its results.
    pub(crate) name: String,
    /// Its subject, a sentence or two for the head of the table.
    pub(crate) about: String,
    /// The data.
    pub(crate) data: SuiteData,
    /// The part of each series that detectors learn from.
    pub(crate) train: Part,
    /// The part of each series on which they are measured.
    pub(crate) test: Part,
    /// The last part of the training part: where a detector has scores only, its threshold is the best one here. All labels
    /// of it are read then, and counted.
    pub(crate) validation: Option<Part>,
    /// Whether each detector is run on each series by itself, with a session, budgets and a threshold of its own for each;
    /// figures are means over series then.
    #[serde(default)]
    pub(crate) each_series_alone: bool,
    /// The seeds of a detector that has none of its own.
    pub(crate) seeds: Vec<u64>,
    /// The numbers of questions after which a detector that asks is measured.
    #[serde(default)]
    pub(crate) budgets: Vec<usize>,
    /// The questions before the first week of a live suite, in which the measured part comes week by week.
    pub(crate) questions: Option<usize>,
    /// The numbers of questions about each week of a live suite, for all series together: a detector that asks is run with each.
    #[serde(default)]
    pub(crate) weekly: Vec<usize>,
    /// The largest delay of the delay metric [default: 7, or 3 where every step is an hour or longer].
    pub(crate) delay: Option<usize>,
    /// Whether NAB's probation applies: the first 15 % of each file, at most 750 points, are not scored.
    #[serde(default)]
    pub(crate) nab_probation: bool,
    /// A run that takes longer than this many minutes has failed.
    pub(crate) timeout_minutes: u64,
    /// The detectors, in the order of the table.
    pub(crate) run: Vec<RunEntry>,
}

/// The data of a suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuiteData {
    /// Files and folders, from the folder in which the program is called; `shipped` for the data in the program.
    /// `--data` replaces them.
    pub(crate) paths: Vec<PathBuf>,
    /// The public data set that they are, as in `rlad import`; in the program's own form where it is left out.
    pub(crate) source: Option<String>,
    /// The names of the series that are taken; `*` stands for any characters [default: all].
    #[serde(default)]
    pub(crate) series: Vec<String>,
    /// The number of series that are taken of these, spread evenly over their names in order [default: all].
    pub(crate) n_series: Option<usize>,
    /// Where the data come from, for people who lack them.
    pub(crate) hint: String,
}

/// One detector of a suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunEntry {
    /// Its name in the table.
    pub(crate) name: String,
    /// The agent: a config file's content, over the preset that it names. One of `agent`, `method` and `peer` is given.
    pub(crate) agent: Option<toml::Table>,
    /// A baseline.
    pub(crate) method: Option<MethodEntry>,
    /// A script in another language.
    pub(crate) peer: Option<PeerEntry>,
    /// Its seeds, where they are not the suite's: one for what has nothing random.
    pub(crate) seeds: Option<Vec<u64>>,
    /// Its budgets, where they are not the suite's.
    pub(crate) budgets: Option<Vec<usize>>,
    /// What of the agent adapts in a live suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) live: Option<Live>,
    /// Its numbers of questions a week in a live suite, where they are not the suite's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) weekly: Option<Vec<usize>>,
    /// How the agent's expert answers [default: paints, every point that is shown by its label].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expert: Option<AnswerStyle>,
    /// The fraction of the agent's answers that are wrong, in `[0, 1]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error_rate: Option<f64>,
    /// The fraction of the agent's answers that are *unsure*, in `[0, 1]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unsure_rate: Option<f64>,
    /// The agent's threshold is moved for the share of anomalies in the measured part, without its labels (`rlad detect --adapt`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) adapt: bool,
    /// The agent is trained as many times, each time without every so-many-th series, and scores those: no series that is
    /// measured was seen in training. At least 2. Questions and labels are means over the trainings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unseen_folds: Option<usize>,
    /// Its printed F1 in the paper, whose protocol is another (docs/src/results.md).
    pub(crate) paper_f1: Option<f64>,
}

/// A baseline of a suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MethodEntry {
    /// As in `rlad detect --method`.
    pub(crate) name: String,
    /// Its settings, where they are not its defaults.
    #[serde(default)]
    pub(crate) settings: toml::Table,
    /// The points that an answer labels, for a method that learns from labels [default: range].
    pub(crate) answers: Option<AnswerKind>,
}

/// A script of a suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeerEntry {
    /// The script, below `bench/peers`.
    pub(crate) script: PathBuf,
    /// Its own flags.
    #[serde(default)]
    pub(crate) flags: Vec<String>,
    /// Whether it asks questions: it is given the budgets then.
    #[serde(default)]
    pub(crate) asks: bool,
    /// Whether it is given the features of the preset `default`.
    #[serde(default)]
    pub(crate) features: bool,
}

/// The kind of a detector, with its settings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DetectorKind<'a> {
    /// The agent with these settings.
    Agent(&'a toml::Table),
    /// A baseline.
    Method(&'a MethodEntry),
    /// A script.
    Peer(&'a PeerEntry),
}

impl RunEntry {
    /// The detector.
    ///
    /// # Errors
    /// If it is nothing, or several things.
    pub(crate) fn detector(&self) -> anyhow::Result<DetectorKind<'_>> {
        match (&self.agent, &self.method, &self.peer) {
            (Some(agent), None, None) => Ok(DetectorKind::Agent(agent)),
            (None, Some(method), None) => Ok(DetectorKind::Method(method)),
            (None, None, Some(peer)) => Ok(DetectorKind::Peer(peer)),
            _ => anyhow::bail!("expected one of `agent`, `method` and `peer`"),
        }
    }

    /// Whether it asks questions, and so is measured after each budget.
    fn asks(&self) -> bool {
        match self.detector() {
            Ok(DetectorKind::Agent(_)) => true,
            Ok(DetectorKind::Method(baseline)) => baseline.method().is_ok_and(|method| method.learns_from_labels()),
            Ok(DetectorKind::Peer(peer)) => peer.asks,
            Err(_) => false,
        }
    }
}

impl MethodEntry {
    /// The method.
    pub(crate) fn method(&self) -> rlad::Result<Method> {
        Method::from_settings(&self.name, &self.settings)
    }
}

impl Suite {
    /// A suite by its name, or in a file.
    pub(crate) fn open(name: &str) -> anyhow::Result<Self> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Self::parse(text).with_context(|| format!("cannot use the suite `{name}`"));
        }
        if !name.ends_with(".toml") {
            let known: Vec<String> = BUILT_IN.iter().map(|(name, _)| format!("`{name}`")).collect();
            return Err(Advice::error(
                format!("there is no suite `{name}`"),
                format!("name one of {}, or a file that ends in `.toml`", known.join(", ")),
            ));
        }
        let path = Path::new(name);
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&text).with_context(|| format!("cannot use `{name}`"))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        // The TOML library's message ends with an empty line.
        let suite: Self = toml::from_str(text)?;
        suite.validate()?;
        Ok(suite)
    }

    /// Refuses what could only fail later.
    fn validate(&self) -> anyhow::Result<()> {
        let wrong = |name: &str, expected: &str, found: String| {
            Err(anyhow::Error::new(Error::Setting { name: name.to_owned(), expected: expected.to_owned(), found }))
        };
        if let Some(source) = &self.data.source {
            source.parse::<rlad::data::Source>()?;
        }
        if self.run.is_empty() {
            return wrong("run", "at least one detector", "none".to_owned());
        }
        if !(1..=MAX_MINUTES).contains(&self.timeout_minutes) {
            return wrong("timeout_minutes", "in 1..=10080, a week", self.timeout_minutes.to_string());
        }
        let overlap = |a: Part, b: Part| a.from < b.to && b.from < a.to;
        if overlap(self.train, self.test) && self.train != self.test {
            return wrong("test", "apart from `train`, or the same", self.test.to_string());
        }
        if let Some(part) = self.validation.filter(|part| part.from < self.train.from || part.to > self.train.to) {
            return wrong("validation", "within `train`", part.to_string());
        }
        self.validate_series()?;
        self.validate_live()?;
        let mut names: Vec<String> = self.run.iter().map(|entry| slug(&entry.name)).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return wrong("run.name", "different for each", format!("`{}` twice", pair[0]));
        }
        for entry in &self.run {
            if slug(&entry.name).is_empty() {
                return wrong("run.name", "something with a letter or a digit", format!("`{}`", entry.name));
            }
            let mut seeds = self.seeds_of(entry).to_vec();
            seeds.sort_unstable();
            if seeds.is_empty() || seeds.windows(2).any(|pair| pair[0] == pair[1]) {
                return wrong("seeds", "at least one, each once", format!("{seeds:?}"));
            }
            let check = || -> anyhow::Result<()> {
                match entry.detector()? {
                    DetectorKind::Agent(table) => drop(agent(table)?),
                    DetectorKind::Method(baseline) => drop(baseline.method()?),
                    DetectorKind::Peer(_) => {}
                }
                Ok(())
            };
            check().with_context(|| format!("run `{}`", entry.name))?;
            let budgets = self.budgets_of(entry);
            if entry.asks() && budgets.is_empty() {
                return wrong("budgets", "at least one", "none".to_owned());
            }
            let is_agent = entry.agent.is_some();
            if !budgets.is_sorted_by(|a, b| a < b) || (budgets.contains(&0) && !is_agent && !self.is_live()) {
                return wrong("budgets", "increasing numbers, above 0 but for the agent", format!("{budgets:?}"));
            }
            for (name, rate) in [("error_rate", entry.error_rate), ("unsure_rate", entry.unsure_rate)] {
                if let Some(rate) = rate.filter(|rate| !is_agent || !(0.0..=1.0).contains(rate)) {
                    return wrong(name, "in [0, 1], for an agent", rate.to_string());
                }
            }
            if let Some(style) = entry.expert.filter(|_| !is_agent) {
                return wrong("expert", "the style of an agent's expert", format!("{style:?}"));
            }
            if entry.adapt && !is_agent {
                return wrong("adapt", "of an agent", "another detector".to_owned());
            }
            if let Some(folds) = entry.unseen_folds.filter(|folds| !is_agent || *folds < 2) {
                return wrong("unseen_folds", "at least 2, for an agent", folds.to_string());
            }
        }
        Ok(())
    }

    /// Refuses a choice of series that leaves none, and settings that are of all series together where each is run alone.
    fn validate_series(&self) -> anyhow::Result<()> {
        let wrong = |name: &str, expected: &str, found: String| {
            Err(anyhow::Error::new(Error::Setting { name: name.to_owned(), expected: expected.to_owned(), found }))
        };
        if self.data.n_series == Some(0) {
            return wrong("data.n_series", "at least 1", "0".to_owned());
        }
        if self.data.series.iter().any(String::is_empty) {
            return wrong("data.series", "names or patterns", "an empty one".to_owned());
        }
        if !self.each_series_alone {
            return Ok(());
        }
        if let Some(part) = self.validation {
            return wrong("validation", "left out where `each_series_alone`", part.to_string());
        }
        if self.nab_probation {
            return wrong("nab_probation", "left out where `each_series_alone`", "true".to_owned());
        }
        if let Some(folds) = self.run.iter().find_map(|entry| entry.unseen_folds) {
            return wrong("unseen_folds", "left out where `each_series_alone`", folds.to_string());
        }
        if let Some(f1) = self.run.iter().find_map(|entry| entry.paper_f1) {
            return wrong("paper_f1", "left out where `each_series_alone`: it is of all series", f1.to_string());
        }
        Ok(())
    }

    /// The budgets of a detector, in a live suite its questions a week; none for one that does not ask.
    pub(crate) fn budgets_of(&self, entry: &RunEntry) -> Vec<usize> {
        match entry.asks() {
            false => Vec::new(),
            true if self.is_live() => self.weekly_of(entry),
            true => entry.budgets.clone().unwrap_or_else(|| self.budgets.clone()),
        }
    }

    /// The seeds of a detector.
    pub(crate) fn seeds_of<'a>(&'a self, entry: &'a RunEntry) -> &'a [u64] {
        entry.seeds.as_deref().unwrap_or(&self.seeds)
    }
}

/// The settings of an agent.
pub(crate) fn agent(table: &toml::Table) -> anyhow::Result<Config> {
    Ok(Config::from_toml(&toml::to_string(table)?)?)
}

/// A name as a part of a file name: lower case, runs of other characters as one hyphen.
pub(crate) fn slug(name: &str) -> String {
    let words: Vec<String> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_suite_is_sound_and_has_the_trivial_rows() {
        for (name, _) in BUILT_IN {
            let suite = Suite::open(name).unwrap();
            assert_eq!(&suite.name, name);
            for trivial in ["Never alarm", "Alarm everywhere"] {
                assert!(suite.run.iter().any(|entry| entry.name == trivial), "{name} lacks {trivial}");
            }
            let random = |entry: &RunEntry| entry.name.to_lowercase().contains("random questions");
            assert!(suite.run.iter().any(random), "{name} lacks random questions");
        }
    }

    #[test]
    fn a_suite_that_could_only_fail_is_refused() {
        let quick = BUILT_IN[0].1;
        let refused = |text: &str, expected: &str| {
            let error = format!("{:#}", Suite::parse(text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        };
        refused(&quick.replace("0.8..\"", "0.7..\""), "`test` must be apart from `train`");
        refused(&quick.replace("seeds = [0, 1, 2]\n", "seeds = []\n"), "`seeds` must be at least one");
        refused(&quick.replace("seeds = [0, 1, 2]\n", "seeds = [1, 0, 1]\n"), "each once, got [0, 1, 1]");
        refused(&quick.replace("budgets = [50, 100]", "budgets = []"), "`budgets` must be at least one");
        refused(&quick.replace("timeout_minutes = 5", "timeout_minutes = 0"), "`timeout_minutes` must be in 1..");
        refused(&quick.replace("\"Never alarm\"", "\"…\""), "`run.name` must be something");
        refused(quick.split_once("[[run]]").unwrap().0, "missing field `run`");
        refused(&quick.replace("Alarm everywhere", "Never alarm"), "`never-alarm` twice");
        refused(&quick.replace("timeout_minutes", "timeout"), "timeout");
        let (agent, method) = ("agent = { preset = ", "method = { name = \"never\" }");
        refused(
            &quick.replace(method, &format!("{method}\nexpert = \"paints\"")),
            "`expert` must be the style of an agent's",
        );
        refused(&quick.replace(method, &format!("{method}\nadapt = true")), "`adapt` must be of an agent");
        refused(&quick.replacen(agent, &format!("expert = \"guesses\"\n{agent}"), 1), "unknown variant");
    }

    #[test]
    fn settings_of_all_series_together_are_refused_where_each_is_run_alone() {
        let small = Suite::open("small-wsd").unwrap();
        assert!(small.each_series_alone && small.data.n_series == Some(30));
        assert_eq!(small.budgets_of(&small.run[2]), [0, 5, 10, 20, 50]);
        let text = BUILT_IN.iter().find(|(name, _)| *name == "small-wsd").unwrap().1;
        let refused = |text: &str, expected: &str| {
            let error = format!("{:#}", Suite::parse(text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        };
        let alone = "each_series_alone = true\n";
        let with = |line: &str| text.replace(alone, &format!("{alone}{line}\n"));
        refused(&with("validation = \"..0.5\""), "`validation` must be left out where `each_series_alone`");
        refused(&with("nab_probation = true"), "`nab_probation` must be left out");
        let agent = "agent = { preset = \"default\" }\n";
        refused(&text.replacen(agent, &format!("{agent}unseen_folds = 2\n"), 1), "`unseen_folds` must be left out");
        refused(&text.replacen(agent, &format!("{agent}paper_f1 = 0.7\n"), 1), "`paper_f1` must be left out");
        refused(&text.replace("n_series = 30", "n_series = 0"), "`data.n_series` must be at least 1");
        refused(&text.replace("n_series = 30", "n_series = -1"), "n_series");
        refused(&text.replace("n_series = 30", "series = [\"\"]"), "`data.series` must be names or patterns");
        refused(&text.replace("each_series_alone", "each_series"), "each_series");
    }

    #[test]
    fn a_name_becomes_a_file_name() {
        assert_eq!(slug("rlad, default: margin (range)"), "rlad-default-margin-range");
    }
}
