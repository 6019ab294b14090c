//! Matchers of labels, in the notation of PromQL and in that of Alertmanager.

use std::fmt;

use anyhow::bail;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::labels::{Labels, NAME};

/// The most bytes of a compiled regular expression.
const MAX_REGEX: usize = 1 << 20;

/// A condition on one label. A label that is absent has the empty value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub(crate) struct Matcher {
    name: String,
    value: String,
    is_equal: bool,
    regex: Option<Regex>,
}

/// A matcher as Alertmanager writes it; versions before 0.22 have no `isEqual`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    name: String,
    value: String,
    is_regex: bool,
    #[serde(default = "is_equal")]
    is_equal: bool,
}

const fn is_equal() -> bool {
    true
}

impl Matcher {
    /// A matcher: `=` or, with `is_regex`, `=~`; without `is_equal` their opposite. A regular expression is for the
    /// whole value.
    ///
    /// # Errors
    /// If the name is empty, or the value is no regular expression.
    pub(crate) fn new(name: String, value: String, is_regex: bool, is_equal: bool) -> anyhow::Result<Self> {
        if name.is_empty() {
            bail!("expected the name of a label before the value \"{value}\"");
        }
        let regex = is_regex.then(|| compile(&value)).transpose()?;
        Ok(Self { name, value, is_equal, regex })
    }

    /// Whether the labels fulfil it.
    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.name).unwrap_or_default();
        self.is_equal == self.regex.as_ref().map_or(value == self.value, |regex| regex.is_match(value))
    }
}

fn compile(pattern: &str) -> anyhow::Result<Regex> {
    let anchored = RegexBuilder::new(&format!("^(?s:{pattern})$")).size_limit(MAX_REGEX).build();
    // Alone, as well: `a)(b` is an expression only between the brackets.
    match (anchored, regex::RegexBuilder::new(pattern).size_limit(MAX_REGEX).build()) {
        (Ok(regex), Ok(_)) => Ok(regex),
        (_, Err(error)) | (Err(error), _) => {
            let last = error.to_string();
            let reason = last.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            bail!("expected a regular expression, found \"{pattern}\": {reason}")
        }
    }
}

impl TryFrom<Written> for Matcher {
    type Error = anyhow::Error;

    fn try_from(written: Written) -> anyhow::Result<Self> {
        Self::new(written.name, written.value, written.is_regex, written.is_equal)
    }
}

impl From<Matcher> for Written {
    fn from(matcher: Matcher) -> Self {
        let is_regex = matcher.regex.is_some();
        Self { name: matcher.name, value: matcher.value, is_regex, is_equal: matcher.is_equal }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match (self.regex.is_some(), self.is_equal) {
            (false, true) => "=",
            (false, false) => "!=",
            (true, true) => "=~",
            (true, false) => "!~",
        };
        if is_plain(&self.name) {
            f.write_str(&self.name)?;
        } else {
            write!(f, "\"{}\"", escaped(&self.name))?;
        }
        write!(f, "{sign}\"{}\"", escaped(&self.value))
    }
}

/// The series whose labels fulfil every matcher, written as in PromQL: `up{job=~"api.*"}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Selector(Vec<Matcher>);

impl Selector {
    /// A selector of these matchers.
    pub(crate) const fn new(matchers: Vec<Matcher>) -> Self {
        Self(matchers)
    }

    /// A selector as PromQL writes it, without range and offset.
    ///
    /// # Errors
    /// If the text is none, or a value is no regular expression.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        Parser { text, rest: text }.selector().map(Self)
    }

    /// Whether a series is one of them.
    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels))
    }
}

impl TryFrom<String> for Selector {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        Self::parse(&text)
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, matcher) in self.0.iter().enumerate() {
            write!(f, "{}{matcher}", if at == 0 { "" } else { "," })?;
        }
        f.write_str("}")
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// What is left of the text of a selector.
struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn selector(mut self) -> anyhow::Result<Vec<Matcher>> {
        let mut matchers = Vec::new();
        self.rest = self.rest.trim();
        let metric = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
        if !metric.is_empty() {
            matchers.push(Matcher::new(NAME.to_owned(), metric.to_owned(), false, true)?);
        }
        if self.take("{") {
            while !self.take("}") {
                matchers.push(self.matcher()?);
                if !self.take(",") && !self.rest.starts_with('}') {
                    return Err(self.wrong("`,` or `}`"));
                }
            }
        } else if matchers.is_empty() {
            return Err(self.wrong("the name of a metric or `{`"));
        }
        if self.rest.is_empty() { Ok(matchers) } else { Err(self.wrong("nothing more")) }
    }

    fn matcher(&mut self) -> anyhow::Result<Matcher> {
        let name = if self.rest.starts_with(['"', '\'', '`']) {
            let name = self.quoted()?;
            if self.rest.starts_with([',', '}']) {
                return Matcher::new(NAME.to_owned(), name, false, true);
            }
            name
        } else {
            self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned()
        };
        if name.is_empty() {
            return Err(self.wrong("the name of a label"));
        }
        let (is_regex, is_equal) = match () {
            () if self.take("=~") => (true, true),
            () if self.take("!~") => (true, false),
            () if self.take("!=") => (false, false),
            () if self.take("=") => (false, true),
            () => return Err(self.wrong("`=`, `!=`, `=~` or `!~`")),
        };
        Matcher::new(name, self.quoted()?, is_regex, is_equal)
    }

    /// A text in one of the three quotes of PromQL.
    fn quoted(&mut self) -> anyhow::Result<String> {
        let mut chars = self.rest.chars();
        let Some(quote @ ('"' | '\'' | '`')) = chars.next() else { return Err(self.wrong("a value in quotes")) };
        let mut value = String::new();
        loop {
            match chars.next() {
                None => return Err(self.wrong("a value with a quote at its end")),
                Some(c) if c == quote => break,
                Some('\\') if quote != '`' => match unescape(&mut chars) {
                    Some(c) => value.push(c),
                    None => return Err(self.wrong("a value with the escapes of Go, such as `\\\\` for a backslash")),
                },
                Some(c) => value.push(c),
            }
        }
        self.rest = chars.as_str().trim_start();
        Ok(value)
    }

    /// Takes a sign off the front, with the spaces after it.
    fn take(&mut self, sign: &str) -> bool {
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.map_or(self.rest, str::trim_start);
        rest.is_some()
    }

    /// Takes characters off the front, with the spaces after them.
    fn take_while(&mut self, is_one: impl Fn(char) -> bool) -> &'a str {
        let (taken, rest) = self.rest.split_at(self.rest.find(|c| !is_one(c)).unwrap_or(self.rest.len()));
        self.rest = rest.trim_start();
        taken
    }

    fn wrong(&self, expected: &str) -> anyhow::Error {
        let Self { text, rest } = self;
        let found = if rest.is_empty() { "its end".to_owned() } else { format!("`{rest}`") };
        anyhow::anyhow!(
            "expected a selector such as `up{{job=\"api\"}}`, found `{text}`: {expected} must be at {found}"
        )
    }
}

/// The character of an escape, whose backslash is taken already.
fn unescape(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let code = |digits: &str, radix| char::from_u32(u32::from_str_radix(digits, radix).ok()?);
    let mut digits = |n: usize| -> Option<String> { (0..n).map(|_| chars.next()).collect() };
    Some(match digits(1)?.as_str() {
        "n" => '\n',
        "t" => '\t',
        "r" => '\r',
        "a" => '\u{7}',
        "b" => '\u{8}',
        "f" => '\u{c}',
        "v" => '\u{b}',
        "x" => code(&digits(2)?, 16).filter(char::is_ascii)?,
        "u" => code(&digits(4)?, 16)?,
        "U" => code(&digits(8)?, 16)?,
        first @ ("0" | "1") => code(&(first.to_owned() + &digits(2)?), 8)?,
        c @ ("\\" | "\"" | "'") => c.chars().next()?,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(name: &str) -> Labels {
        Labels::parse(name).unwrap()
    }

    fn selects(selector: &str, series: &str) -> bool {
        Selector::parse(selector).unwrap().matches(&labels(series))
    }

    #[test]
    fn the_four_matchers_are_promqls() {
        let api = r#"up{job="api-1",env="prod"}"#;
        for (selector, want) in [
            ("up", true),
            ("down", false),
            (r#"{__name__="up",job=~"api.*"}"#, true),
            // The whole value, each branch of it.
            (r#"{job=~"api"}"#, false),
            (r#"{job=~"x|api"}"#, false),
            (r#"{job=~"api|api-[0-9]"}"#, true),
            (r#"{job!~"api"}"#, true),
            (r#"{job!~"api.*"}"#, false),
            (r#"{job!="api-1"}"#, false),
            // An absent label is empty.
            (r#"{zone=""}"#, true),
            (r#"{zone!=""}"#, false),
            (r#"{zone=~".*"}"#, true),
            (r#"{zone=~".+"}"#, false),
            (r#" up { job = 'api-1' , "env"=`prod`, } "#, true),
            (r#"{"up",job="api-1"}"#, true),
            ("{}", true),
            (r#"{env="prod",env="dev"}"#, false),
            (r#"{env=~"(?i)PROD"}"#, true),
        ] {
            assert_eq!(selects(selector, api), want, "{selector}");
        }
        // A dot is any character, line ends too; `$` is the end of the value, not of a line.
        assert!(selects(r#"{a=~"x.y"}"#, "{a=\"x\\ny\"}"));
        assert!(!selects(r#"{a=~"x"}"#, "{a=\"x\\n\"}"));
        assert!(selects(r#"{a="\x41\u00e9\101\t"}"#, "{a=\"AéA\t\"}"));
        assert!(selects(r#"{a=~`\d+`}"#, r#"{a="12"}"#));
    }

    #[test]
    fn what_is_no_selector_is_told() {
        let error = |text: &str| Selector::parse(text).unwrap_err().to_string();
        insta::assert_snapshot!(error("up{job}"), @r#"expected a selector such as `up{job="api"}`, found `up{job}`: `=`, `!=`, `=~` or `!~` must be at `}`"#);
        insta::assert_snapshot!(error(r#"up{job="a"}[5m]"#), @r#"expected a selector such as `up{job="api"}`, found `up{job="a"}[5m]`: nothing more must be at `[5m]`"#);
        insta::assert_snapshot!(error(r#"up{job="a"#), @r#"expected a selector such as `up{job="api"}`, found `up{job="a`: a value with a quote at its end must be at `"a`"#);
        insta::assert_snapshot!(error(r#"{job=~"a("}"#), @r#"expected a regular expression, found "a(": unclosed group"#);
        for text in ["", "{", "{,}", "up{a=\"1\" b=\"2\"}", "{=\"1\"}", "{a=b}", r#"{a="\q"}"#, r#"{a=~"x)(y"}"#, "a b"]
        {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
        assert!(Selector::parse(r#"{a=~"(x{1000}){1000}"}"#).is_err(), "too large");
    }

    #[test]
    fn a_matcher_of_alertmanager_is_read() {
        let text = r#"[{"isEqual":false,"isRegex":true,"name":"job","value":"api|web"},
            {"isRegex":false,"name":"env","value":"dev"}]"#;
        let selector = Selector::new(serde_json::from_str(text).unwrap());
        assert_eq!(selector.to_string(), r#"{job!~"api|web",env="dev"}"#);
        assert!(
            selector.matches(&labels(r#"{job="db",env="dev"}"#))
                && !selector.matches(&labels(r#"{job="web",env="dev"}"#))
        );
        let error = serde_json::from_str::<Matcher>(r#"{"isRegex":true,"name":"job","value":"("}"#).unwrap_err();
        assert!(error.to_string().contains("unclosed group"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_selector_is_read_as_it_was_written(
            matchers in proptest::collection::vec(
                ("[a-c._]{1,2}|__name__", "[a-c\"\\\\\n'{},= é]{0,4}", any::<bool>()),
                0..4,
            ),
        ) {
            let matchers = matchers.into_iter().map(|(name, value, is)| Matcher::new(name, value, false, is).unwrap());
            let selector = Selector::new(matchers.collect());
            prop_assert_eq!(Selector::parse(&selector.to_string()).unwrap(), selector);
        }

        #[test]
        fn no_text_panics(text in "[a-c\"'`\\\\{}=!~,xuU0 é(]{0,12}") {
            let _ = Selector::parse(&text);
        }

        #[test]
        fn a_series_is_selected_by_its_own_name(
            pairs in proptest::collection::btree_map("[a-z_]{1,3}|__name__", "[a-c\"\\\\\n{},= é]{1,4}", 1..4),
        ) {
            let labels = Labels::new(pairs.into_iter().collect()).unwrap();
            prop_assert!(Selector::parse(&labels.series_name()).unwrap().matches(&labels));
        }
    }
}
