//! `rlad serve`: the service beside Prometheus or VictoriaMetrics; `rlad health`: whether it is ready.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use crate::advice::Advice;
use crate::args::{HealthArgs, ServeArgs};
use crate::browser;
use crate::output::{print, print_notes, tell};
use crate::serve::{Client, ClientOptions, ServeConfig, Start, check, convert, run as serve};

/// Exit code of a service that is not ready.
const NOT_READY: u8 = 1;

/// The files for Prometheus and Grafana, by name.
const ASSETS: [(&str, &str); 4] = [
    ("rules.yml", include_str!("../serve/assets/rules.yml")),
    ("self-monitoring.yml", include_str!("../serve/assets/self-monitoring.yml")),
    ("dashboard-fleet.json", include_str!("../serve/assets/dashboard-fleet.json")),
    ("dashboard-series.json", include_str!("../serve/assets/dashboard-series.json")),
];

/// Runs the command.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.from_vmanomaly {
        return convert_file(path);
    }
    if let Some(folder) = &args.write_assets {
        return write_assets(folder);
    }
    let config = config(args)?;
    check(&config)?;
    if args.dry_run {
        print(config.to_toml()?.trim_end())?;
        tell("the configuration can be started with; nothing was asked of any server");
        return Ok(ExitCode::SUCCESS);
    }
    let is_first_try = args.datasource.is_some() && !args.no_open && config.server.bind.ip().is_loopback();
    let opened = if is_first_try { browser::open } else { |_: &str| () };
    serve(Start { config, path: args.config.clone(), model: args.model.clone(), opened })?;
    Ok(ExitCode::SUCCESS)
}

fn config(args: &ServeArgs) -> anyhow::Result<ServeConfig> {
    let mut config = match (&args.config, &args.datasource) {
        (Some(path), _) => ServeConfig::read(path)?,
        (None, Some(url)) if !args.queries.is_empty() => ServeConfig::quick(url, &args.queries)?,
        (None, Some(_)) => {
            return Err(Advice::error(
                "expected what to watch, found no `--query`".to_owned(),
                "add one, as in `--query 'rate(http_requests_total[5m])'`".to_owned(),
            ));
        }
        (None, None) => ServeConfig::default(),
    };
    if let Some(folder) = &args.state {
        config.state.dir.clone_from(folder);
    }
    if let Some(bind) = args.bind {
        config.server.bind = bind;
    }
    config.validate()?;
    Ok(config)
}

fn convert_file(path: &Path) -> anyhow::Result<ExitCode> {
    let yaml = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let converted = convert(&yaml).with_context(|| format!("cannot use `{}`", path.display()))?;
    print(converted.toml.trim_end())?;
    print_notes(&converted.notes);
    Ok(ExitCode::SUCCESS)
}

fn write_assets(folder: &Path) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    for (name, text) in ASSETS {
        let path = folder.join(name);
        rlad::data::write_file(&path, text.as_bytes())?;
        print(&path.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks a service whether it is ready.
pub(crate) fn health(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&ClientOptions { timeout: Duration::from_secs(5), ..ClientOptions::default() })?;
    let reply = client.get(&format!("{}/-/ready", args.url.trim_end_matches('/')))?;
    let text = String::from_utf8_lossy(&reply.body);
    print(text.trim())?;
    Ok(if reply.is_success() { ExitCode::SUCCESS } else { ExitCode::from(NOT_READY) })
}
