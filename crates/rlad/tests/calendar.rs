//! What a calendar expects is no alarm, is not asked about and teaches nothing.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::Path;

use rlad::baselines::{Baseline, Method};
use rlad::config::Goal;
use rlad::data::{Alarm, Calendar, NANOS_PER_SECOND, Part, TimeFormat, Truth};
use rlad::{Answer, Config, Detector, Label, Model, Saved, Series, Session, Span, TruthOracle};

const N: usize = 480;

/// An hourly series with a spike of six points every second day.
fn series(name: &str) -> Series {
    let times = (0..N as i64).map(|i| i * 3600 * NANOS_PER_SECOND).collect();
    let values =
        (0..N).map(|i| (i % 24) as f64 + ((i * 7919) % 13) as f64 * 0.1 + if is_spike(i) { 60.0 } else { 0.0 });
    Series::new(name, vec!["value".into()], TimeFormat::Seconds, times, values.collect(), None).unwrap()
}

const fn is_spike(point: usize) -> bool {
    point % 48 >= 20 && point % 48 < 26
}

fn truth() -> Option<Truth> {
    let label = |i| Some(if is_spike(i) { Label::Anomaly } else { Label::Normal });
    Some(Truth::new((0..N).map(label).collect()))
}

/// The second half of every spike in `a`, up to the sixth day.
fn calendar() -> Calendar {
    Calendar::parse(Path::new("calendar.csv"), "series,to,every\na,1970-01-06,daily 23:00-02:00\n").unwrap()
}

fn is_expected(series: usize, point: usize) -> bool {
    series == 0 && point < 144 && (point % 24 == 23 || point % 24 < 2)
}

fn config() -> Config {
    let mut config = Config { questions: 40, ..Config::default() };
    (config.agent.n_members, config.agent.trees.weight) = (2, 1.0);
    config.query.min_distance = 2;
    config
}

fn data() -> Vec<Series> {
    vec![series("a"), series("b")]
}

/// A session that is taught by the truth, through its checkpoint's bytes after each round that `stop` names.
fn run(stop: impl Fn(usize) -> bool) -> (Model, Session) {
    let truths = [truth(), truth()];
    let mut oracle = TruthOracle::new(&truths);
    let mut session = Session::new(config(), data()).unwrap();
    session.set_calendar(calendar());
    loop {
        let answers = session.ask(&mut oracle).unwrap().answers;
        if answers.is_empty() {
            return (session.finish().unwrap(), session);
        }
        session.teach(&answers).unwrap();
        if stop(session.round()) {
            session = Session::resume(Path::new("checkpoint"), &session.checkpoint(), data(), None).unwrap();
            session.set_calendar(calendar());
        }
    }
}

#[test]
fn nothing_expected_is_asked_about_or_learned_from() {
    let (model, session) = run(|_| false);
    assert_eq!(session.answered().len(), 40);
    let labels = |(query, answer): &(rlad::Query, Answer)| {
        let Answer::Spans(spans) = answer else { return 0 };
        spans.iter().flat_map(|span| span.first..=span.last).filter(|point| !is_expected(query.series, *point)).count()
    };
    let painted: usize = session.answered().iter().map(labels).sum();
    assert!(session.answered().iter().all(|(query, _)| !is_expected(query.series, query.point)));
    let crosses = |(query, answer): &(rlad::Query, Answer)| {
        let Answer::Spans(spans) = answer else { return false };
        spans.iter().any(|span| (span.first..=span.last).any(|point| is_expected(query.series, point)))
    };
    assert!(session.answered().iter().any(crosses), "some answers paint into what is expected");
    assert!(model.n_labelled_points() <= painted, "{} of {painted}", model.n_labelled_points());
    for (at, series) in data().iter().enumerate() {
        // Where the model stands without its calendar, no label of it is there either.
        let labels = from_file(&model).labels(series);
        assert!(labels.iter().all(|(point, _)| !is_expected(at, *point)));
        assert!(!labels.is_empty());
    }
}

/// The model as its file has it: without a calendar.
fn from_file(model: &Model) -> Model {
    Model::from_bytes(Path::new("m"), model.to_bytes().to_vec()).unwrap()
}

#[test]
fn a_session_that_is_stopped_ends_in_the_same_bytes() {
    let (whole, _) = run(|_| false);
    let (stopped, _) = run(|_| true);
    assert_eq!(whole.hash(), stopped.hash());
    let mut without = Session::new(config(), data()).unwrap();
    without.run(&mut TruthOracle::new(&[truth(), truth()])).unwrap();
    assert_ne!(without.finish().unwrap().hash(), whole.hash(), "the calendar counts");
}

#[test]
fn a_calendar_that_comes_later_takes_labels_back_and_one_that_goes_gives_them_back() {
    let mut session = Session::new(config(), data()).unwrap();
    let id = session.query()[0].id;
    let query = session.query()[0].clone();
    let shown = session.shown(&query);
    let spans = vec![Span { first: shown.start, last: shown.end - 1, label: Label::Normal }];
    session.teach(&[(id, Answer::Spans(spans))]).unwrap();
    let n_labelled = |session: &Session| session.detector().n_labelled_points();
    assert_eq!(n_labelled(&session), shown.len());
    let time = |point: usize| point * 3600;
    let text = format!("from,to\n{},{}\n", time(shown.start), time(query.point + 1));
    session.set_calendar(Calendar::parse(Path::new("c"), &text).unwrap());
    assert_eq!(n_labelled(&session), shown.end - query.point - 1);
    session.set_calendar(Calendar::default());
    assert_eq!(n_labelled(&session), shown.len());
}

#[test]
fn every_kind_of_detector_has_its_score_and_no_alarm_there() {
    let (model, _) = run(|_| false);
    let forest = Baseline::fit(
        &Method::from_settings("isolation-forest", &toml::Table::new()).unwrap(),
        &data(),
        Part::ALL,
        &[],
        0,
        0,
    )
    .unwrap();
    let saved = [Saved::Model(from_file(&model).without_answers()), Saved::Baseline(forest)];
    for saved in saved {
        let saved = saved.with_decision(|decision| decision.goal = Goal::MissCost(1_000.0)).unwrap();
        let series = &data()[0];
        let plain = saved.detector().detect(series).unwrap();
        // Every second alarm is expected, an hour each.
        let alarms = (0..N).filter(|point| plain.alarms[*point].is_raised());
        let expected: Vec<usize> = alarms.step_by(2).collect();
        assert!(!expected.is_empty());
        let rows: String = expected.iter().map(|point| format!("{},{}\n", point * 3600, (point + 1) * 3600)).collect();
        let calendar = Calendar::parse(Path::new("calendar.csv"), &format!("from,to\n{rows}")).unwrap();
        let with = saved.clone().with_calendar(calendar);
        let got = with.detector().detect(series).unwrap();
        assert_eq!(with.hash(), saved.hash());
        assert_eq!(format!("{:?}", got.scores), format!("{:?}", plain.scores));
        let mut last_was = false;
        for point in 0..N {
            let want = plain.alarms[point].is_raised() && !expected.contains(&point);
            assert_eq!(got.alarms[point].is_raised(), want, "point {point}");
            assert_eq!(got.alarms[point] == Alarm::Opens, want && !last_was, "point {point}");
            last_was = want;
        }
    }
}

#[test]
fn a_label_of_what_is_expected_does_not_stand_over_the_score() {
    let mut session = Session::new(config(), data()).unwrap();
    session.run(&mut TruthOracle::new(&[truth(), truth()])).unwrap();
    let model = session.finish().unwrap();
    let labelled = model.labels(&data()[0]);
    let (point, _) = labelled[0];
    let from = data()[0].timestamps()[point] / NANOS_PER_SECOND;
    let text = format!("from,to\n{from},{}\n", from + 3600);
    let with = model.clone().with_calendar(Calendar::parse(Path::new("c"), &text).unwrap());
    assert_eq!(with.labels(&data()[0]), labelled[1..]);
    let (own, got) = (model.score(&data()[0]).unwrap(), with.detect(&data()[0]).unwrap());
    assert_eq!(got.scores[point].to_bits(), own[point].to_bits());
    assert_eq!(got.alarms[point], Alarm::None);
}
