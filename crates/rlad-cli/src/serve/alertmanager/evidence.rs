//! What alerts of others and silences say about watched series: suggestions, which are labels only when a person says
//! so.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::silences::Silence;
use super::webhook::WebhookAlert;
use super::{Alerts, OWN_LABEL};
use crate::serve::labels::{Labels, NAME};

/// The most series that one alert or one silence is taken to be about.
pub(super) const MAX_SERIES: usize = 50;

/// An alert that was over within this time, in milliseconds, was about nothing.
const SHORT_MS: i64 = 2 * 60 * 1_000;

/// Labels that say what an alert is, not what it is about.
const NOT_OF_SERIES: [&str; 3] = [NAME, "alertname", "severity"];

/// What may have been going on with some series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suggestion {
    /// What it is known by: the same source gives the same.
    pub id: String,
    /// What it may have been.
    pub kind: Kind,
    /// What the source names: its labels, or its matchers.
    pub selector: String,
    /// The series that it is about, at least one.
    pub series: Vec<String>,
    /// When it began, in milliseconds since 1970.
    pub from_ms: i64,
    /// When it ended; `None` while it goes on.
    pub to_ms: Option<i64>,
    /// Where it comes from.
    pub source: Source,
    /// Who said so; empty for a machine.
    pub author: String,
    /// What they said.
    pub comment: String,
    /// A link to the source.
    pub url: String,
}

/// What may have been going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Something that was wrong.
    Anomaly,
    /// Nothing.
    Normal,
    /// Something that people knew of.
    Expected,
}

/// Where a suggestion comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    /// An alert of somebody else's.
    Alert,
    /// A silence.
    Silence,
}

/// What an alert says: an anomaly, or, where it was over soon, nothing wrong. `None` where it is about no watched
/// series, or where it is an alert of this program, whose links begin with `external_url`: that says nothing new.
///
/// It is about the series that have at least one of its labels and none with another value; where its link holds an
/// expression that names the metric of some of them, about those.
pub(crate) fn of_alert<'a>(
    alert: &WebhookAlert,
    alertmanager_url: &str,
    external_url: &str,
    watched: impl IntoIterator<Item = (&'a str, &'a Labels)>,
) -> Option<Suggestion> {
    if is_own(&alert.labels, &alert.generator_url, external_url) {
        return None;
    }
    let expression = percent_decode_str(&alert.generator_url).decode_utf8_lossy();
    let metrics: Vec<&str> = expression.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':'))).collect();
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for (name, labels) in watched.into_iter().filter(|(_, labels)| is_about(&alert.labels, labels)) {
        let list = if metrics.contains(&labels.metric()) { &mut named } else { &mut others };
        if list.len() < MAX_SERIES {
            list.push(name.to_owned());
        }
    }
    let series = if named.is_empty() { others } else { named };
    if series.is_empty() {
        return None;
    }
    let is_short = alert.ends_at.is_some_and(|ends| ends.saturating_sub(alert.starts_at) <= SHORT_MS);
    let text = ["summary", "description", "message"].iter().find_map(|name| alert.annotations.get(*name));
    let name = alert.labels.get("alertname").map_or("an alert", String::as_str);
    let labels = alert.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let selector = Labels::new(labels).map(|labels| labels.series_name()).unwrap_or_default();
    let known_by = if alert.fingerprint.is_empty() { &selector } else { &alert.fingerprint };
    Some(Suggestion {
        id: id(["alert", known_by, &alert.starts_at.to_string()]),
        kind: if is_short { Kind::Normal } else { Kind::Anomaly },
        series,
        from_ms: alert.starts_at,
        to_ms: alert.ends_at,
        source: Source::Alert,
        author: String::new(),
        comment: text.map_or_else(|| name.to_owned(), |text| format!("{name}: {text}")),
        url: if alert.generator_url.is_empty() { alertmanager_url } else { &alert.generator_url }.to_owned(),
        selector,
    })
}

/// What a silence says of each series that it matches, or an alert on which it matches: that people knew of it.
pub(crate) fn of_silence<'a>(
    silence: &Silence,
    own: &Alerts,
    watched: impl IntoIterator<Item = (&'a str, &'a Labels)>,
) -> Vec<Suggestion> {
    let alerted = own.firing().filter_map(|(key, labels)| {
        let labels = labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Labels::new(labels).is_ok_and(|labels| silence.selector.matches(&labels)).then_some(key)
    });
    let matched = watched.into_iter().filter(|(_, labels)| silence.selector.matches(labels)).map(|(name, _)| name);
    let mut series: Vec<&str> = Vec::new();
    for name in alerted.chain(matched) {
        if series.len() == MAX_SERIES {
            break;
        }
        if !series.contains(&name) {
            series.push(name);
        }
    }
    let suggestion = |series: &str| Suggestion {
        id: id(["silence", &silence.id, series]),
        kind: Kind::Expected,
        selector: silence.selector.to_string(),
        series: vec![series.to_owned()],
        from_ms: silence.starts_at,
        to_ms: Some(silence.ends_at),
        source: Source::Silence,
        author: silence.author.clone(),
        comment: silence.comment.clone(),
        url: silence.url.clone(),
    };
    series.into_iter().map(suggestion).collect()
}

/// Whether an alert is one of this program, sent by itself or by a rule on its scores.
fn is_own(labels: &BTreeMap<String, String>, link: &str, external_url: &str) -> bool {
    let (mark, value) = OWN_LABEL;
    let rest = Some(link).filter(|_| !external_url.is_empty()).and_then(|link| link.strip_prefix(external_url));
    labels.get(mark).is_some_and(|of| of == value)
        || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

/// Whether a series has a label of the alert, and none with another value.
fn is_about(alert: &BTreeMap<String, String>, series: &Labels) -> bool {
    let mut n_shared = 0;
    for (name, value) in alert.iter().filter(|(name, _)| !NOT_OF_SERIES.contains(&name.as_str())) {
        match series.get(name) {
            Some(of) if of == value => n_shared += 1,
            Some(_) => return false,
            None => {}
        }
    }
    n_shared > 0
}

/// A short name of a source.
fn id(parts: [&str; 3]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
