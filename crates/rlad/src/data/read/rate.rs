//! Counters as rates.

use super::form::FileForm;
use crate::data::series::{NANOS_PER_SECOND, TimeFormat};

/// Turns the channels that are counters into rates: the rise since the point before, per second, or per point where there is no clock.
/// `values` has the shape `[timestamps.len(), channels.len()]`.
///
/// A counter that falls began anew at 0. The first point, and one after a missing value, has no rate.
pub(super) fn to_rates(
    form: &FileForm,
    name: &str,
    channels: &[String],
    time_format: TimeFormat,
    timestamps: &[i64],
    values: &mut [f64],
) {
    let n_channels = channels.len();
    let is_counter = |channel: &String| {
        form.counters.contains(channel) || form.wide && form.counters.iter().any(|counter| counter == name)
    };
    for (channel, _) in channels.iter().enumerate().filter(|(_, channel)| is_counter(channel)) {
        let mut before: Option<(i64, f64)> = None;
        for (point, &timestamp) in timestamps.iter().enumerate() {
            let value = &mut values[point * n_channels + channel];
            let now = *value;
            *value = match before {
                Some((then, was)) if !now.is_nan() => {
                    let rise = if now < was { now } else { now - was };
                    let elapsed = timestamp.abs_diff(then) as f64;
                    rise / if time_format == TimeFormat::Index { elapsed } else { elapsed / NANOS_PER_SECOND as f64 }
                }
                _ => f64::NAN,
            };
            before = (!now.is_nan()).then_some((timestamp, now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_by_hand() {
        let form = FileForm { counters: vec!["bytes".to_owned()], ..FileForm::default() };
        let channels = ["cpu".to_owned(), "bytes".to_owned()];
        let timestamps = [0, 10, 20, 30, 50, 60].map(|second| second * NANOS_PER_SECOND);
        let bytes = [100.0, 150.0, 30.0, f64::NAN, 70.0, 90.0];
        let mut values: Vec<f64> = bytes.iter().flat_map(|bytes| [1.0, *bytes]).collect();
        to_rates(&form, "s", &channels, TimeFormat::Seconds, &timestamps, &mut values);
        let rates: Vec<f64> = values.iter().skip(1).step_by(2).copied().collect();
        assert_eq!(
            [1, 2, 5].map(|point| rates[point].to_bits()),
            [5.0_f64, 3.0, 2.0].map(f64::to_bits),
            "a rise, a counter that began anew, and a rise"
        );
        assert!([0, 3, 4].iter().all(|&point| rates[point].is_nan()));
        assert!(values.iter().step_by(2).all(|cpu| cpu.to_bits() == 1.0_f64.to_bits()), "other channels stay");
    }

    #[test]
    fn a_rise_over_centuries_is_slow() {
        let form = FileForm { counters: vec!["bytes".to_owned()], ..FileForm::default() };
        let mut values = [0.0, 2.0_f64.powi(64)];
        let timestamps = [i64::MIN, i64::MAX];
        to_rates(&form, "s", &["bytes".to_owned()], TimeFormat::Nanoseconds, &timestamps, &mut values);
        assert!((values[1] - 1e9).abs() < 1.0, "{values:?}");
    }
}
