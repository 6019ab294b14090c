//! What a database answers to queries.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::http;

/// A series of an answer: its labels, and times in milliseconds with values as they were written.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) points: BTreeMap<i64, String>,
}

impl Found {
    /// The highest value from a time on, and its time.
    pub(crate) fn highest(&self, from: i64) -> Option<(f64, i64)> {
        let values = self.points.range(from..).map(|(at, value)| (value.parse::<f64>().unwrap(), *at));
        values.max_by(|a, b| a.0.total_cmp(&b.0))
    }
}

fn found(answer: &Value) -> Vec<Found> {
    let series = answer["data"]["result"].as_array().unwrap();
    let of = |series: &Value| {
        let labels = serde_json::from_value(series["metric"].clone()).unwrap();
        let point = |point: &Value| {
            ((point[0].as_f64().unwrap() * 1_000.0).round() as i64, point[1].as_str().unwrap().to_owned())
        };
        Found { labels, points: series["values"].as_array().unwrap().iter().map(point).collect() }
    };
    series.iter().map(of).collect()
}

fn ask(url: &str, path: &str, query: &str, more: &str) -> Result<Vec<Found>, String> {
    let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
    Ok(found(&http::json(&format!("{url}/api/v1/{path}?query={query}{more}"))?))
}

/// The values of an expression each second of a range of times.
pub(crate) fn query_range(url: &str, expression: &str, from: i64, to: i64) -> Result<Vec<Found>, String> {
    let seconds = |at: i64| at as f64 / 1_000.0;
    ask(url, "query_range", expression, &format!("&start={}&end={}&step=1", seconds(from), seconds(to)))
}

/// The samples of a selector's only series in the last quarter of an hour, as they were written.
pub(crate) fn samples(url: &str, selector: &str) -> Result<Found, String> {
    let mut found = ask(url, "query", &format!("{selector}[15m]"), "")?;
    match found.len() {
        1 => Ok(found.remove(0)),
        n => Err(format!("{selector} has {n} series")),
    }
}
