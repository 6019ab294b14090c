//! A cell in a message.

/// The beginning of a cell, as much as a message can hold.
pub(crate) fn shorten(cell: &str) -> String {
    const MAX: usize = 60;
    let line: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX).collect();
    if cell.chars().nth(MAX).is_some() { format!("{line}…") } else { line }
}
