//! Every setting of a training run. The same struct is the TOML file, the base of the command line and the model's record.

mod agent;
mod experts;

use serde::{Deserialize, Serialize};

pub use self::agent::{AgentConfig, Update};
pub use self::experts::{Conflict, ExpectedEvents, ExpertsConfig};
use crate::data::series::Part;
use crate::error::{Error, Result};
use crate::features::Feature;
pub use crate::models::trees::TreesConfig;

/// Which of the two sets of defaults a config starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// What the paper says.
    Paper,
    /// What works best by measurement.
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
    /// The number of questions that may be asked in all, the warm-up's included, at least 1.
    pub questions: usize,
    /// What the network sees of a point.
    pub state: StateConfig,
    /// The isolation forest and the first questions.
    pub warm_up: WarmUpConfig,
    /// The choice of questions.
    pub query: QueryConfig,
    /// The spreading of answers to similar windows.
    pub propagation: PropagationConfig,
    /// The Q-network and how it learns.
    pub agent: AgentConfig,
    /// Where the line between normal and anomaly is drawn.
    pub threshold: ThresholdConfig,
    /// What is made of the answers of people.
    #[serde(default)]
    pub experts: ExpertsConfig,
}

/// What the network sees of a point: a window of features that ends at it.
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
    /// The number of trees of a forest, at least 1.
    pub n_trees: usize,
    /// The number of windows that each tree sees, at least 2.
    pub sample_size: usize,
    /// Of each series, this many points with the highest scores are asked about first; fewer where the budget is below what all
    /// series ask. The paper's N_w is this, `n_lowest` and `n_middle`.
    pub n_highest: usize,
    /// Of each series, this many with the lowest scores.
    pub n_lowest: usize,
    /// Of each series, this many with scores nearest to the middle: .5 of a forest, which one point in a hundred exceeds of ecdfs.
    pub n_middle: usize,
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

/// What an answer is about.
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
    /// What an answer is about.
    pub answers: AnswerKind,
    /// The number of points that are shown around a question, its own among them and in the middle, at least 1: those that
    /// a range answer may paint.
    pub shown: usize,
    /// Whether a round asks about one series only, the series taking turns (paper: an episode is one series).
    pub round_robin: bool,
}

/// How labels spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PropagationMethod {
    /// Label propagation with hard clamping (paper, equations 6 and 7).
    Propagation,
    /// Label spreading (Zhou et al. 2004).
    Spreading,
}

/// The spreading of answers to similar windows (paper, section 5.4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropagationConfig {
    /// N_lp, the pseudo-labels of a round; 0 switches propagation off.
    pub per_round: usize,
    /// The method.
    pub method: PropagationMethod,
    /// σ of equation 6, in units of the state's distance, above 0.
    pub sigma: f64,
    /// α of Zhou et al., how far a label may move from the one given, in `(0, 1)`; only for spreading.
    pub alpha: f64,
    /// The largest number of passes, at least 1.
    pub max_iterations: usize,
    /// The passes end when no entry changes by more than this in sum, above 0.
    pub tolerance: f64,
    /// Up to this many windows the kernel is exact; above, each window is joined to its nearest ones only.
    pub max_exact: usize,
    /// The number of nearest windows in the graph above `max_exact`, at least 1.
    pub n_neighbors: usize,
    /// The number of unlabelled windows of a series that take part, drawn anew each round.
    pub pool: usize,
    /// The weight of a pseudo-label in the loss, in `[0, 1]`, where an expert's is 1.
    pub weight: f32,
}

/// How the threshold is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThresholdMethod {
    /// 0: the greedy action.
    Own,
    /// The score above which the expected F1 over all training points is best, corrected for how questions were chosen.
    Calibrated,
}

/// Where the line between normal and anomaly is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdConfig {
    /// The method.
    pub method: ThresholdMethod,
}

impl Config {
    /// The settings of a preset.
    #[must_use]
    pub fn preset(preset: Preset) -> Self {
        match preset {
            Preset::Paper => Self::paper(),
            Preset::Default => Self::default(),
        }
    }

    /// What the paper says (section 6.3); where it is silent, what its released code does. `docs/algorithm.md` lists both.
    #[must_use]
    pub fn paper() -> Self {
        Self {
            preset: Preset::Paper,
            seed: 0,
            part: Part::ALL,
            questions: 500,
            state: StateConfig { n_steps: 25, features: vec![Feature::MinMax] },
            warm_up: WarmUpConfig {
                scores: WarmUpScores::ForestWindow,
                n_trees: 100,
                sample_size: 256,
                n_highest: 5,
                n_lowest: 5,
                n_middle: 5,
            },
            query: QueryConfig {
                strategy: QueryStrategy::Margin,
                per_round: 5,
                random_fraction: 0.0,
                review_fraction: 0.0,
                min_distance: 0,
                max_series_fraction: 1.0,
                pool: 20_000,
                max_pool: 200_000,
                answers: AnswerKind::Point,
                shown: 25,
                round_robin: true,
            },
            propagation: PropagationConfig {
                per_round: 100,
                method: PropagationMethod::Propagation,
                sigma: 0.05_f64.sqrt(),
                alpha: 0.2,
                max_iterations: 200,
                tolerance: 1e-3,
                max_exact: 3_000,
                n_neighbors: 10,
                pool: 1_000,
                weight: 1.0,
            },
            agent: AgentConfig {
                n_members: 1,
                n_units: 128,
                skip: false,
                head_units: 0,
                dropout: 0.0,
                noise: 0.0,
                weight_decay: 0.0,
                learning_rate: 0.01,
                one_cycle: false,
                batch: 256,
                steps_per_round: 10,
                final_steps: 0,
                restart: false,
                target_update: 10,
                replay_capacity: 1000,
                epsilon_start: 1.0,
                epsilon_end: 0.1,
                epsilon_steps: 500_000,
                reward_anomaly: 5.0,
                reward_normal: 1.0,
                gamma: 0.98,
                label_noise_exponent: 0.0,
                update: Update::Taken,
                trees: TreesConfig {
                    weight: 0.0,
                    n_trees: 60,
                    n_leaves: 31,
                    learning_rate: 0.1,
                    row_fraction: 0.5,
                    feature_fraction: 0.5,
                    min_rows: 30,
                    l2: 1.0,
                    surprisal: 0.0,
                    surprisal_unseen: 0.0,
                },
            },
            threshold: ThresholdConfig { method: ThresholdMethod::Own },
            experts: ExpertsConfig::default(),
        }
    }

    /// Reads a TOML text. What it leaves out comes from its `preset` (`default` where it names none).
    ///
    /// # Errors
    /// [`Error::Setting`] for an unknown key, a value of the wrong type, or one outside of its range.
    pub fn from_toml(text: &str) -> Result<Self> {
        let wrong = |error: toml::de::Error| {
            Error::setting("config", "TOML with the keys of `docs/config.md`", error.message())
        };
        let given: toml::Table = toml::from_str(text).map_err(wrong)?;
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
        let Self { state, warm_up, query, propagation, agent, .. } = self;
        check(self.questions >= 1, "questions", "at least 1", self.questions)?;
        check((1..=10_000).contains(&state.n_steps), "state.n_steps", "in 1..=10000", state.n_steps)?;
        check(!state.features.is_empty(), "state.features", "at least one feature", "none")?;
        for feature in &state.features {
            feature.validate()?;
        }
        check(warm_up.n_trees >= 1, "warm_up.n_trees", "at least 1", warm_up.n_trees)?;
        check(warm_up.sample_size >= 2, "warm_up.sample_size", "at least 2", warm_up.sample_size)?;
        check(query.per_round >= 1, "query.per_round", "at least 1", query.per_round)?;
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
        let p = propagation;
        check(p.sigma > 0.0 && p.sigma.is_finite(), "propagation.sigma", "above 0", p.sigma)?;
        check(p.alpha > 0.0 && p.alpha < 1.0, "propagation.alpha", "in (0, 1)", p.alpha)?;
        check(p.max_iterations >= 1, "propagation.max_iterations", "at least 1", p.max_iterations)?;
        check(p.tolerance > 0.0, "propagation.tolerance", "above 0", p.tolerance)?;
        check(p.n_neighbors >= 1, "propagation.n_neighbors", "at least 1", p.n_neighbors)?;
        check((0.0..=1.0).contains(&p.weight), "propagation.weight", "in [0, 1]", p.weight)?;
        self.experts.validate()?;
        agent.validate()
    }
}

/// Refuses a setting that is outside of its range.
fn check(ok: bool, name: &str, expected: &str, found: impl std::fmt::Display) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::setting(name, expected, found)) }
}

impl Default for Config {
    fn default() -> Self {
        let paper = Self::paper();
        Self {
            preset: Preset::Default,
            seed: 0,
            part: Part::ALL,
            questions: 500,
            state: StateConfig { n_steps: 25, features: Feature::DEFAULT.to_vec() },
            warm_up: WarmUpConfig {
                scores: WarmUpScores::Surprisal,
                n_highest: 3,
                n_lowest: 1,
                n_middle: 1,
                ..paper.warm_up
            },
            query: QueryConfig {
                per_round: 50,
                random_fraction: 0.2,
                review_fraction: 0.2,
                min_distance: 40,
                max_series_fraction: 0.2,
                pool: 5_000,
                answers: AnswerKind::Range,
                round_robin: false,
                ..paper.query
            },
            propagation: PropagationConfig { per_round: 0, ..paper.propagation },
            agent: AgentConfig {
                n_members: 5,
                n_units: 48,
                skip: true,
                head_units: 48,
                dropout: 0.2,
                noise: 0.05,
                weight_decay: 0.01,
                learning_rate: 2e-3,
                one_cycle: true,
                steps_per_round: 0,
                final_steps: 1_200,
                restart: true,
                replay_capacity: 1_000_000,
                epsilon_start: 0.0,
                epsilon_end: 0.0,
                gamma: 0.0,
                label_noise_exponent: 2.0,
                update: Update::Both,
                trees: TreesConfig { weight: 0.8, surprisal: 1.0, surprisal_unseen: 2.0, ..paper.agent.trees },
                ..paper.agent
            },
            threshold: ThresholdConfig { method: ThresholdMethod::Calibrated },
            experts: paper.experts,
        }
    }
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
        let config = Config::from_toml("preset = 'paper'\n[agent]\ngamma = 0.8").unwrap();
        let mut expected = Config::paper();
        expected.agent.gamma = 0.8;
        assert_eq!(config, expected);
    }

    #[test]
    fn wrong_settings_are_named() {
        let message = |text: &str| Config::from_toml(text).unwrap_err().to_string();
        assert_eq!(message("[agent]\ngamma = 1.5"), "`agent.gamma` must be in [0, 1], got 1.5");
        assert!(message("[agent]\ngama = 1.5").contains("unknown field `gama`"));
        assert!(message("[agent").contains("config"));
    }
}
