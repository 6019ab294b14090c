//! A session over data that grow: answers stay where they belong, what is new is asked about, and answers to alarms count at once.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rlad::active::{AlarmToAsk, Reason};
use rlad::config::Preset;
use rlad::data::{NANOS_PER_SECOND, TimeFormat};
use rlad::{Answer, Config, Detector, Error, Label, Query, Series, Session, Span};

/// Half an hour.
const STEP: i64 = 1_800 * NANOS_PER_SECOND;

/// The value of a series at a step: a daily wave, and a spike at every 97th.
fn value(i: usize, phase: usize) -> f64 {
    let wave = (i as f64 / 48.0 * std::f64::consts::TAU).sin() + 0.05 * ((i * 7919 + phase) % 13) as f64;
    wave + if is_spike(i, phase) { 4.0 } else { 0.0 }
}

const fn is_spike(i: usize, phase: usize) -> bool {
    i % 97 == phase
}

/// The points of a series in a range of steps.
fn part_of(name: &str, phase: usize, steps: Range<usize>) -> Series {
    let times = steps.clone().map(|i| 1_600_000_000 * NANOS_PER_SECOND + i as i64 * STEP).collect();
    let values = steps.map(|i| value(i, phase)).collect();
    Series::new(name, vec!["v".into()], TimeFormat::Seconds, times, values, None).unwrap()
}

/// Two series, each in a range of steps.
fn two(steps: Range<usize>) -> Vec<Series> {
    vec![part_of("a", 31, steps.clone()), part_of("b", 60, steps)]
}

fn config() -> Config {
    let mut config = Config { questions: 40, ..Config::preset(Preset::Default) };
    (config.warm_up.n_highest, config.warm_up.n_lowest, config.warm_up.n_middle) = (3, 2, 2);
    (config.query.per_round, config.query.pool, config.query.shown) = (8, 300, 7);
    config.query.min_distance = 8;
    config.agent.n_members = 2;
    config
}

/// The step of a point.
fn step(series: &Series, point: usize) -> usize {
    usize::try_from((series.timestamps()[point] / NANOS_PER_SECOND - 1_600_000_000) / 1_800).unwrap()
}

/// What is true of a question's point, and of one on each side of it.
fn truth(session: &Session, query: &Query) -> Answer {
    let series = &session.series()[query.series];
    let phase = if series.name() == "a" { 31 } else { 60 };
    let label = |point: usize| if is_spike(step(series, point), phase) { Label::Anomaly } else { Label::Normal };
    let shown = session.shown(query);
    let points = query.point.saturating_sub(1).max(shown.start)..(query.point + 2).min(shown.end);
    Answer::Spans(points.map(|point| Span { first: point, last: point, label: label(point) }).collect())
}

/// Answers the questions of rounds until nothing is asked.
fn answer_all(session: &mut Session) {
    while answer_round(session) > 0 {}
}

/// Answers the questions of a round; returns how many there were.
fn answer_round(session: &mut Session) -> usize {
    let queries = session.query().to_vec();
    let answers: Vec<(u64, Answer)> = queries.iter().map(|query| (query.id, truth(session, query))).collect();
    if !answers.is_empty() {
        session.teach(&answers).unwrap();
    }
    queries.len()
}

/// A session that was trained on the first 800 steps.
fn trained() -> Session {
    let mut session = Session::new(config(), two(0..800)).unwrap();
    answer_all(&mut session);
    session
}

fn resumed(session: &Session, data: Vec<Series>, more: usize) -> Session {
    let questions = (more > 0).then(|| session.n_answered() + more);
    Session::resume(Path::new("checkpoint"), &session.checkpoint(), data, questions).unwrap()
}

/// A place: the name of a series, a step, and labels by step.
type Places = BTreeSet<(String, usize, Vec<(usize, bool)>)>;

/// Where each answer is: the name of its series, the step that was asked about, and the labels by step.
fn places(session: &Session) -> Places {
    session
        .answered()
        .iter()
        .map(|(query, answer)| {
            let series = &session.series()[query.series];
            let labels = match answer {
                Answer::Spans(spans) => spans
                    .iter()
                    .flat_map(|span| (span.first..=span.last).map(|p| (step(series, p), span.label == Label::Anomaly)))
                    .collect(),
                _ => Vec::new(),
            };
            (series.name().to_owned(), step(series, query.point), labels)
        })
        .collect()
}

#[test]
fn the_same_data_are_no_growth() {
    let session = trained();
    let again = resumed(&session, two(0..800), 0);
    assert!(again.growth().is_none() && again.checkpoint() == session.checkpoint());
}

#[test]
fn later_points_are_asked_about_and_answers_stay() {
    let before = trained();
    let mut session = resumed(&before, two(0..1_000), 10);
    let growth = session.growth().unwrap().clone();
    assert_eq!((growth.new_points, growth.past_answers), (400, 0));
    assert!(growth.new_series.is_empty() && growth.ended_series.is_empty() && growth.changed.is_empty());
    assert_eq!(places(&session), places(&before));
    let queries = session.query().to_vec();
    assert!(!queries.is_empty() && queries.iter().all(|query| (800..1_000).contains(&query.point)), "{queries:?}");
    assert!(queries.iter().any(|query| query.reason == Reason::Alarm), "the new spikes are alarms");
    answer_all(&mut session);
    assert_eq!(session.n_answered(), before.n_answered() + 10);
    // It goes on from its checkpoint to the same bytes.
    let again = resumed(&session, two(0..1_000), 0);
    assert!(again.growth().is_none() && again.checkpoint() == session.checkpoint());
    assert!(again.finish().unwrap().to_bytes() == session.finish().unwrap().to_bytes());
}

#[test]
fn a_session_that_is_stopped_after_data_grew_goes_on_to_the_same_bytes() {
    let run = |stops: bool| {
        let mut session = resumed(&trained(), two(0..1_000), 12);
        loop {
            if stops {
                session = Session::resume(Path::new("c"), &session.checkpoint(), two(0..1_000), None).unwrap();
            }
            if answer_round(&mut session) == 0 {
                return session.finish().unwrap();
            }
        }
    };
    assert!(run(true).to_bytes() == run(false).to_bytes());
}

#[test]
fn series_come_and_go() {
    let before = trained();
    let data = vec![part_of("a", 31, 0..900), part_of("c", 12, 100..900)];
    let mut session = resumed(&before, data, 8);
    let growth = session.growth().unwrap().clone();
    assert_eq!((growth.new_series, growth.ended_series), (vec!["c".to_owned()], vec!["b".to_owned()]));
    assert_eq!(growth.new_points, 100 + 800);
    let of_a = places(&before).into_iter().filter(|place| place.0 == "a").collect();
    assert_eq!(places(&session), of_a);
    assert_eq!(growth.past_answers, before.answered().len() - session.answered().len());
    assert_eq!(session.n_answered(), before.n_answered(), "an answer counts wherever its points are");
    answer_all(&mut session);
    let model = session.finish().unwrap();
    assert_eq!(model.n_questions(), before.n_answered() + 8);
    // A series that nobody had seen finds its spikes by what was learned of the others.
    let series = &session.series()[1];
    let scores = model.score(series).unwrap();
    let is_right = |(point, score): (usize, &f64)| (*score > model.threshold()) == is_spike(step(series, point), 12);
    let n_right = scores.iter().enumerate().filter(|(point, _)| *point > 100).filter(|one| is_right(*one)).count();
    assert!(n_right > 690, "{n_right} of 699");
}

#[test]
fn a_window_that_moves_loses_no_answer() {
    let before = trained();
    let mut session = resumed(&before, two(500..1_000), 8);
    let kept: BTreeSet<_> = places(&before).into_iter().filter(|place| place.1 >= 500).collect();
    let steps =
        |of: &Places| -> BTreeSet<(String, usize)> { of.iter().map(|place| (place.0.clone(), place.1)).collect() };
    assert_eq!(steps(&places(&session)), steps(&kept));
    let growth = session.growth().unwrap();
    assert_eq!(growth.past_answers, before.answered().len() - kept.len());
    assert!(growth.past_answers > 0 && growth.new_points == 400);
    // What was learned from the points that left is still known: without a single question the detector finds the spikes.
    let spikes = |session: &Session| {
        let model = session.finish().unwrap();
        let series = part_of("a", 31, 0..1_000);
        let scores = model.score(&series).unwrap();
        (200..1_000).filter(|point| (scores[*point] > model.threshold()) != is_spike(*point, 31)).count()
    };
    answer_all(&mut session);
    assert!(spikes(&session) <= 2, "{} wrong", spikes(&session));
    // And again, a year long: what is kept does not grow with what was.
    let mut sizes = Vec::new();
    for day in 0..12 {
        let window = 540 + 48 * day..1_040 + 48 * day;
        session = resumed(&session, two(window), 2);
        answer_all(&mut session);
        sizes.push(session.answered().len());
    }
    assert!(sizes.iter().max() < Some(&session.n_answered()), "{sizes:?}");
}

#[test]
fn values_that_changed_under_an_answer_are_told() {
    let before = trained();
    let (query, _) = before.answered()[0].clone();
    let mut data = two(0..900);
    let series = &data[query.series];
    let mut values = series.values().to_vec();
    values[query.point] += 1.0;
    let (channels, times) = (series.channels().to_vec(), series.timestamps().to_vec());
    data[query.series] = Series::new(series.name(), channels, TimeFormat::Seconds, times, values, None).unwrap();
    let session = resumed(&before, data, 0);
    let changed = &session.growth().unwrap().changed;
    assert!(changed.iter().any(|changed| changed.question == Some(query.id)), "{changed:?}");
    assert_eq!(places(&session), places(&before), "the answers stand");
}

#[test]
fn an_answer_whose_point_lost_its_value_is_kept_as_one_of_the_past() {
    let before = trained();
    let (query, _) = before.answered()[0].clone();
    let mut data = two(0..900);
    let series = &data[query.series];
    let mut values = series.values().to_vec();
    values[query.point] = f64::NAN;
    let (channels, times) = (series.channels().to_vec(), series.timestamps().to_vec());
    data[query.series] = Series::new(series.name(), channels, TimeFormat::Seconds, times, values, None).unwrap();
    let session = resumed(&before, data.clone(), 0);
    assert_eq!((session.growth().unwrap().past_answers, session.n_answered()), (1, before.n_answered()));
    let again = resumed(&session, data, 0);
    assert!(again.checkpoint() == session.checkpoint(), "and it goes on");
}

#[test]
fn data_that_have_nothing_in_common_are_refused() {
    let session = trained();
    let other = vec![part_of("z", 31, 0..900)];
    let error = Session::resume(Path::new("c"), &session.checkpoint(), other, None).unwrap_err();
    assert!(matches!(&error, Error::Format { .. }), "{error}");
    assert!(error.to_string().contains("none of its 2 series is among them, such as `a`"), "{error}");
}

/// A series whose dips, deeper than a spike is high, come every day at the same hour from some step on.
fn with_bumps(from: usize, until: usize) -> Series {
    let times = (0..until).map(|i| 1_600_000_000 * NANOS_PER_SECOND + i as i64 * STEP).collect();
    let bump = |i: usize| if i >= from && i % 48 == 7 { -6.0 } else { 0.0 };
    let values = (0..until).map(|i| value(i, 31) + bump(i)).collect();
    Series::new("a", vec!["v".into()], TimeFormat::Seconds, times, values, None).unwrap()
}

#[test]
fn a_false_alarm_is_quiet_from_then_on_and_nothing_else_is() {
    let before = trained();
    let data: Arc<[Series]> = vec![with_bumps(810, 1_000), part_of("b", 60, 0..1_000)].into();
    let mut session =
        Session::resume(Path::new("c"), &before.checkpoint(), data.clone(), Some(before.n_answered())).unwrap();
    let model = session.detector();
    let score = |model: &rlad::Model, series: usize| model.score(&data[series]).unwrap();
    let alarms = |model: &rlad::Model, series: usize, is: &dyn Fn(usize) -> bool| -> usize {
        let scores = score(model, series);
        (820..1_000).filter(|point| is(*point) && scores[*point] > model.threshold()).count()
    };
    let is_bump = |point: usize| point % 48 == 7;
    assert!(alarms(&model, 0, &is_bump) >= 2, "the bumps fire: {}", alarms(&model, 0, &is_bump));
    let first = (811..1_000).find(|point| is_bump(*point)).unwrap();
    let alarm = AlarmToAsk { series: 0, points: first..first + 1, peak: first, score: score(&model, 0)[first] };
    let query = session.ask_about(std::slice::from_ref(&alarm)).unwrap()[0].clone();
    assert_eq!((query.point, query.reason), (first, Reason::Alarm));
    let answer = Answer::Spans(vec![Span { first, last: first, label: Label::Normal }]);
    let after = session.detector_after(&[(query.id, answer.clone())]);
    assert_eq!(
        alarms(&after, 0, &is_bump),
        0,
        "like points are quiet at once: {:?}",
        score(&after, 0)[820..].iter().zip(820..).filter(|(_, p)| is_bump(*p)).collect::<Vec<_>>()
    );
    for (series, phase) in [(0, 31), (1, 60)] {
        let spikes = |model: &rlad::Model| alarms(model, series, &|point| is_spike(point, phase));
        assert_eq!(spikes(&after), spikes(&model), "no spike is lost in series {series}");
    }
    // The stream says what the batch says.
    let shared = Arc::new(after.clone());
    let mut stream = rlad::Stream::new(shared, "a", data[0].clock());
    let expected = score(&after, 0);
    for (i, expected) in expected.iter().enumerate() {
        let got = stream.push(data[0].timestamps()[i], data[0].row(i)).unwrap();
        assert_eq!(got.unwrap().to_bits(), expected.to_bits(), "point {i}");
    }
    // With the round it is learned.
    session.teach(&[(query.id, answer)]).unwrap();
    assert_eq!(alarms(&session.detector(), 0, &is_bump), 0);
    let finished = session.finish().unwrap();
    let read = rlad::Model::from_bytes(Path::new("m"), finished.to_bytes().to_vec()).unwrap();
    assert_eq!(alarms(&read, 0, &is_bump), 0, "and kept");
}

#[test]
fn questions_of_a_log_are_asked_again() {
    let before = trained();
    let mut session = resumed(&before, two(0..1_000), 10);
    let first = session.next_question();
    let query = |id, point| Query { id, round: 1, series: 0, point, reason: Reason::Alarm, score: 1.0 };
    // One of an earlier number, one out of order, and one of a point that is not there are left out.
    let asked = vec![
        (query(first, 700), 690..710),
        (query(first - 1, 710), 705..715),
        (query(first + 2, 820), 815..830),
        (query(first + 1, 840), 835..845),
        (query(first + 3, 4_000), 3_990..4_010),
    ];
    session.restore_round(asked);
    let restored: Vec<(u64, usize)> = session.query().iter().map(|query| (query.id, query.point)).collect();
    assert_eq!(restored, [(first, 700), (first + 2, 820)]);
    let shown: Vec<Range<usize>> = session.query().to_vec().iter().map(|query| session.shown(query)).collect();
    assert_eq!(shown, [690..710, 815..830]);
    answer_round(&mut session);
    assert_eq!(session.next_question(), first + 3);
    let again = resumed(&session, two(0..1_000), 0);
    assert!(again.checkpoint() == session.checkpoint());
}
