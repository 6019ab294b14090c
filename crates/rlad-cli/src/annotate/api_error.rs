//! What cannot be done, and what may be done about it.

use serde_json::{Value, json};

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status of HTTP.
    pub(crate) status: u16,
    /// What was expected and found.
    pub(crate) error: String,
    /// What may be done about it.
    pub(crate) hint: Option<String>,
}

impl Refusal {
    /// A request that makes no sense.
    pub(crate) fn wrong(error: impl Into<String>) -> Self {
        Self { status: 400, error: error.into(), hint: None }
    }

    /// Something that is not there.
    pub(crate) fn missing(error: impl Into<String>) -> Self {
        Self { status: 404, error: error.into(), hint: None }
    }

    /// Something that cannot be done as things stand.
    pub(crate) fn conflict(error: impl Into<String>, hint: &str) -> Self {
        Self { status: 409, error: error.into(), hint: Some(hint.to_owned()) }
    }

    /// A fault of the program or its machine.
    pub(crate) fn failed(error: &anyhow::Error) -> Self {
        Self { status: 500, error: format!("{error:#}"), hint: None }
    }

    /// A refusal with another status.
    pub(crate) fn with(status: u16, error: &str, hint: Option<&str>) -> Self {
        Self { status, error: error.to_owned(), hint: hint.map(str::to_owned) }
    }

    /// As the API says it.
    pub(crate) fn json(&self) -> Value {
        json!({ "error": self.error, "hint": self.hint })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for Refusal {}

impl From<rlad::Error> for Refusal {
    fn from(error: rlad::Error) -> Self {
        Self { hint: error.hint().map(str::to_owned), ..Self::wrong(error.to_string()) }
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(&error)
    }
}
