//! Errors of the API.

use serde_json::{Value, json};

/// The error of a request that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// The status of HTTP.
    pub(crate) status: u16,
    /// The problem: what was expected and found.
    pub(crate) message: String,
    /// The advice, where there is one.
    pub(crate) hint: Option<String>,
}

impl ApiError {
    /// A request that makes no sense.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into(), hint: None }
    }

    /// Something that is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { status: 404, message: message.into(), hint: None }
    }

    /// Something that cannot be done as things stand.
    pub(crate) fn conflict(message: impl Into<String>, hint: &str) -> Self {
        Self { status: 409, message: message.into(), hint: Some(hint.to_owned()) }
    }

    /// Something that can be done in a while.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self { status: 503, message: message.into(), hint: None }
    }

    /// A fault of the program or its machine.
    pub(crate) fn internal(error: &anyhow::Error) -> Self {
        Self { status: 500, message: format!("{error:#}"), hint: None }
    }

    /// An error with another status.
    pub(crate) fn with(status: u16, message: &str, hint: Option<&str>) -> Self {
        Self { status, message: message.to_owned(), hint: hint.map(str::to_owned) }
    }

    /// As the API says it.
    pub(crate) fn json(&self) -> Value {
        json!({ "error": self.message, "hint": self.hint })
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl From<rlad::Error> for ApiError {
    fn from(error: rlad::Error) -> Self {
        Self { hint: error.hint().map(str::to_owned), ..Self::bad_request(error.to_string()) }
    }
}

impl From<anyhow::Error> for ApiError {
    fn from(error: anyhow::Error) -> Self {
        Self::internal(&error)
    }
}
