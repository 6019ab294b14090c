//! Both versions' messages, read series by series: no more is allocated than the limits allow.

use prost::Message;

use super::{Limits, MetricKind, Protocol, Received, ReceivedSeries, Refusal, Sample};
use crate::serve::labels::Labels;

/// The most bytes of one series, which bounds what its message takes while it is read.
const MAX_SERIES_BYTES: usize = 4 << 20;

/// A message whose fields are not read.
#[derive(Clone, Copy, PartialEq, Message)]
struct Unread {}

/// A label of version 1.0, to be written.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A series of version 1.0, to be written.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SeriesV1 {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct MetadataV1 {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    metric_family: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct MetadataV2 {
    #[prost(int32, tag = "1")]
    pub kind: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SeriesV2 {
    /// Places of name, value, name, value, … in the table of texts.
    #[prost(uint32, repeated, tag = "1")]
    pub labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<Unread>,
    #[prost(message, repeated, tag = "4")]
    exemplars: Vec<Unread>,
    #[prost(message, optional, tag = "5")]
    pub metadata: Option<MetadataV2>,
}

impl SeriesV2 {
    pub(super) fn new(labels: Vec<u32>, samples: Vec<Sample>) -> Self {
        Self { labels, samples, ..Self::default() }
    }
}

/// A request of version 1.0 to be written.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RequestV1 {
    #[prost(message, repeated, tag = "1")]
    pub series: Vec<SeriesV1>,
}

/// A request of version 2.0 to be written.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RequestV2 {
    #[prost(string, repeated, tag = "4")]
    pub symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub series: Vec<SeriesV2>,
}

/// The fields of a message that are texts or messages, by number; the others are passed over.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(usize, &'a [u8]), Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.is_empty() {
            match self.field() {
                Ok(Some(field)) => return Some(Ok(field)),
                Ok(None) => {}
                Err(refusal) => {
                    self.0 = &[];
                    return Some(Err(refusal));
                }
            }
        }
        None
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<Option<(usize, &'a [u8])>, Refusal> {
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 {
            return Err(Refusal::malformed("broken message: a field with the number 0"));
        }
        match key & 7 {
            0 => self.varint().map(|_| None),
            1 => self.take(8).map(|_| None),
            2 => {
                let len = self.varint()?;
                Ok(Some((number, self.take(len)?)))
            }
            5 => self.take(4).map(|_| None),
            kind => Err(Refusal::malformed(format!("broken message: a field of the wire type {kind}"))),
        }
    }

    fn varint(&mut self) -> Result<usize, Refusal> {
        prost::decode_length_delimiter(&mut self.0).map_err(broken)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) =
            self.0.split_at_checked(len).ok_or_else(|| Refusal::malformed("broken message: cut off"))?;
        self.0 = rest;
        Ok(taken)
    }
}

fn broken(error: impl std::fmt::Display) -> Refusal {
    Refusal::malformed(format!("broken message: {error}"))
}

/// Reads one series' message.
fn series<M: Message + Default>(bytes: &[u8]) -> Result<M, Refusal> {
    check_len(bytes)?;
    M::decode(bytes).map_err(broken)
}

fn check_len(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.len() > MAX_SERIES_BYTES {
        return Err(Refusal::too_large("bytes of one series", MAX_SERIES_BYTES));
    }
    Ok(())
}

impl Received {
    /// Takes a series in, within the limits.
    fn add(
        &mut self,
        labels: Option<Labels>,
        samples: Vec<Sample>,
        kind: Option<MetricKind>,
        n_samples: &mut usize,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        *n_samples += samples.len();
        if self.series.len() + self.n_malformed >= limits.series {
            return Err(Refusal::too_large("series", limits.series));
        }
        if *n_samples > limits.samples {
            return Err(Refusal::too_large("samples", limits.samples));
        }
        match labels {
            Some(labels) if labels != Labels::default() => self.series.push(ReceivedSeries { labels, samples, kind }),
            _ => self.n_malformed += 1,
        }
        Ok(())
    }
}

/// Reads a request of version 1.0.
pub(super) fn read_v1(bytes: &[u8], limits: &Limits) -> Result<Received, Refusal> {
    let mut received = Received::new(Protocol::V1);
    let (mut n_samples, mut n_metadata, mut known) = (0, 0, bytes.is_empty());
    for field in Fields(bytes) {
        match field? {
            (1, bytes) => {
                known = true;
                let (labels, samples) = series_v1(bytes, &mut received)?;
                received.add(labels, samples, None, &mut n_samples, limits)?;
            }
            (3, bytes) => {
                known = true;
                n_metadata += 1;
                if n_metadata > limits.series {
                    return Err(Refusal::too_large("metadata", limits.series));
                }
                let metadata: MetadataV1 = series(bytes)?;
                if let Some(kind) = MetricKind::from_number(metadata.kind) {
                    received.kinds.push((metadata.metric_family, kind));
                }
            }
            _ => {}
        }
    }
    if known { Ok(received) } else { Err(unknown("prometheus.WriteRequest", "io.prometheus.write.v2.Request")) }
}

/// Labels and samples of a series of version 1.0; no labels if they are none that a series can have. Its fields are
/// walked through, as most of the time goes into labels, and one that is not UTF-8 costs the series and not the
/// request.
fn series_v1(bytes: &[u8], received: &mut Received) -> Result<(Option<Labels>, Vec<Sample>), Refusal> {
    check_len(bytes)?;
    let (mut pairs, mut samples, mut is_text) = (Vec::with_capacity(8), Vec::new(), true);
    for field in Fields(bytes) {
        match field? {
            (1, bytes) => {
                let mut texts = [&[][..]; 2];
                for field in Fields(bytes) {
                    if let (number @ (1 | 2), text) = field? {
                        texts[number - 1] = text;
                    }
                }
                match texts.map(std::str::from_utf8) {
                    [Ok(name), Ok(value)] => pairs.push((name.to_owned(), value.to_owned())),
                    _ => is_text = false,
                }
            }
            (2, bytes) => samples.push(Sample::decode(bytes).map_err(broken)?),
            (3, _) => received.n_exemplars += 1,
            (4, _) => received.n_histograms += 1,
            _ => {}
        }
    }
    Ok((is_text.then(|| Labels::new(pairs).ok()).flatten(), samples))
}

/// Reads a request of version 2.0.
pub(super) fn read_v2(bytes: &[u8], limits: &Limits) -> Result<Received, Refusal> {
    let mut received = Received::new(Protocol::V2);
    let (mut symbols, mut known) = (Vec::new(), bytes.is_empty());
    for field in Fields(bytes) {
        match field? {
            (4, text) => {
                if symbols.len() >= limits.symbols {
                    return Err(Refusal::too_large("symbols", limits.symbols));
                }
                symbols.push(text);
                known = true;
            }
            (5, _) => known = true,
            _ => {}
        }
    }
    if !known {
        return Err(unknown("io.prometheus.write.v2.Request", "prometheus.WriteRequest"));
    }
    let mut n_samples = 0;
    for field in Fields(bytes) {
        let (5, bytes) = field? else { continue };
        let SeriesV2 { labels, samples, histograms, exemplars, metadata } = series(bytes)?;
        received.n_exemplars += exemplars.len();
        received.n_histograms += histograms.len();
        let labels = labels_v2(&labels, &symbols)?;
        let kind = metadata.and_then(|of| MetricKind::from_number(of.kind));
        received.add(labels, samples, kind, &mut n_samples, limits)?;
    }
    Ok(received)
}

/// The labels at these places of the table; `None` if they are none that a series can have.
fn labels_v2(places: &[u32], symbols: &[&[u8]]) -> Result<Option<Labels>, Refusal> {
    if !places.len().is_multiple_of(2) {
        return Err(Refusal::malformed(format!(
            "expected a name and a value for each label, found {} places",
            places.len()
        )));
    }
    let symbol = |at: u32| {
        symbols
            .get(at as usize)
            .copied()
            .ok_or_else(|| Refusal::malformed(format!("expected a place among {} symbols, found {at}", symbols.len())))
    };
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let mut pairs = Vec::with_capacity(places.len() / 2);
    for pair in places.chunks_exact(2) {
        match (text(symbol(pair[0])?), text(symbol(pair[1])?)) {
            (Some(name), Some(value)) => pairs.push((name, value)),
            _ => return Ok(None),
        }
    }
    Ok(Labels::new(pairs).ok())
}

fn unknown(expected: &str, perhaps: &str) -> Refusal {
    Refusal::malformed(format!("expected the message `{expected}`, found none of its fields (is it a `{perhaps}`?)"))
}
