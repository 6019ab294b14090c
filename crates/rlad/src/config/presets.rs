//! The two sets of defaults.

use super::{
    AgentConfig, AnswerKind, Config, DecisionConfig, DriftConfig, ExpertsConfig, Goal, PaperConfig, Preset,
    PriorConfig, PropagationConfig, PropagationMethod, QueryConfig, QueryStrategy, StateConfig, TreesConfig, Update,
    WarmUpConfig, WarmUpScores,
};
use crate::data::series::Part;
use crate::features::Feature;

impl Config {
    /// The settings of a preset.
    #[must_use]
    pub fn preset(preset: Preset) -> Self {
        match preset {
            Preset::Paper => Self::paper(),
            Preset::Default => Self::default(),
        }
    }

    /// The paper's settings (section 6.3); where it is silent, those of its released code. The book's page *Algorithm* lists both.
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
                n_highest: 5,
                n_lowest: 5,
                n_middle: 5,
                max_fraction: 1.0,
                max_questions: 1_000_000,
            },
            query: QueryConfig {
                strategy: QueryStrategy::Margin,
                per_round: 5,
                first_round: 1_000_000,
                random_fraction: 0.0,
                review_fraction: 0.0,
                min_distance: 0,
                max_series_fraction: 1.0,
                pool: 20_000,
                max_pool: 200_000,
                answers: AnswerKind::Point,
                shown: 25,
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
                reward_anomaly: 5.0,
                reward_normal: 1.0,
                label_noise_exponent: 0.0,
                answer_weight: 0.0,
                prior: PriorConfig { log_odds: 0.0, surprisal: 0.0, answers: 0.0, answers_per_series: 0.0 },
                trees: TreesConfig {
                    weight: 0.0,
                    n_trees: 60,
                    n_leaves: 31,
                    learning_rate: 0.1,
                    row_fraction: 0.5,
                    feature_fraction: 0.5,
                    min_rows: 30,
                    l2: 1.0,
                },
            },
            decision: DecisionConfig::of_goal(Goal::F1),
            drift: DriftConfig::none(),
            experts: ExpertsConfig::default(),
            paper: PaperConfig {
                n_trees: 100,
                sample_size: 256,
                round_robin: true,
                gamma: 0.98,
                epsilon_start: 1.0,
                epsilon_end: 0.1,
                epsilon_steps: 500_000,
                update: Update::Taken,
                target_update: 10,
                replay_capacity: 1000,
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
            },
        }
    }
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
                max_fraction: 0.33,
                max_questions: 10,
            },
            query: QueryConfig {
                per_round: 50,
                first_round: 10,
                random_fraction: 0.2,
                review_fraction: 0.2,
                min_distance: 40,
                max_series_fraction: 0.2,
                pool: 5_000,
                answers: AnswerKind::Range,
                ..paper.query
            },
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
                label_noise_exponent: 2.0,
                answer_weight: 5.0,
                prior: PriorConfig { log_odds: -7.2, surprisal: 2.0, answers: 8.0, answers_per_series: 2.0 },
                trees: TreesConfig { weight: 1.0, n_trees: 120, n_leaves: 16, min_rows: 10, ..paper.agent.trees },
                ..paper.agent
            },
            decision: paper.decision,
            drift: DriftConfig {
                memory_days: 0.0,
                absorb_days: 14.0,
                half_life_days: 30.0,
                series_deviation: 1.0,
                alike_deviation: 3.0,
            },
            experts: paper.experts,
            paper: PaperConfig {
                round_robin: false,
                gamma: 0.0,
                epsilon_start: 0.0,
                epsilon_end: 0.0,
                update: Update::Both,
                replay_capacity: 1_000_000,
                propagation: PropagationConfig { per_round: 0, ..paper.paper.propagation },
                ..paper.paper
            },
        }
    }
}
