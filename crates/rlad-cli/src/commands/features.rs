//! `rlad features`: writes the features of each point.

use std::process::ExitCode;

use rlad::Config;

use crate::args::FeaturesArgs;
use crate::folder::read_config;
use crate::input::read;
use crate::output::print;
use crate::outputs::check_outputs;
use crate::progress::Progress;

/// Runs the command.
pub(crate) fn run(args: &FeaturesArgs) -> anyhow::Result<ExitCode> {
    check_outputs(&[("--out", Some(&args.out))], &args.data)?;
    let config = match &args.config {
        Some(path) => read_config(path)?,
        None => Config::preset(args.preset.unwrap_or_default()),
    };
    let data = read(&args.data, &args.form)?;
    let n_points = data.n_points();
    let mut bar = Progress::new("features", n_points as u64);
    let features = &config.state.features;
    rlad::features::write_features(&args.out, &data, features, args.form.part.unwrap_or(config.part), |done| {
        bar.set(done as u64)
    })?;
    drop(bar);
    let (n_series, n_features) = (data.series.len(), features.len());
    print(&format!("{n_series} series, {n_points} points, {n_features} features: {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}
