//! Departures: how far the values of an event are from what was usual where they stand.

use std::ops::Range;

use crate::data::explanation::Departure;
use crate::data::scores::Event;
use crate::data::series::Series;
use crate::features::expected::{Deviation, Expected};

/// The usual distances on each side of the expected value that the usual range holds: 95 % of normal noise, of which a usual distance is
/// .68 deviations.
const USUAL: f64 = 3.0;
/// The points before some others from which is learned what is usual there: twice the longest memory of what is expected.
const LEARNED_FROM: usize = 40_000;

/// The departure of each event of a series: of the value in it, of any channel, that is the most times its usual distance from what was
/// expected there. What is expected follows the series, so that of a long event it is one of the first values. `None` where an event
/// has no value with one before it, or is not of this series.
///
/// `events`: in time order, as [`SeriesScores::events`](crate::data::SeriesScores::events) gives them. It costs a pass over the series
/// up to the end of the last event.
#[must_use]
pub fn departures(series: &Series, events: &[Event]) -> Vec<Option<Departure>> {
    let timestamps = series.timestamps();
    let mut found: Vec<Option<(Deviation, usize)>> = vec![None; events.len()];
    let end = events.iter().map(|event| event.end).max();
    let n_points = end.map_or(0, |end| timestamps.partition_point(|&timestamp| timestamp <= end));
    let mut expected = Expected::new(series.clock(), series.n_channels());
    let mut next = 0;
    for (point, &timestamp) in timestamps[..n_points].iter().enumerate() {
        let deviation = expected.push(timestamp, series.row(point));
        while events.get(next).is_some_and(|event| event.end < timestamp) {
            next += 1;
        }
        let is_within = events.get(next).is_some_and(|event| event.start <= timestamp);
        if let Some(deviation) = deviation.filter(|_| is_within)
            && found[next].is_none_or(|(most, _)| deviation.times > most.times)
        {
            found[next] = Some((deviation, point));
        }
    }
    let departure = |(Deviation { expected, channel, usual, .. }, point): (Deviation, usize)| Departure {
        channel: series.channels()[channel].clone(),
        timestamp: timestamps[point],
        value: series.row(point)[channel],
        expected,
        low: expected - USUAL * usual,
        high: expected + USUAL * usual,
    };
    found.into_iter().map(|found| found.map(departure)).collect()
}

/// The usual range of each channel at some points: three usual distances on each side of the expected value, as in [`departures`].
///
/// Shape `[n_channels][n_points]`, low and high in units of the value; `None` where a point has no value, or its channel none before
/// it. Each range is made of earlier values alone. What is usual is learned from the points on and at most 40,000 before them, so that
/// the cost does not grow with the length of the series; of a longer series a departure may so differ in the last digits.
///
/// # Panics
/// If the points are not in the series.
#[must_use]
pub fn usual_range(series: &Series, points: Range<usize>) -> Vec<Vec<Option<(f64, f64)>>> {
    let mut ranges = vec![vec![None; points.len()]; series.n_channels()];
    let mut expected = Expected::new(series.clock(), series.n_channels());
    let first = points.start.saturating_sub(LEARNED_FROM);
    for (point, &timestamp) in (first..points.end).zip(&series.timestamps()[first..points.end]) {
        for Deviation { expected, channel, usual, .. } in expected.push_each(timestamp, series.row(point)) {
            if let Some(at) = point.checked_sub(points.start) {
                ranges[channel][at] = Some((expected - USUAL * usual, expected + USUAL * usual));
            }
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::alarm::Alarm;
    use crate::data::explanation::Side;
    use crate::data::scores::SeriesScores;
    use crate::data::series::TimeFormat;

    /// The events of a series at some points.
    fn events(series: &Series, raised: &[usize]) -> Vec<Event> {
        let scores = SeriesScores {
            series: series.name().to_owned(),
            time_format: series.time_format(),
            timestamps: series.timestamps().to_vec(),
            scores: (0..series.len()).map(|point| if raised.contains(&point) { 1.0 } else { 0.0 }).collect(),
            alarms: Alarm::of_runs((0..series.len()).map(|point| raised.contains(&point))),
            threshold: 0.5,
            model: String::new(),
        };
        scores.events()
    }

    #[test]
    fn the_value_that_is_the_furthest_out_speaks_for_its_event() {
        // Around 10, one up and one down in turn, in the second channel always 0.
        let mut values: Vec<f64> = (0..100).flat_map(|point| [if point % 2 == 0 { 9.0 } else { 11.0 }, 0.0]).collect();
        values[2 * 60] = 30.0;
        values[2 * 61] = 20.0;
        values[2 * 80] = -40.0;
        let channels = vec!["cpu".to_owned(), "memory".to_owned()];
        let series = Series::new("host", channels, TimeFormat::Index, (0..100).collect(), values, None).unwrap();
        let found = departures(&series, &events(&series, &[59, 60, 61, 80, 90]));
        let of: Vec<_> = found.iter().flatten().map(|of| (&*of.channel, of.timestamp, of.value, of.side())).collect();
        assert_eq!(of[0], ("cpu", 60, 30.0, Some(Side::Above)));
        assert_eq!(of[1], ("cpu", 80, -40.0, Some(Side::Below)));
        assert_eq!(of[2], ("cpu", 90, 9.0, None), "an event whose value is as ever");
        let range = found[0].as_ref().unwrap();
        assert!(range.low > 5.0 && range.low < 8.5 && range.high > 11.5 && range.high < 15.0, "{range:?}");
    }

    #[test]
    fn the_usual_range_is_that_of_the_departures() {
        let mut values: Vec<f64> = (0..100).flat_map(|point| [if point % 2 == 0 { 9.0 } else { 11.0 }, 0.0]).collect();
        values[2 * 60] = 30.0;
        values[2 * 70] = f64::NAN;
        let channels = vec!["cpu".to_owned(), "memory".to_owned()];
        let series = Series::new("host", channels, TimeFormat::Index, (0..100).collect(), values, None).unwrap();
        let ranges = usual_range(&series, 58..72);
        assert_eq!((ranges.len(), ranges[0].len()), (2, 14));
        let departure = departures(&series, &events(&series, &[60])).remove(0).unwrap();
        assert_eq!(ranges[0][2], Some((departure.low, departure.high)), "the value itself is not in it");
        assert!(ranges[0][2].unwrap().1 < 30.0 && ranges[0][12].is_none());
        assert_eq!(ranges[1][12], Some((0.0, 0.0)), "the other channel has a value there");
        assert_eq!(usual_range(&series, 0..1), [[None], [None]], "nothing came before");
    }

    #[test]
    fn an_event_without_a_value_has_none() {
        let series =
            Series::new("a", vec!["value".into()], TimeFormat::Index, vec![0, 1], vec![7.0, f64::NAN], None).unwrap();
        assert_eq!(departures(&series, &events(&series, &[0, 1])), [None], "nothing came before");
        assert!(departures(&series, &[]).is_empty());
        // The first value is the only one before.
        let far =
            Series::new("a", vec!["value".into()], TimeFormat::Index, vec![0, 1], vec![7.0, 1e300], None).unwrap();
        let [Some(of)] = &departures(&far, &events(&far, &[1]))[..] else { panic!("one event") };
        assert_eq!((of.value.to_bits(), of.side(), of.low <= 7.0), (1e300_f64.to_bits(), Some(Side::Above), true));
        let other = Series::new("b", vec!["value".into()], TimeFormat::Index, vec![90], vec![1.0], None).unwrap();
        assert_eq!(departures(&series, &events(&other, &[0])), [None]);
    }
}
