//! `rlad import`: turns a published data set into one file.

use std::process::ExitCode;

use rlad::data::Source;

use crate::args::{ImportArgs, PublishedSet};
use crate::output::{print, print_notes};
use crate::outputs::check_outputs;

/// Runs the command.
pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    check_outputs(&[("--out", Some(&args.out))], std::slice::from_ref(&args.source))?;
    let source = match args.set {
        PublishedSet::Nab => Source::Nab,
        PublishedSet::Kpi => Source::Kpi,
        PublishedSet::YahooS5 => Source::YahooS5,
        PublishedSet::TsbAd => Source::TsbAd,
    };
    let data = rlad::data::import(source, &args.source)?;
    print_notes(&data.notes);
    rlad::data::write_dataset(&args.out, &data)?;
    let n_points = data.n_points();
    let n_anomalies: usize = data.truths.iter().flatten().map(rlad::data::Truth::n_anomalies).sum();
    let n_series = data.series.len();
    print(&format!("{n_series} series, {n_points} points, {n_anomalies} anomalous: {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}
