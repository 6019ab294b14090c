//! Why an event was called, in numbers: how far its values went, which features speak, and what the expert said of points like it.

use crate::data::label::Label;

/// Why an event was called; [`Detector::explain`](crate::Detector::explain) works it out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    /// The value that is the furthest from what was expected; `None` where no value has one before it.
    pub departure: Option<Departure>,
    /// The kinds of features that make the highest score of the event, the largest share first, at most three; none for a detector
    /// that does not score by them.
    pub reasons: Vec<Reason>,
    /// What answers added to the highest score, in log-odds, negative where they speak against it; `None` for a detector without a
    /// prior. It is of the detector's own score: labels of the point itself are not in it.
    pub learned: Option<f64>,
    /// The labelled point of the series that is the most like the point with the highest score; `None` where none is alike.
    pub likeness: Option<Likeness>,
}

/// A value and the range that was usual where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Departure {
    /// The channel: of several, the one whose value is the most times its usual distance away.
    pub channel: String,
    /// The time of the point: nanoseconds since 1970, or an index.
    pub timestamp: i64,
    /// The value.
    pub value: f64,
    /// The value that was expected from those before it.
    pub expected: f64,
    /// The lower end of the usual range: three usual distances below the expected value, which holds 95 % of normal noise.
    pub low: f64,
    /// The upper end of it, as far above.
    pub high: f64,
}

/// The side of the usual range on which a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Above its upper end.
    Above,
    /// Below its lower end.
    Below,
}

impl Departure {
    /// How far the value is from the expected one, in halves of the usual range: above 1 it is outside; at least 0.
    #[must_use]
    pub fn times(&self) -> f64 {
        let (distance, half) = ((self.value - self.expected).abs(), self.high - self.expected);
        if distance > 0.0 { distance / half.max(f64::MIN_POSITIVE) } else { 0.0 }
    }

    /// The side of the usual range; `None` within it: then the value is odd by how it moves, not by where it is.
    #[must_use]
    pub fn side(&self) -> Option<Side> {
        if self.value > self.high {
            Some(Side::Above)
        } else if self.value < self.low {
            Some(Side::Below)
        } else {
            None
        }
    }
}

impl Side {
    /// `above` or `below`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }
}

/// The part that a kind of feature has in a score.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The channel.
    pub channel: String,
    /// The feature of this kind with the largest part, as [`Feature`](crate::features::Feature) is written: `season-score`.
    pub feature: String,
    /// The share of all features of this kind in the surprisal of the point, in `[0, 1]`.
    pub share: f64,
}

/// A labelled point whose features are like those of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// The time of the point: nanoseconds since 1970, or an index.
    pub timestamp: i64,
    /// The label that the expert gave.
    pub label: Label,
    /// Whether it lies in the event itself: then the expert spoke of this very event.
    pub is_within: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_within_the_usual_range_has_no_side() {
        let of =
            |value| Departure { channel: "cpu".to_owned(), timestamp: 0, value, expected: 5.0, low: 2.0, high: 8.0 };
        let sides = [8.5, 8.0, 2.0, 1.5].map(|value| of(value).side().map(Side::word));
        assert_eq!(sides, [Some("above"), None, None, Some("below")]);
        let times = [5.0, 6.5, -1.0].map(|value| of(value).times().to_bits());
        assert_eq!(times, [0.0, 0.5, 2.0].map(f64::to_bits));
    }
}
