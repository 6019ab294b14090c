//! Why an event was called: the values, the features, the answers.
#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use rlad::data::{Alarm, NANOS_PER_SECOND, Side, TimeFormat, Truth};
use rlad::features::Feature;
use rlad::{Config, Detector, Label, Model, Series, Session, TruthOracle};

const HOUR: i64 = 3600 * NANOS_PER_SECOND;

/// Forty days of a daily wave in one channel and noise of a sort in another, which jumps at each 97th hour.
fn series() -> Series {
    let values = (0..960).flat_map(|at: i32| {
        let wave = (f64::from(at % 24) / 24.0 * std::f64::consts::TAU).sin();
        [10.0 * wave, f64::from(at * 7 % 5) + if is_jump(at) { 40.0 } else { 0.0 }]
    });
    let times = (0..960).map(|at| at * HOUR).collect();
    let channels = vec!["cpu".to_owned(), "memory".to_owned()];
    Series::new("host", channels, TimeFormat::Seconds, times, values.collect(), None).unwrap()
}

const fn is_jump(at: i32) -> bool {
    at % 97 == 31
}

fn model(questions: usize) -> Model {
    let truth = Truth::new((0..960).map(|at| Some(if is_jump(at) { Label::Anomaly } else { Label::Normal })).collect());
    let mut config = Config { questions, ..Config::default() };
    (config.agent.n_members, config.agent.trees.weight) = (2, 1.0);
    let mut session = Session::new(config, vec![series()]).unwrap();
    session.run(&mut TruthOracle::new(&[Some(truth)])).unwrap();
    session.finish().unwrap()
}

#[test]
fn the_channel_the_side_and_the_features_of_a_jump_are_named() {
    let (series, model) = (series(), model(0));
    // What is explained need not be what the detector decides.
    let mut scores = model.detect(&series).unwrap();
    scores.alarms = Alarm::of_runs((0..960).map(is_jump));
    let events = scores.events();
    let explanations = model.explain(&series, &events).unwrap();
    assert_eq!((events.len(), explanations.len()), (10, 10));
    for explanation in &explanations {
        let departure = explanation.departure.as_ref().unwrap();
        assert_eq!((&*departure.channel, departure.side()), ("memory", Some(Side::Above)), "{departure:?}");
        assert!(departure.value >= 40.0 && departure.high < 20.0 && departure.low > -20.0, "{departure:?}");
        let shares: f64 = explanation.reasons.iter().map(|reason| reason.share).sum();
        assert!(shares > 0.2 && shares <= 1.0 + 1e-6, "{explanation:?}");
        assert!(explanation.reasons.iter().all(|reason| reason.feature.parse::<Feature>().is_ok()));
        assert!(explanation.reasons.is_sorted_by(|a, b| a.share >= b.share), "{explanation:?}");
        assert!(explanation.learned.unwrap().abs() < 1e-5, "no answer adds anything: {explanation:?}");
        assert_eq!(explanation.likeness, None);
    }
    let of_memory = explanations.iter().filter(|explanation| explanation.reasons[0].channel == "memory").count();
    assert!(of_memory >= 8, "{explanations:?}");
}

#[test]
fn answers_add_to_the_score_and_like_points_are_found() {
    let (series, model) = (series(), model(60));
    let events = model.detect(&series).unwrap().events();
    let explanations = model.explain(&series, &events).unwrap();
    assert!(explanations.iter().any(|explanation| explanation.learned.unwrap().abs() > 0.1), "{explanations:?}");
    let labelled = model.labels(&series);
    let mut n_own = 0;
    for (event, explanation) in events.iter().zip(&explanations) {
        let Some(likeness) = explanation.likeness else { continue };
        let point = series.timestamps().binary_search(&likeness.timestamp).unwrap();
        assert!(labelled.contains(&(point, likeness.label)), "{likeness:?}");
        assert_eq!(likeness.is_within, (event.start..=event.end).contains(&likeness.timestamp));
        n_own += usize::from(likeness.is_within);
    }
    assert!(n_own > 0, "an expert was asked about some of them");
    let unlabelled = model.clone().without_answers().explain(&series, &events).unwrap();
    assert!(unlabelled.iter().all(|explanation| explanation.likeness.is_none()));
    assert!(model.explain(&series, &[]).unwrap().is_empty());
}

#[test]
fn a_method_tells_the_values_alone_and_other_channels_are_an_error() {
    let series = series();
    let unasked = Session::new(Config::default(), vec![series.clone()]).unwrap().warm_up_detector();
    let events = unasked.detect(&series).unwrap().events();
    let explanations = unasked.explain(&series, &events).unwrap();
    assert!(explanations.iter().all(|of| of.departure.is_some() && of.reasons.is_empty() && of.learned.is_none()));
    let one = Series::new("host", vec!["cpu".into()], TimeFormat::Seconds, vec![0], vec![1.0], None).unwrap();
    assert!(model(0).explain(&one, &[]).is_err());
}
