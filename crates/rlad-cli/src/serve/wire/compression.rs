//! The two compressions of a request's body.

use std::io::Read;

use super::Refusal;

/// How a frame of zstd begins.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// How a stream of framed snappy begins, which is not what `remote_write` sends.
const FRAMED_SNAPPY: &[u8] = b"\xff\x06\x00\x00sNaPpY";
/// The most bytes that one byte of snappy stands for: a copy of 64 bytes takes 3.
const SNAPPY_RATIO: usize = 22;
/// The largest window of zstd, as a power of 2: 64 MiB of memory.
const ZSTD_WINDOW_LOG: u32 = 26;

/// The body without its compression, at most `limit` bytes.
///
/// Without a header it is snappy, as with Prometheus' own receiver. A body that is called snappy and is zstd is read:
/// so are blocks that a vmagent kept from before.
pub(super) fn decompress(encoding: Option<&str>, body: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    let encoding = encoding.map(str::trim).unwrap_or_default();
    if encoding.is_empty() || encoding.eq_ignore_ascii_case("snappy") {
        match snappy(body, limit) {
            Err(refusal) if refusal.status == 400 && body.starts_with(&ZSTD_MAGIC) => {
                zstd(body, limit).map_err(|of| if of.status == 413 { of } else { refusal })
            }
            read => read,
        }
    } else if encoding.eq_ignore_ascii_case("zstd") {
        zstd(body, limit)
    } else {
        Err(Refusal::unsupported(format!("expected the content encoding `snappy` or `zstd`, found `{encoding}`")))
    }
}

fn snappy(body: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    if body.starts_with(FRAMED_SNAPPY) {
        return Err(Refusal::malformed("expected a block of raw snappy, found the framed format"));
    }
    let len = snap::raw::decompress_len(body).map_err(|e| Refusal::malformed(format!("no snappy: {e}")))?;
    if len > limit {
        return Err(Refusal::too_large("decompressed bytes", limit));
    }
    if len > body.len().saturating_mul(SNAPPY_RATIO) {
        let message = format!("no snappy: {} bytes cannot stand for {len}", body.len());
        return Err(Refusal::malformed(message));
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(|e| Refusal::malformed(format!("no snappy: {e}")))
}

fn zstd(body: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    let wrong = |e: std::io::Error| Refusal::malformed(format!("no zstd: {e}"));
    let told = zstd::zstd_safe::get_frame_content_size(body).ok().flatten();
    let told = told.map(|len| usize::try_from(len).unwrap_or(usize::MAX));
    if told.is_some_and(|len| len > limit) {
        return Err(Refusal::too_large("decompressed bytes", limit));
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(wrong)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(wrong)?;
    let mut bytes = Vec::with_capacity(told.unwrap_or(0).min(body.len().saturating_mul(16)));
    let mut bounded = decoder.take(limit as u64 + 1);
    bounded.read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() > limit {
        return Err(Refusal::too_large("decompressed bytes", limit));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapped(bytes: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(bytes).unwrap()
    }

    fn zipped(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).unwrap()
    }

    fn refused(encoding: Option<&str>, body: &[u8], limit: usize) -> String {
        let refusal = decompress(encoding, body, limit).unwrap_err();
        format!("{} {}", refusal.status, refusal.message)
    }

    #[test]
    fn both_compressions_are_read_by_their_names() {
        let text = b"some text, some text, some text".to_vec();
        for encoding in [None, Some(""), Some("snappy"), Some(" Snappy ")] {
            assert_eq!(decompress(encoding, &snapped(&text), 100).unwrap(), text);
            assert_eq!(decompress(encoding, &zipped(&text), 100).unwrap(), text);
        }
        assert_eq!(decompress(Some("zstd"), &zipped(&text), 100).unwrap(), text);
        let two = [zipped(b"one"), zipped(b"two")].concat();
        assert_eq!(decompress(Some("zstd"), &two, 6).unwrap(), b"onetwo");
        assert_eq!(decompress(None, &snapped(b""), 0).unwrap(), b"");
        assert_eq!(decompress(None, &snapped(&text), text.len()).unwrap(), text);
        assert_eq!(decompress(Some("zstd"), &zipped(&text), text.len()).unwrap(), text);
    }

    #[test]
    fn what_is_too_large_is_told_before_it_is_read() {
        insta::assert_snapshot!(
            refused(None, &snapped(&[0; 101]), 100),
            @"413 expected at most 100 decompressed bytes in one request, found more"
        );
        insta::assert_snapshot!(
            refused(Some("zstd"), &zipped(&[0; 101]), 100),
            @"413 expected at most 100 decompressed bytes in one request, found more"
        );
        assert!(refused(Some("zstd"), &[zipped(&[0; 60]), zipped(&[0; 60])].concat(), 100).starts_with("413"));
        assert!(refused(Some("snappy"), &zipped(&[0; 1 << 20]), 100).starts_with("413"));
        // A frame that does not say its length.
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        std::io::Write::write_all(&mut encoder, &[0; 1 << 20]).unwrap();
        let untold = encoder.finish().unwrap();
        assert!(untold.len() < 1000);
        assert!(refused(Some("zstd"), &untold, 1 << 19).starts_with("413"));
        assert_eq!(decompress(Some("zstd"), &untold, 1 << 20).unwrap().len(), 1 << 20);
        // A header of snappy that tells 64 MiB, and nothing behind it.
        insta::assert_snapshot!(
            refused(None, &[0x80, 0x80, 0x80, 0x20, 0], 128 << 20),
            @"400 no snappy: 5 bytes cannot stand for 67108864"
        );
    }

    #[test]
    fn what_is_no_compression_is_told() {
        insta::assert_snapshot!(
            refused(Some("gzip"), b"", 100),
            @"415 expected the content encoding `snappy` or `zstd`, found `gzip`"
        );
        insta::assert_snapshot!(
            refused(Some("identity"), b"", 100),
            @"415 expected the content encoding `snappy` or `zstd`, found `identity`"
        );
        insta::assert_snapshot!(
            refused(None, b"\xff\x06\x00\x00sNaPpY\x01", 100),
            @"400 expected a block of raw snappy, found the framed format"
        );
        insta::assert_snapshot!(refused(None, b"", 100), @"400 no snappy: snappy: corrupt input (empty)");
        insta::assert_snapshot!(refused(Some("zstd"), b"no", 100), @"400 no zstd: Unknown frame descriptor");
        for (encoding, whole) in [("snappy", snapped(b"0123456789")), ("zstd", zipped(b"0123456789"))] {
            for len in 1..whole.len() {
                assert!(refused(Some(encoding), &whole[..len], 100).starts_with("400"), "{encoding} {len}");
            }
        }
    }
}
