//! The messages of Prometheus' `remote_write`, versions 1.0 and 2.0: read as senders send them, and written.
//!
//! Sources: *Prometheus Remote-Write 1.0* and *2.0* specifications; `prompb/remote.proto`, `prompb/types.proto` and
//! `prompb/io/prometheus/write/v2/types.proto` of Prometheus 3.5.

mod compression;
mod encode;
mod messages;
#[cfg(test)]
mod vectors;

pub(crate) use encode::{encode_v1, encode_v2};

use super::labels::Labels;

/// The content type of version 1.0.
pub(crate) const V1_TYPE: &str = "application/x-protobuf";
/// The content type of version 2.0.
pub(crate) const V2_TYPE: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// The header in which a receiver of version 2.0 says how many samples it took.
pub(crate) const SAMPLES_WRITTEN: &str = "X-Prometheus-Remote-Write-Samples-Written";

/// The bits of the NaN by which Prometheus says that a series has ended.
pub(crate) const STALE: u64 = 0x7ff0_0000_0000_0002;

/// The most that one request may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes as sent.
    pub body: usize,
    /// Bytes once decompressed.
    pub decoded: usize,
    /// Series.
    pub series: usize,
    /// Samples of all series.
    pub samples: usize,
    /// Texts in the table of a request of version 2.0.
    pub symbols: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 32 << 20, decoded: 128 << 20, series: 100_000, samples: 2_000_000, symbols: 1_000_000 }
    }
}

/// The version of `remote_write` that a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// 1.0.
    V1,
    /// 2.0.
    V2,
}

/// What a metric's values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricKind {
    /// Only rises, but for starts from 0.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts in buckets.
    Histogram,
    /// Quantiles.
    Summary,
    /// Known, and none of these.
    Other,
}

impl MetricKind {
    /// By its number in both versions of `remote_write`; `None` if the sender does not know it.
    fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            0 => return None,
            1 => Self::Counter,
            2 => Self::Gauge,
            3 => Self::Histogram,
            5 => Self::Summary,
            _ => Self::Other,
        })
    }
}

/// A value at a time. A value that is absent in the message is 0.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Sample {
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub timestamp_ms: i64,
    /// The value, with the bits it was sent with.
    #[prost(double, tag = "1")]
    pub value: f64,
}

impl Sample {
    /// Whether it says that the series has ended, and is no value.
    pub(crate) fn is_stale(&self) -> bool {
        self.value.to_bits() == STALE
    }
}

/// The samples of a series in a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReceivedSeries {
    /// What it is called.
    pub labels: Labels,
    /// Its samples, in the sender's order.
    pub samples: Vec<Sample>,
    /// What its values mean, if the sender says so beside the series.
    pub kind: Option<MetricKind>,
}

/// What a request holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Received {
    /// The series with samples or without.
    pub series: Vec<ReceivedSeries>,
    /// What the values of a metric family mean, as version 1.0 sends it apart from the series.
    pub kinds: Vec<(String, MetricKind)>,
    /// Native histograms, which are not read.
    pub n_histograms: usize,
    /// Exemplars, which are not read.
    pub n_exemplars: usize,
    /// The version spoken.
    pub protocol: Protocol,
    /// Series left out: no label, a label twice or without a name, a text that is not UTF-8.
    pub n_malformed: usize,
}

impl Received {
    fn new(protocol: Protocol) -> Self {
        Self { series: Vec::new(), kinds: Vec::new(), n_histograms: 0, n_exemplars: 0, protocol, n_malformed: 0 }
    }
}

/// Why a request is not taken, with the status of the answer: 400, 413 or 415. A sender does not repeat such a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status of HTTP.
    pub status: u16,
    /// The body of the answer.
    pub message: String,
}

impl Refusal {
    fn malformed(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into() }
    }

    fn too_large(what: &str, limit: usize) -> Self {
        Self { status: 413, message: format!("expected at most {limit} {what} in one request, found more") }
    }

    fn unsupported(message: String) -> Self {
        Self { status: 415, message }
    }
}

/// Reads a request by its two headers. Nothing is allocated for what is above a limit.
///
/// # Errors
/// The answer to the sender, if the request is of another kind, too large or broken.
pub(crate) fn decode(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    body: &[u8],
    limits: &Limits,
) -> Result<Received, Refusal> {
    let protocol = protocol(content_type)?;
    if body.len() > limits.body {
        return Err(Refusal::too_large("bytes", limits.body));
    }
    let bytes = compression::decompress(content_encoding, body, limits.decoded)?;
    match protocol {
        Protocol::V1 => messages::read_v1(&bytes, limits),
        Protocol::V2 => messages::read_v2(&bytes, limits),
    }
}

/// The version of a content type; without one, or without a message's name, it is 1.0.
fn protocol(content_type: Option<&str>) -> Result<Protocol, Refusal> {
    let refused = |found: &str| {
        Refusal::unsupported(format!("expected the content type `{V1_TYPE}` or `{V2_TYPE}`, found `{found}`"))
    };
    let Some(text) = content_type.filter(|text| !text.trim().is_empty()) else { return Ok(Protocol::V1) };
    let mut parts = text.split(';').map(str::trim);
    if !parts.next().is_some_and(|of| of.eq_ignore_ascii_case(V1_TYPE)) {
        return Err(refused(text));
    }
    let mut proto =
        parts.filter_map(|part| part.split_once('=')).filter(|(name, _)| name.eq_ignore_ascii_case("proto"));
    match proto.next().map(|(_, value)| value.trim_matches('"')) {
        None | Some("prometheus.WriteRequest") => Ok(Protocol::V1),
        Some("io.prometheus.write.v2.Request") => Ok(Protocol::V2),
        Some(_) => Err(refused(text)),
    }
}

/// The three headers by which a receiver of version 2.0 says what it took: without them the sender counts all as lost.
pub(crate) fn written_headers(n_samples: usize) -> [(&'static str, String); 3] {
    [
        (SAMPLES_WRITTEN, n_samples.to_string()),
        ("X-Prometheus-Remote-Write-Histograms-Written", "0".to_owned()),
        ("X-Prometheus-Remote-Write-Exemplars-Written", "0".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn n_samples(received: &Received) -> usize {
        received.series.iter().map(|series| series.samples.len()).sum()
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()).unwrap()
    }

    fn snapped(bytes: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(bytes).unwrap()
    }

    /// A field of a message: a text or a message.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    fn refused(content_type: &str, message: &[u8], limits: &Limits) -> String {
        let refusal = decode(Some(content_type), None, &snapped(message), limits).unwrap_err();
        format!("{} {}", refusal.status, refusal.message)
    }

    fn label_v1(name: &[u8], value: &[u8]) -> Vec<u8> {
        field(1, &[field(1, name), field(2, value)].concat())
    }

    #[test]
    fn a_request_is_read_by_its_content_type() {
        for text in [
            "application/x-protobuf",
            "application/x-protobuf;proto=prometheus.WriteRequest",
            "Application/X-Protobuf; Proto=\"prometheus.WriteRequest\"; charset=x",
            "",
        ] {
            assert_eq!(protocol(Some(text)), Ok(Protocol::V1), "{text}");
        }
        assert_eq!(protocol(None), Ok(Protocol::V1));
        assert_eq!(protocol(Some(V2_TYPE)), Ok(Protocol::V2));
        let limits = Limits::default();
        insta::assert_snapshot!(
            refused("application/json", b"", &limits),
            @"415 expected the content type `application/x-protobuf` or `application/x-protobuf;proto=io.prometheus.write.v2.Request`, found `application/json`"
        );
        insta::assert_snapshot!(
            refused("application/x-protobuf;proto=io.prometheus.write.v3.Request", b"", &limits),
            @"415 expected the content type `application/x-protobuf` or `application/x-protobuf;proto=io.prometheus.write.v2.Request`, found `application/x-protobuf;proto=io.prometheus.write.v3.Request`"
        );
        for content_type in [V1_TYPE, V2_TYPE] {
            let empty = decode(Some(content_type), None, &snapped(b""), &limits).unwrap();
            assert_eq!((empty.series.len(), empty.n_malformed), (0, 0));
        }
    }

    #[test]
    fn a_message_of_the_other_version_is_not_swallowed() {
        let up = labels(&[("__name__", "up")]);
        let one = [(&up, &[Sample { timestamp_ms: 1, value: 1.0 }][..])];
        let limits = Limits::default();
        let of = |content_type, body: &[u8]| decode(Some(content_type), None, body, &limits).unwrap_err().message;
        insta::assert_snapshot!(
            of(V1_TYPE, &encode_v2(&one)),
            @"expected the message `prometheus.WriteRequest`, found none of its fields (is it a `io.prometheus.write.v2.Request`?)"
        );
        insta::assert_snapshot!(
            of(V2_TYPE, &encode_v1(&one)),
            @"expected the message `io.prometheus.write.v2.Request`, found none of its fields (is it a `prometheus.WriteRequest`?)"
        );
        // The empty request by which a sender of version 2.0 may ask whether it is understood.
        assert!(decode(Some(V2_TYPE), None, &encode_v2(&[]), &limits).is_ok());
        insta::assert_snapshot!(
            of(V1_TYPE, &encode_v2(&[])),
            @"expected the message `prometheus.WriteRequest`, found none of its fields (is it a `io.prometheus.write.v2.Request`?)"
        );
    }

    #[test]
    fn an_unusable_series_costs_itself_alone() {
        let value = field(2, &[9, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 16, 5]);
        let series = |labels: &[Vec<u8>]| field(1, &[labels.concat(), value.clone()].concat());
        let message = [
            series(&[label_v1(b"a", b"1"), label_v1(b"a", b"2")]),
            series(&[label_v1(b"", b"1")]),
            series(&[label_v1(b"a", b"\xff")]),
            series(&[]),
            series(&[label_v1(b"b", b"1"), label_v1(b"a", b"2")]),
        ];
        let received = decode(None, None, &snapped(&message.concat()), &Limits::default()).unwrap();
        assert_eq!(received.n_malformed, 4);
        let samples = vec![Sample { timestamp_ms: 5, value: 1.0 }];
        assert_eq!(
            received.series,
            [ReceivedSeries { labels: labels(&[("a", "2"), ("b", "1")]), samples, kind: None }]
        );
    }

    #[test]
    fn histograms_and_exemplars_are_counted() {
        let v1 = field(1, &[label_v1(b"a", b"1"), field(3, b""), field(4, b"\x08\x01"), field(4, b"")].concat());
        let v2 = [vec![0x22, 0], field(4, b"a"), field(5, &[field(1, &[1, 1]), field(3, b""), field(4, b"")].concat())];
        let v1 = decode(Some(V1_TYPE), None, &snapped(&v1), &Limits::default()).unwrap();
        let v2 = decode(Some(V2_TYPE), None, &snapped(&v2.concat()), &Limits::default()).unwrap();
        assert_eq!((v1.n_histograms, v1.n_exemplars, n_samples(&v1), v1.series.len()), (2, 1, 0, 1));
        assert_eq!((v2.n_histograms, v2.n_exemplars, n_samples(&v2), v2.series.len()), (1, 1, 0, 1));
        assert_eq!(written_headers(3).map(|(_, value)| value), ["3", "0", "0"]);
    }

    #[test]
    fn a_broken_message_is_told() {
        let limits = Limits::default();
        let v2 = |places: &[u8]| [field(4, b""), field(4, b"a"), field(5, &field(1, places))].concat();
        insta::assert_snapshot!(
            refused(V2_TYPE, &v2(&[1, 2]), &limits),
            @"400 expected a place among 2 symbols, found 2"
        );
        insta::assert_snapshot!(
            refused(V2_TYPE, &v2(&[1]), &limits),
            @"400 expected a name and a value for each label, found 1 places"
        );
        insta::assert_snapshot!(refused(V1_TYPE, &[10, 5, 1], &limits), @"400 broken message: cut off");
        insta::assert_snapshot!(refused(V1_TYPE, &[0], &limits), @"400 broken message: a field with the number 0");
        insta::assert_snapshot!(refused(V1_TYPE, &[11], &limits), @"400 broken message: a field of the wire type 3");
        insta::assert_snapshot!(
            refused(V1_TYPE, &[0x80], &limits),
            @"400 broken message: failed to decode Protobuf message: invalid varint"
        );
        insta::assert_snapshot!(
            refused(V1_TYPE, &field(1, &[10, 9]), &limits),
            @"400 broken message: cut off"
        );
    }

    #[test]
    fn what_is_above_a_limit_is_refused() {
        let one = field(1, &[label_v1(b"a", b"1"), field(2, b""), field(2, b"")].concat());
        let three = one.repeat(3);
        let limits = |change: fn(&mut Limits)| {
            let mut limits = Limits { series: 3, samples: 6, ..Limits::default() };
            change(&mut limits);
            limits
        };
        assert_eq!(n_samples(&decode(None, None, &snapped(&three), &limits(|_| {})).unwrap()), 6);
        insta::assert_snapshot!(
            refused(V1_TYPE, &three, &limits(|of| of.series = 2)),
            @"413 expected at most 2 series in one request, found more"
        );
        insta::assert_snapshot!(
            refused(V1_TYPE, &three, &limits(|of| of.samples = 5)),
            @"413 expected at most 5 samples in one request, found more"
        );
        insta::assert_snapshot!(
            refused(V1_TYPE, &three, &limits(|of| of.body = 5)),
            @"413 expected at most 5 bytes in one request, found more"
        );
        insta::assert_snapshot!(
            refused(V1_TYPE, &three, &limits(|of| of.decoded = 5)),
            @"413 expected at most 5 decompressed bytes in one request, found more"
        );
        insta::assert_snapshot!(
            refused(V2_TYPE, &field(4, b"").repeat(3), &limits(|of| of.symbols = 2)),
            @"413 expected at most 2 symbols in one request, found more"
        );
        insta::assert_snapshot!(
            refused(V1_TYPE, &field(3, b"").repeat(3), &limits(|of| of.series = 2)),
            @"413 expected at most 2 metadata in one request, found more"
        );
    }

    fn requests() -> impl Strategy<Value = Vec<(Labels, Vec<Sample>)>> {
        let label = ("[a-c]{1,2}|__name__", "[a-cé\"]{1,3}");
        let sample = (any::<i64>(), any::<u64>());
        let sample = sample.prop_map(|(timestamp_ms, bits)| Sample { timestamp_ms, value: f64::from_bits(bits) });
        let sample = prop_oneof![sample, Just(Sample { timestamp_ms: 0, value: f64::from_bits(STALE) })];
        let labels = proptest::collection::btree_map(label.0, label.1, 1..4);
        let labels = labels.prop_map(|pairs| Labels::new(pairs.into_iter().collect()).unwrap());
        proptest::collection::vec((labels, proptest::collection::vec(sample, 0..4)), 0..5)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read_bit_for_bit(request in requests()) {
            let series: Vec<_> = request.iter().map(|(labels, samples)| (labels, samples.as_slice())).collect();
            let bits = |samples: &[Sample]| -> Vec<_> {
                samples.iter().map(|of| (of.timestamp_ms, of.value.to_bits(), of.is_stale())).collect()
            };
            for (content_type, body) in [(V1_TYPE, encode_v1(&series)), (V2_TYPE, encode_v2(&series))] {
                let received = decode(Some(content_type), Some("snappy"), &body, &Limits::default()).unwrap();
                prop_assert_eq!(received.series.len(), series.len());
                for (got, want) in received.series.iter().zip(&series) {
                    prop_assert_eq!(&got.labels, want.0);
                    prop_assert_eq!(bits(&got.samples), bits(want.1));
                }
            }
        }

        #[test]
        fn no_bytes_break_the_reader(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), v2 in any::<bool>(), how in 0..3,
        ) {
            let content_type = if v2 { V2_TYPE } else { V1_TYPE };
            let (encoding, body) = match how {
                0 => ("zstd", bytes),
                1 => ("snappy", bytes),
                _ => ("snappy", snapped(&bytes)),
            };
            if let Err(refusal) = decode(Some(content_type), Some(encoding), &body, &Limits::default()) {
                prop_assert!(matches!(refusal.status, 400 | 413));
            }
        }

        #[test]
        fn a_changed_byte_or_a_cut_breaks_no_reader(
            request in requests(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
        ) {
            let series: Vec<_> = request.iter().map(|(labels, samples)| (labels, samples.as_slice())).collect();
            for (content_type, body) in [(V1_TYPE, encode_v1(&series)), (V2_TYPE, encode_v2(&series))] {
                let mut message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
                if message.is_empty() {
                    continue;
                }
                let at = at.index(message.len());
                if cut { message.truncate(at) } else { message[at] = byte }
                if let Err(refusal) = decode(Some(content_type), None, &snapped(&message), &Limits::default()) {
                    prop_assert_eq!(refusal.status, 400);
                }
            }
        }
    }
}
