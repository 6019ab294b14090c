//! What a calendar expects is not asked about and teaches nothing.

use std::sync::Arc;

use super::Session;
use crate::data::calendar::Calendar;
use crate::detect::model::Model;

impl Session {
    /// Takes a calendar of expected events, in the place of the one before. No question is asked about a point inside, an answer or
    /// annotation labels none there, and such a label that was given before teaches nothing from the next round on. Its detectors have the
    /// calendar ([`Model::with_calendar`](crate::Model::with_calendar)); their files and checkpoints do not: a session that is resumed is given
    /// it again, before its first question, and then ends in the same bytes.
    ///
    /// Distributions of features count what is expected like all else. A question that was answered counts as one, whatever becomes of its
    /// point, and so do the examples of points that left the data.
    pub fn set_calendar(&mut self, calendar: impl Into<Arc<Calendar>>) {
        let calendar = calendar.into();
        let pool = Arc::make_mut(&mut self.pool);
        for (of_pool, series) in pool.series.iter_mut().zip(self.series.iter()) {
            of_pool.set_expected(calendar.expected(series));
        }
        self.labels =
            if self.feedback.is_empty() { self.labels_of(&self.as_feedback()) } else { self.labels_of(&self.feedback) };
        self.drop_expected_labels();
        // The sample of points is another.
        self.last_predictions = None;
        let pool = &self.pool;
        if let Some(pending) = &mut self.pending {
            pending.retain(|query| pool.has((query.series, query.point)));
        }
        self.pending = self.pending.take().filter(|pending| !pending.is_empty());
        self.calendar = Some(calendar);
    }

    /// The calendar of expected events, where it has one.
    #[must_use]
    pub const fn calendar(&self) -> Option<&Arc<Calendar>> {
        self.calendar.as_ref()
    }

    /// Takes the labels of points back where what happens is expected.
    pub(super) fn drop_expected_labels(&mut self) {
        for (labels, pool) in self.labels.iter_mut().zip(&self.pool.series) {
            let expected: Vec<usize> =
                labels.iter().map(|(point, _)| point).filter(|point| pool.is_expected(*point)).collect();
            expected.into_iter().for_each(|point| labels.set(point, None));
        }
    }

    /// A detector of the session with its calendar.
    pub(super) fn with_calendar(&self, model: Model) -> Model {
        match &self.calendar {
            Some(calendar) => model.with_calendar(Arc::clone(calendar)),
            None => model,
        }
    }
}
