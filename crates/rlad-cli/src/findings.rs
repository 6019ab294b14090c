//! What a detector found: how much, and the worst events of all series with why they were called.

use std::cmp::Ordering;

use rlad::data::{Departure, Event, Explanation, SeriesScores, TimeFormat};
use rlad::detect::departures;
use rlad::{Detector, Series};
use serde_json::{Value, json};

use crate::explained::{against_usual, why};
use crate::figures::{count, moment, stretch, whole};
use crate::picture::Picture;
use crate::visible::visible;

/// The worst events that are kept, and those that are printed.
const N_KEPT: usize = 12;
const N_PRINTED: usize = 5;
/// The characters of a series' name that are printed; of a longer one the end.
const NAME: usize = 32;

/// The findings in the series that were scored.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Findings {
    /// Series that were scored, and those of them with an event.
    pub(crate) n_series: usize,
    pub(crate) n_series_with_events: usize,
    /// Points that were scored, those that are alarms, and the events.
    pub(crate) n_points: usize,
    pub(crate) n_anomalous: usize,
    pub(crate) n_events: usize,
    /// The worst events, the worst first.
    pub(crate) worst: Vec<Finding>,
    /// The times of the first and of the last scored point, of series with timestamps.
    scored: Option<(TimeFormat, i64, i64)>,
    /// The times at which the first and the last event begin, of series with timestamps.
    begun: Option<(TimeFormat, i64, i64)>,
}

/// An event with its picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) event: Event,
    pub(crate) picture: Picture,
    /// The channels of its series.
    pub(crate) n_channels: usize,
}

impl Findings {
    /// Takes in the scores of a series, and returns its events. `explain`: to work out in full why each was called, which costs as much
    /// as scoring; otherwise the worst are told by their values alone. `knows_answers`: whether what an expert said may be named.
    ///
    /// # Errors
    /// Those of explaining.
    pub(crate) fn add(
        &mut self,
        detector: &dyn Detector,
        series: &Series,
        scores: &SeriesScores,
        explain: bool,
        knows_answers: bool,
    ) -> rlad::Result<Vec<Event>> {
        let mut events = scores.events();
        self.n_series += 1;
        self.n_series_with_events += usize::from(!events.is_empty());
        self.n_points += scores.scores.len();
        self.n_anomalous += events.iter().map(|event| event.n_points).sum::<usize>();
        self.n_events += events.len();
        let form = scores.time_format;
        if let ([first, .., last] | [first @ last], true) = (&scores.timestamps[..], form != TimeFormat::Index) {
            widen(&mut self.scored, (form, *first, *last));
            for event in &events {
                widen(&mut self.begun, (form, event.start, event.start));
            }
        }
        if events.is_empty() {
            return Ok(events);
        }
        if explain {
            for (event, mut explanation) in events.iter_mut().zip(detector.explain(series, &scores.events())?) {
                explanation.likeness = explanation.likeness.filter(|_| knows_answers);
                event.explanation = Some(explanation);
                event.why = why(event, series.n_channels());
            }
            self.keep_worst(series, events.iter().cloned());
        } else {
            // Only what is among the worst by its score is looked at again.
            let least = self.worst.get(N_KEPT - 1).map_or(f64::NEG_INFINITY, |finding| finding.event.peak);
            let mut candidates: Vec<Event> = events.iter().filter(|event| event.peak >= least).cloned().collect();
            let found = departures(series, &candidates);
            for (event, departure) in candidates.iter_mut().zip(found) {
                event.explanation = Some(Explanation { departure, ..Explanation::default() });
            }
            self.keep_worst(series, candidates.into_iter());
        }
        Ok(events)
    }

    fn keep_worst(&mut self, series: &Series, events: impl Iterator<Item = Event>) {
        for event in events {
            let place = self.worst.partition_point(|other| is_worse(&other.event, &event) != Ordering::Greater);
            if place < N_KEPT {
                let picture = Picture::of(series, &event);
                self.worst.insert(place, Finding { event, picture, n_channels: series.n_channels() });
                self.worst.truncate(N_KEPT);
            }
        }
    }

    /// The headline: `12 events in 3 of 29 series (40,000 points, 152 of them anomalous)`.
    pub(crate) fn headline(&self) -> String {
        if self.n_events == 0 {
            return format!("{} ({})", self.short_headline(), count(self.n_points, "point"));
        }
        let points = format!("{}, {} of them anomalous", count(self.n_points, "point"), whole(self.n_anomalous));
        format!("{} ({points})", self.short_headline())
    }

    /// The headline in fewer words: `12 events in 3 of 29 series`.
    pub(crate) fn short_headline(&self) -> String {
        let Self { n_series, n_series_with_events: n_with, n_events, .. } = *self;
        let events = if n_events == 0 { "no event".to_owned() } else { count(n_events, "event") };
        if n_with == 0 || n_with == n_series {
            format!("{events} in {}", count(n_series, "series"))
        } else {
            format!("{events} in {} of {}", whole(n_with), count(n_series, "series"))
        }
    }

    /// What stands below the headline: the worst event, when events began, and over which time.
    pub(crate) fn lede(&self) -> Vec<String> {
        let mut told = Vec::new();
        if let Some(worst) = self.worst.first() {
            let Event { series, time_format, start, end, .. } = &worst.event;
            let of = if self.n_series == 1 { String::new() } else { format!(" in {series}") };
            let value = Some(worst.against_usual()).filter(|value| !value.is_empty());
            let value = value.map_or_else(String::new, |value| format!(": {value}"));
            let name = if self.n_events == 1 { "It was" } else { "The worst" };
            told.push(format!("{name}{of} at {}{value}.", stretch(*time_format, *start, *end)));
        }
        let range = self.scored.map(|(form, first, last)| format!("{} to {}", moment(form, first), moment(form, last)));
        told.extend(match (self.begun, range) {
            (Some((form, first, last)), Some(range)) if first < last => Some(format!(
                "The first began at {}, the last at {}; the data are from {range}.",
                moment(form, first),
                moment(form, last)
            )),
            (_, Some(range)) => Some(format!("The data are from {range}.")),
            _ => None,
        });
        told
    }

    /// The same as JSON, each event as in the file of events.
    pub(crate) fn json(&self) -> Value {
        let worst: Vec<&Event> = self.worst.iter().take(N_PRINTED).map(|finding| &finding.event).collect();
        json!({
            "n_series": self.n_series,
            "n_series_with_events": self.n_series_with_events,
            "n_points": self.n_points,
            "n_anomalous": self.n_anomalous,
            "n_events": self.n_events,
            "worst": worst,
        })
    }

    /// The lines of the worst events, the worst first: series, time, value against what was usual, and a picture.
    pub(crate) fn lines(&self) -> Vec<String> {
        let rows: Vec<[String; 4]> = self.worst.iter().take(N_PRINTED).map(Finding::cells).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        let pad =
            |text: &str, width: usize| format!("{text}{}", " ".repeat(width.saturating_sub(text.chars().count())));
        let line = |row: &[String; 4]| {
            let cells: Vec<String> =
                row.iter().zip(widths.into_iter().chain([0])).map(|(text, width)| pad(text, width)).collect();
            format!("  {}", cells.join("  ")).trim_end().to_owned()
        };
        let mut lines: Vec<String> = rows.iter().map(line).collect();
        if self.n_events > rows.len() {
            lines.push(format!("  and {} more", whole(self.n_events - rows.len())));
        }
        lines
    }
}

impl Finding {
    /// The value against what was usual; empty where it is not known.
    pub(crate) fn against_usual(&self) -> String {
        let departure = self.event.explanation.as_ref().and_then(|explanation| explanation.departure.as_ref());
        departure.map_or_else(String::new, |departure| against_usual(departure, self.n_channels > 1))
    }

    fn cells(&self) -> [String; 4] {
        let Event { series, time_format, start, end, .. } = &self.event;
        let n_chars = series.chars().count();
        let name = if n_chars > NAME {
            format!("…{}", series.chars().skip(n_chars - NAME + 1).collect::<String>())
        } else {
            series.clone()
        };
        let (name, value) = (visible(&name).into_owned(), visible(&self.against_usual()).into_owned());
        [name, stretch(*time_format, *start, *end), value, self.picture.line()]
    }
}

/// Takes a further time into a range of them.
fn widen(range: &mut Option<(TimeFormat, i64, i64)>, (form, first, last): (TimeFormat, i64, i64)) {
    *range = Some(range.map_or((form, first, last), |(of, from, to)| (of, from.min(first), to.max(last))));
}

/// The order of events, the worst first: by the highest score, which labels of experts make the same for many, and then by the value.
fn is_worse(a: &Event, b: &Event) -> Ordering {
    let times = |event: &Event| {
        let departure = event.explanation.as_ref().and_then(|explanation| explanation.departure.as_ref());
        departure.map_or(0.0, Departure::times)
    };
    b.peak.total_cmp(&a.peak).then_with(|| times(b).total_cmp(&times(a)))
}

#[cfg(test)]
mod tests {
    use rlad::data::{Alarm, NANOS_PER_SECOND};
    use rlad::{Config, Session};

    use super::*;

    const MINUTE: i64 = 60 * NANOS_PER_SECOND;

    /// A series of small waves with some values put in, and the scores that find them.
    fn scored(name: &str, odd: &[(usize, f64)]) -> (Series, SeriesScores) {
        let mut values: Vec<f64> = (0..200).map(|at| f64::from(at % 4)).collect();
        odd.iter().for_each(|&(at, value)| values[at] = value);
        let timestamps: Vec<i64> = (0..200).map(|at| (24_505_780 + at) * MINUTE).collect();
        let channels = vec!["value".to_owned()];
        let series =
            Series::new(name, channels, TimeFormat::Seconds, timestamps.clone(), values.clone(), None).unwrap();
        let scores: Vec<f64> = values.iter().map(|value| if *value > 3.0 { value / 10.0 } else { -5.0 }).collect();
        let alarms = Alarm::above(&scores, 0.0);
        let (series_name, model) = (name.to_owned(), String::new());
        let time_format = TimeFormat::Seconds;
        (series, SeriesScores { series: series_name, time_format, timestamps, scores, alarms, threshold: 0.0, model })
    }

    fn findings(all: &[(Series, SeriesScores)], explain: bool) -> Findings {
        let mut findings = Findings::default();
        let detector = Session::new(Config::default(), vec![all[0].0.clone()]).unwrap().warm_up_detector();
        for (series, scores) in all {
            findings.add(&detector, series, scores, explain, true).unwrap();
        }
        findings
    }

    #[test]
    fn the_worst_events_of_all_series_are_told_first() {
        let all = [
            scored("cpu", &[(120, 9.0), (121, 30.0), (160, 12.0)]),
            scored("disk", &[]),
            scored("memory of a machine whose name is long", &[(100, 80.0), (180, 6.0), (190, 7.0), (195, 8.0)]),
        ];
        let found = findings(&all, false);
        let text = [vec![found.headline()], found.lines(), found.lede()].concat().join("\n");
        insta::assert_snapshot!(text);
        // The same, whether or not everything was worked out.
        let explained = findings(&all, true);
        assert_eq!((explained.headline(), explained.lines()), (found.headline(), found.lines()));
        assert_eq!(found.json()["worst"].as_array().map(Vec::len), Some(N_PRINTED));
    }

    #[test]
    fn nothing_found_is_said_and_a_single_event_is_no_list() {
        let none = findings(&[scored("disk", &[])], false);
        assert_eq!(none.headline(), "no event in 1 series (200 points)");
        assert_eq!(none.lede(), ["The data are from 2016-08-04 21:40 to 2016-08-05 00:59."]);
        assert!(none.lines().is_empty());
        let one = findings(&[scored("disk", &[(150, 9.0)])], false);
        assert_eq!(one.short_headline(), "1 event in 1 series");
        assert!(one.lede()[0].starts_with("It was at 2016-08-05 00:10: 9, usually "), "{:?}", one.lede());
    }
}
