use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::active::Session;
use crate::config::{Config, DecisionConfig, Direction, Goal, Length, Preset};
use crate::data::series::{NANOS_PER_DAY, NANOS_PER_SECOND, Series, TimeFormat};
use crate::features::{Feature, Trailing};

const MINUTE: i64 = 60 * NANOS_PER_SECOND;
const HOUR: i64 = 60 * MINUTE;

/// A daily wave with noise that is the same each time.
fn usual(timestamp: i64, seed: i64) -> f64 {
    let wave = (Clock::day_fraction(timestamp) * std::f64::consts::TAU).sin();
    10.0 * wave + ((timestamp / MINUTE * 7_919 + seed * 104_729).rem_euclid(997)) as f64 / 997.0
}

/// A series of the models, a point an hour.
fn series(name: &str, seed: i64, n: i64) -> Series {
    let times: Vec<i64> = (0..n).map(|at| at * HOUR).collect();
    let values = times.iter().map(|time| usual(*time, seed)).collect();
    Series::new(name, vec!["value".into()], TimeFormat::Seconds, times, values, None).unwrap()
}

fn model(features: &[Feature], memory_days: f64, absorb_days: f64, n: i64) -> Arc<Model> {
    let mut config = Config { questions: 0, ..Config::default() };
    config.state.features = features.to_vec();
    (config.drift.memory_days, config.drift.absorb_days) = (memory_days, absorb_days);
    config.agent.n_members = 1;
    let all = vec![series("a", 1, n), series("b", 2, n)];
    Arc::new(Session::new(config, all).unwrap().finish().unwrap())
}

/// Feature lists with every kind of memory.
fn feature_lists() -> [Vec<Feature>; 3] {
    [
        Feature::DEFAULT.to_vec(),
        vec![
            Feature::Difference(240),
            Feature::Median(Trailing::Points(1)),
            Feature::Range(Trailing::Points(17)),
            Feature::ZScore(Trailing::Points(5)),
            Feature::Deviation(Trailing::Points(90)),
            Feature::Median(Trailing::Points(33)),
            Feature::MinMax,
        ],
        vec![Feature::Week, Feature::SeasonScore, Feature::Residual(2), Feature::Median(Trailing::Day)],
    ]
}

/// Of each feature list models that learn on in several ways, each of them trained on less or on more.
static MODELS: LazyLock<Vec<Vec<Arc<Model>>>> = LazyLock::new(|| {
    let of_features = |features: Vec<Feature>| {
        let drifts = [(0.0, 0.0), (2.0, 0.0), (2.0, 0.1)];
        drifts.iter().flat_map(|drift| [400, 700].map(|n| model(&features, drift.0, drift.1, n))).collect()
    };
    feature_lists().into_iter().map(of_features).collect()
});

/// A model whose network reads windows.
static PAPER: LazyLock<Arc<Model>> = LazyLock::new(|| {
    let mut config = Config { questions: 2, ..Config::preset(Preset::Paper) };
    (config.agent.n_units, config.agent.steps_per_round) = (4, 1);
    let all = vec![series("a", 1, 200)];
    let truth = crate::data::Truth::new(vec![Some(crate::data::Label::Normal); 200]);
    let mut session = Session::new(config, all).unwrap();
    session.run(&mut crate::TruthOracle::new(&[Some(truth)])).unwrap();
    Arc::new(session.finish().unwrap())
});

/// Points of a series: times that go on by the step of the clock, with gaps, and values some of which are missing or far off.
#[derive(Clone, Debug)]
struct Points {
    clock: Clock,
    times: Vec<i64>,
    values: Vec<f64>,
}

fn points() -> impl Strategy<Value = Points> {
    let clock = prop_oneof![
        2 => Just(Clock { step: MINUTE, has_days: true }),
        4 => Just(Clock { step: HOUR, has_days: true }),
        1 => Just(Clock { step: 3 * NANOS_PER_DAY, has_days: true }),
        1 => Just(Clock { step: 1, has_days: false }),
    ];
    let step = prop_oneof![30 => Just(1_i64), 2 => 2..40_i64, 1 => 100..2_000_i64];
    let change = prop_oneof![
        30 => Just((0.0, 0.0)),
        2 => Just((f64::NAN, 0.0)),
        3 => (-60.0..60.0).prop_map(|spike| (spike, 0.0)),
        1 => (-1e6..1e6).prop_map(|shift| (0.0, shift)),
        1 => (-1e300..1e300).prop_map(|spike| (spike, 0.0)),
    ];
    let begin = 0..20_000_i64;
    (clock, begin, prop::collection::vec((step, change), 2..500), 0..9_i64).prop_map(|(clock, begin, points, seed)| {
        let (mut now, mut level) = (begin * clock.step, 0.0);
        let (times, values) = points
            .into_iter()
            .map_while(|(step, (spike, shift))| {
                // Until the times of 64 bits end.
                now = now.checked_add(step * clock.step)?;
                level += shift;
                Some((now, usual(now, seed) + level + spike))
            })
            .unzip();
        Points { clock, times, values }
    })
}

fn decisions() -> impl Strategy<Value = DecisionConfig> {
    let length =
        || prop_oneof![(1..4_u32).prop_map(Length::Points), (1..300_i64).prop_map(|n| Length::Time(n * MINUTE))];
    let direction = prop_oneof![Just(Direction::Both), Just(Direction::Above), Just(Direction::Below)];
    let budget = prop_oneof![Just(0.0), Just(1.0), Just(3.5), Just(0.5)];
    let transfer_share = prop_oneof![Just(0.001), Just(1.0)];
    (length(), length(), direction, budget, prop_oneof![Just(0.0), Just(0.5)], transfer_share).prop_map(
        |(hold, merge_within, direction, alarms_per_week, min_deviation, transfer_share)| DecisionConfig {
            alarms_per_week,
            direction,
            min_deviation,
            merge_within,
            hold,
            transfer_share,
            ..DecisionConfig::of_goal(Goal::MissCost(5_000.0))
        },
    )
}

/// The same model with a decision that a clock can follow.
fn deciding(model: &Arc<Model>, mut decision: DecisionConfig, clock: Clock) -> Arc<Model> {
    if !clock.has_days {
        decision.alarms_per_week = 0.0;
        for length in [&mut decision.hold, &mut decision.merge_within] {
            *length = Length::Points(2);
        }
    }
    Arc::new(Model::clone(model).with_decision(decision).unwrap())
}

/// What is decided about some points, to the bit.
fn follow(stream: &mut Stream, points: &Points, of: std::ops::Range<usize>) -> Vec<(Option<u64>, Alarm)> {
    let push = |at: usize| {
        let score = stream.push(points.times[at], &[points.values[at]]).unwrap();
        (score.map(f64::to_bits), stream.alarm())
    };
    of.map(push).collect()
}

/// All that a stream remembers, in words.
fn all_of(stream: &Stream) -> String {
    let Stream { name, features, ecdfs, window, is_empty, last_timestamp, clock, decider, alarm, .. } = stream;
    let of_series = (name, is_empty, last_timestamp, clock, alarm, window);
    format!("{of_series:?} {features:?} {ecdfs:?} {decider:?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_that_is_restored_goes_on_as_one_that_never_stopped(
        points in points(),
        cut in 0.0..1.0,
        decision in decisions(),
        features in 0..3_usize,
        learns in 0..6_usize,
        is_paper in prop::bool::weighted(0.15),
        is_known: bool,
    ) {
        let model = if is_paper { &PAPER } else { &MODELS[features][learns] };
        let model = deciding(model, decision, points.clock);
        let n = points.times.len();
        let cut = (cut * n as f64) as usize;
        let mut stream = Stream::new(Arc::clone(&model), if is_known { "a" } else { "ü" }, points.clock);
        follow(&mut stream, &points, 0..cut);
        let bytes = stream.to_bytes();
        let mut restored = Stream::from_bytes(Arc::clone(&model), &bytes).unwrap();
        prop_assert_eq!(restored.to_bytes(), bytes);
        prop_assert_eq!(restored.alarm(), stream.alarm());
        prop_assert_eq!(follow(&mut restored, &points, cut..n), follow(&mut stream, &points, cut..n));
        // With a last value, every sum that is made when it is asked for has been made.
        let last = Points { times: vec![points.times[n - 1] + 1], values: vec![1.0], ..points };
        prop_assert_eq!(follow(&mut restored, &last, 0..1), follow(&mut stream, &last, 0..1));
        prop_assert_eq!(all_of(&restored), all_of(&stream));
    }

    #[test]
    fn to_restore_and_to_swap_is_to_swap(
        points in points(),
        cut in 0.0..1.0,
        decision in decisions(),
        features in 0..3_usize,
        learns in (0..6_usize, 0..6_usize),
        is_known: bool,
    ) {
        let [old, new] = <[usize; 2]>::from(learns).map(|at| deciding(&MODELS[features][at], decision.clone(), points.clock));
        let n = points.times.len();
        let cut = (cut * n as f64) as usize;
        let mut stream = Stream::new(Arc::clone(&old), if is_known { "b" } else { "other" }, points.clock);
        follow(&mut stream, &points, 0..cut);
        let mut restored = Stream::from_bytes(old, &stream.to_bytes()).unwrap();
        stream.swap(Arc::clone(&new)).unwrap();
        restored.swap(Arc::clone(&new)).unwrap();
        let bytes = stream.to_bytes();
        prop_assert_eq!(restored.to_bytes(), bytes.clone());
        // And what was swapped is restored.
        let mut again = Stream::from_bytes(new, &bytes).unwrap();
        let want = follow(&mut stream, &points, cut..n);
        prop_assert_eq!(follow(&mut restored, &points, cut..n), want.clone());
        prop_assert_eq!(follow(&mut again, &points, cut..n), want);
    }

    #[test]
    fn bytes_that_were_changed_are_refused(at in 0.0..1.0, flip in 1..=255_u8, end in 0.0..1.0) {
        let bytes = some_bytes();
        let place = |share: f64| (share * bytes.len() as f64) as usize;
        let refused = |bytes: &[u8]| match Stream::from_bytes(some_model(), bytes) {
            Err(Error::StreamBytes { .. } | Error::StreamVersion { .. }) => true,
            other => panic!("{other:?}"),
        };
        let mut flipped = bytes.clone();
        flipped[place(at)] ^= flip;
        prop_assert!(refused(&flipped));
        prop_assert!(refused(&bytes[..place(end)]));
        prop_assert!(refused(&[&bytes[..], &[flip]].concat()));
    }

    #[test]
    fn no_bytes_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((N_HEAD..2_000_usize, any::<u8>()), 0..4),
        cut in prop::option::of(N_HEAD..3_000_usize),
    ) {
        assert!(Stream::from_bytes(some_model(), &bytes).is_err());
        // A checksum that somebody made anew.
        let mut forged = some_bytes();
        forged.truncate(forged.len() - N_CHECKSUM);
        for (at, byte) in changes {
            forged[at] = byte;
        }
        forged.truncate(cut.unwrap_or(usize::MAX));
        for bytes in [forged, [&some_bytes()[..N_HEAD + N_HASH], &bytes].concat()] {
            if let Ok(mut stream) = Stream::from_bytes(some_model(), &sealed(bytes)) {
                let now = stream.last_timestamp.saturating_add(1);
                drop(stream.push(now, &[1.0]));
            }
        }
    }
}

/// Bytes with the length and the checksum that they should have.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let n = u32::try_from(bytes.len() + N_CHECKSUM).unwrap();
    bytes[N_HEAD - 4..N_HEAD].copy_from_slice(&n.to_le_bytes());
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// A model that decides by all that there is.
fn some_model() -> Arc<Model> {
    static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| {
        let decision = DecisionConfig {
            alarms_per_week: 2.0,
            direction: Direction::Above,
            ..DecisionConfig::of_goal(Goal::MissCost(5_000.0))
        };
        deciding(&MODELS[0][2], decision, Clock { step: HOUR, has_days: true })
    });
    Arc::clone(&MODEL)
}

/// The state of a stream of that model after a week.
fn some_bytes() -> Vec<u8> {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let clock = Clock { step: HOUR, has_days: true };
        let mut stream = Stream::new(some_model(), "other", clock);
        for at in 0..170 {
            let spike = if at % 50 == 49 { 100.0 } else { 0.0 };
            stream.push(at * HOUR, &[usual(at * HOUR, 3) + spike]).unwrap();
        }
        stream.to_bytes()
    });
    BYTES.clone()
}

#[test]
fn what_cannot_be_restored_is_told() {
    let bytes = some_bytes();
    let told = |model: Arc<Model>, bytes: &[u8]| {
        let error = Stream::from_bytes(model, bytes).unwrap_err();
        format!("{error}\n  hint: {}\n", error.hint().unwrap())
    };
    let mut of_text = bytes.clone();
    of_text[..4].copy_from_slice(b"name");
    let mut later = bytes.clone();
    later[4] = 9;
    let mut damaged = bytes.clone();
    damaged[100] ^= 1;
    let mut forged = bytes[..bytes.len() - N_CHECKSUM].to_vec();
    *forged.last_mut().unwrap() = 0xff;
    forged.push(0xff);
    let other = &MODELS[0][3];
    let all = [
        told(some_model(), &bytes[..5]),
        told(some_model(), &of_text),
        told(some_model(), &later),
        told(some_model(), &bytes[..bytes.len() - 1]).replace(&bytes.len().to_string(), "N"),
        told(some_model(), &damaged),
        told(some_model(), &sealed(forged)),
        told(Arc::clone(other), &bytes),
    ];
    let checksum = |bytes: &[u8]| format!("{:08x}", crc32fast::hash(&bytes[..bytes.len() - N_CHECKSUM]));
    let all = all.concat().replace(&checksum(&bytes), "WRITTEN").replace(&checksum(&damaged), "FOUND");
    let all = all.replace(some_model().hash(), "OLD").replace(other.hash(), "NEW");
    insta::assert_snapshot!(all.replace(&(bytes.len() - 1).to_string(), "N - 1"), @r"
    the bytes are no state of a stream: expected at least 10 bytes, found 5
      hint: restore the bytes from a copy, or begin a new stream
    the bytes are no state of a stream: expected `rlss` at their begin, found `name`
      hint: restore the bytes from a copy, or begin a new stream
    the state of a stream has format version 9, but this program reads version 2
      hint: begin a new stream, or use the version that wrote the bytes
    the bytes are no state of a stream: expected N bytes, found N - 1
      hint: restore the bytes from a copy, or begin a new stream
    the bytes are no state of a stream: expected the checksum WRITTEN, found FOUND
      hint: restore the bytes from a copy, or begin a new stream
    the bytes are no state of a stream: expected more bytes, found something else
      hint: restore the bytes from a copy, or begin a new stream
    the state of series `other` is that of a stream of model OLD, but model NEW is given
      hint: restore the stream with the model that it was made with, and then `Stream::swap` it
    ");
}

#[test]
fn the_version_before_is_read() {
    let stream = Stream::from_bytes(some_model(), &some_bytes()).unwrap();
    let mut archive = Archive::Out(some_bytes()[..N_HEAD].to_vec());
    let name = stream.name.as_bytes().to_vec();
    let mut head = Head { hash: hash_of(&stream.model), name, clock: stream.clock, follows_expected: true };
    head.archive(&mut archive).unwrap();
    stream.clone().archive(&mut archive, 1, None).unwrap();
    let Archive::Out(mut bytes) = archive else { unreachable!("it is written") };
    bytes[4] = 1;
    let bytes = sealed(bytes);
    assert!(bytes.len() < some_bytes().len());
    let (mut old, mut new) = (Stream::from_bytes(some_model(), &bytes).unwrap(), stream);
    for at in 170..400 {
        let values = [usual(at * HOUR, 3) + if at % 7 == 0 { 30.0 } else { 0.0 }];
        assert_eq!(old.push(at * HOUR, &values).unwrap(), new.push(at * HOUR, &values).unwrap());
        assert_eq!(old.alarm(), new.alarm());
    }
}

#[test]
fn another_decision_goes_on_as_after_a_swap() {
    let clock = Clock { step: HOUR, has_days: true };
    let plain = deciding(&MODELS[0][2], DecisionConfig::of_goal(Goal::MissCost(5_000.0)), clock);
    // The bytes know a budget and expected values that this decision does not ask for.
    let mut stream = Stream::from_bytes(some_model(), &some_bytes()).unwrap();
    let mut of_plain = Stream::from_bytes(Arc::clone(&plain), &some_bytes()).unwrap();
    stream.swap(Arc::clone(&plain)).unwrap();
    for at in 170..400 {
        let values = [usual(at * HOUR, 3) + if at % 7 == 0 { 30.0 } else { 0.0 }];
        let score = stream.push(at * HOUR, &values).unwrap();
        assert_eq!(of_plain.push(at * HOUR, &values).unwrap(), score);
        assert_eq!(of_plain.alarm(), stream.alarm());
    }
    // The other way round nothing was expected.
    let error = Stream::from_bytes(some_model(), &of_plain.to_bytes()).unwrap_err();
    assert!(error.to_string().contains("its decision must be one without `direction` and deviations"), "{error}");
}

#[test]
fn a_series_of_minutes_takes_four_kibibytes() {
    let clock = Clock { step: MINUTE, has_days: true };
    for (name, most) in [("a", 4_096), ("other", 5_120)] {
        let mut stream = Stream::new(Arc::clone(&MODELS[0][0]), name, clock);
        let begin = stream.memory_bytes();
        for at in 0..3 * 1_440 {
            stream.push(at * MINUTE, &[usual(at * MINUTE, 5)]).unwrap();
        }
        let (memory, bytes) = (stream.memory_bytes(), stream.to_bytes().len());
        assert!(
            begin <= memory && memory <= most && bytes <= 4_096,
            "`{name}`: {begin}, then {memory}, {bytes} as bytes"
        );
        let restored = Stream::from_bytes(Arc::clone(&MODELS[0][0]), &stream.to_bytes()).unwrap();
        assert_eq!(restored.memory_bytes(), memory);
    }
}
