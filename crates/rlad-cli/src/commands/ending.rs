//! The end of a command: what its detector finds, where everything lies, and the command that comes next.

use std::path::{Path, PathBuf};

use rlad::data::{NANOS_PER_SECOND, Part};
use rlad::{Detector, Series};

use crate::annotate::DataSource;
use crate::args::form_flags;
use crate::findings::Findings;
use crate::progress::Progress;

/// What a detector finds in the data of its session.
///
/// # Errors
/// Those of scoring.
pub(crate) fn findings_in(detector: &dyn Detector, series: &[Series]) -> anyhow::Result<Findings> {
    let mut bar = Progress::new("looking for events", series.iter().map(|series| series.len() as u64).sum());
    let (mut findings, mut n_done) = (Findings::default(), 0);
    for series in series {
        let scores = detector.detect_part(series, Part::ALL)?;
        findings.add(detector, series, &scores, false, false)?;
        n_done += series.len() as u64;
        bar.set(n_done);
    }
    Ok(findings)
}

/// The lines of what was found: a headline, and the worst events.
pub(crate) fn lines_of(findings: &Findings) -> Vec<String> {
    let mut lines = vec![findings.headline()];
    if findings.n_events > 0 {
        lines[0].push_str(", the worst first:");
        lines.extend(findings.lines());
    }
    lines
}

/// The line with the next command.
pub(crate) fn next(command: &str) -> String {
    format!("next: {command}")
}

/// The command that scores the data of a session, with a report.
pub(crate) fn detect_command(session: &Path, source: &DataSource) -> String {
    let mut words = vec!["rlad".to_owned(), "detect".to_owned(), word(session)];
    words.extend(data_words(source));
    words.extend(["--out", "scores.csv", "--report", "report.html"].map(str::to_owned));
    words.join(" ")
}

/// The command that goes on with training a session. `oracle`: who answers, where it is not the person at the terminal.
pub(crate) fn resume_command(session: &Path, source: &DataSource, oracle: Option<&Path>) -> String {
    let mut words = vec!["rlad".to_owned(), "train".to_owned()];
    words.extend(data_words(source));
    words.extend(["--session".to_owned(), word(session), "--resume".to_owned()]);
    words.extend(oracle.into_iter().flat_map(|oracle| ["--oracle".to_owned(), word(oracle)]));
    words.join(" ")
}

/// The data of a session as words of a command line.
fn data_words(source: &DataSource) -> Vec<String> {
    let mut words: Vec<String> = source.paths.iter().map(|path| word(path)).collect();
    let columns = [
        ("--series-column", source.series_columns.iter().collect::<Vec<_>>()),
        ("--time-column", source.time_columns.iter().collect()),
        ("--value-column", source.value_columns.iter().collect()),
        ("--label-column", source.label_column.iter().collect()),
    ];
    for (flag, names) in columns {
        words.extend(names.into_iter().flat_map(|name| [flag.to_owned(), quoted(name)]));
    }
    words.extend(source.no_labels.then(|| "--no-labels".to_owned()));
    words.extend(form_flags(&source.form).iter().map(|word| quoted(word)));
    words.extend(source.step_ns.into_iter().flat_map(|step| ["--step".to_owned(), in_units(step)]));
    words
}

/// The command that begins a session on data.
pub(crate) fn begin_command(session: &Path, data: &Path, n_questions: usize) -> String {
    format!("rlad label {} {} --questions {n_questions}", word(session), word(data))
}

/// The command that goes on with the questions of a session.
pub(crate) fn label_command(session: &Path) -> String {
    format!("rlad label {}", word(session))
}

/// The command that measures scores against the labels of data.
pub(crate) fn evaluate_command(scores: &Path, data: &[PathBuf]) -> String {
    let data: Vec<String> = data.iter().map(|path| word(path)).collect();
    format!("rlad evaluate {} --truth {}", word(scores), data.join(" "))
}

/// The command that is running, with more words at its end.
pub(crate) fn same_command_with(more: &str) -> String {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy())).collect();
    format!("rlad {} {more}", words.join(" "))
}

/// A path as a word of a command line: below the current folder from there.
fn word(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(&here).ok().filter(|path| !path.as_os_str().is_empty()).unwrap_or(path);
    let text = path.to_string_lossy();
    // A name that begins with a dash would be read as a flag.
    if text.starts_with('-') { quoted(&format!("./{text}")) } else { quoted(&text) }
}

/// A word as a shell takes it: in quotes where it needs them.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else if cfg!(windows) {
        format!("\"{word}\"")
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A time in the largest unit of which it is a whole number: `60s`. One that is no whole number of milliseconds is rounded.
fn in_units(nanos: i64) -> String {
    let second = NANOS_PER_SECOND;
    let units = [("d", 86_400 * second), ("h", 3600 * second), ("m", 60 * second), ("s", second)];
    match units.into_iter().find(|(_, unit)| nanos % unit == 0) {
        Some((name, unit)) => format!("{}{name}", nanos / unit),
        None => format!("{}ms", (nanos / (second / 1000)).max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_as_a_shell_takes_them() {
        let here = std::env::current_dir().unwrap();
        let source = DataSource {
            paths: vec![here.join("my data.csv"), "/tmp/it's.csv".into()],
            value_columns: vec!["cpu %".to_owned()],
            step_ns: Some(90 * NANOS_PER_SECOND),
            ..DataSource::default()
        };
        if cfg!(unix) {
            assert_eq!(
                detect_command(Path::new("cpu"), &source),
                "rlad detect cpu 'my data.csv' '/tmp/it'\\''s.csv' --value-column 'cpu %' --step 90s --out scores.csv \
                 --report report.html"
            );
        }
        let source = DataSource { paths: vec!["cpu.csv".into()], ..DataSource::default() };
        assert_eq!(resume_command(Path::new("s"), &source, None), "rlad train cpu.csv --session s --resume");
        assert_eq!(
            resume_command(Path::new("s"), &source, Some(Path::new("truth"))),
            "rlad train cpu.csv --session s --resume --oracle truth"
        );
        assert_eq!(label_command(Path::new("-x")), "rlad label ./-x");
        assert_eq!(evaluate_command(Path::new("s.csv"), &["a.csv".into()]), "rlad evaluate s.csv --truth a.csv");
        let times = [60, 3600, 86_400, 90].map(|seconds| in_units(seconds * NANOS_PER_SECOND));
        assert_eq!((times.join(" "), in_units(500_000_000)), ("1m 1h 1d 90s".to_owned(), "500ms".to_owned()));
    }
}
