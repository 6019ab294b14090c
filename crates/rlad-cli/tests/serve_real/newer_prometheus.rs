//! The service beside a Prometheus that speaks remote write 2.0.

use crate::database::query_range;
use crate::exporter::{Exporter, now_ms};
use crate::samples;
use crate::servers::{Programs, free_port, scrape_config, until};
use crate::service::Service;

#[test]
fn beside_a_newer_prometheus() {
    let Some(programs) = Programs::newer() else { return };
    eprintln!("{}", programs.version("prometheus"));
    let dir = tempfile::tempdir().unwrap();
    let exporter = Exporter::start();
    let (port, database_port) = (free_port(), free_port());
    let config = format!(
        "watch = [{{ match = '{{__name__=~\"toy_.+\"}}', step = '1s' }}]\n\
         [reader]\nsampling_period = '1s'\n\
         [scheduler]\nfit_window = '1h'\n\
         [writer]\nurl = 'http://127.0.0.1:{database_port}'\nflush_every = '1s'\n"
    );
    let service = Service::start("rlad", port, &config, &[], dir.path());
    samples::send(service.url(), exporter.past(now_ms(), 400));
    let config = format!(
        "{}remote_write:\n- url: {}/api/v1/write\n  protobuf_message: io.prometheus.write.v2.Request\n  \
         queue_config: {{ batch_send_deadline: 1s }}\n",
        scrape_config("toy", &exporter.address),
        service.url()
    );
    let accepted = "--web.remote-write-receiver.accepted-protobuf-messages";
    let flags = ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"].map(|of| format!("{accepted}={of}"));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let database = programs.prometheus(database_port, &config, &flags, dir.path());
    service.wait_for_detector();
    let begun = now_ms();
    let n_points = until("scores are found by query_range", || {
        let query = "anomaly_score{for=\"toy_queue_length\",service=\"shop\",job=\"toy\"}";
        let found = query_range(&database.url, query, begun, now_ms())?;
        match found.as_slice() {
            [one] if one.points.len() >= 3 => Ok(one.points.len()),
            other => Err(format!("{other:?}, {:?}", service.status())),
        }
    });
    let received = service.metric("rlad_samples_received_total{protocol=\"v2\"}").unwrap_or_default();
    assert!(received > 0.0);
    let told = crate::http::get(&format!("{}/metrics", database.url)).unwrap();
    let of = |name: &str| crate::http::metric(&told, name);
    // A sender of 2.0 counts what the answer's headers do not name as failed.
    assert_eq!(of("prometheus_remote_storage_samples_failed_total"), Some(0.0));
    eprintln!(
        "{n_points} scores of a series since the detector; {received} samples by 2.0; the receiver counts {:?}",
        told.lines().filter(|line| line.starts_with("prometheus_api_remote_write_")).collect::<Vec<_>>()
    );
}
