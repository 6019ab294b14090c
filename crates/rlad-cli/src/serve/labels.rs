//! The labels of a series, and its name in the notation of PromQL.

use std::fmt::Write;

use anyhow::bail;

/// The label that holds the name of the metric.
pub(crate) const NAME: &str = "__name__";

/// The labels of a series, sorted by name, each name once, no value empty: an empty value is the same as no label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Labels(Vec<(String, String)>);

impl Labels {
    /// Labels in any order.
    ///
    /// # Errors
    /// If a name is empty or stands twice.
    pub(crate) fn new(mut pairs: Vec<(String, String)>) -> anyhow::Result<Self> {
        pairs.retain(|(_, value)| !value.is_empty());
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            pairs.sort();
            if let Some(twice) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                bail!("the label `{}` stands twice", twice[0].0);
            }
        }
        if pairs.first().is_some_and(|(name, _)| name.is_empty()) {
            bail!("a label has no name");
        }
        Ok(Self(pairs))
    }

    /// The value of a label, if there is one.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.binary_search_by(|(of, _)| of.as_str().cmp(name)).ok().map(|at| self.0[at].1.as_str())
    }

    /// The name of the metric; empty where there is none.
    pub(crate) fn metric(&self) -> &str {
        self.get(NAME).unwrap_or_default()
    }

    /// The same labels with others in place of theirs; an empty value takes a label away.
    pub(crate) fn with<'a>(mut self, others: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        for (name, value) in others {
            match self.0.binary_search_by(|(of, _)| of.as_str().cmp(name)) {
                Ok(at) if value.is_empty() => _ = self.0.remove(at),
                Ok(at) => value.clone_into(&mut self.0[at].1),
                Err(at) if !value.is_empty() => self.0.insert(at, (name.to_owned(), value.to_owned())),
                Err(_) => {}
            }
        }
        self
    }

    /// Name and value of each, rising.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The name of the series: `http_requests_total{code="500",job="api"}`. Two series have the same name only if their labels are
    /// the same.
    pub(crate) fn series_name(&self) -> String {
        let mut text = String::with_capacity(self.0.iter().map(|(name, value)| name.len() + value.len() + 4).sum());
        let metric = self.metric();
        let is_plain = !metric.is_empty() && is_plain(metric, true);
        if is_plain {
            text.push_str(metric);
        }
        let mut separator = '{';
        for (name, value) in self.iter().filter(|(name, _)| !(is_plain && *name == NAME)) {
            text.push(separator);
            separator = ',';
            if self::is_plain(name, false) {
                text.push_str(name);
            } else {
                quote(&mut text, name);
            }
            text.push('=');
            quote(&mut text, value);
        }
        if separator == ',' {
            text.push('}');
        } else if !is_plain {
            text.push_str("{}");
        }
        text
    }

    /// The labels of a series of this name, as [`Self::series_name`] writes it.
    ///
    /// # Errors
    /// If the text is no such name.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let wrong = || anyhow::anyhow!("expected a series such as `up{{job=\"api\"}}`, found `{text}`");
        let (metric, mut rest) = text.split_at(text.find('{').unwrap_or(text.len()));
        let mut pairs = Vec::new();
        if !metric.is_empty() {
            pairs.push((NAME.to_owned(), metric.trim().to_owned()));
        }
        if !rest.is_empty() {
            rest = rest
                .strip_prefix('{')
                .and_then(|rest| rest.trim_end().strip_suffix('}'))
                .ok_or_else(wrong)?
                .trim_start();
            while !rest.is_empty() {
                let name = if rest.starts_with('"') {
                    unquote(&mut rest).ok_or_else(wrong)?
                } else {
                    let (name, after) = rest.split_at(rest.find('=').ok_or_else(wrong)?);
                    rest = after;
                    name.trim().to_owned()
                };
                rest = rest.trim_start().strip_prefix('=').ok_or_else(wrong)?.trim_start();
                let value = unquote(&mut rest).ok_or_else(wrong)?;
                pairs.push((name, value));
                rest = rest.trim_start();
                rest = match rest.strip_prefix(',') {
                    Some(rest) => rest.trim_start(),
                    None if rest.is_empty() => rest,
                    None => return Err(wrong()),
                };
            }
        }
        if pairs.is_empty() && text.trim() != "{}" {
            return Err(wrong());
        }
        Self::new(pairs)
    }
}

/// Whether a name needs no quotes: that of a metric may have colons.
fn is_plain(name: &str, is_metric: bool) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || (is_metric && c == ':');
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

fn quote(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            c => _ = text.write_char(c),
        }
    }
    text.push('"');
}

/// Takes a text in quotes off the front.
fn unquote(rest: &mut &str) -> Option<String> {
    let mut value = String::new();
    let mut chars = rest.strip_prefix('"')?.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                *rest = &rest[at + 2..];
                return Some(value);
            }
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                c @ ('"' | '\\') => value.push(c),
                _ => return None,
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()).unwrap()
    }

    #[test]
    fn a_series_is_named_as_in_promql() {
        let up = labels(&[("job", "api"), (NAME, "up"), ("empty", ""), ("code", "5\"0\\0\n")]);
        assert_eq!(up.series_name(), r#"up{code="5\"0\\0\n",job="api"}"#);
        assert_eq!((up.metric(), up.get("job"), up.get("empty")), ("up", Some("api"), None));
        assert_eq!(labels(&[(NAME, "up")]).series_name(), "up");
        assert_eq!(labels(&[("job", "a")]).series_name(), r#"{job="a"}"#);
        assert_eq!(labels(&[(NAME, "my.metric"), ("a.b", "c")]).series_name(), r#"{__name__="my.metric","a.b"="c"}"#);
        assert_eq!(labels(&[]).series_name(), "{}");
        let more = up.with([("for", "q"), ("code", ""), (NAME, "anomaly_score"), ("none", "")]);
        assert_eq!(more.series_name(), r#"anomaly_score{for="q",job="api"}"#);
    }

    #[test]
    fn labels_that_cannot_be_are_told() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Labels::new(pairs).unwrap_err().to_string()
        };
        assert_eq!(of(&[("a", "1"), ("b", "1"), ("a", "2")]), "the label `a` stands twice");
        assert_eq!(of(&[("", "1")]), "a label has no name");
        for text in ["", "up{", "up{a}", "up{a=b}", "up{a=\"b\" c=\"d\"}", "up{a=\"\\x\"}", "up{a=\"1\",a=\"2\"}"] {
            assert!(Labels::parse(text).is_err(), "{text}");
        }
        assert_eq!(Labels::parse(r#"up { b = "1" , a="2", }"#).unwrap().series_name(), r#"up{a="2",b="1"}"#);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_name_is_read_as_it_was_written(
            pairs in proptest::collection::btree_map("[a-z_.]{1,3}|__name__", "[a-c\"\\\\\n{},= é]{1,4}", 0..4),
        ) {
            let labels = Labels::new(pairs.into_iter().collect()).unwrap();
            prop_assert_eq!(Labels::parse(&labels.series_name()).unwrap(), labels);
        }
    }
}
