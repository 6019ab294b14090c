//! What a goal changes, and what it does not.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use rlad::config::{AnswerKind, DecisionConfig, Goal};
use rlad::data::{NANOS_PER_SECOND, TimeFormat, Truth};
use rlad::{Config, Detector, Label, Model, Series, Session, TruthOracle};

fn is_spike(point: usize) -> bool {
    point % 97 == 31
}

fn series() -> Series {
    let times = (0..600_i64).map(|i| (1_600_000_000 + i * 3600) * NANOS_PER_SECOND).collect();
    let values =
        (0..600).map(|i| (i % 24) as f64 + if is_spike(i) { 4.0 + (i % 5) as f64 * 8.0 } else { 0.0 }).collect();
    Series::new("s", vec!["value".into()], TimeFormat::Seconds, times, values, None).unwrap()
}

fn trained(goal: Goal) -> Model {
    let mut config = Config { questions: 40, decision: DecisionConfig::of_goal(goal), ..Config::default() };
    (config.agent.n_members, config.agent.trees.weight) = (2, 1.0);
    (config.query.answers, config.query.min_distance) = (AnswerKind::Point, 1);
    let label = |i| Some(if is_spike(i) { Label::Anomaly } else { Label::Normal });
    let truths = [Some(Truth::new((0..600).map(label).collect()))];
    let mut session = Session::new(config, vec![series()]).unwrap();
    session.run(&mut TruthOracle::new(&truths)).unwrap();
    session.finish().unwrap()
}

#[test]
fn questions_and_scores_are_the_same_for_every_goal_and_alarms_are_not() {
    let (even, few, many) = (trained(Goal::F1), trained(Goal::Precision), trained(Goal::MissCost(50.0)));
    let scores = even.score(&series()).unwrap();
    assert_eq!(few.score(&series()).unwrap(), scores);
    assert_eq!(many.score(&series()).unwrap(), scores);
    let n_alarms = |model: &Model| {
        let alarms = model.decide(&series(), 0..600, &scores, &[]).unwrap();
        alarms.iter().filter(|alarm| alarm.is_raised()).count()
    };
    assert!(n_alarms(&few) <= n_alarms(&even) && n_alarms(&even) < n_alarms(&many));
    // The goal of a model that is there can be another one: the decision is that of the model which was trained for it.
    let changed = even.with_decision(DecisionConfig::of_goal(Goal::Precision)).unwrap();
    assert_eq!(changed.detect(&series()).unwrap().alarms, few.detect(&series()).unwrap().alarms);
}
