//! Requests of a test.

use std::time::Duration;

use serde_json::Value;

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
}

fn text(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<String, String> {
    let mut answer = answer.map_err(|error| error.to_string())?;
    let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
    if answer.status().is_success() { Ok(text) } else { Err(format!("{}: {text}", answer.status())) }
}

/// The text at an address; an answer that is no success is an error.
pub(crate) fn get(url: &str) -> Result<String, String> {
    text(agent().get(url).call())
}

/// The JSON at an address.
pub(crate) fn json(url: &str) -> Result<Value, String> {
    serde_json::from_str(&get(url)?).map_err(|error| error.to_string())
}

/// Posts JSON; the answer's text.
pub(crate) fn post(url: &str, body: &Value) -> Result<String, String> {
    text(agent().post(url).header("Content-Type", "application/json").send(body.to_string()))
}

/// Posts bytes with these headers.
pub(crate) fn post_bytes(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<String, String> {
    let request = headers.iter().fold(agent().post(url), |request, (name, value)| request.header(*name, *value));
    text(request.send(body))
}

/// The sum of the metrics whose line begins so, in the text that is scraped; `None` where there is none.
pub(crate) fn metric(text: &str, begins: &str) -> Option<f64> {
    let of = text.lines().filter(|line| line.starts_with(begins));
    let values: Vec<f64> = of.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}
