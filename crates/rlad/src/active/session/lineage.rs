//! The lineage of a session's models: what they learned from, and the models before them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Session;
use crate::data::label::Labels;
use crate::data::series::TimeFormat;
use crate::detect::lineage::LineageEntry;
use crate::detect::model::Model;

/// What is known of the model before.
#[derive(Clone, Debug)]
pub(super) struct Previous {
    hash: String,
    lineage: Vec<LineageEntry>,
    /// The timestamp of the last training point of each series.
    trained_until: BTreeMap<String, i64>,
    /// Whether this session is the one that made it, further on over the same data.
    is_same_training: bool,
}

impl Session {
    /// Takes in the model that the session's models follow: they have its lineage, with one entry more.
    ///
    /// Where the session has the data and the settings of that model, but for its number of questions and its decision, it is the same
    /// training, further on: the last entry is replaced and not followed by another, and a session that was stopped ends in the
    /// bytes of one that was not.
    pub fn set_previous(&mut self, model: &Model) {
        let record = &model.record;
        let extent = |entry: &LineageEntry| (entry.series, entry.points, entry.first, entry.last, entry.has_timestamps);
        let mut config = record.config.as_ref().clone();
        (config.questions, config.decision) = (self.config.questions, self.config.decision.clone());
        let is_same_training = config == self.config
            && record.trained_until == self.trained_until()
            && record.lineage.last().is_some_and(|last| extent(last) == extent(&self.entry()));
        self.previous = Some(Arc::new(Previous {
            hash: model.hash().to_owned(),
            lineage: record.lineage.clone(),
            trained_until: record.trained_until.clone(),
            is_same_training,
        }));
    }

    /// The lineage of its detector as it stands.
    pub(super) fn lineage(&self) -> Vec<LineageEntry> {
        let mut entry = self.entry();
        let Some(previous) = &self.previous else { return vec![entry] };
        let mut lineage = previous.lineage.clone();
        let replaced = if previous.is_same_training { lineage.pop() } else { None };
        (entry.previous, entry.new_points, entry.new_series) = match replaced {
            Some(replaced) => (replaced.previous, replaced.new_points, replaced.new_series),
            None => {
                let (n_points, n_series) = self.new_since(&previous.trained_until).unzip();
                (Some(previous.hash.clone()), n_points, n_series)
            }
        };
        lineage.push(entry);
        lineage
    }

    /// The timestamp of the last training point of each series that has one.
    pub(super) fn trained_until(&self) -> BTreeMap<String, i64> {
        let series = self.series.iter().zip(&self.pool.series);
        let last = series.filter_map(|(series, pool)| {
            Some((series.name().to_owned(), *series.timestamps()[pool.training.clone()].last()?))
        });
        last.collect()
    }

    /// The entry of this session, without what stands before it.
    fn entry(&self) -> LineageEntry {
        let training = || {
            let series = self.series.iter().zip(&self.pool.series);
            series.map(|(series, pool)| &series.timestamps()[pool.training.clone()])
        };
        LineageEntry {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            previous: None,
            questions: self.n_answered(),
            labelled_points: self.labels.iter().map(Labels::len).sum(),
            series: self.series.len(),
            points: self.pool.n_points(),
            has_timestamps: self.series.iter().any(|series| series.time_format() != TimeFormat::Index),
            first: training().filter_map(|times| times.first()).min().copied().unwrap_or(0),
            last: training().filter_map(|times| times.last()).max().copied().unwrap_or(0),
            new_points: None,
            new_series: None,
            threshold: self.threshold(),
        }
    }

    /// The training points and the series that a model did not have which reached so far; `None` where that is not known.
    fn new_since(&self, trained_until: &BTreeMap<String, i64>) -> Option<(usize, usize)> {
        if trained_until.is_empty() {
            return None;
        }
        let (mut n_points, mut n_series) = (0, 0);
        for (series, pool) in self.series.iter().zip(&self.pool.series) {
            let times = &series.timestamps()[pool.training.clone()];
            let last = trained_until.get(series.name());
            n_points += times.len() - last.map_or(0, |last| times.partition_point(|time| time <= last));
            n_series += usize::from(last.is_none());
        }
        Some((n_points, n_series))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::config::Config;
    use crate::data::series::Series;
    use crate::models::tensor_file;

    #[test]
    fn a_model_from_before_lineages_were_kept_is_read_and_followed() {
        let values = (0..60).map(f64::from).collect();
        let series = Series::new("s", vec!["v".into()], TimeFormat::Index, (5..65).collect(), values, None).unwrap();
        let mut config = Config { questions: 0, ..Config::default() };
        (config.agent.n_members, config.agent.trees.weight) = (2, 1.0);
        let mut session = Session::new(config, vec![series]).unwrap();
        let model = session.finish().unwrap();
        let (tensors, mut record, _) = tensor_file::read::<Value>(Path::new("m"), "model", model.to_bytes()).unwrap();
        let record_of_old = record.as_object_mut().unwrap();
        assert!(record_of_old.remove("lineage").is_some() && record_of_old.remove("trained_until").is_some());
        let (bytes, _) = tensor_file::write("model", &tensors, &record);
        let old = Model::from_bytes(Path::new("m"), bytes).unwrap();
        assert!(old.lineage().is_empty());
        session.set_previous(&old);
        let followed = session.finish().unwrap();
        let [entry] = followed.lineage() else { panic!("one entry: {:?}", followed.lineage()) };
        let want = (Some(old.hash()), None, None, false, 5, 64, 60);
        let LineageEntry { previous, new_points, new_series, has_timestamps, first, last, points, .. } = entry;
        let got = (previous.as_deref(), *new_points, *new_series, *has_timestamps, *first, *last, *points);
        assert_eq!(got, want);
    }
}
