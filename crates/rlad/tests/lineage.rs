//! What a model says of what it learned from.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::Path;

use rlad::config::AnswerKind;
use rlad::data::{NANOS_PER_SECOND, TimeFormat, Truth};
use rlad::detect::LineageEntry;
use rlad::{Config, Label, Model, Series, Session, TruthOracle};

fn is_spike(point: usize) -> bool {
    point % 97 == 31
}

fn series(name: &str, n: usize) -> Series {
    let times = (0..n as i64).map(|i| (1_600_000_000 + i * 3600) * NANOS_PER_SECOND).collect();
    let values = (0..n).map(|i| (i % 24) as f64 + if is_spike(i) { 40.0 } else { 0.0 }).collect();
    Series::new(name, vec!["value".into()], TimeFormat::Seconds, times, values, None).unwrap()
}

fn truths(data: &[Series]) -> Vec<Option<Truth>> {
    let label = |i| Some(if is_spike(i) { Label::Anomaly } else { Label::Normal });
    data.iter().map(|series| Some(Truth::new((0..series.len()).map(label).collect()))).collect()
}

fn config(questions: usize) -> Config {
    let mut config = Config { questions, ..Config::default() };
    (config.agent.n_members, config.agent.trees.weight) = (2, 1.0);
    (config.query.answers, config.query.min_distance) = (AnswerKind::Point, 1);
    config
}

/// Asks until the questions are spent.
fn end(mut session: Session, data: &[Series]) -> (Model, Vec<u8>) {
    session.run(&mut TruthOracle::new(&truths(data))).unwrap();
    (session.finish().unwrap(), session.checkpoint())
}

fn resume(checkpoint: &[u8], data: &[Series], questions: usize) -> Session {
    Session::resume(Path::new("checkpoint"), checkpoint, data.to_vec(), Some(questions)).unwrap()
}

/// The entries but for labelled points, with times in hours since the first.
type Told = (usize, usize, usize, (i64, i64), Option<usize>, Option<usize>, Option<String>);

fn told(model: &Model) -> Vec<Told> {
    let hour = |timestamp: i64| (timestamp / NANOS_PER_SECOND - 1_600_000_000) / 3600;
    let of = |entry: &LineageEntry| {
        assert!(entry.has_timestamps && entry.labelled_points > 0 && entry.version == env!("CARGO_PKG_VERSION"));
        let range = (hour(entry.first), hour(entry.last));
        (entry.questions, entry.series, entry.points, range, entry.new_points, entry.new_series, entry.previous.clone())
    };
    model.lineage().iter().map(of).collect()
}

#[test]
fn every_training_over_data_that_grew_adds_an_entry() {
    let data = vec![series("a", 300), series("b", 280)];
    let (first, checkpoint) = end(Session::new(config(12), data.clone()).unwrap(), &data);
    let one = (12, 2, 580, (0, 299), None, None, None);
    assert_eq!(told(&first), std::slice::from_ref(&one));
    assert_eq!(first.lineage()[0].labelled_points, first.n_labelled_points());
    assert_eq!(first.lineage()[0].threshold.to_bits(), rlad::Detector::threshold(&first).to_bits());

    // Ten points of `b` and a series are new, `a` lost its first hundred.
    let cut = |series: &Series, from: usize| {
        let (times, values) = (series.timestamps()[from..].to_vec(), series.values()[from..].to_vec());
        Series::new(series.name(), vec!["value".into()], TimeFormat::Seconds, times, values, None).unwrap()
    };
    let grown = vec![cut(&series("a", 300), 100), series("b", 290), series("c", 50)];
    let mut session = resume(&checkpoint, &grown, 20);
    session.set_previous(&first);
    let mut oracle = truths(&grown);
    let shifted = |i: usize| Some(if is_spike(i + 100) { Label::Anomaly } else { Label::Normal });
    oracle[0] = Some(Truth::new((0..200).map(shifted).collect()));
    session.run(&mut TruthOracle::new(&oracle)).unwrap();
    let second = session.finish().unwrap();
    let two = (20, 3, 540, (0, 299), Some(60), Some(1), Some(first.hash().to_owned()));
    assert_eq!(told(&second), [one, two]);

    // A model's file has its lineage.
    let read = Model::from_bytes(Path::new("m"), second.to_bytes().to_vec()).unwrap();
    assert_eq!(read.lineage(), second.lineage());
    let json = serde_json::to_string(&second.lineage()).unwrap();
    assert_eq!(serde_json::from_str::<Vec<LineageEntry>>(&json).unwrap(), second.lineage());
}

#[test]
fn the_same_training_stays_one_entry_and_the_same_bytes() {
    let data = vec![series("a", 300)];
    let (whole, _) = end(Session::new(config(20), data.clone()).unwrap(), &data);
    let (half, checkpoint) = end(Session::new(config(10), data.clone()).unwrap(), &data);
    let with = |previous: Option<&Model>| {
        let mut session = resume(&checkpoint, &data, 20);
        previous.into_iter().for_each(|model| session.set_previous(model));
        end(session, &data).0
    };
    assert_eq!(with(Some(&half)).hash(), with(None).hash());
    assert_eq!(told(&with(Some(&half))), told(&whole));
    // A session that is begun anew, without a checkpoint, is the same training too; one of another seed is another.
    let mut again = Session::new(config(20), data.clone()).unwrap();
    again.set_previous(&half);
    assert_eq!(end(again, &data).0.hash(), whole.hash());
    let mut session = Session::new(Config { seed: 1, ..config(20) }, data.clone()).unwrap();
    session.set_previous(&half);
    let (model, _) = end(session, &data);
    let [first, second] = &*told(&model) else { panic!("two entries: {:?}", model.lineage()) };
    assert_eq!(*first, told(&half)[0]);
    assert_eq!(*second, (20, 1, 300, (0, 299), Some(0), Some(0), Some(half.hash().to_owned())));
}
