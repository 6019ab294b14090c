//! `rlad evaluate`: measures scores against the truth.

use std::collections::HashMap;
use std::process::ExitCode;

use rlad::data::SeriesScores;
use rlad::metrics::{EvaluateOptions, Evaluation, NabOptions, Quality, ScoredSeries};
use rlad::{Error, Label, Series};

use crate::args::EvaluateArgs;
use crate::commands::{open_saved, print, read, tell};

/// Runs the command.
pub(crate) fn run(args: &EvaluateArgs) -> anyhow::Result<ExitCode> {
    let scores = rlad::data::read_scores(&args.scores)?;
    let truth = read(&args.truth, &args.form)?;
    let by_name: HashMap<&str, &SeriesScores> = scores.iter().map(|scores| (scores.series.as_str(), scores)).collect();
    let part = args.form.part.unwrap_or_default();
    // [series](truth, scores, threshold)
    let mut joined: Vec<(Vec<Option<Label>>, Vec<f64>, f64)> = Vec::new();
    let mut series = Vec::new();
    let mut n_unscored = 0;
    for (of_truth, labels) in truth.iter() {
        let (Some(labels), Some(scores)) = (labels, by_name.get(of_truth.name())) else { continue };
        let at: HashMap<i64, f64> = scores.timestamps.iter().copied().zip(scores.scores.iter().copied()).collect();
        let points = of_truth.part(part);
        let timestamps = &of_truth.timestamps()[points.clone()];
        let found: Vec<f64> =
            timestamps.iter().map(|timestamp| at.get(timestamp).copied().unwrap_or(f64::NAN)).collect();
        n_unscored += timestamps.iter().filter(|timestamp| !at.contains_key(timestamp)).count();
        if n_unscored < timestamps.len() || found.iter().any(|score| !score.is_nan()) {
            joined.push((labels.labels()[points].to_vec(), found, scores.threshold));
            series.push(of_truth);
        }
    }
    if joined.is_empty() {
        let what = "a series with labels and scores at the same timestamps".to_owned();
        let place = format!("`{}` and the truth", args.scores.display());
        return Err(Error::NotFound { what, place }.into());
    }
    if n_unscored > 0 {
        tell(&[format!("{n_unscored} points have no row in the scores; they count as no alarm")]);
    }
    let judged: Vec<ScoredSeries<'_>> =
        joined.iter().map(|(truth, scores, threshold)| ScoredSeries { truth, scores, threshold: *threshold }).collect();
    let options = EvaluateOptions {
        delay: args.delay.unwrap_or_else(|| usual_delay(series.into_iter())),
        vus_buffer: Some(args.vus_buffer.into()),
        nab: Some(NabOptions { probation: args.nab_probation }),
    };
    let evaluation = rlad::evaluate(&judged, &options);
    let model = args.model.as_deref().map(open_saved).transpose()?;
    if let Some(model) =
        model.as_ref().filter(|model| scores.iter().any(|scores| !model.hash().starts_with(&scores.model)))
    {
        tell(&[format!("the scores are not those of model {}", &model.hash()[..16])]);
    }
    if args.json {
        let mut json = serde_json::to_value(evaluation)?;
        if let Some(model) = &model {
            json["questions"] = model.n_questions().into();
            json["labelled_points"] = model.n_labelled_points().into();
        }
        print(&serde_json::to_string_pretty(&json)?)?;
    } else {
        print(&table(&evaluation))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The delay that is usual for these series: 7 points, or 3 where every step is an hour or longer.
pub(crate) fn usual_delay<'a>(series: impl Iterator<Item = &'a Series>) -> usize {
    series.map(|series| series.clock().default_delay()).max().unwrap_or(7)
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

/// The metrics as a table for people.
pub(crate) fn table(evaluation: &Evaluation) -> String {
    let mut lines = vec![
        format!("{} points, {} anomalous", evaluation.points, evaluation.anomalies),
        format!("{:<34}{:>10}{:>10}{:>10}", "", "precision", "recall", "F1"),
    ];
    let share = |share: Option<f64>| share.map_or_else(|| "–".to_owned(), |share| format!("{share:.3}"));
    for (name, metric) in rows(evaluation) {
        lines.push(format!("{name:<34}{:>10}{:>10}{:>10.3}", share(metric.precision), share(metric.recall), metric.f1));
    }
    let area = |name: &str, area: Option<f64>| format!("{name:<34}{:>30}", share(area));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_as_reviewed() {
        let truth: Vec<_> = "....####......##....................."
            .chars()
            .map(|c| Some(if c == '#' { Label::Anomaly } else { Label::Normal }))
            .collect();
        let scores: Vec<f64> =
            "0010024320010000100030000102001000010".chars().map(|c| f64::from(c.to_digit(10).unwrap())).collect();
        let one = ScoredSeries { truth: &truth, scores: &scores, threshold: 1.5 };
        let other = ScoredSeries { truth: &truth[..20], scores: &scores[..20], threshold: 2.5 };
        insta::assert_snapshot!("table", table(&rlad::evaluate(&[one, other], &EvaluateOptions::default())));
        insta::assert_snapshot!("quick_table", table(&rlad::evaluate(&[one], &EvaluateOptions::quick(3))));
    }
}
