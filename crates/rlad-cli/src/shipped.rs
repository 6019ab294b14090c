//! The data that ship with the program: two series of the AIOps KPI data.

use std::fs;
use std::path::{Path, PathBuf};

use rlad::data::{DataSet, ReadOptions};

/// The data: a path under the folder of the crate's data, and the file.
macro_rules! shipped {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../data/", $path)))),*]
    };
}

const DATA: &[(&str, &[u8])] = shipped![
    "kpi/a8c06b47-cc41-3738-9110-12df0ee4c721.csv",
    "kpi/adb2fde9-8589-3f5b-a410-5fe14386c7af.csv",
    "kpi/LICENSE",
];

/// Writes the data in the program into a folder, and reads them as any data are read.
pub(crate) fn unpack(folder: &Path) -> anyhow::Result<DataSet> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for (path, bytes) in DATA {
        // Beside each other, so that a series has the same name whether its file is read or the folder.
        let path = folder.join(Path::new(path).file_name().unwrap_or_default());
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, bytes));
        written.map_err(|source| rlad::Error::Write { path: path.clone(), source })?;
        if path.extension().is_some_and(|of| of == "csv") {
            paths.push(path);
        }
    }
    Ok(rlad::read(&paths, &ReadOptions::default())?)
}
