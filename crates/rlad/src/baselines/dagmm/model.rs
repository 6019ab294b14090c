//! The networks of DAGMM and one step of their training.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::config::DagmmConfig;
use super::mixture::{Mixture, Samples};
use crate::baselines::autoencoder;
use crate::baselines::network::{Activation, Layer, Network, Pass};
use crate::baselines::windows::Arrays;
use crate::error::Result;
use crate::models::optimiser::Moments;

/// The least root mean square of a window's values, in deviations of the series, by which its error is divided.
const LEAST_SIZE: f64 = 0.01;

/// The least norm by which a cosine is divided, as in PyTorch's `cosine_similarity`.
const LEAST_NORM: f64 = 1e-8;

/// The compression network, in two halves, and the estimation network, whose dropout stands between two layers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Model {
    encoder: Network,
    decoder: Network,
    estimation_hidden: Network,
    estimation_out: Network,
}

/// A batch on its way through the model and back; the buffers stay.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    encoder: Pass,
    decoder: Pass,
    hidden: Pass,
    out: Pass,
    /// z in `f32`, `[n, d]`, what the estimation network sees.
    z: Vec<f32>,
    /// The hidden units of the estimation network after dropout.
    kept: Vec<f32>,
    /// z and γ.
    pub(super) samples: Samples,
    reconstructions: Vec<Reconstruction>,
    d: Vec<f32>,
    d_code: Vec<f32>,
}

/// How a window and its reconstruction compare.
#[derive(Clone, Copy, Debug)]
struct Reconstruction {
    /// `‖x − x'‖`
    distance: f64,
    /// `‖x‖`, by which the distance is divided, and by which the cosine is.
    size: f64,
    norm: f64,
    /// `‖x'‖`
    norm_back: f64,
    cosine: f64,
    /// Whether `norm_back` is the least norm in place of the real one.
    tiny: bool,
}

impl Reconstruction {
    fn new(window: &[f32], back: &[f32]) -> Self {
        let (mut distance, mut square, mut square_back, mut product) = (0.0, 0.0, 0.0, 0.0);
        for (x, y) in window.iter().zip(back) {
            let (x, y) = (f64::from(*x), f64::from(*y));
            distance += (x - y) * (x - y);
            square += x * x;
            square_back += y * y;
            product += x * y;
        }
        let least_size = LEAST_SIZE * (window.len() as f64).sqrt();
        let (norm, norm_back) = (square.sqrt(), square_back.sqrt());
        let tiny = norm_back < LEAST_NORM;
        let (size, norm, norm_back) = (norm.max(least_size), norm.max(LEAST_NORM), norm_back.max(LEAST_NORM));
        Self { distance: distance.sqrt(), size, norm, norm_back, cosine: product / (norm * norm_back), tiny }
    }

    fn relative_distance(&self) -> f64 {
        self.distance / self.size
    }

    /// Adds the derivatives by the reconstruction, given those by the relative distance and by the cosine.
    fn backward(&self, window: &[f32], back: &[f32], d_distance: f64, d_cosine: f64, d_back: &mut [f32]) {
        let by_distance = if self.distance > 0.0 { d_distance / (self.distance * self.size) } else { 0.0 };
        let shrink = if self.tiny { 0.0 } else { self.cosine / self.norm_back };
        for ((x, y), d) in window.iter().zip(back).zip(d_back) {
            let (x, y) = (f64::from(*x), f64::from(*y));
            let by_cosine = (x / self.norm - shrink * y) / self.norm_back;
            *d += (by_distance * (y - x) + d_cosine * by_cosine) as f32;
        }
    }
}

/// The layers of the networks, in the order of [`Model::networks`].
fn layers(n_channels: usize, config: &DagmmConfig) -> [Vec<Layer>; 4] {
    let n_hidden = config.n_hidden + n_channels / 20;
    let (encoder, decoder) = autoencoder::layers(config.n_steps * n_channels, n_hidden, Activation::Linear);
    let hidden = Layer::new(n_hidden + 2, config.n_units, Activation::Tanh);
    let out = Layer::new(config.n_units, config.n_components, Activation::Linear);
    [encoder, decoder, vec![hidden], vec![out]]
}

impl Model {
    /// A model with random weights for windows of `n_channels`.
    pub(super) fn new(n_channels: usize, config: &DagmmConfig, rng: &mut impl Rng) -> Self {
        let [encoder, decoder, hidden, out] = layers(n_channels, config).map(|layers| Network::new(layers, rng));
        Self { encoder, decoder, estimation_hidden: hidden, estimation_out: out }
    }

    /// d: the values of z.
    pub(super) fn n_variables(&self) -> usize {
        self.estimation_hidden.n_inputs()
    }

    /// The networks by name, in the order in which their weights are counted.
    const fn networks(&self) -> [(&'static str, &Network); 4] {
        [
            ("encoder", &self.encoder),
            ("decoder", &self.decoder),
            ("estimation.hidden", &self.estimation_hidden),
            ("estimation.out", &self.estimation_out),
        ]
    }

    /// The same, to be changed.
    pub(super) const fn networks_mut(&mut self) -> [(&'static str, &mut Network); 4] {
        [
            ("encoder", &mut self.encoder),
            ("decoder", &mut self.decoder),
            ("estimation.hidden", &mut self.estimation_hidden),
            ("estimation.out", &mut self.estimation_out),
        ]
    }

    /// All weights.
    pub(super) fn weights(&self) -> impl Iterator<Item = f32> {
        self.networks().into_iter().flat_map(|(_, network)| network.weights().iter().copied())
    }

    /// The weights of each network by its name.
    pub(super) fn arrays(&self) -> Vec<(&'static str, &[f32])> {
        self.networks().map(|(name, network)| (name, network.weights())).to_vec()
    }

    /// Takes back what [`Self::arrays`] gave, where the networks are those of these settings.
    pub(super) fn restore(&mut self, n_channels: usize, config: &DagmmConfig, arrays: &Arrays) -> Result<()> {
        let layers = layers(n_channels, config);
        let mut networks = self.networks_mut().into_iter().zip(layers);
        networks.try_for_each(|((name, network), layers)| network.restore_weights(&layers, arrays, name))
    }

    /// Leaves z and γ of some windows, `[n, n_steps * n_channels]`, in `work.samples`. `dropout` are the factors of the
    /// estimation network's hidden units, `[n, n_units]`.
    pub(super) fn forward(&self, rows: &[f32], dropout: Option<&[f32]>, work: &mut Work) {
        self.encoder.forward(rows, &mut work.encoder);
        let codes = work.encoder.outputs();
        self.decoder.forward(codes, &mut work.decoder);
        let backs = work.decoder.outputs();
        let (n_inputs, n_code) = (self.encoder.n_inputs(), self.encoder.n_outputs());
        let windows = rows.chunks_exact(n_inputs).zip(backs.chunks_exact(n_inputs));
        work.reconstructions.clear();
        work.reconstructions.extend(windows.map(|(window, back)| Reconstruction::new(window, back)));
        let samples = &mut work.samples;
        samples.z.clear();
        for (code, reconstruction) in codes.chunks_exact(n_code).zip(&work.reconstructions) {
            samples.z.extend(code.iter().copied().map(f64::from));
            samples.z.extend([reconstruction.relative_distance(), reconstruction.cosine]);
        }
        work.z.clear();
        work.z.extend(samples.z.iter().map(|&z| z as f32));

        self.estimation_hidden.forward(&work.z, &mut work.hidden);
        work.kept.clear();
        work.kept.extend_from_slice(work.hidden.outputs());
        if let Some(factors) = dropout {
            work.kept.iter_mut().zip(factors).for_each(|(unit, factor)| *unit *= factor);
        }
        self.estimation_out.forward(&work.kept, &mut work.out);
        samples.n_components = self.estimation_out.n_outputs();
        samples.memberships.clear();
        samples.memberships.extend(work.out.outputs().iter().copied().map(f64::from));
        samples.memberships.chunks_exact_mut(samples.n_components).for_each(softmax);
    }

    /// Leaves the derivatives of the loss by all weights in `work`, after [`Self::forward`], and returns the loss.
    ///
    /// None where a covariance is singular or something is not finite.
    pub(super) fn backward(
        &self,
        rows: &[f32],
        dropout: Option<&[f32]>,
        config: &DagmmConfig,
        gradient: &mut Samples,
        work: &mut Work,
    ) -> Option<f64> {
        let (n_inputs, n_code, n_variables) = (self.encoder.n_inputs(), self.encoder.n_outputs(), self.n_variables());
        let samples = &work.samples;
        let mixture = Mixture::fit(samples, config.energy_form())?;
        let energy = mixture.backward(samples, config.energy_weight, config.penalty_weight, gradient);

        // From γ through the softmax and the estimation network to z.
        work.d.clear();
        let k = samples.n_components;
        for (memberships, d) in samples.memberships.chunks_exact(k).zip(gradient.memberships.chunks_exact(k)) {
            let mean: f64 = memberships.iter().zip(d).map(|(membership, d)| membership * d).sum();
            work.d.extend(memberships.iter().zip(d).map(|(membership, d)| (membership * (d - mean)) as f32));
        }
        self.estimation_out.backward_to_inputs(&work.kept, &work.d, &mut work.out);
        work.d.clear();
        work.d.extend_from_slice(work.out.d_inputs());
        if let Some(factors) = dropout {
            work.d.iter_mut().zip(factors).for_each(|(d, factor)| *d *= factor);
        }
        self.estimation_hidden.backward_to_inputs(&work.z, &work.d, &mut work.hidden);
        gradient.z.iter_mut().zip(work.hidden.d_inputs()).for_each(|(d_z, d)| *d_z += f64::from(*d));

        // From the error and z through the decoder and the encoder.
        let backs = work.decoder.outputs();
        let n_values = rows.len() as f64;
        let errors = || backs.iter().zip(rows).map(|(back, x)| f64::from(*back) - f64::from(*x));
        let loss = errors().map(|error| error * error).sum::<f64>() / n_values
            + config.energy_weight * energy
            + config.penalty_weight * mixture.penalty();
        work.d.clear();
        work.d.extend(errors().map(|error| (2.0 * error / n_values) as f32));
        let windows =
            rows.chunks_exact(n_inputs).zip(backs.chunks_exact(n_inputs)).zip(work.d.chunks_exact_mut(n_inputs));
        let d_z = gradient.z.chunks_exact(n_variables);
        for (((window, back), d_back), (d_z, reconstruction)) in windows.zip(d_z.zip(&work.reconstructions)) {
            reconstruction.backward(window, back, d_z[n_code], d_z[n_code + 1], d_back);
        }
        self.decoder.backward_to_inputs(work.encoder.outputs(), &work.d, &mut work.decoder);
        work.d_code.clear();
        work.d_code.extend_from_slice(work.decoder.d_inputs());
        for (d_code, d_z) in work.d_code.chunks_exact_mut(n_code).zip(gradient.z.chunks_exact(n_variables)) {
            d_code.iter_mut().zip(d_z).for_each(|(d, d_z)| *d += *d_z as f32);
        }
        self.encoder.backward(rows, &work.d_code, &mut work.encoder);
        loss.is_finite().then_some(loss)
    }
}

impl Work {
    /// The derivatives by the weights of each network, in the order of [`Model::arrays`].
    pub(super) fn gradients(&self) -> [&[f32]; 4] {
        [&self.encoder, &self.decoder, &self.hidden, &self.out].map(Pass::gradient)
    }
}

/// A model with its optimisers.
pub(super) struct Trainer {
    pub(super) model: Model,
    moments: [Moments; 4],
    /// The factors of the estimation network's hidden units, 0 or `1 / (1 − fraction)`.
    pub(super) dropout: Vec<f32>,
    work: Work,
    gradient: Samples,
}

impl Trainer {
    pub(super) fn new(model: Model) -> Self {
        let moments = model.networks().map(|(_, network)| Moments::new(network.weights().len()));
        Self { model, moments, dropout: Vec::new(), work: Work::default(), gradient: Samples::default() }
    }

    /// Draws which hidden units are dropped in the next step.
    pub(super) fn draw_dropout(&mut self, n_rows: usize, fraction: f32, rng: &mut impl Rng) {
        let n_units = self.model.estimation_out.n_inputs();
        let factor = |_| if rng.random::<f32>() < fraction { 0.0 } else { 1.0 / (1.0 - fraction) };
        self.dropout.clear();
        self.dropout.extend((0..n_rows * n_units).map(factor));
    }

    /// Takes one step down the gradient and returns the loss before it; none where that is not finite.
    pub(super) fn step(&mut self, rows: &[f32], config: &DagmmConfig) -> Option<f64> {
        let Self { model, moments, dropout, work, gradient } = self;
        model.forward(rows, Some(dropout), work);
        let loss = model.backward(rows, Some(dropout), config, gradient, work)?;
        let square: f64 = work.gradients().iter().flat_map(|g| g.iter()).map(|&g| f64::from(g) * f64::from(g)).sum();
        let scale = (f64::from(config.clip_norm) / square.sqrt()).min(1.0) as f32;
        let steps = model.networks_mut().into_iter().zip(moments).zip(work.gradients());
        for (((_, network), moments), gradient) in steps {
            moments.step(network.weights_mut(), gradient, scale, config.learning_rate);
        }
        square.is_finite().then_some(loss)
    }
}

/// Turns logits into probabilities.
fn softmax(row: &mut [f64]) {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|logit| *logit = (*logit - top).exp());
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|probability| *probability /= sum);
}
