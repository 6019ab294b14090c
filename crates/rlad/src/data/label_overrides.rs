//! Experts' labels of points, kept with the detector that learned from it: where it scores the same points again, their word stands.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::data::label::{Label, Span, spans};
use crate::data::series::Series;
use crate::random::mix;

/// Labelled runs of series, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LabelOverrides(BTreeMap<String, Vec<LabelRun>>);

/// Points in a row with one label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct LabelRun {
    /// The point_hash of the first point.
    first: u64,
    /// The point_hash of the last point.
    last: u64,
    /// At least 1.
    n_points: usize,
    label: Label,
}

/// A point by its time and its values, as 64 bits: a series of the same name that is another, or a file whose points are counted from
/// 0 again, has other point_hashes.
pub(crate) fn point_hash(series: &Series, point: usize) -> u64 {
    let values = series.row(point).iter().map(|value| if *value == 0.0 { 0 } else { value.to_bits() });
    let time = series.timestamps()[point].cast_unsigned();
    values.fold(mix(time), |so_far, value| mix(so_far ^ value))
}

impl LabelOverrides {
    /// Adds the labelled points of a series, in time order. `point_hashes`: of each of its points.
    pub(crate) fn add(&mut self, name: &str, labelled: impl Iterator<Item = (usize, Label)>, point_hashes: &[u64]) {
        let run = |Span { first, last, label }| LabelRun {
            first: point_hashes[first],
            last: point_hashes[last],
            n_points: last - first + 1,
            label,
        };
        let runs: Vec<LabelRun> = spans(labelled).into_iter().map(run).collect();
        if !runs.is_empty() {
            self.0.insert(name.to_owned(), runs);
        }
    }

    /// Refuses runs without a point, which only a file has that somebody changed.
    ///
    /// # Errors
    /// A sentence about the first of them.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.0.iter().find(|(_, runs)| runs.iter().any(|run| run.n_points == 0)) {
            Some((name, _)) => Err(format!("a label of series `{name}` is of no point")),
            None => Ok(()),
        }
    }

    /// The series of which a point was called an anomaly, rising.
    pub(crate) fn with_anomalies(&self) -> impl Iterator<Item = &str> {
        let has_anomaly = |runs: &[LabelRun]| runs.iter().any(|run| run.label == Label::Anomaly);
        self.0.iter().filter(move |(_, runs)| has_anomaly(runs)).map(|(name, _)| name.as_str())
    }

    /// The labelled points of a series, in time order: of each run that is in it whole.
    pub(crate) fn of(&self, series: &Series) -> Vec<(usize, Label)> {
        let Some(runs) = self.0.get(series.name()) else { return Vec::new() };
        let by_first: HashMap<u64, &LabelRun> = runs.iter().map(|run| (run.first, run)).collect();
        let mut found = Vec::new();
        let mut first = 0;
        while first < series.len() {
            let whole = by_first.get(&point_hash(series, first)).and_then(|run| {
                let end = first.checked_add(run.n_points).filter(|end| *end <= series.len())?;
                (point_hash(series, end - 1) == run.last).then_some((run.label, end))
            });
            // Runs do not overlap, so each point is looked at once.
            first = whole.map_or(first + 1, |(label, end)| {
                found.extend((first..end).map(|point| (point, label)));
                end
            });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::series::TimeFormat;

    fn series(name: &str, first: i64, values: &[f64]) -> Series {
        let times = (first..).take(values.len()).collect();
        Series::new(name, vec!["value".into()], TimeFormat::Index, times, values.to_vec(), None).unwrap()
    }

    const VALUES: [f64; 6] = [0.5, 1.0, 7.0, 7.5, 1.0, -0.0];

    fn known() -> LabelOverrides {
        let of = series("a", 10, &VALUES);
        let point_hashes: Vec<u64> = (0..6).map(|point| point_hash(&of, point)).collect();
        let mut known = LabelOverrides::default();
        known.add("a", [(1, Label::Normal), (2, Label::Anomaly), (3, Label::Anomaly)].into_iter(), &point_hashes);
        known.add("empty", std::iter::empty(), &[]);
        known
    }

    #[test]
    fn the_same_points_are_known_again_wherever_their_file_begins() {
        let expected = [(1, Label::Normal), (2, Label::Anomaly), (3, Label::Anomaly)];
        assert_eq!(known().of(&series("a", 10, &VALUES)), expected);
        assert_eq!(known().of(&series("a", 11, &VALUES[1..])), expected.map(|(point, label)| (point - 1, label)));
        // The anomaly is cut off: what was said of all of it is not known of a part.
        assert_eq!(known().of(&series("a", 10, &VALUES[..3])), expected[..1]);
    }

    #[test]
    fn series_with_anomalies_are_named() {
        let mut known = known();
        let other = series("b", 0, &VALUES);
        let point_hashes: Vec<u64> = (0..6).map(|point| point_hash(&other, point)).collect();
        known.add("b", std::iter::once((1, Label::Normal)), &point_hashes);
        assert_eq!(known.with_anomalies().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn other_points_are_not_taken_for_them() {
        assert!(known().of(&series("b", 10, &VALUES)).is_empty());
        assert!(known().of(&series("empty", 10, &VALUES)).is_empty());
        // The same values at other times, and other values at the same times.
        assert!(known().of(&series("a", 0, &VALUES)).is_empty());
        assert!(known().of(&series("a", 10, &VALUES.map(|value| value + 1.0))).is_empty());
    }

    #[test]
    fn they_survive_their_file_and_zero_has_no_sign() {
        let text = serde_json::to_string(&known()).unwrap();
        assert_eq!(serde_json::from_str::<LabelOverrides>(&text).unwrap(), known());
        let (plus, minus) = (series("a", 0, &[0.0]), series("a", 0, &[-0.0]));
        assert_eq!(point_hash(&plus, 0), point_hash(&minus, 0));
    }
}
