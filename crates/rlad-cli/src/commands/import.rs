//! `rlad import`: turns a published data set into one file.

use std::process::ExitCode;

use rlad::data::Source;

use crate::args::{DataSet, ImportArgs};
use crate::commands::{print, tell};

/// Runs the command.
pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let source = match args.set {
        DataSet::Nab => Source::Nab,
        DataSet::Kpi => Source::Kpi,
        DataSet::YahooS5 => Source::YahooS5,
        DataSet::TsbAd => Source::TsbAd,
    };
    let data = rlad::data::import(source, &args.source)?;
    tell(&data.notes);
    rlad::data::write_dataset(&args.out, &data)?;
    let n_points = data.n_points();
    let n_anomalies: usize = data.truths.iter().flatten().map(rlad::data::Truth::n_anomalies).sum();
    let n_series = data.series.len();
    print(&format!("{n_series} series, {n_points} points, {n_anomalies} anomalous: {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}
