//! The replicator network: what a narrow network cannot give back is unusual.

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::gaussian::{Gaussian, Sums};
use super::network::{Activation, Layer, Network, Pass};
use super::scoring::score_covering;
use super::training::{batches, check, check_finite, check_training, draw_windows, gather};
use super::window_detector::WindowDetector;
use super::windows::{Arrays, Corpus, Scaled, agrees};
use crate::error::{Error, Result};
use crate::models::optimiser::Moments;
use crate::random::{Purpose, stream};

/// The addition to the variances of the errors, in squared deviations of the series: without it, a channel that is given
/// back exactly has no distribution of errors.
const JITTER: f64 = 1e-6;

/// The units of the narrowest layer, and with them the score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeUnits {
    /// Linear units between layers of tanh; the score of a step is `−ln N` of its absolute errors, as in `DeepADoTS`.
    #[default]
    Tanh,
    /// Staircase units with four levels; the score of a window is its mean squared error (Hawkins et al. 2002).
    Staircase,
}

/// Settings of the replicator network; the defaults are those of `DeepADoTS`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutoencoderConfig {
    /// The window length in points, in `1..=10_000`.
    pub n_steps: usize,
    /// The units of the narrowest layer, in `1..=4096`.
    pub n_hidden: usize,
    /// The narrowest layer's units: `tanh` or `staircase`.
    pub activation: CodeUnits,
    /// How often each window is learned from, at least 1.
    pub n_epochs: usize,
    /// Windows in a gradient step, in `1..=65_536`.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f32,
    /// The fraction of the windows that is kept from the network to fit the distribution of its errors, in `[0, 1)`.
    pub gaussian_fraction: f64,
    /// The most windows that are learned from, drawn at random; 0 for no bound.
    pub max_windows: usize,
}

impl Default for AutoencoderConfig {
    fn default() -> Self {
        Self {
            n_steps: 30,
            n_hidden: 5,
            activation: CodeUnits::Tanh,
            n_epochs: 10,
            batch_size: 20,
            learning_rate: 1e-3,
            gaussian_fraction: 0.25,
            max_windows: 200_000,
        }
    }
}

impl AutoencoderConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first setting that is outside of its range.
    pub fn validate(&self) -> Result<()> {
        check((1..=10_000).contains(&self.n_steps), "autoencoder.n_steps", "in 1..=10000", self.n_steps)?;
        check((1..=4096).contains(&self.n_hidden), "autoencoder.n_hidden", "in 1..=4096", self.n_hidden)?;
        check_training("autoencoder", self.n_epochs, self.batch_size, self.learning_rate)?;
        let fraction = self.gaussian_fraction;
        check((0.0..1.0).contains(&fraction), "autoencoder.gaussian_fraction", "in [0, 1)", fraction)
    }
}

impl AutoencoderConfig {
    /// The layers of a network for windows of `n_inputs` values.
    fn layers(&self, n_inputs: usize) -> Vec<Layer> {
        let code = match self.activation {
            CodeUnits::Tanh => Activation::Linear,
            CodeUnits::Staircase => Activation::Staircase,
        };
        let (encoder, decoder) = layers(n_inputs, self.n_hidden, code);
        [encoder, decoder].concat()
    }
}

/// The layers from `n_inputs` values to a code of `n_hidden`, and those from there back.
///
/// Between them stand layers of the powers of two above `n_hidden` (and above 4) and below `n_inputs`, but for the first of
/// them: 30-16-5-16-30. The hidden layers are tanh, the code's units `code` and the last layer linear.
pub(super) fn layers(n_inputs: usize, n_hidden: usize, code: Activation) -> (Vec<Layer>, Vec<Layer>) {
    let first = n_hidden.next_power_of_two().max(4);
    let mut sizes = vec![n_hidden];
    sizes.extend(std::iter::successors(Some(2 * first), |size| Some(2 * size)).take_while(|&size| size < n_inputs));
    sizes.push(n_inputs);
    let chain = |sizes: &[usize], last: Activation| {
        let layer = |(index, pair): (usize, &[usize])| {
            Layer::new(pair[0], pair[1], if index + 2 == sizes.len() { last } else { Activation::Tanh })
        };
        sizes.windows(2).enumerate().map(layer).collect::<Vec<_>>()
    };
    let decoder = chain(&sizes, Activation::Linear);
    sizes.reverse();
    (chain(&sizes, code), decoder)
}

/// A fitted replicator network.
///
/// The score of a point is the mean over the windows that cover it, so it also depends on the points that follow. Higher is
/// more anomalous; with `tanh` it is a negative log density and may be below 0.
///
/// Source: Hawkins, He, Williams and Baxter, *Outlier Detection Using Replicator Neural Networks*, 2002, in the form of
/// `DeepADoTS`' `AutoEncoder`. Deviations: values are standardised; 1e-6 is added to the variances of the errors, where
/// `DeepADoTS` takes a pseudo-inverse; where too few windows are kept for the distribution of the errors, all serve for
/// both. With `staircase`, the layers' sizes and the training remain those of `DeepADoTS`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Autoencoder {
    n_steps: usize,
    activation: CodeUnits,
    network: Network,
    /// The distribution of a step's absolute errors, `[n_channels]`.
    errors: Gaussian,
}

impl Autoencoder {
    /// Fits the network on the windows of `corpus`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting outside of its range, [`Error::Empty`] where there is nothing to learn from,
    /// [`Error::Diverged`] where the weights do not stay finite.
    pub(crate) fn fit(corpus: &Corpus, config: &AutoencoderConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let mut rng = stream(seed, Purpose::Training, 0);
        let mut windows = draw_windows(corpus, config.n_steps, config.max_windows, &mut rng)?;
        windows.shuffle(&mut rng);
        let n_kept = (config.gaussian_fraction * windows.len() as f64) as usize;
        let kept = if n_kept > 0 { windows.split_off(windows.len() - n_kept) } else { windows.clone() };

        let n_channels = corpus.n_channels();
        let mut trainer = Trainer::new(config.n_steps * n_channels, config, &mut rng);
        let mut rows = Vec::new();
        for epoch in 1..=config.n_epochs {
            for batch in batches(&mut windows, config.batch_size, &mut rng) {
                gather(corpus, batch, config.n_steps, &mut rows);
                trainer.step(&rows);
            }
            check_finite("autoencoder", epoch, trainer.network.weights().iter().copied())?;
        }

        let Trainer { network, mut pass, .. } = trainer;
        let mut sums = Sums::new(n_channels);
        for batch in kept.chunks(256) {
            gather(corpus, batch, config.n_steps, &mut rows);
            let errors = absolute_errors(&network, &rows, &mut pass);
            errors.chunks_exact(n_channels).for_each(|errors| sums.add(errors));
        }
        let diverged = Error::Diverged { network: "autoencoder", epoch: config.n_epochs };
        let errors = sums.fit(JITTER).ok_or(diverged)?;
        Ok(Self { n_steps: config.n_steps, activation: config.activation, network, errors })
    }

    /// Takes the arrays that were stored beside its record, which must be what fitting makes.
    ///
    /// # Errors
    /// [`Error::Shape`] where the record is something else, [`Error::Tensor`] where an array does
    /// not fit it.
    pub(super) fn restore(&mut self, config: &AutoencoderConfig, n_channels: usize, arrays: &Arrays) -> Result<()> {
        let is_of = (self.n_steps, self.activation) == (config.n_steps, config.activation);
        agrees(is_of, "the windows and the units of its settings")?;
        agrees(self.errors.fits(n_channels), "a distribution of the errors of its channels")?;
        self.network.restore_weights(&config.layers(config.n_steps * n_channels), arrays, "weights")
    }
}

impl WindowDetector for Autoencoder {
    /// The points on which a score depends, its own included: those of all windows that cover it.
    fn context(&self) -> usize {
        2 * self.n_steps - 1
    }

    /// The score of each point of a series.
    fn score(&self, series: &Scaled) -> Vec<f64> {
        let width = self.network.n_inputs();
        score_covering(series, self.n_steps, |rows| {
            let errors = absolute_errors(&self.network, rows, &mut Pass::default());
            match self.activation {
                CodeUnits::Tanh => {
                    errors.chunks_exact(series.n_channels).map(|errors| self.errors.surprise(errors)).collect()
                }
                CodeUnits::Staircase => {
                    let windows = errors.chunks_exact(width);
                    windows.flat_map(|errors| std::iter::repeat_n(mean_square(errors), self.n_steps)).collect()
                }
            }
        })
    }

    /// The weights, to be stored beside the record.
    fn arrays(&self) -> Vec<(&'static str, &[f32])> {
        vec![("weights", self.network.weights())]
    }
}

/// The network on its way, with its optimiser and buffers.
struct Trainer {
    network: Network,
    moments: Moments,
    learning_rate: f32,
    pass: Pass,
    d_outputs: Vec<f32>,
}

impl Trainer {
    fn new(n_inputs: usize, config: &AutoencoderConfig, rng: &mut impl Rng) -> Self {
        let network = Network::new(config.layers(n_inputs), rng);
        let moments = Moments::new(network.weights().len());
        Self { network, moments, learning_rate: config.learning_rate, pass: Pass::default(), d_outputs: Vec::new() }
    }

    /// Takes one step down the gradient of the sum of squared errors.
    fn step(&mut self, rows: &[f32]) {
        self.network.forward_training(rows, &mut self.pass);
        self.d_outputs.clear();
        self.d_outputs.extend(self.pass.outputs().iter().zip(rows).map(|(output, input)| 2.0 * (output - input)));
        self.network.backward(rows, &self.d_outputs, &mut self.pass);
        self.moments.step(self.network.weights_mut(), self.pass.gradient(), 1.0, self.learning_rate);
    }
}

/// The absolute errors of each value of some windows.
fn absolute_errors(network: &Network, rows: &[f32], pass: &mut Pass) -> Vec<f64> {
    network.forward(rows, pass);
    pass.outputs().iter().zip(rows).map(|(output, input)| (f64::from(*output) - f64::from(*input)).abs()).collect()
}

fn mean_square(errors: &[f64]) -> f64 {
    errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::baselines::network::staircase;
    use crate::baselines::reference::{
        assert_floats_near, assert_near, bad_series, corpus, fill, floats, numbers, of_networks,
        sine_with_an_odd_period, stored,
    };

    fn lcg_windows(n_windows: usize, n_steps: usize) -> Vec<f32> {
        let values = floats(&of_networks()["autoencoder"]["series"]);
        (0..n_windows).flat_map(|start| values[start..start + n_steps].to_vec()).collect()
    }

    #[test]
    fn layers_are_powers_of_two() {
        let sizes = |n_inputs, n_hidden| -> Vec<usize> {
            let (encoder, decoder) = layers(n_inputs, n_hidden, Activation::Linear);
            [encoder, decoder].concat().iter().map(|layer| layer.n_outputs).collect()
        };
        assert_eq!(sizes(30, 5), [16, 5, 16, 30]);
        assert_eq!(sizes(64, 5), [32, 16, 5, 16, 32, 64]);
        assert_eq!(sizes(30, 2), [16, 8, 2, 8, 16, 30]);
        assert_eq!(sizes(4, 5), [5, 4]);
    }

    #[test]
    fn losses_gradients_and_log_densities_are_those_of_pytorch_and_scipy() {
        let rows = lcg_windows(20, 30);
        for activation in [CodeUnits::Tanh, CodeUnits::Staircase] {
            let name = serde_json::to_value(activation).unwrap();
            let case = &of_networks()["autoencoder"][name.as_str().unwrap()];
            let config = AutoencoderConfig { activation, ..AutoencoderConfig::default() };
            let mut trainer = Trainer::new(30, &config, &mut ChaCha8Rng::seed_from_u64(1));
            fill([trainer.network.weights_mut()]);
            let mut losses = Vec::new();
            for step in 0..3 {
                losses.push(absolute_errors(&trainer.network, &rows, &mut Pass::default()).iter().map(|e| e * e).sum());
                trainer.step(&rows);
                if step == 0 {
                    assert_floats_near("gradient", trainer.pass.gradient(), &case["gradient"], 1e-5);
                }
            }
            assert_near("losses", &losses, &numbers(&case["losses"]), 1e-5);
            let errors = absolute_errors(&trainer.network, &rows, &mut Pass::default());
            assert_near("errors", &errors[..30], &numbers(&case["errors"]), 1e-5);
            let mut sums = Sums::new(2);
            errors.chunks_exact(2).for_each(|pair| sums.add(pair));
            let gaussian = sums.fit(1e-6).unwrap();
            let surprise: Vec<f64> = errors.chunks_exact(2).take(15).map(|pair| gaussian.surprise(pair)).collect();
            assert_near("surprise", &surprise, &numbers(&case["surprise"]), 1e-5);
        }
    }

    #[test]
    fn the_staircase_is_pytorchs() {
        let case = &of_networks()["autoencoder"]["stairs"];
        let (values, slopes): (Vec<f64>, Vec<f64>) = numbers(&case["x"]).into_iter().map(staircase).unzip();
        assert_near("values", &values, &numbers(&case["values"]), 1e-14);
        assert_near("slopes", &slopes, &numbers(&case["slopes"]), 1e-12);
    }

    #[test]
    fn it_finds_the_odd_period_of_a_sine() {
        let (series, odd) = sine_with_an_odd_period(1500);
        // Little of the gradient passes the staircase, and what it learns is coarse.
        for (activation, factor) in [(CodeUnits::Tanh, 3.0), (CodeUnits::Staircase, 1.5)] {
            let config = AutoencoderConfig { activation, ..AutoencoderConfig::default() };
            let fitted = Autoencoder::fit(&corpus(series.clone(), 1300), &config, 1).unwrap();
            let scores = fitted.score(&series);
            let highest = |points: std::ops::Range<usize>| scores[points].iter().copied().fold(f64::MIN, f64::max);
            let (inside, outside) = (highest(odd.clone()), highest(100..1300));
            assert!(inside > factor * outside.abs(), "{activation:?}: {inside} and {outside}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_scores_and_so_does_a_stored_model() {
        let (series, _) = sine_with_an_odd_period(500);
        let config = AutoencoderConfig { n_epochs: 1, max_windows: 200, ..AutoencoderConfig::default() };
        let fit = |seed| Autoencoder::fit(&corpus(series.clone(), 300), &config, seed).unwrap();
        let (fitted, scores) = (fit(1), fit(1).score(&series));
        assert_eq!(scores, fitted.score(&series));
        assert_ne!(scores, fit(2).score(&series));
        let mut restored: Autoencoder = serde_json::from_value(serde_json::to_value(&fitted).unwrap()).unwrap();
        restored.restore(&config, 1, &stored(fitted.arrays())).unwrap();
        assert_eq!(scores, restored.score(&series));
    }

    #[test]
    fn series_without_sense_have_finite_scores() {
        for series in bad_series(100) {
            let n_points = series.len();
            let fitted = Autoencoder::fit(&corpus(series.clone(), n_points), &AutoencoderConfig::default(), 1).unwrap();
            assert!(fitted.score(&series).iter().all(|score| score.is_finite()));
        }
        let nothing = Autoencoder::fit(&corpus(bad_series(9).remove(0), 0), &AutoencoderConfig::default(), 1);
        assert!(matches!(nothing, Err(Error::Empty { .. })));
    }

    #[test]
    fn threads_change_no_bit() {
        let (series, _) = sine_with_an_odd_period(1500);
        let config = AutoencoderConfig { n_epochs: 1, ..AutoencoderConfig::default() };
        let scores = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| Autoencoder::fit(&corpus(series.clone(), 1000), &config, 1).unwrap().score(&series))
        };
        let bits = |scores: Vec<f64>| scores.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(scores(1)), bits(scores(3)));
    }

    #[test]
    fn settings_outside_of_their_range_are_refused() {
        let config: std::result::Result<AutoencoderConfig, _> = serde_json::from_str(r#"{"n_stepz": 3}"#);
        config.unwrap_err();
        let config = AutoencoderConfig { gaussian_fraction: 1.0, ..AutoencoderConfig::default() };
        assert_eq!(
            config.validate().unwrap_err().to_string(),
            "`autoencoder.gaussian_fraction` must be in [0, 1), got 1"
        );
    }
}
