//! The silences that people set in Alertmanager.

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use super::time;
use crate::serve::matcher::{Matcher, Selector};

/// A silence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Silence {
    /// What Alertmanager knows it by.
    pub id: String,
    /// Whether it is over; else it is active or pending.
    pub is_over: bool,
    /// Which alerts it silences.
    pub selector: Selector,
    /// When it begins, in milliseconds since 1970.
    pub starts_at: i64,
    /// When it ends.
    pub ends_at: i64,
    /// Who set it.
    pub author: String,
    /// Why.
    pub comment: String,
    /// A link to it.
    pub url: String,
}

/// A silence as Alertmanager writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    id: String,
    status: Status,
    matchers: Vec<Matcher>,
    #[serde(deserialize_with = "time::read")]
    starts_at: i64,
    #[serde(deserialize_with = "time::read")]
    ends_at: i64,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    comment: String,
}

#[derive(Deserialize)]
struct Status {
    state: State,
}

#[derive(PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Active,
    Pending,
    Expired,
}

impl Silence {
    /// Reads the answer of `GET /api/v2/silences`; `base_url` is the Alertmanager's. Also, how many silences could not
    /// be understood, which does not keep the others from being read.
    ///
    /// # Errors
    /// If it is no list.
    pub(crate) fn parse(body: &[u8], base_url: &str) -> anyhow::Result<(Vec<Self>, usize)> {
        let all: Vec<Value> = serde_json::from_slice(body).context("expected a list of silences from Alertmanager")?;
        let n_all = all.len();
        let read = |value| {
            let written: Written = serde_json::from_value(value).ok()?;
            // Without a matcher it would silence everything, which Alertmanager does not do.
            (!written.matchers.is_empty()).then(|| Self {
                is_over: written.status.state == State::Expired,
                selector: Selector::new(written.matchers),
                starts_at: written.starts_at,
                ends_at: written.ends_at,
                author: written.created_by,
                comment: written.comment,
                url: format!("{base_url}/#/silences/{}", written.id),
                id: written.id,
            })
        };
        let silences: Vec<Self> = all.into_iter().filter_map(read).collect();
        let n_missing = n_all - silences.len();
        Ok((silences, n_missing))
    }
}
