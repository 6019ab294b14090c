//! Which column of a file is what: by the name that the user gave, by the usual names, or by what its cells look like.

mod content;

use std::collections::HashSet;
use std::path::Path;

use jiff::tz::TimeZone;

use super::cell::shorten;
use super::form::FileForm;
use super::sample::{Kind, Look};
use super::time::TimeSyntax;
use crate::error::{Error, Result};

/// The columns to read. What is not named is looked for by its usual names, whatever their case, and then by its cells.
///
/// A name given here is met exactly, or else by the one column that differs in case, spaces and dashes only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The name of the series, or the parts of it, which a `/` joins; by default one of `series`, `series_id`, `series_name`, `kpi id`, `id`,
    /// `unique_id`, `item_id`, `metric`, `metric_name`, `name`, or else the columns of text that tell apart the rows of one time. Without such a
    /// column a file is one series.
    pub series: Vec<String>,
    /// The time, or a date and a time of day; by default one of `timestamp`, `timestamps`, `time`, `ts`, `date`, `datetime`, `ds`, `_time`,
    /// `@timestamp`, or else the one column whose cells are times. Without such a column the time is the number of the row.
    pub time: Vec<String>,
    /// The value channels; by default `value` or `values`, or else every numeric column that is nothing else.
    pub values: Vec<String>,
    /// The truth; by default one of `label`, `labels`, `is_anomaly`, `anomaly`, or else the one column of 0 and 1 whose name says that it is a
    /// label. A file without such a column has no truth.
    pub label: Option<String>,
    /// There is no truth, whatever the columns.
    pub no_label: bool,
}

/// How one column is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Find {
    /// By its usual names, if it is there.
    #[default]
    Usual,
    /// By its usual names, and it must be there.
    Required,
    /// By these names, which must be there; at least one.
    Named(Vec<String>),
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
    /// Whether what names do not tell is looked for in the cells; else the names tell all.
    pub(crate) by_content: bool,
    /// How the file is written, as far as the user says it.
    pub(crate) form: FileForm,
    /// The zone of times without one.
    pub(crate) zone: Option<TimeZone>,
}

impl Wanted {
    /// What a user's file is read by.
    ///
    /// # Errors
    /// [`Error::Setting`] for a zone that is not known.
    pub(crate) fn of(columns: &Columns, form: &FileForm) -> Result<Self> {
        let find = |names: &[String]| if names.is_empty() { Find::Usual } else { Find::Named(names.to_vec()) };
        let zone = |name: &String| {
            TimeZone::get(name).map_err(|_| Error::Setting {
                name: "time_zone".to_owned(),
                expected: "a zone of the IANA database, such as `Europe/Berlin` or `UTC`".to_owned(),
                found: name.clone(),
            })
        };
        let label = match &columns.label {
            _ if columns.no_label => Find::Absent,
            None => Find::Usual,
            Some(name) => Find::Named(vec![name.clone()]),
        };
        Ok(Self {
            series: find(&columns.series),
            time: find(&columns.time),
            values: columns.values.clone(),
            label,
            tag: None,
            by_content: true,
            zone: form.time_zone.as_ref().map(zone).transpose()?,
            form: form.clone(),
        })
    }
}

/// Which column is what, as indices.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Roles {
    /// The parts of the series' name; none where the file is one series.
    pub(crate) series: Vec<usize>,
    /// The time, or the date and the time of day; none where the number of the row stands for it.
    pub(crate) time: Vec<usize>,
    /// How the time is written.
    pub(crate) times: TimeSyntax,
    pub(crate) values: Vec<usize>,
    pub(crate) label: Option<usize>,
    pub(crate) tag: Option<usize>,
    /// The columns that are read as nothing, though somebody may have meant them.
    pub(crate) left_out: Vec<usize>,
}

impl Roles {
    /// The roles in words: what is what, and what is left out.
    pub(crate) fn told(&self, names: &[String]) -> String {
        const MAX_NAMED: usize = 8;
        let list = |indices: &[usize]| {
            let named: Vec<String> =
                indices.iter().take(MAX_NAMED).map(|&i| format!("`{}`", shown(&names[i], i))).collect();
            let more = indices.len().saturating_sub(MAX_NAMED);
            if more == 0 { named.join(", ") } else { format!("{} and {more} more", named.join(", ")) }
        };
        let mut told = Vec::new();
        if !self.time.is_empty() {
            let form = self.times.told().map_or_else(String::new, |form| format!(" {form}"));
            told.push(format!("time {}{form}", list(&self.time)));
        }
        if !self.series.is_empty() {
            told.push(format!("series {}", list(&self.series)));
        }
        told.push(format!("{} {}", if self.values.len() == 1 { "channel" } else { "channels" }, list(&self.values)));
        if let Some(label) = self.label {
            told.push(format!("label {}", list(&[label])));
        }
        if !self.left_out.is_empty() {
            told.push(format!("left out {}", list(&self.left_out)));
        }
        told.join("; ")
    }
}

/// The name of a column for people: its place where it has none.
fn shown(name: &str, index: usize) -> String {
    if name.trim().is_empty() { format!("column {}", index + 1) } else { shorten(name) }
}

/// The rows of a file, for what its columns' names do not tell.
pub(crate) trait Rows {
    /// What each column looks like.
    fn looks(&mut self) -> Result<Vec<Look>>;
    /// Some cells of a column, from the first rows.
    fn cells(&mut self, column: usize) -> Result<Vec<String>>;
    /// How many rows repeat a key, which is what these columns hold, and how many different cells each of them has.
    fn repeats(&mut self, key: &[usize]) -> Result<Repeats>;
}

/// What a pass over a file's rows found of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Repeats {
    /// All rows.
    pub(crate) n_rows: usize,
    /// Those whose key another row before them has.
    pub(crate) n_repeated: usize,
    /// The different cells of each column of the key; at most 1,000,000 are counted.
    pub(crate) n_distinct: Vec<usize>,
}

/// Rows of which only the kinds of the columns are known.
pub(crate) struct Kinds(pub(crate) Vec<Kind>);

impl Rows for Kinds {
    fn looks(&mut self) -> Result<Vec<Look>> {
        Ok(self.0.iter().copied().map(Look::from).collect())
    }

    fn cells(&mut self, _: usize) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn repeats(&mut self, key: &[usize]) -> Result<Repeats> {
        Ok(Repeats { n_distinct: vec![0; key.len()], ..Repeats::default() })
    }
}

const SERIES: [&str; 10] =
    ["series", "series_id", "series_name", "kpi_id", "id", "unique_id", "item_id", "metric", "metric_name", "name"];
const TIME: [&str; 9] = ["timestamp", "timestamps", "time", "ts", "date", "datetime", "ds", "_time", "@timestamp"];
const LABEL: [&str; 4] = ["label", "labels", "is_anomaly", "anomaly"];
const VALUE: [&str; 3] = ["value", "values", "_value"];

/// A search for the columns of one file.
struct Finder<'a> {
    path: &'a Path,
    names: &'a [String],
    taken: Vec<bool>,
    roles: Roles,
}

/// Finds the columns of a file.
///
/// Its rows are looked at only where the names alone do not tell, and always where `wanted.by_content`.
///
/// # Errors
/// [`Error::Columns`] if a column that was named or must be there is not, if two could be meant, if no value channel is left
/// or if two columns have the same name; those of reading the rows.
pub(crate) fn find(path: &Path, names: &[String], wanted: &Wanted, rows: &mut dyn Rows) -> Result<Roles> {
    let mut finder = Finder { path, names, taken: vec![false; names.len()], roles: Roles::default() };
    let mut seen = HashSet::with_capacity(names.len());
    for name in names {
        if !is_unnamed(name) && !seen.insert(name) {
            return Err(finder.wrong(format!("expected each column once, but `{name}` stands twice")));
        }
    }
    // Named columns come first, so that no usual name takes one of them.
    finder.roles.series = finder.named(&wanted.series)?;
    finder.roles.time = finder.named(&wanted.time)?;
    finder.roles.label = finder.named(&wanted.label)?.first().copied();
    finder.roles.tag = wanted.tag.as_deref().map(|name| finder.take(name)).transpose()?;
    finder.roles.values = wanted.values.iter().map(|name| finder.take(name)).collect::<Result<_>>()?;
    let looks = if wanted.by_content { finder.find_by_content(wanted, rows)? } else { finder.find_by_name(wanted)? };

    let names_values = !wanted.values.is_empty();
    let rest: Vec<usize> = (0..names.len()).filter(|&i| !finder.taken[i] && !is_unnamed(&names[i])).collect();
    if finder.roles.values.is_empty() {
        let looks = looks.map_or_else(|| rows.looks(), Ok)?;
        finder.roles.values = finder.channels(&rest, &looks, wanted)?;
    }
    // Who names the value columns has seen the others.
    if !names_values {
        let values: HashSet<usize> = finder.roles.values.iter().copied().collect();
        finder.roles.left_out = rest.into_iter().filter(|i| !values.contains(i)).collect();
    }
    Ok(finder.roles)
}

impl Finder<'_> {
    fn wrong(&self, expected: String) -> Error {
        Error::Columns { path: self.path.to_owned(), expected, found: self.names.to_vec() }
    }

    /// Takes a column by its name.
    fn take(&mut self, name: &str) -> Result<usize> {
        let exact = self.names.iter().position(|column| column == name);
        let similar = || (0..self.names.len()).filter(|&i| plain(&self.names[i]) == plain(name)).collect::<Vec<_>>();
        let index = match exact.map_or_else(similar, |exact| vec![exact])[..] {
            [one] => one,
            [] => return Err(self.wrong(format!("expected a column named `{name}`"))),
            _ => return Err(self.wrong(format!("expected one column named `{name}` but for case, spaces and dashes"))),
        };
        if std::mem::replace(&mut self.taken[index], true) {
            return Err(self.wrong(format!("expected one use of each column, but `{name}` is asked for twice")));
        }
        Ok(index)
    }

    fn named(&mut self, find: &Find) -> Result<Vec<usize>> {
        match find {
            Find::Named(names) => names.iter().map(|name| self.take(name)).collect(),
            _ => Ok(Vec::new()),
        }
    }

    /// The columns that are still free and have one of the usual names.
    fn usual(&self, usual_names: &[&str]) -> Vec<usize> {
        let is_free = |&i: &usize| !self.taken[i] && usual_names.contains(&plain(&self.names[i]).as_str());
        (0..self.names.len()).filter(is_free).collect()
    }

    /// Takes the one of some candidates.
    fn one(&mut self, candidates: &[usize], find: &Find, what: &str, usual_names: &[&str]) -> Result<Option<usize>> {
        match *candidates {
            [] if *find == Find::Required => {
                let usual_names: Vec<String> = usual_names.iter().map(|name| format!("`{name}`")).collect();
                Err(self.wrong(format!("expected a column for the {what} ({})", usual_names.join(", "))))
            }
            [] => Ok(None),
            [one] => {
                self.taken[one] = true;
                Ok(Some(one))
            }
            [first, second, ..] => {
                let name = |index: usize| shown(&self.names[index], index);
                let expected = format!(
                    "expected one column for the {what}, but it could be `{}` or `{}`",
                    name(first),
                    name(second)
                );
                Err(self.wrong(expected))
            }
        }
    }

    /// What the usual names alone tell.
    fn find_by_name(&mut self, wanted: &Wanted) -> Result<Option<Vec<Look>>> {
        if is_looked_for(&wanted.series) {
            let series = self.one(&self.usual(&SERIES), &wanted.series, "series", &SERIES)?;
            self.roles.series.extend(series);
        }
        if is_looked_for(&wanted.time) {
            let time = self.one(&self.usual(&TIME), &wanted.time, "time", &TIME)?;
            self.roles.time.extend(time);
        }
        if is_looked_for(&wanted.label) {
            self.roles.label = self.one(&self.usual(&LABEL), &wanted.label, "label", &LABEL)?;
        }
        self.find_value(wanted)?;
        Ok(None)
    }

    fn find_value(&mut self, wanted: &Wanted) -> Result<()> {
        if wanted.values.is_empty() {
            let value = self.one(&self.usual(&VALUE), &Find::Usual, "value", &VALUE)?;
            self.roles.values.extend(value);
        }
        Ok(())
    }

    /// The value channels where none has a usual name: the columns of numbers, or else the empty ones.
    fn channels(&self, rest: &[usize], looks: &[Look], wanted: &Wanted) -> Result<Vec<usize>> {
        let is_channel = |&i: &usize| !wanted.by_content || self.may_be_channel(i, &looks[i]);
        for kind in [Kind::Number, Kind::Blank] {
            let of_kind: Vec<usize> =
                rest.iter().copied().filter(|&i| looks[i].kind == kind).filter(is_channel).collect();
            if !of_kind.is_empty() {
                return Ok(of_kind);
            }
        }
        Err(self.wrong("expected a column of numbers for the value".to_owned()))
    }
}

const fn is_looked_for(find: &Find) -> bool {
    matches!(find, Find::Usual | Find::Required)
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
        find(Path::new("x.csv"), &names, wanted, &mut Kinds(names.iter().map(kind).collect()))
    }

    fn message(names: &[&str], wanted: &Wanted) -> String {
        roles(names, wanted).unwrap_err().to_string()
    }

    #[test]
    fn usual_names_are_found_in_any_case() {
        let found = roles(&["timestamp", "value", "label", "KPI ID"], &Wanted::default()).unwrap();
        assert_eq!(
            found,
            Roles { series: vec![3], time: vec![0], values: vec![1], label: Some(2), ..Roles::default() }
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
        assert_eq!(roles(&["time", "metric"], &wanted).unwrap().series, [0_usize; 0]);
        let wanted = Wanted { time: Find::Named(vec!["DATE".to_owned()]), ..Wanted::default() };
        assert_eq!(roles(&["time", "date", "value"], &wanted).unwrap().time, [1]);
        let wanted = Wanted { time: Find::Named(vec!["day".to_owned()]), ..Wanted::default() };
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
