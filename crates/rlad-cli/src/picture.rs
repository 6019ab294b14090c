//! A small picture of an event: its values among those around it, as a line of characters or as SVG.

use std::fmt::Write as _;
use std::ops::Range;

use rlad::Series;
use rlad::data::Event;

/// The points on each side of an event that are in its picture at least; a longer event has as many as itself.
const AROUND: usize = 40;
/// The most values of a picture; of more, each stretch has the one that is the furthest from the middle.
const MAX_VALUES: usize = 400;
/// The characters of a line, its brackets left out, and those beside a short event.
const LINE: usize = 36;
const AROUND_IN_LINE: usize = 14;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The values of an event and those around it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picture {
    /// In time order; NaN where one is missing.
    values: Vec<f64>,
    /// Those of the event.
    event: Range<usize>,
    /// Where the value stands that is the furthest out, and the ends of what was usual there.
    usual: Option<(usize, f64, f64)>,
}

impl Picture {
    /// The picture of an event of a series, in the channel that is the oddest.
    pub(crate) fn of(series: &Series, event: &Event) -> Self {
        let timestamps = series.timestamps();
        let before = |time: i64| timestamps.partition_point(|&timestamp| timestamp < time);
        let (start, end) = (before(event.start), before(event.end.saturating_add(1)));
        let around = AROUND.max(end - start);
        let shown = start.saturating_sub(around)..(end + around).min(series.len());
        let departure = event.explanation.as_ref().and_then(|explanation| explanation.departure.as_ref());
        let channel =
            departure.and_then(|of| series.channels().iter().position(|name| *name == of.channel)).unwrap_or(0);
        let values: Vec<f64> = shown.clone().map(|point| series.row(point)[channel]).collect();
        let usual = departure.map(|of| (before(of.timestamp).saturating_sub(shown.start), of.low, of.high));
        Self { values, event: start - shown.start..end - shown.start, usual }.thinned(MAX_VALUES)
    }

    /// The same in at most `n` values: of each stretch the one that is the furthest from the middle.
    fn thinned(self, n: usize) -> Self {
        let length = self.values.len();
        if length <= n {
            return self;
        }
        let known: Vec<f64> = self.values.iter().copied().filter(|value| value.is_finite()).collect();
        let middle = known.iter().sum::<f64>() / known.len().max(1) as f64;
        let far = |value: f64| if value.is_finite() { (value - middle).abs() } else { -1.0 };
        let of_stretch = |at: usize| {
            let stretch = &self.values[at * length / n..(at + 1) * length / n];
            stretch.iter().copied().reduce(|most, value| if far(value) > far(most) { value } else { most })
        };
        let values = (0..n).map(|at| of_stretch(at).unwrap_or(f64::NAN)).collect();
        // The stretch that a value is in.
        let place = |at: usize| (((at + 1) * n - 1) / length).min(n - 1);
        let event = place(self.event.start)..(place(self.event.end.max(1) - 1) + 1).max(place(self.event.start) + 1);
        Self { values, event, usual: self.usual.map(|(at, low, high)| (place(at), low, high)) }
    }

    /// The lowest and the highest value; `None` without any.
    fn ends(&self) -> Option<(f64, f64)> {
        let known = self.values.iter().copied().filter(|value| value.is_finite());
        known.fold(None, |ends, value| match ends {
            None => Some((value, value)),
            Some((low, high)) => Some((value.min(low), value.max(high))),
        })
    }

    /// A line of bars with the event in brackets: `▂▂▃▂[█▇]▂▂▃▂`.
    pub(crate) fn line(&self) -> String {
        let around = AROUND_IN_LINE.max(self.event.len());
        let shown = self.event.start.saturating_sub(around)..(self.event.end + around).min(self.values.len());
        let event = self.event.start - shown.start..self.event.end - shown.start;
        let cut = Self { values: self.values[shown].to_vec(), event, usual: None }.thinned(LINE);
        let Some((low, high)) = cut.ends() else { return String::new() };
        let bar = |value: f64| {
            // Halves, so that the range of two huge values is finite.
            let share = if high > low { (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) } else { 0.4 };
            if value.is_finite() { BARS[((share * 7.0).round() as usize).min(7)] } else { ' ' }
        };
        let mut line = String::new();
        for (at, &value) in cut.values.iter().enumerate() {
            if at == cut.event.start {
                line.push('[');
            }
            line.push(bar(value));
            if at + 1 == cut.event.end {
                line.push(']');
            }
        }
        line
    }

    /// The picture as an SVG element of this size: the event shaded, what was usual as a bar, the values as a line. It holds numbers
    /// and names of classes only: `event`, `usual`, `values`, `peak`.
    pub(crate) fn svg(&self, width: f64, height: f64) -> String {
        const MARGIN: f64 = 4.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">"
        );
        if let Some((low, high)) = self.ends() {
            let (low, high) = self.usual.map_or((low, high), |(_, from, to)| (low.min(from), high.max(to)));
            let step = width / self.values.len() as f64;
            let x = |at: f64| (at + 0.5) * step;
            let y = |value: f64| {
                let share = if high > low { (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) } else { 0.5 };
                height - MARGIN - share * (height - 2.0 * MARGIN)
            };
            let (from, to) = (self.event.start as f64 * step, self.event.end as f64 * step);
            let wide = (to - from).max(3.0);
            let left = (from + to - wide) / 2.0;
            let _ = write!(
                svg,
                "<rect class=\"event\" x=\"{left:.1}\" y=\"0\" width=\"{wide:.1}\" height=\"{height:.0}\"/>"
            );
            if let Some((at, from, to)) = self.usual {
                let (top, bottom) = (y(to), y(from));
                let (left, tall) = (x(at as f64) - 4.0, (bottom - top).max(2.0));
                let _ = write!(
                    svg,
                    "<rect class=\"usual\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"8\" height=\"{tall:.1}\" rx=\"2\"/>"
                );
            }
            let _ = write!(svg, "<path class=\"values\" d=\"");
            let mut is_broken = true;
            for (at, &value) in self.values.iter().enumerate() {
                if value.is_finite() {
                    let _ = write!(svg, "{}{:.1} {:.1}", if is_broken { 'M' } else { 'L' }, x(at as f64), y(value));
                }
                is_broken = !value.is_finite();
            }
            svg.push_str("\"/>");
            if let Some(&value) = self.usual.and_then(|(at, ..)| self.values.get(at)).filter(|value| value.is_finite())
            {
                let at = x(self.usual.map_or(0, |of| of.0) as f64);
                let _ = write!(svg, "<circle class=\"peak\" cx=\"{at:.1}\" cy=\"{:.1}\" r=\"3\"/>", y(value));
            }
        }
        svg.push_str("</svg>");
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(values: &[f64], event: Range<usize>) -> Picture {
        Picture { values: values.to_vec(), event, usual: None }
    }

    #[test]
    fn a_line_is_bars_with_the_event_in_brackets() {
        let values = [1.0, 2.0, 1.0, 8.0, 7.0, 1.0, f64::NAN, 2.0];
        assert_eq!(picture(&values, 3..5).line(), "▁▂▁[█▇]▁ ▂");
        assert_eq!(picture(&[5.0; 4], 0..1).line(), "[▄]▄▄▄");
        assert_eq!(picture(&[f64::NAN; 4], 0..1).line(), "");
        assert_eq!(picture(&[-f64::MAX, f64::MAX], 1..2).line(), "▁[█]");
        // 14 values at each side of a point, and the spike of a long event is kept.
        assert_eq!(picture(&[0.0; 100], 50..51).line().chars().count(), 14 + 1 + 14 + 2);
        let long: Vec<f64> = (0..3000).map(|at| if at == 1500 { 9.0 } else { f64::from(at % 2) }).collect();
        let line = picture(&long, 1000..2000).line();
        assert_eq!((line.chars().count(), line.matches('█').count(), line.find('[').is_some()), (LINE + 2, 1, true));
    }

    #[test]
    fn a_picture_of_few_values_or_none_is_whole() {
        for values in [vec![], vec![f64::NAN], vec![1.0], vec![f64::MAX, -f64::MAX]] {
            let n = values.len();
            let svg = Picture { values, event: 0..n, usual: (n > 0).then_some((0, -1.0, 1.0)) }.svg(300.0, 60.0);
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>") && !svg.contains("NaN"), "{svg}");
        }
        let usual = Some((1, 0.0, 2.0));
        insta::assert_snapshot!(Picture { values: vec![1.0, 9.0, f64::NAN, 1.0], event: 1..2, usual }.svg(80.0, 40.0));
    }
}
