//! Requests of real senders, as `tests/serve/vectors/README.md` lists them.

use std::fmt::Write;

use super::*;

/// A captured request: its headers, one a line, and its body.
fn read(headers: &str, body: &[u8]) -> Received {
    let header = |name: &str| {
        let mut lines = headers.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    decode(header("Content-Type"), header("Content-Encoding"), body, &Limits::default()).unwrap()
}

/// What a request holds, one series a line.
fn shown(received: &Received) -> String {
    let mut text = format!("{:?}, {} malformed\n", received.protocol, received.n_malformed);
    for series in &received.series {
        _ = write!(text, "{}", series.labels.series_name());
        for sample in &series.samples {
            let stale = if sample.is_stale() { " stale" } else { "" };
            _ = write!(text, " {}@{}{stale}", sample.value, sample.timestamp_ms);
        }
        _ = writeln!(text, "{}", series.kind.map(|kind| format!(" {kind:?}")).unwrap_or_default());
    }
    for (family, kind) in &received.kinds {
        _ = writeln!(text, "{family}: {kind:?}");
    }
    text
}

macro_rules! vector {
    ($name:literal) => {
        read(
            include_str!(concat!("../../../tests/serve/vectors/", $name, ".headers")),
            include_bytes!(concat!("../../../tests/serve/vectors/", $name, ".bin")),
        )
    };
}

#[test]
fn prometheus_sends_zeros_and_stale_markers() {
    insta::assert_snapshot!(shown(&vector!("prometheus-2.42-samples")), @r#"
    V1, 0 malformed
    toy_zero{instance="127.0.0.1:28490",job="toy"} 0@1795947590612
    toy_requests_total{code="200",instance="127.0.0.1:28490",job="toy",path="/a\"b\\c"} 1030@1795947590612
    toy_seconds_bucket{instance="127.0.0.1:28490",job="toy",le="0.5"} 3@1795947590612
    toy_seconds_bucket{instance="127.0.0.1:28490",job="toy",le="+Inf"} 4@1795947590612
    toy_seconds_sum{instance="127.0.0.1:28490",job="toy"} 1.25@1795947590612
    toy_seconds_count{instance="127.0.0.1:28490",job="toy"} 4@1795947590612
    toy_gone{city="Zürich",instance="127.0.0.1:28490",job="toy"} NaN@1795947590612 stale
    up{instance="127.0.0.1:28490",job="toy"} 1@1795947590612
    "#);
    insta::assert_snapshot!(shown(&vector!("prometheus-3.5-v1")), @r#"
    V1, 0 malformed
    toy_zero{instance="127.0.0.1:28490",job="toy"} 0@1795947591868
    toy_requests_total{code="200",instance="127.0.0.1:28490",job="toy",path="/a\"b\\c"} 1030@1795947591868
    toy_seconds_bucket{instance="127.0.0.1:28490",job="toy",le="0.5"} 3@1795947591868
    toy_seconds_bucket{instance="127.0.0.1:28490",job="toy",le="+Inf"} 4@1795947591868
    toy_seconds_sum{instance="127.0.0.1:28490",job="toy"} 1.25@1795947591868
    toy_seconds_count{instance="127.0.0.1:28490",job="toy"} 4@1795947591868
    toy_gone{city="Zürich",instance="127.0.0.1:28490",job="toy"} NaN@1795947591868 stale
    up{instance="127.0.0.1:28490",job="toy"} 1@1795947591868
    "#);
}

#[test]
fn prometheus_sends_metadata_without_a_series() {
    insta::assert_snapshot!(shown(&vector!("prometheus-2.42-metadata")), @"
    V1, 0 malformed
    toy_zero: Gauge
    toy_requests_total: Counter
    toy_gone: Gauge
    toy_seconds: Histogram
    ");
}

#[test]
fn version_2_has_the_kind_beside_each_series() {
    insta::assert_snapshot!(shown(&vector!("prometheus-3.5-v2")), @r#"
    V2, 0 malformed
    toy_zero{instance="127.0.0.1:28490",job="toy"} 0@1795947591160 Gauge
    toy_requests_total{code="200",instance="127.0.0.1:28490",job="toy",path="/a\"b\\c"} 1030@1795947591160 Counter
    toy_seconds_bucket{instance="127.0.0.1:28490",job="toy",le="0.5"} 3@1795947591160 Histogram
    toy_seconds_bucket{instance="127.0.0.1:28490",job="toy",le="+Inf"} 4@1795947591160 Histogram
    toy_seconds_sum{instance="127.0.0.1:28490",job="toy"} 1.25@1795947591160 Histogram
    toy_seconds_count{instance="127.0.0.1:28490",job="toy"} 4@1795947591160 Histogram
    toy_gone{city="Zürich",instance="127.0.0.1:28490",job="toy"} NaN@1795947591160 stale Gauge
    up{instance="127.0.0.1:28490",job="toy"} 1@1795947591160 Gauge
    "#);
}

#[test]
fn vmagent_sends_snappy_and_zstd() {
    insta::assert_snapshot!(shown(&vector!("vmagent-1.79-stale")), @r#"
    V1, 0 malformed
    toy_gone{city="Zürich",instance="127.0.0.1:28490",job="toy"} NaN@1795947585855 stale
    "#);
    insta::assert_snapshot!(shown(&vector!("vmagent-1.145-zstd")), @r#"
    V1, 0 malformed
    toy_zero{instance="127.0.0.1:28490",job="toy"} 0@1795947586068
    toy_requests_total{code="200",instance="127.0.0.1:28490",job="toy",path="/a\"b\\c"} 1030@1795947586068
    toy_seconds_bucket{instance="127.0.0.1:28490",job="toy",le="0.5"} 3@1795947586068
    toy_seconds_bucket{instance="127.0.0.1:28490",job="toy",le="+Inf"} 4@1795947586068
    toy_seconds_sum{instance="127.0.0.1:28490",job="toy"} 1.25@1795947586068
    toy_seconds_count{instance="127.0.0.1:28490",job="toy"} 4@1795947586068
    scrape_duration_seconds{instance="127.0.0.1:28490",job="toy"} 0.002@1795947586068
    scrape_response_size_bytes{instance="127.0.0.1:28490",job="toy"} 342@1795947586068
    scrape_samples_post_metric_relabeling{instance="127.0.0.1:28490",job="toy"} 6@1795947586068
    scrape_samples_scraped{instance="127.0.0.1:28490",job="toy"} 6@1795947586068
    scrape_series_added{instance="127.0.0.1:28490",job="toy"} 0@1795947586068
    scrape_timeout_seconds{instance="127.0.0.1:28490",job="toy"} 2@1795947586068
    up{instance="127.0.0.1:28490",job="toy"} 1@1795947586068
    "#);
    insta::assert_snapshot!(shown(&vector!("vmagent-1.145-zstd-metadata")), @r#"
    V1, 0 malformed
    toy_gone{city="Zürich",instance="127.0.0.1:28490",job="toy"} NaN@1795947586068 stale
    toy_zero: Gauge
    toy_requests_total: Counter
    toy_seconds: Histogram
    "#);
    insta::assert_snapshot!(shown(&vector!("vmagent-1.145-snappy")), @r#"
    V1, 0 malformed
    toy_zero{instance="127.0.0.1:28490",job="toy"} 0@1795947585551
    toy_requests_total{code="200",instance="127.0.0.1:28490",job="toy",path="/a\"b\\c"} 1030@1795947585551
    toy_seconds_bucket{instance="127.0.0.1:28490",job="toy",le="0.5"} 3@1795947585551
    toy_seconds_bucket{instance="127.0.0.1:28490",job="toy",le="+Inf"} 4@1795947585551
    toy_seconds_sum{instance="127.0.0.1:28490",job="toy"} 1.25@1795947585551
    toy_seconds_count{instance="127.0.0.1:28490",job="toy"} 4@1795947585551
    scrape_duration_seconds{instance="127.0.0.1:28490",job="toy"} 0.005@1795947585551
    scrape_response_size_bytes{instance="127.0.0.1:28490",job="toy"} 342@1795947585551
    scrape_samples_post_metric_relabeling{instance="127.0.0.1:28490",job="toy"} 6@1795947585551
    scrape_samples_scraped{instance="127.0.0.1:28490",job="toy"} 6@1795947585551
    scrape_series_added{instance="127.0.0.1:28490",job="toy"} 0@1795947585551
    scrape_timeout_seconds{instance="127.0.0.1:28490",job="toy"} 2@1795947585551
    up{instance="127.0.0.1:28490",job="toy"} 1@1795947585551
    "#);
}
