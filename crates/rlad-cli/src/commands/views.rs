//! `rlad views`: writes what the detector sees of each point.

use std::process::ExitCode;

use rlad::Config;

use crate::args::ViewsArgs;
use crate::commands::{print, read};
use crate::folder::read_config;
use crate::progress::Progress;

/// Runs the command.
pub(crate) fn run(args: &ViewsArgs) -> anyhow::Result<ExitCode> {
    let config = match &args.config {
        Some(path) => read_config(path)?,
        None => Config::preset(args.preset.unwrap_or_default()),
    };
    let data = read(&args.data, &args.form)?;
    let n_points: usize = data.members.iter().map(|member| member.series.len()).sum();
    let mut bar = Progress::new("views", n_points as u64);
    let views = &config.state.views;
    rlad::features::write_views(&args.out, &data, views, args.form.part.unwrap_or(config.part), |done| {
        bar.set(done as u64)
    })?;
    drop(bar);
    let (n_series, n_views) = (data.members.len(), views.len());
    print(&format!("{n_series} series, {n_points} points, {n_views} views: {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}
