//! A session: what it asks, what it refuses, and that it can be stopped anywhere.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rlad::active::{Question, Reason, Reply, RoundAnswers};
use rlad::config::{DecisionConfig, Goal, Preset, PropagationMethod, QueryStrategy};
use rlad::data::{Labels, NANOS_PER_SECOND, Part, TimeFormat, Truth};
use rlad::{Answer, Cause, Config, Detector, Error, Label, Model, Oracle, Query, Series, Session, Span, TruthOracle};

/// Two series of a daily wave with spikes, one with a gap and missing values, and their truth.
fn data() -> Vec<(Series, Truth)> {
    let make = |name: &str, phase: usize, broken: bool| {
        let (mut times, mut values, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..900_usize {
            if broken && (400..450).contains(&i) {
                continue;
            }
            let spike = i % 97 == phase;
            let wave = (i as f64 / 48.0 * std::f64::consts::TAU).sin() + 0.05 * ((i * 7919 + phase) % 13) as f64;
            times.push(1_600_000_000 * NANOS_PER_SECOND + i as i64 * 1800 * NANOS_PER_SECOND);
            values.push(if broken && i % 50 == 0 { f64::NAN } else { wave + if spike { 4.0 } else { 0.0 } });
            labels.push(Some(if spike { Label::Anomaly } else { Label::Normal }));
        }
        let series = Series::new(name, vec!["v".into()], TimeFormat::Seconds, times, values, None).unwrap();
        (series, Truth::new(labels))
    };
    vec![make("a", 31, false), make("b", 60, true)]
}

fn config(preset: Preset) -> Config {
    let mut config = Config { questions: 60, part: Part { from: 0.0, to: 0.8 }, ..Config::preset(preset) };
    config.warm_up.n_highest = 3;
    config.warm_up.n_lowest = 3;
    config.warm_up.n_middle = 3;
    config.query.per_round = 8;
    config.query.pool = 300;
    config.query.min_distance = config.query.min_distance.min(8);
    config.query.shown = 7;
    config.agent.n_members = config.agent.n_members.min(2);
    config.agent.n_units = 12;
    config.agent.batch = 64;
    config.agent.steps_per_round = 20;
    config.agent.final_steps = config.agent.final_steps.min(60);
    config
}

/// Members without networks.
fn trees_only() -> Config {
    let mut config = config(Preset::Default);
    config.agent.trees.weight = 1.0;
    config
}

/// Runs a session to its end; where `stop` says so of a round, through its checkpoint's bytes.
fn run(config: Config, data: &[(Series, Truth)], stop: impl Fn(usize) -> bool) -> (Model, Session) {
    run_with(config, data, stop, 0.1)
}

fn run_with(
    config: Config,
    data: &[(Series, Truth)],
    stop: impl Fn(usize) -> bool,
    error_rate: f64,
) -> (Model, Session) {
    let (series, truths) = shared(data);
    let mut session = Session::new(config, series.clone()).unwrap();
    let mut oracle = TruthOracle::new(&truths).with_mistakes(error_rate, error_rate, 3);
    loop {
        if stop(session.round()) {
            session = Session::resume(Path::new("checkpoint"), &session.checkpoint(), series.clone(), None).unwrap();
        }
        let RoundAnswers { answers, is_stopped } = session.ask(&mut oracle).unwrap();
        assert!(!is_stopped, "a simulated expert answers");
        if answers.is_empty() {
            return (session.finish().unwrap(), session);
        }
        session.teach(&answers).unwrap();
    }
}

/// The series, shared, and their truths.
fn shared(data: &[(Series, Truth)]) -> (Arc<[Series]>, Vec<Option<Truth>>) {
    (data.iter().map(|one| one.0.clone()).collect(), data.iter().map(|one| Some(one.1.clone())).collect())
}

#[test]
fn a_run_is_its_rounds_one_by_one() {
    let data = data();
    let (series, truths) = shared(&data);
    let mut session = Session::new(config(Preset::Default), series).unwrap();
    let mut oracle = TruthOracle::new(&truths).with_mistakes(0.1, 0.1, 3);
    let summary = session.run(&mut oracle).unwrap();
    assert!(!summary.is_stopped && summary.rounds.last().unwrap().questions == 60);
    assert_eq!(summary.rounds.len(), session.round());
    let (model, _) = run(config(Preset::Default), &data, |_| false);
    assert!(session.finish().unwrap().to_bytes() == model.to_bytes());
    // A larger budget goes on.
    session.set_questions(64);
    assert_eq!(session.run(&mut oracle).unwrap().rounds.len(), 1);
}

/// An oracle who takes every third answer back once, and stops after so many.
struct Hesitant<'a> {
    oracle: TruthOracle<'a>,
    n_replies: usize,
    stops_at: usize,
}

impl Oracle for Hesitant<'_> {
    fn answer(&mut self, question: &Question<'_>) -> Result<Reply, Cause> {
        self.n_replies += 1;
        if question.n_answered == self.stops_at {
            return Ok(Reply::Stop);
        }
        if self.n_replies.is_multiple_of(3) { Ok(Reply::Undo) } else { self.oracle.answer(question) }
    }
}

#[test]
fn answers_are_taken_back_and_a_stop_keeps_what_was_answered() {
    let (series, truths) = shared(&data());
    let oracle = TruthOracle::new(&truths);
    let mut session = Session::new(config(Preset::Default), series.clone()).unwrap();
    let summary = session.run(&mut Hesitant { oracle: oracle.clone(), n_replies: 0, stops_at: 22 }).unwrap();
    assert!(summary.is_stopped);
    assert_eq!((session.answered().len(), summary.rounds.len()), (22, 3));
    let mut other = Session::new(config(Preset::Default), series).unwrap();
    other.run(&mut Hesitant { oracle, n_replies: 1_000_000, stops_at: 22 }).unwrap();
    assert!(session.checkpoint() == other.checkpoint(), "what was taken back left nothing");
}

#[test]
fn a_training_that_diverges_is_an_error_and_nothing_is_lost() {
    let (series, truths) = shared(&data());
    let mut config = Config { questions: 18, ..config(Preset::Paper) };
    config.agent.learning_rate = 1e30;
    let mut session = Session::new(config, series).unwrap();
    let mut oracle = TruthOracle::new(&truths);
    session.query();
    let before = session.checkpoint();
    let error = session.run(&mut oracle).unwrap_err();
    assert!(matches!(error, Error::RoundDiverged { round: 0, .. }), "{error}");
    assert!(session.checkpoint() == before);
}

#[test]
fn a_session_that_is_stopped_and_resumed_ends_in_the_same_bytes() {
    let data = data();
    let mut other = config(Preset::Paper);
    other.paper.propagation.method = PropagationMethod::Spreading;
    other.query.strategy = QueryStrategy::Random;
    for config in [config(Preset::Paper), config(Preset::Default), trees_only(), other] {
        let whole = run(config.clone(), &data, |_| false);
        assert!(whole.1.round() >= 5);
        for stop in [(|_| true) as fn(usize) -> bool, |round| round % 2 == 1] {
            let resumed = run(config.clone(), &data, stop);
            assert!(whole.0.to_bytes() == resumed.0.to_bytes());
            assert!(whole.1.checkpoint() == resumed.1.checkpoint());
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_byte() {
    let data = data();
    let hash = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let hash = |config| run(config, &data, |_| false).0.hash().to_owned();
            [hash(config(Preset::Default)), hash(trees_only())]
        })
    };
    assert_eq!(hash(1), hash(3));
}

#[test]
fn another_seed_gives_another_model() {
    let data = data();
    let other = Config { seed: 1, ..config(Preset::Default) };
    assert_ne!(run(config(Preset::Default), &data, |_| false).0.hash(), run(other, &data, |_| false).0.hash());
}

#[test]
fn every_question_is_about_an_open_training_point() {
    let data = data();
    for preset in [Preset::Paper, Preset::Default] {
        let (_, session) = run(config(preset), &data, |_| false);
        assert_eq!(session.answered().len(), 60, "the budget is spent");
        let first = session.answered().iter().filter(|(query, _)| query.reason != Reason::Review);
        let asked: Vec<(usize, usize)> = first.map(|(query, _)| (query.series, query.point)).collect();
        let different: BTreeSet<_> = asked.iter().collect();
        assert_eq!(different.len(), asked.len(), "no point is asked about twice but to review an answer");
        let ids: Vec<u64> = session.answered().iter().map(|(query, _)| query.id).collect();
        assert_eq!(ids, (0..60).collect::<Vec<_>>());
        for (query, answer) in session.answered() {
            let series = &data[query.series].0;
            let training = series.part(session.config().part);
            assert!(training.contains(&query.point) && !series.is_missing(query.point));
            let Answer::Spans(spans) = answer else { continue };
            assert!(spans.iter().all(|span| training.contains(&span.last)), "nothing after the part is labelled");
        }
        let distance = session.config().query.min_distance;
        for (i, a) in asked.iter().enumerate() {
            for b in &asked[..i] {
                assert!(a.0 != b.0 || a.1.abs_diff(b.1) >= distance, "{a:?} and {b:?}");
            }
        }
    }
}

#[test]
fn a_small_budget_goes_to_the_warm_up() {
    let data = data();
    let (model, session) = run(Config { questions: 7, ..config(Preset::Paper) }, &data, |_| false);
    assert_eq!((session.answered().len(), session.round(), model.n_questions()), (7, 1, 7));
}

#[test]
fn few_questions_come_before_anything_is_learned_and_rounds_grow() {
    let data = data();
    let series: Vec<Series> = data.iter().map(|(series, _)| series.clone()).collect();
    let truths: Vec<Option<Truth>> = data.iter().map(|(_, truth)| Some(truth.clone())).collect();
    let sizes = |preset, n_questions| {
        let mut config = Config { questions: n_questions, ..config(preset) };
        config.query.per_round = Config::preset(preset).query.per_round;
        let mut session = Session::new(config, series.clone()).unwrap();
        let rounds = session.run(&mut TruthOracle::new(&truths)).unwrap().rounds;
        let asked = std::iter::once(0).chain(rounds.iter().map(|round| round.questions)).collect::<Vec<_>>();
        asked.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
    };
    assert_eq!(sizes(Preset::Default, 2), [1, 1]);
    assert_eq!(sizes(Preset::Default, 12), [4, 8], "at most a third");
    // Ten, until a quarter of the answers before is more: 50 / 4.
    assert_eq!(sizes(Preset::Default, 75), [10, 10, 10, 10, 10, 12, 13]);
    let per_round = Config::paper().query.per_round;
    let of_paper = sizes(Preset::Paper, 60);
    assert!(of_paper[1..of_paper.len() - 1].iter().all(|n| *n == per_round), "N_al questions a round: {of_paper:?}");
}

#[test]
fn what_was_asked_is_learned() {
    let data = data();
    let mut config = Config { questions: 100, ..config(Preset::Default) };
    config.agent.final_steps = 300;
    config.agent.n_units = 16;
    let (model, _) = run_with(config, &data, |_| false, 0.0);
    let (mut hits, mut alarms, mut anomalies) = (0, 0, 0);
    for (series, truth) in &data {
        let test = series.part(Part { from: 0.8, to: 1.0 });
        let scores = model.score(series).unwrap();
        for point in test.filter(|&point| !series.is_missing(point)) {
            let (alarm, anomaly) = (scores[point] > model.threshold(), truth.labels()[point] == Some(Label::Anomaly));
            hits += usize::from(alarm && anomaly);
            alarms += usize::from(alarm);
            anomalies += usize::from(anomaly);
        }
    }
    assert!(anomalies >= 3, "there is something to find");
    assert!(hits == anomalies && alarms <= anomalies + 2, "{hits} of {anomalies} found with {alarms} alarms");
}

/// One answer in seven is wrong: most of those that are asked about again are, and what is said the second time stands.
#[test]
fn answers_that_are_wrong_are_asked_about_again() {
    let data = data();
    let mut config = Config { questions: 160, ..config(Preset::Default) };
    config.agent.trees.min_rows = 5;
    let (_, session) = run_with(config.clone(), &data, |_| false, 0.15);
    let answered = session.answered();
    let mut first_was_wrong = Vec::new();
    for (at, (query, _)) in answered.iter().enumerate().filter(|(_, (query, _))| query.reason == Reason::Review) {
        let same = |other: &&(Query, Answer)| (other.0.series, other.0.point) == (query.series, query.point);
        let first = answered[..at].iter().find(same).expect("what is reviewed was asked before");
        assert_eq!(answered.iter().filter(same).count(), 2, "nothing is asked a third time");
        first_was_wrong.push(first.1.label_at(query.point) != data[query.series].1.labels()[query.point]);
    }
    let n_wrong = first_was_wrong.iter().filter(|wrong| **wrong).count();
    assert!(first_was_wrong.len() >= 4 && 3 * n_wrong >= 2 * first_was_wrong.len(), "{first_was_wrong:?}");
    config.query.review_fraction = 0.0;
    let (_, without) = run_with(config, &data, |_| false, 0.15);
    assert!(without.answered().iter().all(|(query, _)| query.reason != Reason::Review));
}

#[test]
fn what_experts_said_stands_where_the_same_points_are_scored_again() {
    let data = data();
    let (model, session) = run(config(Preset::Default), &data, |_| false);
    let mut labels = vec![Labels::default(); data.len()];
    session.answered().iter().for_each(|(query, answer)| labels[query.series].teach(query.point, answer));
    let mut n_turned = 0;
    for ((series, _), labels) in data.iter().zip(&labels) {
        let scores = model.score(series).unwrap();
        let mut standing = scores.clone();
        model.apply_labels(series, 0..series.len(), &mut standing);
        for (point, (score, standing)) in scores.iter().zip(&standing).enumerate() {
            match labels.get(point).filter(|_| !series.is_missing(point)) {
                Some(label) => {
                    let is_alarm = *standing > model.threshold();
                    assert_eq!(is_alarm, label == Label::Anomaly, "point {point}: {score}, then {standing}");
                    n_turned += usize::from(is_alarm != (*score > model.threshold()));
                }
                None => assert_eq!(score.to_bits(), standing.to_bits(), "point {point}"),
            }
        }
        let mut of_none = scores.clone();
        model.clone().without_answers().apply_labels(series, 0..series.len(), &mut of_none);
        assert!(of_none.iter().zip(&scores).all(|(a, b)| a.to_bits() == b.to_bits()));
        let mut of_part = scores[100..600].to_vec();
        model.apply_labels(series, 100..600, &mut of_part);
        assert!(of_part.iter().zip(&standing[100..600]).all(|(a, b)| a.to_bits() == b.to_bits()));
        // Another series of the same name: one value more, and all that follows is at another time.
        let later = series.timestamps().iter().map(|time| time + series.step()).collect();
        let (channels, values) = (series.channels().to_vec(), series.values().to_vec());
        let other = Series::new(series.name(), channels, TimeFormat::Seconds, later, values, None).unwrap();
        let scores = model.score(&other).unwrap();
        let mut standing = scores.clone();
        model.apply_labels(&other, 0..other.len(), &mut standing);
        assert!(scores.iter().zip(&standing).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
    assert!(n_turned > 0, "an expert who is sometimes wrong has the last word too");
}

/// The share of all points that are alarms.
fn alarm_share(model: &Model, data: &[(Series, Truth)]) -> f64 {
    let all: Vec<f64> = data.iter().flat_map(|(series, _)| model.score(series).unwrap()).collect();
    all.iter().filter(|score| **score > model.threshold()).count() as f64 / all.len() as f64
}

#[test]
fn without_an_answer_the_detector_is_the_prior() {
    let data = data();
    let (series, _) = shared(&data);
    let mut config = config(Preset::Default);
    config.questions = 0;
    let prior = config.agent.prior.clone();
    let mut session = Session::new(config, series).unwrap();
    assert!(session.query().is_empty());
    let (model, surprisal) = (session.finish().unwrap(), session.warm_up_detector());
    assert_eq!((model.n_questions(), model.n_labelled_points()), (0, 0));
    for (series, _) in &data {
        let scores = model.score(series).unwrap().into_iter().zip(surprisal.score(series).unwrap());
        for (score, surprisal) in scores.filter(|(score, _)| !score.is_nan()) {
            assert!((score - (prior.log_odds + prior.surprisal * surprisal)).abs() < 1e-4, "{score} and {surprisal}");
        }
    }
}

#[test]
fn answers_that_are_all_normal_do_not_raise_alarms() {
    let data = data();
    let normal = |point| Answer::Spans(vec![Span { first: point, last: point, label: Label::Normal }]);
    for questions in [5, 20, 50] {
        let mut config = config(Preset::Default);
        config.questions = 0;
        let none = Session::new(config.clone(), shared(&data).0).unwrap().finish().unwrap();
        config.questions = questions;
        let mut session = Session::new(config, shared(&data).0).unwrap();
        while !session.query().is_empty() {
            let queries = session.query().to_vec();
            let answers: Vec<(u64, Answer)> = queries.iter().map(|query| (query.id, normal(query.point))).collect();
            session.teach(&answers).unwrap();
        }
        let model = session.finish().unwrap();
        let (before, after) = (alarm_share(&none, &data), alarm_share(&model, &data));
        assert!(after <= before + 1e-12 && after < 0.01, "{questions} questions: {before} became {after}");
    }
}

#[test]
fn another_goal_needs_no_training() {
    let data = data();
    let (model, _) = run(config(Preset::Default), &data, |_| false);
    let with = |model: &Model, goal| model.clone().with_decision(DecisionConfig::of_goal(goal)).unwrap();
    let goals = [Goal::MissCost(20.0), Goal::Recall, Goal::F1, Goal::Precision, Goal::MissCost(0.1)];
    let shares: Vec<f64> = goals.map(|goal| alarm_share(&with(&model, goal), &data)).into();
    assert!(shares.is_sorted_by(|a, b| a >= b), "{shares:?}");
    let paper = with(&run(config(Preset::Paper), &data, |_| false).0, Goal::Recall);
    assert!(paper.threshold().abs() < 1e-12, "the greedy action");
}

#[test]
fn the_warm_up_detector_finds_what_is_rare_without_a_question() {
    let data = data();
    let (series, _) = shared(&data);
    let detector = Session::new(config(Preset::Default), series.clone()).unwrap().warm_up_detector();
    for (series, truth) in &data {
        let scores = detector.score(series).unwrap();
        let known = |point: &usize| !series.is_missing(*point);
        let mut ranked: Vec<usize> = (0..series.len()).filter(known).collect();
        ranked.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let spikes = |points: &[usize]| points.iter().filter(|p| truth.labels()[**p] == Some(Label::Anomaly)).count();
        // A spike leaves its trace in the features of the points after it.
        let n_spikes = spikes(&ranked);
        assert!(2 * spikes(&ranked[..3 * n_spikes]) >= n_spikes, "{} of {n_spikes}", spikes(&ranked[..3 * n_spikes]));
        assert!(
            detector
                .score_points(series, 300..310)
                .unwrap()
                .iter()
                .zip(&scores[300..])
                .all(|(a, b)| a.to_bits() == b.to_bits())
        );
    }
}

#[test]
fn an_answer_that_does_not_fit_is_refused_and_nothing_is_lost() {
    let data = data();
    let (series, _) = shared(&data);
    let mut session = Session::new(config(Preset::Default), series.clone()).unwrap();
    let query = session.query()[0].clone();
    let shown = session.shown(&query);
    let span = |first, last| Span { first, last, label: Label::Normal };
    for (id, spans, problem) in [
        (query.id, vec![], "labels no point"),
        (query.id, vec![span(shown.start, shown.end)], "labels a point that was not asked about"),
        (query.id, vec![span(query.point, query.point), span(query.point, query.point)], "labels a point twice"),
        (query.id, vec![span(query.point, query.point - 1)], "ends before it begins"),
        (999, vec![span(query.point, query.point)], "was not asked in this round"),
    ] {
        let before = session.checkpoint();
        let error = session.teach(&[(id, Answer::Spans(spans))]).unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
        assert!(session.checkpoint() == before);
    }
    assert!(session.teach(&[(query.id, Answer::Spans(vec![span(shown.start, shown.end - 1)]))]).is_ok());
}

#[test]
fn a_checkpoint_of_other_data_is_refused() {
    let data = data();
    let (series, _) = shared(&data);
    let checkpoint = Session::new(config(Preset::Default), vec![series[0].clone()]).unwrap().checkpoint();
    let error = Session::resume(Path::new("c"), &checkpoint, vec![series[1].clone()], None).map(|_| ()).unwrap_err();
    assert!(matches!(&error, Error::Format { .. }), "{error}");
    assert!(error.to_string().contains("its series `a` is not among them"), "{error}");
}

#[test]
fn series_that_cannot_be_learned_from_are_refused_or_harmless() {
    let one = |values: Vec<f64>| {
        let times = (0..values.len() as i64).collect();
        Series::new("s", vec!["v".into()], TimeFormat::Index, times, values, None).unwrap()
    };
    assert!(matches!(Session::new(Config::default(), Vec::new()), Err(Error::Empty { .. })));
    let mut two = one(vec![1.0, 2.0]);
    two = Series::new("t", vec!["v".into(), "w".into()], TimeFormat::Index, vec![0], two.values().to_vec(), None)
        .unwrap();
    assert!(matches!(Session::new(Config::default(), vec![one(vec![1.0]), two]), Err(Error::Channels { .. })));
    for values in [vec![5.0], vec![5.0; 300], vec![f64::NAN; 300], vec![1e308, -1e308, 0.0]] {
        let series = one(values);
        for preset in [Preset::Paper, Preset::Default] {
            let mut session = Session::new(Config { part: Part::ALL, ..config(preset) }, vec![series.clone()]).unwrap();
            let queries = session.query().to_vec();
            let normal = |query: &Query| {
                let span = Span { first: query.point, last: query.point, label: Label::Normal };
                (query.id, Answer::Spans(vec![span]))
            };
            let answers: Vec<_> = queries.iter().map(normal).collect();
            session.teach(&answers).unwrap();
            let scores = session.finish().unwrap().score(&series).unwrap();
            for (point, score) in scores.iter().enumerate() {
                assert_eq!(score.is_nan(), series.is_missing(point), "{score}");
            }
        }
    }
}
