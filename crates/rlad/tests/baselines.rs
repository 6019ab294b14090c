//! Every baseline by its name: fitted, scored, saved, read, and on series that cannot be learned from.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::Path;

use rlad::baselines::{Baseline, Method};
use rlad::data::{Labels, NANOS_PER_SECOND, Part, ReadOptions, TimeFormat};
use rlad::{Answer, Config, Detector, Error, Label, Model, Saved, Series, Session, Span, read};

const TRAINING: Part = Part { from: 0.0, to: 0.8 };

/// The two KPI series that are shipped.
fn kpi() -> Vec<Series> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rlad-cli/data/kpi");
    let data = read(&[folder], &ReadOptions::default()).unwrap();
    data.series
}

/// A series with one row of values a point, half an hour apart.
fn series(name: &str, rows: &[&[f64]]) -> Series {
    let channels = (0..rows[0].len()).map(|channel| format!("v{channel}")).collect();
    let times = (0..rows.len() as i64).map(|point| point * 1800 * NANOS_PER_SECOND).collect();
    Series::new(name, channels, TimeFormat::Seconds, times, rows.concat(), None).unwrap()
}

/// A series of one channel.
fn one_channel(values: &[f64]) -> Series {
    series("s", &values.iter().map(std::slice::from_ref).collect::<Vec<_>>())
}

/// A daily wave with a little that does not repeat.
fn wave(n_points: usize) -> Vec<f64> {
    let value = |point: usize| (point as f64 / 48.0 * std::f64::consts::TAU).sin() + 0.1 * ((point * 7919) % 13) as f64;
    (0..n_points).map(value).collect()
}

/// A method with settings that make it quick.
fn quick(name: &str) -> Method {
    let settings = match name {
        "spectral-residual" => "window = 100",
        "sr-cnn" => "n_steps = 32\nn_epochs = 2\nmax_windows = 200\nlearning_rate = 1e-5",
        "dagmm" | "autoencoder" => "n_epochs = 1\nmax_windows = 1000",
        "deep-sad" => "n_pretraining_epochs = 1\nn_epochs = 1\nmax_windows = 1000",
        "nearest-neighbors" | "lof" | "one-class-svm" => "n_windows = 200",
        "isolation-forest" => "n_trees = 20",
        "pca" => "n_windows = 2000",
        _ => "",
    };
    Method::from_settings(name, &toml::from_str(settings).unwrap()).unwrap()
}

/// The fitted baselines of all names.
fn fit_all(series: &[Series], part: Part, labels: &[Labels]) -> Vec<Baseline> {
    Method::NAMES.iter().map(|name| Baseline::fit(&quick(name), series, part, labels, 3, 7).unwrap()).collect()
}

/// One finite score for each point that is not missing.
fn assert_scores(what: &str, baseline: &Baseline, series: &Series) {
    assert!(baseline.threshold().is_finite(), "{what}: the threshold {}", baseline.threshold());
    let scores = baseline.score(series).unwrap();
    assert_eq!(scores.len(), series.len(), "{what}");
    for (point, score) in scores.iter().enumerate() {
        let is_right = if series.is_missing(point) { score.is_nan() } else { score.is_finite() };
        assert!(is_right, "{what}, point {point} of {}: {score}", series.name());
    }
}

fn bits(scores: &[f64]) -> Vec<u64> {
    scores.iter().map(|score| score.to_bits()).collect()
}

#[test]
fn every_method_gives_each_present_point_of_the_kpi_series_a_score() {
    let kpi = kpi();
    for baseline in fit_all(&kpi, TRAINING, &[]) {
        let name = baseline.method().name();
        for series in &kpi {
            assert_scores(name, &baseline, series);
        }
        let scores = baseline.score(&kpi[0]).unwrap();
        let n_alarms = scores.iter().filter(|score| **score > baseline.threshold()).count();
        match name {
            "never" => assert_eq!(n_alarms, 0),
            "always" => assert_eq!(n_alarms, kpi[0].len()),
            _ => {
                assert!(n_alarms < kpi[0].len(), "{name} alarms everywhere");
                assert!(scores.iter().any(|score| score.to_bits() != scores[0].to_bits()), "{name} tells nothing");
            }
        }
    }
}

#[test]
fn the_scores_of_a_part_are_those_of_the_whole_to_the_bit() {
    let mut values = wave(3000);
    values[700..740].fill(f64::NAN);
    values[1300] = 9.0;
    let known = one_channel(&values);
    let unknown = series("t", &values.iter().map(std::slice::from_ref).collect::<Vec<_>>());
    let parts = [0..1, 3..300, 255..257, 256..512, 700..745, 1299..1300, 1301..2600, 2048..2048, 2990..3000, 0..3000];
    let mut failures = Vec::new();
    for baseline in fit_all(std::slice::from_ref(&known), TRAINING, &[]) {
        for series in [&known, &unknown] {
            let whole = bits(&baseline.score(series).unwrap());
            for part in parts.clone() {
                if bits(&baseline.score_points(series, part.clone()).unwrap()) != whole[part.clone()] {
                    failures.push((baseline.method().name(), part));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn a_baseline_that_is_saved_and_read_is_the_same() {
    let series = one_channel(&wave(1000));
    for baseline in fit_all(std::slice::from_ref(&series), TRAINING, &[]) {
        let name = baseline.method().name();
        let path = Path::new("baseline");
        let again = Baseline::from_bytes(path, baseline.to_bytes().to_vec()).unwrap();
        assert!(again.to_bytes() == baseline.to_bytes(), "{name}");
        assert_eq!((again.hash(), again.method(), again.seed()), (baseline.hash(), baseline.method(), 7), "{name}");
        assert_eq!(again.threshold().to_bits(), baseline.threshold().to_bits(), "{name}");
        assert_eq!(bits(&again.score(&series).unwrap()), bits(&baseline.score(&series).unwrap()), "{name}");
        let saved = Saved::from_bytes(path, baseline.to_bytes().to_vec()).unwrap();
        assert!(matches!(&saved, Saved::Baseline(saved) if saved.hash() == baseline.hash()), "{name}");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let kpi = kpi();
    let run = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let of = |baseline: Baseline| (baseline.hash().to_owned(), bits(&baseline.score(&kpi[0]).unwrap()));
        pool.install(|| fit_all(&kpi, TRAINING, &[]).into_iter().map(of).collect::<Vec<_>>())
    };
    for ((name, one), three) in Method::NAMES.iter().zip(run(1)).zip(run(3)) {
        assert_eq!(one.0, three.0, "what {name} learns");
        assert!(one.1 == three.1, "the scores of {name}");
    }
}

#[test]
fn the_seed_counts_where_something_is_drawn_and_nowhere_else() {
    let series = one_channel(&wave(1000));
    for name in Method::NAMES {
        let score = |seed| {
            let fitted = Baseline::fit(&quick(name), std::slice::from_ref(&series), TRAINING, &[], 0, seed).unwrap();
            bits(&fitted.score(&series).unwrap())
        };
        let draws = [
            "sr-cnn",
            "dagmm",
            "autoencoder",
            "deep-sad",
            "nearest-neighbors",
            "lof",
            "isolation-forest",
            "one-class-svm",
        ];
        assert_eq!(score(1) != score(2), draws.contains(name), "{name}");
    }
}

#[test]
fn labels_of_the_training_part_teach_those_that_learn_from_labels() {
    let series = one_channel(&wave(1000));
    let mut labels = Labels::default();
    labels.teach(100, &Answer::Spans(vec![Span { first: 96, last: 104, label: Label::Anomaly }]));
    labels.teach(900, &Answer::Spans(vec![Span { first: 890, last: 910, label: Label::Normal }]));
    let series = std::slice::from_ref(&series);
    for (without, with) in fit_all(series, TRAINING, &[]).iter().zip(fit_all(series, TRAINING, &[labels])) {
        let name = with.method().name();
        if with.method().learns_from_labels() {
            assert_eq!((with.n_questions(), with.n_labelled_points()), (3, 9), "{name}");
            assert_ne!(with.hash(), without.hash(), "{name}");
        } else {
            assert_eq!((with.n_questions(), with.n_labelled_points()), (0, 0), "{name}");
            assert_eq!(with.hash(), without.hash(), "{name}");
        }
    }
}

/// The model of an agent that was asked a few questions.
fn model(series: &Series) -> Model {
    let mut config = Config { questions: 6, ..Config::default() };
    config.agent.n_members = 1;
    config.agent.n_units = 4;
    config.agent.steps_per_round = 2;
    config.agent.final_steps = 2;
    let mut session = Session::new(config, vec![series.clone()]).unwrap();
    let normal = |point| Answer::Spans(vec![Span { first: point, last: point, label: Label::Normal }]);
    let answers: Vec<(u64, Answer)> = session.query().iter().map(|query| (query.id, normal(query.point))).collect();
    session.teach(&answers).unwrap();
    session.finish().unwrap()
}

#[test]
fn other_files_and_damaged_ones_are_refused() {
    let series = one_channel(&wave(300));
    let path = Path::new("file");
    let model = model(&series);
    let error = Baseline::from_bytes(path, model.to_bytes().to_vec()).unwrap_err();
    assert_eq!(error.to_string(), "`file` is not a baseline written by rlad");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "it is a model");
    assert!(matches!(Saved::from_bytes(path, model.to_bytes().to_vec()), Ok(Saved::Model(_))));

    let baselines = fit_all(std::slice::from_ref(&series), Part::ALL, &[]);
    for baseline in &baselines {
        let (name, bytes) = (baseline.method().name(), baseline.to_bytes());
        let error = Model::from_bytes(path, bytes.to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "`file` is not a model written by rlad", "{name}");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "it is a baseline", "{name}");
        for len in [0, 7, bytes.len() / 2, bytes.len() - 1] {
            let error = Saved::from_bytes(path, bytes[..len].to_vec()).unwrap_err();
            assert!(matches!(error, Error::Format { .. }), "{name}, cut at {len}: {error}");
        }
        for step in 0..50 {
            let mut changed = bytes.to_vec();
            let at = step * (bytes.len() - 1) / 49;
            changed[at] ^= 1;
            assert!(Baseline::from_bytes(path, changed).is_err(), "{name}, byte {at}");
        }
    }
    // The last byte of a file is a weight, where there are any.
    let mut changed = baselines.last().unwrap().to_bytes().to_vec();
    *changed.last_mut().unwrap() ^= 1;
    assert!(matches!(Baseline::from_bytes(path, changed), Err(Error::Damaged { .. })));
}

#[test]
fn two_channels_are_scored_and_other_numbers_of_channels_refused() {
    let (first, second) = (wave(1200), wave(1230)[30..].to_vec());
    let mut rows: Vec<[f64; 2]> = first.iter().zip(&second).map(|(a, b)| [*a, 3.0 * b]).collect();
    rows[300..320].fill([f64::NAN; 2]);
    rows[500..700].iter_mut().for_each(|row| row[1] = f64::NAN);
    rows[1100][1] = 50.0;
    let two = series("two", &rows.iter().map(<[f64; 2]>::as_slice).collect::<Vec<_>>());
    let one = one_channel(&first);
    for baseline in fit_all(std::slice::from_ref(&two), TRAINING, &[]) {
        let name = baseline.method().name();
        assert_scores(name, &baseline, &two);
        let wrong = baseline.score(&one).unwrap_err();
        assert!(matches!(wrong, Error::Channels { expected: 2, found: 1, .. }), "{name}: {wrong}");
    }
    for name in Method::NAMES {
        let wrong = Baseline::fit(&quick(name), &[two.clone(), one.clone()], TRAINING, &[], 0, 1).unwrap_err();
        assert!(matches!(wrong, Error::Channels { .. }), "{name}: {wrong}");
        let wrong = Baseline::fit(&quick(name), &[], TRAINING, &[], 0, 1).unwrap_err();
        assert!(matches!(wrong, Error::Empty { .. }), "{name}: {wrong}");
    }
}

/// Series of which little or nothing can be learned.
fn hopeless() -> Vec<(&'static str, Series)> {
    let late = [vec![f64::NAN; 270], wave(30)].concat();
    [
        ("one point", vec![5.0]),
        ("two points", vec![1.0, 2.0]),
        ("thirty points", wave(30)),
        ("a constant", vec![5.0; 300]),
        ("a constant that is no binary fraction", vec![1e12 / 3.0; 300]),
        ("nothing", vec![f64::NAN; 300]),
        ("nothing to train on", late),
        ("huge values", [1e308, -1e308, 0.0, 1e308, 1e308].repeat(12)),
        ("tiny values", vec![1e-320, 0.0, -1e-320, 1e-310]),
    ]
    .map(|(what, values)| (what, one_channel(&values)))
    .into()
}

#[test]
fn a_series_without_sense_is_scored_by_what_was_fitted_to_another() {
    let other = series("other", &wave(1000).iter().map(std::slice::from_ref).collect::<Vec<_>>());
    for baseline in fit_all(std::slice::from_ref(&other), TRAINING, &[]) {
        for (what, series) in hopeless() {
            assert_scores(&format!("{} on {what}", baseline.method().name()), &baseline, &series);
        }
    }
}

#[test]
fn a_series_without_sense_is_fitted_or_refused() {
    for (what, series) in hopeless() {
        for name in Method::NAMES {
            for part in [TRAINING, Part::ALL] {
                let what = format!("{name} on {what}, {part}");
                match Baseline::fit(&quick(name), std::slice::from_ref(&series), part, &[], 0, 1) {
                    Ok(baseline) => {
                        assert_scores(&what, &baseline, &series);
                        let again = Baseline::from_bytes(Path::new("again"), baseline.to_bytes().to_vec());
                        assert_eq!(again.unwrap().hash(), baseline.hash(), "{what}");
                    }
                    Err(error) => {
                        let is_right = match &error {
                            Error::Empty { .. } => (0..series.len())
                                .all(|point| series.is_missing(point) || !series.part(part).contains(&point)),
                            // Only a window of SR-CNN must lie within its series.
                            Error::Setting { .. } => *name == "sr-cnn",
                            _ => false,
                        };
                        assert!(is_right, "{what}: {error}");
                    }
                }
            }
        }
    }
}
