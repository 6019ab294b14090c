//! The service's own metrics, none of which has a label a series.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::engine::Tally;
use super::intake::Reason;
use super::outbox;

/// Media type of the metrics.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The upper bounds of the time from a sample to its score, in seconds.
const LAGS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0];

/// A label whose values are few.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Protocol {
    pub(crate) protocol: String,
}

/// A label whose values are few.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Why {
    pub(crate) reason: String,
}

/// A label whose values are few.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct What {
    pub(crate) result: String,
}

/// A label whose values are few.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct ModelHash {
    pub(crate) hash: String,
}

/// A number that goes up and down.
pub(crate) type Number = Gauge<f64, AtomicU64>;
/// A count that goes up and down.
pub(crate) type Count = Gauge<i64, AtomicI64>;

/// The metrics; a clone counts for the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Telemetry {
    registry: Arc<Registry>,
    pub(crate) received: Family<Protocol, Counter>,
    pub(crate) dropped: Family<Why, Counter>,
    pub(crate) refused: Family<Why, Counter>,
    pub(crate) series: Count,
    pub(crate) scored: Counter,
    pub(crate) lag: Histogram,
    pub(crate) last_score: Number,
    pub(crate) journal_bytes: Count,
    pub(crate) snapshot_seconds: Number,
    pub(crate) snapshot_timestamp: Number,
    pub(crate) pulls: Family<What, Counter>,
    pub(crate) written: Family<What, Counter>,
    pub(crate) spool_bytes: Count,
    pub(crate) alarms_open: Count,
    pub(crate) alarms: Counter,
    pub(crate) questions_open: Count,
    pub(crate) answers: Counter,
    pub(crate) learning_seconds: Number,
    pub(crate) learning_rounds: Counter,
    pub(crate) learning_works: Count,
    pub(crate) model: Family<ModelHash, Count>,
    pub(crate) suggestions_open: Count,
    pub(crate) reload_works: Count,
    pub(crate) reload_timestamp: Number,
    pub(crate) state_works: Count,
}

impl Default for Telemetry {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("rlad");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", build);
        macro_rules! register {
            ($name:literal, $help:literal, $metric:expr) => {{
                let metric = $metric;
                registry.register($name, $help, metric.clone());
                metric
            }};
        }
        macro_rules! register_in {
            ($unit:ident, $name:literal, $help:literal, $metric:expr) => {{
                let metric = $metric;
                registry.register_with_unit($name, $help, Unit::$unit, metric.clone());
                metric
            }};
        }
        let received = register!("samples_received", "Samples that were taken in, by protocol", Family::default());
        let dropped = register!("samples_dropped", "Samples that were left out, by reason", Family::default());
        let refused = register!("requests_refused", "Requests with samples that were refused", Family::default());
        let series = register!("series", "Series that are watched", Count::default());
        let scored = register!("points_scored", "Points that were scored", Counter::default());
        let lag = register_in!(Seconds, "score_lag", "From the time of a sample to its score", Histogram::new(LAGS));
        let last_score =
            register_in!(Seconds, "last_score_timestamp", "Time of the last point that was scored", Number::default());
        let journal_bytes = register_in!(Bytes, "wal", "The journal on disk", Count::default());
        let snapshot_seconds = register_in!(Seconds, "snapshot_duration", "The last snapshot", Number::default());
        let snapshot_timestamp =
            register_in!(Seconds, "snapshot_timestamp", "When the last snapshot was whole", Number::default());
        let pulls = register!("reader_requests", "Queries of the database, by result", Family::default());
        let written = register!("writer_samples", "Scores for the database, by result", Family::default());
        let spool_bytes = register_in!(Bytes, "spool", "Scores on disk that wait for the database", Count::default());
        let alarms_open = register!("alarms_open", "Events that are open", Count::default());
        let alarms = register!("alarms", "Events that were opened", Counter::default());
        let questions_open = register!("questions_open", "Questions that wait for an answer", Count::default());
        let answers = register!("answers", "Questions that were answered", Counter::default());
        let learning_seconds =
            register_in!(Seconds, "learning_duration", "The last turn of learning", Number::default());
        let learning_rounds =
            register!("learning_rounds", "Rounds of questions that were learned from", Counter::default());
        let learning_works =
            register!("learning_last_success", "Whether the last turn of learning came to its end", Count::default());
        let model = register!("model_info", "The detector in use", Family::default());
        let suggestions_open = register!("suggestions_open", "Suggestions that wait for a person", Count::default());
        let reload_works =
            register!("config_last_reload_successful", "Whether the last configuration was valid", Count::default());
        let reload_timestamp =
            register_in!(Seconds, "config_last_reload_success_timestamp", "When it was last read", Number::default());
        let state_works =
            register!("state_last_write_successful", "Whether the state could be written last", Count::default());
        for up in [&reload_works, &learning_works, &state_works] {
            up.set(1);
        }
        Self {
            registry: Arc::new(registry),
            received,
            dropped,
            refused,
            series,
            scored,
            lag,
            last_score,
            journal_bytes,
            snapshot_seconds,
            snapshot_timestamp,
            pulls,
            written,
            spool_bytes,
            alarms_open,
            alarms,
            questions_open,
            answers,
            learning_seconds,
            learning_rounds,
            learning_works,
            model,
            suggestions_open,
            reload_works,
            reload_timestamp,
            state_works,
        }
    }
}

impl Telemetry {
    /// All metrics, as [`MEDIA_TYPE`].
    ///
    /// # Errors
    /// If they cannot be written as text.
    pub(crate) fn text(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Counts what became of the samples of a request.
    pub(crate) fn count(&self, tally: &Tally, protocol: &str) {
        self.received.get_or_create(&Protocol { protocol: protocol.to_owned() }).inc_by(tally.accepted as u64);
        for (reason, n) in Reason::ALL.iter().zip(tally.dropped).filter(|(_, n)| *n > 0) {
            self.dropped.get_or_create(&Why { reason: reason.name().to_owned() }).inc_by(n as u64);
        }
    }

    /// Tells what became of scores.
    pub(crate) fn tell_outbox(&self, counts: &outbox::Counts) {
        let outbox::Dropped { late, duplicate, refused, spool_full, unwritten, broken } = counts.dropped;
        for (result, n) in [
            ("written", counts.sent),
            ("late", late),
            ("duplicate", duplicate),
            ("refused", refused),
            ("spool_full", spool_full),
            ("unwritten", unwritten),
            ("broken", broken),
        ] {
            set(&self.written.get_or_create(&What { result: result.to_owned() }), n);
        }
        // A segment leaves the disk as a whole: what is left of one that was sent does not wait.
        let waiting = if counts.backlog == 0 { 0 } else { counts.spool_bytes };
        self.spool_bytes.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Tells which detector is in use.
    pub(crate) fn set_model(&self, hash: &str) {
        self.model.clear();
        self.model.get_or_create(&ModelHash { hash: hash.to_owned() }).set(1);
    }

    /// Tells that a snapshot is whole, and how long it took.
    pub(crate) fn set_snapshot(&self, took: Duration, now_ms: i64) {
        self.snapshot_seconds.set(took.as_secs_f64());
        self.snapshot_timestamp.set(now_ms as f64 / 1_000.0);
    }
}

/// Puts a counter to what was counted elsewhere.
pub(crate) fn set(counter: &Counter, n: u64) {
    counter.inner().store(n, std::sync::atomic::Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_told_with_its_unit_and_without_a_series() {
        let telemetry = Telemetry::default();
        telemetry.received.get_or_create(&Protocol { protocol: "v1".into() }).inc_by(3);
        telemetry.dropped.get_or_create(&Why { reason: "late".into() }).inc();
        telemetry.lag.observe(0.2);
        telemetry.set_model("abc");
        telemetry.set_model("def");
        telemetry.set_snapshot(Duration::from_millis(1_500), 60_000);
        let text = telemetry.text().unwrap();
        for line in [
            "rlad_samples_received_total{protocol=\"v1\"} 3",
            "rlad_samples_dropped_total{reason=\"late\"} 1",
            "rlad_score_lag_seconds_bucket{le=\"0.25\"} 1",
            "rlad_model_info{hash=\"def\"} 1",
            "rlad_snapshot_duration_seconds 1.5",
            "rlad_snapshot_timestamp_seconds 60.0",
            "rlad_config_last_reload_successful 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|of| of == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("abc"));
    }
}
