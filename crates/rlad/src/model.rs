//! A trained detector, and its file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::agent::mean_score;
use crate::config::Config;
use crate::detector::{Detector, check_channels, leave_out_missing};
use crate::error::{Error, Result};
use crate::qnet::{QNetwork, QNetworkShape, Tensor};
use crate::series::Series;
use crate::tensor_file::{self, Tensors};
use crate::views::{Scale, encode};

/// A trained detector: the Q-networks, how their states are made, and the threshold.
///
/// The score of a point is `Q(anomaly) − Q(normal)`, the mean of the networks. A series that it was not trained on is
/// scored like any other.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) networks: Vec<QNetwork>,
    pub(crate) record: Record,
    bytes: Vec<u8>,
    hash: String,
}

/// What a model file records beside the weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) config: Config,
    pub(crate) shape: QNetworkShape,
    pub(crate) n_channels: usize,
    pub(crate) scales: BTreeMap<String, Scale>,
    pub(crate) threshold: f64,
    pub(crate) n_questions: usize,
    pub(crate) n_labelled_points: usize,
}

impl Model {
    pub(crate) fn new(networks: Vec<QNetwork>, record: Record) -> Self {
        let mut tensors = Tensors::new();
        for (i, network) in networks.iter().enumerate() {
            put(&mut tensors, &format!("{i}."), network.tensors());
        }
        let (bytes, hash) = tensor_file::write("model", &tensors, &record);
        Self { networks, record, bytes, hash }
    }

    /// Reads the bytes of a model file; `path` is for errors.
    ///
    /// # Errors
    /// [`Error::Format`], [`Error::Version`] or [`Error::Damaged`] where the bytes are not a whole model of this version.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let (tensors, record, hash): (_, Record, _) = tensor_file::read(path, "model", &bytes)?;
        let networks = (0..record.config.agent.n_members)
            .map(|i| network(path, &tensors, &format!("{i}."), record.shape))
            .collect::<Result<_>>()?;
        Ok(Self { networks, record, bytes, hash })
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

    /// The settings that it was trained with.
    #[must_use]
    pub const fn config(&self) -> &Config {
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

    /// What its views know of a series: what was fitted in training, or nothing.
    pub(crate) fn scale(&self, series: &str) -> Scale {
        self.record.scales.get(series).cloned().unwrap_or_else(Scale::running)
    }
}

impl Detector for Model {
    fn context(&self) -> usize {
        self.record.config.state.n_steps
    }

    fn threshold(&self) -> f64 {
        self.record.threshold
    }

    fn score_points(&self, series: &Series, points: Range<usize>) -> Result<Vec<f64>> {
        check_channels(series, self.record.n_channels)?;
        let state = &self.record.config.state;
        let encoded = encode(series, &state.views, &self.scale(series.name()));
        let q_values: Vec<Vec<[f32; 2]>> = self
            .networks
            .iter()
            .map(|network| network.q_values_series(encoded.rows(), points.clone(), state.n_steps))
            .collect();
        let mut scores: Vec<f64> =
            (0..points.len()).map(|i| mean_score(q_values.iter().map(|q| q[i][1] - q[i][0]))).collect();
        leave_out_missing(series, points.start, &mut scores);
        Ok(scores)
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
