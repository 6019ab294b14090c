//! What each command does.

pub(crate) mod asking;
pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod detect;
pub(crate) mod evaluate;
pub(crate) mod features;
pub(crate) mod import;
pub(crate) mod label;
pub(crate) mod labels;
pub(crate) mod train;
pub(crate) mod train_method;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rlad::Saved;
use rlad::data::{Columns, DataSet, ReadOptions};

use crate::args::DataArgs;
use crate::folder;

/// Reads data, and tells on stderr what was repaired.
fn read(paths: &[PathBuf], form: &DataArgs) -> anyhow::Result<DataSet> {
    let data = rlad::read(paths, &read_options(form))?;
    tell(&data.notes);
    Ok(data)
}

/// How data are read.
fn read_options(form: &DataArgs) -> ReadOptions {
    let columns = Columns {
        series: form.series_column.clone(),
        time: form.time_column.clone(),
        values: form.value_columns.clone(),
        label: form.label_column.clone(),
    };
    ReadOptions { columns, step: form.step_ns }
}

/// Notes for the user, on stderr.
fn tell(notes: &[String]) {
    let mut stderr = io::stderr().lock();
    for note in notes {
        // There is nobody to tell if stderr is closed.
        let _ = writeln!(stderr, "note: {note}");
    }
}

/// The detector in a file, or in the folder of a session.
fn open_saved(path: &Path) -> anyhow::Result<Saved> {
    let file = if path.is_dir() { path.join(folder::MODEL) } else { path.to_owned() };
    if path.is_dir() && !file.exists() {
        return Err(crate::Advice::error(
            format!("the session `{}` has no model yet", path.display()),
            format!("end its training with `rlad train … --session {} --resume`", path.display()),
        ));
    }
    let bytes = std::fs::read(&file).map_err(|source| rlad::Error::Read { path: file.clone(), source })?;
    Ok(Saved::from_bytes(&file, bytes)?)
}

/// Uses this many threads for all that follows.
fn use_threads(threads: Option<std::num::NonZeroUsize>) -> anyhow::Result<()> {
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .build_global()
            .context("cannot start the threads")?;
    }
    Ok(())
}

/// Writes a line to stdout.
fn print(line: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.write_all(b"\n")?;
    Ok(())
}
