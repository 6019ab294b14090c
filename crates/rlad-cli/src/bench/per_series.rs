//! Quality of a detector in each series by itself, its mean over series, and comparisons series by series.

use rlad::metrics::{EvaluateOptions, Joined, JoinedSeries, ScoredSeries};
use serde_json::{Value, json};

/// The quality of a detector on the test part of one series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeriesQuality {
    /// The series.
    pub(crate) series: String,
    /// The points with a label.
    pub(crate) n_points: usize,
    /// The anomalous ones.
    pub(crate) n_anomalies: usize,
    /// Strict F1 of the detector's own alarms.
    pub(crate) strict_f1: f64,
    /// Delay F1 of the detector's own alarms.
    pub(crate) delay_f1: f64,
    /// Strict F1 at the threshold that is best for it.
    pub(crate) best_strict_f1: f64,
    /// Delay F1 at the threshold that is best for it.
    pub(crate) best_delay_f1: f64,
    /// The fraction of runs of alarms that touch an anomaly; `None` without an alarm.
    pub(crate) event_precision: Option<f64>,
    /// The fraction of anomalies that an alarm touches; `None` without an anomaly.
    pub(crate) event_recall: Option<f64>,
    /// The fraction of the points with a label that are alarms.
    pub(crate) alarm_share: f64,
}

impl SeriesQuality {
    /// Whether the series counts in means and comparisons: without an anomaly F1 is 0 whatever was predicted.
    pub(crate) const fn is_counted(&self) -> bool {
        self.n_anomalies > 0
    }
}

/// A figure of a series.
pub(crate) type Figure = fn(&SeriesQuality) -> f64;

/// The quality in each series that has a truth, in the order of the data.
pub(crate) fn in_each_series(joined: &Joined<'_>, delay: usize) -> rlad::Result<Vec<SeriesQuality>> {
    joined.series.iter().filter_map(|one| in_series(one, delay).transpose()).collect()
}

fn in_series(one: &JoinedSeries<'_>, delay: usize) -> rlad::Result<Option<SeriesQuality>> {
    let Some(truth) = one.truth else { return Ok(None) };
    let scored = ScoredSeries::new(truth, &one.scores, one.threshold)?.with_alarms(&one.alarms)?;
    let found = rlad::evaluate(&[scored], &EvaluateOptions::quick(delay));
    let n_alarms = one.alarms.iter().zip(truth).filter(|(is_alarm, label)| **is_alarm && label.is_some()).count();
    Ok(Some(SeriesQuality {
        series: one.series.name().to_owned(),
        n_points: found.points,
        n_anomalies: found.anomalies,
        strict_f1: found.strict.f1,
        delay_f1: found.delay.quality.f1,
        best_strict_f1: found.best.strict.quality.f1,
        best_delay_f1: found.best.delay.quality.f1,
        event_precision: found.event.precision,
        event_recall: found.event.recall,
        alarm_share: n_alarms as f64 / found.points.max(1) as f64,
    }))
}

/// The means over the series that count, each the same however long it is: the metrics of a row. Event precision is the
/// mean over those of them in which there is an alarm.
pub(crate) fn means(of: &[SeriesQuality], delay: usize) -> Value {
    let (counted, others): (Vec<&SeriesQuality>, Vec<&SeriesQuality>) = of.iter().partition(|one| one.is_counted());
    let over = |series: &[&SeriesQuality], figure: fn(&SeriesQuality) -> Option<f64>| {
        let values: Vec<f64> = series.iter().copied().filter_map(figure).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let mean = |figure| over(&counted, figure);
    json!({
        "points": of.iter().map(|one| one.n_points).sum::<usize>(),
        "anomalies": of.iter().map(|one| one.n_anomalies).sum::<usize>(),
        "series": counted.len(),
        "series_without_anomaly": others.len(),
        "delay": {"k": delay},
        "mean": {
            "strict_f1": mean(|one| Some(one.strict_f1)),
            "delay_f1": mean(|one| Some(one.delay_f1)),
            "event_precision": mean(|one| one.event_precision),
            "event_recall": mean(|one| one.event_recall),
            "alarm_share": mean(|one| Some(one.alarm_share)),
            "alarm_share_without_anomaly": over(&others, |one| Some(one.alarm_share)),
            "best_strict_f1": mean(|one| Some(one.best_strict_f1)),
            "best_delay_f1": mean(|one| Some(one.best_delay_f1)),
        },
    })
}

/// The number of series in which a detector does worse than another one, of those that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Worse {
    /// The series in which the figure is lower.
    pub(crate) n_worse: usize,
    /// The series that were compared.
    pub(crate) n_compared: usize,
}

/// In how many series a figure is lower than another detector's. Equal is not worse.
pub(crate) fn worse(of: &[SeriesQuality], than: &[SeriesQuality], figure: Figure) -> Worse {
    let mut worse = Worse { n_worse: 0, n_compared: 0 };
    for one in of.iter().filter(|one| one.is_counted()) {
        if let Some(other) = than.iter().find(|other| other.series == one.series) {
            worse.n_compared += 1;
            worse.n_worse += usize::from(figure(one) < figure(other));
        }
    }
    worse
}

#[cfg(test)]
mod tests {
    use rlad::data::{Alarm, DataSet, Part, SeriesScores, TimeFormat, Truth};
    use rlad::metrics::join;
    use rlad::{Label, Series};

    use super::*;

    /// A series as a line of truth (`#` anomalous, `.` normal, `?` unknown) and one of alarms: `!` above the threshold, `+` below it; `-` is
    /// above it and none.
    fn joined(lines: &[(&str, &str, &str)], check: impl FnOnce(&[SeriesQuality])) {
        let (mut data, mut scores) = (DataSet::default(), Vec::new());
        for (name, truth, alarms) in lines {
            let n = truth.len();
            let times: Vec<i64> = (0..i64::try_from(n).unwrap()).collect();
            let series =
                Series::new(*name, vec!["v".into()], TimeFormat::Index, times.clone(), vec![0.0; n], None).unwrap();
            let label = |c| match c {
                '#' => Some(Label::Anomaly),
                '.' => Some(Label::Normal),
                _ => None,
            };
            data.push(series, Some(Truth::new(truth.chars().map(label).collect())));
            scores.push(SeriesScores {
                series: (*name).into(),
                time_format: TimeFormat::Index,
                timestamps: times,
                scores: alarms.chars().map(|c| f64::from(u8::from("!-".contains(c)))).collect(),
                alarms: Alarm::of_runs(alarms.chars().map(|c| "!+".contains(c))),
                threshold: 0.5,
                model: "m".into(),
            });
        }
        check(&in_each_series(&join(&scores, &data, Part { from: 0.0, to: 1.0 }).unwrap(), 1).unwrap());
    }

    #[test]
    fn each_series_is_measured_by_itself() {
        joined(
            &[
                // One hit, one false alarm, one miss: F1 2 / (2 + 1 + 1). The alarm comes one point after the first, in time.
                ("a", "..##....", "!..!...."),
                // Nothing is found; the alarm at a point without a label counts nowhere.
                ("b", "..##..?.", "......!."),
                // No anomaly, two alarms among eight points.
                ("c", "........", "!!......"),
            ],
            |found| {
                let [a, b, c] = found else { panic!("three series") };
                assert_eq!((a.n_points, a.n_anomalies, b.n_points, c.n_anomalies), (8, 2, 7, 0));
                assert!((a.strict_f1 - 0.5).abs() < 1e-12 && (a.delay_f1 - 0.8).abs() < 1e-12, "{a:?}");
                assert_eq!((a.event_precision, a.event_recall), (Some(0.5), Some(1.0)));
                assert_eq!((b.event_precision, b.event_recall), (None, Some(0.0)));
                assert_eq!((a.alarm_share, b.alarm_share, c.alarm_share), (0.25, 0.0, 0.25));
                let means = means(found, 1);
                assert_eq!((&means["series"], &means["series_without_anomaly"]), (&json!(2), &json!(1)));
                assert_eq!((&means["points"], &means["anomalies"]), (&json!(23), &json!(4)));
                let mean = |name: &str| means["mean"][name].as_f64().unwrap();
                assert!((mean("strict_f1") - 0.25).abs() < 1e-12 && (mean("delay_f1") - 0.4).abs() < 1e-12);
                assert!((mean("event_precision") - 0.5).abs() < 1e-12, "of the series that has an alarm");
                assert!((mean("event_recall") - 0.5).abs() < 1e-12 && (mean("alarm_share") - 0.125).abs() < 1e-12);
                assert!((mean("alarm_share_without_anomaly") - 0.25).abs() < 1e-12);
            },
        );
    }

    #[test]
    fn what_counts_are_alarms_not_scores() {
        joined(&[("a", "..##....", "-.!+....")], |found| {
            let [a] = found else { panic!("one series") };
            assert!((a.strict_f1 - 1.0).abs() < 1e-12 && (a.delay_f1 - 1.0).abs() < 1e-12, "{a:?}");
            assert_eq!((a.event_precision, a.alarm_share), (Some(1.0), 0.25));
            assert!((a.best_strict_f1 - 0.5).abs() < 1e-12, "the best threshold is one of the scores: {a:?}");
        });
    }

    fn with(series: &str, n_anomalies: usize, strict_f1: f64) -> SeriesQuality {
        SeriesQuality {
            series: series.to_owned(),
            n_points: 10,
            n_anomalies,
            strict_f1,
            delay_f1: 1.0,
            best_strict_f1: 1.0,
            best_delay_f1: 1.0,
            event_precision: None,
            event_recall: None,
            alarm_share: 0.0,
        }
    }

    #[test]
    fn lower_is_worse_and_equal_is_not() {
        let before = [with("a", 1, 0.5), with("b", 1, 0.5), with("c", 1, 0.5), with("d", 0, 0.5)];
        let after = [with("d", 0, 0.1), with("c", 2, 0.4), with("b", 1, 0.5), with("a", 1, 0.6), with("e", 1, 0.0)];
        let strict: Figure = |one| one.strict_f1;
        // `d` has no anomaly, `e` is not there to compare with.
        assert_eq!(worse(&after, &before, strict), Worse { n_worse: 1, n_compared: 3 });
        assert_eq!(worse(&before, &after, strict), Worse { n_worse: 1, n_compared: 3 });
        assert_eq!(worse(&after, &before, |one| one.delay_f1), Worse { n_worse: 0, n_compared: 3 });
        assert_eq!(worse(&after, &[], strict), Worse { n_worse: 0, n_compared: 0 });
    }

    #[test]
    fn without_a_series_that_counts_there_is_no_mean() {
        let means = means(&[with("a", 0, 0.0)], 7);
        assert!(means["mean"]["strict_f1"].is_null() && means["series"] == json!(0));
    }
}
