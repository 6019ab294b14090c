//! `rlad show`: what a detector learned from, and its main settings.

use std::process::ExitCode;

use rlad::config::DecisionConfig;
use rlad::data::TimeFormat;
use rlad::detect::LineageEntry;
use rlad::{Model, Saved};
use serde::Serialize;
use serde_json::json;

use crate::args::ShowArgs;
use crate::figures::{count, figure, stretch};
use crate::input::open_saved;
use crate::output::{print, print_json};

/// The digits of a hash that are shown.
const DIGITS: usize = 16;

/// Runs the command.
pub(crate) fn run(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let saved = open_saved(&args.model)?;
    if args.json {
        let mut json = json!({
            "detector": args.model,
            "hash": saved.hash(),
            "questions": saved.n_questions(),
            "labelled_points": saved.n_labelled_points(),
            "threshold": saved.detector().threshold(),
        });
        match &saved {
            Saved::Model(model) => {
                json["lineage"] = serde_json::to_value(model.lineage())?;
                json["config"] = serde_json::to_value(model.config())?;
            }
            Saved::Baseline(baseline) => json["method"] = serde_json::to_value(baseline.method())?,
        }
        print_json(&json)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!("detector {} ({})", args.model.display(), short(saved.hash())))?;
    let lines = match &saved {
        Saved::Model(model) => of_model(model)?,
        Saved::Baseline(baseline) => vec![
            format!("method: {}", as_toml(baseline.method(), None)?),
            format!("seed {}, threshold {}", saved.seed(), figure(saved.detector().threshold())),
            learned_from(saved.n_questions(), saved.n_labelled_points()),
        ],
    };
    lines.iter().try_for_each(|line| print(line))?;
    Ok(ExitCode::SUCCESS)
}

/// What stands about a model, a line each.
fn of_model(model: &Model) -> anyhow::Result<Vec<String>> {
    let config = model.config();
    let mut lines = vec![
        format!(
            "preset {}, seed {}, {}, {}, part {}",
            config.preset,
            config.seed,
            count(config.agent.n_members, "member"),
            count(config.state.features.len(), "feature"),
            config.part
        ),
        format!("decision: {}", as_toml(&config.decision, Some(&DecisionConfig::of_goal(config.decision.goal)))?),
        format!("drift: {}", as_toml(&config.drift, None)?),
        learned_from(model.n_questions(), model.n_labelled_points()),
    ];
    if model.lineage().is_empty() {
        lines.push("its file is from before it was kept what a model learned from".to_owned());
        return Ok(lines);
    }
    lines.push("trained, the last time last:".to_owned());
    let mut before = None;
    for (at, entry) in model.lineage().iter().enumerate() {
        lines.push(format!("  {}. {}", at + 1, of_entry(entry, before)));
        before = Some(entry);
    }
    Ok(lines)
}

/// One training. `before`: the one before it.
fn of_entry(entry: &LineageEntry, before: Option<&LineageEntry>) -> String {
    let form = if entry.has_timestamps { TimeFormat::Nanoseconds } else { TimeFormat::Index };
    let more = before.map(|before| entry.questions.saturating_sub(before.questions));
    let more = more.map_or_else(String::new, |more| format!(" ({more} more)"));
    let new = match (entry.new_points, entry.new_series) {
        (Some(points), Some(series)) => {
            format!(", of them {} and {} new", count(points, "point"), count(series, "series"))
        }
        _ => String::new(),
    };
    let follows = entry.previous.as_ref();
    let follows = follows.map_or_else(String::new, |hash| format!("; follows {}", short(hash)));
    format!(
        "{} from {}{new}; {}{more}, {}; threshold {}; rlad {}{follows}",
        count(entry.points, "point"),
        format_args!("{}, {}", count(entry.series, "series"), stretch(form, entry.first, entry.last)),
        count(entry.questions, "question"),
        count(entry.labelled_points, "labelled point"),
        figure(entry.threshold),
        entry.version
    )
}

fn learned_from(n_questions: usize, n_labelled_points: usize) -> String {
    format!("learned from {}, {}", count(n_questions, "question"), count(n_labelled_points, "labelled point"))
}

fn short(hash: &str) -> &str {
    hash.get(..DIGITS).unwrap_or(hash)
}

/// Settings in one line, as a config file has them; of those that are as usual only the first, where it is said what is usual.
fn as_toml<T: Serialize>(settings: &T, usual: Option<&T>) -> anyhow::Result<String> {
    let table = toml::Table::try_from(settings)?;
    let usual = usual.map(toml::Table::try_from).transpose()?;
    let is_told = |name: &str| usual.as_ref().is_none_or(|usual| name == "goal" || usual.get(name) != table.get(name));
    let told = table.iter().filter(|(name, _)| is_told(name)).map(|(name, value)| format!("{name} = {value}"));
    Ok(told.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use rlad::data::{NANOS_PER_SECOND, Truth};
    use rlad::{Config, Label, Series, Session, TruthOracle};

    use super::*;

    #[test]
    fn what_a_model_learned_from_is_told_in_words() {
        let series = |n: i64| {
            let times = (0..n).map(|i| (1_600_000_000 + i * 3600) * NANOS_PER_SECOND).collect();
            let values = (0..n).map(|i| (i % 24) as f64 + if i % 37 == 31 { 40.0 } else { 0.0 }).collect();
            Series::new("cpu", vec!["value".into()], TimeFormat::Seconds, times, values, None).unwrap()
        };
        let trained = |questions: usize, n: i64, previous: Option<&Model>| {
            let mut config = Config { questions, ..Config::default() };
            (config.agent.n_members, config.agent.trees.weight, config.decision.alarms_per_week) = (2, 1.0, 2.0);
            let mut session = Session::new(config, vec![series(n)]).unwrap();
            previous.into_iter().for_each(|model| session.set_previous(model));
            let label = |i: i64| Some(if i % 37 == 31 { Label::Anomaly } else { Label::Normal });
            session.run(&mut TruthOracle::new(&[Some(Truth::new((0..n).map(label).collect()))])).unwrap();
            session.finish().unwrap()
        };
        let first = trained(6, 160, None);
        let second = trained(10, 200, Some(&first));
        let told = of_model(&second).unwrap().join("\n").replace(short(first.hash()), "HASH");
        let told = told.replace(env!("CARGO_PKG_VERSION"), "VERSION");
        insta::assert_snapshot!(told);
    }
}
