//! The service beside VictoriaMetrics and vmagent.

use serde_json::json;

use crate::database::query_range;
use crate::exporter::{Exporter, now_ms};
use crate::servers::{Programs, free_port, until};
use crate::service::Service;
use crate::{http, samples};

#[test]
fn beside_victoria_metrics() {
    let Some(programs) = Programs::of_system(&["victoria-metrics", "vmagent"]) else { return };
    samples_come_and_scores_go(&programs);
}

#[test]
fn beside_a_newer_victoria_metrics() {
    let Some(programs) = Programs::newer() else { return };
    samples_come_and_scores_go(&programs);
}

/// What vmagent scrapes is taken in and scored, and scores are found in VictoriaMetrics.
fn samples_come_and_scores_go(programs: &Programs) {
    eprintln!("{}, {}", programs.version("victoria-metrics"), programs.version("vmagent"));
    let dir = tempfile::tempdir().unwrap();
    let exporter = Exporter::start();
    let database = programs.victoria_metrics(dir.path());
    let config = format!(
        "watch = [{{ match = '{{__name__=~\"toy_.+\"}}', step = '1s' }}]\n\
         [reader]\nsampling_period = '1s'\n\
         [scheduler]\nfit_window = '1h'\n\
         [writer]\nurl = '{}'\nflush_every = '1s'\n",
        database.url
    );
    let service = Service::start("rlad", free_port(), &config, &[], dir.path());
    samples::send(service.url(), exporter.past(now_ms(), 400));
    let urls = [&database.url, service.url()].map(|url| format!("{url}/api/v1/write"));
    let vmagent = programs.vmagent(&exporter.address, &urls, dir.path());
    service.wait_for_detector();
    let begun = now_ms();
    let (labels, n_points) = until("scores are found by query_range", || {
        http::get(&format!("{}/internal/force_flush", database.url))?;
        let query = "anomaly_score{for=\"toy_queue_length\",service=\"shop\"}";
        let found = query_range(&database.url, query, begun, now_ms())?;
        match found.as_slice() {
            [one] if one.points.len() >= 3 => Ok((one.labels.clone(), one.points.len())),
            other => Err(format!("{other:?}, {:?}", service.status())),
        }
    });
    let expected = json!({
        "__name__": "anomaly_score", "for": "toy_queue_length", "instance": exporter.address, "job": "toy",
        "model_alias": "rlad", "service": "shop",
    });
    assert_eq!(json!(labels), expected);
    // Whatever vmagent tried first was understood.
    assert_eq!(service.metric("rlad_requests_refused_total"), None);
    let told = http::get(&format!("{}/metrics", vmagent.url)).unwrap();
    let sent: Vec<&str> = told.lines().filter(|line| line.starts_with("vmagent_remotewrite_requests_total")).collect();
    assert!(!sent.is_empty() && sent.iter().all(|line| line.contains("2XX") || line.ends_with(" 0")), "{sent:?}");
    eprintln!("{n_points} scores of a series since the detector; {sent:?}");
}
