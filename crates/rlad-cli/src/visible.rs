//! Texts of files and of people as a terminal may show them.
//!
//! A name, a cell or a comment may hold characters that a terminal obeys: they move the cursor, overwrite what was printed, or turn the order
//! of letters round. Whatever is printed or drawn goes through here; what is written to a file keeps the true text.

use std::borrow::Cow;
use std::fmt::Write;

/// A text of one line in which every character that a terminal obeys stands as its escape: `\n`, `\u{1b}`, `\u{202e}`.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed, |out, c| out.extend(c.escape_default()))
}

/// The same of a text whose lines are our own: their ends stay.
pub(crate) fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_obeyed(c), |out, c| out.extend(c.escape_default()))
}

/// The same of JSON, which stays JSON of the same value.
pub(crate) fn visible_json(text: &str) -> Cow<'_, str> {
    let escape = |out: &mut String, c: char| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Memory can be written to.
            let _ = write!(out, "\\u{unit:04x}");
        }
    };
    escaped(text, |c| c != '\n' && is_obeyed(c), escape)
}

/// Whether a terminal obeys a character instead of showing it: controls, ends of lines, and what sets the direction of letters.
const fn is_obeyed(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| if is_escaped(c) { escape(&mut out, c) } else { out.push(c) });
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_all_else_stays() {
        assert_eq!(visible("a\u{1b}[2Jb\r\n\0\t"), r"a\u{1b}[2Jb\r\n\u{0}\t");
        assert_eq!(visible("\u{9b}31m \u{7f} \u{202e}txt\u{2066}"), r"\u{9b}31m \u{7f} \u{202e}txt\u{2066}");
        assert_eq!(visible_lines("a\nb\r"), "a\nb\\r");
        for plain in ["cpu", "größe", "東京 😀", "العربية", "a\u{200d}b", "–▁█"] {
            assert!(matches!(visible(plain), Cow::Borrowed(text) if text == plain), "{plain}");
        }
    }

    #[test]
    fn json_stays_what_it_is() {
        let value = serde_json::json!({ "name": "a\u{1b}\u{9b}\u{202e}\u{7f}b" });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let shown = visible_json(&text);
        assert!(!shown.contains(|c| c != '\n' && is_obeyed(c)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
