//! How far a series is judged by answers about others, once these alone would make much of it alarms.

use crate::archive::{Archive, Misfit};
use crate::data::series::Clock;

/// The fewest points over which the share of alarms is a mean.
const MIN_POINTS: f64 = 720.0;

/// What was learned from other series, in a series of which no expert called a point an anomaly.
///
/// Answers about some series teach of all, and mostly that is right. Where the level of another series moves for good it can be wrong for
/// days: each of its points looks like those that were called anomalies elsewhere. So of the last half day's points (the last 720 where
/// those are more) it follows the share `r`, a mean that forgets exponentially, of those that are above the threshold by what was learned
/// and were not before any answer. While `r` is at most the limit `c` a point's score stands. Beyond, what answers add to it counts by
/// `√(c / r)` where it is above 0: the longer and wider the alarm, the more the series' own distribution decides. What the distribution
/// calls an anomaly by itself is no part of `r`, and is never held back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    /// The limit `c`, in `(0, 1]`.
    limit: f64,
    /// The weight of a point in the mean.
    weight: f64,
    /// The mean `r`.
    share: f64,
}

impl Transfer {
    /// Of a series of which no point was seen.
    pub(crate) fn new(limit: f64, clock: Clock) -> Self {
        let half_day = clock.slots_per_day().map_or(0.0, |slots| slots as f64 / 2.0);
        Self { limit, weight: 1.0 / half_day.max(MIN_POINTS), share: 0.0 }
    }

    /// The same after what another one saw.
    pub(crate) const fn go_on_from(&mut self, before: Self) {
        self.share = before.share;
    }

    /// The score that the decision about the next point goes by. `score`: that of the detector, not NaN. `prior`: the one before any answer.
    /// `threshold`: above which a point is an alarm. `is_far`: whether it lies as far from the expected value as an alarm must.
    pub(crate) fn push(&mut self, score: f64, prior: f64, threshold: f64, is_far: bool) -> f64 {
        let counts = (self.limit / self.share).sqrt().min(1.0);
        let is_by_transfer = is_far && score > threshold && prior <= threshold;
        self.share += self.weight * (f64::from(u8::from(is_by_transfer)) - self.share);
        if counts < 1.0 && score > prior { prior + counts * (score - prior) } else { score }
    }

    /// Whether the limit may be passed by points of these scores, whatever was known of them before.
    pub(crate) fn may_limit(mut self, scores: &[f64], threshold: f64) -> bool {
        scores.iter().filter(|score| !score.is_nan()).any(|&score| {
            self.push(score, f64::NEG_INFINITY, threshold, true);
            self.share > self.limit
        })
    }

    /// What was seen; the settings are no part of it.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        archive.f64(&mut self.share)?;
        if (0.0..=1.0).contains(&self.share) { Ok(()) } else { Err(Misfit("a share in [0, 1]")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::series::NANOS_PER_DAY;

    const MINUTE: Clock = Clock { step: NANOS_PER_DAY / 1_440, has_days: true };

    #[test]
    fn half_a_day_is_720_points_or_more() {
        for (step, has_days, points) in [
            (NANOS_PER_DAY / 1_440, true, 720.0),
            (NANOS_PER_DAY / 24, true, 720.0),
            (NANOS_PER_DAY / 86_400, true, 43_200.0),
            (1, false, 720.0),
        ] {
            let transfer = Transfer::new(0.03, Clock { step, has_days });
            assert!((transfer.weight * points - 1.0).abs() < 1e-12, "{step}");
        }
    }

    #[test]
    fn by_hand() {
        // After n alarms in a row the share is 1 − (1 − 1/720)ⁿ: 21 of them have .0288, 22 have .0301.
        let mut transfer = Transfer::new(0.03, MINUTE);
        for _ in 0..22 {
            assert!((transfer.push(2.0, -4.0, 0.0, true) - 2.0).abs() < 1e-12);
        }
        let share = 1.0 - (1.0 - 1.0 / 720.0_f64).powi(22);
        assert!((transfer.push(2.0, -4.0, 0.0, true) - (-4.0 + 6.0 * (0.03 / share).sqrt())).abs() < 1e-9);
        // At .0301 nearly all still counts; at four times the limit half of it does.
        while transfer.share < 0.12 {
            transfer.push(2.0, -4.0, 0.0, true);
        }
        assert!((transfer.push(2.0, -4.0, 0.0, true) + 1.0).abs() < 0.02);
        // What answers take away counts in full, and so does what is known without them.
        assert!((transfer.push(-5.0, -4.0, 0.0, true) + 5.0).abs() < 1e-12);
        let before = transfer.share;
        assert!(transfer.push(2.0, 1.0, 0.0, true) > 0.0);
        assert!(transfer.share < before, "an alarm without any answer is none of what was learned");
        let before = transfer.share;
        transfer.push(2.0, -4.0, 0.0, false);
        assert!(transfer.share < before, "nor is what is no alarm for its value");
        // A day of quiet, and a score stands again.
        for _ in 0..1_440 {
            transfer.push(-5.0, -4.0, 0.0, true);
        }
        assert!((transfer.push(2.0, -4.0, 0.0, true) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn whether_it_may_limit_is_said_of_scores_alone() {
        let transfer = Transfer::new(0.03, MINUTE);
        let mut scores = vec![-1.0; 1_000];
        scores[100..121].fill(1.0);
        assert!(!transfer.may_limit(&scores, 0.0));
        scores[121] = 1.0;
        assert!(transfer.may_limit(&scores, 0.0));
        assert!(!transfer.may_limit(&scores, 1.0), "none is above this threshold");
        assert!(!transfer.may_limit(&[f64::NAN; 100], 0.0));
    }
}
