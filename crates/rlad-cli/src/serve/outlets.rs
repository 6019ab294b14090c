//! What the engine decides, on its way out: scores to the database, events to Alertmanager, counts to the metrics.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::alertmanager::{Alerts, labels_of};
use super::clock::now_ms;
use super::config::ServeConfig;
use super::engine::{AlarmChange, Outputs, ScoredPoint, Written, anomaly_score};
use super::labels::{Labels, NAME};
use super::outbox::{OutSample, Outbox};
use super::shared::Shared;
use super::telemetry::Telemetry;
use super::wire::STALE;

/// The alerts that are firing, kept in a file.
#[derive(Clone, Debug)]
pub(crate) struct AlertDesk {
    alerts: Arc<Mutex<Alerts>>,
    path: PathBuf,
    /// When the last event was opened, in milliseconds since 1970; 0 before the first.
    last_opened: Arc<AtomicI64>,
}

impl AlertDesk {
    /// The alerts of a file; none where there is none.
    ///
    /// # Errors
    /// If the file cannot be read, or holds something else.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let alerts: Alerts = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("cannot use `{}`", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Alerts::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        };
        let last_opened = Arc::new(AtomicI64::new(alerts.last_start()));
        Ok(Self { alerts: Arc::new(Mutex::new(alerts)), path: path.to_owned(), last_opened })
    }

    /// The alerts.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Alerts> {
        self.alerts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the last event was opened, in milliseconds since 1970.
    pub(crate) fn last_opened(&self) -> i64 {
        self.last_opened.load(Ordering::Relaxed)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec(&*self.lock())?;
        Ok(rlad::data::write_file(&self.path, &bytes)?)
    }
}

/// What takes the engine's decisions.
#[derive(Debug)]
pub(crate) struct Outlets {
    /// The configuration in use.
    pub(crate) config: Shared<ServeConfig>,
    /// Scores for the database, where there is one.
    pub(crate) outbox: Option<Arc<Outbox>>,
    /// The alerts.
    pub(crate) desk: AlertDesk,
    /// The metrics.
    pub(crate) telemetry: Telemetry,
    /// Whether an alert changed since the file was written.
    pub(crate) has_changed: bool,
}

impl Outputs for Outlets {
    fn scored(&mut self, points: &[ScoredPoint<'_>]) -> anyhow::Result<()> {
        let now = now_ms();
        let mut last = f64::NEG_INFINITY;
        for point in points {
            self.telemetry.lag.observe((now - point.at).max(0) as f64 / 1_000.0);
            last = last.max(point.at as f64 / 1_000.0);
        }
        self.telemetry.scored.inc_by(points.len() as u64);
        if last > self.telemetry.last_score.get() {
            self.telemetry.last_score.set(last);
        }
        let Some(outbox) = &self.outbox else { return Ok(()) };
        let config = self.config.get();
        let samples = points.iter().filter_map(|point| {
            let value = match point.written {
                Written::Score => anomaly_score(point.margin),
                Written::End => f64::from_bits(STALE),
                Written::Nothing => return None,
            };
            let labels = score_labels(&config, point.series, point.name)?;
            Some(OutSample { labels: Arc::new(labels), timestamp_ms: point.at, value })
        });
        outbox.push(samples.collect());
        Ok(())
    }

    fn alarm(&mut self, change: AlarmChange) {
        let AlarmChange { series, name, event, value, is_open, is_new } = change;
        if is_new {
            self.telemetry.alarms.inc();
            self.desk.last_opened.fetch_max(event.since, Ordering::Relaxed);
        }
        if is_open == is_new {
            self.telemetry.alarms_open.inc_by(if is_open { 1 } else { -1 });
        }
        let config = self.config.get();
        let Ok(labels) = Labels::parse(&series) else { return };
        let query = name.as_deref().unwrap_or_else(|| labels.metric());
        let mut alerts = self.desk.lock();
        if is_open {
            // The peak moves, and may be newer than the data behind the page; where the event began stays.
            let link = link(&config.server.external_url(), &series, event.since);
            let annotations = [
                ("summary", format!("{series} is unusual")),
                (
                    "description",
                    format!(
                        "{value} at {}, {:.1} times the odds of an alarm",
                        time(event.last),
                        anomaly_score(event.peak)
                    ),
                ),
                ("answer", link.clone()),
            ];
            let annotations = annotations.map(|(name, text)| (name.to_owned(), text)).into();
            alerts.fire(
                &series,
                labels_of(&labels, query, &config.alertmanager.labels),
                annotations,
                event.since,
                link,
            );
        } else {
            alerts.resolve(&series, event.last);
        }
        self.has_changed = true;
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        if std::mem::take(&mut self.has_changed) {
            self.desk.save()?;
        }
        self.outbox.as_ref().map_or(Ok(()), |outbox| outbox.flush())
    }
}

/// The labels of a series' scores.
pub(crate) fn score_labels(config: &ServeConfig, series: &str, name: Option<&str>) -> Option<Labels> {
    let labels = Labels::parse(series).ok()?;
    let query = name.unwrap_or_else(|| labels.metric()).to_owned();
    let added: BTreeMap<String, String> = config.writer.labels(&query).into_iter().collect();
    Some(labels.with([(NAME, "")]).with(added.iter().map(|(name, value)| (name.as_str(), value.as_str()))))
}

/// The address of the labelling page at a point.
pub(crate) fn link(external_url: &str, series: &str, at: i64) -> String {
    format!(
        "{external_url}/?series={}&at={}",
        utf8_percent_encode(series, NON_ALPHANUMERIC),
        time(at).replace(':', "%3A")
    )
}

/// A time in milliseconds, as RFC 3339 writes it.
pub(crate) fn time(at: i64) -> String {
    Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::watched::Event;

    fn outlets(dir: &Path) -> Outlets {
        let text = "[server]\nexternal_url = \"http://rlad:8490\"";
        let config = ServeConfig::from_text("serve.toml", text, &|_| None).unwrap();
        Outlets {
            config: Shared::new(config),
            outbox: None,
            desk: AlertDesk::open(&dir.join("alerts.json")).unwrap(),
            telemetry: Telemetry::default(),
            has_changed: false,
        }
    }

    #[test]
    fn an_event_becomes_an_alert_with_a_link_and_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut outlets = outlets(dir.path());
        let event = Event { since: 1_000, last: 61_000, peak_at: 61_000, peak: 2.0 };
        let change = |is_open: bool, is_new: bool| AlarmChange {
            series: "up{job=\"a b\"}".into(),
            name: None,
            event,
            value: 3.5,
            is_open,
            is_new,
        };
        outlets.alarm(change(true, true));
        outlets.alarm(change(true, false));
        outlets.flush().unwrap();
        assert_eq!((outlets.telemetry.alarms.get(), outlets.telemetry.alarms_open.get()), (1, 1));
        assert_eq!(outlets.desk.last_opened(), 1_000);
        let mut again = self::outlets(dir.path());
        assert_eq!(again.desk.last_opened(), 1_000);
        let due = again.desk.lock().due(100_000, 60_000);
        let sent = serde_json::to_value(&due).unwrap();
        assert_eq!(
            sent[0]["generatorURL"],
            "http://rlad:8490/?series=up%7Bjob%3D%22a%20b%22%7D&at=1970-01-01T00%3A00%3A01Z"
        );
        assert_eq!(sent[0]["labels"]["metric"], "up");
        assert_eq!(
            sent[0]["annotations"]["description"],
            "3.5 at 1970-01-01T00:01:01Z, 7.4 times the odds of an alarm"
        );
        again.alarm(change(false, false));
        assert_eq!(again.desk.lock().firing().count(), 0);
    }

    #[test]
    fn scores_have_the_labels_of_their_series() {
        let config = ServeConfig::default();
        let named = |series: &str, name| score_labels(&config, series, name).unwrap().series_name();
        assert_eq!(named("up{job=\"a\"}", None), "anomaly_score{for=\"up\",job=\"a\",model_alias=\"rlad\"}");
        assert_eq!(named("cpu{job=\"a\"}", Some("load")), "anomaly_score{for=\"load\",job=\"a\",model_alias=\"rlad\"}");
    }
}
