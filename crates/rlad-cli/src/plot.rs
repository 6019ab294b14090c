//! A picture of an event as a file: its values among those around it, when it was, and why it was called.

use std::path::Path;

use rlad::Series;
use rlad::data::{Event, write_file};
use sha2::{Digest, Sha256};

use crate::figures::{count, stretch};
use crate::html::escape_html;
use crate::picture::Picture;
use crate::visible::visible;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
const MARGIN: f64 = 16.0;
/// The characters of a line of the text below the picture.
const LINE: usize = 100;
/// The bytes of a series' name in the name of a file, which may have 255 in all.
const NAME: usize = 120;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1b1f24}.name{font-weight:600;font-size:15px}.faint{fill:#5c6670}\
.page{fill:#fff}.event{fill:#e69f00;opacity:.25}.usual{fill:#009e73;opacity:.45}\
.values{fill:none;stroke:#0072b2;stroke-width:1.5;stroke-linejoin:round}.peak{fill:#d55e00}\
@media(prefers-color-scheme:dark){text{fill:#e6e8ea}.faint{fill:#9aa4ad}.page{fill:#1d2125}.values{stroke:#56b4e9}}";

/// Makes the folder for pictures.
///
/// # Errors
/// [`rlad::Error::Write`].
pub(crate) fn make_plots_folder(folder: &Path) -> rlad::Result<()> {
    std::fs::create_dir_all(folder).map_err(|source| rlad::Error::Write { path: folder.to_owned(), source })
}

/// Writes the picture of an event into a folder: `SERIES-START.svg`.
///
/// # Errors
/// [`rlad::Error::Write`].
pub(crate) fn write_plot(folder: &Path, series: &Series, event: &Event) -> rlad::Result<()> {
    write_file(&folder.join(file_name(event)), plot(series, event).as_bytes())
}

/// The name of the file of an event: every character that some system does not take in a name is a `_`, and where there was one, or the name
/// was cut, the names of two series stay apart by a hash of the whole name.
fn file_name(event: &Event) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut name = String::new();
    for c in event.series.chars().map(|c| if is_plain(c) { c } else { '_' }) {
        if name.len() + c.len_utf8() > NAME {
            break;
        }
        name.push(c);
    }
    let name = name.trim_start_matches('.');
    // A name that looks like one with a hash has one too, so that no series can have the name of another's file.
    let is_itself = name == event.series && !has_hash(name);
    let apart = if is_itself { String::new() } else { format!("-{}", hash(&event.series)) };
    let start: String = event.time_format.format(event.start).chars().filter(|c| is_plain(*c)).collect();
    format!("{name}{apart}-{start}.svg")
}

/// The hexadecimal digits of a hash in a name.
const HASH: usize = 16;

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().take(HASH / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a name has, in any place, what a hash and the dash before it look like: what follows may be a time.
fn has_hash(name: &str) -> bool {
    let is_hash = |part: &str| part.len() == HASH && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.split('-').skip(1).any(is_hash)
}

fn plot(series: &Series, event: &Event) -> String {
    let inner = WIDTH - 2.0 * MARGIN;
    let when = stretch(event.time_format, event.start, event.end);
    let text = wrapped(&event.why, LINE);
    let below = MARGIN + 48.0 + HEIGHT;
    let height = below + 20.0 * text.len() as f64 + MARGIN;
    let picture = Picture::of(series, event).svg(inner, HEIGHT);
    let picture = picture.replacen(
        "<svg ",
        &format!("<svg x=\"{MARGIN}\" y=\"{}\" width=\"{inner}\" height=\"{HEIGHT}\" ", MARGIN + 40.0),
        1,
    );
    let lines: String = (1..)
        .zip(&text)
        .map(|(at, line)| {
            format!(
                "<text x=\"{MARGIN}\" y=\"{}\">{}</text>",
                below + 20.0 * f64::from(at),
                escape_html(&visible(line))
            )
        })
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\">\
         <style>{STYLE}</style><rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\
         <text class=\"name\" x=\"{MARGIN}\" y=\"{}\">{}</text>\
         <text class=\"faint\" x=\"{MARGIN}\" y=\"{}\">{}, {}</text>{picture}{lines}</svg>\n",
        MARGIN + 12.0,
        escape_html(&visible(&event.series)),
        MARGIN + 31.0,
        escape_html(&when),
        count(event.n_points, "point"),
    )
}

/// A text in lines of at most `n` characters, broken between words.
fn wrapped(text: &str, n: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    // A number stays beside its sign.
    for word in text.replace(" %", "\u{a0}%").split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= n => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use rlad::data::TimeFormat;

    use super::*;

    fn event(series: &str) -> Event {
        let (explanation, why) = (None, "9, usually 1 to 2: above it".to_owned());
        let series = series.to_owned();
        let time_format = TimeFormat::Index;
        Event { series, time_format, start: 3, end: 3, n_points: 1, peak: 1.0, peak_timestamp: 3, explanation, why }
    }

    #[test]
    fn names_of_files_are_plain_and_stay_apart() {
        assert_eq!(file_name(&event("cpu")), "cpu-3.svg");
        let (long, wide) = ("x".repeat(300), "東".repeat(300));
        let of_other = file_name(&event("a/b"));
        let copied = of_other.strip_suffix("-3.svg").unwrap();
        let series = ["a/b", "a:b", "../a", "/etc/a", "a\0b", "..", "a\u{1b}b", "c:\\a", &long, &wide, copied];
        let names = series.map(|name| file_name(&event(name)));
        for name in &names {
            let is_plain = !name.contains(['/', '\\', ':', '\0', '\u{1b}']) && !name.starts_with('.');
            assert!(is_plain && name.len() < 200, "{name:?}");
            assert_eq!(Path::new("plots").join(name).parent(), Some(Path::new("plots")));
        }
        let different: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
        assert_eq!(wrapped("aa bb  cc 3 % dd", 5), ["aa bb", "cc", "3\u{a0}%", "dd"]);
    }

    #[test]
    fn a_plot_is_well_formed_whatever_the_name_is() {
        let values = vec![1.0, 2.0, 1.0, 9.0, 1.0];
        let name = "</text><script>\u{1b}[2J\0\u{202e}";
        let series =
            Series::new(name, vec!["value".into()], TimeFormat::Index, (0..5).collect(), values, None).unwrap();
        let svg = plot(&series, &event(name));
        assert!(svg.contains(r"&lt;/text&gt;&lt;script&gt;\u{1b}[2J\u{0}\u{202e}"), "{svg}");
        assert!(!svg.contains("<script") && !svg.contains(|c: char| c.is_control() && c != '\n'));
    }

    #[test]
    fn a_plot_tells_what_when_and_why() {
        let values = vec![1.0, 2.0, 1.0, 9.0, 1.0];
        let series =
            Series::new("<cpu>", vec!["value".into()], TimeFormat::Index, (0..5).collect(), values, None).unwrap();
        insta::assert_snapshot!(plot(&series, &event("<cpu>")));
    }
}
