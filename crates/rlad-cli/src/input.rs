//! Data and detectors that the command line names.

use std::path::{Path, PathBuf};

use rlad::Saved;
use rlad::data::{Calendar, DataSet};

use crate::advice::Advice;
use crate::args::DataArgs;
use crate::folder;
use crate::output::{print_notes, print_roles};

/// Reads data, and tells on stderr what was repaired.
pub(crate) fn read(paths: &[PathBuf], form: &DataArgs) -> anyhow::Result<DataSet> {
    let data = rlad::read(paths, &form.options())?;
    print_roles(&data.roles);
    print_notes(&data.notes);
    Ok(data)
}

/// The detector in a file, or in the folder of a session, with the calendar of the session.
pub(crate) fn open_saved(path: &Path) -> anyhow::Result<Saved> {
    let file = if path.is_dir() { path.join(folder::MODEL) } else { path.to_owned() };
    if path.is_dir() && !file.exists() {
        return Err(Advice::error(
            format!("the session `{}` has no model yet", path.display()),
            format!("end its training with `rlad train … --session {} --resume`", path.display()),
        ));
    }
    let bytes = std::fs::read(&file).map_err(|source| rlad::Error::Read { path: file.clone(), source })?;
    let saved = Saved::from_bytes(&file, bytes)?;
    Ok(match calendar_beside(path) {
        Some(calendar) => saved.with_calendar(Calendar::read(calendar)?),
        None => saved,
    })
}

/// The calendar of expected events of the session whose folder, or whose model, a path is.
pub(crate) fn calendar_beside(path: &Path) -> Option<PathBuf> {
    let folder = if path.is_dir() { Some(path) } else { path.parent() };
    folder.and_then(folder::calendar_of)
}

/// Whether a path is that of data, by its name.
pub(crate) fn is_data(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    [".csv", ".tsv", ".parquet", ".pq", ".csv.gz", ".csv.zst"].iter().any(|end| name.ends_with(end))
}
