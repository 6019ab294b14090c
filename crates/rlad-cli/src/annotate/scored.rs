//! What the detector that asks makes of a series: its scores and events, kept as long as they may be looked at again.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rlad::data::Alarm;
use rlad::{Detector, Model, Series};

/// The most points whose scores are kept.
const MAX_KEPT: usize = 4_000_000;

/// The scores of a whole series by one detector, and its events.
#[derive(Debug)]
pub(super) struct Scored {
    hash: String,
    series: usize,
    /// Of each point.
    pub(super) scores: Vec<f64>,
    /// In time order.
    pub(super) events: Vec<Range<usize>>,
}

/// Scored series, the one that was looked at last at the end.
#[derive(Debug, Default)]
pub(super) struct ScoredSeries(Mutex<Vec<Arc<Scored>>>);

impl ScoredSeries {
    /// The scores of a series by a detector; worked out where they are not kept.
    pub(super) fn get(&self, detector: &Model, index: usize, series: &Series) -> Result<Arc<Scored>, rlad::Error> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |of: &Arc<Scored>| of.series == index && of.hash == detector.hash();
        {
            let mut kept = lock();
            if let Some(at) = kept.iter().position(is_it) {
                let found = kept.remove(at);
                kept.push(Arc::clone(&found));
                return Ok(found);
            }
        }
        let scores = detector.score(series)?;
        let events = Alarm::events(&detector.decide(series, 0..series.len(), &scores, &[])?);
        let found = Arc::new(Scored { hash: detector.hash().to_owned(), series: index, scores, events });
        let mut kept = lock();
        // Of a detector before this one nobody asks any more.
        kept.retain(|of| of.hash == detector.hash() && of.series != index);
        kept.push(Arc::clone(&found));
        while kept.len() > 1 && kept.iter().map(|of| of.scores.len()).sum::<usize>() > MAX_KEPT {
            kept.remove(0);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use rlad::data::TimeFormat;
    use rlad::{Config, Session};

    use super::*;

    #[test]
    fn a_series_is_scored_once_by_a_detector_and_as_it_scores_it() {
        let value = |i: usize| if i % 97 == 31 { 9.0 } else { (i % 7) as f64 };
        let (times, values) = ((0..400).collect(), (0..400).map(value).collect());
        let series = Series::new("a", vec!["value".into()], TimeFormat::Index, times, values, None).unwrap();
        let detector = Session::new(Config::default(), vec![series.clone()]).unwrap().detector();
        let kept = ScoredSeries::default();
        let first = kept.get(&detector, 0, &series).unwrap();
        let as_scored = detector.detect(&series).unwrap();
        assert_eq!(first.scores.len(), 400);
        assert!(first.scores.iter().zip(&as_scored.scores).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert_eq!(first.events, Alarm::events(&as_scored.alarms));
        assert!(Arc::ptr_eq(&first, &kept.get(&detector, 0, &series).unwrap()), "it is kept");
        assert!(!Arc::ptr_eq(&first, &kept.get(&detector, 1, &series).unwrap()), "another series is another one");
    }
}
