//! A live run: an agent is trained, and then the measured part comes week by week. It scores a week without a label of it, an expert answers
//! questions about that week, what of it may adapts does, and the next week comes.
//!
//! After the last week nothing is asked, as nothing would come of it.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use rlad::active::{AnswerStyle, Question, ask, random_questions};
use rlad::config::QueryStrategy;
use rlad::data::{DataSet, Labels, Part, SeriesScores, Truth};
use rlad::{Answer, Config, Detector, Model, Query, Series, Session, TruthOracle};

use super::run::{RunScores, Scored, Task, with_outcome};
use super::suite::{DetectorKind, Live, agent};
use super::weeks::weeks;

/// Makes a live run of the agent, and writes its outcome.
pub(crate) fn run(task: &Task, live: Live) -> anyhow::Result<()> {
    with_outcome(task, |data, scored| {
        let (DetectorKind::Agent(table), Some(questions)) = (task.entry.detector()?, task.questions) else {
            anyhow::bail!("a live run is one of an agent, with questions before the first week");
        };
        let mut config = agent(table)?;
        (config.seed, config.part, config.questions) = (task.seed, Part::ALL, questions);
        Replay::new(task, live, data)?.run(config, scored)
    })
}

/// The data of a live run as they come.
struct Replay<'a> {
    task: &'a Task,
    live: Live,
    data: &'a DataSet,
    /// The points of each week, of each series.
    weeks: Vec<Vec<Range<usize>>>,
}

/// The scores of all weeks, and what they took.
struct Replayed {
    scores: Vec<SeriesScores>,
    questions: usize,
    labelled_points: usize,
    adapting: Duration,
    scoring: Duration,
}

impl<'a> Replay<'a> {
    fn new(task: &'a Task, live: Live, data: &'a DataSet) -> rlad::Result<Self> {
        let weeks = data.series.iter().map(|series| weeks(series, task.test)).collect::<rlad::Result<_>>()?;
        Ok(Self { task, live, data, weeks })
    }

    /// Trains once, and goes through the weeks with each number of questions a week.
    fn run(&self, config: Config, scored: Scored<'_>) -> anyhow::Result<Vec<RunScores>> {
        let begun = Instant::now();
        let threshold_rule = if config.agent.has_prior() { "log-odds of the goal" } else { "Q difference 0" };
        let trained: Vec<usize> = self.data.series.iter().map(|series| series.part(self.task.train).end).collect();
        let mut session = Session::new(config, self.first_points(&trained)?)?;
        let truths = self.truths(&trained);
        session.run(&mut self.oracle(&truths))?;
        let training = begun.elapsed();
        let mut results = Vec::new();
        for &weekly in &self.task.budgets {
            let replayed = self.replay(session.clone(), weekly)?;
            let name = format!("scores-{weekly}.parquet");
            rlad::data::write_scores(&self.task.out.join(&name), &replayed.scores)?;
            results.push(RunScores {
                budget: Some(weekly),
                scores: name,
                questions: replayed.questions,
                labelled_points: replayed.labelled_points,
                threshold_rule: threshold_rule.to_owned(),
                validation: None,
                fit_seconds: (training + replayed.adapting).as_secs_f64(),
                score_seconds: replayed.scoring.as_secs_f64(),
                expected: None,
            });
            if results.len() < self.task.budgets.len() {
                scored(&results)?;
            }
        }
        Ok(results)
    }

    /// All weeks with so many questions about each but the last.
    fn replay(&self, session: Session, weekly: usize) -> anyhow::Result<Replayed> {
        let mut model = session.detector();
        let name = model.id().to_owned();
        let mut adapting = Adapting { session, pending: Vec::new(), answers: Vec::new() };
        let (mut time_adapting, mut time_scoring) = (Duration::ZERO, Duration::ZERO);
        let mut scores: Vec<SeriesScores>;
        if self.live == Live::Frozen {
            let scoring = Instant::now();
            let of = |series| model.detect_part(series, self.task.test);
            scores = self.data.series.iter().map(of).collect::<rlad::Result<_>>()?;
            time_scoring += scoring.elapsed();
        } else {
            scores = self.data.series.iter().map(|series| nothing(series, &model)).collect();
            let n_weeks = self.weeks.iter().map(Vec::len).max().unwrap_or(0);
            for week in 0..n_weeks {
                let scoring = Instant::now();
                self.score(&model, week, &mut scores)?;
                time_scoring += scoring.elapsed();
                if week + 1 < n_weeks && self.weeks.iter().any(|weeks| !points_of(weeks, week).is_empty()) {
                    let begun = Instant::now();
                    model = self.adapt(&mut adapting, week, weekly)?;
                    time_adapting += begun.elapsed();
                }
            }
        }
        scores.iter_mut().for_each(|of| of.model.clone_from(&name));
        Ok(Replayed {
            scores,
            questions: adapting.session.n_answered() + adapting.answers.len(),
            labelled_points: adapting.n_labelled_points(self.data.series.len()),
            adapting: time_adapting,
            scoring: time_scoring,
        })
    }

    /// Appends the scores of a week and what was decided of them.
    fn score(&self, model: &Model, week: usize, scores: &mut [SeriesScores]) -> rlad::Result<()> {
        for ((series, weeks), of_series) in self.data.series.iter().zip(&self.weeks).zip(scores) {
            let points = points_of(weeks, week);
            if points.is_empty() {
                continue;
            }
            let mut new = model.score_points(series, points.clone())?;
            model.apply_labels(series, points.clone(), &mut new);
            of_series.alarms.extend(model.decide(series, points.clone(), &new, &model.labels(series))?);
            of_series.scores.extend(new);
            of_series.timestamps.extend_from_slice(&series.timestamps()[points]);
        }
        Ok(())
    }

    /// The detector after a week that was scored: the data have grown by it, and questions about it were answered.
    fn adapt(&self, adapting: &mut Adapting, week: usize, weekly: usize) -> anyhow::Result<Model> {
        let ends: Vec<usize> = self
            .data
            .series
            .iter()
            .zip(&self.weeks)
            .map(|(series, weeks)| weeks.get(week).map_or(series.part(self.task.test).end, |points| points.end))
            .collect();
        let truths = self.truths(&ends);
        let mut oracle = self.oracle(&truths);
        let before = &adapting.session;
        let questions = before.n_answered() + weekly;
        let grown = self.first_points(&ends)?;
        // A checkpoint knows what the data were, so what is new after it is this week.
        let mut session = Session::resume(Path::new("the live run"), &before.checkpoint(), grown, Some(questions))?;
        let is_random = session.config().query.strategy == QueryStrategy::Random;
        let drawn = if is_random { self.random_questions(&session, week, weekly)? } else { Vec::new() };
        if self.live == Live::All {
            if !drawn.is_empty() {
                session.restore_round(drawn);
                let answers = session.ask(&mut oracle)?.answers;
                session.teach(&answers)?;
            } else if weekly > 0 && !is_random {
                session.run(&mut oracle)?;
            }
            adapting.session = session;
            return Ok(adapting.session.detector());
        }
        // What is asked is what the agent that never learns again would ask.
        let mut asking = session.clone();
        if is_random {
            asking.restore_round(drawn);
        }
        let queries = if weekly > 0 { asking.query().to_vec() } else { Vec::new() };
        let mut chosen: Vec<(Query, Range<usize>)> =
            queries.into_iter().map(|query| (query.clone(), asking.shown(&query))).collect();
        // A round that found fewer, as one series may have only a share of it, is filled with random points of the week.
        let more = if chosen.len() < weekly { self.random_questions(&session, week, 2 * weekly)? } else { Vec::new() };
        for (query, shown) in more {
            let is_new = chosen.iter().all(|(other, _)| (other.series, other.point) != (query.series, query.point));
            if is_new && chosen.len() < weekly {
                chosen.push((query, shown));
            }
        }
        let ids = adapting.answers.last().map_or_else(|| asking.next_question(), |(id, _)| id + 1)..;
        let pending: Vec<(Query, Range<usize>)> =
            chosen.into_iter().zip(ids).map(|((query, shown), id)| (Query { id, ..query }, shown)).collect();
        let questions: Vec<Question<'_>> = pending
            .iter()
            .zip(questions - weekly + adapting.answers.len()..)
            .map(|((query, shown), n_answered)| Question {
                query,
                series: &session.series()[query.series],
                shown: shown.clone(),
                kind: session.config().query.answers,
                n_answered,
                budget: questions + adapting.answers.len(),
            })
            .collect();
        adapting.answers.extend(ask(&mut oracle, &questions)?.answers);
        adapting.pending.extend(pending);
        adapting.session = session.clone();
        session.restore_round(adapting.pending.clone());
        Ok(session.detector_after(&adapting.answers))
    }

    /// Random questions about a week, each with the points that are shown.
    fn random_questions(&self, session: &Session, week: usize, n: usize) -> rlad::Result<Vec<(Query, Range<usize>)>> {
        let (mut of_week, mut starts) = (Vec::new(), Vec::new());
        for (at, (series, weeks)) in self.data.series.iter().zip(&self.weeks).enumerate() {
            let points = points_of(weeks, week);
            if !points.is_empty() {
                starts.push((at, points.start));
                of_week.push(slice(series, points)?);
            }
        }
        // A draw of its own for each week.
        let seed = self.task.seed.wrapping_mul(10_007).wrapping_add(week as u64 + 1);
        let drawn = random_questions(&of_week, Part::ALL, n, seed);
        let numbered = drawn.into_iter().zip(session.next_question()..).map(|(query, id)| {
            let (series, start) = starts[query.series];
            let query = Query { id, series, point: start + query.point, ..query };
            let shown = session.shown(&query);
            (query, shown)
        });
        Ok(numbered.collect())
    }

    /// Of each series its first so many points.
    fn first_points(&self, ends: &[usize]) -> rlad::Result<Vec<Series>> {
        self.data.series.iter().zip(ends).map(|(series, end)| slice(series, 0..*end)).collect()
    }

    /// The truth of these points.
    fn truths(&self, ends: &[usize]) -> Vec<Option<Truth>> {
        let cut = |(truth, end): (&Option<Truth>, &usize)| Some(Truth::new(truth.as_ref()?.labels()[..*end].to_vec()));
        self.data.truths.iter().zip(ends).map(cut).collect()
    }

    /// The expert that the suite asks for.
    fn oracle<'b>(&self, truths: &'b [Option<Truth>]) -> TruthOracle<'b> {
        let entry = &self.task.entry;
        let (error_rate, unsure_rate) = (entry.error_rate.unwrap_or(0.0), entry.unsure_rate.unwrap_or(0.0));
        let style: AnswerStyle = entry.expert.unwrap_or_default();
        TruthOracle::new(truths).with_style(style).with_mistakes(error_rate, unsure_rate, self.task.seed)
    }
}

/// A session whose data grow, and the weekly answers that its agent does not learn from.
struct Adapting {
    session: Session,
    /// The questions of those answers, with the points that were shown.
    pending: Vec<(Query, Range<usize>)>,
    answers: Vec<(u64, Answer)>,
}

impl Adapting {
    /// The points that answers labelled.
    fn n_labelled_points(&self, n_series: usize) -> usize {
        let mut labels = vec![Labels::default(); n_series];
        let pending = self.pending.iter().map(|(query, _)| query).zip(self.answers.iter().map(|(_, answer)| answer));
        let answered = self.session.answered().iter().map(|(query, answer)| (query, answer));
        for (query, answer) in answered.chain(pending) {
            labels[query.series].teach(query.point, answer);
        }
        labels.iter().map(Labels::len).sum()
    }
}

/// The points of a week; none after the last one of a series.
fn points_of(weeks: &[Range<usize>], week: usize) -> Range<usize> {
    weeks.get(week).cloned().unwrap_or(0..0)
}

/// Some points of a series as a series.
fn slice(series: &Series, points: Range<usize>) -> rlad::Result<Series> {
    let n = series.n_channels();
    Series::new(
        series.name(),
        series.channels().to_vec(),
        series.time_format(),
        series.timestamps()[points.clone()].to_vec(),
        series.values()[points.start * n..points.end * n].to_vec(),
        Some(series.step()),
    )
}

/// The scores of no points yet.
fn nothing(series: &Series, model: &Model) -> SeriesScores {
    SeriesScores {
        series: series.name().to_owned(),
        time_format: series.time_format(),
        timestamps: Vec::new(),
        scores: Vec::new(),
        alarms: Vec::new(),
        threshold: model.threshold(),
        model: String::new(),
    }
}
