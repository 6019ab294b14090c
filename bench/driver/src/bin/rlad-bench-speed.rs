//! Times of parts of the work, for `bench/speed/run.py`.
//!
//! Each line of standard input is a JSON object with the name of a part under `do`, and what the part needs. Arrays come in files of
//! little-endian 32-bit floats, and go out into such files where `out` names one. The answer is one line of JSON: the seconds that the
//! part took, reading and writing of files left out, and some numbers to compare.

#![expect(clippy::print_stdout, reason = "the driver reads the answers from here")]

use std::error::Error;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rlad::config::PropagationMethod;
use rlad::data::{Clock, DataSet, Part, ReadOptions};
use rlad::detect::{Arrival, push_all};
use rlad::features::Feature;
use rlad::internals::{
    Adam, Batch, IsolationForest, QNetwork, QNetworkShape, Regularisation, Scale, Tensor, encode, propagate,
};
use rlad::{Config, Label, Model, Series, Session, Stream, TruthOracle, read};
use serde_json::{Value, json};

type Outcome = Result<Value, Box<dyn Error>>;

/// Data and network that stay from one line to the next.
#[derive(Default)]
struct Kept {
    floats: std::collections::HashMap<PathBuf, Vec<f32>>,
    network: Option<(QNetworkShape, QNetwork, QNetwork, Adam)>,
    data: Option<DataSet>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut kept = Kept::default();
    for line in std::io::stdin().lock().lines() {
        let task: Value = serde_json::from_str(&line?)?;
        let answer = match task["do"].as_str().ok_or("a line names what to do")? {
            "network" => kept.network(&task)?,
            "step" => kept.step(&task)?,
            "score" => kept.score(&task)?,
            "forest" => kept.forest(&task)?,
            "spread" => kept.spread(&task)?,
            "features" => kept.features(&task)?,
            "read" => kept.read(&task)?,
            "question" => question(&task)?,
            "rounds" => rounds(&task)?,
            "detect" => kept.detect(&task)?,
            "write" => write(&task)?,
            "stream" => stream(&task)?,
            other => return Err(format!("there is no part `{other}`").into()),
        };
        println!("{answer}");
    }
    Ok(())
}

fn text<'a>(task: &'a Value, key: &str) -> Result<&'a str, Box<dyn Error>> {
    task[key].as_str().ok_or_else(|| format!("the task has no text `{key}`").into())
}

fn number(task: &Value, key: &str) -> Result<usize, Box<dyn Error>> {
    let number = task[key].as_u64().ok_or_else(|| format!("the task has no number `{key}`"))?;
    Ok(usize::try_from(number)?)
}

fn read_floats(path: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// Writes numbers where the task names a file for them.
fn write_floats(task: &Value, numbers: impl Iterator<Item = f32>) -> Result<(), Box<dyn Error>> {
    if let Some(path) = task["out"].as_str() {
        std::fs::write(path, numbers.flat_map(f32::to_le_bytes).collect::<Vec<u8>>())?;
    }
    Ok(())
}

fn open(task: &Value) -> Result<DataSet, Box<dyn Error>> {
    Ok(read(&[text(task, "data")?.into()], &ReadOptions::default())?)
}

impl Kept {
    /// The floats of a file, read once.
    fn floats(&mut self, task: &Value, key: &str) -> Result<&[f32], Box<dyn Error>> {
        let path = PathBuf::from(text(task, key)?);
        if !self.floats.contains_key(&path) {
            self.floats.insert(path.clone(), read_floats(&path)?);
        }
        Ok(&self.floats[&path])
    }

    /// A network of `features`, `units` with the weights of a file, in the order of PyTorch's parameters with one bias.
    fn network(&mut self, task: &Value) -> Outcome {
        let (n_features, n_units) = (number(task, "features")?, number(task, "units")?);
        let shape = QNetworkShape { n_features, n_units, skip: false, head_units: 0 };
        let mut rest = read_floats(Path::new(text(task, "weights")?))?;
        let names: [(&str, Vec<usize>); 5] = [
            ("lstm.weight_ih_l0", vec![4 * n_units, n_features]),
            ("lstm.weight_hh_l0", vec![4 * n_units, n_units]),
            ("lstm.bias_l0", vec![4 * n_units]),
            ("out.weight", vec![2, n_units]),
            ("out.bias", vec![2]),
        ];
        let tensors: Vec<Tensor> = names
            .into_iter()
            .map(|(name, shape)| {
                let n_values: usize = shape.iter().product();
                let data = rest.drain(..n_values).collect();
                Tensor { name: name.to_owned(), shape, data }
            })
            .collect();
        let network = QNetwork::from_tensors(shape, &tensors)?;
        self.network = Some((shape, network.clone(), network, Adam::new(shape)));
        Ok(json!({}))
    }

    /// DQN steps on one batch: forward, forward by the target network, backward, Adam.
    fn step(&mut self, task: &Value) -> Outcome {
        let states = self.floats(task, "states")?.to_vec();
        let next = self.floats(task, "next")?.to_vec();
        let rewards = self.floats(task, "rewards")?.as_chunks::<2>().0.to_vec();
        let (n_steps, n_repeats) = (number(task, "steps")?, number(task, "repeats")?);
        let (_, online, target, adam) = self.network.as_mut().ok_or("a network comes first")?;
        let weights = vec![[1.0; 2]; rewards.len()];
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut losses = Vec::with_capacity(n_repeats);
        let start = Instant::now();
        for _ in 0..n_repeats {
            let values = target.q_values(&next, n_steps);
            let add = |(rewards, q): (&[f32; 2], &[f32; 2])| rewards.map(|reward| reward + 0.8 * q[0].max(q[1]));
            let targets: Vec<[f32; 2]> = rewards.iter().zip(&values).map(add).collect();
            let batch = Batch { states: &states, n_steps, targets: &targets, weights: &weights };
            losses.push(online.train_step(adam, &batch, &Regularisation::default(), 1e-3, &mut rng));
        }
        Ok(json!({ "seconds": start.elapsed().as_secs_f64() / n_repeats as f64, "losses": losses }))
    }

    /// The Q-values of every window of a series.
    fn score(&mut self, task: &Value) -> Outcome {
        let rows = self.floats(task, "rows")?.to_vec();
        let n_steps = number(task, "steps")?;
        let (shape, network, ..) = self.network.as_ref().ok_or("a network comes first")?;
        let n_points = rows.len() / shape.n_features;
        let start = Instant::now();
        let q = network.q_values_series(&rows, 0..n_points, n_steps);
        let seconds = start.elapsed().as_secs_f64();
        write_floats(task, q.iter().flatten().copied())?;
        Ok(json!({ "seconds": seconds }))
    }

    /// An isolation forest on windows: fit, then scores of all. With `lengths`, `rows` are the values of series one after the other, each
    /// with what its first window needs before it; else windows.
    fn forest(&mut self, task: &Value) -> Outcome {
        let n_features = number(task, "features")?;
        if task.get("lengths").is_some() {
            return self.forest_of_series(task, n_features);
        }
        let rows = self.floats(task, "rows")?;
        let start = Instant::now();
        let forest = IsolationForest::fit(rows, n_features, 100, 256, &mut ChaCha8Rng::seed_from_u64(0));
        let fit = start.elapsed().as_secs_f64();
        let scores = forest.score(rows);
        let seconds = start.elapsed().as_secs_f64();
        write_floats(task, scores.iter().map(|score| *score as f32))?;
        Ok(json!({ "seconds": seconds, "fit": fit }))
    }

    fn forest_of_series(&mut self, task: &Value, n_features: usize) -> Outcome {
        const N_TREES: usize = 100;
        const SAMPLE: usize = 256;
        let lengths: Vec<usize> = self.floats(task, "lengths")?.iter().map(|length| *length as usize).collect();
        let values = self.floats(task, "rows")?;
        let mut series = Vec::new();
        let mut rest = values;
        for length in lengths {
            let (one, after) = rest.split_at(length);
            series.push(one);
            rest = after;
        }
        let start = Instant::now();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        // Each tree draws from a sample of the windows that is as large as all trees' draws.
        let firsts: Vec<(usize, usize)> = series
            .iter()
            .enumerate()
            .flat_map(|(at, values)| (0..=values.len() - n_features).map(move |first| (at, first)))
            .collect();
        let drawn = rand::seq::index::sample(&mut rng, firsts.len(), (N_TREES * SAMPLE).min(firsts.len()));
        let rows: Vec<f32> =
            drawn.iter().flat_map(|i| &series[firsts[i].0][firsts[i].1..firsts[i].1 + n_features]).copied().collect();
        let forest = IsolationForest::fit(&rows, n_features, N_TREES, SAMPLE, &mut rng);
        let fit = start.elapsed().as_secs_f64();
        let scores: Vec<f64> = series.iter().flat_map(|values| forest.score_windows(values)).collect();
        let seconds = start.elapsed().as_secs_f64();
        write_floats(task, scores.iter().map(|score| *score as f32))?;
        Ok(json!({ "seconds": seconds, "fit": fit }))
    }

    /// Labels (1 anomaly, 0 normal, -1 none) that spread over windows.
    fn spread(&mut self, task: &Value) -> Outcome {
        let n_features = number(task, "features")?;
        let label = |number: f32| match number {
            0.0 => Some(Label::Normal),
            1.0 => Some(Label::Anomaly),
            _ => None,
        };
        let labels: Vec<Option<Label>> = self.floats(task, "labels")?.iter().map(|number| label(*number)).collect();
        let rows = self.floats(task, "rows")?;
        let mut config = Config::paper().paper.propagation;
        config.method = PropagationMethod::Spreading;
        config.max_iterations = number(task, "passes")?;
        let start = Instant::now();
        let spread = propagate(rows, n_features, &labels, &config);
        let seconds = start.elapsed().as_secs_f64();
        write_floats(task, spread.p_anomaly.iter().map(|p| *p as f32))?;
        Ok(json!({ "seconds": seconds, "passes": spread.n_iterations }))
    }

    fn data(&mut self, task: &Value) -> Result<&DataSet, Box<dyn Error>> {
        if self.data.is_none() {
            self.data = Some(open(task)?);
        }
        self.data.as_ref().ok_or_else(|| "the data were read".into())
    }

    /// Features of every point of every series, one series a thread.
    fn features(&mut self, task: &Value) -> Outcome {
        let names: Vec<String> = serde_json::from_value(task["features"].clone())?;
        let features = names.iter().map(|name| name.parse()).collect::<Result<Vec<Feature>, _>>()?;
        let features = if features.is_empty() { Feature::DEFAULT.to_vec() } else { features };
        let data = self.data(task)?;
        let start = Instant::now();
        let encode_one = |series: &Series| encode(series, &features, &Scale::fit(series, 0..series.len()));
        let encoded: Vec<_> = data.series.par_iter().map(encode_one).collect();
        let seconds = start.elapsed().as_secs_f64();
        write_floats(task, encoded.iter().flat_map(|encoded| encoded.rows()).copied())?;
        Ok(json!({ "seconds": seconds, "points": data.n_points() }))
    }

    /// Reading a file.
    fn read(&mut self, task: &Value) -> Outcome {
        let start = Instant::now();
        let data = open(task)?;
        let seconds = start.elapsed().as_secs_f64();
        self.data = Some(data);
        Ok(json!({ "seconds": seconds }))
    }

    /// The scores of every point of data that were read, by a model.
    fn detect(&mut self, task: &Value) -> Outcome {
        let model = open_model(task)?;
        let data = self.data(task)?;
        let start = Instant::now();
        let n_scores = |series| rlad::Detector::score(&model, series).map(|scores| scores.len());
        let n: usize = data.series.iter().map(n_scores).sum::<Result<_, _>>()?;
        Ok(json!({ "seconds": start.elapsed().as_secs_f64(), "points": n }))
    }
}

fn open_model(task: &Value) -> Result<Model, Box<dyn Error>> {
    let path = PathBuf::from(text(task, "model")?);
    Ok(Model::load(path)?)
}

/// Writing scores that were read.
fn write(task: &Value) -> Outcome {
    let scores = rlad::data::read_scores(Path::new(text(task, "scores")?))?;
    let start = Instant::now();
    rlad::data::write_scores(Path::new(text(task, "out")?), &scores)?;
    Ok(json!({ "seconds": start.elapsed().as_secs_f64() }))
}

/// From nothing to the first question.
fn question(task: &Value) -> Outcome {
    let start = Instant::now();
    let data = open(task)?;
    let mut session =
        Session::new(Config { part: text(task, "part")?.parse()?, ..Config::default() }, &data.series[..])?;
    let n_questions = session.query().len();
    Ok(json!({ "seconds": start.elapsed().as_secs_f64(), "questions": n_questions }))
}

/// Rounds of questions up to a budget, answered by the truth: the seconds of each, from the answers to the next questions.
fn rounds(task: &Value) -> Outcome {
    let data = open(task)?;
    let part: Part = text(task, "part")?.parse()?;
    let config = Config { part, questions: number(task, "questions")?, ..Config::default() };
    let mut session = Session::new(config, &data.series[..])?;
    let mut oracle = TruthOracle::new(&data.truths);
    let mut seconds = Vec::new();
    let mut answers = session.ask(&mut oracle)?.answers;
    while !answers.is_empty() {
        let start = Instant::now();
        session.teach(&answers)?;
        session.query();
        seconds.push(start.elapsed().as_secs_f64());
        answers = session.ask(&mut oracle)?.answers;
    }
    let start = Instant::now();
    let model = session.finish()?;
    let finish = start.elapsed().as_secs_f64();
    if let Some(path) = task["out"].as_str() {
        model.save(path)?;
    }
    Ok(json!({ "seconds": seconds, "finish": finish }))
}

/// A fleet: many series that the model never saw, a point of each a minute, in as many parts as there are threads.
fn stream(task: &Value) -> Outcome {
    const BATCH: usize = 256;
    let model = Arc::new(open_model(task)?);
    let (n_series, n_minutes) = (number(task, "series")?, number(task, "minutes")?);
    let n_threads = rayon::current_num_threads();
    let clock = Clock { step: 60 * rlad::data::NANOS_PER_SECOND, has_days: true };
    let before = resident_bytes();
    let mut parts: Vec<Vec<Stream>> = (0..n_threads)
        .into_par_iter()
        .map(|part| {
            (part..n_series)
                .step_by(n_threads)
                .map(|i| Stream::new(Arc::clone(&model), &format!("host-{i}"), clock))
                .collect()
        })
        .collect();
    let value = |series: usize, minute: usize| ((series * 31 + minute * 17) % 97) as f64 + (minute as f64 / 9.0).sin();
    let mut of_minutes = Vec::new();
    for minute in 0..n_minutes {
        let start = Instant::now();
        parts.par_iter_mut().enumerate().for_each(|(part, streams)| {
            for (batch, streams) in streams.chunks_mut(BATCH).enumerate() {
                let values: Vec<[f64; 1]> =
                    (0..streams.len()).map(|i| [value(part + batch * BATCH + i, minute)]).collect();
                let timestamp = minute as i64 * 60 * rlad::data::NANOS_PER_SECOND;
                let arrivals = streams.iter_mut().zip(&values);
                let arrivals = arrivals.map(|(stream, values)| Arrival { stream, timestamp, values });
                push_all(arrivals.collect()).into_iter().for_each(|score| assert!(score.is_ok(), "a good point"));
            }
        });
        of_minutes.push(start.elapsed().as_secs_f64());
    }
    let bytes = (resident_bytes() - before) / n_series as f64;
    let mut of_points: Vec<f64> = Vec::new();
    for minute in n_minutes..n_minutes + 4 {
        for stream in parts[0].iter_mut().step_by(97).take(5_000) {
            let start = Instant::now();
            stream.push(minute as i64 * 60 * rlad::data::NANOS_PER_SECOND, &[value(minute, minute)])?;
            of_points.push(start.elapsed().as_secs_f64());
        }
    }
    of_points.sort_by(f64::total_cmp);
    let at = |fraction: f64| of_points[((of_points.len() - 1) as f64 * fraction) as usize];
    Ok(json!({ "minutes": of_minutes, "bytes": bytes, "point": { "p50": at(0.5), "p99": at(0.99), "max": at(1.0) } }))
}

/// The bytes that the process has in memory, by the kernel's count.
fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0
}
