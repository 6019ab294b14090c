//! What is watched and how: the rules of the configuration, of which each series follows the first that fits it.

use rlad::config::DecisionConfig;

use super::config::{Period, ReadAs, Scores, ServeConfig};
use super::labels::{Labels, NAME};
use super::matcher::{Matcher, Selector};
use super::wire::MetricKind;

/// A rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// The value of the label `for` of its scores; the name of the metric where there is none.
    pub(crate) name: Option<String>,
    /// The series that it watches; all where there is none.
    pub(crate) selector: Option<Selector>,
    /// The time between two points in milliseconds, where it is known.
    pub(crate) step: Option<i64>,
    /// How samples are read.
    pub(crate) read_as: ReadAs,
    /// What is an alarm.
    pub(crate) decision: DecisionConfig,
    /// Which scores are written back.
    pub(crate) scores: Scores,
    /// Values outside of it are alarms, whatever their score.
    pub(crate) range: Option<(f64, f64)>,
}

/// The rules, in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(pub(crate) Vec<Rule>);

impl Rules {
    /// The rules of a configuration: its queries, then its watches; where it has neither, everything that is pushed is watched.
    ///
    /// # Errors
    /// If the name of a query makes no selector.
    pub(crate) fn of_config(config: &ServeConfig) -> anyhow::Result<Self> {
        let millis = |step: Option<Period>| step.map(Period::millis);
        let mut rules = Vec::new();
        for (name, query) in &config.reader.queries {
            let only = Matcher::new(NAME.to_owned(), name.clone(), false, true)?;
            rules.push(Rule {
                name: Some(name.clone()),
                selector: Some(Selector::new(vec![only])),
                step: Some(query.step.unwrap_or(config.reader.sampling_period).millis()),
                // What a query gives is what was asked for.
                read_as: ReadAs::Value,
                decision: query.decision(&config.decision),
                scores: config.writer.scores,
                range: query.data_range.map(|[low, high]| (low, high)),
            });
        }
        for watch in &config.watches {
            rules.push(Rule {
                name: watch.name.clone(),
                selector: Some(watch.selector.clone()),
                step: millis(watch.step),
                read_as: watch.read_as,
                decision: watch.decision(&config.decision),
                scores: config.writer.scores,
                range: watch.data_range.map(|[low, high]| (low, high)),
            });
        }
        if rules.is_empty() {
            rules.push(Rule {
                name: None,
                selector: None,
                step: None,
                read_as: ReadAs::Auto,
                decision: config.decision.clone(),
                scores: config.writer.scores,
                range: None,
            });
        }
        Ok(Self(rules))
    }

    /// The place of the rule that watches a series, if one does.
    pub(crate) fn of(&self, labels: &Labels) -> Option<usize> {
        self.0.iter().position(|rule| rule.selector.as_ref().is_none_or(|selector| selector.matches(labels)))
    }
}

/// What the samples of a metric are, by what its sender says or by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// A number as it is.
    Value,
    /// A counter.
    Counter,
    /// The buckets of a histogram.
    Bucket,
}

impl Nature {
    /// The nature of a metric.
    pub(crate) fn of(metric: &str, kind: Option<MetricKind>) -> Self {
        // The parts of a histogram and a summary are counters, but for the quantiles.
        let is_part = metric.ends_with("_count") || metric.ends_with("_sum");
        match kind {
            _ if metric.ends_with("_bucket") => Self::Bucket,
            Some(MetricKind::Counter) => Self::Counter,
            Some(MetricKind::Gauge) => Self::Value,
            Some(MetricKind::Histogram | MetricKind::Summary) if is_part => Self::Counter,
            Some(MetricKind::Histogram | MetricKind::Summary) => Self::Value,
            _ if is_part || metric.ends_with("_total") => Self::Counter,
            _ => Self::Value,
        }
    }
}

/// The family of a metric: its name without the ending of a part.
pub(crate) fn family(metric: &str) -> &str {
    ["_total", "_count", "_sum", "_bucket"].into_iter().find_map(|end| metric.strip_suffix(end)).unwrap_or(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_known_by_their_kind_or_their_name() {
        for (metric, kind, nature) in [
            ("http_requests_total", None, Nature::Counter),
            ("http_requests", None, Nature::Value),
            ("http_requests", Some(MetricKind::Counter), Nature::Counter),
            ("jobs_total", Some(MetricKind::Gauge), Nature::Value),
            ("latency_bucket", Some(MetricKind::Histogram), Nature::Bucket),
            ("latency_sum", Some(MetricKind::Summary), Nature::Counter),
            ("latency", Some(MetricKind::Summary), Nature::Value),
            ("latency_count", None, Nature::Counter),
            ("job:requests:rate5m", None, Nature::Value),
        ] {
            assert_eq!(Nature::of(metric, kind), nature, "{metric} {kind:?}");
        }
        assert_eq!(["a_total", "a_sum", "a"].map(family), ["a"; 3]);
    }
}
