//! The data source of a session: a file of its folder, so that nobody has to name the data again.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rlad::Error;
use rlad::data::{Columns, FileForm, ReadOptions};
use serde::{Deserialize, Deserializer, Serialize};

use crate::args::DataArgs;

/// The name of the file.
const DATA: &str = "data.json";

/// Where the data of a session lie, and how their columns are found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataSource {
    /// The files and folders.
    pub(crate) paths: Vec<PathBuf>,
    /// The parts of the series' name, where its columns were named.
    #[serde(default, skip_serializing_if = "Vec::is_empty", alias = "series_column", deserialize_with = "one_or_more")]
    pub(crate) series_columns: Vec<String>,
    /// The column with the timestamps, or those with the date and the time of day.
    #[serde(default, skip_serializing_if = "Vec::is_empty", alias = "time_column", deserialize_with = "one_or_more")]
    pub(crate) time_columns: Vec<String>,
    /// The columns with values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) value_columns: Vec<String>,
    /// The column with the truth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label_column: Option<String>,
    /// Whether no column is the truth.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) no_labels: bool,
    /// How the files are written, as far as it was said.
    #[serde(default, skip_serializing_if = "is_found")]
    pub(crate) form: FileForm,
    /// The time between two points, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) step_ns: Option<i64>,
    /// The questions in all that were allowed at the labelling server, and take effect with the next round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) questions: Option<usize>,
}

/// Whether nothing was said of a form.
fn is_found(form: &FileForm) -> bool {
    *form == FileForm::default()
}

/// One name, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Names {
        One(String),
        More(Vec<String>),
    }
    Ok(match Names::deserialize(from)? {
        Names::One(name) => vec![name],
        Names::More(names) => names,
    })
}

impl DataSource {
    /// The source that was named on the command line. Paths are made absolute.
    pub(crate) fn new(paths: &[PathBuf], form: &DataArgs) -> Self {
        Self {
            paths: paths.iter().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())).collect(),
            series_columns: form.series_columns.clone(),
            time_columns: form.time_columns.clone(),
            value_columns: form.value_columns.clone(),
            label_column: form.label_column.clone(),
            no_labels: form.no_labels,
            form: form.form(),
            step_ns: form.step_ns,
            questions: None,
        }
    }

    /// The source that a folder names, if it names one.
    ///
    /// # Errors
    /// If it cannot be read or holds something else.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = folder.join(DATA);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Read { path, source }.into()),
        };
        serde_json::from_str(&text).map(Some).with_context(|| format!("cannot use `{}`", path.display()))
    }

    /// Writes it to a folder.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(rlad::data::write_file(&folder.join(DATA), text.as_bytes())?)
    }

    /// How the data are read.
    pub(crate) fn options(&self) -> ReadOptions {
        let columns = Columns {
            series: self.series_columns.clone(),
            time: self.time_columns.clone(),
            values: self.value_columns.clone(),
            label: self.label_column.clone(),
            no_label: self.no_labels,
        };
        ReadOptions { columns, form: self.form.clone(), step: self.step_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_survives_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(DataSource::read(folder.path()).unwrap(), None);
        let form = DataArgs { value_columns: vec!["cpu".into()], step_ns: Some(7), skip: 2, ..Default::default() };
        let source = DataSource::new(&["a.csv".into()], &form);
        assert!(source.paths[0].is_absolute());
        source.write(folder.path()).unwrap();
        assert_eq!(DataSource::read(folder.path()).unwrap(), Some(source));
        std::fs::write(folder.path().join(DATA), r#"{"paths": ["/a.csv"], "series_column": "host"}"#).unwrap();
        assert_eq!(
            DataSource::read(folder.path()).unwrap().unwrap().series_columns,
            ["host"],
            "as it was written before"
        );
        std::fs::write(folder.path().join(DATA), "{").unwrap();
        assert!(DataSource::read(folder.path()).is_err());
    }
}
