//! SR-CNN: a network that reads saliency maps, taught by anomalies that were put there.

mod examples;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::network::{Activation, Layer, Network, Pass};
use super::saliency::{N_ADDED, Saliency, extended};
use super::scoring::score_ends;
use super::training::{bound, check, check_finite, check_training};
use super::window_detector::WindowDetector;
use super::windows::{Arrays, Corpus, Scaled, agrees};
use crate::error::{Error, Result};
use crate::models::optimiser::Momentum;
use crate::random::{Purpose, stream};
use examples::{example, normalise};

/// The factor of a saliency map before it goes into the network.
const INPUT_SCALE: f64 = 100.0;

/// Settings of SR-CNN; the defaults are those of microsoft/anomalydetector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SrCnnConfig {
    /// w: the window length in points, in `16..=1024`; of those, five are extrapolated when points are scored.
    pub n_steps: usize,
    /// The points from one training window to the next, at least 1.
    pub stride: usize,
    /// One more than the most anomalies that are put into a window, at least 2.
    pub max_anomalies: usize,
    /// How often each window is learned from, at least 1.
    pub n_epochs: usize,
    /// Windows in a gradient step, in `1..=65_536`.
    pub batch_size: usize,
    /// The learning rate of the first epoch, above 0; later ones have half of it, and after each ten another half.
    pub learning_rate: f32,
    /// The momentum of the gradient descent, in `[0, 1)`.
    pub momentum: f32,
    /// The probability of an anomaly above which a point is one, in `[0, 1]`.
    pub threshold: f64,
    /// The most windows that are learned from, counted for each channel, drawn at random; 0 for no bound.
    pub max_windows: usize,
}

impl Default for SrCnnConfig {
    fn default() -> Self {
        Self {
            n_steps: 128,
            stride: 64,
            max_anomalies: 10,
            n_epochs: 10,
            batch_size: 256,
            learning_rate: 1e-6,
            momentum: 0.9,
            threshold: 0.95,
            max_windows: 200_000,
        }
    }
}

impl SrCnnConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first setting that is outside of its range.
    pub fn validate(&self) -> Result<()> {
        check((16..=1024).contains(&self.n_steps), "sr-cnn.n_steps", "in 16..=1024", self.n_steps)?;
        check(self.stride >= 1, "sr-cnn.stride", "at least 1", self.stride)?;
        check(self.max_anomalies >= 2, "sr-cnn.max_anomalies", "at least 2", self.max_anomalies)?;
        check_training("sr-cnn", self.n_epochs, self.batch_size, self.learning_rate)?;
        check((0.0..1.0).contains(&self.momentum), "sr-cnn.momentum", "in [0, 1)", self.momentum)?;
        check((0.0..=1.0).contains(&self.threshold), "sr-cnn.threshold", "in [0, 1]", self.threshold)
    }

    /// The learning rate of an epoch, the first being 1: the source sets `rate · .5^((e + 10) // 10)` after epoch `e`.
    fn learning_rate(&self, epoch: usize) -> f32 {
        let halvings = if epoch == 1 { 0 } else { epoch.div_ceil(10) };
        self.learning_rate * 0.5_f32.powi(i32::try_from(halvings).unwrap_or(i32::MAX))
    }
}

/// The layers: w, 2w, 4w and w units on w inputs. The source's first two are convolutions of kernel size 1 over w channels of
/// length 1, which is the same.
fn layers(n_steps: usize) -> Vec<Layer> {
    let relu = |n_inputs, n_outputs| Layer::new(n_inputs, n_outputs, Activation::Relu);
    vec![
        relu(n_steps, n_steps),
        relu(n_steps, 2 * n_steps),
        relu(2 * n_steps, 4 * n_steps),
        // The logistic function is a part of the loss and of the score.
        Layer::new(4 * n_steps, n_steps, Activation::Linear),
    ]
}

/// A fitted SR-CNN.
///
/// The score of a point is the probability, in `[0, 1]`, that the network sees an anomaly at it in the saliency map of the
/// window of w − 5 points that ends there and five extrapolated ones. The first w − 6 points have no whole window; their
/// score is 0. The network learns from windows of w points, each with up to nine anomalies put into it.
///
/// Source: Ren et al., *Time-Series Anomaly Detection Service at Microsoft*, 2019, in the form of
/// microsoft/anomalydetector. Deviations:
///
/// 1. Windows are brought to `[0, 3]` when they are scored, as they are in training; the source scores raw values, although
///    the saliency of the first frequencies changes with a shift.
/// 2. Of several channels, each is learned from and scored by itself, and the highest score counts.
/// 3. Anomalies weigh `max(w // 100, 1)`, without which those of windows below 100 would not count.
/// 4. Left out, since they have no effect: the clipping of gradients after they were used, and labels at saliencies above five
///    times the local mean, which cannot be. Left out, since it befalls one window in thousands: the scored position is made
///    an anomaly where it was none about 200 times in a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SrCnn {
    n_steps: usize,
    threshold: f64,
    network: Network,
}

impl SrCnn {
    /// Fits the network on windows of `corpus` that lie within their series.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting outside of its range, also where no window of `n_steps` points ends at a point that
    /// may be learned from; [`Error::Empty`] where there are no points; [`Error::Diverged`] where the weights do not stay
    /// finite.
    pub(crate) fn fit(corpus: &Corpus, config: &SrCnnConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let mut rng = stream(seed, Purpose::Training, 0);
        let windows = windows(corpus, config, &mut rng)?;
        let mut saliency = Saliency::new(config.n_steps);
        let mut examples = Vec::with_capacity(windows.len() * corpus.n_channels());
        for (series, point) in windows {
            for channel in 0..corpus.n_channels() {
                let mut values = channel_values(&corpus.series[series], point, config.n_steps, channel);
                let (map, is_anomaly) = example(&mut values, config.max_anomalies, &mut saliency, &mut rng);
                examples.push((inputs(&map).collect::<Vec<f32>>(), is_anomaly));
            }
        }

        let mut trainer = Trainer::new(Network::new(layers(config.n_steps), &mut rng), config);
        let (mut rows, mut is_anomaly) = (Vec::new(), Vec::new());
        for epoch in 1..=config.n_epochs {
            examples.shuffle(&mut rng);
            for batch in examples.chunks(config.batch_size) {
                rows.clear();
                rows.extend(batch.iter().flat_map(|(inputs, _)| inputs));
                is_anomaly.clear();
                is_anomaly.extend(batch.iter().flat_map(|(_, is_anomaly)| is_anomaly));
                trainer.step(&rows, &is_anomaly, config.learning_rate(epoch));
            }
            check_finite("sr-cnn", epoch, trainer.network.weights().iter().copied())?;
        }
        Ok(Self { n_steps: config.n_steps, threshold: config.threshold, network: trainer.network })
    }

    /// Takes the arrays that were stored beside its record, which must be what fitting makes.
    ///
    /// # Errors
    /// [`Error::Shape`] where the record is something else, [`Error::Tensor`] where an array does
    /// not fit it.
    pub(super) fn restore(&mut self, config: &SrCnnConfig, arrays: &Arrays) -> Result<()> {
        let is_of = self.n_steps == config.n_steps && self.threshold.total_cmp(&config.threshold).is_eq();
        agrees(is_of, "the windows and the threshold of its settings")?;
        self.network.restore_weights(&layers(config.n_steps), arrays, "weights")
    }
}

impl WindowDetector for SrCnn {
    /// The points on which a score depends, its own included.
    fn context(&self) -> usize {
        self.n_steps - N_ADDED
    }

    /// The score of each point of a series.
    fn score(&self, series: &Scaled) -> Vec<f64> {
        let n_channels = series.n_channels;
        let n_known = self.n_steps - N_ADDED;
        let planned = Saliency::new(self.n_steps);
        let mut scores = score_ends(series, n_known, |rows| {
            let mut saliency = planned.clone();
            let mut maps = Vec::with_capacity(rows.len() / n_known * self.n_steps);
            for window in rows.chunks_exact(n_known * n_channels) {
                for channel in 0..n_channels {
                    let mut values: Vec<f64> =
                        window[channel..].iter().step_by(n_channels).copied().map(f64::from).collect();
                    normalise(&mut values);
                    maps.extend(inputs(&saliency.of(&extended(&values))));
                }
            }
            let mut pass = Pass::default();
            self.network.forward(&maps, &mut pass);
            let logits: Vec<f64> =
                pass.outputs()[n_known - 1..].iter().step_by(self.n_steps).copied().map(f64::from).collect();
            logits
                .chunks_exact(n_channels)
                .map(|logits| logistic(logits.iter().copied().fold(f64::MIN, f64::max)))
                .collect()
        });
        scores.iter_mut().take(n_known - 1).for_each(|score| *score = 0.0);
        scores
    }

    /// The weights, to be stored beside the record.
    fn arrays(&self) -> Vec<(&'static str, &[f32])> {
        vec![("weights", self.network.weights())]
    }
}

/// The windows to be learned from, by their last points: every `stride`-th of each series from its first whole one on.
fn windows(corpus: &Corpus, config: &SrCnnConfig, rng: &mut impl rand::Rng) -> Result<Vec<(usize, usize)>> {
    if corpus.points.is_empty() {
        return Err(Error::Empty { what: "the training part".to_owned() });
    }
    let is_whole =
        |point: usize| point + 1 >= config.n_steps && (point + 1 - config.n_steps).is_multiple_of(config.stride);
    let mut windows: Vec<_> = corpus.points.iter().copied().filter(|&(_, point)| is_whole(point)).collect();
    let longest = corpus.points.iter().map(|(_, point)| point + 1).max().unwrap_or(0);
    let expected =
        format!("such that windows end at training points, of which the last is point {longest} of its series");
    check(!windows.is_empty(), "sr-cnn.n_steps", &expected, config.n_steps)?;
    let n_channels = corpus.n_channels();
    // At least 1, since 0 is no bound.
    bound(&mut windows, config.max_windows.div_ceil(n_channels), rng);
    Ok(windows)
}

/// The values of one channel in the window that ends at a point.
fn channel_values(series: &Scaled, point: usize, n_steps: usize, channel: usize) -> Vec<f64> {
    let mut rows = Vec::with_capacity(n_steps * series.n_channels);
    series.window(point, n_steps, &mut rows);
    rows[channel..].iter().step_by(series.n_channels).copied().map(f64::from).collect()
}

/// The network's inputs from a saliency map.
fn inputs(map: &[f64]) -> impl Iterator<Item = f32> {
    map.iter().map(|saliency| (INPUT_SCALE * saliency) as f32)
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The network on its way, with its optimiser and buffers.
struct Trainer {
    network: Network,
    momentum: Momentum,
    /// How much an anomaly counts in the loss.
    weight: f64,
    pass: Pass,
    d_outputs: Vec<f32>,
}

impl Trainer {
    fn new(network: Network, config: &SrCnnConfig) -> Self {
        let momentum = Momentum::new(network.weights().len(), config.momentum);
        let weight = (config.n_steps / 100).max(1) as f64;
        Self { network, momentum, weight, pass: Pass::default(), d_outputs: Vec::new() }
    }

    /// Takes one step down the gradient of the sum of cross-entropies and returns the sum before it.
    fn step(&mut self, rows: &[f32], is_anomaly: &[bool], learning_rate: f32) -> f64 {
        self.network.forward_training(rows, &mut self.pass);
        let mut loss = 0.0;
        self.d_outputs.clear();
        for (logit, is_anomaly) in self.pass.outputs().iter().zip(is_anomaly) {
            let (weight, sign) = if *is_anomaly { (self.weight, -1.0) } else { (1.0, 1.0) };
            // −ln p of what is true is ln(1 + exp(±logit)), and its derivative ± the probability of what is not.
            let wrong = sign * f64::from(*logit);
            loss += weight * (wrong.max(0.0) + (-wrong.abs()).exp().ln_1p());
            self.d_outputs.push((weight * sign * logistic(wrong)) as f32);
        }
        self.network.backward(rows, &self.d_outputs, &mut self.pass);
        self.momentum.step(self.network.weights_mut(), self.pass.gradient(), learning_rate);
        loss
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

    fn small() -> SrCnnConfig {
        SrCnnConfig { n_steps: 32, stride: 1, n_epochs: 10, learning_rate: 1e-5, ..SrCnnConfig::default() }
    }

    #[test]
    fn outputs_loss_and_gradient_are_pytorchs() {
        let case = &of_networks()["sr_cnn"];
        let mut network = Network::new(layers(16), &mut ChaCha8Rng::seed_from_u64(1));
        fill([network.weights_mut()]);
        assert_eq!(network.weights().len() as u64, case["n_parameters"].as_u64().unwrap());
        let mut trainer = Trainer::new(network, &small());
        trainer.network.forward(&floats(&case["inputs"]), &mut trainer.pass);
        let outputs: Vec<f64> = trainer.pass.outputs().iter().map(|&logit| logistic(f64::from(logit))).collect();
        assert_near("outputs", &outputs, &numbers(&case["outputs"]), 1e-6);

        trainer.weight = case["positive_weight"].as_f64().unwrap();
        let is_anomaly: Vec<bool> = numbers(&case["labels"]).into_iter().map(|label| label > 0.5).collect();
        let loss = trainer.step(&floats(&case["rows"]), &is_anomaly, 1e-6);
        assert_near("loss", &[loss], &[case["loss"].as_f64().unwrap()], 1e-6);
        assert_floats_near("gradient", trainer.pass.gradient(), &case["gradient"], 1e-5);
    }

    #[test]
    fn saliency_and_extrapolation_are_numpys_and_the_sources() {
        let case = &of_networks()["sr_cnn"];
        let mut values = numbers(&case["window"]);
        normalise(&mut values);
        let values = extended(&values);
        assert_near("extrapolated", &values, &numbers(&case["extrapolated"]), 1e-12);
        assert_near("saliency", &Saliency::new(128).of(&values), &numbers(&case["saliency"]), 1e-9);

        let long = &case["long"];
        let values = extended(&numbers(&long["values"]));
        let map = Saliency::new(517).of(&values);
        let got = [values[512], map[..512].iter().sum(), map[121]];
        let want = ["next", "sum", "at_121"].map(|name| long[name].as_f64().unwrap());
        assert_near("a long window", &got, &want, 1e-12);
    }

    #[test]
    fn the_learning_rate_halves_after_the_first_epoch_and_after_each_ten() {
        let config = SrCnnConfig { learning_rate: 1.0, ..SrCnnConfig::default() };
        let rates = [1, 2, 10, 11, 20, 21].map(|epoch| config.learning_rate(epoch));
        assert_eq!(rates.map(f32::to_bits), [1.0_f32, 0.5, 0.5, 0.25, 0.25, 0.125].map(f32::to_bits));
    }

    #[test]
    fn it_finds_a_spike_and_leaves_the_start_alone() {
        let spikes = [1700, 1850];
        let value = |point: usize| {
            let noise = (point as f32 * 12.9898).sin() * 43_758.547;
            (std::f32::consts::TAU * point as f32 / 20.0).sin()
                + 0.2 * (noise - noise.floor())
                + if spikes.contains(&point) { 3.0 } else { 0.0 }
        };
        let series = Scaled { values: (0..2000).map(value).collect(), n_channels: 1 };
        let fitted = SrCnn::fit(&corpus(series.clone(), 1500), &small(), 1).unwrap();
        let scores = fitted.score(&series);
        assert!(scores[..26].iter().all(|score| *score == 0.0) && scores[26] > 0.0);
        let normal = scores[..1500].iter().filter(|score| **score > scores[1700].min(scores[1850])).count();
        assert!(normal <= 7, "{normal} of 1500 normal points above the spikes");
    }

    #[test]
    fn windows_are_whole_and_a_stride_apart() {
        let corpus = corpus(Scaled { values: vec![0.0; 100], n_channels: 1 }, 60);
        let config = SrCnnConfig { n_steps: 32, stride: 10, ..SrCnnConfig::default() };
        let windows = windows(&corpus, &config, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        assert_eq!(windows, [(0, 31), (0, 41), (0, 51)]);
        let refused = SrCnn::fit(&corpus, &SrCnnConfig { n_steps: 61, ..config }, 1).unwrap_err();
        assert!(refused.to_string().starts_with("`sr-cnn.n_steps` must be such that windows end at training points"));
    }

    #[test]
    fn the_same_seed_gives_the_same_scores_and_so_does_a_stored_model() {
        let (series, _) = sine_with_an_odd_period(500);
        let config = SrCnnConfig { n_epochs: 1, max_windows: 100, ..small() };
        let fit = |seed| SrCnn::fit(&corpus(series.clone(), 300), &config, seed).unwrap();
        let (fitted, scores) = (fit(1), fit(1).score(&series));
        assert_eq!(scores, fitted.score(&series));
        assert_ne!(scores, fit(2).score(&series));
        let mut restored: SrCnn = serde_json::from_value(serde_json::to_value(&fitted).unwrap()).unwrap();
        restored.restore(&config, &stored(fitted.arrays())).unwrap();
        assert_eq!(scores, restored.score(&series));
    }

    #[test]
    fn series_without_sense_have_probabilities() {
        for series in bad_series(100) {
            let n_points = series.len();
            let corpus = corpus(series.clone(), n_points);
            if n_points < 32 {
                assert!(matches!(SrCnn::fit(&corpus, &small(), 1), Err(Error::Setting { .. })));
                continue;
            }
            let fitted = SrCnn::fit(&corpus, &small(), 1).unwrap();
            assert!(fitted.score(&series).iter().all(|score| (0.0..=1.0).contains(score)));
            let short = Scaled { values: vec![0.0; 2 * series.n_channels], n_channels: series.n_channels };
            assert_eq!(fitted.score(&short), [0.0, 0.0]);
        }
    }
}
