#![expect(clippy::float_cmp, reason = "what is 0 or as before is so to the last bit")]

use proptest::prelude::*;

use super::*;
use crate::data::series::{NANOS_PER_DAY, NANOS_PER_SECOND, TimeFormat};

const MINUTE: i64 = 60 * NANOS_PER_SECOND;
const HOUR: i64 = 60 * MINUTE;

/// One feature of each kind, and every kind of window.
fn all() -> Vec<Feature> {
    let names = "min-max value difference:1 difference:240 median:10 median:1d z-score:1 z-score:60 z-score:1d deviation:7 \
                 deviation:1d range:10 range:240 range:1d season season-score season-step week residual:5 residual:120 unchanged";
    names.split_whitespace().map(|name| name.parse().unwrap()).collect()
}

fn features(names: &str) -> Vec<Feature> {
    names.split_whitespace().map(|name| name.parse().unwrap()).collect()
}

fn series(time_format: TimeFormat, n_channels: usize, timestamps: Vec<i64>, values: Vec<f64>) -> Series {
    let channels = (0..n_channels).map(|channel| channel.to_string()).collect();
    Series::new("s", channels, time_format, timestamps, values, None).unwrap()
}

/// A series of one channel with a regular step.
fn regular(step: i64, values: Vec<f64>) -> Series {
    let timestamps = (0..values.len() as i64).map(|point| point * step).collect();
    series(TimeFormat::Seconds, 1, timestamps, values)
}

fn encoded(series: &Series, names: &str) -> Encoded {
    encode(series, &features(names), &Scale::running())
}

/// One feature of every point of a series of one channel.
fn column(series: &Series, name: &str) -> Vec<f32> {
    encoded(series, name).rows().to_vec()
}

/// Noise in [-.5, .5) that is the same each time.
fn noise(point: usize) -> f64 {
    ((point as f64 * 12.9898).sin() * 43_758.545_3).rem_euclid(1.0) - 0.5
}

fn close(got: f32, want: f64) -> bool {
    (f64::from(got) - want).abs() < 1e-5
}

#[test]
fn features_are_those_of_the_reference() {
    let reference: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/reference/features.json")).unwrap();
    let names: Vec<&str> =
        reference["features"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap_or(f64::NAN)).collect()
    };
    for case in reference["cases"].as_array().unwrap() {
        let timestamps = numbers(&case["timestamps"]).into_iter().map(|time| time as i64 * NANOS_PER_SECOND).collect();
        let series = series(TimeFormat::Seconds, 1, timestamps, numbers(&case["values"]));
        assert_eq!(series.step(), case["step"].as_i64().unwrap() * NANOS_PER_SECOND);
        let got = encoded(&series, &names.join(" "));
        for (point, want) in numbers(&case["points"]).into_iter().zip(case["rows"].as_array().unwrap()) {
            for ((name, got), want) in names.iter().zip(got.row(point as usize)).zip(numbers(want)) {
                // Values and profiles are held as f32 by the library, as f64 by the reference.
                let near = (f64::from(*got) - want).abs() <= 5e-5;
                assert!(near, "{}, point {point}, {name}: got {got}, want {want}", case["name"]);
            }
        }
    }
}

#[test]
fn three_points_are_worked_by_hand() {
    let series = series(TimeFormat::Index, 1, vec![0, 1, 2], vec![1.0, 2.0, 4.0]);
    // Steps 1 and 2: u = 1, then ((1 + √2) / 2)² = 1.4571.
    let u = f64::midpoint(1.0, 2.0_f64.sqrt()).powi(2);
    let got = column(&series, "difference:1");
    assert!(got[0] == 0.0 && close(got[1], 1.0_f64.asinh()) && close(got[2], (2.0 / u).asinh()));
    let got = column(&series, "median:2");
    assert!(got[0] == 0.0 && close(got[1], 1.0_f64.asinh()) && close(got[2], (2.5 / u).asinh()));
    // The window 1, 2 has the mean 1.5 and squares .5 in sum.
    let deviation = ((0.5 + u * u) / 2.0).sqrt();
    assert!(close(column(&series, "z-score:2")[2], (2.5 / deviation).asinh()));
    assert!(close(column(&series, "deviation:2")[2], (deviation / u).ln()));
    assert!(close(column(&series, "range:2")[2], (2.0 / u).asinh()));
    assert_eq!(column(&series, "min-max"), [0.5, 1.0, 1.0]);
}

#[test]
fn range_is_negative_below_the_window_and_0_within() {
    let series = regular(MINUTE, vec![0.0, 1.0, 0.0, 1.0, 0.5, -3.0, 5.0]);
    let got = column(&series, "range:4");
    assert!(got[4] == 0.0 && got[5] < -0.5 && got[6] > 0.5, "{got:?}");
}

#[test]
fn unchanged_counts_the_run() {
    let series = regular(MINUTE, vec![1.0, 1.0, f64::NAN, 1.0, 2.0]);
    let got = column(&series, "unchanged");
    assert!(close(got[1], 2.0_f64.ln()) && got[2] == 0.0 && close(got[3], 3.0_f64.ln()) && got[4] == 0.0, "{got:?}");
}

#[test]
fn features_are_channel_major() {
    let values = vec![0.0, 5.0, 2.0, 5.0, 1.0, 7.0];
    let series = series(TimeFormat::Index, 2, vec![0, 1, 2], values);
    let got = encoded(&series, "min-max unchanged");
    assert_eq!(got.n_features(), n_features(&features("min-max unchanged"), 2));
    assert_eq!(got.row(1), [1.0, 0.0, 0.5, 2.0_f32.ln()]);
    assert_eq!(got.row(2), [0.5, 0.0, 1.0, 0.0]);
}

#[test]
fn a_missing_value_is_as_usual_and_enters_no_window() {
    let with_hole = regular(MINUTE, vec![0.0, 4.0, f64::NAN, 1.0]);
    let without = regular(MINUTE, vec![0.0, 4.0, 1.0]);
    let names = "min-max value difference:1 median:10 z-score:10 deviation:10 range:10";
    let (got, want) = (encoded(&with_hole, names), encoded(&without, names));
    assert_eq!(got.row(3), want.row(2));
    assert_eq!(got.row(2)[..2], want.row(1)[..2], "where they were");
    assert_eq!(got.row(2)[2..], [0.0; 5]);
    let never = regular(MINUTE, vec![f64::NAN, f64::NAN]);
    assert_eq!(encoded(&never, "min-max value median:10").row(1), [0.5, 0.0, 0.0]);
}

#[test]
fn a_channel_that_is_missing_leaves_the_others() {
    let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0];
    let two = values.iter().enumerate().flat_map(|(at, &value)| [value, if at % 2 == 0 { 2.0 } else { f64::NAN }]);
    let two = series(TimeFormat::Index, 2, (0..6).collect(), two.collect());
    let one = series(TimeFormat::Index, 1, (0..6).collect(), values.to_vec());
    let (two, one) = (encode(&two, &all(), &Scale::running()), encode(&one, &all(), &Scale::running()));
    for point in 0..6 {
        assert_eq!(two.row(point)[..all().len()], *one.row(point));
    }
}

#[test]
fn a_day_goes_by_the_clock_and_points_reach_over_gaps() {
    let years = 20 * 365 * NANOS_PER_DAY;
    let mut timestamps: Vec<i64> = (0..30 * 24).map(|hour| hour * HOUR).collect();
    timestamps.extend([years, years + HOUR]);
    let mut values: Vec<f64> = (0..30 * 24).map(noise).collect();
    values.extend([50.0, 50.0]);
    let series = series(TimeFormat::Seconds, 1, timestamps, values);
    let after = 30 * 24;
    let of = |name: &str, point: usize| column(&series, name)[point];
    assert_eq!(of("median:1d", after), 0.0, "nothing in the day before");
    assert_eq!(of("range:1d", after), 0.0, "nothing in the day before");
    assert!(of("median:10", after) > 3.0, "the last ten points are those before the gap");
    assert!(of("season", after) > 3.0, "the profile is that before the gap");
    assert_eq!(of("median:1d", after + 1), 0.0, "one point in the day before, with the same value");
}

#[test]
fn points_off_the_grid_and_in_one_slot_are_all_compared() {
    let offsets = [0, 7, 7 + 13, 60, 61, 119];
    let mut timestamps = Vec::new();
    for hour in 0..24 * 5 {
        timestamps.extend(offsets.map(|offset| hour * HOUR + offset * NANOS_PER_SECOND));
    }
    let mut values: Vec<f64> = (0..timestamps.len()).map(noise).collect();
    values[24 * 4 * 6 + 2] = 40.0;
    let channels = vec!["value".into()];
    let series = Series::new("s", channels, TimeFormat::Seconds, timestamps, values, Some(HOUR)).unwrap();
    let got = column(&series, "season-score");
    assert!(got[24 * 4 * 6 + 2] > 3.0);
    assert!(got[24 * 6 * 3..24 * 6 * 4].iter().all(|value| value.abs() < 2.5));
}

#[test]
fn a_season_is_learned_and_judges_more_firmly_with_each_day() {
    let wave = |point: usize| 30.0 * (point as f64 / 288.0 * std::f64::consts::TAU).sin() + noise(point);
    let spikes = [0, 1, 3, 7].map(|day| 288 * day + 100 + 10 * day);
    let mut values: Vec<f64> = (0..288 * 8).map(wave).collect();
    for spike in spikes {
        values[spike] += 20.0;
    }
    let got = column(&regular(5 * MINUTE, values), "season-score");
    assert!(got[..288].iter().all(|&value| value == 0.0), "no earlier day, no judgement");
    let scores = spikes.map(|spike| got[spike]);
    assert!(scores.is_sorted() && scores[1] > 1.0 && scores[3] > 1.5 * scores[1], "{scores:?}");
    let usual = got[288 * 5..288 * 6].iter().map(|value| value.abs()).sum::<f32>() / 288.0;
    assert!(usual < 1.2, "{usual}");
}

#[test]
fn a_wrong_day_moves_a_profile_little() {
    let values = |wrong: f64| {
        (0..24 * 12).map(|hour| noise(hour) + if hour / 24 == 8 { wrong } else { 0.0 }).collect::<Vec<f64>>()
    };
    let usual = column(&regular(HOUR, values(0.0)), "season");
    let after = column(&regular(HOUR, values(1_000.0)), "season");
    assert!(after[24 * 8 + 5] > 5.0, "seen on its day");
    let last = 24 * 10..24 * 11;
    let shift = last.clone().map(|hour| (usual[hour] - after[hour]).abs()).sum::<f32>() / 24.0;
    assert!(shift < 0.7, "a day of a thousand times the noise moves the day after next by {shift}");
}

#[test]
fn week_knows_the_weekend() {
    let value = |hour: usize| if hour / 24 % 7 < 2 { -10.0 } else { 0.0 } + noise(hour);
    let series = regular(HOUR, (0..24 * 7 * 8).map(value).collect());
    let mean = |name: &str| column(&series, name)[24 * 7 * 7..].iter().map(|value| value.abs()).sum::<f32>() / 168.0;
    let spread = mean("season-score");
    assert!(mean("week") < 0.5 * spread, "{} against {spread}", mean("week"));
}

#[test]
fn a_series_without_days_has_no_season_but_a_long_window() {
    let values: Vec<f64> = (0..1_000).map(|point| noise(point) + if point == 990 { 50.0 } else { 0.0 }).collect();
    let series = series(TimeFormat::Index, 1, (0..1_000).collect(), values);
    for name in ["season", "season-score", "season-step", "week", "residual:5"] {
        assert!(column(&series, name).iter().all(|&value| value == 0.0), "{name}");
    }
    assert!(column(&series, "median:1d")[990] > 3.0 && column(&series, "range:1d")[990] > 3.0);
}

#[test]
fn a_small_change_of_a_large_value_is_not_lost() {
    let wave = |point: usize| (point as f64 / 7.0).sin();
    let near = regular(MINUTE, (0..2_000).map(wave).collect());
    let far = regular(MINUTE, (0..2_000).map(|point| 1e9 + wave(point)).collect());
    let names = "difference:1 median:10 z-score:60 deviation:1d range:60";
    let (near, far) = (encoded(&near, names), encoded(&far, names));
    for (point, (near, far)) in near.rows().iter().zip(far.rows()).enumerate() {
        // 1e9 itself is exact to 1e-7, and a unit is at least 1e-12 of it.
        assert!((near - far).abs() < 5e-3, "{point}: {near} and {far}");
    }
    let ramp = regular(MINUTE, (0..30_000).map(|point| 0.3 * f64::from(point)).collect());
    for (point, value) in column(&ramp, "difference:2").iter().enumerate().skip(2) {
        assert!((f64::from(*value) - 2.0_f64.asinh()).abs() < 5e-4, "{point}: {value}");
    }
}

#[test]
fn a_moved_origin_changes_no_feature() {
    let clock = Clock { step: HOUR, has_days: true };
    let mut state = FeatureState::new(&all(), clock, 1, &Scale::running());
    let (mut row, mut other) = (vec![0.0; all().len()], vec![0.0; all().len()]);
    let value = |point: usize| 3.0 * (point as f64 / 24.0 * std::f64::consts::TAU).sin() + noise(point);
    for point in 0..600 {
        let moved = point % 7 == 3;
        let mut twin = state.clone();
        if moved {
            twin.channels[0].shift(64.0 + point as f64);
        }
        for point in point..point + 30 {
            state.push(point as i64 * HOUR, &[value(point)], &mut row);
            twin.push(point as i64 * HOUR, &[value(point)], &mut other);
            for (at, (got, want)) in other.iter().zip(&row).enumerate() {
                assert!((got - want).abs() < 2e-2, "{point}, {}: {got} and {want}", all()[at]);
            }
            if !moved {
                break;
            }
        }
        if moved {
            // Back to where the loop stands.
            state = FeatureState::new(&all(), clock, 1, &Scale::running());
            for point in 0..=point {
                state.push(point as i64 * HOUR, &[value(point)], &mut row);
            }
        }
    }
}

#[test]
fn memory_is_bounded_and_small() {
    let clock = Clock { step: MINUTE, has_days: true };
    let mut state = FeatureState::new(&Feature::DEFAULT, clock, 1, &Scale::running());
    let mut row = vec![0.0; Feature::DEFAULT.len()];
    let empty = state.bytes();
    for point in 0..5_000 {
        state.push(point * MINUTE, &[noise(point as usize)], &mut row);
    }
    assert_eq!(state.bytes(), empty, "all memory is taken at the start");
    assert!(empty <= 4_096, "{empty} bytes");
}

#[test]
fn windows_are_gathered_as_the_series_cuts_them() {
    let series = regular(MINUTE, vec![0.0, 1.0, 2.0, 4.0]);
    let encoded = encoded(&series, "min-max unchanged");
    let mut got = vec![9.0];
    encoded.gather(&[1, 3], 3, &mut got);
    let mut want = vec![9.0];
    for rows in [[0, 0, 1], [1, 2, 3]] {
        want.extend(rows.into_iter().flat_map(|row| encoded.row(row).to_vec()));
    }
    assert_eq!(got, want);
    assert_eq!(series.window(3, 3), 1..4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_is_a_batch_and_the_past_is_blind_to_the_future(
        (series, cut) in series_with_gaps(ordinary()).prop_flat_map(|series| { let len = series.len(); (Just(series), 1..=len) }),
    ) {
        let features = all();
        let scale = Scale::fit(&series, 0..cut);
        let whole = encode(&series, &features, &scale);

        let n = cut * series.n_channels();
        let head = Series::new(
            "head", series.channels().to_vec(), series.time_format(), series.timestamps()[..cut].to_vec(),
            series.values()[..n].to_vec(), Some(series.step()),
        ).unwrap();
        let rows = &whole.rows()[..cut * whole.n_features()];
        prop_assert_eq!(bits(encode(&head, &features, &scale).rows()), bits(rows));

        // A stream that is stopped, stored and taken up again.
        let mut state = FeatureState::new(&features, series.clock(), series.n_channels(), &scale);
        let mut row = vec![0.0; whole.n_features()];
        for (point, &timestamp) in series.timestamps().iter().enumerate() {
            if point == cut {
                state = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
            }
            state.push(timestamp, series.row(point), &mut row);
            prop_assert_eq!(bits(&row), bits(whole.row(point)));
        }
    }

    #[test]
    fn no_value_makes_a_feature_that_is_not_a_number(series in series_with_gaps(wild())) {
        let encoded = encode(&series, &all(), &Scale::running());
        prop_assert!(encoded.rows().iter().all(|value| value.abs() <= 10.0));
    }

    #[test]
    fn the_unit_of_the_values_does_not_matter(series in series_with_gaps(ordinary())) {
        let values = series.values().iter().map(|value| 4.0 * value).collect();
        let larger = Series::new(
            "larger", series.channels().to_vec(), series.time_format(), series.timestamps().to_vec(), values, Some(series.step()),
        ).unwrap();
        let (one, four) = (encode(&series, &all(), &Scale::running()), encode(&larger, &all(), &Scale::running()));
        prop_assert_eq!(bits(one.rows()), bits(four.rows()));
    }

    #[test]
    fn a_feature_is_what_it_writes(at in 0..all().len(), points in 1..=240_u8) {
        for feature in [all()[at], Feature::Difference(points), Feature::Range(Trailing::Points(points))] {
            prop_assert_eq!(feature.to_string().parse::<Feature>().unwrap(), feature);
            prop_assert_eq!(serde_json::from_str::<Feature>(&serde_json::to_string(&feature).unwrap()).unwrap(), feature);
        }
    }
}

#[test]
fn what_is_no_feature_is_refused() {
    for text in
        ["", "median", "median:0", "median:241", "median:2d", "median:-1", "difference:1d", "value:3", "Season", "days"]
    {
        let error = text.parse::<Feature>().unwrap_err().to_string();
        assert!(error.contains("state.features") && error.contains(&format!("`{text}`")), "{error}");
    }
    assert!(Feature::Residual(0).validate().is_err() && Feature::Median(Trailing::Points(241)).validate().is_err());
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn ordinary() -> BoxedStrategy<f64> {
    prop_oneof![6 => -100.0..100.0, 1 => Just(0.0), 1 => Just(f64::NAN), 1 => 1e4..1e6].boxed()
}

fn wild() -> BoxedStrategy<f64> {
    let chosen =
        [1e300, -1e300, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -1e-310, 0.0, -0.0, 1.0, 1e30, 1e9, f64::NAN];
    prop_oneof![2 => proptest::sample::select(chosen.to_vec()), 1 => proptest::num::f64::ANY].boxed()
}

/// Series of one or two channels, with and without a clock, with gaps up to years, and points in one slot.
fn series_with_gaps(value: BoxedStrategy<f64>) -> impl Strategy<Value = Series> {
    let passed =
        prop_oneof![20 => Just(1_000), 2 => 1..3_000_i64, 1 => 1_000..200_000_i64, 1 => Just(5_000_000_000_i64)];
    let point = (passed, proptest::collection::vec(value, 2), 1..4_usize);
    let units = proptest::sample::select(vec![HOUR / 1_000, MINUTE / 1_000, NANOS_PER_DAY / 1_000, 1]);
    (proptest::collection::vec(point, 1..250), units, 1..=2_usize, any::<bool>()).prop_map(
        |(points, unit, n_channels, has_days)| {
            let (mut time, mut timestamps, mut values) = (0_i64, Vec::new(), Vec::new());
            for (passed, row, times) in points {
                // A value that stays for a while makes runs of equal values.
                for _ in 0..times {
                    let Some(next) = passed.checked_mul(unit).and_then(|passed| time.checked_add(passed)) else {
                        break;
                    };
                    time = next;
                    timestamps.push(time);
                    values.extend_from_slice(&row[..n_channels]);
                }
            }
            let time_format = if has_days { TimeFormat::Nanoseconds } else { TimeFormat::Index };
            if timestamps.is_empty() {
                timestamps.push(0);
                values.extend(vec![0.0; n_channels]);
            }
            let channels = (0..n_channels).map(|channel| channel.to_string()).collect();
            Series::new("random", channels, time_format, timestamps, values, Some(1_000 * unit)).unwrap()
        },
    )
}
