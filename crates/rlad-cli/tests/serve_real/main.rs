//! `rlad serve` beside the servers that it is made for, each started by the test on loopback.
//!
//! They need Debian's `prometheus`, `prometheus-alertmanager` and `victoria-metrics`, and `chromium` with
//! `chromedriver`. Where one is missing they say so and pass, but with `RLAD_REQUIRE_SERVERS` they fail.
//! `RLAD_NEWER_SERVERS=DIR` names a folder with newer programs of the same names.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]
#![expect(clippy::print_stderr, reason = "what was seen is told")]

#[expect(dead_code, reason = "the tests of the page use the rest")]
#[path = "../page/browser.rs"]
mod browser;
mod database;
mod exporter;
mod http;
mod newer_prometheus;
mod page;
mod prometheus;
mod samples;
mod servers;
mod service;
mod victoria_metrics;
