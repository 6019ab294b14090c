//! The text of a configuration file: its placeholders, and where in it a thing stands.

use std::borrow::Cow;
use std::ops::Range;

use anyhow::Result;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::Problem;
use crate::advice::Advice;

/// The fewest characters of a variable's value that are hidden in an error.
const MIN_HIDDEN: usize = 4;

/// A parsed file. Texts hold what the variables named in them hold.
pub(super) struct Document<'a> {
    name: &'a str,
    text: &'a str,
    table: Spanned<DeTable<'a>>,
    /// What the variables held, with the placeholder of each.
    hidden: Vec<(String, String)>,
}

impl<'a> Document<'a> {
    /// Parses a text. `${NAME}` in a value becomes what `variable` has for that name, `$$` a dollar sign; any other
    /// dollar sign stays.
    ///
    /// # Errors
    /// If the text is no TOML, or a variable is not set.
    pub(super) fn parse(name: &'a str, text: &'a str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let table = DeTable::parse(text).map_err(|error| {
            let hint = "a text stands in quotes, and a table begins with its name in brackets, as in `[reader]`";
            at(name, text, error.span(), error.message(), hint)
        })?;
        let mut document = Self { name, text, table, hidden: Vec::new() };
        let mut table = std::mem::replace(&mut document.table, Spanned::new(0..0, DeTable::new()));
        for value in table.get_mut().iter_mut().map(|(_, value)| value) {
            document.fill(value, variable)?;
        }
        document.table = table;
        Ok(document)
    }

    fn fill(&mut self, value: &mut Spanned<DeValue<'a>>, variable: &dyn Fn(&str) -> Option<String>) -> Result<()> {
        let span = value.span();
        match value.get_mut() {
            DeValue::String(text) if text.contains('$') => {
                let filled =
                    self.filled(text, variable).map_err(|(message, hint)| self.error(Some(span), &message, &hint))?;
                *text = Cow::Owned(filled);
                Ok(())
            }
            DeValue::Array(values) => values.iter_mut().try_for_each(|value| self.fill(value, variable)),
            DeValue::Table(table) => table.iter_mut().try_for_each(|(_, value)| self.fill(value, variable)),
            _ => Ok(()),
        }
    }

    /// A text with its placeholders filled in; else what is wrong, and a hint.
    fn filled(
        &mut self,
        text: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> std::result::Result<String, (String, String)> {
        let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(dollar) = rest.find('$') {
            filled.push_str(&rest[..dollar]);
            let after = &rest[dollar + 1..];
            if let Some(next) = after.strip_prefix('$') {
                filled.push('$');
                rest = next;
            } else if let Some(inside) = after.strip_prefix('{') {
                let end = inside.find('}').filter(|end| is_variable(&inside[..*end]));
                let name = end.map(|end| &inside[..end]).ok_or_else(|| {
                    let message = format!("expected the name of a variable as in `${{NAME}}`, found `${after}`");
                    (message, "write `$$` for a dollar sign".to_owned())
                })?;
                let value = variable(name).ok_or_else(|| {
                    let message = format!("expected the environment variable `{name}`, which is not set");
                    (message, "set it before the start, or write `$$` for a dollar sign".to_owned())
                })?;
                filled.push_str(&value);
                if value.len() >= MIN_HIDDEN {
                    self.hidden.push((value, format!("${{{name}}}")));
                }
                rest = &inside[name.len() + 1..];
            } else {
                filled.push('$');
                rest = after;
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// What the file holds.
    ///
    /// # Errors
    /// If a key or a value is not one of those that may stand there.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(Deserializer::from(self.table.clone())).map_err(|error| {
            let message = plain(error.message());
            self.error(error.span(), &message, &hint(&message))
        })
    }

    /// The error of a value that was read and cannot be used.
    pub(super) fn problem(&self, problem: &Problem) -> anyhow::Error {
        self.error(self.span_of(&problem.key), &problem.to_string(), &problem.hint)
    }

    /// Where a value stands, such as `reader.queries.cpu.expr` or `watch[0].step`; if it is not there, the table it
    /// would be in.
    fn span_of(&self, key: &str) -> Option<Range<usize>> {
        let (mut table, mut rest, mut span) = (self.table.get_ref(), key, None);
        while !rest.is_empty() {
            let found = table.iter().filter_map(|(name, value)| {
                let after = rest.strip_prefix(name.get_ref().as_ref())?;
                (after.is_empty() || after.starts_with(['.', '['])).then_some((name, value, after))
            });
            // A name may have dots itself.
            let (name, value, after) = found.min_by_key(|(_, _, after)| after.len())?;
            span = Some(name.span());
            rest = after.strip_prefix('.').unwrap_or(after);
            let mut value = value;
            if let Some((index, after)) = after.strip_prefix('[').and_then(|after| after.split_once(']')) {
                let Some(item) = value.get_ref().as_array().and_then(|all| all.get(index.parse::<usize>().ok()?))
                else {
                    break;
                };
                (value, span, rest) = (item, Some(item.span()), after.strip_prefix('.').unwrap_or(after));
            }
            let Some(next) = value.get_ref().as_table() else { break };
            if !next.iter().any(|(name, _)| rest.starts_with(name.get_ref().as_ref())) {
                break;
            }
            table = next;
        }
        span
    }

    fn error(&self, span: Option<Range<usize>>, message: &str, hint: &str) -> anyhow::Error {
        let mut message = message.to_owned();
        for (value, placeholder) in &self.hidden {
            message = message.replace(value, placeholder);
        }
        at(self.name, self.text, span, &message, hint)
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A text that [`Document::parse`] reads as `text`.
pub(crate) fn with_dollars(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        written.push(c);
        if c == '$' && matches!(chars.peek(), Some('$' | '{')) {
            written.push('$');
        }
    }
    written
}

fn at(name: &str, text: &str, span: Option<Range<usize>>, message: &str, hint: &str) -> anyhow::Error {
    let place = span.and_then(|span| text.get(..span.start)).map_or_else(String::new, |before| {
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        format!(":{}:{}", before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    });
    Advice::error(format!("{name}{place}: {message}"), hint.to_owned())
}

/// The message of the parser in the words of the file. A text is not shown: it may be a secret in the wrong place.
fn plain(message: &str) -> String {
    let of_value = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    if let Some((found, expected)) = of_value.and_then(|message| message.rsplit_once(", expected ")) {
        let found = match found.split_once(' ').unwrap_or((found, "")) {
            ("string", _) => "a text",
            ("map", _) => "a table",
            ("sequence", _) => "a list",
            (_, value) => value.strip_prefix("point ").unwrap_or(value),
        };
        let expected = match expected {
            "a string" => "a text in quotes",
            "a boolean" => "`true` or `false`",
            "a sequence" => "a list",
            "f64" => "a number",
            "u8" | "usize" => "a whole number, at least 0",
            expected if expected.starts_with("struct ") || expected == "a map" => "a table",
            expected => expected,
        };
        return format!("expected {expected}, found {found}");
    }
    if message.contains("untagged enum") {
        return "expected a number of points, or a time such as `10m`".to_owned();
    }
    message
        .replace("unknown field", "unknown key")
        .replace("missing field", "missing key")
        .replace("invalid socket address syntax", "expected an address with a port, such as `127.0.0.1:8490`")
}

/// What may be done about a key or a value that is not one of those expected.
fn hint(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let found = names.next().unwrap_or_default();
    if message.starts_with("unknown") {
        let file = format!("{found}_file");
        let expected: Vec<&str> = names.collect();
        if expected.contains(&file.as_str()) {
            return format!("secrets stand in files of their own: name the file with `{file}`");
        }
        return nearest(found, &expected).map_or_else(
            || "take one of those named; a key belongs to the last table in brackets above it".to_owned(),
            |name| format!("did you mean `{name}`?"),
        );
    }
    if message.starts_with("missing key") {
        return format!("add a line `{found} = …`");
    }
    let hints = [
        ("expected a time", "the units are `ms`, `s`, `m`, `h`, `d` and `w`"),
        ("expected a size", "the units are `B`, `KiB`, `MiB` and `GiB`"),
        ("expected an address", "`0.0.0.0:8490` is every address of the machine"),
        ("expected a text", "times and sizes are texts as well, as in `\"15s\"`"),
        ("expected `true`", "write `true` or `false`, without quotes"),
        ("expected a list", "a list stands in brackets, as in `[\"a\", \"b\"]`"),
        ("expected a table", "a table is written `[name]` over its keys, or `name = { key = \"value\" }`"),
        ("expected a number of points", "a time stands in quotes with its unit: `ms`, `s`, `m`, `h` or `d`"),
        ("expected a regular expression", "it is one of RE2, as in PromQL, for the whole value"),
        ("expected a selector", "a text with double quotes inside stands best between single quotes"),
    ];
    let hint = hints.into_iter().find(|(expected, _)| message.contains(expected));
    hint.map_or("numbers stand without quotes, texts, times and sizes in quotes", |(_, hint)| hint).to_owned()
}

/// The name that was meant, if one is near.
fn nearest<'a>(found: &str, names: &[&'a str]) -> Option<&'a str> {
    let part = names.iter().find(|name| !found.is_empty() && name.split('_').any(|word| word == found));
    let distance = |name: &&&str| strsim::damerau_levenshtein(found, name);
    let near = || names.iter().min_by_key(distance).filter(|name| distance(name) <= name.len().div_ceil(2));
    part.or_else(near).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::serve::config::Period;

    fn parse<'a>(text: &'a str) -> Result<Document<'a>> {
        let variable = |name: &str| (name == "TOKEN").then(|| "geheim-7".to_owned());
        Document::parse("serve.toml", text, &variable)
    }

    fn value(text: &str) -> String {
        let document = format!("a = '{text}'");
        parse(&document).unwrap().read::<toml::Table>().unwrap()["a"].as_str().unwrap().to_owned()
    }

    #[test]
    fn placeholders_are_filled_in() {
        for (text, want) in [
            ("${TOKEN}", "geheim-7"),
            ("a${TOKEN}b${TOKEN}", "ageheim-7bgeheim-7"),
            ("$$", "$"),
            ("$${TOKEN}", "${TOKEN}"),
            ("$1 a$ $QUERY_KEY", "$1 a$ $QUERY_KEY"),
            ("api|web$", "api|web$"),
        ] {
            assert_eq!(value(text), want, "{text}");
        }
        let nested = parse("[a]\nb = [{ c = '${TOKEN}' }]").unwrap().read::<toml::Table>().unwrap();
        assert_eq!(nested["a"]["b"][0]["c"].as_str(), Some("geheim-7"));
    }

    #[test]
    fn a_variable_that_is_not_set_is_told() {
        let error = |text: &str| parse(text).map(|_| ()).unwrap_err().to_string();
        insta::assert_snapshot!(error("a = 1\nb = ['x', '${NONE}']"), @"serve.toml:2:11: expected the environment variable `NONE`, which is not set");
        insta::assert_snapshot!(error("a = '${1}'"), @"serve.toml:1:5: expected the name of a variable as in `${NAME}`, found `${1}`");
        insta::assert_snapshot!(error("a = '${TOKEN'"), @"serve.toml:1:5: expected the name of a variable as in `${NAME}`, found `${TOKEN`");
    }

    #[test]
    fn no_error_shows_what_a_variable_holds() {
        let read = |text: &str| parse(text).unwrap().read::<BTreeMap<String, f64>>().unwrap_err();
        insta::assert_snapshot!(read("a = 1.0\nb = 'x${TOKEN}'"), @"serve.toml:2:5: expected a number, found a text");
        // A value that an error does show is shown as its placeholder.
        let error = parse("a = 'x${TOKEN}'").unwrap().read::<BTreeMap<String, Period>>().unwrap_err();
        insta::assert_snapshot!(error, @"serve.toml:1:5: expected a time such as `15s`, `1m`, `1h30m` or `2w`, found `x${TOKEN}`");
    }

    #[test]
    fn a_place_is_found_by_its_key() {
        let text = "[a]\nb = 1\n[a.'c.d']\ne = 2\n[[w]]\nx = 1\n[[w]]\ny = { z = 3 }\n[a.c]\nx = 1\n";
        let document = parse(text).unwrap();
        let line = |key: &str| document.span_of(key).map(|span| text[..span.start].matches('\n').count() + 1);
        let keys = ["a.c.x", "a.b", "a.c.d.e", "a.c.d.f", "a.g", "w[0].x", "w[1].y.z", "w[1].q", "w[9]", "none"];
        let lines = [Some(10), Some(2), Some(4), Some(3), Some(1), Some(6), Some(8), Some(7), Some(5), None];
        assert_eq!(keys.map(line), lines);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn dollars_are_read_as_they_were_written(text in "[$ {}aTOKEN]{0,12}") {
            prop_assert_eq!(value(&with_dollars(&text)), text);
        }
    }
}
