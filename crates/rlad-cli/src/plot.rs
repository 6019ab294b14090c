//! A picture of an event as a file: its values among those around it, when it was, and why it was called.

use std::path::Path;

use rlad::Series;
use rlad::data::{Event, write_file};

use crate::figures::{count, stretch};
use crate::html::escape_html;
use crate::picture::Picture;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
const MARGIN: f64 = 16.0;
/// The characters of a line of the text below the picture.
const LINE: usize = 100;
/// The characters of a series' name in the name of a file.
const NAME: usize = 80;

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

/// The name of the file of an event: every character that some system does not take in a name is a `_`, and where there was one, the
/// names of two series stay apart by a number made of the whole name.
fn file_name(event: &Event) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = event.series.chars().take(NAME).map(|c| if is_plain(c) { c } else { '_' }).collect();
    let name = name.trim_start_matches('.');
    let apart = if name == event.series { String::new() } else { format!("-{:08x}", number_of(&event.series)) };
    let start: String = event.time_format.format(event.start).chars().filter(|c| is_plain(*c)).collect();
    format!("{name}{apart}-{start}.svg")
}

/// A number of a text: FNV-1a of 32 bits.
fn number_of(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |so_far, byte| (so_far ^ u32::from(byte)).wrapping_mul(0x0100_0193))
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
            format!("<text x=\"{MARGIN}\" y=\"{}\">{}</text>", below + 20.0 * f64::from(at), escape_html(line))
        })
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\">\
         <style>{STYLE}</style><rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\
         <text class=\"name\" x=\"{MARGIN}\" y=\"{}\">{}</text>\
         <text class=\"faint\" x=\"{MARGIN}\" y=\"{}\">{}, {}</text>{picture}{lines}</svg>\n",
        MARGIN + 12.0,
        escape_html(&event.series),
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
        let names = ["a/b", "a:b", "../a", &"x".repeat(300)].map(|name| file_name(&event(name)));
        assert!(
            names.iter().all(|name| !name.contains(['/', ':']) && !name.starts_with('.') && name.len() < 120),
            "{names:?}"
        );
        assert_ne!(names[0], names[1]);
        assert_eq!(wrapped("aa bb  cc 3 % dd", 5), ["aa bb", "cc", "3\u{a0}%", "dd"]);
    }

    #[test]
    fn a_plot_tells_what_when_and_why() {
        let values = vec![1.0, 2.0, 1.0, 9.0, 1.0];
        let series =
            Series::new("<cpu>", vec!["value".into()], TimeFormat::Index, (0..5).collect(), values, None).unwrap();
        insta::assert_snapshot!(plot(&series, &event("<cpu>")));
    }
}
