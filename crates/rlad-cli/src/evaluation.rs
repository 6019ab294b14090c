//! Quality of a detector or of scores, and its tables for people.

use rlad::Detector;
use rlad::data::{Alarm, DataSet, Part};
use rlad::metrics::{EvaluateOptions, Evaluation, Quality, ScoredSeries, usual_delay};

/// A part of labelled data on which quality is measured, and that is never learned from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check<'a> {
    /// The part of each series.
    pub(crate) part: Part,
    /// The data.
    pub(crate) data: &'a DataSet,
}

impl Check<'_> {
    /// The quality of a detector on the part.
    ///
    /// # Errors
    /// Those of scoring.
    pub(crate) fn evaluate(&self, detector: &dyn Detector) -> anyhow::Result<Evaluation> {
        let known: Vec<_> = self.data.iter().filter_map(|(series, truth)| Some((series, truth?))).collect();
        let decided: Vec<(Vec<f64>, Vec<bool>)> = known
            .iter()
            .map(|(series, _)| {
                let part = series.part(self.part);
                let scores = detector.score_points(series, part.clone())?;
                let alarms = detector.decide(series, part, &scores, &[])?;
                Ok((scores, alarms.into_iter().map(Alarm::is_raised).collect()))
            })
            .collect::<Result<_, rlad::Error>>()?;
        let scored: Vec<ScoredSeries<'_>> = known
            .iter()
            .zip(&decided)
            .map(|((series, truth), (scores, alarms))| {
                let truth = &truth.labels()[series.part(self.part)];
                ScoredSeries::new(truth, scores, detector.threshold())?.with_alarms(alarms)
            })
            .collect::<Result<_, _>>()?;
        let delay = usual_delay(known.iter().map(|(series, _)| *series));
        Ok(rlad::evaluate(&scored, &EvaluateOptions::quick(delay)))
    }
}

/// The metrics as rows for people, strict ones first.
pub(crate) fn rows(evaluation: &Evaluation) -> Vec<(String, Quality)> {
    let delay = format!("delay {}", evaluation.delay.k);
    vec![
        ("strict, point by point".to_owned(), evaluation.strict),
        (delay.clone(), evaluation.delay.quality),
        ("events".to_owned(), evaluation.event),
        ("ranges".to_owned(), evaluation.range),
        ("affiliation (all alarms: .67)".to_owned(), evaluation.affiliation),
        ("point-adjusted (flatters)".to_owned(), evaluation.point_adjusted),
        ("the paper's code (flatters)".to_owned(), evaluation.official),
        ("strict, best threshold".to_owned(), evaluation.best.strict.quality),
        (format!("{delay}, best threshold"), evaluation.best.delay.quality),
    ]
}

/// A share as people read it.
fn figure(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{share:.3}"))
}

/// The metrics as a table for people.
pub(crate) fn table(evaluation: &Evaluation) -> String {
    let mut lines = vec![
        format!("{} points, {} anomalous", evaluation.points, evaluation.anomalies),
        format!("{:<34}{:>10}{:>10}{:>10}", "", "precision", "recall", "F1"),
    ];
    for (name, metric) in rows(evaluation) {
        lines.push(format!(
            "{name:<34}{:>10}{:>10}{:>10.3}",
            figure(metric.precision),
            figure(metric.recall),
            metric.f1
        ));
    }
    let area = |name: &str, area: Option<f64>| format!("{name:<34}{:>30}", figure(area));
    lines.push(area("area under precision-recall", evaluation.auc_pr));
    lines.push(area("area under ROC", evaluation.auc_roc));
    for (name, volume) in [("VUS-PR", evaluation.vus_pr), ("VUS-ROC", evaluation.vus_roc)] {
        lines.extend(volume.map(|volume| area(&format!("{name}, buffer {}", volume.buffer), Some(volume.value))));
    }
    if let Some(nab) = &evaluation.nab {
        let title = if nab.probation { "NAB, after its probation" } else { "NAB, no probation" };
        lines.push(format!("{title:<34}{:>20}{:>10}", "own", "best"));
        for (name, profile) in [
            ("standard", nab.standard),
            ("low rate of false alarms", nab.reward_low_fp_rate),
            ("low rate of misses", nab.reward_low_fn_rate),
        ] {
            lines.push(format!("  {name:<32}{:>20.1}{:>10.1}", profile.score, profile.best.score));
        }
    }
    if let Some(mean) = evaluation.per_series_mean.filter(|mean| mean.series > 1) {
        lines.push(format!("means over {} series with anomalies", mean.series));
        lines.push(area("  strict F1", Some(mean.strict_f1)));
        lines.push(area(&format!("  delay {} F1", evaluation.delay.k), Some(mean.delay_f1)));
        lines.push(area("  event F1", Some(mean.event_f1)));
        lines.push(area("  range F1", Some(mean.range_f1)));
        lines.push(area("  affiliation F1", Some(mean.affiliation_f1)));
        lines.push(area("  area under precision-recall", Some(mean.auc_pr)));
    }
    lines.join("\n")
}

/// Precision, recall and F1 in one line: of single points, and of events.
pub(crate) fn quality_line(evaluation: &Evaluation) -> String {
    let [(precision, recall, f1), (event_precision, event_recall, event_f1)] = [&evaluation.strict, &evaluation.event]
        .map(|of| (figure(of.precision), figure(of.recall), figure(Some(of.f1))));
    format!(
        "precision {precision}, recall {recall}, F1 {f1} by points; {event_precision}, {event_recall}, {event_f1} by events"
    )
}

#[cfg(test)]
mod tests {
    use rlad::Label;

    use super::*;

    #[test]
    fn a_line_tells_points_and_events() {
        let truth: Vec<_> =
            "..##..##".chars().map(|c| Some(if c == '#' { Label::Anomaly } else { Label::Normal })).collect();
        let line = |scores: &[f64]| {
            let scored = ScoredSeries::new(&truth, scores, 0.5).unwrap();
            quality_line(&rlad::evaluate(&[scored], &EvaluateOptions::quick(1)))
        };
        assert_eq!(
            line(&[0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
            "precision 0.500, recall 0.250, F1 0.333 by points; 1.000, 0.500, 0.667 by events"
        );
        assert_eq!(line(&[0.0; 8]), "precision –, recall 0.000, F1 0.000 by points; –, 0.000, 0.000 by events");
    }

    #[test]
    fn the_table_is_as_reviewed() {
        let truth: Vec<_> = "....####......##....................."
            .chars()
            .map(|c| Some(if c == '#' { Label::Anomaly } else { Label::Normal }))
            .collect();
        let scores: Vec<f64> =
            "0010024320010000100030000102001000010".chars().map(|c| f64::from(c.to_digit(10).unwrap())).collect();
        let one = ScoredSeries::new(&truth, &scores, 1.5).unwrap();
        let other = ScoredSeries::new(&truth[..20], &scores[..20], 2.5).unwrap();
        insta::assert_snapshot!("table", table(&rlad::evaluate(&[one, other], &EvaluateOptions::default())));
        insta::assert_snapshot!("quick_table", table(&rlad::evaluate(&[one], &EvaluateOptions::quick(3))));
    }
}
