//! What the cells tell of a file's columns, where the names do not.

use super::{Find, Finder, LABEL, Rows, SERIES, TIME, Wanted, is_looked_for, is_unnamed, plain};
use crate::data::read::sample::{Kind, Look};
use crate::data::read::time::{TimeLook, TimeSyntax, look};
use crate::error::Result;

/// Rows from which on a key that is another in each of them names no series.
const MIN_ROWS_OF_KEY: usize = 10;
/// The share of rows that may repeat a timestamp without a sign that a file holds several series.
const FEW: f64 = 0.01;
/// What the name of a column of 0 and 1 says where it is a label.
const LABEL_WORDS: [&str; 10] = [
    "anomal",
    "outlier",
    "label",
    "changepoint",
    "change_point",
    "attack",
    "fault",
    "ground_truth",
    "is_normal",
    "novelty",
];

impl Finder<'_> {
    /// Finds the time, the series, the label and the value by name and by content.
    pub(super) fn find_by_content(&mut self, wanted: &Wanted, rows: &mut dyn Rows) -> Result<Option<Vec<Look>>> {
        let looks = rows.looks()?;
        if is_looked_for(&wanted.time) {
            self.find_time(wanted, &looks)?;
        }
        self.find_syntax(wanted, &looks, rows)?;
        if is_looked_for(&wanted.series) {
            self.find_named_series(wanted, &looks)?;
        }
        if is_looked_for(&wanted.label) {
            self.find_label(wanted, &looks)?;
        }
        self.find_value(wanted)?;
        if is_looked_for(&wanted.series) && self.roles.series.is_empty() && !self.roles.time.is_empty() {
            self.find_tags(&looks, rows)?;
        }
        Ok(Some(looks))
    }

    fn find_time(&mut self, wanted: &Wanted, looks: &[Look]) -> Result<()> {
        let usual = self.usual(&TIME);
        let is_time = |i: &usize| {
            looks[*i].is_typed_time || matches!(looks[*i].time, TimeLook::Calendar { .. } | TimeLook::Ambiguous)
        };
        let is_regular = |i: &usize| matches!(looks[*i].time, TimeLook::Number { is_regular: true, .. });
        let free: Vec<usize> = (0..self.names.len()).filter(|&i| !self.taken[i]).collect();
        let candidates = if usual.len() == 1 {
            usual
        } else if !usual.is_empty() {
            let timely: Vec<usize> = usual.iter().copied().filter(|i| is_time(i) || is_regular(i)).collect();
            if timely.is_empty() { usual } else { timely }
        } else {
            let timely: Vec<usize> = free.iter().copied().filter(|i| is_time(i)).collect();
            // What is the same in every row, as the bounds of a query are, is no time of the rows.
            let varying = |i: &usize| looks[*i].n_distinct != 1 || looks[*i].n_filled < 2;
            let timely = if timely.len() > 1 { timely.into_iter().filter(varying).collect() } else { timely };
            if timely.is_empty() { free.iter().copied().filter(|i| is_regular(i)).collect() } else { timely }
        };
        // A date beside a time of day is half of a time.
        let is_date = |i: &usize| {
            matches!(looks[*i].time, TimeLook::Calendar { has_clock: false, .. } | TimeLook::Ambiguous)
                && !looks[*i].is_typed_time
        };
        let dates: Vec<usize> = candidates.iter().copied().filter(is_date).collect();
        let dates = if dates.is_empty() { free.iter().copied().filter(is_date).collect() } else { dates };
        let clocks: Vec<usize> = free.iter().copied().filter(|&i| looks[i].time == TimeLook::Clock).collect();
        if let ([date], [clock]) = (&dates[..], &clocks[..])
            && candidates.iter().all(|candidate| [date, clock].contains(&candidate))
        {
            self.taken[*date] = true;
            self.taken[*clock] = true;
            self.roles.time = vec![*date, *clock];
            return Ok(());
        }
        let time = self.one(&candidates, &wanted.time, "time", &TIME)?;
        self.roles.time.extend(time);
        Ok(())
    }

    fn find_syntax(&mut self, wanted: &Wanted, looks: &[Look], rows: &mut dyn Rows) -> Result<()> {
        let said = match (&wanted.form.time_format, wanted.form.time_unit) {
            (Some(pattern), _) => Some(TimeSyntax::pattern(pattern)),
            (None, Some(unit)) => Some(TimeSyntax::unit(unit)),
            (None, None) => None,
        };
        let of_cells = match self.roles.time[..] {
            [] => TimeLook::No,
            [one] => looks[one].time.clone(),
            [date, clock, ..] => {
                let joined: Vec<String> = rows
                    .cells(date)?
                    .iter()
                    .zip(rows.cells(clock)?)
                    .map(|(date, clock)| format!("{date} {clock}"))
                    .collect();
                let joined: Vec<&str> = joined.iter().map(String::as_str).collect();
                if joined.is_empty() { TimeLook::No } else { look(&joined) }
            }
        };
        let syntax = match (said, of_cells) {
            (Some(said), _) => said,
            (None, TimeLook::Calendar { syntax, .. } | TimeLook::Number { syntax, .. }) => syntax,
            (None, TimeLook::Ambiguous) => {
                let name = &self.names[self.roles.time[0]];
                let expected = format!("expected dates in `{name}` of which the day and the month can be told apart");
                return Err(self.wrong(expected));
            }
            (None, TimeLook::No | TimeLook::Clock) => TimeSyntax::default(),
        };
        self.roles.times = syntax.in_zone(wanted.zone.clone());
        Ok(())
    }

    fn find_named_series(&mut self, wanted: &Wanted, looks: &[Look]) -> Result<()> {
        let time_repeats = self.roles.time.iter().any(|&time| looks[time].n_distinct < looks[time].n_filled);
        // A key that is another in every row numbers the rows, unless several rows share a time.
        let is_row_number = |i: &usize| {
            looks[*i].n_distinct == looks[*i].n_filled && looks[*i].n_filled >= MIN_ROWS_OF_KEY && !time_repeats
        };
        let mut candidates = self.usual(&SERIES);
        if wanted.series == Find::Usual {
            candidates.retain(|i| !is_row_number(i));
        }
        let texts: Vec<usize> = candidates.iter().copied().filter(|&i| looks[i].kind == Kind::Other).collect();
        if candidates.len() > 1 && texts.len() == 1 {
            candidates = texts;
        }
        let series = self.one(&candidates, &wanted.series, "series", &SERIES)?;
        self.roles.series.extend(series);
        Ok(())
    }

    fn find_label(&mut self, wanted: &Wanted, looks: &[Look]) -> Result<()> {
        let mut candidates = self.usual(&LABEL);
        if candidates.is_empty() && wanted.label == Find::Usual {
            candidates = (0..self.names.len()).filter(|&i| !self.taken[i] && self.says_label(i, &looks[i])).collect();
            // Of several none is taken: they are left out, and the user can name one.
            if candidates.len() > 1 {
                return Ok(());
            }
        }
        self.roles.label = self.one(&candidates, &wanted.label, "label", &LABEL)?;
        Ok(())
    }

    /// Whether a column is one of 0 and 1 whose name says that it is a label.
    fn says_label(&self, index: usize, look: &Look) -> bool {
        let name = plain(&self.names[index]);
        (look.is_binary || look.is_signed) && LABEL_WORDS.iter().any(|word| name.contains(word))
    }

    /// Whether a column of numbers may be a measurement: no label, no clock and no number of the row.
    pub(super) fn may_be_channel(&self, index: usize, look: &Look) -> bool {
        let is_clock = matches!(look.time, TimeLook::Number { is_regular: true, .. })
            || matches!(&look.time, TimeLook::Calendar { syntax, .. } if !syntax.is_usual());
        let is_key = SERIES.contains(&plain(&self.names[index]).as_str());
        !is_clock && !is_key && !self.says_label(index, look)
    }

    /// Finds the columns of text that tell apart the rows of one time.
    fn find_tags(&mut self, looks: &[Look], rows: &mut dyn Rows) -> Result<()> {
        let is_tag = |i: &usize| {
            !self.taken[*i]
                && looks[*i].kind == Kind::Other
                && looks[*i].time == TimeLook::No
                && !looks[*i].is_typed_time
                && (2 * looks[*i].n_distinct <= looks[*i].n_filled
                    || !is_unnamed(&self.names[*i]) && looks[*i].n_distinct < looks[*i].n_filled)
        };
        let tags: Vec<usize> = (0..self.names.len()).filter(is_tag).collect();
        if tags.is_empty() {
            return Ok(());
        }
        let alone = rows.repeats(&self.roles.time)?;
        if alone.n_repeated as f64 <= FEW * alone.n_rows as f64 {
            return Ok(());
        }
        let key: Vec<usize> = self.roles.time.iter().chain(&tags).copied().collect();
        let with_tags = rows.repeats(&key)?;
        if with_tags.n_repeated as f64 > FEW * with_tags.n_rows as f64 {
            return Ok(());
        }
        let n_distinct = &with_tags.n_distinct[self.roles.time.len()..];
        let is_constant = |i: usize| n_distinct[i] <= 1;
        for (_, &tag) in tags.iter().enumerate().filter(|(i, _)| !is_constant(*i)) {
            self.taken[tag] = true;
            self.roles.series.push(tag);
        }
        Ok(())
    }
}
