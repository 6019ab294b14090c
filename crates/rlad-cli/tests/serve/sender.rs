//! A sender of `remote_write` 1.0, and the series that it sends.

use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

const MINUTE: i64 = 60_000;

/// The headers of a request.
pub(crate) const HEADERS: [(&str, &str); 3] = [
    ("Content-Type", "application/x-protobuf"),
    ("Content-Encoding", "snappy"),
    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
];

/// A request.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(message, repeated, tag = "1")]
    pub(crate) series: Vec<Series>,
}

/// A series of a request.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Series {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<Sample>,
}

/// A label.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Label {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

/// A sample.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Sample {
    #[prost(double, tag = "1")]
    pub(crate) value: f64,
    #[prost(int64, tag = "2")]
    pub(crate) at: i64,
}

impl Series {
    /// A series by its metric and its label `host`.
    pub(crate) fn new(metric: &str, host: &str, samples: impl IntoIterator<Item = (i64, f64)>) -> Self {
        let label = |name: &str, value: &str| Label { name: name.to_owned(), value: value.to_owned() };
        let samples = samples.into_iter().map(|(at, value)| Sample { value, at });
        Self { labels: vec![label("__name__", metric), label("host", host)], samples: samples.collect() }
    }

    /// Its name as PromQL writes it, the label of the metric and a value of it left out.
    pub(crate) fn host(&self) -> &str {
        self.labels.iter().find(|label| label.name == "host").map_or("", |label| &label.value)
    }
}

/// The body of a request.
pub(crate) fn body(series: Vec<Series>) -> Vec<u8> {
    snapped(&Request { series }.encode_to_vec())
}

/// A block of raw snappy.
pub(crate) fn snapped(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).unwrap()
}

/// The series of a body.
pub(crate) fn series_of(body: &[u8]) -> Vec<Series> {
    let bytes = snap::raw::Decoder::new().decompress_vec(body).unwrap();
    Request::decode(&bytes[..]).unwrap().series
}

/// The time in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Series of a load with a period of an hour, some noise and a fault now and then, sampled each minute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// The time of the first minute that is sent by itself.
    begin: i64,
    n_series: usize,
    /// Whether the past has faults too.
    is_faulty: bool,
}

impl Load {
    /// The minutes of the past, from which a first detector is made.
    pub(crate) const PAST: i64 = 2_000;

    /// A load whose last of `n_minutes` minutes is now.
    pub(crate) fn new(n_series: usize, n_minutes: i64) -> Self {
        Self { begin: (now_ms() / MINUTE - n_minutes) * MINUTE, n_series, is_faulty: false }
    }

    /// The load with faults in its past too.
    pub(crate) const fn with_faults_in_the_past(self) -> Self {
        Self { is_faulty: true, ..self }
    }

    /// The time of a minute.
    pub(crate) const fn at(&self, minute: i64) -> i64 {
        self.begin + minute * MINUTE
    }

    /// Whether a minute of a series is a fault.
    pub(crate) fn is_fault(series: usize, minute: i64) -> bool {
        (minute + 31 * series as i64).rem_euclid(137) == 97
    }

    fn value(&self, series: usize, minute: i64) -> f64 {
        let usual = ((minute + 7 * series as i64).rem_euclid(60)) as f64 + 0.1 * (minute * 7_919).rem_euclid(11) as f64;
        let has_fault = Self::is_fault(series, minute) && (minute >= 0 || self.is_faulty);
        usual + if has_fault { 400.0 } else { 0.0 }
    }

    fn of(&self, minutes: std::ops::Range<i64>) -> Vec<u8> {
        let series = |series: usize| {
            let samples = minutes.clone().map(|minute| (self.at(minute), self.value(series, minute)));
            Series::new("load", &series.to_string(), samples)
        };
        body((0..self.n_series).map(series).collect())
    }

    /// The body with the past of all series.
    pub(crate) fn past(&self) -> Vec<u8> {
        self.of(-Self::PAST..0)
    }

    /// The body with some minutes of all series.
    pub(crate) fn minutes(&self, minutes: std::ops::Range<i64>) -> Vec<u8> {
        self.of(minutes)
    }
}
