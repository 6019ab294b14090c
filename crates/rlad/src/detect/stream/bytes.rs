//! The state of a stream as bytes, and the stream that goes on from them.

use std::sync::Arc;

use super::Stream;
use super::swap::no_expected_values;
use crate::archive::{Archive, Misfit};
use crate::data::alarm::Alarm;
use crate::data::series::Clock;
use crate::detect::model::Model;
use crate::error::{Error, Result};
use crate::features::expected::Expected;

/// The first bytes.
const MAGIC: [u8; 4] = *b"rlss";
/// The version of what follows; 1 is read as well, whose decision knows no limit on transfer.
const VERSION: u16 = 2;
/// Magic, version, and the number of all bytes.
const N_HEAD: usize = MAGIC.len() + size_of::<u16>() + size_of::<u32>();
const N_CHECKSUM: usize = size_of::<u32>();
/// A SHA-256.
const N_HASH: usize = 32;

impl Stream {
    /// Its state as bytes, from which [`Self::from_bytes`] makes a stream that goes on as this one does, bit for bit.
    ///
    /// They hold what the stream saw, the hash of its model, a version, their length and a checksum (CRC-32), but no part of the model.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4_096);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; size_of::<u32>()]);
        let mut archive = Archive::Out(bytes);
        let follows_expected = self.decider.follows_expected();
        let name = self.name.as_bytes().to_vec();
        let mut head = Head { hash: hash_of(&self.model), name, clock: self.clock, follows_expected };
        let written = head.archive(&mut archive).and_then(|()| self.clone().archive(&mut archive, VERSION, None));
        let (Ok(()), Archive::Out(mut bytes)) = (written, archive) else {
            unreachable!("what is written has the right form");
        };
        let n_bytes = u32::try_from(bytes.len() + N_CHECKSUM).expect("a state is small");
        bytes[N_HEAD - size_of::<u32>()..N_HEAD].copy_from_slice(&n_bytes.to_le_bytes());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The stream whose state [`Self::to_bytes`] gave. `model`: the one that it had; [`Self::swap`] takes it to another one after that.
    ///
    /// Decision and calendar are those of `model`. Where they are others than before, the stream goes on as after a swap.
    ///
    /// # Errors
    /// [`Error::StreamBytes`] for bytes that are no state of a stream, or were cut or changed; [`Error::StreamVersion`] for those of
    /// a later version; [`Error::StreamModel`] for those of another model; [`Error::Swap`] where the decision of `model` needs expected
    /// values that the stream did not follow.
    pub fn from_bytes(model: Arc<Model>, bytes: &[u8]) -> Result<Self> {
        let (version, content) = checked(bytes)?;
        let mut archive = Archive::In(content);
        let mut head = Head::empty();
        head.archive(&mut archive).map_err(misfit)?;
        let Head { hash, name, clock, follows_expected } = head;
        let name = String::from_utf8(name).map_err(|_| misfit(Misfit("a name in UTF-8")))?;
        let of_model = hash_of(&model);
        if hash != of_model {
            return Err(Error::StreamModel { series: name, expected: digits(hash), found: digits(of_model) });
        }
        let mut expected = follows_expected.then(|| Expected::new(clock, model.record.n_channels));
        let mut stream = Self::new(model, &name, clock);
        if stream.decider.follows_expected() && !follows_expected {
            return Err(no_expected_values(&name, &stream.model));
        }
        stream.archive(&mut archive, version, expected.as_mut()).map_err(misfit)?;
        if archive.n_left() > 0 {
            return Err(misfit(Misfit("fewer bytes")));
        }
        Ok(stream)
    }

    /// What it saw, in a version of the bytes. `expected`: as in [`Decider::archive`](crate::detect::decision::Decider::archive).
    fn archive(
        &mut self,
        archive: &mut Archive<'_>,
        version: u16,
        expected: Option<&mut Expected>,
    ) -> std::result::Result<(), Misfit> {
        archive.flag(&mut self.is_empty)?;
        archive.i64(&mut self.last_timestamp)?;
        let mut alarm = self.alarm as u8;
        archive.u8(&mut alarm)?;
        let alarms = [Alarm::None, Alarm::Opens, Alarm::Continues];
        self.alarm = *alarms.get(usize::from(alarm)).ok_or(Misfit("an alarm or none"))?;
        // The next point takes the place of the oldest row.
        let n_features = self.model.record.shape.n_features;
        self.window[n_features..].iter_mut().try_for_each(|number| archive.f32(number))?;
        self.features.archive(archive)?;
        self.ecdfs.iter_mut().try_for_each(|ecdfs| ecdfs.archive(archive))?;
        self.decider.archive(archive, version > 1, expected)
    }
}

/// What must be known of a stream before the rest can be read.
struct Head {
    hash: [u8; N_HASH],
    name: Vec<u8>,
    clock: Clock,
    /// Whether its decision follows expected values.
    follows_expected: bool,
}

impl Head {
    const fn empty() -> Self {
        let clock = Clock { step: 1, has_days: false };
        Self { hash: [0; N_HASH], name: Vec::new(), clock, follows_expected: false }
    }

    fn archive(&mut self, archive: &mut Archive<'_>) -> std::result::Result<(), Misfit> {
        archive.bytes(&mut self.hash)?;
        let n_name = archive.len(self.name.len())?;
        self.name.resize(n_name, 0);
        archive.bytes(&mut self.name)?;
        archive.i64(&mut self.clock.step)?;
        archive.flag(&mut self.clock.has_days)?;
        archive.flag(&mut self.follows_expected)?;
        if self.clock.step < 1 && archive.is_read() { Err(Misfit("a step of at least 1")) } else { Ok(()) }
    }
}

/// The version, and the bytes between head and checksum, which are as they were written.
fn checked(bytes: &[u8]) -> Result<(u16, &[u8])> {
    let wrong = |expected: String, found: String| Error::StreamBytes { expected, found };
    let Some((head, _)) = bytes.split_first_chunk::<N_HEAD>() else {
        return Err(wrong(format!("at least {N_HEAD} bytes"), bytes.len().to_string()));
    };
    let [m0, m1, m2, m3, v0, v1, n0, n1, n2, n3] = *head;
    let magic = [m0, m1, m2, m3];
    if magic != MAGIC {
        return Err(wrong(format!("`{}` at their begin", MAGIC.escape_ascii()), format!("`{}`", magic.escape_ascii())));
    }
    let version = u16::from_le_bytes([v0, v1]);
    if !(1..=VERSION).contains(&version) {
        return Err(Error::StreamVersion { expected: VERSION, found: version });
    }
    let n_bytes = u32::from_le_bytes([n0, n1, n2, n3]);
    let (Ok(true), Some((rest, checksum))) =
        (usize::try_from(n_bytes).map(|n| n == bytes.len()), bytes.split_last_chunk::<N_CHECKSUM>())
    else {
        return Err(wrong(format!("{n_bytes} bytes"), bytes.len().to_string()));
    };
    let (expected, found) = (u32::from_le_bytes(*checksum), crc32fast::hash(rest));
    if expected != found {
        return Err(wrong(format!("the checksum {expected:08x}"), format!("{found:08x}")));
    }
    Ok((version, rest.get(N_HEAD..).unwrap_or_default()))
}

/// The error of bytes that are as they were written, and yet of no stream of the model.
fn misfit(Misfit(expected): Misfit) -> Error {
    Error::StreamBytes { expected: expected.to_owned(), found: "something else".to_owned() }
}

fn hash_of(model: &Model) -> [u8; N_HASH] {
    let digits = model.hash();
    std::array::from_fn(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).expect("a hash is hexadecimal"))
}

fn digits(hash: [u8; N_HASH]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
