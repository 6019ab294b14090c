//! Which column of a file is what: by the name that the user gave, or by the usual names.

use std::path::Path;

use crate::error::{Error, Result};

/// The columns to read. What is not named is looked for by its usual names, whatever their case.
///
/// A name given here is met exactly, or else by the one column that differs in case, spaces and dashes only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The name of the series; by default one of `series`, `series_id`, `series_name`, `kpi id`, `id`, `unique_id`,
    /// `item_id`, `metric`, `metric_name`, `name`. A file without such a column is one series.
    pub series: Option<String>,
    /// The time; by default one of `timestamp`, `timestamps`, `time`, `ts`, `date`, `datetime`, `ds`. Without such a column
    /// the time is the number of the row.
    pub time: Option<String>,
    /// The value channels; by default `value` or `values`, or else every numeric column that is nothing else.
    pub values: Vec<String>,
    /// The truth; by default one of `label`, `labels`, `is_anomaly`, `anomaly`. A file without such a column has no truth.
    pub label: Option<String>,
}

/// How one column is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Find {
    /// By its usual names, if it is there.
    #[default]
    Usual,
    /// By its usual names, and it must be there.
    Required,
    /// By this name, and it must be there.
    Named(String),
    /// Not at all.
    Absent,
}

/// The columns that a reader of one kind of file wants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) series: Find,
    pub(crate) time: Find,
    pub(crate) values: Vec<String>,
    pub(crate) label: Find,
    /// A further column of text.
    pub(crate) tag: Option<String>,
}

impl From<&Columns> for Wanted {
    fn from(columns: &Columns) -> Self {
        let find = |name: &Option<String>| name.clone().map_or(Find::Usual, Find::Named);
        Self {
            series: find(&columns.series),
            time: find(&columns.time),
            values: columns.values.clone(),
            label: find(&columns.label),
            tag: None,
        }
    }
}

/// The kind of a column, as far as it matters for its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Numbers.
    Number,
    /// No cell at all, so it may be anything.
    Blank,
    /// Anything else.
    Other,
}

/// Which column is what, as indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) series: Option<usize>,
    pub(crate) time: Option<usize>,
    pub(crate) values: Vec<usize>,
    pub(crate) label: Option<usize>,
    pub(crate) tag: Option<usize>,
    /// The columns that are read as nothing, though somebody may have meant them.
    pub(crate) left_out: Vec<usize>,
}

const SERIES: [&str; 10] =
    ["series", "series_id", "series_name", "kpi_id", "id", "unique_id", "item_id", "metric", "metric_name", "name"];
const TIME: [&str; 7] = ["timestamp", "timestamps", "time", "ts", "date", "datetime", "ds"];
const LABEL: [&str; 4] = ["label", "labels", "is_anomaly", "anomaly"];
const VALUE: [&str; 2] = ["value", "values"];

/// Finds the columns of a file.
///
/// `kinds` is called only where the names alone do not tell the value channels.
///
/// # Errors
/// [`Error::Columns`] if a column that was named or must be there is not, if two could be meant, if no value channel is left
/// or if two columns have the same name.
pub(crate) fn find(
    path: &Path,
    names: &[String],
    wanted: &Wanted,
    kinds: impl FnOnce() -> Result<Vec<Kind>>,
) -> Result<Roles> {
    let wrong = |expected: String| Error::Columns { path: path.to_owned(), expected, found: names.to_vec() };
    for (index, name) in names.iter().enumerate() {
        if !is_unnamed(name) && names[..index].contains(name) {
            return Err(wrong(format!("expected each column once, but `{name}` stands twice")));
        }
    }
    let named = |name: &str| {
        let exact = names.iter().position(|column| column == name);
        exact.map_or_else(
            || {
                let similar: Vec<usize> = (0..names.len()).filter(|&i| plain(&names[i]) == plain(name)).collect();
                match similar[..] {
                    [one] => Ok(one),
                    [] => Err(wrong(format!("expected a column named `{name}`"))),
                    _ => Err(wrong(format!("expected one column named `{name}` but for case, spaces and dashes"))),
                }
            },
            Ok,
        )
    };

    // Named columns come first, so that no usual name takes one of them.
    let mut taken = vec![false; names.len()];
    let mut take = |name: &str| -> Result<usize> {
        let index = named(name)?;
        if std::mem::replace(&mut taken[index], true) {
            return Err(wrong(format!("expected one use of each column, but `{name}` is asked for twice")));
        }
        Ok(index)
    };
    let mut by_name = |find: &Find| match find {
        Find::Named(name) => take(name).map(Some),
        _ => Ok(None),
    };
    let mut roles = Roles {
        series: by_name(&wanted.series)?,
        time: by_name(&wanted.time)?,
        label: by_name(&wanted.label)?,
        ..Roles::default()
    };
    roles.tag = wanted.tag.as_deref().map(&mut take).transpose()?;
    roles.values = wanted.values.iter().map(|name| take(name)).collect::<Result<_>>()?;

    let mut usual = |find: &Find, found: &mut Option<usize>, what: &str, usual_names: &[&str]| -> Result<()> {
        if !matches!(find, Find::Usual | Find::Required) {
            return Ok(());
        }
        let free = |&i: &usize| !taken[i] && usual_names.contains(&plain(&names[i]).as_str());
        let candidates: Vec<usize> = (0..names.len()).filter(free).collect();
        match candidates[..] {
            [] if *find == Find::Required => {
                let usual_names: Vec<String> = usual_names.iter().map(|name| format!("`{name}`")).collect();
                return Err(wrong(format!("expected a column for the {what} ({})", usual_names.join(", "))));
            }
            [] => {}
            [one] => {
                taken[one] = true;
                *found = Some(one);
            }
            [first, second, ..] => {
                return Err(wrong(format!(
                    "expected one column for the {what}, but it could be `{}` or `{}`",
                    names[first], names[second]
                )));
            }
        }
        Ok(())
    };
    usual(&wanted.series, &mut roles.series, "series", &SERIES)?;
    usual(&wanted.time, &mut roles.time, "time", &TIME)?;
    usual(&wanted.label, &mut roles.label, "label", &LABEL)?;
    if wanted.values.is_empty() {
        let mut value = None;
        usual(&Find::Usual, &mut value, "value", &VALUE)?;
        roles.values.extend(value);
    }

    let rest: Vec<usize> = (0..names.len()).filter(|&i| !taken[i] && !is_unnamed(&names[i])).collect();
    if roles.values.is_empty() {
        let kinds = kinds()?;
        let of_kind = |kind| rest.iter().copied().filter(|&i| kinds[i] == kind).collect::<Vec<_>>();
        roles.values = of_kind(Kind::Number);
        if roles.values.is_empty() {
            roles.values = of_kind(Kind::Blank);
        }
        if roles.values.is_empty() {
            return Err(wrong("expected a column of numbers for the value".to_owned()));
        }
    }
    // Who names the value columns has seen the others.
    if wanted.values.is_empty() {
        roles.left_out = rest.into_iter().filter(|i| !roles.values.contains(i)).collect();
    }
    Ok(roles)
}

/// A name without regard to case, spaces and dashes.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

/// Whether a column is the unnamed index that some programs write beside the data.
fn is_unnamed(name: &str) -> bool {
    name.trim().is_empty() || name.starts_with("Unnamed: ") || name.starts_with("__index_level_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(names: &[&str], wanted: &Wanted) -> Result<Roles> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let kind = |name: &String| if name == "host" { Kind::Other } else { Kind::Number };
        find(Path::new("x.csv"), &names, wanted, || Ok(names.iter().map(kind).collect()))
    }

    fn message(names: &[&str], wanted: &Wanted) -> String {
        roles(names, wanted).unwrap_err().to_string()
    }

    #[test]
    fn usual_names_are_found_in_any_case() {
        let found = roles(&["timestamp", "value", "label", "KPI ID"], &Wanted::default()).unwrap();
        assert_eq!(
            found,
            Roles { series: Some(3), time: Some(0), values: vec![1], label: Some(2), ..Roles::default() }
        );
        assert_eq!(roles(&["DateTime", "Is_Anomaly", "Value"], &Wanted::default()).unwrap().label, Some(1));
    }

    #[test]
    fn without_a_value_column_every_number_left_is_a_channel() {
        let found = roles(&["ts", "cpu", "host", "ram", ""], &Wanted::default()).unwrap();
        assert_eq!((found.values, found.left_out), (vec![1, 3], vec![2]));
        let found = roles(&["ts", "cpu", "value"], &Wanted::default()).unwrap();
        assert_eq!((found.values, found.left_out), (vec![2], vec![1]));
    }

    #[test]
    fn a_named_column_is_taken_from_the_usual_names() {
        let wanted = Wanted { values: vec!["metric".to_owned()], ..Wanted::default() };
        assert_eq!(roles(&["time", "metric"], &wanted).unwrap().series, None);
        let wanted = Wanted { time: Find::Named("DATE".to_owned()), ..Wanted::default() };
        assert_eq!(roles(&["time", "date", "value"], &wanted).unwrap().time, Some(1));
        let wanted = Wanted { time: Find::Named("day".to_owned()), ..Wanted::default() };
        assert!(message(&["time", "value"], &wanted).contains("expected a column named `day`"));
    }

    #[test]
    fn what_cannot_be_told_apart_is_an_error_that_lists_the_columns() {
        assert_eq!(
            message(&["date", "time", "value"], &Wanted::default()),
            "`x.csv`: expected one column for the time, but it could be `date` or `time`, found the columns `date`, `time`, \
             `value`"
        );
        assert!(message(&["time", "a", "a"], &Wanted::default()).contains("`a` stands twice"));
        assert!(message(&["time", "host"], &Wanted::default()).contains("a column of numbers"));
        let wanted = Wanted { label: Find::Required, ..Wanted::default() };
        assert!(message(&["time", "value"], &wanted).contains("a column for the label"));
    }
}
