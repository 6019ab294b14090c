//! Marks: what a person says of a question with one key or one painted range, and the labels that it teaches.

use std::ops::Range;

use crate::data::label::{Answer, Label, spans};
use crate::data::series::Series;

/// The reference is the points that are shown and this many times as many before them.
const HISTORY: usize = 6;
/// Deviations of at least this size stand out.
const STANDS_OUT: f64 = 2.0;
/// An anomaly grows over neighbours that deviate by this fraction of the marked point's deviation, and by [`GROWS_FROM`].
const GROWS_BY: f64 = 0.1;
const GROWS_FROM: f64 = 1.5;
/// Deviations of at most this size look usual whatever the point is.
const SURELY_USUAL: f64 = 1.0;
/// The margin of a painted range: its length over this, at least [`LEAST_MARGIN`] points.
const PAINTED_MARGIN: usize = 2;
const LEAST_MARGIN: usize = 2;
/// Points that deviate by this fraction of the most of a painted range, and by [`GROWS_FROM`], look like it.
const LOOKS_ALIKE: f64 = 0.5;
/// The scale of a normal distribution in median absolute deviations, and in mean absolute deviations.
const MAD_SCALE: f64 = 1.4826;
const MEAN_SCALE: f64 = 1.2533;

/// A person's mark on a question: one label, for the point that was asked about or for a range painted around it.
///
/// It is less than an [`Answer`]: whoever marks a point has not looked at each of the points around it. [`Mark::answer`] says what
/// it teaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The point that was asked about.
    pub point: usize,
    /// The first and the last point of the painted range, where one was painted.
    pub painted: Option<(usize, usize)>,
    /// The label.
    pub label: Label,
}

impl Mark {
    /// A label of the point alone, without paint.
    #[must_use]
    pub const fn of_point(point: usize, label: Label) -> Self {
        Self { point, painted: None, label }
    }

    /// The labels that the mark teaches, of points that are `shown`; the others are left open.
    ///
    /// The *deviation* of a point in a channel is its distance from the median of the reference, in robust standard deviations
    /// (1.4826 × the median absolute deviation; where that is 0, 1.2533 × the mean one; 0 where that is 0 too). The reference is the
    /// points shown and six times as many before them. A point deviates by the largest absolute deviation of its channels.
    ///
    /// - **Anomaly, without paint.** In the channel in which the point deviates most: if that is by 2 at least, the anomaly is
    ///   the point and its neighbours on both sides, as long as they deviate to the same side by at least 1.5 and by a tenth of the
    ///   point's deviation; else it is the point alone. All else is open: of the points further off that look usual, a tenth
    ///   belongs to the event after all, and learning them as normal costs more than it gives.
    /// - **Normal, without paint.** The point is normal, and so is each point that deviates no more than it, or by 1 at most.
    /// - **Painted.** What is painted has the label. Around an anomaly the rest is normal, save in a margin of half the range's
    ///   length, at least 2 points, on each side, and save points that deviate by more than 1.5 and by more than half of the most
    ///   of what is painted. Around a normal range the rest is open.
    ///
    /// A range is cut to what is shown, and widened to hold the point, which so always has the label of the mark. A point that has no
    /// finite value is labelled only by paint or as the point itself.
    ///
    /// The answer depends on the mark, what is shown and the values of the reference alone. Where `point` is not shown, or `shown`
    /// reaches beyond the series, it is [`Answer::Skip`].
    #[must_use]
    pub fn answer(&self, series: &Series, shown: &Range<usize>) -> Answer {
        if !shown.contains(&self.point) || shown.end > series.len() {
            return Answer::Skip;
        }
        let deviations = Deviations::new(series, shown, self.point);
        let (first, last) = self.range(&deviations, shown);
        // How far the rest is from the range, and how little it deviates, where it is normal.
        let rest = match (self.label, self.painted) {
            (Label::Anomaly, None) | (Label::Normal, Some(_)) => None,
            (Label::Normal, None) => Some((0, deviations.size(self.point).unwrap_or(0.0).max(SURELY_USUAL))),
            (Label::Anomaly, Some(_)) => {
                let most = (first..=last).filter_map(|point| deviations.size(point)).fold(0.0, f64::max);
                let margin = (last + 1 - first).div_ceil(PAINTED_MARGIN).max(LEAST_MARGIN);
                Some((margin, GROWS_FROM.max(LOOKS_ALIKE * most)))
            }
        };
        let label_of = |point: usize| {
            if (first..=last).contains(&point) {
                return Some(self.label);
            }
            let (margin, limit) = rest?;
            let is_near = point + margin >= first && point <= last + margin;
            let is_usual = deviations.size(point).is_some_and(|size| size <= limit);
            (is_usual && !is_near).then_some(Label::Normal)
        };
        Answer::Spans(spans(shown.clone().filter_map(|point| Some((point, label_of(point)?)))))
    }

    /// The first and the last point of the mark: of the painted range, of the anomaly as it grew, or the point.
    fn range(&self, deviations: &Deviations, shown: &Range<usize>) -> (usize, usize) {
        match (self.painted, self.label) {
            (Some((from, to)), _) => {
                let (from, to) = (from.min(to), from.max(to));
                (from.clamp(shown.start, self.point), to.clamp(self.point, shown.end - 1))
            }
            (None, Label::Anomaly) => deviations.anomaly(self.point),
            (None, Label::Normal) => (self.point, self.point),
        }
    }
}

/// The range that an anomaly at a point has by the data, among the points `shown`: what *anomaly* without paint teaches.
///
/// `None` where the point is not shown, or `shown` reaches beyond the series.
#[must_use]
pub fn extent(series: &Series, point: usize, shown: &Range<usize>) -> Option<(usize, usize)> {
    (shown.contains(&point) && shown.end <= series.len()).then(|| Deviations::new(series, shown, point).anomaly(point))
}

/// How far each channel of a point deviates from what is around it, in robust standard deviations and with the sign of the side:
/// the deviations of [`Mark::answer`]. The channel that deviates most is the one in which an anomaly grows.
///
/// Shape `[n_channels]`; NaN where a channel has no finite value there. `None` where the point is not shown, or `shown` reaches beyond
/// the series.
#[must_use]
pub fn deviations(series: &Series, point: usize, shown: &Range<usize>) -> Option<Vec<f64>> {
    let of = |channel| channel_deviations(series, channel, shown)[point - shown.start];
    (shown.contains(&point) && shown.end <= series.len()).then(|| (0..series.n_channels()).map(of).collect())
}

/// The deviations of one channel at the points that are shown.
fn channel_deviations(series: &Series, channel: usize, shown: &Range<usize>) -> Vec<f64> {
    let before = shown.start.saturating_sub(HISTORY * shown.len());
    let value = |point: usize| series.row(point)[channel];
    let usual = Usual::of((before..shown.end).map(value).filter(|value| value.is_finite()).collect());
    shown.clone().map(|point| usual.deviation(value(point))).collect()
}

/// The deviations of the points that are shown.
#[derive(Debug)]
struct Deviations {
    /// The first point that is shown.
    start: usize,
    /// Of each point, in the channel in which the marked point deviates most; NaN where it has no finite value.
    signed: Vec<f64>,
    /// Of each point, the largest absolute one of its channels; NaN where no channel has a finite value.
    size: Vec<f64>,
}

impl Deviations {
    /// `shown` lies in the series and holds `point`.
    fn new(series: &Series, shown: &Range<usize>, point: usize) -> Self {
        let mut all =
            Self { start: shown.start, signed: vec![f64::NAN; shown.len()], size: vec![f64::NAN; shown.len()] };
        for channel in 0..series.n_channels() {
            let signed = channel_deviations(series, channel, shown);
            for (size, deviation) in all.size.iter_mut().zip(&signed) {
                // The greater one, and either where the other is NaN.
                *size = size.max(deviation.abs());
            }
            let at = point - shown.start;
            if channel == 0 || all.signed[at].is_nan() || signed[at].abs() > all.signed[at].abs() {
                all.signed = signed;
            }
        }
        all
    }

    /// The deviation of a point in any channel, where it has a finite value.
    fn size(&self, point: usize) -> Option<f64> {
        Some(self.size[point - self.start]).filter(|size| !size.is_nan())
    }

    fn stands_out(&self, point: usize) -> bool {
        self.signed[point - self.start].abs() >= STANDS_OUT
    }

    /// The first and the last point of the anomaly at a point.
    fn anomaly(&self, point: usize) -> (usize, usize) {
        if !self.stands_out(point) {
            return (point, point);
        }
        let at = point - self.start;
        let marked = self.signed[at];
        let least = GROWS_FROM.max(GROWS_BY * marked.abs());
        let n_like = |neighbours: &mut dyn Iterator<Item = &f64>| {
            neighbours.take_while(|deviation| **deviation * marked.signum() >= least).count()
        };
        let before = n_like(&mut self.signed[..at].iter().rev());
        let after = n_like(&mut self.signed[at + 1..].iter());
        (point - before, point + after)
    }
}

/// The usual values of a channel.
#[derive(Clone, Copy, Debug)]
struct Usual {
    median: f64,
    /// A robust standard deviation; 0 where all values are the same.
    scale: f64,
}

impl Usual {
    /// Of finite values, in any order.
    fn of(mut values: Vec<f64>) -> Self {
        let middle = median(&mut values);
        let mut distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
        let mean = distances.iter().sum::<f64>() / distances.len().max(1) as f64;
        let mad = median(&mut distances);
        Self { median: middle, scale: if mad > 0.0 { MAD_SCALE * mad } else { MEAN_SCALE * mean } }
    }

    /// Of a value, in standard deviations; NaN where that is no number.
    fn deviation(self, value: f64) -> f64 {
        let deviation = if self.scale > 0.0 { (value - self.median) / self.scale } else { 0.0 * value };
        if deviation.is_finite() { deviation } else { f64::NAN }
    }
}

/// The middle value, of an even number the upper one; 0 where there is none.
fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::series::TimeFormat;

    fn series(n_channels: usize, values: Vec<f64>) -> Series {
        let n = values.len() / n_channels;
        let names = (0..n_channels).map(|channel| format!("c{channel}")).collect();
        Series::new("s", names, TimeFormat::Index, (0..n as i64).collect(), values, None).unwrap()
    }

    /// 100 points −1, −1, 0, 1, 1, −1, …, of median 0 and a robust standard deviation of 1.4826, with some values put in.
    fn with(put: &[(usize, f64)]) -> Series {
        let mut values: Vec<f64> = (0..100).map(|i| f64::from((i % 5 - 2_i32).signum())).collect();
        put.iter().for_each(|(point, value)| values[*point] = *value);
        series(1, values)
    }

    /// The answer as a letter a point: *a*nomaly, *n*ormal, `.` open.
    fn letters(mark: Mark, series: &Series, shown: Range<usize>) -> String {
        let answer = mark.answer(series, &shown);
        let letter = |point| match answer.label_at(point) {
            Some(Label::Anomaly) => 'a',
            Some(Label::Normal) => 'n',
            None => '.',
        };
        shown.map(letter).collect()
    }

    #[test]
    fn an_anomaly_grows_over_neighbours_that_deviate_to_its_side() {
        let series = with(&[(59, 5.0), (60, 10.0), (61, 8.0), (62, 4.0), (63, -9.0), (70, 9.0)]);
        let mark = Mark::of_point(60, Label::Anomaly);
        assert_eq!(letters(mark, &series, 48..73), "...........aaaa..........");
        assert_eq!(extent(&series, 60, &(48..73)), Some((59, 62)));
        assert_eq!(letters(mark, &series, 58..62), ".aaa", "not beyond what is shown");
        // A tenth of the point's deviation is the least.
        let high = with(&[(59, 1.8), (60, 30.0), (61, 4.0), (62, 1.8)]);
        assert_eq!(extent(&high, 60, &(48..73)), Some((60, 61)));
    }

    #[test]
    fn an_anomaly_that_does_not_stand_out_is_the_point_alone() {
        let series = with(&[(60, 1.8), (61, 1.6)]);
        assert_eq!(letters(Mark::of_point(60, Label::Anomaly), &series, 55..66), ".....a.....");
        let constant = self::series(1, vec![4.0; 50]);
        assert_eq!(letters(Mark::of_point(20, Label::Anomaly), &constant, 18..23), "..a..");
    }

    #[test]
    fn a_normal_point_says_what_is_no_odder() {
        let series = with(&[(58, 3.0), (60, 5.0), (62, 9.0), (63, f64::NAN)]);
        assert_eq!(letters(Mark::of_point(60, Label::Normal), &series, 55..66), "nnnnnnn..nn");
        assert_eq!(letters(Mark::of_point(61, Label::Normal), &series, 55..66), "nnn.n.n..nn");
    }

    #[test]
    fn what_is_painted_has_the_label_and_its_like_stays_open() {
        let series = with(&[(55, 3.0), (60, 10.0), (61, 9.0), (66, 1.4), (70, 8.0), (68, 3.0)]);
        let mark = Mark { point: 60, painted: Some((60, 61)), label: Label::Anomaly };
        assert_eq!(letters(mark, &series, 50..75), "nnnnnnnn..aa..nnnnnn.nnnn");
        let long = Mark { painted: Some((57, 64)), ..mark };
        assert_eq!(letters(long, &series, 50..75), "nnn....aaaaaaaa....n.nnnn");
        let normal = Mark { label: Label::Normal, ..mark };
        assert_eq!(letters(normal, &series, 58..64), "..nn..");
        let beyond = Mark { painted: Some((70, 99)), ..mark };
        assert_eq!(letters(beyond, &series, 58..64), "..aaaa", "it is widened to the point and cut to what is shown");
    }

    #[test]
    fn the_channel_in_which_the_point_deviates_most_decides() {
        let mut values: Vec<f64> = (0..200).map(|i| f64::from(i / 2 % 5 - 2) * 0.5).collect();
        (60..63).for_each(|point| values[2 * point + 1] = -20.0);
        values[2 * 64] = 9.0;
        values[2 * 75] = 9.0;
        let series = series(2, values);
        assert_eq!(letters(Mark::of_point(61, Label::Anomaly), &series, 58..79), "..aaa................");
        let of = deviations(&series, 61, &(58..79)).unwrap();
        assert!(of.len() == 2 && of[0].abs() < 2.0 && of[1] < -10.0, "{of:?}");
        assert_eq!(deviations(&series, 57, &(58..79)), None, "it is not shown");
    }

    #[test]
    fn a_question_about_single_points_teaches_the_point() {
        let series = with(&[(60, 10.0), (61, 10.0)]);
        for label in [Label::Normal, Label::Anomaly] {
            let span = crate::Span { first: 60, last: 60, label };
            assert_eq!(Mark::of_point(60, label).answer(&series, &(60..61)), Answer::Spans(vec![span]));
        }
        assert_eq!(Mark::of_point(60, Label::Normal).answer(&series, &(61..70)), Answer::Skip);
        assert_eq!(Mark::of_point(60, Label::Normal).answer(&series, &(50..101)), Answer::Skip);
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => -3.0..3.0_f64,
            1 => prop_oneof![Just(0.0), Just(f64::NAN), Just(f64::INFINITY), Just(f64::MAX), Just(f64::MIN), -1e9..1e9_f64],
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_laws_of_a_mark(
            values in proptest::collection::vec(value(), 2..240),
            n_channels in 1..3_usize,
            (at, n_shown) in (0.0..1.0_f64, 1..40_usize),
            painted in proptest::option::of((0..130_usize, 0..130_usize)),
            is_anomaly in any::<bool>(),
        ) {
            let n = values.len() / n_channels;
            let series = series(n_channels, values[..n * n_channels].to_vec());
            let point = (at * n as f64) as usize;
            let shown = series.shown(point, n_shown, &(0..n));
            let label = if is_anomaly { Label::Anomaly } else { Label::Normal };
            let mark = Mark { point, painted, label };
            let answer = mark.answer(&series, &shown);
            prop_assert_eq!(answer.label_at(point), Some(label));
            prop_assert!(answer.check(0, &shown).is_ok());
            prop_assert_eq!(&answer, &mark.answer(&series, &shown));
            let (first, last) = extent(&series, point, &shown).unwrap();
            prop_assert!(shown.start <= first && first <= point && point <= last && last < shown.end);
            if painted.is_none() && is_anomaly {
                prop_assert!((first..=last).all(|point| answer.label_at(point) == Some(Label::Anomaly)));
            }
            // Later points than those shown change nothing: a mark is read as it was when the series grows.
            let shorter = self::series(n_channels, values[..shown.end * n_channels].to_vec());
            prop_assert_eq!(answer, mark.answer(&shorter, &shown));
        }
    }
}
