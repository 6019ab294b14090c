//! The series of a load: labels as an exporter in a cluster has them, and values with the profile of a day.

use prost::encoding::{WireType, encode_key, encode_varint, string};

const METRICS: [&str; 10] = [
    "cpu_usage_cores",
    "memory_working_set_bytes",
    "network_receive_bytes_rate5m",
    "network_transmit_bytes_rate5m",
    "requests_rate5m",
    "errors_ratio_rate5m",
    "latency_seconds_p99",
    "queue_length",
    "open_connections",
    "disk_usage_ratio",
];
const ZONES: [&str; 3] = ["eu-west-1a", "eu-west-1b", "eu-west-1c"];
const DAY_MS: f64 = 86_400_000.0;

/// Series, each with its labels as they stand in a message.
#[derive(Debug)]
pub(crate) struct Fleet(Vec<Vec<u8>>);

impl Fleet {
    /// So many series, with metrics whose names begin so.
    pub(crate) fn new(n: usize, metric: &str) -> Self {
        Self((0..n).map(|at| labels(at, metric)).collect())
    }

    /// Appends a series with these samples, milliseconds since 1970 and value, to a request of version 1.0.
    pub(crate) fn put(&self, at: usize, samples: &[(i64, f64)], request: &mut Vec<u8>) {
        let labels = &self.0[at];
        let mut of_samples = Vec::with_capacity(samples.len() * 18);
        for (time, value) in samples {
            let mut sample = Vec::with_capacity(16);
            prost::encoding::double::encode(1, value, &mut sample);
            prost::encoding::int64::encode(2, time, &mut sample);
            put_bytes(2, &sample, &mut of_samples);
        }
        encode_key(1, WireType::LengthDelimited, request);
        encode_varint((labels.len() + of_samples.len()) as u64, request);
        request.extend_from_slice(labels);
        request.extend_from_slice(&of_samples);
    }
}

fn put_bytes(tag: u32, bytes: &[u8], to: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, to);
    encode_varint(bytes.len() as u64, to);
    to.extend_from_slice(bytes);
}

/// Eight labels, sorted by name.
fn labels(at: usize, metric: &str) -> Vec<u8> {
    let (host, of_host) = (at / 100, at % 100);
    let pod = of_host / METRICS.len();
    let pairs = [
        ("__name__", format!("{metric}:{}", METRICS[at % METRICS.len()])),
        ("cluster", ZONES[host % ZONES.len()].to_owned()),
        ("container", format!("app-{}", host % 40)),
        ("instance", format!("10.{}.{}.{}:9100", host >> 16 & 255, host >> 8 & 255, host & 255)),
        ("job", "kubernetes-pods".to_owned()),
        ("namespace", format!("team-{}", host % 17)),
        ("node", format!("ip-10-{}-{}.compute.internal", host >> 8 & 255, host & 255)),
        ("pod", format!("app-{}-{:09x}-{pod}", host % 40, mixed(host as u64) >> 28)),
    ];
    let mut bytes = Vec::new();
    for (name, value) in pairs {
        let mut label = Vec::new();
        string::encode(1, &name.to_owned(), &mut label);
        string::encode(2, &value, &mut label);
        put_bytes(1, &label, &mut bytes);
    }
    bytes.shrink_to_fit();
    bytes
}

/// The value of a series at a time in milliseconds: a level, the profile of a day and noise.
pub(crate) fn value(at: usize, time: i64) -> f64 {
    let of_series = mixed(at as u64);
    let level = 1.0 + (of_series & 1_023) as f64;
    let phase = (of_series >> 10 & 1_023) as f64 / 1_024.0;
    let noise = (mixed(of_series ^ time as u64) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
    level * (1.0 + 0.4 * (std::f64::consts::TAU * (time as f64 / DAY_MS + phase)).sin() + 0.1 * noise)
}

/// A number that looks random (SplitMix64).
fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}
