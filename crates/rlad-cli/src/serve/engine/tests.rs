use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use rlad::data::TimeFormat;
use rlad::{Config, Detector, Model, Series, Session};

use super::open::Opening;
use super::*;
use crate::serve::config::ServeConfig;

impl Engine {
    fn of_name(&self, name: &str) -> Option<&Watched> {
        self.index.get(name).and_then(|id| self.series[*id as usize].as_ref())
    }
}

const MINUTE: i64 = 60_000;
/// Noon of a day in 2026, in milliseconds.
const BEGIN: i64 = 1_782_000_000_000;

/// What was told: series, time and margin of each point, and each event that opened or ended.
#[derive(Clone, Debug, Default)]
struct Told {
    points: Arc<Mutex<Vec<(String, i64, u64)>>>,
    written: Arc<Mutex<Vec<(i64, Written)>>>,
    alarms: Arc<Mutex<Vec<AlarmChange>>>,
    /// Whether a kill loses what was not flushed.
    is_lazy: bool,
    waiting: (Vec<(String, i64, u64)>, Vec<AlarmChange>),
}

impl Outputs for Told {
    fn scored(&mut self, points: &[ScoredPoint<'_>]) -> anyhow::Result<()> {
        let told = points.iter().map(|point| (point.series.to_owned(), point.at, point.margin.to_bits()));
        self.waiting.0.extend(told);
        self.written.lock().unwrap().extend(points.iter().map(|point| (point.at, point.written)));
        if self.is_lazy { Ok(()) } else { self.flush() }
    }

    fn alarm(&mut self, change: AlarmChange) {
        if change.is_new || !change.is_open {
            self.waiting.1.push(change);
            if !self.is_lazy {
                self.flush().unwrap();
            }
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.points.lock().unwrap().append(&mut self.waiting.0);
        self.alarms.lock().unwrap().append(&mut self.waiting.1);
        Ok(())
    }
}

impl Told {
    fn points(&self) -> Vec<(String, i64, u64)> {
        let mut points = self.points.lock().unwrap().clone();
        points.sort();
        points.dedup();
        points
    }
}

fn usual(series: usize, minute: i64) -> f64 {
    ((minute + 7 * series as i64) % 60) as f64 + 0.1 * ((minute * 7919) % 11) as f64
}

fn value(series: usize, minute: i64) -> f64 {
    usual(series, minute) + if minute % 401 == 97 && series == 0 { 600.0 } else { 0.0 }
}

fn name(series: usize) -> String {
    format!("load{{host=\"{series}\"}}")
}

fn model(minutes: i64) -> Arc<Model> {
    let of = |series: usize| {
        let values = (0..minutes).map(|minute| usual(series, minute)).collect();
        let times = (0..minutes).map(|minute| (BEGIN + (minute - minutes) * MINUTE) * 1_000_000).collect();
        Series::new(name(series), vec!["value".into()], TimeFormat::Seconds, times, values, None).unwrap()
    };
    let config = Config { questions: 0, ..Config::default() };
    Arc::new(Session::new(config, vec![of(0), of(1)]).unwrap().finish().unwrap())
}

fn limits() -> Limits {
    Limits { series: 10, new_a_minute: 10, kept: 2, idle: 100 * MINUTE, snapshot_every: Duration::from_secs(3_600) }
}

fn rules(toml: &str) -> Rules {
    Rules::of_config(&ServeConfig::from_text("serve.toml", toml, &|_| None).unwrap()).unwrap()
}

/// An engine that watches `load`.
fn open(folder: &Path, told: &Told, models: &[Arc<Model>]) -> Engine {
    open_with(folder, told, models, "[[watch]]\nmatch = '{__name__=\"load\"}'\nstep = \"1m\"")
}

fn open_with(folder: &Path, told: &Told, models: &[Arc<Model>], toml: &str) -> Engine {
    let opening = Opening {
        folder,
        window: 1_000 * MINUTE,
        syncs: false,
        limits: limits(),
        rules: rules(toml),
        outputs: Box::new(told.clone()),
    };
    let model_of = |hash: &str| {
        let found = models.iter().find(|model| model.hash() == hash);
        found.cloned().ok_or_else(|| anyhow::anyhow!("no detector {hash}"))
    };
    Engine::open(opening, model_of).unwrap()
}

fn batch(series: &[usize], minute: i64) -> Batch {
    let of = |series: &usize| Incoming {
        name: name(*series),
        labels: Labels::parse(&name(*series)).unwrap(),
        kind: None,
        samples: vec![Sample { timestamp_ms: BEGIN + minute * MINUTE, value: value(*series, minute) }],
    };
    Batch { series: series.iter().map(of).collect(), kinds: Vec::new() }
}

/// Gives it the samples of a minute, whose points then wait to be scored.
fn take(engine: &mut Engine, series: &[usize], minute: i64) -> Tally {
    let mut tally = Tally::default();
    let confirm = |tallies: Result<&[Tally], &str>| tally = tallies.unwrap()[0].clone();
    engine.take(vec![batch(series, minute)], BEGIN + minute * MINUTE, confirm);
    tally
}

fn feed(engine: &mut Engine, series: &[usize], minute: i64) -> Tally {
    let tally = take(engine, series, minute);
    engine.catch_up().unwrap();
    tally
}

fn settle(engine: &mut Engine) {
    while engine.has_snapshot() {
        engine.step_snapshot().unwrap();
    }
}

fn installed(engine: &mut Engine, model: &Arc<Model>) {
    engine.install(Prepared { model: Arc::clone(model), streams: Vec::new() }).unwrap();
    settle(engine);
}

#[test]
fn its_scores_are_those_of_a_stream_and_its_events_begin_and_end() {
    let (dir, told, model) = (tempfile::tempdir().unwrap(), Told::default(), model(2_000));
    let mut engine = open(dir.path(), &told, &[Arc::clone(&model)]);
    installed(&mut engine, &model);
    let mut stream =
        rlad::Stream::new(Arc::clone(&model), &name(0), rlad::data::Clock { step: 60_000_000_000, has_days: true });
    let mut expected = Vec::new();
    for minute in 0..900 {
        assert_eq!(feed(&mut engine, &[0, 1], minute).accepted, 2);
        let at = BEGIN + minute * MINUTE;
        let score = stream.push(at * 1_000_000, &[value(0, minute)]).unwrap().unwrap();
        expected.push((name(0), at, (score - model.threshold()).to_bits()));
    }
    let of_first =
        |points: Vec<(String, i64, u64)>| points.into_iter().filter(|point| point.0 == name(0)).collect::<Vec<_>>();
    assert_eq!(of_first(told.points()), expected);
    let alarms = told.alarms.lock().unwrap().clone();
    let spikes = [97, 498].map(|minute| BEGIN + minute * MINUTE);
    let opened: Vec<i64> = alarms.iter().filter(|alarm| alarm.is_new).map(|alarm| alarm.event.since).collect();
    assert!(spikes.iter().all(|spike| opened.contains(spike)), "{opened:?}");
    let ended = |since: &i64| alarms.iter().any(|alarm| !alarm.is_open && alarm.event.since == *since);
    assert!(spikes.iter().all(ended), "each of them ended");
    assert_eq!(engine.of_name(&name(0)).unwrap().last.unwrap().at, BEGIN + 899 * MINUTE);
}

#[test]
fn what_is_not_watched_late_or_too_much_is_left_out_and_counted() {
    let (dir, told) = (tempfile::tempdir().unwrap(), Told::default());
    let mut engine = open(dir.path(), &told, &[]);
    let dropped = |tally: &Tally| -> Vec<(&str, usize)> {
        let named = Reason::ALL.iter().map(|reason| reason.name()).zip(tally.dropped);
        named.filter(|(_, n)| *n > 0).collect()
    };
    assert_eq!(feed(&mut engine, &[0], 10).accepted, 1);
    assert_eq!(dropped(&feed(&mut engine, &[0], 10)), [("double", 1)]);
    assert_eq!(dropped(&feed(&mut engine, &[0], 9)), [("late", 1)]);
    let many: Vec<usize> = (0..15).collect();
    let tally = feed(&mut engine, &many, 11);
    assert_eq!((tally.accepted, dropped(&tally)), (10, vec![("too_many_series", 5)]));
    let mut other = batch(&[0], 12);
    other.series[0].name = "cpu".into();
    other.series[0].labels = Labels::parse("cpu").unwrap();
    let mut ahead = batch(&[0], 12 + 11);
    ahead.series.extend(batch(&[1], 12).series);
    let mut tallies = Vec::new();
    engine.take(vec![other, ahead], BEGIN + 12 * MINUTE, |of| tallies = of.unwrap().to_vec());
    engine.catch_up().unwrap();
    assert_eq!((dropped(&tallies[0]), tallies[0].accepted), (vec![("unwatched", 1)], 0));
    assert_eq!((dropped(&tallies[1]), tallies[1].accepted), (vec![("ahead", 1)], 1));
}

#[test]
fn a_counter_is_watched_as_its_rate_and_buckets_are_not() {
    let (dir, told) = (tempfile::tempdir().unwrap(), Told::default());
    let mut engine = open(dir.path(), &told, &[]);
    engine.set_rules(rules(""), limits()).unwrap();
    let of = |name: &str, kind| Incoming {
        name: name.to_owned(),
        labels: Labels::parse(name).unwrap(),
        kind,
        samples: vec![Sample { timestamp_ms: BEGIN, value: 1.0 }],
    };
    let series = vec![of("a_total", None), of("a_bucket{le=\"1\"}", None), of("b", None), of("c", None)];
    let kinds = vec![("b".to_owned(), MetricKind::Counter)];
    let mut tallies = Vec::new();
    engine.take(vec![Batch { series, kinds }], BEGIN, |of| tallies = of.unwrap().to_vec());
    engine.catch_up().unwrap();
    assert_eq!((tallies[0].accepted, tallies[0].dropped.iter().sum::<usize>()), (3, 1));
    let is_rate = |name: &str| engine.of_name(name).unwrap().intake.is_rate();
    assert_eq!(["a_total", "b", "c"].map(is_rate), [true, true, false]);
    assert!(engine.of_name("a_bucket{le=\"1\"}").is_none());
}

#[test]
fn series_that_are_idle_or_no_longer_watched_leave_and_their_room_is_used_again() {
    let (dir, told, model) = (tempfile::tempdir().unwrap(), Told::default(), model(2_000));
    let models = [Arc::clone(&model)];
    let mut engine = open(dir.path(), &told, &models);
    installed(&mut engine, &model);
    feed(&mut engine, &[0, 1], 0);
    for minute in 1..160 {
        feed(&mut engine, &[1], minute);
    }
    engine.limits.snapshot_every = Duration::ZERO;
    engine.tick(BEGIN + 160 * MINUTE).unwrap();
    settle(&mut engine);
    assert_eq!(engine.n_series(), 1);
    feed(&mut engine, &[5], 161);
    assert_eq!((engine.n_series(), engine.series.len()), (2, 2));
    drop(engine);
    let mut engine = open(dir.path(), &told, &models);
    assert_eq!(engine.watched().map(|watched| watched.name.to_string()).collect::<Vec<_>>(), [name(5), name(1)]);
    engine.set_rules(rules("[[watch]]\nmatch = '{host=\"5\"}'"), limits()).unwrap();
    assert_eq!(engine.watched().map(|watched| watched.name.to_string()).collect::<Vec<_>>(), [name(5)]);
}

#[test]
fn what_the_disk_did_not_take_is_refused_and_not_lost() {
    let (dir, told, model) = (tempfile::tempdir().unwrap(), Told::default(), model(2_000));
    let models = [Arc::clone(&model)];
    let mut engine = open(dir.path(), &told, &models);
    installed(&mut engine, &model);
    let journal = dir.path().join("journal");
    drop(engine);
    let mut engine = open(dir.path(), &told, &models);
    std::fs::rename(&journal, dir.path().join("away")).unwrap();
    let refused = |engine: &mut Engine, minute: i64| {
        let mut error = None;
        let confirm = |tallies: Result<&[Tally], &str>| error = tallies.err().map(str::to_owned);
        engine.take(vec![batch(&[0], minute)], BEGIN + minute * MINUTE, confirm);
        engine.catch_up().unwrap();
        error
    };
    assert!(refused(&mut engine, 0).unwrap().contains("the journal cannot be written"));
    assert!(refused(&mut engine, 1).is_some(), "nothing is taken in before what waits is written");
    std::fs::rename(dir.path().join("away"), &journal).unwrap();
    assert_eq!(refused(&mut engine, 1), None);
    drop(engine);
    let engine = open(dir.path(), &told, &models);
    assert_eq!(engine.of_name(&name(0)).unwrap().intake.last_at(), Some(BEGIN + MINUTE));
    assert_eq!(told.points().len(), 2, "both minutes have a score");
}

#[test]
fn a_first_detector_comes_with_the_history_and_goes_on_where_that_ended() {
    let (dir, told, model) = (tempfile::tempdir().unwrap(), Told::default(), model(2_000));
    let mut engine = open(dir.path(), &told, &[Arc::clone(&model)]);
    for minute in 0..50 {
        feed(&mut engine, &[0, 1, 2], minute);
    }
    engine.begin_preparing().unwrap();
    let history = crate::serve::history::read(&dir.path().join("history"), 0).unwrap();
    assert_eq!(history.keys().cloned().collect::<Vec<_>>(), [name(0), name(1)], "two series are kept");
    // Others come while the detector is prepared.
    (50..60).for_each(|minute| _ = feed(&mut engine, &[0, 1, 2], minute));
    let prepared = |(name, points): (&String, &Vec<Point>)| {
        let mut stream = score::new_stream(Some(MINUTE), Arc::clone(&model), name).unwrap();
        for point in points {
            stream.push(point.at * 1_000_000, &[point.value]).unwrap();
        }
        (name.clone(), stream, points.last().unwrap().at)
    };
    let streams = history.iter().map(prepared).collect();
    engine.install(Prepared { model: Arc::clone(&model), streams }).unwrap();
    assert!(told.points().is_empty(), "nothing is told before the state is safe");
    settle(&mut engine);
    let mut whole = score::new_stream(Some(MINUTE), Arc::clone(&model), &name(0)).unwrap();
    (0..60).for_each(|minute| _ = whole.push((BEGIN + minute * MINUTE) * 1_000_000, &[value(0, minute)]).unwrap());
    feed(&mut engine, &[0, 1, 2], 60);
    let at = BEGIN + 60 * MINUTE;
    let score = whole.push(at * 1_000_000, &[value(0, 60)]).unwrap().unwrap();
    assert_eq!(told.points()[0], (name(0), at, (score - model.threshold()).to_bits()));
    assert_eq!(told.points().len(), 3);
}

#[test]
fn of_anomalous_series_scores_are_written_while_they_are_near_the_threshold() {
    let (dir, told, model) = (tempfile::tempdir().unwrap(), Told::default(), model(2_000));
    let mut engine = open(dir.path(), &told, &[Arc::clone(&model)]);
    installed(&mut engine, &model);
    engine.set_rules(rules("[writer]\nscores = \"anomalous\""), limits()).unwrap();
    (0..120).for_each(|minute| _ = feed(&mut engine, &[0], minute));
    let written: Vec<(i64, Written)> =
        told.written.lock().unwrap().iter().copied().filter(|of| of.1 != Written::Nothing).collect();
    let spike = written.iter().position(|of| *of == (BEGIN + 97 * MINUTE, Written::Score)).unwrap();
    let end = written[spike..].iter().find(|of| of.1 == Written::End).unwrap();
    assert!(end.0 < BEGIN + 119 * MINUTE && written.len() < 60, "{written:?}");
    assert!(written.windows(2).all(|pair| (pair[0].1, pair[1].1) != (Written::End, Written::End)));
}

/// A snapshot is whole before the next flush: what follows from the records that it knows was told before.
#[test]
fn what_a_snapshot_knows_is_told() {
    let (dir, model) = (tempfile::tempdir().unwrap(), model(2_000));
    let told = Told { is_lazy: true, ..Told::default() };
    let models = [Arc::clone(&model)];
    let mut engine = open(dir.path(), &told, &models);
    installed(&mut engine, &model);
    feed(&mut engine, &[0, 1], 0);
    engine.begin_snapshot().unwrap();
    feed(&mut engine, &[0, 1], 1);
    settle(&mut engine);
    drop(engine);
    let mut engine = open(dir.path(), &told, &models);
    engine.tick(BEGIN + MINUTE).unwrap();
    assert_eq!(told.points().len(), 4);
}

/// What was prepared for a first detector is in no journal: without a snapshot there is none yet.
#[test]
fn a_first_detector_that_no_snapshot_has_is_made_anew() {
    let (dir, told, model) = (tempfile::tempdir().unwrap(), Told::default(), model(2_000));
    let models = [Arc::clone(&model)];
    let mut engine = open(dir.path(), &told, &models);
    (0..3).for_each(|minute| _ = feed(&mut engine, &[0, 1], minute));
    engine.install(Prepared { model: Arc::clone(&model), streams: Vec::new() }).unwrap();
    drop(engine);
    let mut engine = open(dir.path(), &told, &models);
    assert!(engine.model().is_none());
    installed(&mut engine, &model);
    drop(engine);
    assert!(open(dir.path(), &told, &models).model().is_some());
}

#[test]
fn a_decision_that_asks_for_expected_values_lets_only_these_begin_anew_and_no_start_fails() {
    let (dir, told, model) = (tempfile::tempdir().unwrap(), Told::default(), model(2_000));
    let models = [Arc::clone(&model)];
    let mut engine = open(dir.path(), &told, &models);
    installed(&mut engine, &model);
    (0..500).for_each(|minute| _ = feed(&mut engine, &[0], minute));
    engine.close(BEGIN + 500 * MINUTE).unwrap();
    drop(engine);
    let toml = "[decision]\ndirection = \"above\"\n[[watch]]\nmatch = '{__name__=\"load\"}'\nstep = \"1m\"";
    let mut engine = open_with(dir.path(), &told, &models, toml);
    assert_eq!(feed(&mut engine, &[0], 500).accepted, 1);
    engine.catch_up().unwrap();
    engine.tick(BEGIN + 501 * MINUTE).unwrap();
    let mut whole = score::new_stream(Some(MINUTE), Arc::clone(&model), &name(0)).unwrap();
    let scores = (0..=500)
        .map(|minute| whole.push((BEGIN + minute * MINUTE) * 1_000_000, &[value(0, minute)]).unwrap().unwrap());
    let margin = scores.last().unwrap() - model.threshold();
    assert_eq!(*told.points().last().unwrap(), (name(0), BEGIN + 500 * MINUTE, margin.to_bits()), "it knows its past");
    // A reload that asks for it does the same.
    let (dir, told) = (tempfile::tempdir().unwrap(), Told::default());
    let mut engine = open(dir.path(), &told, &models);
    installed(&mut engine, &model);
    (0..500).for_each(|minute| _ = feed(&mut engine, &[0], minute));
    engine.set_rules(rules(toml), limits()).unwrap();
    feed(&mut engine, &[0], 500);
    assert_eq!(*told.points().last().unwrap(), (name(0), BEGIN + 500 * MINUTE, margin.to_bits()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 12, ..ProptestConfig::default() })]

    /// Kills at any minute, points that wait then, snapshots begun and left amid, another detector in between: the same scores and events.
    #[test]
    fn an_engine_that_was_killed_is_the_one_that_was_never_stopped(
        kills in proptest::collection::vec((1..300_i64, any::<bool>(), 0..3_u8), 1..5),
        swap_at in 50..250_i64,
        scored in proptest::collection::vec(0..7_usize, 300),
        begun in proptest::collection::vec(0..300_i64, 1..6),
    ) {
        let models = [model(2_000), model(1_500)];
        let run = |kills: &[(i64, bool, u8)], scored: Option<&[usize]>| {
            let (dir, told) = (tempfile::tempdir().unwrap(), Told { is_lazy: true, ..Told::default() });
            let mut engine = open(dir.path(), &told, &models);
            installed(&mut engine, &models[0]);
            for minute in 0..300 {
                if minute == swap_at {
                    engine.swap(&models[1]).unwrap();
                }
                let series: &[usize] = if minute % 7 == 3 { &[1, 2] } else { &[0, 1, 2] };
                if scored.is_some() && begun.contains(&minute) {
                    engine.begin_snapshot().unwrap();
                }
                take(&mut engine, series, minute);
                engine.score_pending(scored.map_or(usize::MAX, |scored| scored[minute as usize])).unwrap();
                if minute % 2 == 0 {
                    // Points may wait now.
                    settle(&mut engine);
                }
                for (_, begins, steps) in kills.iter().filter(|kill| kill.0 == minute) {
                    if *begins {
                        engine.tick(BEGIN + minute * MINUTE).unwrap();
                        engine.begin_snapshot().unwrap();
                        (0..*steps).for_each(|_| _ = engine.step_snapshot().unwrap());
                    }
                    drop(engine);
                    engine = open(dir.path(), &told, &models);
                }
            }
            engine.catch_up().unwrap();
            engine.tick(BEGIN + 300 * MINUTE).unwrap();
            let watched: Vec<String> = engine.watched().map(|watched| {
                format!("{} {:?} {:?} {:?}", watched.name, watched.intake, watched.last, watched.event)
            }).collect();
            let mut alarms: Vec<String> = told.alarms.lock().unwrap().iter().map(|alarm| format!("{alarm:?}")).collect();
            alarms.sort();
            alarms.dedup();
            (told.points(), watched, alarms)
        };
        let expected = run(&[], None);
        prop_assert_eq!(expected.0.len(), 300 * 3 - 43);
        prop_assert!(swap_at < 100 || expected.2.len() >= 2, "an event opened and ended");
        prop_assert_eq!(run(&kills, Some(&scored)), expected);
    }
}
