//! The report: one HTML file with all that is needed to look at scores, without a network.
//!
//! It is a story: the headline, the worst events with why they were called, one sentence on quality, then the series; metrics, training
//! and facts are folded away. The page's own parts are `report/template.html`, `report.css`, and the scripts `elements.js` (what the
//! others share), `story.js` and `report.js` (the series); `html` puts them together with uPlot.

mod decimate;

use std::ops::Range;
use std::path::Path;

use rlad::active::Reason;
use rlad::data::{Event, TimeFormat};
use rlad::{Answer, Label, Series};
use serde::Serialize;

use self::decimate::{longest_gaps, longest_silences, points_to_draw};
use crate::figures::stretch;
use crate::findings::{Finding, Findings};

/// The points that are drawn of one series, about.
const MAX_POINTS: usize = 8_000;
/// The points that are drawn of all series, about; a series gets no fewer than [`MIN_POINTS`].
const MAX_POINTS_IN_ALL: usize = 400_000;
const MIN_POINTS: usize = 400;
/// The longest gaps of a curve that stay breaks where not every point is drawn.
const MAX_GAPS: usize = 200;
/// The points on each side of an event or a question that are drawn without leaving one out.
const SURROUNDINGS: usize = 60;
const NANOS_PER_MILLI: f64 = 1e6;

const TEMPLATE: &str = include_str!("report/template.html");
const STYLE: &str = include_str!("report/report.css");
const SCRIPT: &str =
    concat!(include_str!("report/elements.js"), include_str!("report/story.js"), include_str!("report/report.js"));
/// The size of a picture of an event, in units of its own.
const PICTURE: (f64, f64) = (360.0, 100.0);

/// The content of a report.
#[derive(Clone, Debug)]
pub(crate) struct Report<'a> {
    /// The page's title.
    pub(crate) title: String,
    /// What was found.
    pub(crate) findings: &'a Findings,
    /// How good the detector is, in a sentence.
    pub(crate) quality: String,
    /// When it was made.
    pub(crate) created: jiff::Timestamp,
    /// The model that gave the scores.
    pub(crate) model: ModelFacts,
    /// The points that the quality was measured on, as in "the part 0.8..1 of each series".
    pub(crate) measured_on: String,
    /// The quality, strict metrics first; empty where there is no truth.
    pub(crate) metrics: Vec<MetricRow>,
    /// The learning curve, one entry a round; empty where there was none.
    pub(crate) curve: Vec<CurvePoint>,
    /// The series; the page lists those with the most anomalous points first.
    pub(crate) series: Vec<ReportSeries<'a>>,
}

/// The facts about a model.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ModelFacts {
    /// The hash of its content.
    pub(crate) hash: String,
    /// Its kind: the agent with its preset, or a method.
    pub(crate) method: String,
    /// The seed that it was fitted with.
    pub(crate) seed: u64,
    /// The questions that it was trained with.
    pub(crate) n_questions: usize,
    /// The points that the answers labelled.
    pub(crate) n_labelled: usize,
    /// A point with a score above it is anomalous.
    pub(crate) threshold: f64,
}

/// One measure of quality. `None` is left empty, and a column of which all are `None` is not shown.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct MetricRow {
    /// The name, as in "strict F1".
    pub(crate) name: String,
    /// Before the questions, at the detector's own threshold.
    pub(crate) before: Option<f64>,
    /// After them, at the model's own threshold.
    pub(crate) after: Option<f64>,
    /// Before the questions, at the threshold that is best on the truth itself.
    pub(crate) oracle_before: Option<f64>,
    /// After them, at the threshold that is best on the truth itself.
    pub(crate) oracle_after: Option<f64>,
}

/// One round of the learning curve.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CurvePoint {
    /// The questions asked so far.
    pub(crate) n_questions: usize,
    /// The strict F1 at the model's own threshold, where there was a part to check on.
    pub(crate) f1: Option<f64>,
    /// The strict F1 that random questions lead to expect on the training part, and the ends of its interval.
    pub(crate) expected: Option<f64>,
    pub(crate) expected_low: Option<f64>,
    pub(crate) expected_high: Option<f64>,
    /// The mean loss of the round.
    pub(crate) loss: Option<f64>,
}

/// One series of a report.
#[derive(Clone, Debug)]
pub(crate) struct ReportSeries<'a> {
    /// The points.
    pub(crate) series: &'a Series,
    /// The score of each point, higher is more anomalous; NaN where it was not scored.
    pub(crate) scores: Vec<f64>,
    /// The number of alarms.
    pub(crate) n_alarms: usize,
    /// The events, in time order, from the first alarm to the last.
    pub(crate) events: Vec<Range<usize>>,
    /// Why each of them was called, in words.
    pub(crate) why: Vec<String>,
    /// The runs of points that are anomalous in truth, in time order; `None` where the truth is not known.
    pub(crate) truth: Option<Vec<Range<usize>>>,
    /// The questions that were asked about it.
    pub(crate) questions: Vec<ReportQuestion>,
}

/// A question that was asked, with its answer.
#[derive(Clone, Debug)]
pub(crate) struct ReportQuestion {
    /// Its number in the session, from 0.
    pub(crate) id: u64,
    /// The round that asked it; 0 is the warm-up.
    pub(crate) round: usize,
    /// The point.
    pub(crate) point: usize,
    /// Why it was asked.
    pub(crate) reason: Reason,
    /// The expert's answer.
    pub(crate) answer: Answer,
}

/// Writes a report. The file appears whole or not at all.
///
/// # Errors
/// [`rlad::Error::Write`] if the file cannot be written.
///
/// # Panics
/// If the scores, events, truth or questions of a series are not of its points.
pub(crate) fn write(path: &Path, report: &Report<'_>) -> rlad::Result<()> {
    rlad::data::write_file(path, page(report).as_bytes())
}

fn page(report: &Report<'_>) -> String {
    let data = serde_json::to_string(&data(report)).expect("the data are JSON");
    crate::html::page(TEMPLATE, &report.title, STYLE, &data, SCRIPT)
}

/// The data of `report.js`.
#[derive(Serialize)]
struct Data<'a> {
    title: &'a str,
    headline: String,
    lede: Vec<String>,
    n_events: usize,
    worst: Vec<WorstData<'a>>,
    quality: &'a str,
    created: String,
    model: &'a ModelFacts,
    measured_on: &'a str,
    metrics: &'a [MetricRow],
    curve: &'a [CurvePoint],
    series: Vec<SeriesData<'a>>,
}

/// One of the worst events.
#[derive(Serialize)]
struct WorstData<'a> {
    series: &'a str,
    start: f64,
    end: f64,
    /// The time in words.
    when: String,
    /// The value against what was usual, in words.
    value: String,
    why: &'a str,
    /// An SVG element.
    picture: String,
}

#[derive(Serialize)]
struct SeriesData<'a> {
    name: &'a str,
    channels: &'a [String],
    n_points: usize,
    n_anomalies: usize,
    /// Whether `times` are milliseconds since 1970, or indices.
    has_clock: bool,
    /// The step, in units of `times`.
    step: f64,
    /// The time of the first drawn point.
    start: f64,
    /// The time from each drawn point to the next, in multiples of `unit`.
    unit: f64,
    deltas: Vec<u64>,
    /// The positions of drawn points before which time has a gap.
    breaks: Vec<usize>,
    /// One list a channel; null for a missing value.
    values: Vec<Vec<Option<f64>>>,
    scores: Vec<Option<f64>>,
    events: Vec<EventData<'a>>,
    truth: Option<Vec<(f64, f64)>>,
    questions: Vec<QuestionData>,
}

#[derive(Serialize)]
struct EventData<'a> {
    start: f64,
    end: f64,
    n_points: usize,
    peak: Option<f64>,
    why: &'a str,
}

#[derive(Serialize)]
struct QuestionData {
    id: u64,
    round: usize,
    time: f64,
    /// The values of the point, one a channel.
    values: Vec<Option<f64>>,
    reason: Reason,
    /// `anomaly`, `normal`, `unsure`, `skip`, or `elsewhere` where the painted spans leave the point out.
    answer: &'static str,
    n_labelled: usize,
}

fn data<'a>(report: &'a Report<'a>) -> Data<'a> {
    let max_points = (MAX_POINTS_IN_ALL / report.series.len().max(1)).clamp(MIN_POINTS, MAX_POINTS);
    let mut series: Vec<SeriesData<'_>> = report.series.iter().map(|series| series_data(series, max_points)).collect();
    series.sort_by_key(|series| std::cmp::Reverse(series.n_anomalies));
    Data {
        title: &report.title,
        headline: report.findings.short_headline(),
        lede: report.findings.lede(),
        n_events: report.findings.n_events,
        worst: report.findings.worst.iter().map(worst_data).collect(),
        quality: &report.quality,
        created: report.created.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        model: &report.model,
        measured_on: &report.measured_on,
        metrics: &report.metrics,
        curve: &report.curve,
        series,
    }
}

fn worst_data(finding: &Finding) -> WorstData<'_> {
    let Event { series, time_format, start, end, why, .. } = &finding.event;
    WorstData {
        series,
        start: in_page_units(*time_format, *start as f64),
        end: in_page_units(*time_format, *end as f64),
        when: stretch(*time_format, *start, *end),
        value: finding.against_usual(),
        // The value stands above it.
        why: if finding.event.explanation.as_ref().is_some_and(|of| of.departure.is_some()) {
            why.split_once("; ").map_or("", |(_, rest)| rest)
        } else {
            why
        },
        picture: finding.picture.svg(PICTURE.0, PICTURE.1),
    }
}

/// A time or a length of time: milliseconds, or points where there are no timestamps.
fn in_page_units(time_format: TimeFormat, time: f64) -> f64 {
    if time_format == TimeFormat::Index { time } else { time / NANOS_PER_MILLI }
}

fn series_data<'a>(this: &'a ReportSeries<'a>, max_points: usize) -> SeriesData<'a> {
    let series = this.series;
    assert_eq!(this.scores.len(), series.len(), "one score a point");
    let mut columns: Vec<Vec<f64>> = (0..series.n_channels())
        .map(|channel| (0..series.len()).map(|point| series.row(point)[channel]).collect())
        .collect();
    columns.push(this.scores.clone());
    let clock = series.clock();
    let slots: Vec<i64> = series.timestamps().iter().map(|&timestamp| clock.slot(timestamp)).collect();

    let peak = |event: &Range<usize>| {
        let scored = event.clone().filter(|&point| !this.scores[point].is_nan());
        scored.max_by(|&a, &b| this.scores[a].total_cmp(&this.scores[b]))
    };
    let mut always = longest_silences(&slots, MAX_GAPS);
    always.extend(columns.iter().flat_map(|column| longest_gaps(column, MAX_GAPS)));
    always.extend(this.questions.iter().map(|question| question.point));
    always.extend(this.events.iter().flat_map(|event| [event.start, event.end - 1].into_iter().chain(peak(event))));
    always.extend(surroundings(this, max_points / 2));
    let drawn = points_to_draw(&columns, &always, max_points);

    let has_clock = !matches!(series.time_format(), TimeFormat::Index);
    let in_page_units = |time: f64| in_page_units(series.time_format(), time);
    let time = |point: usize| in_page_units(series.timestamps()[point] as f64);
    let gaps: Vec<u64> =
        drawn.windows(2).map(|pair| series.timestamps()[pair[1]].abs_diff(series.timestamps()[pair[0]])).collect();
    let unit = gaps.iter().copied().fold(0, greatest_common_divisor).max(1);
    SeriesData {
        name: series.name(),
        channels: series.channels(),
        n_points: series.len(),
        n_anomalies: this.n_alarms,
        has_clock,
        step: in_page_units(series.step() as f64),
        start: time(drawn[0]),
        unit: in_page_units(unit as f64),
        deltas: gaps.iter().map(|gap| gap / unit).collect(),
        breaks: (1..drawn.len())
            .filter(|&i| drawn[i] == drawn[i - 1] + 1 && slots[drawn[i]].abs_diff(slots[drawn[i - 1]]) > 1)
            .collect(),
        values: columns[..series.n_channels()].iter().map(|column| pick(column, &drawn)).collect(),
        scores: pick(&this.scores, &drawn),
        events: this
            .events
            .iter()
            .enumerate()
            .map(|(at, event)| EventData {
                start: time(event.start),
                end: time(event.end - 1),
                n_points: event.len(),
                peak: peak(event).and_then(|point| rounded(this.scores[point])),
                why: this.why.get(at).map_or("", String::as_str),
            })
            .collect(),
        truth: this
            .truth
            .as_ref()
            .map(|truth| truth.iter().map(|segment| (time(segment.start), time(segment.end - 1))).collect()),
        questions: this
            .questions
            .iter()
            .map(|question| QuestionData {
                id: question.id,
                round: question.round,
                time: time(question.point),
                values: series.row(question.point).iter().map(|&value| rounded(value)).collect(),
                reason: question.reason,
                answer: answer_name(&question.answer, question.point),
                n_labelled: match &question.answer {
                    Answer::Spans(spans) => spans.iter().map(|span| span.last - span.first + 1).sum(),
                    Answer::Unsure | Answer::Skip => 0,
                },
            })
            .collect(),
    }
}

/// The points of events and questions, with those around them, so that a zoom shows them as they are: as many events and
/// questions as fit in `max` points, the longest events last.
fn surroundings(this: &ReportSeries<'_>, max: usize) -> Vec<usize> {
    let mut places: Vec<Range<usize>> = this.events.clone();
    places.extend(this.questions.iter().map(|question| question.point..question.point + 1));
    places.sort_by_key(ExactSizeIterator::len);
    let mut points = Vec::new();
    for place in places {
        let around = place.start.saturating_sub(SURROUNDINGS)..(place.end + SURROUNDINGS).min(this.series.len());
        if points.len() + around.len() > max {
            break;
        }
        points.extend(around);
    }
    points
}

/// The label that an answer gives to the point that was asked about.
fn answer_name(answer: &Answer, point: usize) -> &'static str {
    match answer {
        Answer::Unsure => "unsure",
        Answer::Skip => "skip",
        Answer::Spans(spans) => match spans.iter().find(|span| (span.first..=span.last).contains(&point)) {
            Some(span) if span.label == Label::Anomaly => "anomaly",
            Some(_) => "normal",
            None => "elsewhere",
        },
    }
}

fn pick(column: &[f64], points: &[usize]) -> Vec<Option<f64>> {
    points.iter().map(|&point| rounded(column[point])).collect()
}

/// A number to seven digits, which are more than a screen has; `None` for what JSON cannot hold.
fn rounded(value: f64) -> Option<f64> {
    value.is_finite().then(|| format!("{value:.6e}").parse().expect("a formatted number is a number"))
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests;
