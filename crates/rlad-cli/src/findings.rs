//! What a detector found: how much, and the worst events of all series with why they were called.

use std::cmp::Ordering;

use rlad::data::{Departure, Event, Explanation, SeriesScores};
use rlad::detect::departures;
use rlad::{Detector, Series};
use serde_json::{Value, json};

use crate::explained::{against_usual, why};
use crate::figures::{count, stretch, whole};
use crate::picture::Picture;

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
        [name, stretch(*time_format, *start, *end), self.against_usual(), self.picture.line()]
    }
}

/// The order of events, the worst first: by the highest score, which labels of experts make the same for many, and then by the value.
fn is_worse(a: &Event, b: &Event) -> Ordering {
    let times = |event: &Event| {
        let departure = event.explanation.as_ref().and_then(|explanation| explanation.departure.as_ref());
        departure.map_or(0.0, Departure::times)
    };
    b.peak.total_cmp(&a.peak).then_with(|| times(b).total_cmp(&times(a)))
}
