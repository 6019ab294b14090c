//! A session over data that grow: later points, new series, series that ended, a window that moved on. What was answered stays its
//! series' and its time's; the points of the data are counted anew.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::past::{PastAnswer, StoredLabel, StoredLabels};
use super::{Feedback, Session};
use crate::active::query::Query;
use crate::agent::dqn::Example;
use crate::agent::ensemble::PastExamples;
use crate::agent::pool::{PoolPoint, PoolSeries};
use crate::data::label::{Answer, Span};
use crate::data::label_overrides::point_hash;
use crate::data::series::Series;
use crate::features::tree_row::{TreeRows, n_tree_features};

/// How the data of a session changed since its checkpoint was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// The training points that were not there before: those later than the last one of their series then, and those of new series.
    pub new_points: usize,
    /// The series that were not there before.
    pub new_series: Vec<String>,
    /// The series that are not there any more. What was answered about them is still learned from.
    pub ended_series: Vec<String>,
    /// The answers about points that are not there any more. They are still learned from by trees, not by networks.
    pub past_answers: usize,
    /// Answers some of whose points have other values now, or were joined by others. They stand.
    pub changed: Vec<ChangedAnswer>,
    /// The series that left the range of what they were trained on: more than a quarter of their new points are more surprising than 99 %
    /// of those before.
    pub out_of_range: Vec<String>,
}

/// An answer about points that changed under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedAnswer {
    /// The number of its question; `None` where nobody asked.
    pub question: Option<u64>,
    /// The index of the series in the data.
    pub series: usize,
    /// The first and the last point, in the data as they are.
    pub first: usize,
    /// The last point.
    pub last: usize,
}

/// The training part of a series when a checkpoint was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeriesExtent {
    pub(super) name: String,
    /// The timestamp of the first training point that its distributions count, and of the last one.
    pub(super) first: i64,
    pub(super) last: i64,
}

/// Where an answer belongs, whatever the indices of its points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The name of the series.
    series: String,
    /// The timestamp of the point that was asked about; of the first labelled one where nobody asked.
    time: i64,
    /// The timestamps of the first and the last point of each span of the answer.
    spans: Vec<(i64, i64)>,
    /// The timestamps of the first and the last point that were shown; the same as `time` where nobody asked.
    shown: (i64, i64),
    /// A hash of the times and values of the labelled points.
    hash: u64,
}

/// An answer where its points are now.
struct Moved {
    series: usize,
    point: usize,
    shown: Range<usize>,
    /// Of each span that is still there, its place among them and its points.
    spans: Vec<(usize, (usize, usize))>,
    is_changed: bool,
}

impl Place {
    /// Of a point and of spans of points of a series.
    fn new(series: &Series, point: usize, spans: &[(usize, usize)], shown: &Range<usize>) -> Self {
        let time = |point: usize| series.timestamps()[point.min(series.len() - 1)];
        Self {
            series: series.name().to_owned(),
            time: time(point),
            spans: spans.iter().map(|&(first, last)| (time(first), time(last))).collect(),
            shown: (time(shown.start), time(shown.end.max(shown.start + 1) - 1)),
            hash: hash(series, spans),
        }
    }

    /// The number of its spans.
    pub(super) const fn n_spans(&self) -> usize {
        self.spans.len()
    }

    /// Where it is in a series; `None` where its point is not in the training part any more.
    fn find(&self, at: usize, series: &Series, training: &Range<usize>) -> Option<Moved> {
        let times = series.timestamps();
        let point = times.binary_search(&self.time).ok().filter(|point| training.contains(point))?;
        // The points of a stretch of time, as far as they are in the training part.
        let between = |(first, last): (i64, i64)| {
            let first = times.partition_point(|time| *time < first).max(training.start);
            let end = times.partition_point(|time| *time <= last).min(training.end);
            (first < end).then(|| (first, end - 1))
        };
        let spans: Vec<(usize, (usize, usize))> =
            self.spans.iter().enumerate().filter_map(|(i, span)| Some((i, between(*span)?))).collect();
        let shown = between(self.shown).map_or(point..point + 1, |(first, last)| first..last + 1);
        let is_whole = spans.len() == self.spans.len()
            && spans.iter().all(|&(i, (first, last))| (times[first], times[last]) == self.spans[i]);
        let labelled: Vec<(usize, usize)> = spans.iter().map(|span| span.1).collect();
        let is_changed = is_whole && hash(series, &labelled) != self.hash;
        Some(Moved { series: at, point, shown, spans, is_changed })
    }
}

/// A hash of the times and values of points.
fn hash(series: &Series, spans: &[(usize, usize)]) -> u64 {
    let points = spans.iter().flat_map(|&(first, last)| first..=last.min(series.len() - 1));
    points.fold(0, |so_far: u64, point| crate::random::mix(so_far ^ point_hash(series, point)))
}

/// The first and the last points of the spans of an answer.
fn ends_of(answer: &Answer) -> Vec<(usize, usize)> {
    match answer {
        Answer::Spans(spans) => ends(spans),
        Answer::Unsure | Answer::Skip => Vec::new(),
    }
}

/// The first and the last points of spans.
fn ends<L>(spans: &[Span<L>]) -> Vec<(usize, usize)> {
    spans.iter().map(|span| (span.first, span.last)).collect()
}

impl Session {
    /// How the data grew since the checkpoint that the session was resumed from was written; `None` where they are the same.
    #[must_use]
    pub const fn growth(&self) -> Option<&Growth> {
        self.growth.as_ref()
    }

    /// The training points of a series that are new since the session's data grew last; `None` where they never did.
    #[must_use]
    pub fn new_points(&self, series: usize) -> Option<Range<usize>> {
        self.recent.get(series).cloned()
    }

    /// The training part of each series.
    pub(super) fn extents(&self) -> Vec<SeriesExtent> {
        let extent = |(series, pool): (&Series, &PoolSeries)| {
            let last = series.timestamps()[pool.training.end.max(1) - 1];
            SeriesExtent { name: series.name().to_owned(), first: pool.counted_from, last }
        };
        self.series.iter().zip(&self.pool.series).map(extent).collect()
    }

    /// Where each answer belongs, in order.
    pub(super) fn places(&self) -> Vec<Place> {
        let place = |(query, answer): &(Query, Answer)| {
            Place::new(&self.series[query.series], query.point, &ends_of(answer), &self.shown(query))
        };
        self.answered.iter().map(place).collect()
    }

    /// Where each item of feedback belongs, in order.
    pub(super) fn places_of_feedback(&self) -> Vec<Place> {
        let queries: BTreeMap<u64, &Query> = self.answered.iter().map(|(query, _)| (query.id, query)).collect();
        let place = |item: &Feedback| match item {
            Feedback::Answer { question, answer } => {
                let query = queries.get(question)?;
                Some(Place::new(&self.series[query.series], query.point, &ends_of(answer), &self.shown(query)))
            }
            Feedback::Unprompted { series, spans } => {
                let points = ends(spans);
                let first = points.iter().map(|span| span.0).min()?;
                Some(Place::new(&self.series[*series], first, &points, &(first..first + 1)))
            }
        };
        // What belongs nowhere labels nothing.
        let nowhere = || Place::new(&self.series[0], 0, &[], &(0..1));
        self.feedback.iter().map(|item| place(item).unwrap_or_else(nowhere)).collect()
    }

    /// Takes in what was answered over other data, where it is now. `seen`: the training part of each series then.
    pub(super) fn take_in_moved(
        &mut self,
        answered: Vec<(Query, Answer)>,
        places: &[Place],
        (feedback, places_of_feedback): (Vec<Feedback>, &[Place]),
        seen: &[SeriesExtent],
    ) {
        let index: BTreeMap<String, usize> =
            self.series.iter().enumerate().map(|(at, series)| (series.name().to_owned(), at)).collect();
        let mut growth = self.compared_to(seen, &index);
        self.live_since.get_or_insert(self.round);
        for ((mut query, answer), place) in answered.into_iter().zip(places) {
            let moved = self.find(place, &index);
            let (changed, answer) = match moved {
                Some(moved) if matches!(answer, Answer::Unsure | Answer::Skip) || !moved.spans.is_empty() => {
                    (query.series, query.point) = (moved.series, moved.point);
                    if moved.shown != self.shown(&query) {
                        self.shown_then.insert(query.id, moved.shown.clone());
                    }
                    let answer = moved_answer(answer, &moved);
                    (moved.is_changed.then_some(moved), answer)
                }
                _ => {
                    let is_labelling = matches!(answer, Answer::Spans(_));
                    self.past_answers.push(PastAnswer { question: query.id, is_labelling });
                    growth.past_answers += 1;
                    continue;
                }
            };
            growth.changed.extend(changed.map(|moved| moved.as_changed(Some(query.id))));
            self.take_in(query, answer);
        }
        let here: BTreeSet<u64> = self.answered.iter().map(|(query, _)| query.id).collect();
        let mut kept = Vec::with_capacity(feedback.len());
        for (item, place) in feedback.into_iter().zip(places_of_feedback) {
            let Some(moved) = self.find(place, &index) else { continue };
            match item {
                Feedback::Answer { question, answer } => {
                    if here.contains(&question) {
                        kept.push(Feedback::Answer { question, answer: moved_answer(answer, &moved) });
                    }
                }
                Feedback::Unprompted { spans, .. } => {
                    let spans = moved.put(&spans);
                    kept.push(Feedback::Unprompted { series: moved.series, spans });
                    growth.changed.extend(moved.is_changed.then(|| moved.as_changed(None)));
                }
            }
        }
        if !kept.is_empty() {
            self.labels = self.labels_of(&kept);
            self.feedback = kept;
        }
        growth.out_of_range = self.out_of_range();
        self.growth = Some(growth);
    }

    /// Takes in the labels of a checkpoint whose points are not labelled in the data: those of points that left. `seen`: as in
    /// [`Self::take_in_moved`].
    pub(super) fn take_in_stored(&mut self, stored: &StoredLabels, seen: &[SeriesExtent]) {
        let index: BTreeMap<&str, usize> =
            self.series.iter().enumerate().map(|(at, series)| (series.name(), at)).collect();
        let is_here = |label: &StoredLabel| {
            let name = &seen.get(label.at.0)?.name;
            let at = *index.get(name.as_str())?;
            let point = self.series[at].timestamps().binary_search(&label.time).ok()?;
            self.labels[at].get(point)
        };
        let mut past = PastExamples::default();
        let width = stored.rows.values.len().checked_div(stored.labels.len()).unwrap_or(0);
        for (label, row) in stored.labels.iter().zip(stored.rows.values.chunks_exact(width.max(1))) {
            if label.is_past || is_here(label).is_none() {
                past.examples.push(Example { at: label.at, label: label.label, weight: label.weight });
                past.rows.push_row(row);
            }
        }
        self.past = Arc::new(past);
    }

    /// All labels with the rows of their points, for a checkpoint; none where no trees learn.
    pub(super) fn stored_labels(&self) -> StoredLabels {
        let mut stored = StoredLabels::default();
        if !self.config.agent.learner().has_trees() {
            return stored;
        }
        let examples = self.expert_examples();
        let points: Vec<PoolPoint> = examples.iter().map(|example| example.at).collect();
        let mut rows = TreeRows::new();
        self.pool.tree_rows(&points, &mut rows);
        rows.append(&self.past.rows);
        let time = |(series, point): PoolPoint| self.series[series].timestamps()[point];
        let here = examples.iter().map(|example| (example, time(example.at), false));
        let past = self.past.examples.iter().map(|example| (example, 0, true));
        let width = n_tree_features(self.pool.n_features);
        for ((example, time, is_past), row) in here.chain(past).zip(rows.values.chunks_exact(width.max(1))) {
            let &Example { at, label, weight } = example;
            stored.push(StoredLabel { at, time, label, weight, is_past }, row);
        }
        stored
    }

    /// Where an answer is now; `None` where its point is not there, or has no value any more.
    fn find(&self, place: &Place, index: &BTreeMap<String, usize>) -> Option<Moved> {
        let at = *index.get(&place.series)?;
        let moved = place.find(at, &self.series[at], &self.pool.series[at].training)?;
        // What lost its value is no point that can be asked about.
        self.pool.has((at, moved.point)).then_some(moved)
    }

    /// The data beside those of a checkpoint. What is new is what is asked about first.
    fn compared_to(&mut self, seen: &[SeriesExtent], index: &BTreeMap<String, usize>) -> Growth {
        let known: BTreeMap<&str, i64> = seen.iter().map(|extent| (extent.name.as_str(), extent.last)).collect();
        let mut growth = Growth::default();
        self.recent.clear();
        for (series, pool) in self.series.iter().zip(&self.pool.series) {
            let times = &series.timestamps()[pool.training.clone()];
            let n_seen = known.get(series.name()).map_or(0, |last| times.partition_point(|time| time <= last));
            growth.new_points += times.len() - n_seen;
            self.recent.push(pool.training.start + n_seen..pool.training.end);
            if !known.contains_key(series.name()) {
                growth.new_series.push(series.name().to_owned());
            }
        }
        let is_gone = |extent: &&SeriesExtent| !index.contains_key(&extent.name);
        growth.ended_series = seen.iter().filter(is_gone).map(|extent| extent.name.clone()).collect();
        growth
    }
}

impl Moved {
    /// The spans that are still there, where they are now.
    fn put<L: Copy>(&self, spans: &[Span<L>]) -> Vec<Span<L>> {
        self.spans.iter().map(|&(i, (first, last))| Span { first, last, label: spans[i].label }).collect()
    }

    fn as_changed(&self, question: Option<u64>) -> ChangedAnswer {
        let first = self.spans.iter().map(|span| span.1.0).min().unwrap_or(self.point);
        let last = self.spans.iter().map(|span| span.1.1).max().unwrap_or(self.point);
        ChangedAnswer { question, series: self.series, first, last }
    }
}

/// An answer with its spans where they are now.
fn moved_answer(answer: Answer, moved: &Moved) -> Answer {
    match answer {
        Answer::Spans(spans) => Answer::Spans(moved.put(&spans)),
        Answer::Unsure | Answer::Skip => answer,
    }
}
