//! A detector read from a file: a model or a baseline.

use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "baselines")]
use crate::baselines::{self, Baseline};
use crate::config::DecisionConfig;
use crate::data::calendar::Calendar;
use crate::detect::detector::Detector;
use crate::detect::model::Model;
use crate::error::Result;
#[cfg(feature = "baselines")]
use crate::models::tensor_file;

/// A detector from a file.
#[derive(Clone, Debug)]
pub enum Saved {
    /// The agent's.
    Model(Model),
    /// A baseline; only with the feature `baselines`.
    #[cfg(feature = "baselines")]
    Baseline(Baseline),
}

impl Saved {
    /// Reads the bytes of a detector's file; `path` is for errors.
    ///
    /// # Errors
    /// Those of [`Model::from_bytes`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        #[cfg(feature = "baselines")]
        if tensor_file::is(baselines::KIND, &bytes) {
            return Baseline::from_bytes(path, bytes).map(Self::Baseline);
        }
        Model::from_bytes(path, bytes).map(Self::Model)
    }

    /// The detector.
    #[must_use]
    pub const fn detector(&self) -> &dyn Detector {
        match self {
            Self::Model(model) => model,
            #[cfg(feature = "baselines")]
            Self::Baseline(baseline) => baseline,
        }
    }

    /// The same detector, under which no answer stands ([`Model::without_answers`]).
    #[must_use]
    pub fn without_answers(self) -> Self {
        match self {
            Self::Model(model) => Self::Model(model.without_answers()),
            #[cfg(feature = "baselines")]
            baseline @ Self::Baseline(_) => baseline,
        }
    }

    /// The same detector with another decision ([`Model::with_decision`]): its present one, changed by `change`; a baseline keeps its
    /// own threshold.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a setting that is outside of its range.
    pub fn with_decision(self, change: impl FnOnce(&mut DecisionConfig)) -> Result<Self> {
        match self {
            Self::Model(model) => {
                let mut decision = model.decision().clone();
                change(&mut decision);
                model.with_decision(decision).map(Self::Model)
            }
            #[cfg(feature = "baselines")]
            baseline @ Self::Baseline(_) => Ok(baseline),
        }
    }

    /// The same detector with its threshold moved for another share of anomalies among new points ([`Model::adapted`]); a baseline keeps its
    /// own.
    #[must_use]
    pub fn adapted(self, scores: &[f64]) -> Self {
        match self {
            Self::Model(model) => Self::Model(model.adapted(scores)),
            #[cfg(feature = "baselines")]
            baseline @ Self::Baseline(_) => baseline,
        }
    }

    /// The same detector with a calendar of expected events ([`Model::with_calendar`]).
    #[must_use]
    pub fn with_calendar(self, calendar: impl Into<Arc<Calendar>>) -> Self {
        match self {
            Self::Model(model) => Self::Model(model.with_calendar(calendar)),
            #[cfg(feature = "baselines")]
            Self::Baseline(baseline) => Self::Baseline(baseline.with_calendar(calendar)),
        }
    }

    /// The SHA-256 of its content, in hexadecimal.
    #[must_use]
    pub fn hash(&self) -> &str {
        match self {
            Self::Model(model) => model.hash(),
            #[cfg(feature = "baselines")]
            Self::Baseline(baseline) => baseline.hash(),
        }
    }

    /// The seed that it was fitted with.
    #[must_use]
    pub fn seed(&self) -> u64 {
        match self {
            Self::Model(model) => model.config().seed,
            #[cfg(feature = "baselines")]
            Self::Baseline(baseline) => baseline.seed(),
        }
    }

    /// The questions that were answered for it.
    #[must_use]
    pub const fn n_questions(&self) -> usize {
        match self {
            Self::Model(model) => model.n_questions(),
            #[cfg(feature = "baselines")]
            Self::Baseline(baseline) => baseline.n_questions(),
        }
    }

    /// The points that experts labelled for it.
    #[must_use]
    pub const fn n_labelled_points(&self) -> usize {
        match self {
            Self::Model(model) => model.n_labelled_points(),
            #[cfg(feature = "baselines")]
            Self::Baseline(baseline) => baseline.n_labelled_points(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;
    use crate::data::label::{Label, Truth};
    use crate::data::series::{NANOS_PER_SECOND, Series, TimeFormat};
    use crate::error::Error;
    use crate::models::tensor_file::{self, Tensors};
    use crate::{Session, TruthOracle};

    fn series() -> Series {
        let times = (0..160).map(|i| i * 3_600 * NANOS_PER_SECOND).collect();
        let values = (0..160).map(|i| f64::from(i % 24) + if i % 37 == 31 { 40.0 } else { 0.0 }).collect();
        Series::new("cpu", vec!["value".into()], TimeFormat::Seconds, times, values, None).unwrap()
    }

    /// The bytes of a small model.
    fn model(change: impl FnOnce(&mut Config), config: Config) -> Vec<u8> {
        let mut config = Config { questions: 6, ..config };
        (config.agent.n_members, config.agent.trees.n_trees) = (2, 3);
        change(&mut config);
        let label = |i: usize| Some(if i % 37 == 31 { Label::Anomaly } else { Label::Normal });
        let mut session = Session::new(config, vec![series()]).unwrap();
        session.run(&mut TruthOracle::new(&[Some(Truth::new((0..160).map(label).collect()))])).unwrap();
        session.finish().unwrap().to_bytes().to_vec()
    }

    /// What reading a file says in which something was changed, and whose hash is that of the changed file.
    fn refusal(kind: &str, file: &[u8], change: impl FnOnce(&mut Tensors, &mut Value)) -> String {
        let (mut tensors, mut record, _) = tensor_file::read::<Value>(Path::new("m"), kind, file).unwrap();
        change(&mut tensors, &mut record);
        let (bytes, _) = tensor_file::write(kind, &tensors, &record);
        match Saved::from_bytes(Path::new("m"), bytes) {
            Ok(saved) => {
                let scores = saved.detector().score(&series());
                panic!("it is read, and scores {scores:?}")
            }
            Err(error @ Error::Format { .. }) => {
                format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default())
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// A change of a file, and words of the refusal.
    type Change = (fn(&mut Tensors, &mut Value), &'static str);

    fn check(kind: &str, file: &[u8], changes: &[Change]) {
        for (number, (change, words)) in changes.iter().enumerate() {
            let found = refusal(kind, file, change);
            assert!(found.starts_with("`m` is not a ") && found.contains(words), "{kind} {number}: {found}");
        }
    }

    fn bits(n: u32) -> f32 {
        f32::from_bits(n)
    }

    #[test]
    fn a_model_that_was_changed_and_hashed_anew_is_refused() {
        let file = model(|config| config.agent.trees.weight = 1.0, Config::default());
        let changes: &[Change] = &[
            (|_, record| record["n_channels"] = json!(2), "features of 2 channels"),
            (|_, record| record["n_channels"] = json!(u64::MAX), "channels"),
            (|_, record| record["n_channels"] = json!(0), "channels"),
            (|_, record| record["shape"]["n_features"] = json!(1), "states of 1 numbers a step"),
            (|_, record| record["shape"]["n_units"] = json!(7), "networks of another shape"),
            (
                |_, record| record["config"]["agent"]["n_members"] = json!(u32::MAX),
                "`agent.n_members` must be in 1..=64",
            ),
            (|_, record| record["config"]["state"]["n_steps"] = json!(0), "`state.n_steps` must be in 1..=10000"),
            (|_, record| record["config"]["state"]["features"] = json!([]), "`state.features`"),
            (|_, record| record["mean_probability"] = json!(1.5), "`mean_probability` must be in [0, 1], got 1.5"),
            (|_, record| record["evidence"] = json!(-1), "`evidence` must be in [0, 1], got -1"),
            (
                |_, record| {
                    record["label_overrides"] =
                        json!({"cpu": [{"first": 0, "last": 0, "n_points": 0, "label": "anomaly"}]})
                },
                "a label of series `cpu` is of no point",
            ),
            (
                |_, record| record["scales"] = json!({"cpu": {"extents": [{"is_fitted": true, "ends": [2.0, 1.0]}]}}),
                "the scale of series `cpu` does not fit its 1 channels",
            ),
            (|_, record| record["ecdfs_of"] = json!(["a", "b"]), "ecdfs"),
            (|tensors, _| tensors.get_mut("ecdfs.counts").unwrap().1[0] = f32::NAN, "ecdfs"),
            (|tensors, _| tensors.get_mut("ecdfs.counts").unwrap().1[0] = f32::MAX, "ecdfs"),
            (|tensors, _| tensors.get_mut("ecdfs.edges").unwrap().1[0] = f32::NAN, "ecdfs"),
            (|tensors, _| tensors.get_mut("0.trees.bias").unwrap().1[0] = f32::INFINITY, "the trees begin at inf"),
            (|tensors, _| tensors.get_mut("0.trees.roots").unwrap().1[0] = bits(9_999), "name node 9999"),
            (|tensors, _| tensors.get_mut("0.trees.roots").unwrap().1[1] = bits(0), "reached in two ways"),
            (|tensors, _| tensors.get_mut("0.trees.nodes").unwrap().1[0] = bits(9_999), "looks at feature 9999"),
            (|tensors, _| tensors.get_mut("0.trees.nodes").unwrap().1[1] = bits(u32::MAX), "name node 4294967295"),
            (|tensors, _| tensors.get_mut("0.trees.nodes").unwrap().1[2] = f32::NAN, "no number"),
        ];
        check("model", &file, changes);
    }

    #[test]
    fn trees_that_are_none_are_refused() {
        // Features, left children and values; a walk would go round, be longer than there are nodes, or leave them.
        let trees = |nodes: &[[f32; 3]], roots: &[u32]| {
            let tensor = |name: &str, data: Vec<f32>| tensor_file::Tensor {
                name: name.to_owned(),
                shape: vec![data.len()],
                data,
            };
            let roots = roots.iter().map(|root| bits(*root)).collect();
            let tensors = [tensor("bias", vec![0.0]), tensor("roots", roots), tensor("nodes", nodes.concat())];
            crate::models::trees::BoostedTrees::from_tensors(3, &tensors).map(|_| ())
        };
        let (inner, leaf) = (|left: u32| [bits(0), bits(left), 0.5], [0.0, 0.0, 1.0]);
        assert_eq!(trees(&[inner(1), leaf, leaf], &[0]), Ok(()));
        let refused = |nodes: &[[f32; 3]], roots: &[u32], words: &str| {
            let problem = trees(nodes, roots).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        };
        refused(&[inner(1), inner(1), leaf], &[0], "has a child before it");
        refused(&[inner(1), inner(2), inner(3), inner(4), leaf, leaf], &[0], "reached in two ways");
        refused(&[inner(2), leaf, leaf], &[0], "name node 3, but have 3");
        refused(&[inner(u32::MAX), leaf, leaf], &[0], "name node 4294967295");
        refused(&[inner(1), leaf, leaf], &[0, 0], "reached in two ways");
        refused(&[inner(1), leaf, leaf, leaf], &[0], "node 3 of the trees is reached from nowhere");
        refused(&[inner(1), leaf, [0.0, 0.0, f32::INFINITY]], &[0], "leaf 2 of the trees adds inf");
    }

    #[cfg(feature = "baselines")]
    #[test]
    fn a_baseline_that_was_changed_and_hashed_anew_is_refused() {
        use crate::baselines::{Baseline, Method};
        use crate::data::series::Part;

        let baseline = |name: &str, settings: &str| {
            let method = Method::from_settings(name, &settings.parse().unwrap()).unwrap();
            let labels = [crate::data::Labels::default()];
            Baseline::fit(&method, &[series()], Part::ALL, &labels, 0, 1).unwrap().to_bytes().to_vec()
        };
        let changes: &[Change] = &[
            (|_, record| record["n_channels"] = json!(0), "must have from 1 to 65536 channels"),
            (|_, record| record["n_channels"] = json!(2), "a deviation above 0 for each channel"),
            (
                |_, record| record["standards"]["cpu"]["deviation"] = json!([0.0]),
                "a deviation above 0 for each channel",
            ),
            (|_, record| record["method"]["settings"]["n_steps"] = json!(0), "n_steps"),
            (|_, record| record["method"]["settings"]["n_steps"] = json!(4), "must have the settings of its method"),
            (|_, record| record["fitted"] = json!("nothing"), "must have a fitted method"),
            (|_, record| record["method"] = json!({"name": "never"}), "must have a fitted `never`"),
        ];
        check("baseline", &baseline("pca", "n_steps = 3"), changes);
        let neighbors = baseline("nearest-neighbors", "n_steps = 3\nn_windows = 8");
        let changes: &[Change] = &[
            (|_, record| record["fitted"]["nearest-neighbors"]["n_dims"] = json!(0), "windows of its channels"),
            (|_, record| record["fitted"]["nearest-neighbors"]["n_windows"] = json!(0), "as many windows"),
            (|_, record| record["fitted"]["nearest-neighbors"]["n_windows"] = json!(u64::MAX), "as many windows"),
            (|tensors, _| drop(tensors.remove("windows")), "tensor `windows`"),
        ];
        check("baseline", &neighbors, changes);
        let dagmm = baseline("dagmm", "n_steps = 3\nn_epochs = 1");
        let changes: &[Change] = &[
            (
                |_, record| record["fitted"]["dagmm"]["model"]["encoder"]["layers"] = json!([]),
                "the layers of its settings",
            ),
            (|_, record| record["fitted"]["dagmm"]["mixture"]["components"] = json!([]), "a mixture"),
            (|_, record| record["fitted"]["dagmm"]["n_steps"] = json!(0), "the windows of its settings"),
        ];
        check("baseline", &dagmm, changes);
        let autoencoder = baseline("autoencoder", "n_steps = 3\nn_epochs = 1");
        let changes: &[Change] = &[(
            |_, record| record["fitted"]["autoencoder"]["errors"]["mean"] = json!([]),
            "a distribution of the errors",
        )];
        check("baseline", &autoencoder, changes);
    }
}
