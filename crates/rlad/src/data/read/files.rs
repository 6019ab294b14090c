//! Which files to read, and how their series are named.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::notes::{Note, Notes};
use crate::error::{Error, Result};

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Csv,
    #[cfg(feature = "parquet")]
    Parquet,
}

/// A file to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DataFile {
    pub(super) path: PathBuf,
    /// The name of its series where it has no column for it.
    pub(super) name: String,
}

/// The form of a file by its extension.
///
/// # Errors
/// [`Error::Format`] for any other extension, and for one of Parquet without the feature `parquet`.
pub(crate) fn form_of(path: &Path) -> Result<Form> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase();
    match extension.as_str() {
        "csv" | "tsv" | "txt" => Ok(Form::Csv),
        #[cfg(feature = "parquet")]
        "parquet" | "pq" => Ok(Form::Parquet),
        #[cfg(not(feature = "parquet"))]
        "parquet" | "pq" => Err(Error::Format {
            path: path.to_owned(),
            expected: "a CSV file, and Parquet needs the feature `parquet` of the crate `rlad`, which is off"
                .to_owned(),
            source: None,
        }),
        _ => Err(Error::Format {
            path: path.to_owned(),
            expected: "a file whose name ends in `.csv` or `.parquet`".to_owned(),
            source: None,
        }),
    }
}

/// All data files among `paths` and in the folders among them, each once, in the order given and by path within a folder.
pub(super) fn find(paths: &[PathBuf], notes: &mut Notes) -> Result<Vec<DataFile>> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|source| Error::Read { path: path.clone(), source })?;
        if metadata.is_dir() {
            collect(path, "", &mut files, notes)?;
        } else {
            form_of(path)?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            files.push(DataFile { path: path.clone(), name });
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(std::fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone())));
    Ok(files)
}

/// Adds the data files of a folder; `prefix` is its path below the folder that was given, with a `/` at the end. Hidden
/// entries are passed over, and links to folders are not followed: they could lead back.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<DataFile>, notes: &mut Notes) -> Result<()> {
    let unreadable = |source| Error::Read { path: folder.to_owned(), source };
    let mut entries =
        std::fs::read_dir(folder).map_err(unreadable)?.collect::<std::io::Result<Vec<_>>>().map_err(unreadable)?;
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        let file_name = entry.file_name().to_string_lossy().into_owned();
        if file_name.starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(unreadable)?.is_dir() {
            collect(&path, &format!("{prefix}{file_name}/"), files, notes)?;
        } else if path.is_dir() {
            notes.add(Note::OtherFile, format!("`{}`", path.display()));
        } else if holds_data(&path) {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            files.push(DataFile { name: format!("{prefix}{stem}"), path });
        } else {
            notes.add(Note::OtherFile, format!("`{}`", path.display()));
        }
    }
    Ok(())
}

/// Whether a file of a folder is one with data, by its extension.
fn holds_data(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["csv", "tsv", "parquet", "pq"].contains(&extension.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_named_by_their_path_below_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("a/b.csv")).unwrap();
        for name in ["z.csv", "a/b.csv/y.parquet", "a/LICENSE.txt", ".hidden.csv", "a/x.TSV"] {
            std::fs::write(path(name), "").unwrap();
        }
        let mut notes = Notes::default();
        let paths = [folder.path().to_owned(), path("z.csv")];
        let names: Vec<String> = find(&paths, &mut notes).unwrap().into_iter().map(|file| file.name).collect();
        assert_eq!(names, ["a/b.csv/y", "a/x", "z"]);
        assert_eq!(notes.sentences().len(), 1);
    }
}
