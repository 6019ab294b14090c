//! `rlad evaluate`: measures scores against the truth.

use std::collections::HashMap;
use std::process::ExitCode;

use rlad::data::SeriesScores;
use rlad::metrics::{EvaluateOptions, NabOptions, ScoredSeries};
use rlad::{Error, Label};

use crate::args::EvaluateArgs;
use crate::evaluation::{table, usual_delay};
use crate::input::{open_saved, read};
use crate::output::{print, print_notes};

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
        print_notes(&[format!("{n_unscored} points have no row in the scores; they count as no alarm")]);
    }
    let scored_series: Vec<ScoredSeries<'_>> =
        joined.iter().map(|(truth, scores, threshold)| ScoredSeries { truth, scores, threshold: *threshold }).collect();
    let options = EvaluateOptions {
        delay: args.delay.unwrap_or_else(|| usual_delay(series.into_iter())),
        vus_buffer: Some(args.vus_buffer.into()),
        nab: Some(NabOptions { probation: args.nab_probation }),
    };
    let evaluation = rlad::evaluate(&scored_series, &options);
    let model = args.model.as_deref().map(open_saved).transpose()?;
    if let Some(model) =
        model.as_ref().filter(|model| scores.iter().any(|scores| !model.hash().starts_with(&scores.model)))
    {
        print_notes(&[format!("the scores are not those of model {}", &model.hash()[..16])]);
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
