//! Lines for the user: results on stdout, notes on stderr.

use std::io::{self, Write};

/// Writes a line to stdout.
pub(crate) fn print(line: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.write_all(b"\n")?;
    Ok(())
}

/// Writes to stderr what the columns of the data were taken for, a line each kind of file.
pub(crate) fn print_roles(roles: &[String]) {
    let mut stderr = io::stderr().lock();
    for role in roles {
        // There is nobody to tell if stderr is closed.
        let _ = writeln!(stderr, "read {role}");
    }
}

/// Writes notes to stderr, a line each.
pub(crate) fn print_notes(notes: &[String]) {
    let mut stderr = io::stderr().lock();
    for note in notes {
        // There is nobody to tell if stderr is closed.
        let _ = writeln!(stderr, "note: {note}");
    }
}
