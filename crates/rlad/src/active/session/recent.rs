//! Questions about what is new since a session's data grew, and about alarms.
//!
//! Alarms come first, those of the series that alarms most before others, then what the detector is least sure of, then random points:
//! what a detector does wrong where it is in use costs most, and is cheapest to ask about.

use std::ops::Range;

use super::Session;
use crate::active::query::{Candidate, Query, Reason, rank, take};
use crate::agent::pool::PoolPoint;
use crate::data::label::events;
use crate::data::series::shown;
use crate::error::{Error, Result};
use crate::random::{Purpose, fraction_of, stream};

/// The part of a round about new points that alarms may have.
const ALARM_FRACTION: f64 = 0.5;
/// Of an alarm at most this many times the points of another question are shown.
const MOST_SHOWN: usize = 8;
/// The points that are scored at once.
const CHUNK: usize = 65_536;

/// An alarm that is asked about: points of a series in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmToAsk {
    /// The index of the series in the session's data.
    pub series: usize,
    /// Its points, at least one of them with a value in the training part.
    pub points: Range<usize>,
    /// The point that is asked about, among them: where the score is highest.
    pub peak: usize,
    /// The score there.
    pub score: f64,
}

/// An alarm that may be asked about, with its points.
type CandidateAlarm = (Candidate, Range<usize>);

impl Session {
    /// Makes questions about these alarms those of the round, in place of what the round would ask; none where none of them is
    /// about training points. They count as questions, and raise the budget where it is spent. An alarm whose peak has an answer is
    /// asked about again.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a series that is not one of the session's.
    pub fn ask_about(&mut self, alarms: &[AlarmToAsk]) -> Result<&[Query]> {
        let mut chosen = Vec::with_capacity(alarms.len());
        for alarm in alarms {
            if alarm.series >= self.pool.series.len() {
                let what = format!("series {}", alarm.series);
                return Err(Error::NotFound { what, place: "the session's data".to_owned() });
            }
            let is_there = |point: usize| self.pool.has((alarm.series, point));
            let inside = alarm.points.contains(&alarm.peak) && is_there(alarm.peak);
            let Some(point) = inside.then_some(alarm.peak).or_else(|| alarm.points.clone().find(|p| is_there(*p)))
            else {
                continue;
            };
            chosen.push(((alarm.series, point), alarm.points.clone(), alarm.score));
        }
        let first = self.next_id();
        let mut queries = Vec::with_capacity(chosen.len());
        for (((series, point), points, score), id) in chosen.into_iter().zip(first..) {
            self.show_alarm(id, (series, point), &points);
            self.alarms.insert(id, points);
            queries.push(Query { id, round: self.round, series, point, reason: Reason::Alarm, score });
        }
        self.live_since.get_or_insert(self.round);
        self.config.questions = self.config.questions.max(self.n_answered() + queries.len());
        self.pending = Some(queries);
        Ok(self.pending.as_deref().unwrap_or_default())
    }

    /// Makes questions that were asked before the data grew, and have answers in a log, those of the round again; `shown` is what was shown
    /// with each. Those about points that are no training points are left out.
    pub fn restore_round(&mut self, questions: Vec<(Query, Range<usize>)>) {
        let first = self.next_id();
        let mut queries: Vec<Query> = Vec::with_capacity(questions.len());
        for (query, shown) in questions {
            let is_next = query.id >= first && queries.last().is_none_or(|before| query.id > before.id);
            let holds = shown.contains(&query.point) && shown.end <= self.pool.series_end(query.series);
            if is_next && holds && self.pool.has((query.series, query.point)) {
                self.shown_then.insert(query.id, shown);
                self.asked.insert(query.series, query.point);
                queries.push(Query { round: self.round, ..query });
            }
        }
        if !queries.is_empty() {
            self.config.questions = self.config.questions.max(self.n_answered() + queries.len());
            self.pending = Some(queries);
        }
    }

    /// The points of the alarm that a question is about, as far as they are shown; `None` of a question about something else.
    #[must_use]
    pub fn alarm(&self, query: &Query) -> Option<Range<usize>> {
        let shown = self.shown(query);
        let known = self.alarms.get(&query.id).map(|points| points.start.max(shown.start)..points.end.min(shown.end));
        let around = || {
            // Of a round that was restored: the points in a row that are alarms now.
            let points: Vec<PoolPoint> = shown.clone().map(|point| (query.series, point)).collect();
            let threshold = self.threshold();
            let is_alarm: Vec<bool> =
                self.predictions_in_use(&points).iter().map(|prediction| prediction.score > threshold).collect();
            let at = query.point - shown.start;
            let event = events(&is_alarm).into_iter().find(|event| event.contains(&at));
            event.map_or(query.point..query.point + 1, |event| shown.start + event.start..shown.start + event.end)
        };
        (query.reason == Reason::Alarm).then(|| known.filter(|points| !points.is_empty()).unwrap_or_else(around))
    }

    /// The number of the next question.
    #[must_use]
    pub fn next_question(&self) -> u64 {
        self.next_id()
    }

    /// The questions of a round about new points; `None` where nothing is new, or enough was asked about it.
    pub(super) fn choose_recent(&mut self, n: usize) -> Option<Vec<Query>> {
        let is_recent = |(series, point): PoolPoint| self.recent.get(series).is_some_and(|new| new.contains(&point));
        let n_asked = self.answered.iter().filter(|(query, _)| is_recent((query.series, query.point))).count();
        let n = n.min(self.config.query.per_round.saturating_sub(n_asked));
        let n_new: usize = self.recent.iter().map(Range::len).sum();
        if n == 0 || n_new == 0 {
            return None;
        }
        let mut rng = stream(self.config.seed, Purpose::Query, self.round as u64 | 1 << 41);
        let (mut alarms, mut candidates) = (Vec::new(), Vec::new());
        for series in 0..self.recent.len() {
            let (of_series, others) = self.recent_candidates(series);
            alarms.push(of_series);
            candidates.extend(others);
        }
        let n_alarms = fraction_of(n, ALARM_FRACTION).max(1);
        let mut chosen: Vec<(Candidate, Reason, Range<usize>)> = Vec::with_capacity(n);
        for (candidate, points) in worst_first(alarms) {
            let at = (candidate.series, candidate.point);
            if chosen.len() < n_alarms && self.asked.allows(at.0, at.1) {
                self.asked.insert(at.0, at.1);
                chosen.push((candidate, Reason::Alarm, points));
            }
        }
        let config = self.config.query.clone();
        let n_random = fraction_of(n, config.random_fraction).max(1).min(n - chosen.len());
        let n_by_strategy = n - chosen.len() - n_random;
        rank(&mut candidates, config.strategy, self.even_score(), &mut rng);
        let n_series = self.pool.series.len();
        let by_strategy = take(&candidates, n_by_strategy, &mut self.asked, n_series, &config);
        chosen.extend(by_strategy.into_iter().map(|candidate| (candidate, Reason::Strategy, 0..0)));
        let mut random: Vec<PoolPoint> = Vec::with_capacity(n_random);
        for _ in 0..100 * n_random {
            if random.len() == n_random {
                break;
            }
            let (series, point) = draw(&self.recent, n_new, &mut rng);
            if self.is_open((series, point)) && self.asked.allows(series, point) {
                self.asked.insert(series, point);
                random.push((series, point));
            }
        }
        let predictions = self.predictions_in_use(&random);
        let random = random.iter().zip(predictions).map(|(&at, prediction)| self.candidate(at, prediction));
        chosen.extend(random.map(|candidate| (candidate, Reason::Random, 0..0)));
        let queries = self.number(chosen.iter().map(|(candidate, reason, _)| (*candidate, *reason)).collect());
        for (query, (_, _, points)) in queries.iter().zip(&chosen) {
            if query.reason == Reason::Alarm {
                self.show_alarm(query.id, (query.series, query.point), points);
                self.alarms.insert(query.id, points.clone());
            }
        }
        (!queries.is_empty()).then_some(queries)
    }

    /// The scores of the new points of a series.
    pub(super) fn recent_scores(&self, series: usize) -> Vec<f64> {
        let new = self.recent[series].clone();
        let mut scores: Vec<f64> = Vec::with_capacity(new.len());
        for first in new.clone().step_by(CHUNK) {
            let points: Vec<PoolPoint> = (first..(first + CHUNK).min(new.end)).map(|point| (series, point)).collect();
            scores.extend(self.predictions_in_use(&points).iter().map(|prediction| prediction.score));
        }
        let missing = scores.iter_mut().zip(new).filter(|(_, point)| !self.pool.has((series, *point)));
        missing.for_each(|(score, _)| *score = f64::NAN);
        scores
    }

    /// The alarms among the new points of a series, each with its points, and a sample of the other points.
    fn recent_candidates(&self, series: usize) -> (Vec<CandidateAlarm>, Vec<Candidate>) {
        let new = self.recent[series].clone();
        let threshold = self.threshold();
        let scores = self.recent_scores(series);
        let score = |point: usize| scores[point - new.start];
        let is_alarm: Vec<bool> = new.clone().map(|point| score(point) > threshold).collect();
        let candidate =
            |point| self.candidate((series, point), crate::agent::score::Prediction { score: score(point) });
        let mut alarms = Vec::new();
        for event in events(&is_alarm) {
            let points = new.start + event.start..new.start + event.end;
            let open = points.clone().filter(|point| self.is_open((series, *point)));
            if let Some(peak) = open.max_by(|a, b| score(*a).total_cmp(&score(*b)).then(b.cmp(a))) {
                alarms.push((candidate(peak), points));
            }
        }
        // One of each stretch of equal length, as the rounds over all points have it.
        let n = self.n_ranked_of_series(self.pool.series.len()).min(new.len());
        let mut rng = stream(self.config.seed, Purpose::Query, (self.round as u64) << 20 | series as u64 | 1 << 42);
        let others = (0..n).filter_map(|i| {
            let stretch = new.start + i * new.len() / n..new.start + (i + 1) * new.len() / n;
            let point = rand::RngExt::random_range(&mut rng, stretch);
            (!is_alarm[point - new.start] && self.is_open((series, point))).then(|| candidate(point))
        });
        (alarms, others.collect())
    }

    /// Shows an alarm's points with its question, as many as of another question at least.
    fn show_alarm(&mut self, id: u64, (series, point): PoolPoint, points: &Range<usize>) {
        let training = &self.pool.series[series].training;
        let n_shown = self.config.query.shown;
        let least = shown(point, n_shown, training);
        let most = shown(point, n_shown.saturating_mul(MOST_SHOWN), training);
        let range = points.start.min(least.start).max(most.start)..points.end.max(least.end).min(most.end);
        if range != least {
            self.shown_then.insert(id, range);
        }
    }
}

/// Alarms of each series, the series with the most alarm points first, one of each in turn; of a series the longest first.
fn worst_first(alarms: Vec<Vec<CandidateAlarm>>) -> Vec<CandidateAlarm> {
    let mut of_series: Vec<(usize, Vec<CandidateAlarm>)> = alarms
        .into_iter()
        .map(|mut alarms| {
            alarms.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.1.start.cmp(&b.1.start)));
            (alarms.iter().map(|alarm| alarm.1.len()).sum(), alarms)
        })
        .collect();
    of_series.sort_by_key(|one| std::cmp::Reverse(one.0));
    let n_turns = of_series.iter().map(|(_, alarms)| alarms.len()).max().unwrap_or(0);
    let turn = |turn: usize| of_series.iter().filter_map(move |(_, alarms)| alarms.get(turn).cloned());
    (0..n_turns).flat_map(turn).collect()
}

/// A point of some ranges of series, every point as likely as any other. `n`: the points of all ranges, at least one.
fn draw(ranges: &[Range<usize>], n: usize, rng: &mut impl rand::Rng) -> PoolPoint {
    let mut at = rand::RngExt::random_range(rng, 0..n);
    for (series, range) in ranges.iter().enumerate() {
        if at < range.len() {
            return (series, range.start + at);
        }
        at -= range.len();
    }
    unreachable!("a number below the number of points lies in some range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_with_the_most_alarm_points_comes_first_and_then_each_in_turn() {
        let alarm = |series: usize, points: Range<usize>| {
            (Candidate { series, point: points.start, score: 1.0, probability: 0.5, n_points: 1.0 }, points)
        };
        let ordered = worst_first(vec![
            vec![alarm(0, 5..7)],
            vec![alarm(1, 0..2), alarm(1, 10..40), alarm(1, 50..60)],
            vec![],
            vec![alarm(3, 3..20)],
        ]);
        let ordered: Vec<(usize, usize)> = ordered.iter().map(|(c, points)| (c.series, points.start)).collect();
        assert_eq!(ordered, [(1, 10), (3, 3), (0, 5), (1, 50), (1, 0)]);
    }
}
