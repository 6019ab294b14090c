//! A stream scores as a batch does, bit for bit.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use rlad::config::{DecisionConfig, Direction, Goal, Length, Preset};
use rlad::data::{Calendar, Clock, ReadOptions, Source, TimeFormat, Truth, import};
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
fn what_other_series_taught_is_limited_alike_in_a_stream_and_a_batch() {
    let limited = |transfer_share: f64| {
        let decision = DecisionConfig { transfer_share, ..DecisionConfig::of_goal(Goal::MissCost(200.0)) };
        Arc::new(Model::clone(&TREES).with_decision(decision).unwrap())
    };
    let (strict, free) = (limited(0.001), limited(1.0));
    let mut differs = false;
    for (series, _) in shipped() {
        check(&strict, &series);
        check(&free, &series);
        let alarms = |model: &Model| model.detect(&series).unwrap().alarms;
        if series.name().contains("ec2_cpu") {
            assert_eq!(alarms(&strict), alarms(&free), "answers were about this one");
        }
        differs |= alarms(&strict) != alarms(&free);
    }
    assert!(differs, "there is something to limit");
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

/// The first points of the series that the models were trained on.
fn known() -> Series {
    let (series, _) = shipped().into_iter().find(|(series, _)| series.name().contains("ec2_cpu")).unwrap();
    first_points(&series, series.name())
}

/// The same points of a series of another name.
fn first_points(series: &Series, name: &str) -> Series {
    const N: usize = 300;
    let (times, values) = (series.timestamps()[..N].to_vec(), series.values()[..N].to_vec());
    let step = Some(series.clock().step);
    Series::new(name, series.channels().to_vec(), series.time_format(), times, values, step).unwrap()
}

/// The scores and alarms of a stream that takes in another model before the point `at`.
fn swapped(model: &Arc<Model>, to: &Arc<Model>, series: &Series, at: usize) -> Vec<(Option<u64>, rlad::data::Alarm)> {
    let mut stream = Stream::new(Arc::clone(model), series.name(), series.clock());
    let point = |point: usize| {
        if point == at {
            stream.swap(Arc::clone(to)).unwrap();
            assert_eq!(stream.model().hash(), to.hash());
        }
        let score = stream.push(series.timestamps()[point], series.row(point)).unwrap();
        (score.map(f64::to_bits), stream.alarm())
    };
    (0..series.len()).map(point).collect()
}

/// A model of trees that were trained on the first part of a shipped series, whose distributions learn on or stay.
fn of_part(to: f64, memory_days: f64, n_questions: usize) -> Arc<Model> {
    let mut config = Config { questions: n_questions, ..Config::default() };
    config.part.to = to;
    (config.drift.memory_days, config.drift.absorb_days) = (memory_days, 0.0);
    config.agent.trees.weight = 1.0;
    config.agent.n_members = 2;
    let (series, truth) = shipped().into_iter().find(|(series, _)| series.name().contains("ec2_cpu")).unwrap();
    let mut session = Session::new(config, vec![series]).unwrap();
    session.run(&mut TruthOracle::new(&[truth])).unwrap();
    Arc::new(session.finish().unwrap())
}

#[test]
fn a_stream_that_takes_another_model_in_scores_as_that_model() {
    let (old, new) = (of_part(0.4, 0.0, 12), of_part(0.9, 0.0, 25));
    assert_ne!(old.hash(), new.hash());
    let series = known();
    let (of_old, of_new) = (old.score(&series).unwrap(), new.score(&series).unwrap());
    assert_ne!(of_old, of_new);
    for at in [0, 1, 150, 299] {
        for (point, (score, _)) in swapped(&old, &new, &series, at).into_iter().enumerate() {
            let want = if point < at { of_old[point] } else { of_new[point] };
            assert_eq!(score, Some(want.to_bits()), "point {point}, swapped at {at}");
        }
    }
}

#[test]
fn what_a_stream_counted_goes_on_as_the_new_model_says() {
    let (old, new) = (of_part(0.4, 2.0, 12), of_part(0.9, 2.0, 25));
    let series = known();
    let after = |model: &Arc<Model>, to: &Arc<Model>, series: &Series| swapped(model, to, series, 200)[299].0;
    // The new fit knows what was counted: it begins anew.
    let fresh = |model: &Arc<Model>| {
        let mut stream = Stream::new(Arc::clone(model), "no such series", series.clock());
        stream.swap(Arc::clone(model)).unwrap();
        stream.push(0, &[1.0]).unwrap()
    };
    assert!(fresh(&new).is_some());
    let whole = swapped(&new, &new, &series, 0)[299].0;
    assert_ne!(after(&old, &new, &series), whole, "points before the swap are in no count of the stream");
    // A series that neither knows keeps its counts: it does not score as one that has just begun.
    let unknown = first_points(&series, "unknown");
    let mut begun = Stream::new(Arc::clone(&new), "unknown", series.clock());
    let mut last = None;
    for point in 200..300 {
        last = begun.push(series.timestamps()[point], series.row(point)).unwrap();
    }
    assert_ne!(after(&old, &new, &unknown), last.map(f64::to_bits));
    assert!(after(&old, &new, &unknown).is_some());
}

#[test]
fn a_model_that_does_not_fit_is_refused_and_the_stream_goes_on() {
    let series = known();
    let told = |from: &Arc<Model>, to: &Arc<Model>| {
        let mut stream = Stream::new(Arc::clone(from), series.name(), series.clock());
        let begin: Vec<_> = (0..10).map(|i| stream.push(series.timestamps()[i], series.row(i)).unwrap()).collect();
        let error = stream.swap(Arc::clone(to)).unwrap_err();
        assert_eq!(stream.model().hash(), from.hash());
        let next = stream.push(series.timestamps()[10], series.row(10)).unwrap();
        let want = from.score_points(&series, 0..11).unwrap();
        assert_eq!(begin.into_iter().chain([next]).collect::<Option<Vec<f64>>>().unwrap(), want);
        let hint = error.hint().map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
        format!("{error}{hint}").replace(to.id(), "HASH")
    };
    let two_channels = {
        let mut config = Config { questions: 0, ..Config::default() };
        config.agent.n_members = 2;
        let values = vec![1.0; 80];
        let channels = vec!["a".into(), "b".into()];
        let series = Series::new("two", channels, TimeFormat::Index, (0..40).collect(), values, None).unwrap();
        Arc::new(Session::new(config, vec![series]).unwrap().finish().unwrap())
    };
    let deep = DecisionConfig { min_deviation: 3.0, ..DecisionConfig::of_goal(Goal::F1) };
    let deep = Arc::new(Model::clone(&TREES).with_decision(deep).unwrap());
    let told =
        [told(&TREES, &DEFAULT), told(&of_part(0.4, 0.0, 0), &TREES), told(&TREES, &two_channels), told(&TREES, &deep)];
    insta::assert_snapshot!(told.join("\n"));
    // Expected values can be followed anew.
    let mut stream = Stream::new(Arc::clone(&TREES), series.name(), series.clock());
    let push = |stream: &mut Stream, i: usize| stream.push(series.timestamps()[i], series.row(i)).unwrap();
    let mut scores: Vec<_> = (0..10).map(|i| push(&mut stream, i)).collect();
    stream.follow_expected();
    stream.swap(Arc::clone(&deep)).unwrap();
    scores.extend((10..300).map(|i| push(&mut stream, i)));
    assert_eq!(scores.into_iter().collect::<Option<Vec<f64>>>().unwrap(), TREES.score_points(&series, 0..300).unwrap());
    // The other way round nothing is missing.
    let mut stream = Stream::new(Arc::clone(&DEFAULT), series.name(), series.clock());
    stream.swap(Arc::clone(&TREES)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_same_model_again_changes_nothing(at in 0_usize..300, is_known: bool, model in 0_usize..4) {
        let series = if is_known { known() } else { first_points(&known(), "unknown") };
        let learns_on = || of_part(0.4, 2.0, 6);
        let model = match model {
            0 => Arc::clone(&PAPER),
            1 => choosy(Goal::MissCost(100.0), Length::Points(2), Direction::Above, 2.0),
            2 => choosy(Goal::Recall, Length::Points(1), Direction::Both, 0.0),
            _ => learns_on(),
        };
        prop_assert_eq!(swapped(&model, &model, &series, at), swapped(&model, &model, &series, usize::MAX));
    }

    #[test]
    fn a_stream_expects_as_a_batch_does(
        from in 0_u32..1_440,
        len in 1_u32..1_000,
        stretch in 0_usize..250,
        n in 1_usize..100,
        budget in prop_oneof![Just(0.0), Just(2.0)],
        hold in 1_u32..3,
    ) {
        let series = known();
        let clock = |minute: u32| format!("{:02}:{:02}", minute % 1_440 / 60, minute % 60);
        let time = |point: usize| TimeFormat::Rfc3339.format(series.timestamps()[point.min(299)]);
        let text = format!(
            "series,from,to,every\nother,,,daily 00:00-24:00\n*,,,daily {}-{}\n{},{},{},\n",
            clock(from), clock(from + len), series.name(), time(stretch), time(stretch + n)
        );
        let calendar = Calendar::parse(Path::new("calendar.csv"), &text).unwrap();
        let plain = choosy(Goal::MissCost(10_000.0), Length::Points(hold), Direction::Above, budget);
        let plain = Model::clone(&plain).without_answers();
        let model = Arc::new(plain.clone().with_calendar(calendar.clone()));
        check(&model, &series);
        let (of_plain, of_model) = (plain.detect(&series).unwrap(), model.detect(&series).unwrap());
        prop_assert_eq!(&of_plain.scores, &of_model.scores);
        let is_expected = |point: usize| calendar.contains(series.name(), series.timestamps()[point]);
        prop_assert!((0..300).all(|point| !is_expected(point) || !of_model.alarms[point].is_raised()));
        let reaches_over = |event: &std::ops::Range<usize>| event.clone().any(is_expected);
        prop_assert!(!rlad::data::Alarm::events(&of_model.alarms).iter().any(reaches_over));
    }
}
