//! What a suite says of live runs: the measured part comes week by week, and answers with it.

use anyhow::Context;
use rlad::{Config, Error};
use serde::{Deserialize, Serialize};

use super::{DetectorKind, RunEntry, Suite, agent};

/// What of an agent follows the data and the weekly answers of a live run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Live {
    /// Nothing: the detector of the first week, and no answer after those of its training.
    Frozen,
    /// What is usual in each series, and by the answers the log-odds of each series: the agent never learns again.
    Thresholds,
    /// The agent too: it learns from the answers of each week.
    All,
}

impl Suite {
    /// Whether its runs are live.
    pub(crate) const fn is_live(&self) -> bool {
        self.questions.is_some()
    }

    /// The numbers of questions a week of a live run: none but 0 for an agent that is frozen.
    pub(super) fn weekly_of(&self, entry: &RunEntry) -> Vec<usize> {
        match entry.live {
            Some(Live::Frozen) => vec![0],
            _ => entry.weekly.clone().unwrap_or_else(|| self.weekly.clone()),
        }
    }

    /// Refuses live runs that could only fail, and settings that are of runs of one kind alone.
    pub(super) fn validate_live(&self) -> anyhow::Result<()> {
        let Some(questions) = self.questions else {
            return self.validate_not_live();
        };
        if questions == 0 {
            return wrong("questions", "at least 1, before the first week", "0");
        }
        if self.weekly.is_empty() {
            return wrong("weekly", "at least one number of questions a week, beside `questions`", "none");
        }
        if self.train.from != 0.0 || self.test.from.to_bits() != self.train.to.to_bits() {
            let found = format!("{} and {}", self.train, self.test);
            return wrong("train` and `test", "`..X` and `X..`, as weeks follow what was learned from", found);
        }
        let live_less = "left out where `weekly`";
        if !self.budgets.is_empty() {
            return wrong(
                "budgets",
                "left out where `weekly`: `questions` come before the first week",
                self.budgets.len(),
            );
        }
        if let Some(part) = self.validation {
            return wrong("validation", live_less, part);
        }
        if self.each_series_alone {
            return wrong("each_series_alone", live_less, true);
        }
        if self.nab_probation {
            return wrong("nab_probation", live_less, true);
        }
        let check = |entry: &RunEntry| {
            self.validate_live_run(entry, questions).with_context(|| format!("run `{}`", entry.name))
        };
        self.run.iter().try_for_each(check)
    }

    fn validate_live_run(&self, entry: &RunEntry, questions: usize) -> anyhow::Result<()> {
        for (name, is_there) in [
            ("budgets", entry.budgets.is_some()),
            ("adapt", entry.adapt),
            ("unseen_folds", entry.unseen_folds.is_some()),
            ("paper_f1", entry.paper_f1.is_some()),
        ] {
            if is_there {
                return wrong(name, "left out where `weekly`", "a value");
            }
        }
        match (entry.detector()?, entry.live) {
            (DetectorKind::Agent(_), None) => {
                return wrong("live", "`frozen`, `thresholds` or `all` for an agent where `weekly`", "none");
            }
            (DetectorKind::Method(_) | DetectorKind::Peer(_), Some(live)) => {
                return wrong("live", "of an agent", format!("{live:?}"));
            }
            (DetectorKind::Method(_), None) if entry.asks() => {
                return wrong("method", "one that asks nothing where `weekly`", "one that learns from labels");
            }
            _ => {}
        }
        if entry.weekly.is_some() && (!entry.asks() || entry.live == Some(Live::Frozen)) {
            return wrong("weekly", "of a detector that asks and is not frozen", "another");
        }
        let weekly = self.weekly_of(entry);
        if entry.asks() && (weekly.is_empty() || !weekly.is_sorted_by(|a, b| a < b)) {
            return wrong("weekly", "increasing numbers, at least one", format!("{weekly:?}"));
        }
        if let DetectorKind::Agent(table) = entry.detector()? {
            let most = questions_of_a_round(&agent(table)?, questions);
            if let Some(n) = weekly.into_iter().find(|n| *n > most) {
                let expected = format!("at most {most}, a round of the agent after {questions} questions");
                return wrong("weekly", &expected, n);
            }
        }
        Ok(())
    }

    fn validate_not_live(&self) -> anyhow::Result<()> {
        if !self.weekly.is_empty() {
            return wrong("questions", "a number of questions before the first week, beside `weekly`", "none");
        }
        for entry in &self.run {
            let expected = "left out without `questions` and `weekly` of the suite";
            if let Some(live) = entry.live {
                return wrong("live", expected, format!("{live:?} (run `{}`)", entry.name));
            }
            if let Some(weekly) = &entry.weekly {
                return wrong("weekly", expected, format!("{weekly:?} (run `{}`)", entry.name));
            }
        }
        Ok(())
    }
}

/// The questions of one round of an agent after so many answers (`query.per_round`, `query.first_round`): all of a week are in one.
fn questions_of_a_round(config: &Config, n_answered: usize) -> usize {
    (n_answered / 4).max(config.query.first_round).min(config.query.per_round)
}

fn wrong(name: &str, expected: &str, found: impl std::fmt::Display) -> anyhow::Result<()> {
    Err(Error::Setting { name: name.to_owned(), expected: expected.to_owned(), found: found.to_string() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::suite::BUILT_IN;

    #[test]
    fn a_live_suite_that_could_only_fail_is_refused() {
        let (_, text) = BUILT_IN.iter().find(|(name, _)| *name == "live-wsd").unwrap();
        let suite = Suite::parse(text).unwrap();
        let frozen = suite.run.iter().find(|entry| entry.live == Some(Live::Frozen)).unwrap();
        let all = suite.run.iter().find(|entry| entry.live == Some(Live::All)).unwrap();
        assert_eq!((suite.budgets_of(frozen), suite.budgets_of(all)), (vec![0], vec![0, 10, 20, 50]));
        assert!(suite.budgets_of(&suite.run[0]).is_empty(), "never alarm asks nothing");

        let refused = |text: &str, expected: &str| {
            let error = format!("{:#}", Suite::parse(text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        };
        let questions = "questions = 500\n";
        let with = |line: &str| text.replace(questions, &format!("{questions}{line}\n"));
        refused(&text.replace(questions, ""), "`questions` must be a number of questions before the first week");
        refused(&text.replace(questions, "questions = 0\n"), "`questions` must be at least 1");
        refused(&text.replace("weekly = [0, 10, 20, 50]\n", ""), "`weekly` must be at least one number");
        refused(&text.replace("weekly = [0, 10, 20, 50]", "weekly = [20, 10]"), "increasing numbers, at least one");
        refused(
            &text.replace("weekly = [0, 10, 20, 50]", "weekly = [51]"),
            "at most 50, a round of the agent after 500",
        );
        refused(&text.replace("\"0.5..\"", "\"0.6..\""), "as weeks follow what was learned from");
        refused(&with("budgets = [50]"), "`budgets` must be left out where `weekly`");
        refused(&with("validation = \"..0.5\""), "`validation` must be left out");
        refused(&with("each_series_alone = true"), "`each_series_alone` must be left out");
        let live = "live = \"frozen\"\n";
        refused(&text.replacen(live, "", 1), "`live` must be `frozen`, `thresholds` or `all` for an agent");
        refused(&text.replacen(live, "live = \"thawed\"\n", 1), "unknown variant `thawed`");
        refused(&text.replacen(live, &format!("{live}weekly = [10]\n"), 1), "`weekly` must be of a detector that asks");
        refused(&text.replacen(live, &format!("{live}adapt = true\n"), 1), "`adapt` must be left out where `weekly`");
        let method = "method = { name = \"never\" }\n";
        refused(&text.replace(method, &format!("{method}{live}")), "`live` must be of an agent");
        refused(&text.replace(method, "method = { name = \"deep-sad\" }\n"), "one that asks nothing where `weekly`");

        let (_, quick) = BUILT_IN[0];
        let agent = "agent = { preset = \"paper\" }\n";
        refused(&quick.replacen(agent, &format!("{agent}{live}"), 1), "`live` must be left out without `questions`");
        refused(&quick.replacen(agent, &format!("{agent}weekly = [1]\n"), 1), "`weekly` must be left out without");
    }

    #[test]
    fn a_round_grows_with_the_answers_up_to_its_most() {
        let config = Config::default();
        assert_eq!([0, 100, 500].map(|n| questions_of_a_round(&config, n)), [10, 25, 50]);
    }
}
