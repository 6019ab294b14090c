//! A trained detector, and its file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::agent::residual::Residual;
use crate::agent::score::Scorer;
use crate::config::{Config, DecisionConfig};
use crate::data::calendar::Calendar;
use crate::data::label_overrides::LabelOverrides;
use crate::data::series::Clock;
use crate::data::write::write_file;
use crate::detect::decision::{Decider, Thresholds};
use crate::detect::label_shift::threshold_shift;
use crate::detect::lineage::LineageEntry;
use crate::detect::transfer::Transfer;
use crate::error::{Cause, Error, Result};
use crate::features::Scale;
use crate::features::surprisal::{Ecdfs, EcdfsBySeries};
use crate::features::tree_row::{TreeRows, n_tree_features};
use crate::models::qnet::{QNetwork, QNetworkShape};
use crate::models::tensor_file::{self, Tensor, Tensors, misfit};
use crate::models::trees::BoostedTrees;

/// A trained detector: the Q-networks and trees of its members, how their states are made, and the threshold.
///
/// The score of a point is the log-odds of an anomaly, the mean of the members: those of the prior (`agent.prior`), and what answers added.
/// Without a prior it is `Q(anomaly) − Q(normal)`, in units of reward.
///
/// ```no_run
/// use rlad::{Detector, Model, read};
///
/// # fn main() -> rlad::Result<()> {
/// let model = Model::load("cpu.safetensors")?;
/// for series in &read(&["new.csv".into()], &rlad::data::ReadOptions::default())?.series {
///     for event in model.detect(series)?.events() {
///         println!("{}: {} points, peak {:.2}", event.series, event.n_points, event.peak);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) members: Vec<Scorer>,
    pub(crate) record: ModelRecord,
    ecdfs_by_series: EcdfsBySeries,
    /// The change of the threshold that [`Model::adapted`] found.
    threshold_shift: f64,
    /// The series of which an expert called a point an anomaly.
    with_anomalies: Arc<BTreeSet<String>>,
    /// What is expected, where something is; no part of the file.
    calendar: Option<Arc<Calendar>>,
    bytes: Vec<u8>,
    hash: String,
}

/// The record of a model file, beside the weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ModelRecord {
    pub(crate) config: Box<Config>,
    pub(crate) shape: QNetworkShape,
    pub(crate) n_channels: usize,
    pub(crate) scales: BTreeMap<String, Scale>,
    /// The series whose ecdfs stand in the file, rising.
    pub(crate) ecdfs_of: Vec<String>,
    pub(crate) threshold: f64,
    /// Labels that experts gave.
    pub(crate) label_overrides: LabelOverrides,
    pub(crate) n_questions: usize,
    pub(crate) n_labelled_points: usize,
    /// The mean probability of an anomaly over the training points; 0 where it is not known.
    #[serde(default)]
    pub(crate) mean_probability: f64,
    /// The share of what was learned that counts (`agent.prior`), in `[0, 1]`; 0 without a prior.
    #[serde(default)]
    pub(crate) evidence: f64,
    /// What is added to the scores of a series, by answers about what the detector did there in use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) residuals: BTreeMap<String, Residual>,
    /// What it learned from; empty in files from before this was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lineage: Vec<LineageEntry>,
    /// The timestamp of the last training point of each series.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) trained_until: BTreeMap<String, i64>,
}

impl ModelRecord {
    /// Refuses a record whose parts do not fit each other: nothing that scores need look at it again.
    fn check(&self) -> std::result::Result<(), Cause> {
        self.config.validate()?;
        self.shape.validate()?;
        let Self { shape, config, n_channels, .. } = self;
        let (features, agent) = (&config.state.features, &config.agent);
        if *n_channels == 0 || features.len().checked_mul(*n_channels) != Some(shape.n_features) {
            let n_features = features.len();
            return Err(format!(
                "states of {} numbers a step, but {n_features} features of {n_channels} channels",
                shape.n_features
            )
            .into());
        }
        let of_settings = (agent.n_units, agent.skip, agent.head_units);
        if (shape.n_units, shape.skip, shape.head_units) != of_settings {
            return Err("networks of another shape than its settings say".into());
        }
        if let Some((name, _)) = self.scales.iter().find(|(_, scale)| !scale.fits(*n_channels)) {
            return Err(format!("the scale of series `{name}` does not fit its {n_channels} channels").into());
        }
        for (name, share) in [("mean_probability", self.mean_probability), ("evidence", self.evidence)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("`{name}` must be in [0, 1], got {share}").into());
            }
        }
        let n_features = self.shape.n_features;
        if let Some((name, _)) = self.residuals.iter().find(|(_, residual)| !residual.fits(n_features)) {
            return Err(format!("the residual of series `{name}` does not fit states of {n_features} features").into());
        }
        if !self.threshold.is_finite() {
            return Err(format!("`threshold` must be a number, got {}", self.threshold).into());
        }
        Ok(self.label_overrides.check()?)
    }
}

/// Under which the ecdfs stand in a file.
const ECDFS: &str = "ecdfs.";

impl Model {
    pub(crate) fn new(members: Vec<Scorer>, record: ModelRecord, ecdfs_by_series: EcdfsBySeries) -> Self {
        let mut tensors = Tensors::new();
        for (i, member) in members.iter().enumerate() {
            if let Some(network) = &member.network {
                put(&mut tensors, &format!("{i}."), network.tensors());
            }
            if let Some(trees) = &member.trees {
                put(&mut tensors, &format!("{i}.trees."), trees.tensors());
            }
        }
        put(&mut tensors, ECDFS, ecdfs_by_series.tensors());
        let (bytes, hash) = tensor_file::write("model", &tensors, &record);
        Self::of_parts(members, record, ecdfs_by_series, bytes, hash)
    }

    /// Reads the bytes of a model file; `path` is for errors.
    ///
    /// # Errors
    /// [`Error::Format`], [`Error::Version`] or [`Error::Damaged`] where the bytes are not a whole model of this version, or its parts do
    /// not fit each other.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let (tensors, record, hash): (_, ModelRecord, _) = tensor_file::read(path, "model", &bytes)?;
        record.check().map_err(|problem| misfit(path, "model", problem))?;
        let learner = record.config.agent.learner();
        let n_features = record.shape.n_features;
        let member = |i: usize| {
            let has_network = tensors.contains_key(&format!("{i}.lstm.weight_ih_l0")) || !learner.has_trees();
            let network = has_network.then(|| network(path, &tensors, &format!("{i}."), record.shape)).transpose()?;
            Ok(Scorer { network, trees: trees(path, &tensors, &format!("{i}.trees."), n_features)? })
        };
        let members = (0..record.config.agent.n_members).map(member).collect::<Result<_>>()?;
        let n_features_of_ecdfs = if learner.has_trees() { n_features } else { 0 };
        let ecdfs_by_series = EcdfsBySeries::from_tensors(
            n_features_of_ecdfs,
            record.n_channels,
            record.ecdfs_of.clone(),
            &under(&tensors, ECDFS),
        );
        let ecdfs_by_series = ecdfs_by_series.map_err(|problem| Error::Format {
            path: path.to_owned(),
            expected: "a file with the ecdfs of its series".to_owned(),
            source: Some(problem.into()),
        })?;
        Ok(Self::of_parts(members, record, ecdfs_by_series, bytes, hash))
    }

    fn of_parts(
        members: Vec<Scorer>,
        record: ModelRecord,
        ecdfs_by_series: EcdfsBySeries,
        bytes: Vec<u8>,
        hash: String,
    ) -> Self {
        let with_anomalies = Arc::new(record.label_overrides.with_anomalies().map(str::to_owned).collect());
        Self { members, record, ecdfs_by_series, threshold_shift: 0.0, with_anomalies, calendar: None, bytes, hash }
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`Error::Read`] where there is none, and those of [`Self::from_bytes`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::from_bytes(path, bytes)
    }

    /// Writes its file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_file(path.as_ref(), &self.bytes)
    }

    /// The same detector, under which no answer stands ([`Detector::apply_labels`](crate::Detector::apply_labels) does nothing).
    /// Its bytes and its hash are still those of the file.
    #[must_use]
    pub fn without_answers(mut self) -> Self {
        self.record.label_overrides = LabelOverrides::default();
        self
    }

    /// The same detector with another decision: nothing is trained, and scores stay as they are. Its bytes and its hash, and so what
    /// [`Self::save`] writes, are still those of the file. Without a prior the threshold is 0 for every goal.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting that is outside of its range.
    pub fn with_decision(mut self, decision: DecisionConfig) -> Result<Self> {
        decision.validate()?;
        self.record.threshold = decision.threshold(&self.record.config.agent);
        self.record.config.decision = decision;
        Ok(self)
    }

    /// The same detector with a calendar of expected events, in the place of the one that it had: a point inside has its score and is no
    /// alarm, in a batch and in a stream, and no event reaches over it. An expert's label of such a point does not stand over its score.
    /// Its bytes and its hash are still those of the file, which holds no calendar.
    #[must_use]
    pub fn with_calendar(mut self, calendar: impl Into<Arc<Calendar>>) -> Self {
        self.calendar = Some(calendar.into());
        self
    }

    /// The calendar of expected events, where it has one.
    #[must_use]
    pub const fn calendar(&self) -> Option<&Arc<Calendar>> {
        self.calendar.as_ref()
    }

    /// The decision about a series before its first point.
    pub(crate) fn decider(&self, series: &str, clock: Clock) -> Decider {
        let calendar = self.calendar.as_ref().map(|calendar| calendar.of(series, clock));
        Decider::new(self.decision(), self.thresholds(), clock, self.record.n_channels)
            .with_calendar(calendar)
            .with_transfer(self.transfer(series, clock))
    }

    /// The limit on what other series taught; `None` where an expert called a point of the series an anomaly, where nothing was learned, and
    /// where no prior says what was known before.
    fn transfer(&self, series: &str, clock: Clock) -> Option<Transfer> {
        let limit = self.decision().transfer_share;
        let has_learned = self.members.iter().any(|member| member.trees.is_some() || member.network.is_some());
        let is_limited = limit < 1.0 && has_learned && self.record.config.agent.has_prior();
        (is_limited && !self.with_anomalies.contains(series)).then(|| Transfer::new(limit, clock))
    }

    /// Which points are alarms: as it was trained, or as [`Self::with_decision`] changed it.
    #[must_use]
    pub fn decision(&self) -> &DecisionConfig {
        &self.record.config.decision
    }

    /// The scores above which its points are alarms.
    pub(crate) fn thresholds(&self) -> Thresholds {
        let open = self.record.threshold + self.threshold_shift;
        let record = &self.record;
        let go_on = self.decision().threshold_to_go_on(&record.config.agent, record.n_questions) + self.threshold_shift;
        Thresholds { open, go_on: go_on.min(open) }
    }

    /// The same detector with its threshold moved for another share of anomalies than it learned from, which is estimated without labels
    /// from its own scores of new points (label shift; Saerens, Latinne and Decaestecker 2002, damped). Where anomalies have become rarer the
    /// threshold rises, where they are more it falls, by half of the change of their log-odds where much was learned, by less after few
    /// answers. Without a prior or an answer nothing moves.
    ///
    /// `scores`: of [`Detector::score`](crate::Detector::score), of all new series together; NaN of a missing point is left out.
    #[must_use]
    pub fn adapted(mut self, scores: &[f64]) -> Self {
        self.threshold_shift = threshold_shift(self.record.mean_probability, self.record.evidence, scores);
        self
    }

    /// The bytes of its file.
    #[must_use]
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The SHA-256 of its content, in hexadecimal.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The settings that it was trained with; its decision may have been changed since ([`Self::with_decision`]).
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.record.config
    }

    /// The questions that were answered for it, the warm-up's included.
    #[must_use]
    pub const fn n_questions(&self) -> usize {
        self.record.n_questions
    }

    /// The points that experts labelled for it, the warm-up's included.
    #[must_use]
    pub const fn n_labelled_points(&self) -> usize {
        self.record.n_labelled_points
    }

    /// What it learned from, the first training first: its own entry is the last one. Empty for a model whose file is from before lineages
    /// were kept.
    #[must_use]
    pub fn lineage(&self) -> &[LineageEntry] {
        &self.record.lineage
    }

    /// Whether its states need whole windows.
    pub(crate) fn has_networks(&self) -> bool {
        self.members.iter().any(|member| member.network.is_some())
    }

    /// Whether its states need what is known of their series.
    pub(crate) fn has_trees(&self) -> bool {
        self.record.config.agent.learner().has_trees()
    }

    /// The distributions of the features of a series before its first point that is scored.
    pub(crate) fn ecdfs(&self, series: &str, clock: Clock) -> Ecdfs {
        let ecdfs = self.ecdfs_by_series.shared(series);
        let Config { drift, agent, .. } = &*self.record.config;
        match drift.memory(clock) {
            Some(memory) if agent.has_prior() => ecdfs.that_learn_on(memory, agent.prior.even_surprisal()),
            _ => ecdfs,
        }
    }

    /// What answers about a series in use add to the score of one of its points, in nats. `row`: its row for the trees among `tree_rows`.
    pub(crate) fn residual(&self, series: &str, tree_rows: &TreeRows, row: usize) -> f64 {
        let of_series = self.record.residuals.get(series);
        let width = n_tree_features(self.record.shape.n_features);
        of_series.map_or(0.0, |residual| residual.at(&tree_rows.values[row * width..(row + 1) * width]))
    }

    /// Whether distributions were fitted to the series of this name.
    pub(crate) fn has_fitted(&self, series: &str) -> bool {
        self.ecdfs_by_series.names().binary_search_by(|name| name.as_str().cmp(series)).is_ok()
    }

    /// The scale of a series' features: fitted in training, or running.
    pub(crate) fn scale(&self, series: &str) -> Scale {
        self.record.scales.get(series).cloned().unwrap_or_else(Scale::running)
    }
}

/// Puts tensors under a prefix.
pub(crate) fn put(tensors: &mut Tensors, prefix: &str, named: Vec<Tensor>) {
    for Tensor { name, shape, data } in named {
        tensors.insert(format!("{prefix}{name}"), (shape, data));
    }
}

/// The tensors under a prefix, without it.
pub(crate) fn under(tensors: &Tensors, prefix: &str) -> Vec<Tensor> {
    tensors
        .iter()
        .filter_map(|(name, (shape, data))| {
            let name = name.strip_prefix(prefix)?.to_owned();
            Some(Tensor { name, shape: shape.clone(), data: data.clone() })
        })
        .collect()
}

/// The network whose tensors stand under a prefix.
pub(crate) fn network(path: &Path, tensors: &Tensors, prefix: &str, shape: QNetworkShape) -> Result<QNetwork> {
    QNetwork::from_tensors(shape, &under(tensors, prefix)).map_err(|problem| Error::Format {
        path: path.to_owned(),
        expected: "a file with the weights of its networks".to_owned(),
        source: Some(problem.into()),
    })
}

/// The trees whose tensors stand under a prefix, for states with `n_features` numbers a step; `None` where none stand there.
pub(crate) fn trees(path: &Path, tensors: &Tensors, prefix: &str, n_features: usize) -> Result<Option<BoostedTrees>> {
    let named = under(tensors, prefix);
    if named.is_empty() {
        return Ok(None);
    }
    let trees = BoostedTrees::from_tensors(n_tree_features(n_features), &named);
    trees.map(Some).map_err(|problem| Error::Format {
        path: path.to_owned(),
        expected: "a file with whole trees".to_owned(),
        source: Some(problem.into()),
    })
}
