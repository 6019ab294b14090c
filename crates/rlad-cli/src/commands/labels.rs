//! `rlad labels`: a session's labels out and in, in the forms of other tools.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use rlad::Error;

use crate::args::{LabelsAction, LabelsArgs};
use crate::commands::label::{locked, server_without_learner};
use crate::output::{print, print_notes};

/// Runs the command.
pub(crate) fn run(args: &LabelsArgs) -> anyhow::Result<ExitCode> {
    match &args.action {
        LabelsAction::Export { session, format, out } => export(session, format.name(), out.as_deref()),
        LabelsAction::Import { session, file, format, who } => import(session, file, format.name(), who.as_deref()),
    }
}

fn export(session: &Path, format: &str, out: Option<&Path>) -> anyhow::Result<ExitCode> {
    let exported = server_without_learner(session, None)?.export(format)?;
    match out {
        Some(path) => rlad::data::write_file(path, exported.text.as_bytes())?,
        None => io::stdout().lock().write_all(exported.text.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn import(session: &Path, file: &Path, format: &str, who: Option<&str>) -> anyhow::Result<ExitCode> {
    let bytes = std::fs::read(file).map_err(|source| Error::Read { path: file.to_owned(), source })?;
    let _lock = locked(session)?;
    let server = server_without_learner(session, who)?;
    let imported = server.import(&server.settings.who, format, &file.to_string_lossy(), &bytes)?;
    print(&format!("{} spans of {} taken in", imported["spans"], file.display()))?;
    for name in imported["unknown_series"].as_array().into_iter().flatten().filter_map(|name| name.as_str()) {
        print_notes(&[format!("the session has no series `{name}`")]);
    }
    if let Some(n) = imported["uncovered"].as_u64().filter(|n| *n > 0) {
        print_notes(&[format!("{n} spans lie where their series has no point")]);
    }
    Ok(ExitCode::SUCCESS)
}
