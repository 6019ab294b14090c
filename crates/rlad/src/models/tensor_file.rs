//! Files of tensors with a record beside them: safetensors, whose metadata holds the format version, the record as JSON
//! and a hash of all of it.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The version of the model and checkpoint formats.
pub(crate) const FORMAT_VERSION: u32 = 5;

/// Named tensors of 32-bit floats.
pub(crate) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A named array of weights, as it is saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The name, as PyTorch's modules give it: `lstm.weight_ih_l0`.
    pub name: String,
    /// The shape.
    pub shape: Vec<usize>,
    /// The elements, the last index fastest.
    pub data: Vec<f32>,
}

/// The metadata of a file.
#[derive(serde::Serialize, serde::Deserialize)]
struct Header {
    kind: String,
    format_version: u32,
    sha256: String,
    record: serde_json::Value,
}

/// The bytes of a file, and the hash of its content in hexadecimal.
///
/// The same tensors and record give the same bytes.
pub(crate) fn write(kind: &str, tensors: &Tensors, record: &impl Serialize) -> (Vec<u8>, String) {
    let record = serde_json::to_value(record).expect("a record is JSON");
    let data: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, (_, values))| (name, values.iter().flat_map(|value| value.to_le_bytes()).collect()))
        .collect();
    let sha256 = hash(
        kind,
        &record,
        tensors.iter().map(|(name, (shape, _))| (name.as_str(), shape.as_slice(), &data[name][..])),
    );
    let header = Header { kind: kind.to_owned(), format_version: FORMAT_VERSION, sha256: sha256.clone(), record };
    // One entry only: the order of several would change from run to run.
    let metadata = [("rlad".to_owned(), serde_json::to_string(&header).expect("a header is JSON"))].into();
    let views = tensors.iter().map(|(name, (shape, _))| {
        (name, TensorView::new(Dtype::F32, shape.clone(), &data[name]).expect("a tensor has its shape"))
    });
    (safetensors::serialize(views, Some(metadata)).expect("tensors fit in a file"), sha256)
}

/// Whether bytes say that they are a file of this kind, whatever the rest of them.
#[cfg(feature = "baselines")]
pub(crate) fn is(kind: &str, bytes: &[u8]) -> bool {
    let header = SafeTensors::read_metadata(bytes).ok().and_then(|(_, metadata)| {
        let header = metadata.metadata().as_ref()?.get("rlad")?.clone();
        serde_json::from_str::<serde_json::Value>(&header).ok()
    });
    header.is_some_and(|header| header["kind"] == kind)
}

/// Reads what [`write()`] wrote: the tensors, the record and the hash.
///
/// # Errors
/// [`Error::Format`] for another kind of file, [`Error::Version`] for another version, [`Error::Damaged`] where the
/// content is not what was written.
pub(crate) fn read<R: DeserializeOwned>(path: &Path, kind: &str, bytes: &[u8]) -> Result<(Tensors, R, String)> {
    let format = |source: Option<crate::error::Cause>| Error::Format {
        path: path.to_owned(),
        expected: format!("a {kind} written by rlad"),
        source,
    };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| format(Some(error.into())))?;
    let header = metadata.metadata().as_ref().and_then(|entries| entries.get("rlad")).ok_or_else(|| format(None))?;
    let header: serde_json::Value = serde_json::from_str(header).map_err(|error| format(Some(error.into())))?;
    let version = &header["format_version"];
    if version != FORMAT_VERSION {
        return Err(Error::Version { path: path.to_owned(), expected: FORMAT_VERSION, found: version.to_string() });
    }
    let header: Header = serde_json::from_value(header).map_err(|error| format(Some(error.into())))?;
    if header.kind != kind {
        return Err(format(Some(format!("it is a {}", header.kind).into())));
    }
    let stored = SafeTensors::deserialize(bytes).map_err(|error| format(Some(error.into())))?;
    let mut views: Vec<(String, TensorView<'_>)> = stored.tensors();
    views.sort_by(|a, b| a.0.cmp(&b.0));
    let found = hash(kind, &header.record, views.iter().map(|(name, view)| (name.as_str(), view.shape(), view.data())));
    if found != header.sha256 {
        return Err(Error::Damaged { path: path.to_owned(), expected: header.sha256, found });
    }
    let tensors = views
        .iter()
        .map(|(name, view)| {
            let values = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            (name.clone(), (view.shape().to_vec(), values))
        })
        .collect();
    let record = serde_json::from_value(header.record).map_err(|error| format(Some(error.into())))?;
    Ok((tensors, record, found))
}

/// The error of a file whose hash is right and whose parts do not fit each other, as where somebody changed one and hashed it anew.
/// `problem`: a sentence, or the error of a part.
pub(crate) fn misfit(path: &Path, kind: &str, problem: impl Into<crate::error::Cause>) -> Error {
    Error::Format {
        path: path.to_owned(),
        expected: format!("a {kind} whose parts fit each other"),
        source: Some(problem.into()),
    }
}

fn hash<'a>(
    kind: &str,
    record: &serde_json::Value,
    tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a [u8])>,
) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{kind} {FORMAT_VERSION}\n{record}\n"));
    for (name, shape, data) in tensors {
        hasher.update(format!("{name} {shape:?}\n"));
        hasher.update(data);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (Vec<u8>, String) {
        let tensors =
            [("b".to_owned(), (vec![2], vec![1.0, f32::NAN])), ("a".to_owned(), (vec![1, 1], vec![-0.0]))].into();
        write("model", &tensors, &vec![0.1, 0.2])
    }

    #[test]
    fn a_file_reads_back_and_repeats_to_the_byte() {
        let (bytes, hash) = file();
        assert_eq!(file(), (bytes.clone(), hash.clone()));
        let (tensors, record, found): (_, Vec<f64>, _) = read(Path::new("m"), "model", &bytes).unwrap();
        assert_eq!((record, found), (vec![0.1, 0.2], hash));
        assert_eq!(tensors["b"].1[1].to_bits(), f32::NAN.to_bits());
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let (bytes, _) = file();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(read::<Vec<f64>>(Path::new("m"), "model", &changed).is_err(), "byte {at}");
        }
        for len in 0..bytes.len() {
            assert!(read::<Vec<f64>>(Path::new("m"), "model", &bytes[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn other_files_say_what_they_are() {
        let message = |bytes: &[u8]| read::<Vec<f64>>(Path::new("m"), "model", bytes).unwrap_err().to_string();
        assert_eq!(message(b"hello, world"), "`m` is not a model written by rlad");
        let (bytes, _) = write("checkpoint", &Tensors::new(), &0);
        assert_eq!(message(&bytes), "`m` is not a model written by rlad");
        let (bytes, _) = file();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.contains("\\\"format_version\\\":5"));
        let at = text.find("version\\\":5").unwrap() + "version\\\":".len();
        let mut other = bytes;
        other[at] = b'7';
        assert_eq!(message(&other), "`m` has format version 7, but this program reads version 5");
    }
}
