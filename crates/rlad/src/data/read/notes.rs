//! Notes on repairs and on what was left out while reading, in a bounded number of sentences.

use std::collections::BTreeMap;
use std::path::Path;

use super::columns::Wanted;
use crate::data::series::{NANOS_PER_SECOND, Series, TimeFormat};

/// The number of cases that a sentence names.
const MAX_NAMED: usize = 3;

/// A kind of thing that a reader may have to tell; the order is that of the sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Note {
    OtherFile,
    NotRead,
    NoRows,
    NoTime,
    NoTruth,
    Sorted,
    Dropped,
    KeptLast,
    Averaged,
    EarlyTimes,
    Counter,
    Infinite,
    OffGrid,
    OnePoint,
    AllMissing,
    Constant,
    TrainingLength,
}

impl Note {
    /// The beginning of the sentence on its cases.
    const fn text(self) -> &'static str {
        match self {
            Self::OtherFile => "not read, because its name ends in neither `.csv` nor `.parquet` (nor `.csv.gz`)",
            Self::NotRead => "left out, because it cannot be read",
            Self::NoRows => "no rows",
            Self::NoTime => "no column for the time, so the number of the row stands for it",
            Self::NoTruth => "no labels",
            Self::Sorted => "rows sorted by time",
            Self::Dropped => "rows dropped that repeat a timestamp, the first kept",
            Self::KeptLast => "rows dropped that repeat a timestamp, the last kept",
            Self::Averaged => "rows that repeat a timestamp averaged",
            Self::EarlyTimes => "times taken as seconds since 1970, as no unit is given",
            Self::Counter => "never falls, as a counter does: its rate may be meant",
            Self::Infinite => "infinite values taken as missing",
            Self::OffGrid => "timestamps off the grid of the step",
            Self::OnePoint => "one point only",
            Self::AllMissing => "no value at all in a channel",
            Self::Constant => "constant, so nothing can stand out",
            Self::TrainingLength => "points for training by the file's name",
        }
    }
}

/// Where a case stands among those of its kind, whenever it is noted: the number of its file or series, then what is noted
/// within that.
pub(crate) type Place = (usize, usize);

/// The notes of one data set.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    notes: BTreeMap<Note, BTreeMap<Place, String>>,
    /// What the columns of files were taken for, and the files of which that holds.
    roles: BTreeMap<String, Vec<String>>,
}

impl Notes {
    /// Notes one case after those before, named as it shall stand in the sentence.
    pub(crate) fn add(&mut self, note: Note, case: String) {
        let cases = self.notes.entry(note).or_default();
        cases.insert((cases.len(), 0), case);
    }

    /// Notes one case at its place; a case that is noted again counts once.
    pub(crate) fn add_at(&mut self, note: Note, place: Place, case: String) {
        self.notes.entry(note).or_default().insert(place, case);
    }

    /// Notes what the columns of a file were taken for, and that it has no time; not where only names tell, as in files of a fixed form.
    pub(super) fn read_as(&mut self, path: &Path, roles: &str, is_timed: bool, wanted: &Wanted) {
        if wanted.by_content {
            self.roles.entry(roles.to_owned()).or_default().push(path.display().to_string());
        }
        if !is_timed {
            self.add(Note::NoTime, format!("`{}`", path.display()));
        }
    }

    /// Leaves out a kind that is how the data are meant to be.
    pub(crate) fn leave_out(&mut self, note: Note) {
        self.notes.remove(&note);
    }

    /// Notes what is odd about a series, the `index`-th by name.
    pub(crate) fn observe(&mut self, index: usize, series: &Series) {
        let name = series.name();
        let timestamps = series.timestamps();
        if timestamps.len() == 1 {
            self.add_at(Note::OnePoint, (index, 0), format!("`{name}`"));
            return;
        }
        if series.time_format() != TimeFormat::Index {
            let off =
                timestamps.windows(2).filter(|pair| (pair[1].abs_diff(pair[0])) % series.step().unsigned_abs() != 0);
            let off = off.count();
            if off > 0 {
                self.add_at(Note::OffGrid, (index, 0), format!("`{name}` ({})", percent(off, timestamps.len() - 1)));
            }
        }
        // Before 1973 nobody measured what is asked about here.
        let is_early = timestamps[timestamps.len() - 1] < 100_000_000 * NANOS_PER_SECOND && timestamps[0] >= 0;
        if is_early && matches!(series.time_format(), TimeFormat::Seconds | TimeFormat::DecimalSeconds) {
            let case = format!(
                "`{name}` ({} is {})",
                series.time_format().format(timestamps[0]),
                TimeFormat::Civil.format(timestamps[0])
            );
            self.add_at(Note::EarlyTimes, (index, 0), case);
        }
        let n_channels = series.n_channels();
        let mut constant = true;
        for (channel, channel_name) in series.channels().iter().enumerate() {
            let mut values = series.values()[channel..].iter().step_by(n_channels).filter(|value| !value.is_nan());
            match values.next() {
                None => {
                    let case =
                        if n_channels == 1 { format!("`{name}`") } else { format!("`{channel_name}` of `{name}`") };
                    self.add_at(Note::AllMissing, (index, channel), case);
                    constant &= n_channels > 1;
                }
                Some(first) => {
                    if is_counter(*first, values.clone().copied()) {
                        self.add_at(Note::Counter, (index, channel), format!("`{channel_name}` of `{name}`"));
                    }
                    constant &= values.all(|value| value.to_bits() == first.to_bits());
                }
            }
        }
        if constant {
            self.add_at(Note::Constant, (index, 0), format!("`{name}`"));
        }
    }

    /// The notes as sentences, one a kind.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let sentence = |(note, cases): (&Note, &BTreeMap<Place, String>)| {
            let named: Vec<&str> = cases.values().take(MAX_NAMED).map(String::as_str).collect();
            let more = cases.len() - named.len();
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("{}: {}{more}", note.text(), named.join(", "))
        };
        self.notes.iter().map(sentence).collect()
    }

    /// What the columns were taken for: a line for the files that are alike, the most files first; of many kinds the rest is a number.
    pub(crate) fn roles(&self) -> Vec<String> {
        let read = |(roles, files): (&String, &Vec<String>)| match &files[..] {
            [one] => format!("`{one}`: {roles}"),
            [first, ..] => format!("{} files as `{first}`: {roles}", files.len()),
            [] => roles.clone(),
        };
        let mut kinds: Vec<_> = self.roles.iter().collect();
        kinds.sort_by_key(|(_, files)| std::cmp::Reverse(files.len()));
        let n_more = kinds.len().saturating_sub(MAX_NAMED);
        let n_files: usize = kinds.iter().skip(MAX_NAMED).map(|(_, files)| files.len()).sum();
        let more = (n_more > 0).then(|| format!("{n_files} files of {n_more} other kinds"));
        kinds.into_iter().take(MAX_NAMED).map(read).chain(more).collect()
    }
}

/// Whether values are those of a counter: whole numbers of which nearly all are at least the one before, and many are above it.
fn is_counter(first: f64, rest: impl Iterator<Item = f64>) -> bool {
    const MIN_POINTS: usize = 100;
    let (mut before, mut n, mut n_rises, mut n_falls) = (first, 0_usize, 0_usize, 0_usize);
    for value in rest {
        if value.fract() != 0.0 || value < 0.0 {
            return false;
        }
        n += 1;
        n_rises += usize::from(value > before);
        n_falls += usize::from(value < before);
        before = value;
    }
    // A counter that starts anew falls once in a while.
    n >= MIN_POINTS && 2 * n_rises >= n && n_falls * 100 <= n
}

/// A fraction as a percentage that is 0 or 100 only where it is.
fn percent(part: usize, whole: usize) -> String {
    let percent = 100.0 * part as f64 / whole as f64;
    if percent < 0.1 { "below 0.1 %".to_owned() } else { format!("{percent:.1} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(timestamps: &[i64], values: &[f64]) -> Vec<String> {
        let channels = (0..values.len() / timestamps.len()).map(|channel| format!("c{channel}")).collect();
        let series =
            Series::new("s", channels, TimeFormat::Nanoseconds, timestamps.to_vec(), values.to_vec(), None).unwrap();
        let mut notes = Notes::default();
        notes.observe(0, &series);
        notes.sentences()
    }

    #[test]
    fn a_usual_series_needs_no_note() {
        assert!(observed(&[0, 60, 120, 480], &[1.0, 2.0, f64::NAN, 4.0]).is_empty());
    }

    #[test]
    fn what_is_odd_about_a_series_is_told() {
        assert_eq!(
            observed(&[0, 60, 120, 190, 250], &[1.0, 2.0, 3.0, 4.0, 5.0]),
            ["timestamps off the grid of the step: `s` (25.0 %)"]
        );
        assert_eq!(observed(&[5], &[1.0]), ["one point only: `s`"]);
        assert_eq!(observed(&[0, 1, 2], &[1.0, f64::NAN, 1.0]), ["constant, so nothing can stand out: `s`"]);
        assert_eq!(observed(&[0, 1], &[f64::NAN; 2]), ["no value at all in a channel: `s`"]);
        assert_eq!(observed(&[0, 1], &[1.0, f64::NAN, 2.0, f64::NAN]), ["no value at all in a channel: `c1` of `s`"]);
    }

    #[test]
    fn however_many_cases_make_one_sentence() {
        let mut notes = Notes::default();
        for case in ["a", "b", "c", "d", "e"] {
            notes.add(Note::Sorted, case.to_owned());
        }
        assert_eq!(notes.sentences(), ["rows sorted by time: a, b, c and 2 more"]);
    }

    #[test]
    fn cases_stand_at_their_place_and_count_once() {
        let mut notes = Notes::default();
        for (place, case) in [((1, 0), "c"), ((0, 1), "b"), ((0, 0), "a"), ((0, 1), "b")] {
            notes.add_at(Note::Sorted, place, case.to_owned());
        }
        assert_eq!(notes.sentences(), ["rows sorted by time: a, b, c"]);
    }
}
