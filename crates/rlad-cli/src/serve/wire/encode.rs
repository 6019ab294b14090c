//! Requests of both versions, as a sender writes them.

use std::collections::HashMap;

use prost::Message;

use super::Sample;
use super::messages::{Label, RequestV1, RequestV2, SeriesV1, SeriesV2};
use crate::serve::labels::Labels;

/// A request of version 1.0 with these series, compressed with snappy.
pub(crate) fn encode_v1(series: &[(&Labels, &[Sample])]) -> Vec<u8> {
    let series = series.iter().map(|(labels, samples)| {
        let labels =
            labels.iter().map(|(name, value)| Label { name: name.to_owned(), value: value.to_owned() }).collect();
        SeriesV1 { labels, samples: samples.to_vec() }
    });
    snappy(&RequestV1 { series: series.collect() }.encode_to_vec())
}

/// A request of version 2.0 with these series, compressed with snappy.
pub(crate) fn encode_v2(series: &[(&Labels, &[Sample])]) -> Vec<u8> {
    let mut symbols = vec![String::new()];
    let mut places = HashMap::from([("", 0)]);
    let series = series.iter().map(|(labels, samples)| {
        let mut place = |text| {
            *places.entry(text).or_insert_with(|| {
                symbols.push(text.to_owned());
                symbols.len() as u32 - 1
            })
        };
        let labels = labels.iter().flat_map(|(name, value)| [place(name), place(value)]).collect();
        SeriesV2::new(labels, samples.to_vec())
    });
    let series = series.collect();
    snappy(&RequestV2 { symbols, series }.encode_to_vec())
}

/// The block of raw snappy.
///
/// # Panics
/// If the bytes are 4 GiB or more, which no batch is.
fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).expect("a batch is far below 4 GiB")
}
