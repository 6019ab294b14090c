//! A stream scores as a batch does, bit for bit.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use rlad::config::{DecisionConfig, Direction, Goal, Length, Preset};
use rlad::data::{Clock, ReadOptions, Source, TimeFormat, Truth, import};
use rlad::detect::{Arrival, push_all};
use rlad::features::Feature;
use rlad::{Config, Detector, Model, Series, Session, Stream, TruthOracle, read};

/// The shipped series with their truth.
fn shipped() -> Vec<(Series, Option<Truth>)> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    let mut shipped = import(Source::Nab, &data.join("nab")).unwrap();
    let kpi: Vec<PathBuf> = vec![data.join("../crates/rlad-cli/data/kpi")];
    shipped.extend(read(&kpi, &ReadOptions::default()).unwrap());
    assert!(shipped.series.len() >= 7);
    shipped.into_iter().collect()
}

/// A model that was trained a little on one shipped series.
fn train(preset: Preset, weight_of_trees: f32) -> Arc<Model> {
    let mut config = Config { questions: 30, ..Config::preset(preset) };
    config.agent.trees.weight = weight_of_trees;
    config.agent.n_members = 2;
    config.agent.n_units = 12;
    config.agent.steps_per_round = 3;
    config.agent.final_steps = 3;
    config.query.per_round = 15;
    if preset == Preset::Default {
        // A feature that depends on what was fitted takes part as well.
        config.state.features.push(Feature::MinMax);
    }
    let (series, truth) = shipped().into_iter().find(|(series, _)| series.name().contains("ec2_cpu")).unwrap();
    let mut session = Session::new(config, vec![series]).unwrap();
    session.run(&mut TruthOracle::new(&[truth])).unwrap();
    Arc::new(session.finish().unwrap())
}

static PAPER: LazyLock<Arc<Model>> = LazyLock::new(|| train(Preset::Paper, 0.0));
static DEFAULT: LazyLock<Arc<Model>> = LazyLock::new(|| train(Preset::Default, 0.8));
static TREES: LazyLock<Arc<Model>> = LazyLock::new(|| train(Preset::Default, 1.0));

/// Both ways of scoring a series and deciding about its points, which must agree in every bit.
fn check(model: &Arc<Model>, series: &Series) {
    let batch = model.score(series).unwrap();
    let alarms = model.decide(series, 0..series.len(), &batch, &[]).unwrap();
    let mut stream = Stream::new(Arc::clone(model), series.name(), series.clock());
    for (point, expected) in batch.iter().enumerate() {
        let got = stream.push(series.timestamps()[point], series.row(point)).unwrap();
        assert_eq!(stream.alarm(), alarms[point], "{} point {point}", series.name());
        assert_eq!(got.is_none(), expected.is_nan(), "{} point {point}", series.name());
        assert!(got.is_none_or(|got| got.to_bits() == expected.to_bits()), "{} point {point}", series.name());
    }
}

#[test]
fn a_stream_equals_a_batch_on_every_shipped_series() {
    for (series, _) in shipped() {
        check(&PAPER, &series);
        check(&DEFAULT, &series);
        check(&TREES, &series);
    }
}

/// A model with settings of its decision of every kind.
fn choosy(goal: Goal, hold: Length, direction: Direction, alarms_per_week: f64) -> Arc<Model> {
    let decision = DecisionConfig {
        alarms_per_week,
        direction,
        min_relative_deviation: 0.01,
        merge_within: "20m".parse().unwrap(),
        hold,
        ..DecisionConfig::of_goal(goal)
    };
    Arc::new(Model::clone(&DEFAULT).with_decision(decision).unwrap())
}

#[test]
fn a_stream_decides_as_a_batch_on_every_shipped_series() {
    let mut n_alarms = 0;
    for (series, _) in shipped() {
        for model in [
            choosy(Goal::MissCost(30.0), Length::Points(2), Direction::Above, 3.0),
            choosy(Goal::Events, Length::Time(1), Direction::Below, 0.0),
        ] {
            check(&model, &series);
            n_alarms += model.detect(&series).unwrap().events().len();
        }
    }
    assert!(n_alarms > 0, "the settings leave something to decide");
}

#[test]
fn a_decision_in_units_of_time_needs_a_clock() {
    let model = choosy(Goal::F1, Length::Points(1), Direction::Both, 1.0);
    let mut stream = Stream::new(Arc::clone(&model), "s", Clock { step: 1, has_days: false });
    assert!(stream.push(0, &[1.0]).unwrap_err().to_string().contains("without timestamps"));
    let series = Series::new("s", vec!["v".into()], TimeFormat::Index, vec![0], vec![1.0], None).unwrap();
    assert!(model.detect(&series).unwrap_err().to_string().contains("without timestamps"));
}

#[test]
fn a_stream_refuses_what_does_not_fit_and_goes_on() {
    let clock = Clock { step: 60, has_days: false };
    let mut stream = Stream::new(Arc::clone(&DEFAULT), "s", clock);
    assert!(stream.push(0, &[1.0]).unwrap().is_some());
    assert!(stream.push(0, &[1.0]).unwrap_err().to_string().contains("later than 0"));
    assert!(stream.push(60, &[1.0, 2.0]).unwrap_err().to_string().contains("2 value channels"));
    assert_eq!(stream.push(60, &[f64::INFINITY]).unwrap(), None);
    assert!(stream.push(120, &[1.0]).unwrap().is_some());
}

#[test]
fn streams_of_several_models_arrive_together() {
    let clock = Clock { step: 60, has_days: false };
    let models = [&DEFAULT, &TREES, &TREES, &DEFAULT];
    let streams = || models.map(|model| Stream::new(Arc::clone(model), "s", clock));
    let (mut one_by_one, mut together) = (streams(), streams());
    for point in 0..30_i64 {
        let values = [point as f64 % 7.0];
        let arrivals =
            together.iter_mut().map(|stream| Arrival { stream, timestamp: point, values: &values }).collect();
        for (got, stream) in push_all(arrivals).into_iter().zip(&mut one_by_one) {
            let want = stream.push(point, &values).unwrap();
            assert_eq!(got.unwrap().map(f64::to_bits), want.map(f64::to_bits));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_stream_equals_a_batch_over_gaps_and_missing_values(
        steps in prop::collection::vec(prop_oneof![8 => Just(60_i64), 2 => 1_i64..500, 1 => Just(86_400), 1 => Just(4_000_000)], 1..200),
        values in prop::collection::vec(prop_oneof![8 => -1e3..1e3, 1 => Just(f64::NAN), 1 => -1e300..1e300], 200),
        hold in 1_u32..4,
    ) {
        let mut now = 1_500_000_000;
        let timestamps: Vec<i64> = steps.iter().map(|step| { now += step; now * rlad::data::NANOS_PER_SECOND }).collect();
        let values = values[..timestamps.len()].to_vec();
        let series =
            Series::new("s", vec!["v".into()], TimeFormat::Seconds, timestamps, values, Some(60 * rlad::data::NANOS_PER_SECOND)).unwrap();
        check(&PAPER, &series);
        check(&DEFAULT, &series);
        check(&TREES, &series);
        for budget in [0.0, 2.0] {
            check(&choosy(Goal::MissCost(1000.0), Length::Points(hold), Direction::Below, budget), &series);
        }
    }
}
