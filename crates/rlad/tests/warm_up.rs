//! What is seen before any question.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use rlad::data::{NANOS_PER_SECOND, TimeFormat};
use rlad::{Config, Detector, Series, Session};

/// A wave with noise in each of some channels, of which `change` makes what is wanted.
fn noisy(n_points: usize, n_channels: usize, change: impl Fn(usize, usize, f64) -> f64) -> Series {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 24) as f64 - 0.5
    };
    let mut values = Vec::new();
    for point in 0..n_points {
        for channel in 0..n_channels {
            let usual = (point as f64 / 7.0 + channel as f64).sin() + noise();
            values.push(change(point, channel, usual));
        }
    }
    let channels = (0..n_channels).map(|channel| format!("c{channel}")).collect();
    let times = (0..n_points as i64).map(|point| point * 60 * NANOS_PER_SECOND).collect();
    Series::new("s", channels, TimeFormat::Seconds, times, values, None).unwrap()
}

/// How many points score higher than this one without a question.
fn rank_unasked(series: &Series, point: usize) -> usize {
    let session = Session::new(Config::default(), vec![series.clone()]).unwrap();
    let scores = session.warm_up_detector().score(series).unwrap();
    scores.iter().filter(|score| **score > scores[point]).count()
}

#[test]
fn one_channel_of_many_that_stands_out_is_seen() {
    for (n_channels, most) in [(1, 5), (5, 5), (20, 20)] {
        let spike = |point, channel, usual| if point == 500 && channel == 0 { 20.0 } else { usual };
        let rank = rank_unasked(&noisy(1000, n_channels, spike), 500);
        assert!(rank < most, "{n_channels} channels: {rank}");
    }
}

#[test]
fn a_value_however_large_is_the_rarest_and_what_follows_is_still_seen() {
    for huge in [1e6, 1e12, 1e300, f64::MAX, -f64::MAX] {
        let series = noisy(500, 1, |point, _, usual| match point {
            300 => huge,
            400 => 15.0,
            _ => usual,
        });
        assert_eq!(rank_unasked(&series, 300), 0, "{huge:e}");
        let rank = rank_unasked(&series, 400);
        assert!(rank < 10, "after {huge:e}: {rank}");
    }
}
