//! The answers to the requests of one range query, put together.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::serve::client::Reply;
use crate::serve::labels::Labels;
use crate::serve::wire::Sample;

/// The server's answer to a range query.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
    #[serde(borrow)]
    data: Matrix<'a>,
}

#[derive(Deserialize)]
struct Matrix<'a> {
    #[serde(borrow)]
    result: Vec<Row<'a>>,
}

#[derive(Deserialize)]
struct Row<'a> {
    metric: BTreeMap<String, String>,
    /// Seconds since 1970, and the value as text.
    #[serde(default, borrow)]
    values: Vec<(f64, &'a str)>,
    #[serde(default)]
    histograms: Vec<IgnoredAny>,
}

/// What the chunks gave so far.
#[derive(Default)]
pub(super) struct Merged {
    pub series: BTreeMap<Labels, Vec<Sample>>,
    pub warnings: Vec<String>,
    pub n_histograms: usize,
}

impl Merged {
    /// Takes the answer to one request, for these first and last times.
    pub(super) fn read(&mut self, reply: &Reply, (from, to): (i64, i64)) -> Result<(), String> {
        let answer: Answer<'_> = serde_json::from_slice(&reply.body).map_err(|e| e.to_string())?;
        for row in answer.data.result {
            self.n_histograms += row.histograms.len();
            if row.values.is_empty() {
                continue;
            }
            let labels = Labels::new(row.metric.into_iter().collect()).map_err(|e| e.to_string())?;
            let mut samples = Vec::with_capacity(row.values.len());
            for (seconds, value) in row.values {
                let timestamp_ms = (seconds * 1000.0).round() as i64;
                let value = value.parse().map_err(|_| format!("expected a number, found `{value}`"))?;
                if (from..=to).contains(&timestamp_ms) {
                    samples.push(Sample { timestamp_ms, value });
                }
            }
            self.add(labels, samples);
        }
        self.warn(answer.warnings.into_iter().chain(answer.infos));
        Ok(())
    }

    /// Takes what a later chunk gave.
    pub(super) fn append(&mut self, other: Self) {
        self.n_histograms += other.n_histograms;
        for (labels, samples) in other.series {
            self.add(labels, samples);
        }
        self.warn(other.warnings.into_iter());
    }

    fn add(&mut self, labels: Labels, samples: Vec<Sample>) {
        let held = self.series.entry(labels).or_default();
        for sample in samples {
            if held.last().is_none_or(|last| last.timestamp_ms < sample.timestamp_ms) {
                held.push(sample);
            }
        }
    }

    fn warn(&mut self, warnings: impl Iterator<Item = String>) {
        for warning in warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }
}
