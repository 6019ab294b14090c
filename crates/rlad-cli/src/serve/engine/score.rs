//! Scores of points, and what is told of them.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use rlad::data::Clock;
use rlad::detect::{Arrival, push_all};
use rlad::{Detector, Stream};

use super::super::config::Scores;
use super::super::intake::Point;
use super::super::rules::Rule;
use super::super::watched::{Event, Last, Watched};
use super::{Engine, MOST_BACKLOG};

const NANOS_PER_MS: i64 = 1_000_000;
/// A point is near the threshold above this, in nats: at half the odds.
const NEAR: f64 = -std::f64::consts::LN_2;
/// The margin that a value outside of its range has at least, in nats.
const OUTSIDE: f64 = 1.0;

/// A point that was scored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScoredPoint<'a> {
    /// The name of its series.
    pub(crate) series: &'a str,
    /// The value of its label `for`, where its rule has one.
    pub(crate) name: Option<&'a str>,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    /// The score that its decision went by, less the threshold, in nats.
    pub(crate) margin: f64,
    /// What is written back of it.
    pub(crate) written: Written,
}

/// What is written back of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Its score.
    Score,
    /// That the scores of the series end here for now.
    End,
    /// Nothing.
    Nothing,
}

/// An event that opened, went on or ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AlarmChange {
    /// The name of the series.
    pub(crate) series: Arc<str>,
    /// The value of the label `for` of its scores, where its rule has one.
    pub(crate) name: Option<String>,
    /// The event.
    pub(crate) event: Event,
    /// The value of the point.
    pub(crate) value: f64,
    /// Whether it is open.
    pub(crate) is_open: bool,
    /// Whether it opened with this point.
    pub(crate) is_new: bool,
}

/// What the engine tells.
pub(crate) trait Outputs: Debug + Send {
    /// Points that were scored.
    fn scored(&mut self, points: &[ScoredPoint<'_>]) -> anyhow::Result<()>;
    /// An event that changed.
    fn alarm(&mut self, change: AlarmChange);
    /// Puts what was told where a crash does not lose it.
    fn flush(&mut self) -> anyhow::Result<()>;
}

/// The score as other tools expect it: 1 at the threshold, above it anomalous, from e⁻⁷ to e⁷. It is the odds of an anomaly in units of
/// those at the threshold.
pub(crate) fn anomaly_score(margin: f64) -> f64 {
    margin.clamp(-7.0, 7.0).exp()
}

impl Engine {
    /// Keeps points to be learned from, scores them, and tells what was decided. `number`: of the journal record that they are of.
    pub(super) fn score(&mut self, points: Vec<(u32, Point)>, number: u64) -> anyhow::Result<()> {
        let mut kept = Ok(());
        for (id, point) in &points {
            if kept.is_ok()
                && let Some(watched) = self.series[*id as usize].as_ref().filter(|watched| watched.is_kept)
            {
                kept = self.history.add(*id, &watched.name, *point);
            }
        }
        // What cannot be kept to be learned from is scored all the same.
        self.advance(points, number).and(kept)
    }

    /// Scores points and tells what was decided.
    pub(super) fn advance(&mut self, points: Vec<(u32, Point)>, number: u64) -> anyhow::Result<()> {
        if self.model.is_none() {
            self.backlog.extend(points);
            if self.backlog.len() > MOST_BACKLOG {
                self.backlog.drain(..MOST_BACKLOG / 2);
            }
            return Ok(());
        }
        let is_told = !self.is_quiet && number >= self.told_before;
        let mut left = points;
        while !left.is_empty() {
            // One point a series at a time.
            let mut seen = HashSet::with_capacity(left.len());
            let (mut round, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|(id, _)| seen.insert(*id));
            // Neighbours that share a detector are one batch.
            round.sort_by_key(|(id, _)| self.series[*id as usize].as_ref().map(|watched| watched.rule));
            self.score_round(&round, is_told)?;
            left = later;
        }
        Ok(())
    }

    fn score_round(&mut self, round: &[(u32, Point)], is_told: bool) -> anyhow::Result<()> {
        let mut streams: Vec<(u32, Point, Box<Stream>)> = Vec::with_capacity(round.len());
        for &(id, point) in round {
            self.go_on_with_model(id as usize)?;
            if let Some(stream) = self.series[id as usize].as_mut().and_then(|watched| watched.stream.take()) {
                streams.push((id, point, stream));
            }
        }
        let arrivals = streams.iter_mut().map(|(_, point, stream)| Arrival {
            stream,
            timestamp: point.at.saturating_mul(NANOS_PER_MS),
            values: std::slice::from_ref(&point.value),
        });
        let outcomes = push_all(arrivals.collect());
        let mut scored = Vec::with_capacity(streams.len());
        for ((id, point, stream), outcome) in streams.into_iter().zip(outcomes) {
            let (threshold, is_alarm) = (stream.model().threshold(), stream.alarm().is_raised());
            let decided = stream.decided_score();
            let Some(watched) = self.series[id as usize].as_mut() else { continue };
            watched.stream = Some(stream);
            // Points come in time order, so that there is a score but for times that no clock has.
            let (Ok(Some(_)), Some(score)) = (outcome, decided) else { continue };
            let rule = &self.rules.0[watched.rule];
            let is_outside = rule.range.is_some_and(|(low, high)| point.value < low || point.value > high);
            let margin = if is_outside { (score - threshold).max(OUTSIDE) } else { score - threshold };
            let was_near = watched.is_near();
            watched.last = Some(Last { at: point.at, value: point.value, margin });
            let change = watched.decide(point, margin, is_alarm || is_outside, rule);
            if is_told {
                change.into_iter().for_each(|change| self.outputs.alarm(change));
                let written = match (rule.scores, watched.is_near()) {
                    (Scores::Watched, _) | (Scores::Anomalous, true) => Written::Score,
                    (Scores::Anomalous, false) if was_near => Written::End,
                    (Scores::Anomalous | Scores::None, _) => Written::Nothing,
                };
                scored.push((id, point.at, margin, written));
            }
        }
        let told: Vec<ScoredPoint<'_>> = scored
            .iter()
            .filter_map(|&(id, at, margin, written)| {
                let watched = self.series[id as usize].as_ref()?;
                let name = self.rules.0[watched.rule].name.as_deref();
                Some(ScoredPoint { series: &watched.name, name, at, margin, written })
            })
            .collect();
        self.outputs.scored(&told)
    }

    /// Lets a series go on with the detector of its rule, or begins it there once its step is known.
    pub(super) fn go_on_with_model(&mut self, id: usize) -> anyhow::Result<()> {
        let Some(watched) = self.series[id].as_mut() else { return Ok(()) };
        let Some(model) = self.by_rule.get(watched.rule) else { return Ok(()) };
        match &mut watched.stream {
            Some(stream) if Arc::ptr_eq(stream.model(), model) => {}
            Some(stream) => {
                // What the decision has come to ask for begins anew.
                if model.decision().needs_expected() {
                    stream.follow_expected();
                }
                if stream.swap(Arc::clone(model)).is_err() {
                    // It needs what was not kept: the series begins anew.
                    **stream = new_stream(watched.intake.step(), Arc::clone(model), &watched.name)
                        .ok_or_else(|| anyhow::anyhow!("the step of `{}` is not known", watched.name))?;
                }
            }
            none => *none = new_stream(watched.intake.step(), Arc::clone(model), &watched.name).map(Box::new),
        }
        Ok(())
    }

    /// Ends the open event of a series, if there is one.
    pub(super) fn close_event(&mut self, id: u32) {
        let Some(watched) = self.series.get_mut(id as usize).and_then(Option::as_mut) else { return };
        let Some(event) = watched.event.take() else { return };
        let value = watched.last.map_or(f64::NAN, |last| last.value);
        let name = self.rules.0.get(watched.rule).and_then(|rule| rule.name.clone());
        let series = Arc::clone(&watched.name);
        self.outputs.alarm(AlarmChange { series, name, event, value, is_open: false, is_new: false });
    }
}

/// The stream of a series of this step in milliseconds.
pub(crate) fn new_stream(step: Option<i64>, model: Arc<rlad::Model>, name: &str) -> Option<Stream> {
    let clock = Clock { step: step?.saturating_mul(NANOS_PER_MS), has_days: true };
    Some(Stream::new(model, name, clock))
}

impl Watched {
    /// Whether its last score is near the threshold, above it, or of an open event.
    fn is_near(&self) -> bool {
        self.event.is_some() || self.last.is_some_and(|last| last.margin > NEAR)
    }

    /// Follows the event of the series with its next point.
    fn decide(&mut self, point: Point, margin: f64, is_alarm: bool, rule: &Rule) -> Option<AlarmChange> {
        let is_new = is_alarm && self.event.is_none();
        let event = match (&mut self.event, is_alarm) {
            (None, false) => return None,
            (none @ None, true) => {
                *none.insert(Event { since: point.at, last: point.at, peak_at: point.at, peak: margin })
            }
            (Some(event), true) => {
                event.last = point.at;
                if margin > event.peak {
                    (event.peak, event.peak_at) = (margin, point.at);
                }
                *event
            }
            (open @ Some(_), false) => open.take()?,
        };
        Some(AlarmChange {
            series: Arc::clone(&self.name),
            name: rule.name.clone(),
            event,
            value: point.value,
            is_open: is_alarm,
            is_new,
        })
    }
}
