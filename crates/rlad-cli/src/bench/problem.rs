//! Why a run failed, as a table tells it: in one line, without the paths of the machine that it ran on.

use std::fs;
use std::path::Path;

/// A longer text is cut.
const MAX_CHARS: usize = 300;

/// The line of a log that says what went wrong: the last one that is neither empty nor advice.
pub(crate) fn last_words(log: &Path) -> Option<String> {
    let bytes = fs::read(log).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let is_advice = |line: &str| line.starts_with("hint: ") || line.starts_with("note: ");
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty() && !is_advice(line))?;
    Some(line.strip_prefix("error: ").unwrap_or(line).to_owned())
}

/// A text in one line that anyone may read: a path below `here` is told from there, of any other one its last part only.
pub(crate) fn for_others(text: &str, here: &Path) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    let here = format!("{}/", here.display());
    let line = if here.len() > 1 { line.replace(&here, "") } else { line };
    let mut told = String::new();
    let mut rest = line.as_str();
    while let Some(at) = rest.find('/') {
        let (before, path) = rest.split_at(at);
        told.push_str(before);
        // After a letter it is a part of a relative path, or of `and/or`; `//` is in a web address.
        let begins =
            !before.ends_with(|c: char| c.is_alphanumeric() || "._-~*)".contains(c)) && !path.starts_with("//");
        let end = path.find(|c: char| c.is_whitespace() || "'\"`,;:()<>[]{}".contains(c)).unwrap_or(path.len());
        let (path, after) = path.split_at(end.max(1));
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        told.push_str(if begins && !last.is_empty() { last } else { path });
        rest = after;
    }
    told.push_str(rest);
    match told.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &told[..end]),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_of_the_machine_is_told() {
        let here = Path::new("/home/ada/rlad");
        for (text, told) in [
            (
                "can't open file '/home/ada/rlad/bench/peers/x.py': [Errno 2]",
                "can't open file 'bench/peers/x.py': [Errno 2]",
            ),
            (
                "cannot read `/mnt/my data/runs/a/scores.parquet`: gone",
                "cannot read `my data/runs/a/scores.parquet`: gone",
            ),
            ("File \"/usr/lib/python3/site.py\", line 3", "File \"site.py\", line 3"),
            ("cannot start `/opt/python`: no", "cannot start `python`: no"),
            ("in /tmp/x/ and/or https://numenta.com/nab 3 / 4, a/b", "in x and/or https://numenta.com/nab 3 / 4, a/b"),
            ("thread 'main' panicked at /rustc/lib.rs:3:5: no", "thread 'main' panicked at lib.rs:3:5: no"),
            ("two\n  lines\t\u{1b}[31mred", "two lines [31mred"),
            ("ends in /", "ends in /"),
        ] {
            assert_eq!(for_others(text, here), told);
        }
        assert_eq!(for_others("/tmp/a", Path::new("/")), "a");
        assert_eq!(for_others(&"é".repeat(301), here), format!("{}…", "é".repeat(300)));
    }

    #[test]
    fn a_log_tells_the_error_and_not_the_advice_below_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let of = |text: &[u8]| {
            fs::write(file.path(), text).unwrap();
            last_words(file.path())
        };
        assert_eq!(of(b"reading\nerror: no data\nhint: give some\n\n").unwrap(), "no data");
        let panic = b"thread 'main' panicked at a.rs:1:1:\nbroken\nnote: run with `RUST_BACKTRACE=1`\n";
        assert_eq!(of(panic).unwrap(), "broken");
        assert_eq!(of(b"\xff bad\n").unwrap(), "\u{fffd} bad");
        assert_eq!(of(b"\n \n"), None);
        assert_eq!(last_words(Path::new("no-such-log")), None);
    }
}
