//! Settings of what is watched: queries to a database, and series that are pushed.

use std::collections::BTreeMap;

use rlad::config::{DecisionConfig, Direction};
use serde::{Deserialize, Serialize};

use super::auth::{AuthConfig, check_tenant, check_url, tenant, trimmed};
use super::units::Period;
use super::{Problem, check, check_time};
use crate::serve::client;
use crate::serve::matcher::Selector;

/// The database that is read, and what is asked of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ReaderConfig {
    /// The address of a Prometheus or VictoriaMetrics, without `/api/v1/…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datasource_url: Option<String>,
    /// The time between two points of a query that says no other; at least a second.
    pub sampling_period: Period,
    /// How long after their time values are asked for, so that they have arrived.
    pub offset: Period,
    /// The longest time of a request, above 0.
    pub timeout: Period,
    /// Whose data are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The header that names the tenant, such as `X-Scope-OrgID`; without one it stands in the address, as a cluster of
    /// VictoriaMetrics has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_header: Option<String>,
    /// Credentials and certificates.
    #[serde(skip_serializing_if = "AuthConfig::is_default")]
    pub auth: AuthConfig,
    /// The queries by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub queries: BTreeMap<String, QueryConfig>,
}

impl Default for ReaderConfig {
    fn default() -> Self {
        Self {
            datasource_url: None,
            sampling_period: Period::from_secs(60),
            offset: Period::from_secs(15),
            timeout: Period::from_secs(30),
            tenant_id: None,
            tenant_header: None,
            auth: AuthConfig::default(),
            queries: BTreeMap::new(),
        }
    }
}

/// A query whose series are watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryConfig {
    /// The expression in PromQL or MetricsQL.
    pub expr: String,
    /// The time between two points, at least a second; `sampling_period` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Period>,
    /// The side of the expected value on which a point may be an alarm; that of `decision` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection_direction: Option<DetectionDirection>,
    /// The smallest distance from the expected value of an alarm, in units of the value, at least 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_dev_from_expected: Option<f64>,
    /// The smallest distance from the expected value of an alarm, in percent of that value's size, at least 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_rel_dev_from_expected: Option<f64>,
    /// The least and the largest value that may be normal; a value outside is an alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_range: Option<[f64; 2]>,
}

/// Series that are pushed and watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WatchConfig {
    /// Which series.
    #[serde(rename = "match")]
    pub selector: Selector,
    /// The name in `$QUERY_KEY`; that of the metric where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is watched of a series.
    #[serde(default, rename = "as")]
    pub read_as: ReadAs,
    /// The time between two points, at least a second; found from the first points where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Period>,
    /// As of a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection_direction: Option<DetectionDirection>,
    /// As of a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_dev_from_expected: Option<f64>,
    /// As of a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_rel_dev_from_expected: Option<f64>,
    /// As of a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_range: Option<[f64; 2]>,
}

/// What is watched of a pushed series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReadAs {
    /// The rate of a counter, the value of any other.
    #[default]
    Auto,
    /// The rise in a second.
    Rate,
    /// The value.
    Value,
}

/// The side of the expected value on which a point may be an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DetectionDirection {
    /// Either side.
    Both,
    /// Where the value is higher.
    AboveExpected,
    /// Where the value is lower.
    BelowExpected,
}

impl ReaderConfig {
    /// The address before `/api/v1/…`, with the tenant of a cluster.
    pub(crate) fn base_url(&self) -> Option<String> {
        let url = trimmed(self.datasource_url.as_deref()?);
        Some(match (&self.tenant_id, &self.tenant_header) {
            (Some(tenant), None) => format!("{url}/select/{tenant}/prometheus"),
            _ => url.to_owned(),
        })
    }

    /// The options of a client that reads.
    pub(crate) fn options(&self) -> client::Options {
        self.auth.options(tenant(self.tenant_id.as_deref(), self.tenant_header.as_deref()), self.timeout)
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        self.datasource_url.as_ref().map_or(Ok(()), |url| check_url("reader.datasource_url", url))?;
        check_step("reader.sampling_period", self.sampling_period)?;
        check_time("reader.timeout", self.timeout)?;
        check_tenant("reader", self.tenant_id.as_deref(), self.tenant_header.as_deref())?;
        self.auth.check("reader")?;
        check(self.queries.is_empty() || self.datasource_url.is_some(), || {
            let hint = "add `datasource_url = \"http://localhost:9090\"` to `[reader]`".to_owned();
            Problem::new("reader.datasource_url".into(), "given where there are queries".into(), "nothing".into(), hint)
        })?;
        self.queries.iter().try_for_each(|(name, query)| query.check(&format!("reader.queries.{name}"), name))
    }
}

impl QueryConfig {
    /// A query of an expression, with nothing else said.
    pub(crate) const fn new(expr: String) -> Self {
        Self {
            expr,
            step: None,
            detection_direction: None,
            min_dev_from_expected: None,
            min_rel_dev_from_expected: None,
            data_range: None,
        }
    }

    /// The decision on its series: what it says, over that of all.
    pub(crate) fn decision(&self, of_all: &DecisionConfig) -> DecisionConfig {
        decision(of_all, self.detection_direction, self.min_dev_from_expected, self.min_rel_dev_from_expected)
    }

    fn check(&self, key: &str, name: &str) -> Result<(), Problem> {
        let is_plain = |c: char| c.is_alphanumeric() || "_-.:".contains(c);
        check(!name.is_empty() && name.chars().all(is_plain), || {
            let hint = "it is the label `for` of the scores".to_owned();
            Problem::new(
                key.into(),
                "named by letters, digits, `_`, `-`, `.` and `:`".into(),
                format!("`{name}`"),
                hint,
            )
        })?;
        check(!self.expr.trim().is_empty(), || {
            let hint = "write what `query_range` shall be asked for, as in `rate(http_requests_total[5m])`".to_owned();
            Problem::new(format!("{key}.expr"), "an expression in PromQL".into(), "an empty text".into(), hint)
        })?;
        self.step.map_or(Ok(()), |step| check_step(&format!("{key}.step"), step))?;
        check_deviations(key, self.min_dev_from_expected, self.min_rel_dev_from_expected, self.data_range)
    }
}

impl WatchConfig {
    /// The decision on its series: what it says, over that of all.
    pub(crate) fn decision(&self, of_all: &DecisionConfig) -> DecisionConfig {
        decision(of_all, self.detection_direction, self.min_dev_from_expected, self.min_rel_dev_from_expected)
    }

    pub(super) fn check(&self, key: &str) -> Result<(), Problem> {
        check(self.name.as_ref().is_none_or(|name| !name.is_empty()), || {
            let hint = "leave it out for the name of the metric".to_owned();
            Problem::new(format!("{key}.name"), "a name".into(), "an empty text".into(), hint)
        })?;
        self.step.map_or(Ok(()), |step| check_step(&format!("{key}.step"), step))?;
        check_deviations(key, self.min_dev_from_expected, self.min_rel_dev_from_expected, self.data_range)
    }
}

fn decision(
    of_all: &DecisionConfig,
    direction: Option<DetectionDirection>,
    deviation: Option<f64>,
    percent: Option<f64>,
) -> DecisionConfig {
    DecisionConfig {
        direction: direction.map_or(of_all.direction, |direction| match direction {
            DetectionDirection::Both => Direction::Both,
            DetectionDirection::AboveExpected => Direction::Above,
            DetectionDirection::BelowExpected => Direction::Below,
        }),
        min_deviation: deviation.unwrap_or(of_all.min_deviation),
        min_relative_deviation: percent.map_or(of_all.min_relative_deviation, |percent| percent / 100.0),
        ..of_all.clone()
    }
}

fn check_step(key: &str, step: Period) -> Result<(), Problem> {
    check(step.millis() >= 1_000, || {
        let hint = "the time between two points, as in `\"1m\"`".to_owned();
        Problem::new(key.to_owned(), "at least a second".to_owned(), format!("`{step}`"), hint)
    })
}

fn check_deviations(
    key: &str,
    deviation: Option<f64>,
    percent: Option<f64>,
    range: Option<[f64; 2]>,
) -> Result<(), Problem> {
    for (name, value) in [("min_dev_from_expected", deviation), ("min_rel_dev_from_expected", percent)] {
        let Some(value) = value.filter(|value| !(value.is_finite() && *value >= 0.0)) else { continue };
        let hint = "in units of the value, and for `min_rel_dev_from_expected` in percent of it".to_owned();
        return Err(Problem::new(format!("{key}.{name}"), "at least 0".to_owned(), value.to_string(), hint));
    }
    let Some([low, high]) =
        range.filter(|[low, high]| !matches!(low.partial_cmp(high), Some(std::cmp::Ordering::Less)))
    else {
        return Ok(());
    };
    let hint = "an open side is `-inf` or `inf`, as in `[0, inf]`".to_owned();
    let expected = "the least value before the largest".to_owned();
    Err(Problem::new(format!("{key}.data_range"), expected, format!("[{low}, {high}]"), hint))
}
