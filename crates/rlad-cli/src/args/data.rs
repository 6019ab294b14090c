//! The flags that say how data are written.

use clap::{Args, ValueEnum};
use rlad::data::{Columns, DecimalMark, Duplicates, FileForm, Part, ReadOptions, TimeUnit};

use super::nanoseconds;

/// How the columns of the data are found, and how they are written.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Data")]
pub(crate) struct DataArgs {
    /// Column that names the series; repeat it for several, whose parts name it together [default: found]
    #[arg(long = "series-column", value_name = "NAME")]
    pub(crate) series_columns: Vec<String>,
    /// Column with the timestamps; repeat it for a date and a time of day [default: found]
    #[arg(long = "time-column", value_name = "NAME")]
    pub(crate) time_columns: Vec<String>,
    /// Column with values; repeat it for several [default: found]
    #[arg(long = "value-column", value_name = "NAME")]
    pub(crate) value_columns: Vec<String>,
    /// Column with the truth: 0, 1, and empty or -1 for unknown [default: found]
    #[arg(long, value_name = "NAME")]
    pub(crate) label_column: Option<String>,
    /// Take no column for the truth
    #[arg(long, conflicts_with = "label_column")]
    pub(crate) no_labels: bool,
    /// Each value column is a series by itself
    #[arg(long)]
    pub(crate) wide: bool,
    /// Column that is a counter: its rate per second is the value; repeat it for several
    #[arg(long = "counter", value_name = "NAME")]
    pub(crate) counters: Vec<String>,
    /// Times as `strptime` writes them, such as `%d/%m/%Y %H:%M`
    #[arg(long, value_name = "FORMAT")]
    pub(crate) time_format: Option<String>,
    /// What times that are numbers count: `s`, `ms`, `us`, `ns` or `days` since 1970, or `excel`, a spreadsheet's days [default: found]
    #[arg(long, value_name = "UNIT", hide_possible_values = true, conflicts_with = "time_format")]
    pub(crate) time_unit: Option<UnitArg>,
    /// Zone of times that have none, such as `Europe/Berlin` [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) time_zone: Option<String>,
    /// Decimal mark of numbers, `point` or `comma`; what else parts groups of three digits is passed over [default: found]
    #[arg(long, value_name = "MARK", hide_possible_values = true)]
    pub(crate) decimal: Option<DecimalArg>,
    /// Text that stands for a missing value, besides an empty cell, `NaN`, `null` and `NA`; repeat it for several
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) missing: Vec<String>,
    /// The first row is data: the columns are `column 1`, `column 2`, …
    #[arg(long)]
    pub(crate) no_header: bool,
    /// Lines before the header to pass over
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) skip: usize,
    /// What becomes of rows of one series with one timestamp: the `last` stays, their `mean`, or an `error` [default: the last, where
    /// they are few]
    #[arg(long, value_name = "WHICH", hide_possible_values = true)]
    pub(crate) duplicates: Option<DuplicatesArg>,
    /// Time between two points, as in `60s`, `5m` or `1h` [default: each series' most common one]
    #[arg(long = "step", value_name = "TIME", value_parser = nanoseconds)]
    pub(crate) step_ns: Option<i64>,
    /// Use only this part of each series' points, as fractions: `..0.8` the first 80 %, `0.8..` the last 20 %
    #[arg(long, value_name = "FROM..TO")]
    pub(crate) part: Option<Part>,
}

/// A unit of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnitArg {
    /// Seconds since 1970
    #[value(alias = "seconds")]
    S,
    /// Milliseconds since 1970
    Ms,
    /// Microseconds since 1970
    Us,
    /// Nanoseconds since 1970
    Ns,
    /// Days since 1970
    Days,
    /// Days as spreadsheets count them
    Excel,
}

/// A decimal mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DecimalArg {
    /// 1.5
    #[value(alias = ".")]
    Point,
    /// 1,5
    #[value(alias = ",")]
    Comma,
}

/// What becomes of rows with one timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DuplicatesArg {
    /// The last of them stays
    Last,
    /// Their mean stays
    Mean,
    /// They are an error
    Error,
}

/// The flags that say that files are written so.
pub(crate) fn form_flags(form: &FileForm) -> Vec<String> {
    let mut flags = Vec::new();
    let mut say =
        |flag: &str, value: Option<&str>| flags.extend([Some(flag), value].into_iter().flatten().map(str::to_owned));
    for (flag, is_said) in [("--wide", form.wide), ("--no-header", form.no_header)] {
        if is_said {
            say(flag, None);
        }
    }
    let decimal = form.decimal.map(|mark| match mark {
        DecimalMark::Point => "point",
        DecimalMark::Comma => "comma",
    });
    let unit = form.time_unit.map(|unit| match unit {
        TimeUnit::Seconds => "s",
        TimeUnit::Milliseconds => "ms",
        TimeUnit::Microseconds => "us",
        TimeUnit::Nanoseconds => "ns",
        TimeUnit::Days => "days",
        TimeUnit::Excel => "excel",
    });
    let duplicates = form.duplicates.map(|which| match which {
        Duplicates::Last => "last",
        Duplicates::Mean => "mean",
        Duplicates::Error => "error",
    });
    let skip = (form.skip > 0).then(|| form.skip.to_string());
    for (flag, value) in [
        ("--time-format", form.time_format.as_deref()),
        ("--time-unit", unit),
        ("--time-zone", form.time_zone.as_deref()),
        ("--decimal", decimal),
        ("--skip", skip.as_deref()),
        ("--duplicates", duplicates),
    ] {
        if value.is_some() {
            say(flag, value);
        }
    }
    form.counters.iter().for_each(|counter| say("--counter", Some(counter)));
    form.missing.iter().for_each(|missing| say("--missing", Some(missing)));
    flags
}

impl DataArgs {
    /// How the data are read.
    pub(crate) fn options(&self) -> ReadOptions {
        ReadOptions { columns: self.columns(), form: self.form(), step: self.step_ns }
    }

    /// The columns that were named.
    pub(crate) fn columns(&self) -> Columns {
        Columns {
            series: self.series_columns.clone(),
            time: self.time_columns.clone(),
            values: self.value_columns.clone(),
            label: self.label_column.clone(),
            no_label: self.no_labels,
        }
    }

    /// How the files are written, as far as it was said.
    pub(crate) fn form(&self) -> FileForm {
        FileForm {
            no_header: self.no_header,
            skip: self.skip,
            decimal: self.decimal.map(|mark| match mark {
                DecimalArg::Point => DecimalMark::Point,
                DecimalArg::Comma => DecimalMark::Comma,
            }),
            missing: self.missing.clone(),
            time_format: self.time_format.clone(),
            time_unit: self.time_unit.map(|unit| match unit {
                UnitArg::S => TimeUnit::Seconds,
                UnitArg::Ms => TimeUnit::Milliseconds,
                UnitArg::Us => TimeUnit::Microseconds,
                UnitArg::Ns => TimeUnit::Nanoseconds,
                UnitArg::Days => TimeUnit::Days,
                UnitArg::Excel => TimeUnit::Excel,
            }),
            time_zone: self.time_zone.clone(),
            duplicates: self.duplicates.map(|which| match which {
                DuplicatesArg::Last => Duplicates::Last,
                DuplicatesArg::Mean => Duplicates::Mean,
                DuplicatesArg::Error => Duplicates::Error,
            }),
            counters: self.counters.clone(),
            wide: self.wide,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn flags_say_what_they_were_read_from() {
        let said = [
            "--wide",
            "--no-header",
            "--time-format",
            "%d/%m/%Y %H:%M",
            "--time-zone",
            "Europe/Berlin",
            "--decimal",
            "comma",
            "--skip",
            "2",
            "--duplicates",
            "mean",
            "--counter",
            "bytes",
            "--missing",
            "-",
        ];
        let Command::Detect(args) =
            Cli::parse_from(["rlad", "detect", "m", "a.csv", "--out", "x.csv"].iter().chain(&said)).command
        else {
            panic!("the command is `detect`")
        };
        assert_eq!(form_flags(&args.form.form()), said);
        assert_eq!(form_flags(&FileForm::default()), [""; 0]);
    }
}
