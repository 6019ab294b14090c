//! What the service says of itself at `/metrics`, and what the system says of its process.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Outcome;

/// Clock ticks a second in `/proc`.
const TICKS: f64 = 100.0;

/// A process by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Resident memory in MiB, now and at most, and the seconds of processor time so far.
    fn state(self) -> (f64, f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            let kib: f64 = line.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
            kib / 1_024.0
        };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        // After the name, which may hold anything: user and system time are the 12th and 13th.
        let times = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').skip(11).take(2);
        let ticks: f64 = times.filter_map(|text| text.parse::<f64>().ok()).sum();
        (of("VmRSS:"), of("VmHWM:"), ticks / TICKS)
    }
}

/// A look at the service.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    metrics: BTreeMap<String, f64>,
    rss: f64,
    most_rss: f64,
    cpu: f64,
}

impl Observed {
    /// Looks at a service by the address that takes samples.
    pub(crate) fn of(url: &str, process: Option<&Process>) -> Outcome<Self> {
        let base = url.split("/api/").next().unwrap_or(url);
        let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(30)));
        let agent: ureq::Agent = config.build().into();
        let text = agent.get(format!("{base}/metrics")).call()?.body_mut().read_to_string()?;
        let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        let metrics = lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect();
        let (rss, most_rss, cpu) = process.map_or((f64::NAN, f64::NAN, f64::NAN), |process| process.state());
        Ok(Self { metrics, rss, most_rss, cpu })
    }

    fn get(&self, name: &str) -> f64 {
        self.metrics.get(name).copied().unwrap_or(0.0)
    }

    fn sum(&self, prefix: &str) -> f64 {
        self.metrics.range(prefix.to_owned()..).take_while(|(name, _)| name.starts_with(prefix)).map(|(_, n)| n).sum()
    }

    /// The buckets of the time from sample to score, by their upper bounds.
    fn lags(&self) -> Vec<(f64, f64)> {
        const BUCKET: &str = "rlad_score_lag_seconds_bucket{le=\"";
        let buckets = self.metrics.iter().filter_map(|(name, n)| {
            let bound = name.strip_prefix(BUCKET)?.strip_suffix("\"}")?;
            Some((bound.parse().unwrap_or(f64::INFINITY), *n))
        });
        let mut buckets: Vec<_> = buckets.collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets
    }

    /// A quantile of that time since another look, between the bounds of its bucket as Prometheus does it.
    fn lag_since(&self, before: &Self, q: f64) -> f64 {
        let before = before.lags();
        let lags: Vec<_> = self
            .lags()
            .into_iter()
            .map(|(bound, n)| (bound, n - before.iter().find(|(of, _)| *of >= bound).map_or(0.0, |(_, n)| *n)))
            .collect();
        let wanted = q * lags.last().map_or(0.0, |(_, n)| *n);
        let mut below = (0.0, 0.0);
        for (bound, n) in lags {
            if n >= wanted && n > below.1 {
                return if bound.is_finite() {
                    below.0 + (bound - below.0) * (wanted - below.1) / (n - below.1)
                } else {
                    f64::INFINITY
                };
            }
            below = (bound, n);
        }
        f64::NAN
    }

    fn scored(&self) -> f64 {
        self.get("rlad_points_scored_total")
    }

    /// Short, for the time between.
    pub(crate) fn line_since(&self, before: &Self, passed: f64) -> String {
        format!(
            "{:.0} MiB, {:.2} cores, {:.0} scored a second, lag p50 {:.2} s p99 {:.2} s, {:.0} written, {:.0} series, \
             journal {:.0} MiB, snapshot {:.1} s",
            self.rss,
            (self.cpu - before.cpu) / passed,
            (self.scored() - before.scored()) / passed,
            self.lag_since(before, 0.5),
            self.lag_since(before, 0.99),
            self.get("rlad_writer_samples_total{result=\"written\"}"),
            self.get("rlad_series"),
            self.get("rlad_wal_bytes") / 1_048_576.0,
            self.get("rlad_snapshot_duration_seconds"),
        )
    }

    /// All of a run.
    pub(crate) fn told_since(&self, before: &Self, passed: f64) -> String {
        let since = |name: &str| self.get(name) - before.get(name);
        let sum_since = |prefix: &str| self.sum(prefix) - before.sum(prefix);
        let dropped: Vec<_> = self
            .metrics
            .iter()
            .filter(|(name, _)| name.starts_with("rlad_samples_dropped_total"))
            .filter(|(name, n)| **n > before.get(name))
            .map(|(name, n)| {
                format!("{} {}", name.trim_start_matches("rlad_samples_dropped_total"), n - before.get(name))
            })
            .collect();
        format!(
            "service: {:.0} samples accepted, dropped {dropped:?}; {:.0} points scored, {:.0} a second; lag p50 {:.3} s, \
             p99 {:.3} s; {:.0} scores written; {:.1} s of processor time, {:.2} cores, {:.1} µs a sample; \
             {:.0} MiB resident ({:.0} before, {:.0} at most); {} alarms opened",
            sum_since("rlad_samples_received_total"),
            self.scored() - before.scored(),
            (self.scored() - before.scored()) / passed,
            self.lag_since(before, 0.5),
            self.lag_since(before, 0.99),
            since("rlad_writer_samples_total{result=\"written\"}"),
            self.cpu - before.cpu,
            (self.cpu - before.cpu) / passed,
            (self.cpu - before.cpu) * 1e6
                / (sum_since("rlad_samples_received_total") + sum_since("rlad_samples_dropped_total")),
            self.rss,
            before.rss,
            self.most_rss,
            since("rlad_alarms_total"),
        )
    }
}
