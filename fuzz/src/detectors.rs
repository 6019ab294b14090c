//! Files of tensors with a record and a hash. A mutated file would never be read further than its hash, so the targets take the parts of a
//! file and make the file of them, with the hash that is right.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rlad::data::TimeFormat;
use rlad::{Config, Detector, Model, Saved, Series, Session, Stream};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};

/// The most elements of a tensor that is longer than its bytes.
const MAX_ELEMENTS: usize = 1 << 20;
/// The version of the format.
const VERSION: u32 = 5;

/// The default preset with few and small members.
pub(crate) fn small() -> Config {
    let mut config = Config::default();
    (config.agent.n_members, config.agent.trees.weight) = (2, 1.0);
    (config.agent.trees.n_trees, config.questions) = (3, 6);
    config
}

/// The series that detectors are made of and score.
pub(crate) fn data() -> Vec<Series> {
    vec![crate::series("cpu", TimeFormat::Seconds, 160)]
}

/// The parts of a file: a line with its kind, one with its record, one with the shapes of its tensors by name, all in JSON, and their bytes.
pub(crate) fn parts(file: &[u8]) -> Vec<u8> {
    let (_, metadata) = SafeTensors::read_metadata(file).expect("it is a file of tensors");
    let header = metadata.metadata().as_ref().and_then(|entries| entries.get("rlad")).expect("it is a file of ours");
    let header: serde_json::Value = serde_json::from_str(header).expect("the header is JSON");
    let tensors = SafeTensors::deserialize(file).expect("it is a file of tensors");
    let tensors: BTreeMap<String, TensorView<'_>> = tensors.tensors().into_iter().collect();
    let shapes: BTreeMap<&String, &[usize]> = tensors.iter().map(|(name, view)| (name, view.shape())).collect();
    let shapes = serde_json::to_string(&shapes).expect("shapes are JSON");
    let mut parts = format!("{}\n{}\n{shapes}\n", header["kind"], header["record"]).into_bytes();
    tensors.values().for_each(|view| parts.extend(view.data()));
    parts
}

/// The file of such parts, with the right hash; `None` where they are no parts of a file.
fn made_of(parts: &[u8]) -> Option<Vec<u8>> {
    let mut lines = parts.splitn(4, |byte| *byte == b'\n');
    let kind: String = serde_json::from_slice(lines.next()?).ok()?;
    let record: serde_json::Value = serde_json::from_slice(lines.next()?).ok()?;
    let shapes: BTreeMap<String, Vec<usize>> = serde_json::from_slice(lines.next()?).ok()?;
    let mut rest = lines.next()?;
    let mut tensors = BTreeMap::new();
    for (name, shape) in shapes {
        let n = shape.iter().try_fold(4_usize, |n, size| n.checked_mul(*size))?;
        let (bytes, after) = rest.split_at(n.min(rest.len()));
        rest = after;
        if n > bytes.len() && n > 4 * MAX_ELEMENTS {
            return None;
        }
        let mut data = bytes.to_vec();
        data.resize(n, 0);
        tensors.insert(name, (shape, data));
    }
    let mut hasher = Sha256::new();
    hasher.update(format!("{kind} {VERSION}\n{record}\n"));
    for (name, (shape, data)) in &tensors {
        hasher.update(format!("{name} {shape:?}\n"));
        hasher.update(data);
    }
    let sha256: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let header = serde_json::json!({ "kind": kind, "format_version": VERSION, "sha256": sha256, "record": record });
    let views = tensors.iter().map(|(name, (shape, data))| {
        (name, TensorView::new(Dtype::F32, shape.clone(), data).expect("a tensor has its shape"))
    });
    safetensors::serialize(views, Some([("rlad".to_owned(), header.to_string())].into())).ok()
}

/// A model or a baseline by its parts: one that can be read can score.
pub fn model(bytes: &[u8]) {
    let Some(file) = made_of(bytes) else { return };
    let data = data();
    let saved = match Saved::from_bytes(Path::new("m"), file) {
        Ok(saved) => saved,
        Err(error) => {
            assert!(!matches!(error, rlad::Error::Damaged { .. }), "the hash of a target's file is right: {error}");
            return;
        }
    };
    for series in &data {
        let detector = saved.detector();
        let Ok(scores) = detector.detect(series) else { continue };
        detector.explain(series, &scores.events()).expect("what can be scored can be explained");
        let again = Saved::adapted(saved.clone(), &scores.scores);
        again.detector().threshold();
        if let Saved::Model(model) = &saved {
            stream(model, series, &scores.scores);
        }
    }
}

fn stream(model: &Model, series: &Series, scores: &[f64]) {
    let mut stream = Stream::new(Arc::new(model.clone().without_answers()), series.name(), series.clock());
    for point in 0..series.len().min(scores.len()) {
        stream.push(series.timestamps()[point], series.row(point)).expect("what is scored whole is scored as a stream");
    }
}

/// A checkpoint by its parts: a session that goes on can ask, and be written again as the same.
pub fn checkpoint(bytes: &[u8]) {
    let Some(file) = made_of(bytes) else { return };
    let Ok(mut session) = Session::resume(Path::new("c"), &file, data(), None) else { return };
    let queries = session.query().to_vec();
    for query in &queries {
        assert!(session.shown(query).contains(&query.point), "what is asked about is shown");
    }
    session.detector();
    let written = session.checkpoint();
    let again = Session::resume(Path::new("c"), &written, data(), None).expect("what was read is written and read");
    assert_eq!(again.checkpoint(), written);
}
