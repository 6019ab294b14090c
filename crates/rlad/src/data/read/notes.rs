//! Notes on repairs and omissions while reading, in a bounded number of sentences.

use std::collections::BTreeMap;

use crate::data::series::{Series, TimeFormat};

/// The number of cases that a sentence names.
const MAX_NAMED: usize = 3;

/// A kind of thing that a reader may have to tell; the order is that of the sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Note {
    OtherFile,
    NoRows,
    LeftOut,
    NoTime,
    NoTruth,
    Sorted,
    Dropped,
    Infinite,
    OffGrid,
    OnePoint,
    AllMissing,
    Constant,
    TrainingLength,
}

impl Note {
    /// The text of a sentence, without its cases.
    const fn text(self) -> &'static str {
        match self {
            Self::OtherFile => "not read, because its name ends in neither `.csv` nor `.parquet`",
            Self::NoRows => "no rows",
            Self::LeftOut => "column not read",
            Self::NoTime => "no column for the time, so the number of the row stands for it",
            Self::NoTruth => "no labels",
            Self::Sorted => "rows sorted by time",
            Self::Dropped => "rows dropped that repeat a timestamp, the first kept",
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
}

impl Notes {
    /// Notes one case behind those before, named as it shall stand in the sentence.
    pub(crate) fn add(&mut self, note: Note, case: String) {
        let cases = self.notes.entry(note).or_default();
        cases.insert((cases.len(), 0), case);
    }

    /// Notes one case at its place; a case that is noted again counts once.
    pub(crate) fn add_at(&mut self, note: Note, place: Place, case: String) {
        self.notes.entry(note).or_default().insert(place, case);
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
                Some(first) => constant &= values.all(|value| value.to_bits() == first.to_bits()),
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
}

/// A share as a percentage that is 0 or 100 only where it is.
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
