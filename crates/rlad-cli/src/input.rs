//! Data and detectors that the command line names.

use std::path::{Path, PathBuf};

use rlad::Saved;
use rlad::data::DataSet;

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

/// The detector in a file, or in the folder of a session.
pub(crate) fn open_saved(path: &Path) -> anyhow::Result<Saved> {
    let file = if path.is_dir() { path.join(folder::MODEL) } else { path.to_owned() };
    if path.is_dir() && !file.exists() {
        return Err(Advice::error(
            format!("the session `{}` has no model yet", path.display()),
            format!("end its training with `rlad train … --session {} --resume`", path.display()),
        ));
    }
    let bytes = std::fs::read(&file).map_err(|source| rlad::Error::Read { path: file.clone(), source })?;
    Ok(Saved::from_bytes(&file, bytes)?)
}

/// Whether a path is that of data, by its name.
pub(crate) fn is_data(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    [".csv", ".tsv", ".parquet", ".pq", ".csv.gz", ".csv.zst"].iter().any(|end| name.ends_with(end))
}
