//! What was answered about points that the data do not hold any more: it is learned from all the same.

use serde::{Deserialize, Serialize};

use crate::data::label::Label;
use crate::features::tree_row::TreeRows;
use crate::models::tensor_file::Tensors;

/// The numbers of a stored label beside its row.
const WIDTH: usize = 7;
/// Under which the labels stand in a checkpoint.
const LABELS: &str = "labels";
const ROWS: &str = "label_rows";

/// An answer about a point that the data do not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PastAnswer {
    /// The number of its question.
    pub(super) question: u64,
    /// Whether it labelled a point: neither *unsure* nor *skip*.
    pub(super) is_labelling: bool,
}

/// A label as a checkpoint keeps it: it outlives the point in the data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StoredLabel {
    /// The series and the point when it was stored, which say the member that never learned from it.
    pub(super) at: (usize, usize),
    /// The point's timestamp.
    pub(super) time: i64,
    pub(super) label: Label,
    pub(super) weight: f32,
    /// Whether the point had left the data already.
    pub(super) is_past: bool,
}

/// Labels with the rows that the trees see of their points.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StoredLabels {
    pub(super) labels: Vec<StoredLabel>,
    pub(super) rows: TreeRows,
}

impl StoredLabels {
    /// Adds one label of others.
    pub(super) fn push(&mut self, label: StoredLabel, row: &[f32]) {
        self.labels.push(label);
        self.rows.push_row(row);
    }

    /// Puts them among the tensors of a checkpoint; nothing where there are none.
    pub(super) fn put(&self, tensors: &mut Tensors) {
        if self.labels.is_empty() {
            return;
        }
        let words = |label: &StoredLabel| {
            let [high, low] = words(label.time);
            [
                f32::from_bits(u32::try_from(label.at.0).expect("series are counted in 32 bits")),
                f32::from_bits(u32::try_from(label.at.1).expect("points are counted in 32 bits")),
                high,
                low,
                f32::from_bits(u32::from(label.label == Label::Anomaly)),
                label.weight,
                f32::from_bits(u32::from(label.is_past)),
            ]
        };
        let n = self.labels.len();
        tensors.insert(LABELS.to_owned(), (vec![n, WIDTH], self.labels.iter().flat_map(words).collect()));
        let rows = &self.rows.values;
        tensors.insert(ROWS.to_owned(), (vec![n, rows.len() / n], rows.clone()));
    }

    /// Those among the tensors of a checkpoint, with rows of `n_tree_features`.
    ///
    /// # Errors
    /// A sentence where the tensors do not fit each other.
    pub(super) fn from_tensors(tensors: &Tensors, n_tree_features: usize) -> Result<Self, String> {
        let Some((_, words)) = tensors.get(LABELS) else { return Ok(Self::default()) };
        let (_, rows) = tensors.get(ROWS).ok_or("it has labels without their rows")?;
        let words = words.as_chunks::<WIDTH>().0;
        if rows.len() != words.len() * n_tree_features {
            return Err(format!("{} labels have rows of {} numbers in all", words.len(), rows.len()));
        }
        let mut stored = Self::default();
        for (words, row) in words.iter().zip(rows.chunks_exact(n_tree_features.max(1))) {
            let bits = |word: usize| words[word].to_bits();
            let weight = words[5];
            if !(weight.is_finite() && weight >= 0.0) {
                return Err("a label has a weight that is no number of at least 0".to_owned());
            }
            let label = StoredLabel {
                at: (bits(0) as usize, bits(1) as usize),
                time: time_of([words[2], words[3]]),
                label: if bits(4) == 1 { Label::Anomaly } else { Label::Normal },
                weight,
                is_past: bits(6) == 1,
            };
            stored.push(label, row);
        }
        Ok(stored)
    }
}

/// A timestamp as two 32-bit words, so that a tensor holds it exactly.
pub(super) fn words(time: i64) -> [f32; 2] {
    let time = time.cast_unsigned();
    [f32::from_bits((time >> 32) as u32), f32::from_bits((time & u64::from(u32::MAX)) as u32)]
}

/// The timestamp of [`words`].
pub(super) fn time_of(words: [f32; 2]) -> i64 {
    (u64::from(words[0].to_bits()) << 32 | u64::from(words[1].to_bits())).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_survive_a_checkpoint() {
        let mut stored = StoredLabels::default();
        let label = StoredLabel {
            at: (3, 70_000),
            time: -1_500_000_000_123_456_789,
            label: Label::Anomaly,
            weight: 0.25,
            is_past: true,
        };
        stored.push(label, &[1.0, 2.0, 0.5]);
        stored.push(StoredLabel { label: Label::Normal, is_past: false, time: 7, ..label }, &[3.0, 4.0, 1.5]);
        let mut tensors = Tensors::new();
        stored.put(&mut tensors);
        assert_eq!(StoredLabels::from_tensors(&tensors, 3).as_ref(), Ok(&stored));
        assert!(StoredLabels::from_tensors(&tensors, 4).is_err());
        assert_eq!(StoredLabels::from_tensors(&Tensors::new(), 3), Ok(StoredLabels::default()));
        tensors.get_mut(LABELS).unwrap().1[5] = f32::NAN;
        assert!(StoredLabels::from_tensors(&tensors, 3).unwrap_err().contains("weight"));
    }
}
