//! Samples that the test sends by remote write 1.0, as Prometheus does.

use prost::Message;

use crate::http;

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}

/// A series with its samples.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

impl Series {
    pub(crate) fn new<'a>(name: &'a str, labels: &[(&'a str, &'a str)]) -> Self {
        let mut labels: Vec<Label> = [("__name__", name)]
            .iter()
            .chain(labels)
            .map(|(name, value)| Label { name: (*name).to_owned(), value: (*value).to_owned() })
            .collect();
        labels.sort_by(|a, b| a.name.cmp(&b.name));
        Self { labels, samples: Vec::new() }
    }

    pub(crate) fn push(&mut self, timestamp: i64, value: f64) {
        self.samples.push(Sample { value, timestamp });
    }
}

/// Sends series to a receiver.
#[track_caller]
pub(crate) fn send(url: &str, series: Vec<Series>) {
    let body = snap::raw::Encoder::new().compress_vec(&WriteRequest { series }.encode_to_vec()).unwrap();
    let headers = [
        ("Content-Type", "application/x-protobuf"),
        ("Content-Encoding", "snappy"),
        ("X-Prometheus-Remote-Write-Version", "0.1.0"),
    ];
    http::post_bytes(&format!("{url}/api/v1/write"), &headers, &body).unwrap();
}
