//! Alarms: which points of a series are called anomalous, and which of them begin an event.

use std::ops::Range;

/// What a detector decides about a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// No alarm.
    #[default]
    None,
    /// An alarm that begins an event.
    Opens,
    /// An alarm of the event that was opened before: of the point before, or, with `decision.merge_within`, of an earlier one.
    Continues,
}

impl Alarm {
    /// Whether it is one.
    #[must_use]
    pub const fn is_raised(self) -> bool {
        !matches!(self, Self::None)
    }

    /// Alarms where a score is above a threshold; each run of them is an event. A point without a score (NaN) is none.
    #[must_use]
    pub fn above(scores: &[f64], threshold: f64) -> Vec<Self> {
        Self::of_runs(scores.iter().map(|&score| score > threshold))
    }

    /// Alarms at some points, where each run of them is an event.
    pub fn of_runs(raised: impl Iterator<Item = bool>) -> Vec<Self> {
        let mut last = false;
        raised
            .map(|raised| match (raised, std::mem::replace(&mut last, raised)) {
                (false, _) => Self::None,
                (true, false) => Self::Opens,
                (true, true) => Self::Continues,
            })
            .collect()
    }

    /// The events, in time order: each from the alarm that opens it to its last one, with what lies between them.
    #[must_use]
    pub fn events(alarms: &[Self]) -> Vec<Range<usize>> {
        let mut events: Vec<Range<usize>> = Vec::new();
        for (point, alarm) in alarms.iter().enumerate() {
            match (alarm, events.last_mut()) {
                (Self::None, _) => {}
                (Self::Continues, Some(event)) => event.end = point + 1,
                // Where the alarms are those of a part, its event may have been opened before.
                (Self::Opens, _) | (Self::Continues, None) => events.push(point..point + 1),
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reaches_from_the_alarm_that_opens_it_to_its_last() {
        use Alarm::{Continues, None, Opens};
        assert_eq!(Alarm::above(&[0.1, 0.6, 0.7, f64::NAN, 0.6], 0.5), [None, Opens, Continues, None, Opens]);
        let merged = [Continues, None, Opens, None, None, Continues, Opens, None];
        assert_eq!(Alarm::events(&merged), [0..1, 2..6, 6..7]);
        assert!(Alarm::events(&[]).is_empty());
    }
}
