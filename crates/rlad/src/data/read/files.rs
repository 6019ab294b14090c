//! Which files to read, and how their series are named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::notes::{Note, Notes};
use super::source::{Source, is_pipe};
use crate::error::{Error, Result};

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Csv,
    #[cfg(feature = "parquet")]
    Parquet,
}

/// A file to read.
#[derive(Debug)]
pub(super) struct DataFile {
    pub(super) path: PathBuf,
    /// The name of its series where it has no column for it.
    pub(super) name: String,
    /// Whether it was found in a folder: then one that cannot be read is left out.
    pub(super) is_of_folder: bool,
    source: Source,
}

impl DataFile {
    pub(super) fn new(path: &Path, name: String, is_of_folder: bool) -> Self {
        Self { path: path.to_owned(), name, is_of_folder, source: Source::new(path) }
    }

    /// The file at its beginning, unpacked and in UTF-8.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub(super) fn open(&self) -> Result<File> {
        self.source.open()
    }

    /// The form of the file: by its extension, or by its first bytes where that tells nothing.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Format`] for Parquet without the feature `parquet`.
    pub(super) fn form(&self) -> Result<Form> {
        if matches!(extension(&self.path).as_str(), "xlsx" | "xls" | "ods") {
            let expected = "a CSV or Parquet file: export the sheet as CSV".to_owned();
            return Err(Error::Format { path: self.path.clone(), expected, source: None });
        }
        match form_of(&unpacked(&self.path)) {
            Ok(form) if !is_pipe(&self.path) => return Ok(form),
            Err(error) if is_parquet(&unpacked(&self.path)) => return Err(error),
            _ => {}
        }
        let mut head = Vec::new();
        let read = self.open()?.take(4).read_to_end(&mut head);
        read.map_err(|source| Error::Read { path: self.path.clone(), source })?;
        if head == b"PAR1" { form_of(Path::new("x.parquet")) } else { Ok(Form::Csv) }
    }
}

/// A path without the extension of a compressed file.
fn unpacked(path: &Path) -> PathBuf {
    match extension(path).as_str() {
        "gz" | "zst" | "zstd" => path.with_extension(""),
        _ => path.to_owned(),
    }
}

fn extension(path: &Path) -> String {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase()
}

fn is_parquet(path: &Path) -> bool {
    matches!(extension(path).as_str(), "parquet" | "pq")
}

/// The form of a file by its extension.
///
/// # Errors
/// [`Error::Format`] for any other extension, and for one of Parquet without the feature `parquet`.
pub(crate) fn form_of(path: &Path) -> Result<Form> {
    match extension(path).as_str() {
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

/// All data files among `paths` and in the folders among them, each once, in the order given and by path within a folder. A path that is no file
/// may be a pattern with `*`, `?` or `[…]`; `-` is standard input.
pub(super) fn find(paths: &[PathBuf], notes: &mut Notes) -> Result<Vec<DataFile>> {
    let mut files = Vec::new();
    let mut given = Vec::new();
    for path in paths {
        given.extend(matched(path)?);
    }
    let names = names_of(&given);
    for (path, name) in given.iter().zip(names) {
        if is_pipe(path) {
            files.push(DataFile::new(path, name, false));
            continue;
        }
        let metadata = std::fs::metadata(path).map_err(|source| Error::Read { path: path.clone(), source })?;
        if metadata.is_dir() {
            collect(path, "", &mut files, notes)?;
        } else {
            files.push(DataFile::new(path, name, false));
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(std::fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone())));
    Ok(files)
}

/// The files that a pattern matches, where the path is none itself.
fn matched(path: &Path) -> Result<Vec<PathBuf>> {
    let is_pattern = path.to_str().is_some_and(|path| path.contains(['*', '?', '[']));
    if !is_pattern || path.exists() {
        return Ok(vec![path.to_owned()]);
    }
    let pattern = path.to_string_lossy();
    let found = glob::glob(&pattern).map(|found| found.filter_map(std::result::Result::ok).collect::<Vec<_>>());
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => {
            let source = std::io::Error::new(std::io::ErrorKind::NotFound, "no file matches this pattern");
            Err(Error::Read { path: path.to_owned(), source })
        }
    }
}

/// The names of the series of files: each file's name without its extension, with as many of its folders as tell it from the others.
fn names_of(paths: &[PathBuf]) -> Vec<String> {
    let parts = |path: &PathBuf| -> Vec<String> {
        if path == Path::new("-") {
            return vec!["stdin".to_owned()];
        }
        let path = unpacked(path).with_extension("");
        path.iter().map(|part| part.to_string_lossy().into_owned()).filter(|part| part != "/" && part != ".").collect()
    };
    let all: Vec<Vec<String>> = paths.iter().map(parts).collect();
    let name = |parts: &[String], n: usize| parts[parts.len().saturating_sub(n)..].join("/");
    let longest = all.iter().map(Vec::len).max().unwrap_or(1);
    let mut n_parts = vec![1; all.len()];
    // The same path twice is one file, whatever its name.
    for n in 2..=longest {
        let mut by_name = BTreeMap::<String, BTreeSet<&PathBuf>>::new();
        for (i, parts) in all.iter().enumerate() {
            by_name.entry(name(parts, n_parts[i])).or_default().insert(&paths[i]);
        }
        for (i, parts) in all.iter().enumerate() {
            if by_name[&name(parts, n_parts[i])].len() > 1 {
                n_parts[i] = n;
            }
        }
    }
    all.iter().zip(n_parts).map(|(parts, n)| name(parts, n)).collect()
}

/// Adds the data files of a folder; `prefix` is its path below the folder that was given, with a `/` at the end. Hidden
/// entries are passed over, and links to folders are not followed: they could lead back.
///
/// In folders that are named as a partition is, `host=h0`, the partition is the series, and its files are parts of it.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<DataFile>, notes: &mut Notes) -> Result<()> {
    let unreadable = |source| Error::Read { path: folder.to_owned(), source };
    let mut entries =
        std::fs::read_dir(folder).map_err(unreadable)?.collect::<std::io::Result<Vec<_>>>().map_err(unreadable)?;
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        let file_name = entry.file_name().to_string_lossy().into_owned();
        if file_name.starts_with(['.', '_']) && !path.is_dir() || file_name.starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(unreadable)?.is_dir() {
            collect(&path, &format!("{prefix}{file_name}/"), files, notes)?;
        } else if path.is_dir() {
            notes.add(Note::OtherFile, format!("`{}`", path.display()));
        } else if holds_data(&path) {
            let stem = unpacked(&path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let name = partition(prefix).unwrap_or_else(|| format!("{prefix}{stem}"));
            files.push(DataFile::new(&path, name, true));
        } else {
            notes.add(Note::OtherFile, format!("`{}`", path.display()));
        }
    }
    Ok(())
}

/// The values of the partition that a path below the folder names: `h0/cpu` of `host=h0/metric=cpu/`.
fn partition(prefix: &str) -> Option<String> {
    let values: Vec<&str> = prefix.split('/').filter_map(|part| part.split_once('=')).map(|(_, value)| value).collect();
    (!values.is_empty()).then(|| values.join("/"))
}

/// Whether a file of a folder is one with data, by its extension.
fn holds_data(path: &Path) -> bool {
    ["csv", "tsv", "parquet", "pq"].contains(&extension(&unpacked(path)).as_str())
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

    #[test]
    fn files_of_one_name_are_told_apart_by_their_folders() {
        let of = |paths: &[&str]| names_of(&paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(of(&["h1/cpu.csv", "h2/cpu.csv.gz", "x/mem.csv"]), ["h1/cpu", "h2/cpu", "mem"]);
        assert_eq!(of(&["a/h1/cpu.csv", "b/h1/cpu.csv"]), ["a/h1/cpu", "b/h1/cpu"]);
        assert_eq!(of(&["cpu.csv", "cpu.csv", "-"]), ["cpu", "cpu", "stdin"]);
    }

    #[test]
    fn a_partition_is_a_series() {
        assert_eq!(partition("host=h0/"), Some("h0".to_owned()));
        assert_eq!(partition("region=eu/host=h0/"), Some("eu/h0".to_owned()));
        assert_eq!(partition("a/b/"), None);
    }

    #[test]
    fn a_pattern_stands_for_what_it_matches() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", "c.txt"] {
            std::fs::write(folder.path().join(name), "value\n1\n").unwrap();
        }
        let found = find(&[folder.path().join("*.csv")], &mut Notes::default()).unwrap();
        assert_eq!(found.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(find(&[folder.path().join("*.parquet")], &mut Notes::default()).is_err());
    }
}
