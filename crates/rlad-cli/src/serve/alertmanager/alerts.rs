//! The alerts of this program: which are firing, and which are to be sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{OWN_LABEL, time};
use crate::serve::labels::{Labels, NAME};

/// How long a resolved alert is sent again, in milliseconds.
const RESOLVED_MS: i64 = 5 * 60 * 1_000;

/// How long one is kept that could not be sent, in milliseconds: Alertmanager has ended it by itself long before.
const UNSENT_MS: i64 = 24 * 60 * 60 * 1_000;

/// A firing alert that is not sent again ends by itself after so many intervals.
const N_INTERVALS: i64 = 4;

/// An alert as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    /// What it is known by.
    pub labels: BTreeMap<String, String>,
    /// What people read.
    pub annotations: BTreeMap<String, String>,
    /// When it began, in milliseconds since 1970.
    #[serde(serialize_with = "time::write")]
    pub starts_at: i64,
    /// When it ended, or ends unless it is sent again.
    #[serde(serialize_with = "time::write")]
    pub ends_at: i64,
    /// A link to it.
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
}

/// The alerts that are firing, each under the name of its series, and those resolved not long ago. It is saved and read
/// again, so that a restart neither loses nor repeats one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alerts {
    firing: BTreeMap<String, Entry>,
    resolved: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_ms: i64,
    /// `None` while it is firing.
    ends_ms: Option<i64>,
    link: String,
    /// When it was sent last as what it is.
    sent_ms: Option<i64>,
}

impl Alerts {
    /// An alert is firing since `at`, in milliseconds since 1970. One that is firing keeps its beginning; with other
    /// labels it is another alert, and the one before is resolved.
    pub(crate) fn fire(
        &mut self,
        key: &str,
        labels: BTreeMap<String, String>,
        annotations: BTreeMap<String, String>,
        at: i64,
        link: String,
    ) {
        if let Some(entry) = self.firing.get_mut(key).filter(|entry| entry.labels == labels) {
            (entry.annotations, entry.link) = (annotations, link);
            return;
        }
        self.resolve(key, at);
        // Alertmanager tells alerts apart by their labels: it would take the end of the one before for this one's.
        self.resolved.retain(|entry| entry.labels != labels);
        let entry = Entry { labels, annotations, starts_ms: at, ends_ms: None, link, sent_ms: None };
        self.firing.insert(key.to_owned(), entry);
    }

    /// An alert ended at `at`; nothing where none is firing.
    pub(crate) fn resolve(&mut self, key: &str, at: i64) {
        if let Some(mut entry) = self.firing.remove(key) {
            entry.ends_ms = Some(at.max(entry.starts_ms));
            entry.sent_ms = None;
            self.resolved.push(entry);
        }
    }

    /// When the last alert began that is firing or was not long ago, in milliseconds since 1970; 0 where there is none.
    pub(crate) fn last_start(&self) -> i64 {
        self.firing.values().chain(&self.resolved).map(|entry| entry.starts_ms).max().unwrap_or(0)
    }

    /// Series and labels of each alert that is firing.
    pub(crate) fn firing(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, String>)> {
        self.firing.iter().map(|(key, entry)| (key.as_str(), &entry.labels))
    }

    /// Forgets that alerts were sent since an earlier state: they are due again.
    pub(crate) fn not_sent(&mut self, before: &Self) {
        for (key, entry) in &mut self.firing {
            let earlier = before.firing.get(key).filter(|earlier| earlier.labels == entry.labels);
            entry.sent_ms = earlier.and_then(|earlier| earlier.sent_ms);
        }
        for entry in &mut self.resolved {
            let earlier = before.resolved.iter().find(|earlier| earlier.labels == entry.labels);
            entry.sent_ms = earlier.and_then(|earlier| earlier.sent_ms);
        }
    }

    /// The alerts that are to be sent at `now`: those that were not, and those that were last sent `resend_every`
    /// milliseconds ago.
    pub(crate) fn due(&mut self, now: i64, resend_every: i64) -> Vec<Alert> {
        // A clock that was set back does not keep an alert from being sent.
        let is_due = |entry: &Entry| entry.sent_ms.is_none_or(|sent| sent > now || now - sent >= resend_every);
        self.resolved.retain(|entry| {
            let longest = if entry.sent_ms.is_none() { UNSENT_MS } else { RESOLVED_MS };
            entry.ends_ms.is_some_and(|ends| now.saturating_sub(ends) <= longest)
        });
        let mut due = Vec::new();
        for entry in self.firing.values_mut().chain(&mut self.resolved).filter(|entry| is_due(entry)) {
            entry.sent_ms = Some(now);
            let end = now.max(entry.starts_ms).saturating_add(resend_every.saturating_mul(N_INTERVALS));
            due.push(Alert {
                labels: entry.labels.clone(),
                annotations: entry.annotations.clone(),
                starts_at: entry.starts_ms,
                ends_at: entry.ends_ms.unwrap_or(end),
                generator_url: entry.link.clone(),
            });
        }
        due
    }
}

/// The labels of an alert on a series: those of the series, its metric as `metric`, the query as `for`, the name of the
/// alert, the mark of this program, and `others` over all of them. A label of the series that is displaced is kept as
/// `exported_…`, as Prometheus does, and characters that older Alertmanagers refuse in a name become `_`.
pub(crate) fn labels_of(series: &Labels, query: &str, others: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let (mark, value) = OWN_LABEL;
    let own = [("alertname", "RladAnomaly"), ("for", query), ("metric", series.metric())];
    let mut labels: BTreeMap<String, String> = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    labels.extend(others.clone());
    labels.insert(mark.to_owned(), value.to_owned());
    labels.retain(|_, value| !value.is_empty());
    for (name, value) in series.iter().filter(|(name, _)| *name != NAME) {
        let mut name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert(0, '_');
        }
        while labels.contains_key(&name) {
            name.insert_str(0, "exported_");
        }
        labels.insert(name, value.to_owned());
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn labels(name: &str) -> BTreeMap<String, String> {
        [("alertname".to_owned(), name.to_owned())].into()
    }

    fn fire(alerts: &mut Alerts, key: &str, at: i64) {
        alerts.fire(key, labels(key), BTreeMap::new(), at, format!("http://rlad/{key}"));
    }

    /// Name, beginning and end of each.
    fn due(alerts: &mut Alerts, now: i64) -> Vec<(String, i64, i64)> {
        let due = alerts.due(now, MINUTE);
        due.into_iter().map(|alert| (alert.labels["alertname"].clone(), alert.starts_at, alert.ends_at)).collect()
    }

    #[test]
    fn a_firing_alert_is_sent_again_and_a_resolved_one_for_five_minutes() {
        let mut alerts = Alerts::default();
        fire(&mut alerts, "a", 1_000);
        assert_eq!(due(&mut alerts, 2_000), [("a".to_owned(), 1_000, 2_000 + 4 * MINUTE)]);
        fire(&mut alerts, "a", 5_000);
        assert_eq!(due(&mut alerts, 2_000 + MINUTE - 1), []);
        assert_eq!(due(&mut alerts, 2_000 + MINUTE), [("a".to_owned(), 1_000, 2_000 + 5 * MINUTE)]);
        assert_eq!(alerts.firing().count(), 1);
        let end = 2 * MINUTE;
        alerts.resolve("a", end);
        alerts.resolve("none", end);
        assert_eq!(alerts.firing().count(), 0);
        // At once, then every minute, then no more.
        for minute in 0..=5 {
            assert_eq!(due(&mut alerts, end + minute * MINUTE), [("a".to_owned(), 1_000, end)], "{minute}");
            assert_eq!(due(&mut alerts, end + minute * MINUTE + 1), [], "{minute}");
        }
        assert_eq!(due(&mut alerts, end + 6 * MINUTE), []);
        assert_eq!(alerts, Alerts::default());
    }

    #[test]
    fn a_restart_neither_loses_nor_repeats() {
        let mut alerts = Alerts::default();
        fire(&mut alerts, "a", 0);
        fire(&mut alerts, "b", 0);
        due(&mut alerts, 0);
        alerts.resolve("b", 10);
        fire(&mut alerts, "c", 20);
        let mut again: Alerts = serde_json::from_str(&serde_json::to_string(&alerts).unwrap()).unwrap();
        assert_eq!(again, alerts);
        let end = 30 + 4 * MINUTE;
        assert_eq!(due(&mut again, 30), [("c".to_owned(), 20, end), ("b".to_owned(), 0, 10)]);
        // Down for an hour: a resolved alert that was not sent is sent once.
        let hour = 60 * MINUTE;
        assert_eq!(due(&mut alerts, hour).len(), 3);
        assert_eq!(due(&mut alerts, hour + MINUTE).len(), 2);
    }

    #[test]
    fn what_was_not_sent_is_due_again_for_a_day() {
        let mut alerts = Alerts::default();
        fire(&mut alerts, "a", 0);
        fire(&mut alerts, "b", 0);
        let before = alerts.clone();
        due(&mut alerts, 1);
        fire(&mut alerts, "c", 2);
        due(&mut alerts, 3);
        alerts.not_sent(&before);
        assert_eq!(due(&mut alerts, 4).len(), 3);
        alerts.resolve("a", 5);
        let before = alerts.clone();
        let day = 24 * 60 * MINUTE;
        for (now, n_due) in [(6, 1), (day, 3), (day + 5, 3), (day + 6, 2)] {
            assert_eq!(due(&mut alerts, now).len(), n_due, "{now}");
            alerts.not_sent(&before);
        }
    }

    #[test]
    fn an_alert_that_fires_again_is_not_ended_by_the_one_before() {
        let mut alerts = Alerts::default();
        fire(&mut alerts, "a", 0);
        alerts.resolve("a", 10);
        fire(&mut alerts, "a", 20);
        assert_eq!(due(&mut alerts, 30), [("a".to_owned(), 20, 30 + 4 * MINUTE)]);
        // Other labels are another alert.
        alerts.fire("a", labels("z"), BTreeMap::new(), 40, String::new());
        assert_eq!(due(&mut alerts, 50), [("z".to_owned(), 40, 50 + 4 * MINUTE), ("a".to_owned(), 20, 40)]);
    }

    #[test]
    fn no_end_is_before_its_beginning() {
        let mut alerts = Alerts::default();
        fire(&mut alerts, "a", 100_000);
        assert_eq!(due(&mut alerts, 0), [("a".to_owned(), 100_000, 100_000 + 4 * MINUTE)]);
        // The clock was set back.
        assert_eq!(due(&mut alerts, -5).len(), 1);
        alerts.resolve("a", 7);
        assert_eq!(due(&mut alerts, 10), [("a".to_owned(), 100_000, 100_000)]);
        fire(&mut alerts, "b", i64::MAX);
        assert_eq!(due(&mut alerts, i64::MAX), [("b".to_owned(), i64::MAX, i64::MAX)]);
    }

    #[test]
    fn it_is_sent_as_alertmanager_reads_it() {
        let mut alerts = Alerts::default();
        let annotations = [("summary".to_owned(), "too high".to_owned())].into();
        alerts.fire("a", labels("a"), annotations, 1_795_947_289_504, "http://rlad:8490/desk/?alert=1".to_owned());
        let json = serde_json::to_string(&alerts.due(1_795_947_290_000, MINUTE)).unwrap();
        insta::assert_snapshot!(json, @r#"[{"labels":{"alertname":"a"},"annotations":{"summary":"too high"},"startsAt":"2026-11-29T10:14:49.504Z","endsAt":"2026-11-29T10:18:50Z","generatorURL":"http://rlad:8490/desk/?alert=1"}]"#);
    }

    #[test]
    fn the_labels_of_an_alert_hold_those_of_its_series() {
        let of = |series: &str, others: &[(&str, &str)]| {
            let others = others.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let labels = labels_of(&Labels::parse(series).unwrap(), "errors", &others);
            Labels::new(labels.into_iter().collect()).unwrap().series_name()
        };
        insta::assert_snapshot!(of(r#"up{job="api"}"#, &[("severity", "page")]), @r#"{alertname="RladAnomaly",detector="rlad",for="errors",job="api",metric="up",severity="page"}"#);
        insta::assert_snapshot!(of(r#"up{job="api",for="x",exported_for="y",severity="z"}"#, &[("severity", "page"), ("detector", "no")]), @r#"{alertname="RladAnomaly",detector="rlad",exported_exported_for="x",exported_for="y",exported_severity="z",for="errors",job="api",metric="up",severity="page"}"#);
        insta::assert_snapshot!(of(r#"{"a.b"="1",a_b="2","7é"="3"}"#, &[("for", "")]), @r#"{_7_="3",a_b="1",alertname="RladAnomaly",detector="rlad",exported_a_b="2"}"#);
    }
}
