//! Lines for the user: results on stdout, notes on stderr. What a terminal would obey is escaped.

use std::io::{self, Write};

use serde_json::Value;

use crate::visible::{visible, visible_json, visible_lines};

/// Writes a line, or several, to stdout.
pub(crate) fn print(lines: &str) -> anyhow::Result<()> {
    write_line(&visible_lines(lines))
}

/// Writes JSON to stdout, over several lines.
pub(crate) fn print_json(json: &Value) -> anyhow::Result<()> {
    write_line(&visible_json(&serde_json::to_string_pretty(json)?))
}

fn write_line(line: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.write_all(b"\n")?;
    Ok(())
}

/// Writes to stderr what the columns of the data were taken for, a line each kind of file.
pub(crate) fn print_roles(roles: &[String]) {
    roles.iter().for_each(|role| tell(&format!("read {role}")));
}

/// Writes notes to stderr, a line each.
pub(crate) fn print_notes(notes: &[String]) {
    notes.iter().for_each(|note| tell(&format!("note: {note}")));
}

/// Writes a line to stderr.
pub(crate) fn tell(line: &str) {
    // There is nobody to tell if stderr is closed.
    let _ = writeln!(io::stderr(), "{}", visible(line));
}
