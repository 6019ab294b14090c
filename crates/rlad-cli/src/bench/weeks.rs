//! The weeks of a live run, each series by its own time, and the quality of a detector in each of them.

use std::ops::Range;

use rlad::Label;
use rlad::data::{NANOS_PER_WEEK, Part, TimeFormat, events};
use rlad::metrics::{EvaluateOptions, Joined, JoinedSeries, Quality, ScoredSeries};
use rlad::{Error, Series};

/// The points of each week of a part of a series: those whose time is in `[t0 + 7 d · w, t0 + 7 d · (w + 1))`, where `t0` is the time
/// of the first point of the part. A week of a gap is empty, and begins where the next one does.
///
/// # Errors
/// [`Error::Shape`] for a series without timestamps.
pub(super) fn weeks(series: &Series, part: Part) -> rlad::Result<Vec<Range<usize>>> {
    if series.time_format() == TimeFormat::Index {
        return Err(Error::Shape {
            what: format!("series `{}`", series.name()),
            expected: "timestamps, as a live suite goes by weeks".to_owned(),
            found: "points that are only counted".to_owned(),
        });
    }
    let points = series.part(part);
    let times = &series.timestamps()[points.clone()];
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return Ok(Vec::new()) };
    let week_of = |time: i64| time.abs_diff(*first) / NANOS_PER_WEEK.unsigned_abs();
    let start_of = |week: u64| points.start + times.partition_point(|time| week_of(*time) < week);
    Ok((0..=week_of(*last)).map(|week| start_of(week)..start_of(week + 1)).collect())
}

/// The quality of a detector in one week of all series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WeekQuality {
    /// The points with a label.
    pub(crate) n_points: usize,
    /// The anomalous ones.
    pub(crate) n_anomalies: usize,
    /// Point by point.
    pub(crate) strict: Quality,
    /// Delay F1.
    pub(crate) delay_f1: f64,
    /// By events.
    pub(crate) event: Quality,
    /// The runs of alarms that touch no anomaly.
    pub(crate) n_false_events: usize,
    /// The alarms at normal points, of each series.
    pub(crate) false_points: Vec<usize>,
}

/// The quality in each week, over all series that have a truth. A segment or a run of alarms that goes on over the end of a week counts
/// in both weeks.
pub(super) fn in_each_week(joined: &Joined<'_>, part: Part, delay: usize) -> rlad::Result<Vec<WeekQuality>> {
    let labelled: Vec<(&JoinedSeries<'_>, &[Option<Label>])> =
        joined.series.iter().filter_map(|one| Some((one, one.truth?))).collect();
    let of_series: Vec<Vec<Range<usize>>> =
        labelled.iter().map(|(one, _)| weeks(one.series, part)).collect::<rlad::Result<_>>()?;
    let n_weeks = of_series.iter().map(Vec::len).max().unwrap_or(0);
    (0..n_weeks)
        .map(|week| {
            let (mut scored, mut false_points, mut n_false_events) = (Vec::new(), Vec::new(), 0);
            for ((one, truth), weeks) in labelled.iter().zip(&of_series) {
                let first = one.series.part(part).start;
                let Some(points) = weeks.get(week).map(|points| points.start - first..points.end - first) else {
                    false_points.push(0);
                    continue;
                };
                let (truth, alarms) = (&truth[points.clone()], &one.alarms[points.clone()]);
                let known: Vec<bool> =
                    alarms.iter().zip(truth).map(|(alarm, label)| *alarm && label.is_some()).collect();
                let is = |point: usize, label: Label| truth[point] == Some(label);
                false_points.push((0..known.len()).filter(|&at| known[at] && is(at, Label::Normal)).count());
                let is_false = |run: &Range<usize>| !run.clone().any(|at| is(at, Label::Anomaly));
                n_false_events += events(&known).iter().filter(|run| is_false(run)).count();
                scored.push(ScoredSeries::new(truth, &one.scores[points], one.threshold)?.with_alarms(alarms)?);
            }
            let found = rlad::evaluate(&scored, &EvaluateOptions::quick(delay));
            Ok(WeekQuality {
                n_points: found.points,
                n_anomalies: found.anomalies,
                strict: found.strict,
                delay_f1: found.delay.quality.f1,
                event: found.event,
                n_false_events,
                false_points,
            })
        })
        .collect()
}

/// The fraction of the points with a label that are alarms.
pub(super) fn alarm_share(joined: &Joined<'_>) -> f64 {
    let (mut n_alarms, mut n_points) = (0_usize, 0_usize);
    for one in &joined.series {
        for (_, alarm) in one.truth.into_iter().flatten().zip(&one.alarms).filter(|(label, _)| label.is_some()) {
            n_points += 1;
            n_alarms += usize::from(*alarm);
        }
    }
    n_alarms as f64 / n_points.max(1) as f64
}

#[cfg(test)]
mod tests {
    use rlad::data::{Alarm, DataSet, SeriesScores, Truth};
    use rlad::metrics::join;

    use super::*;
    use rlad::data::NANOS_PER_DAY;

    fn series(name: &str, days: &[i64]) -> Series {
        let times: Vec<i64> = days.iter().map(|day| day * NANOS_PER_DAY).collect();
        Series::new(name, vec!["v".into()], TimeFormat::Seconds, times, vec![0.0; days.len()], None).unwrap()
    }

    #[test]
    fn a_week_begins_at_its_first_time_and_ends_before_the_next() {
        // The second half begins at day 10: weeks are [10, 17), [17, 24), none in [24, 31), and [31, 38).
        let one = series("a", &[0, 1, 2, 3, 4, 10, 16, 17, 23, 31]);
        let half: Part = "0.5..".parse().unwrap();
        assert_eq!(weeks(&one, half).unwrap(), [5..7, 7..9, 9..9, 9..10]);
        assert_eq!(weeks(&series("b", &[7]), Part::ALL).unwrap(), std::iter::once(0..1).collect::<Vec<_>>());
        assert_eq!(weeks(&series("b", &[-8, -2, -1]), Part::ALL).unwrap(), [0..2, 2..3], "before 1970");
        let counted = Series::new("c", vec!["v".into()], TimeFormat::Index, vec![0], vec![0.0], None).unwrap();
        let error = weeks(&counted, Part::ALL).unwrap_err().to_string();
        assert!(error.contains("series `c` must have timestamps"), "{error}");
    }

    #[test]
    fn each_week_is_measured_by_itself_over_all_series() {
        let (mut data, mut scores) = (DataSet::default(), Vec::new());
        // `#` anomalous, `.` normal, `?` unknown; `!` an alarm. A point a day; the weeks of `b` begin a hundred days later.
        for (name, first, truth, alarms) in [
            ("a", 0, "..#....|..##.....", "!.!..!.|.........".replace('|', "")),
            ("b", 100, "?.....#", "!!!....".to_owned()),
        ] {
            let truth = truth.replace('|', "");
            let days: Vec<i64> = (first..).take(truth.len()).collect();
            let one = series(name, &days);
            let label = |c| match c {
                '#' => Some(Label::Anomaly),
                '.' => Some(Label::Normal),
                _ => None,
            };
            scores.push(SeriesScores {
                series: name.into(),
                time_format: TimeFormat::Seconds,
                timestamps: one.timestamps().to_vec(),
                scores: vec![0.0; truth.len()],
                // No score is above the threshold: what was decided counts.
                alarms: Alarm::of_runs(alarms.chars().map(|c| c == '!')),
                threshold: 0.5,
                model: "m".into(),
            });
            data.push(one, Some(Truth::new(truth.chars().map(label).collect())));
        }
        let joined = join(&scores, &data, Part::ALL).unwrap();
        let found = in_each_week(&joined, Part::ALL, 1).unwrap();
        let [first, second, third] = found.as_slice() else { panic!("three weeks: {found:?}") };
        // a: one hit, two false alarms; b: two false alarms in one run (that at the unknown point counts nowhere), one miss.
        assert_eq!((first.n_points, first.n_anomalies), (13, 2));
        assert_eq!((first.strict.precision, first.strict.recall), (Some(0.2), Some(0.5)));
        assert_eq!((first.event.precision, first.event.recall), (Some(0.25), Some(0.5)));
        assert_eq!((first.n_false_events, first.false_points.as_slice()), (3, &[2, 2][..]));
        assert_eq!((second.n_points, second.n_anomalies, second.strict.f1), (7, 2, 0.0));
        assert_eq!((second.event.precision, second.false_points.as_slice()), (None, &[0, 0][..]));
        assert_eq!((third.n_points, third.n_anomalies), (2, 0));
        assert!((alarm_share(&joined) - 5.0 / 22.0).abs() < 1e-12);
    }
}
