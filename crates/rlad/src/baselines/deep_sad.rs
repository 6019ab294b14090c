//! Deep SAD: a network that draws normal windows to one point, and known anomalies away from it.

use serde::{Deserialize, Serialize};

use super::network::{Activation, Layer, Network, Pass};
use super::scoring::score_ends;
use super::training::{batches, bound, check, check_finite, check_training, gather};
use super::window_detector::WindowDetector;
use super::windows::{Arrays, Corpus, Scaled, agrees};
use crate::data::label::Label;
use crate::error::{Error, Result};
use crate::models::optimiser::Moments;
use crate::random::{Purpose, stream};

/// The addition to the distance of a labelled window, and the least size of each coordinate of the centre.
const EPSILON: f64 = 1e-6;
const LEAST_CENTRE: f64 = 0.1;

/// Settings of Deep SAD; the defaults are those of its authors' code, the layers those for tables of 21 to 36 columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeepSadConfig {
    /// The window length in points, in `1..=10_000`.
    pub n_steps: usize,
    /// The units of the hidden layers, at least one layer, each in `1..=4096`.
    pub hidden: Vec<usize>,
    /// The dimensions of the space in which the distance is taken, in `1..=4096`.
    pub n_outputs: usize,
    /// η: the weight of a labelled window, above 0; an unlabelled one has 1.
    pub eta: f64,
    /// How often the autoencoder, whose first half the network then is, learns from each window; 0 for a network that starts
    /// with random weights.
    pub n_pretraining_epochs: usize,
    /// How often each window is learned from, at least 1.
    pub n_epochs: usize,
    /// Windows in a gradient step, in `1..=65_536`.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f32,
    /// The multiple of the weights that is added to the gradient, at least 0.
    pub weight_decay: f32,
    /// The most unlabelled windows that are learned from, drawn at random; 0 for no bound. Labelled ones are all learned from.
    pub max_windows: usize,
}

impl Default for DeepSadConfig {
    fn default() -> Self {
        Self {
            n_steps: 25,
            hidden: vec![32, 16],
            n_outputs: 8,
            eta: 1.0,
            n_pretraining_epochs: 100,
            n_epochs: 50,
            batch_size: 128,
            learning_rate: 1e-3,
            weight_decay: 1e-6,
            max_windows: 200_000,
        }
    }
}

impl DeepSadConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first setting that is outside of its range.
    pub fn validate(&self) -> Result<()> {
        check((1..=10_000).contains(&self.n_steps), "deep-sad.n_steps", "in 1..=10000", self.n_steps)?;
        check(!self.hidden.is_empty(), "deep-sad.hidden", "at least one layer", "none")?;
        for &n_units in &self.hidden {
            check((1..=4096).contains(&n_units), "deep-sad.hidden", "layers of 1..=4096 units", n_units)?;
        }
        check((1..=4096).contains(&self.n_outputs), "deep-sad.n_outputs", "in 1..=4096", self.n_outputs)?;
        check(self.eta > 0.0 && self.eta.is_finite(), "deep-sad.eta", "above 0", self.eta)?;
        check_training("deep-sad", self.n_epochs, self.batch_size, self.learning_rate)?;
        let decay = self.weight_decay;
        check(decay >= 0.0 && decay.is_finite(), "deep-sad.weight_decay", "at least 0", decay)
    }

    /// The layers from `n_inputs` values to the outputs: without biases, hidden ones with batch normalisation and leaky
    /// rectified units.
    fn layers(&self, n_inputs: usize) -> Vec<Layer> {
        let sizes = [&[n_inputs], &self.hidden[..], &[self.n_outputs]].concat();
        chain(&sizes)
    }

    /// The layers of the autoencoder: those of the network and their mirror image.
    fn autoencoder_layers(&self, n_inputs: usize) -> Vec<Layer> {
        let mut back = [&[n_inputs], &self.hidden[..], &[self.n_outputs]].concat();
        back.reverse();
        [self.layers(n_inputs), chain(&back)].concat()
    }
}

fn chain(sizes: &[usize]) -> Vec<Layer> {
    let layer = |(index, pair): (usize, &[usize])| {
        let hidden = index + 2 < sizes.len();
        let activation = if hidden { Activation::LeakyRelu } else { Activation::Linear };
        Layer { n_inputs: pair[0], n_outputs: pair[1], bias: false, normalised: hidden, activation }
    };
    sizes.windows(2).enumerate().map(layer).collect()
}

/// A fitted Deep SAD.
///
/// The score of a point is the squared distance `‖φ(x) − c‖²` of its window `x`, at least 0; higher is more anomalous. The
/// network φ starts as the first half of an autoencoder, c is the mean of its outputs then, with each coordinate at least .1
/// away from 0. Of unlabelled windows the network learns to make the distance small, of those labelled normal `η (dist + ε)`,
/// and of those labelled anomaly `η / (dist + ε)`, `ε = 1e-6`.
///
/// Source: Ruff et al., *Deep Semi-Supervised Anomaly Detection*, 2020, with the layers and settings of the
/// authors' code. Deviations: its tables' rows are windows here; values are standardised, not brought to `[0, 1]`, so the
/// autoencoder's last layer is linear in place of logistic; the autoencoder's weights are taken over, as the paper says,
/// where the authors' code looks for them under names that its autoencoder does not have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeepSad {
    n_steps: usize,
    network: Network,
    /// c
    centre: Vec<f64>,
}

/// A window and what is known of it.
type Example = ((usize, usize), Option<Label>);

impl DeepSad {
    /// Fits the network on the windows of `corpus`, some of which are labelled, by (series, point). Labelled windows are
    /// learned from whether or not they are among the corpus' points; where a point is labelled twice, the last label holds.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting outside of its range, [`Error::Empty`] where there is nothing to learn from,
    /// [`Error::Diverged`] where the weights do not stay finite.
    pub(crate) fn fit(
        corpus: &Corpus,
        labels: &[((usize, usize), Label)],
        config: &DeepSadConfig,
        seed: u64,
    ) -> Result<Self> {
        config.validate()?;
        let mut rng = stream(seed, Purpose::Training, 0);
        let mut examples = examples(corpus, labels, config.max_windows, &mut rng)?;
        let n_inputs = config.n_steps * corpus.n_channels();
        let n_layers = config.hidden.len() + 1;
        let autoencoder = Network::new(config.autoencoder_layers(n_inputs), &mut rng);

        let (mut rows, mut points, mut y) = (Vec::new(), Vec::new(), Vec::new());
        let mut pretrainer = Trainer::new(autoencoder, config);
        for epoch in 1..=config.n_pretraining_epochs {
            for batch in batches(&mut examples, config.batch_size, &mut rng) {
                split(batch, &mut points, &mut y);
                gather(corpus, &points, config.n_steps, &mut rows);
                pretrainer.step_towards_inputs(&rows);
            }
            check_finite("deep-sad", epoch, pretrainer.network.weights().iter().copied())?;
        }

        let mut trainer = Trainer::new(pretrainer.network.first_layers(n_layers), config);
        let mut sums = vec![0.0; config.n_outputs];
        for batch in examples.chunks(256) {
            split(batch, &mut points, &mut y);
            gather(corpus, &points, config.n_steps, &mut rows);
            trainer.network.forward(&rows, &mut trainer.pass);
            for output in trainer.pass.outputs().chunks_exact(sums.len()) {
                sums.iter_mut().zip(output).for_each(|(sum, output)| *sum += f64::from(*output));
            }
        }
        let centre = centre(&sums, examples.len());
        for epoch in 1..=config.n_epochs {
            for batch in batches(&mut examples, config.batch_size, &mut rng) {
                split(batch, &mut points, &mut y);
                gather(corpus, &points, config.n_steps, &mut rows);
                trainer.step_towards_centre(&rows, &y, &centre, config.eta);
            }
            check_finite("deep-sad", epoch, trainer.network.weights().iter().copied())?;
        }
        Ok(Self { n_steps: config.n_steps, network: trainer.network, centre })
    }

    /// Takes the arrays that were stored beside its record, which must be what fitting makes.
    ///
    /// # Errors
    /// [`Error::Shape`] where the record is something else, [`Error::Tensor`] where an array does
    /// not fit it.
    pub(super) fn restore(&mut self, config: &DeepSadConfig, n_channels: usize, arrays: &Arrays) -> Result<()> {
        agrees(self.n_steps == config.n_steps, "the windows of its settings")?;
        agrees(self.centre.len() == config.n_outputs, "a centre of as many coordinates as outputs")?;
        self.network.restore_weights(&config.layers(config.n_steps * n_channels), arrays, "weights")?;
        self.network.restore_running(arrays, "running")
    }
}

impl WindowDetector for DeepSad {
    /// The points on which a score depends, its own included: those of the window that ends there.
    fn context(&self) -> usize {
        self.n_steps
    }

    /// The score of each point of a series.
    fn score(&self, series: &Scaled) -> Vec<f64> {
        score_ends(series, self.n_steps, |rows| {
            let mut pass = Pass::default();
            self.network.forward(rows, &mut pass);
            pass.outputs().chunks_exact(self.centre.len()).map(|output| distance(output, &self.centre)).collect()
        })
    }

    /// The weights and the statistics of the batch normalisation, to be stored beside the record.
    fn arrays(&self) -> Vec<(&'static str, &[f32])> {
        vec![("weights", self.network.weights()), ("running", self.network.running())]
    }
}

/// The labelled windows and the unlabelled ones, at most `max_windows` of these.
fn examples(
    corpus: &Corpus,
    labels: &[((usize, usize), Label)],
    max_windows: usize,
    rng: &mut impl rand::Rng,
) -> Result<Vec<Example>> {
    let labels: std::collections::BTreeMap<(usize, usize), Label> = labels.iter().copied().collect();
    let mut unlabelled: Vec<_> = corpus.points.iter().copied().filter(|point| !labels.contains_key(point)).collect();
    bound(&mut unlabelled, max_windows, rng);
    let labelled = labels.into_iter().map(|(point, label)| (point, Some(label)));
    let examples: Vec<_> = labelled.chain(unlabelled.into_iter().map(|point| (point, None))).collect();
    if examples.is_empty() { Err(Error::Empty { what: "the training part".to_owned() }) } else { Ok(examples) }
}

/// The points of a batch and what is known of them.
fn split(batch: &[Example], points: &mut Vec<(usize, usize)>, labels: &mut Vec<Option<Label>>) {
    points.clear();
    points.extend(batch.iter().map(|(point, _)| *point));
    labels.clear();
    labels.extend(batch.iter().map(|(_, label)| *label));
}

/// c: the mean of the outputs, with coordinates near 0 moved to ±.1, since a unit that is always 0 would be learned at once.
fn centre(sums: &[f64], n: usize) -> Vec<f64> {
    let away = |sum: &f64| {
        let mean = sum / n as f64;
        if mean.abs() < LEAST_CENTRE { LEAST_CENTRE.copysign(mean) } else { mean }
    };
    sums.iter().map(away).collect()
}

/// The squared distance of an output from the centre.
fn distance(output: &[f32], centre: &[f64]) -> f64 {
    output.iter().zip(centre).map(|(output, centre)| (f64::from(*output) - centre).powi(2)).sum()
}

/// A network on its way, with its optimiser and buffers.
struct Trainer {
    network: Network,
    moments: Moments,
    learning_rate: f32,
    weight_decay: f32,
    pass: Pass,
    d_outputs: Vec<f32>,
}

impl Trainer {
    fn new(network: Network, config: &DeepSadConfig) -> Self {
        Self {
            moments: Moments::new(network.weights().len()),
            network,
            learning_rate: config.learning_rate,
            weight_decay: config.weight_decay,
            pass: Pass::default(),
            d_outputs: Vec::new(),
        }
    }

    /// Takes one step of an autoencoder down the gradient of the mean squared error.
    fn step_towards_inputs(&mut self, rows: &[f32]) {
        self.network.forward_training(rows, &mut self.pass);
        let scale = 2.0 / rows.len() as f32;
        self.d_outputs.clear();
        self.d_outputs.extend(self.pass.outputs().iter().zip(rows).map(|(output, input)| scale * (output - input)));
        self.descend(rows);
    }

    /// Takes one step down the gradient of the loss of Deep SAD and returns the loss before it.
    fn step_towards_centre(&mut self, rows: &[f32], labels: &[Option<Label>], centre: &[f64], eta: f64) -> f64 {
        self.network.forward_training(rows, &mut self.pass);
        let n = labels.len() as f64;
        let mut loss = 0.0;
        self.d_outputs.clear();
        for (output, label) in self.pass.outputs().chunks_exact(centre.len()).zip(labels) {
            let distance = distance(output, centre);
            let (value, slope) = match label {
                None => (distance, 1.0),
                Some(Label::Normal) => (eta * (distance + EPSILON), eta),
                Some(Label::Anomaly) => (eta / (distance + EPSILON), -eta / (distance + EPSILON).powi(2)),
            };
            loss += value / n;
            let d = output.iter().zip(centre).map(|(output, c)| (slope * 2.0 * (f64::from(*output) - c) / n) as f32);
            self.d_outputs.extend(d);
        }
        self.descend(rows);
        loss
    }

    fn descend(&mut self, rows: &[f32]) {
        self.network.backward(rows, &self.d_outputs, &mut self.pass);
        for (d, weight) in self.pass.gradient_mut().iter_mut().zip(self.network.weights()) {
            *d += self.weight_decay * weight;
        }
        self.moments.step(self.network.weights_mut(), self.pass.gradient(), 1.0, self.learning_rate);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::baselines::reference::{
        assert_floats_near, assert_near, bad_series, corpus, fill, floats, numbers, of_networks,
        sine_with_an_odd_period, stored,
    };

    fn quick() -> DeepSadConfig {
        DeepSadConfig { n_pretraining_epochs: 5, n_epochs: 10, ..DeepSadConfig::default() }
    }

    #[test]
    fn the_centre_the_losses_gradients_and_scores_are_pytorchs() {
        let case = &of_networks()["deep_sad"];
        let config = DeepSadConfig { hidden: vec![16, 8], n_outputs: 4, ..DeepSadConfig::default() };
        let mut network = Network::new(config.layers(25), &mut ChaCha8Rng::seed_from_u64(1));
        fill([network.weights_mut()]);
        let mut trainer = Trainer::new(network, &config);
        let rows = floats(&case["rows"]);
        let label = |y| match y {
            1.0 => Some(Label::Normal),
            -1.0 => Some(Label::Anomaly),
            _ => None,
        };
        let labels: Vec<Option<Label>> = numbers(&case["labels"]).into_iter().map(label).collect();

        trainer.network.forward(&rows, &mut trainer.pass);
        let mut sums = vec![0.0; 4];
        for output in trainer.pass.outputs().chunks_exact(4) {
            sums.iter_mut().zip(output).for_each(|(sum, output)| *sum += f64::from(*output));
        }
        assert_near("mean", &sums.iter().map(|sum| sum / 64.0).collect::<Vec<_>>(), &numbers(&case["mean"]), 1e-6);
        let centre = centre(&sums, 64);
        assert_near("centre", &centre, &numbers(&case["centre"]), 1e-12);

        let mut losses = Vec::new();
        for step in 0..3 {
            losses.push(trainer.step_towards_centre(&rows, &labels, &centre, 1.0));
            if step == 0 {
                assert_floats_near("gradient", trainer.pass.gradient(), &case["gradient"], 1e-5);
            }
        }
        assert_near("losses", &losses, &numbers(&case["losses"]), 1e-5);
        trainer.network.forward(&rows, &mut trainer.pass);
        let scores: Vec<f64> = trainer.pass.outputs().chunks_exact(4).map(|output| distance(output, &centre)).collect();
        assert_near("scores", &scores, &numbers(&case["scores"]), 1e-5);
    }

    #[test]
    fn the_autoencoder_is_the_network_and_its_mirror_image() {
        let sizes: Vec<_> = quick().autoencoder_layers(25).iter().map(|l| (l.n_outputs, l.normalised)).collect();
        assert_eq!(sizes, [(32, true), (16, true), (8, false), (16, true), (32, true), (25, false)]);
    }

    #[test]
    fn it_finds_the_odd_period_of_a_sine() {
        let (series, odd) = sine_with_an_odd_period(1500);
        let fitted = DeepSad::fit(&corpus(series.clone(), 1300), &[], &quick(), 1).unwrap();
        let scores = fitted.score(&series);
        let highest = |points: std::ops::Range<usize>| scores[points].iter().copied().fold(f64::MIN, f64::max);
        assert!(highest(odd) > 3.0 * highest(100..1300), "{} and {}", highest(1390..1410), highest(100..1300));
    }

    #[test]
    fn a_label_moves_windows_like_its_own() {
        // Every fifth period has a small dip, which without labels is as normal as the rest.
        let dip = |point: usize| point % 100 == 50;
        let value =
            |point: usize| (std::f32::consts::TAU * point as f32 / 20.0).sin() - if dip(point) { 1.5 } else { 0.0 };
        let series = Scaled { values: (0..2000).map(value).collect(), n_channels: 1 };
        let corpus = corpus(series.clone(), 1500);
        let mean = |scores: &[f64], which: fn(usize) -> bool| {
            let chosen: Vec<f64> = (1500..2000).filter(|point| which(*point)).map(|point| scores[point]).collect();
            chosen.iter().sum::<f64>() / chosen.len() as f64
        };
        let contrast = |label: Label| {
            let labels: Vec<_> = (0..1500).filter(|point| dip(*point)).map(|point| ((0, point), label)).collect();
            let config = DeepSadConfig { n_epochs: 30, ..quick() };
            let scores = DeepSad::fit(&corpus, &labels, &config, 1).unwrap().score(&series);
            mean(&scores, |point| point % 100 == 50) / mean(&scores, |point| point % 20 == 11)
        };
        let (anomaly, normal) = (contrast(Label::Anomaly), contrast(Label::Normal));
        assert!(anomaly > 5.0 && anomaly > 3.0 * normal, "{anomaly} and {normal}");
    }

    #[test]
    fn labelled_windows_are_never_left_out() {
        let corpus = corpus(Scaled { values: vec![0.0; 100], n_channels: 1 }, 100);
        let labels = [((0, 7), Label::Anomaly), ((0, 9), Label::Anomaly), ((0, 9), Label::Normal)];
        let examples = examples(&corpus, &labels, 10, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        assert_eq!(examples.len(), 12);
        assert_eq!(examples[..2], [((0, 7), Some(Label::Anomaly)), ((0, 9), Some(Label::Normal))]);
        assert!(examples[2..].iter().all(|(point, label)| label.is_none() && point.1 != 7 && point.1 != 9));
    }

    #[test]
    fn the_same_seed_gives_the_same_scores_and_so_does_a_stored_model() {
        let (series, _) = sine_with_an_odd_period(500);
        let config =
            DeepSadConfig { n_pretraining_epochs: 1, n_epochs: 1, max_windows: 200, ..DeepSadConfig::default() };
        let fit = |seed| DeepSad::fit(&corpus(series.clone(), 300), &[], &config, seed).unwrap();
        let (fitted, scores) = (fit(1), fit(1).score(&series));
        assert_eq!(scores, fitted.score(&series));
        assert_ne!(scores, fit(2).score(&series));
        let mut restored: DeepSad = serde_json::from_value(serde_json::to_value(&fitted).unwrap()).unwrap();
        restored.restore(&config, 1, &stored(fitted.arrays())).unwrap();
        assert_eq!(scores, restored.score(&series));
    }

    #[test]
    fn series_without_sense_have_finite_scores() {
        for series in bad_series(100) {
            let n_points = series.len();
            let labels = [((0, 1), Label::Anomaly), ((0, 2), Label::Normal)];
            let fitted = DeepSad::fit(&corpus(series.clone(), n_points), &labels, &quick(), 1).unwrap();
            assert!(fitted.score(&series).iter().all(|score| score.is_finite() && *score >= 0.0));
        }
        let nothing = DeepSad::fit(&corpus(bad_series(9).remove(0), 0), &[], &quick(), 1);
        assert!(matches!(nothing, Err(Error::Empty { .. })));
    }
}
