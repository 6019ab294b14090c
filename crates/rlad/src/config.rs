//! Every setting of a training run. The same struct is the TOML file, the base of the command line and the model's record.

mod agent;
mod decision;
mod drift;
mod experts;
mod length;
mod paper;
mod presets;
mod renamed;

use serde::{Deserialize, Serialize};

pub use self::agent::{AgentConfig, Learner, PriorConfig};
pub use self::decision::{DecisionConfig, Direction, Goal};
pub use self::drift::DriftConfig;
pub use self::experts::{Conflict, ExpectedEvents, ExpertsConfig};
pub use self::length::Length;
pub use self::paper::{PaperConfig, PropagationConfig, PropagationMethod, Update};
use crate::data::series::Part;
use crate::error::{Error, Result};
use crate::features::Feature;
pub use crate::models::trees::TreesConfig;

/// Which of the two sets of defaults a config starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The paper's settings.
    Paper,
    /// The best settings by measurement.
    #[default]
    Default,
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Paper => "paper",
            Self::Default => "default",
        })
    }
}

/// All settings of a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The preset that fills in what a config file leaves out.
    pub preset: Preset,
    /// The seed from which everything random comes.
    pub seed: u64,
    /// The part of each series that is trained on, as `FROM..TO` in fractions of its points.
    pub part: Part,
    /// The number of questions that may be asked in all, the warm-up's included; 0 for the detector that knows no answer.
    pub questions: usize,
    /// The state: the features that the learners see of a point.
    pub state: StateConfig,
    /// The isolation forest and the first questions.
    pub warm_up: WarmUpConfig,
    /// The choice of questions.
    pub query: QueryConfig,
    /// The agent and how it learns.
    pub agent: AgentConfig,
    /// Which points are alarms, and which alarms are one event.
    pub decision: DecisionConfig,
    /// How the detector follows data that change. A record of before this was kept has a detector that follows nothing.
    #[serde(default = "DriftConfig::none")]
    pub drift: DriftConfig,
    /// Settings for the answers of people.
    pub experts: ExpertsConfig,
    /// Settings that only the paper's method uses.
    pub paper: PaperConfig,
}

/// The state that the learners see of a point: a window of features that ends at it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateConfig {
    /// The window length ω in points, in `1..=10_000`.
    pub n_steps: usize,
    /// The features of each channel, at least one.
    pub features: Vec<Feature>,
}

/// The scores that are there before any question, and how many questions they choose (paper, section 5.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmUpConfig {
    /// Where its scores come from.
    pub scores: WarmUpScores,
    /// Of each series, this many points with the highest scores are asked about first; fewer where the budget is below what all
    /// series ask. The paper's N_w is this, `n_lowest` and `n_middle`.
    pub n_highest: usize,
    /// Of each series, this many with the lowest scores.
    pub n_lowest: usize,
    /// Of each series, this many with scores nearest to the middle: .5 of a forest, which one point in a hundred exceeds of ecdfs.
    pub n_middle: usize,
    /// At most this share of all questions is asked before anything is learned, in `(0, 1]`; one question always is.
    pub max_fraction: f64,
    /// At most this many are, at least 1.
    pub max_questions: usize,
}

/// How the points to ask about are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueryStrategy {
    /// The smallest `|score − threshold|` first (paper, equation 5).
    Margin,
    /// The smallest probability of the likelier action first, `1 − max P` (paper, equation 1), P a softmax of Q.
    LeastConfidence,
    /// The highest entropy of the softmax of Q first (paper, equation 3).
    Entropy,
    /// In random order.
    Random,
    /// The highest scores and the lowest scores in turn.
    Extremes,
    /// Drawn at random, each point with a probability in proportion to `p (1 − p)`, where p is the probability of an anomaly that its
    /// score says: mostly what is uncertain, but a little of everything.
    Proportional,
}

/// The subject of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerKind {
    /// The point that was asked about.
    Point,
    /// Any part of the points that are shown around it.
    Range,
}

/// Where the scores of the warm-up come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarmUpScores {
    /// An isolation forest on the whole window (paper, section 5.1).
    ForestWindow,
    /// An isolation forest on the features of the window's last step.
    ForestLastStep,
    /// How rare the features of the last step are in their series, on average.
    Surprisal,
}

/// The choice of questions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryConfig {
    /// The ranking.
    pub strategy: QueryStrategy,
    /// N_al, the questions of one round, at least 1.
    pub per_round: usize,
    /// The questions of the first round after the warm-up, at least 1; a later round has a quarter of the answers before it, at least this
    /// many, at most `per_round`.
    pub first_round: usize,
    /// The share of a round's questions that is drawn at random, in `[0, 1]`.
    pub random_fraction: f64,
    /// The largest share of a round's questions that are asked a second time, where the agent makes it likelier than not that the
    /// first answer is wrong, in `[0, 1]`; this and `random_fraction` make at most 1. The later answer stands.
    pub review_fraction: f64,
    /// No two questions of one series are nearer to each other than this many points.
    pub min_distance: usize,
    /// The largest share of a round that may come from one series, in `(0, 1]`; at least one question always may.
    pub max_series_fraction: f64,
    /// The number of points of each series that are ranked in a round, drawn anew each round, at least 1.
    pub pool: usize,
    /// The number of points that are ranked in a round in all, at least 1: where there are very many series, fewer of each.
    pub max_pool: usize,
    /// The subject of an answer.
    pub answers: AnswerKind,
    /// The number of points that are shown around a question, its own among them and in the middle, at least 1: those that
    /// a range answer may paint.
    pub shown: usize,
}

impl Config {
    /// Reads a TOML text. What it leaves out comes from its `preset` (`default` where it names none).
    ///
    /// # Errors
    /// [`Error::Setting`] for an unknown key, a value of the wrong type, or one outside of its range.
    pub fn from_toml(text: &str) -> Result<Self> {
        let wrong = |error: toml::de::Error| {
            Error::setting(
                "config",
                "TOML with the keys of the book's page *Settings* (docs/src/settings.md)",
                error.message(),
            )
        };
        let given: toml::Table = toml::from_str(text).map_err(wrong)?;
        renamed::refuse_old_keys(&given)?;
        let preset = match given.get("preset") {
            Some(preset) => preset.clone().try_into().map_err(wrong)?,
            None => Preset::Default,
        };
        let mut all = toml::Table::try_from(Self::preset(preset)).expect("a config is a table");
        merge(&mut all, given);
        let config: Self = all.try_into().map_err(wrong)?;
        config.validate()?;
        Ok(config)
    }

    /// The config as TOML, every setting written out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a config is a table")
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first setting that is outside of its range.
    pub fn validate(&self) -> Result<()> {
        let Self { state, query, agent, .. } = self;
        check((1..=10_000).contains(&state.n_steps), "state.n_steps", "in 1..=10000", state.n_steps)?;
        check(!state.features.is_empty(), "state.features", "at least one feature", "none")?;
        for feature in &state.features {
            feature.validate()?;
        }
        check(query.per_round >= 1, "query.per_round", "at least 1", query.per_round)?;
        check(query.first_round >= 1, "query.first_round", "at least 1", query.first_round)?;
        let warm_up = &self.warm_up;
        let is_share = warm_up.max_fraction > 0.0 && warm_up.max_fraction <= 1.0;
        check(is_share, "warm_up.max_fraction", "above 0 and at most 1", warm_up.max_fraction)?;
        check(warm_up.max_questions >= 1, "warm_up.max_questions", "at least 1", warm_up.max_questions)?;
        check(
            (0.0..=1.0).contains(&query.random_fraction),
            "query.random_fraction",
            "in [0, 1]",
            query.random_fraction,
        )?;
        let (random, review) = (query.random_fraction, query.review_fraction);
        check(
            (0.0..=1.0 - random).contains(&review),
            "query.review_fraction",
            "in [0, 1 - query.random_fraction]",
            review,
        )?;
        let share = query.max_series_fraction;
        check(share > 0.0 && share <= 1.0, "query.max_series_fraction", "in (0, 1]", share)?;
        check(query.shown >= 1, "query.shown", "at least 1", query.shown)?;
        check(query.max_pool >= 1, "query.max_pool", "at least 1", query.max_pool)?;
        check(query.pool >= 1, "query.pool", "at least 1", query.pool)?;
        self.paper.validate()?;
        self.experts.validate()?;
        self.decision.validate()?;
        self.drift.validate()?;
        agent.validate()
    }
}

/// Refuses a setting that is outside of its range.
fn check(ok: bool, name: &str, expected: &str, found: impl std::fmt::Display) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::setting(name, expected, found)) }
}

/// Puts `given` over `all`, table by table; a key that `all` lacks is kept, so that it is refused by name.
fn merge(all: &mut toml::Table, given: toml::Table) {
    for (key, value) in given {
        match (all.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => merge(below, above),
            (_, value) => {
                all.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid_and_survive_toml() {
        for preset in [Preset::Paper, Preset::Default] {
            let config = Config::preset(preset);
            assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
        }
    }

    #[test]
    fn a_file_changes_only_what_it_names() {
        let config = Config::from_toml("preset = 'paper'\n[paper]\ngamma = 0.8").unwrap();
        let mut expected = Config::paper();
        expected.paper.gamma = 0.8;
        assert_eq!(config, expected);
    }

    #[test]
    fn wrong_settings_are_named() {
        let message = |text: &str| Config::from_toml(text).unwrap_err().to_string();
        assert_eq!(message("[paper]\ngamma = 1.5"), "`paper.gamma` must be in [0, 1], got 1.5");
        assert!(message("[paper]\ngama = 1.5").contains("unknown field `gama`"));
        assert!(message("[agent").contains("config"));
    }
}
