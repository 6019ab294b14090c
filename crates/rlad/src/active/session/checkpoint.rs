//! The state of a session between two rounds, as bytes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::growth::{Place, SeriesExtent};
use super::past::{PastAnswer, StoredLabels, time_of, words};
use super::{Feedback, Session};
use crate::active::query::Query;
use crate::agent::dqn::Dqn;
use crate::agent::ensemble::Member;
use crate::agent::pool::{KnownEcdfs, PoolPoint};
use crate::agent::replay::{ReplayBuffer, Transition};
use crate::config::Config;
use crate::data::label::{Answer, Label};
use crate::data::series::{Part, Series};
use crate::detect::model::{network, put, trees, under};
use crate::error::{Error, Result};
use crate::features::n_features;
use crate::features::surprisal::EcdfsBySeries;
use crate::features::tree_row::n_tree_features;
use crate::models::qnet::{Adam, QNetworkShape};
use crate::models::tensor_file::{self, Tensors, misfit};

/// The record of a checkpoint, beside the tensors.
#[derive(Serialize, Deserialize)]
struct CheckpointRecord {
    config: Config,
    fingerprint: String,
    round: usize,
    n_gradient_steps: u64,
    /// Of each network, the steps that its optimiser has taken and where the next transition goes in its replay buffer.
    members: Vec<(u64, usize)>,
    answered: Vec<(Query, Answer)>,
    agreements: Vec<f64>,
    /// Feedback of experts, unprompted annotations among the answers; empty where they only answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    feedback: Vec<Feedback>,
    /// The training part of each series. Without it, as before this was kept, the data must be the same.
    #[serde(default)]
    extents: Vec<SeriesExtent>,
    /// Where each of `answered` belongs.
    #[serde(default)]
    places: Vec<Place>,
    /// Where each of `feedback` belongs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    places_of_feedback: Vec<Place>,
    /// The points that were shown with questions where those shown now are others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    shown_then: BTreeMap<u64, Range<usize>>,
    /// Answers about points that left the data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    past_answers: Vec<PastAnswer>,
    /// Of each series, the points that are new since the data grew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recent: Vec<Range<usize>>,
    /// The first round whose answers are about what the detector did in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    live_since: Option<usize>,
}

impl Session {
    /// The whole state between two rounds: weights, target networks, optimisers, replay buffers, ε, labels and questions.
    /// The random streams follow from the seed and the round.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        let mut tensors = Tensors::new();
        for (i, member) in self.agent.members.iter().enumerate() {
            put(&mut tensors, &format!("{i}.online."), member.dqn.online.tensors());
            put(&mut tensors, &format!("{i}.target."), member.dqn.target.tensors());
            put(&mut tensors, &format!("{i}.adam."), member.dqn.adam.tensors());
            let transitions = member.dqn.replay.transitions();
            let rows: Vec<f32> = transitions.iter().flat_map(to_row).collect();
            if !transitions.is_empty() {
                let time = |(series, point): PoolPoint| self.series[series].timestamps()[point];
                let times: Vec<f32> = transitions.iter().flat_map(|transition| words(time(transition.at()))).collect();
                tensors.insert(format!("{i}.replay_times"), (vec![times.len() / 2, 2], times));
            }
            if let Some(trees) = &member.trees {
                put(&mut tensors, &format!("{i}.trees."), trees.tensors());
            }
            tensors.insert(format!("{i}.replay"), (vec![rows.len() / ROW, ROW], rows));
        }
        self.stored_labels().put(&mut tensors);
        put(&mut tensors, ECDFS, self.pool.ecdfs_by_series().tensors());
        let record = CheckpointRecord {
            extents: self.extents(),
            places: self.places(),
            places_of_feedback: self.places_of_feedback(),
            shown_then: self.shown_then.clone(),
            past_answers: self.past_answers.clone(),
            recent: self.recent.clone(),
            live_since: self.live_since,
            config: self.config.clone(),
            fingerprint: self.fingerprint.clone(),
            round: self.round,
            n_gradient_steps: self.agent.n_gradient_steps,
            members: self.agent.members.iter().map(|m| (m.dqn.adam.n_steps(), m.dqn.replay.next())).collect(),
            answered: self.answered.clone(),
            agreements: self.agreements.clone(),
            feedback: self.feedback.clone(),
        };
        tensor_file::write("checkpoint", &tensors, &record).0
    }

    /// The session of a checkpoint, on the data that it was begun on or on data that have grown since: later points, new series, series
    /// that ended, old points that are not there any more. Answers stay their series' and their time's; [`Self::growth`] tells what changed.
    /// `path` is for errors. `questions` is a new number of questions in all.
    ///
    /// A session that goes on with the same data ends in the bytes of one that was never stopped. Over data that grew, the detector of the
    /// last round stands until the next one, on features and distributions that know the new points; questions that were asked and
    /// not yet taught are asked again by [`Self::restore_round`] only.
    ///
    /// # Errors
    /// [`Error::Format`], [`Error::Version`] or [`Error::Damaged`] where the bytes are not a whole checkpoint of this
    /// version, or none of its series is in the data; the errors of [`Session::new`].
    pub fn resume(
        path: &Path,
        bytes: &[u8],
        series: impl Into<Arc<[Series]>>,
        questions: Option<usize>,
    ) -> Result<Self> {
        let (tensors, mut record, _): (_, CheckpointRecord, _) = tensor_file::read(path, "checkpoint", bytes)?;
        let series = series.into();
        let is_same = record.fingerprint == fingerprint(&series, record.config.part);
        if !is_same {
            record.check_growth(path, &series)?;
        }
        record.config.questions = questions.unwrap_or(record.config.questions);
        // Before a session makes networks of the size that the settings name: those of the file are as large as the file.
        let members = record.members(path, &tensors, &series)?;
        let misfit = |problem: String| misfit(path, "checkpoint", problem);
        let known = record.ecdfs(&tensors, &series).map_err(misfit)?;
        let mut session = Self::over(record.config, series, known.as_ref())?;
        let n_tree_features = n_tree_features(session.pool.n_features);
        let stored = StoredLabels::from_tensors(&tensors, n_tree_features).map_err(misfit)?;
        session.round = record.round;
        session.agreements = record.agreements;
        session.past_answers = record.past_answers;
        session.live_since = record.live_since;
        session.agent.n_gradient_steps = record.n_gradient_steps;
        session.agent.uses_networks &= session.round == 0 || session.config.agent.steps_per_round > 0;
        if is_same {
            session.check_recent(&record.recent, &record.shown_then).map_err(misfit)?;
            (session.shown_then, session.recent) = (record.shown_then, record.recent);
            session.check_asked(&record.answered).map_err(misfit)?;
            for (query, answer) in record.answered {
                session.take_in(query, answer);
            }
            if !record.feedback.is_empty() {
                session.checked_answers(&[], &record.feedback)?;
                session.labels = session.labels_of(&record.feedback);
                session.feedback = record.feedback;
            }
        } else {
            let feedback = (record.feedback, &record.places_of_feedback[..]);
            session.take_in_moved(record.answered, &record.places, feedback, &record.extents);
        }
        session.take_in_stored(&stored, &record.extents);
        let series = Arc::clone(&session.series);
        let index: BTreeMap<&str, usize> = series.iter().enumerate().map(|(at, series)| (series.name(), at)).collect();
        for (i, (member, mut stored)) in session.agent.members.iter_mut().zip(members).enumerate() {
            let replay = &mut stored.dqn.replay;
            if is_same {
                let is_known = |(series, point): (usize, usize)| {
                    session.pool.series.get(series).is_some_and(|series| series.training.contains(&point))
                };
                if let Some(transition) = replay.transitions().iter().find(|transition| !is_known(transition.at())) {
                    let (series, point) = transition.at();
                    let problem =
                        format!("a replay buffer has point {point} of series {series}, which is no training point");
                    return Err(misfit(problem));
                }
            } else {
                // What the data do not hold any more has no state to learn from.
                let times = tensors.get(&format!("{i}.replay_times")).map_or(&[][..], |(_, times)| times);
                let find = |then: usize, time: i64| {
                    let name = &record.extents.get(then)?.name;
                    let at = *index.get(name.as_str())?;
                    let point = series[at].timestamps().binary_search(&time).ok()?;
                    session.pool.series[at].training.contains(&point).then_some((at, point))
                };
                let kept =
                    replay.transitions().iter().zip(times.as_chunks::<2>().0).filter_map(|(transition, time)| {
                        let (series, point) = find(transition.at().0, time_of(*time))?;
                        let (series, point) = (u32::try_from(series).ok()?, u32::try_from(point).ok()?);
                        Some(Transition { series, point, ..*transition })
                    });
                let mut moved = ReplayBuffer::new(session.config.paper.replay_capacity);
                kept.for_each(|transition| moved.push(transition));
                *replay = moved;
            }
            *member = stored;
        }
        session.residuals = session.residuals();
        Ok(session)
    }
}

impl Session {
    /// Refuses new points, and points that were shown, that the data do not have.
    fn check_recent(
        &self,
        recent: &[Range<usize>],
        shown: &BTreeMap<u64, Range<usize>>,
    ) -> std::result::Result<(), String> {
        let fits = |(series, new): (usize, &Range<usize>)| {
            new.is_empty() || new.start <= new.end && new.end <= self.pool.series_end(series)
        };
        let is_ok = (recent.is_empty() || recent.len() == self.series.len()) && recent.iter().enumerate().all(fits);
        let longest = self.series.iter().map(Series::len).max().unwrap_or(0);
        if !is_ok || shown.values().any(|shown| shown.is_empty() || shown.end > longest) {
            return Err("it has new points, or points that were shown, that the data do not have".to_owned());
        }
        Ok(())
    }

    /// Refuses questions that this session cannot have asked: about points that are not its own, or with answers that do not fit.
    fn check_asked(&self, answered: &[(Query, Answer)]) -> std::result::Result<(), String> {
        for (query, answer) in answered {
            let (id, series, point) = (query.id, query.series, query.point);
            if id > MOST || query.round as u64 > MOST {
                return Err(format!("question {id} of round {} is beyond all that can be asked", query.round));
            }
            if !self.pool.has((series, point)) {
                return Err(format!(
                    "question {id} is about point {point} of series {series}, which is no training point"
                ));
            }
            self.check(query, answer).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

impl CheckpointRecord {
    /// Refuses data that have nothing of those before, and places that do not fit what was answered.
    fn check_growth(&self, path: &Path, series: &[Series]) -> Result<()> {
        let is_known = |series: &Series| self.extents.iter().any(|extent| extent.name == series.name());
        if !series.iter().any(is_known) {
            let expected = match self.extents.as_slice() {
                [] => "a checkpoint of these data: its series or their points have changed".to_owned(),
                [one] => format!("a checkpoint of these data: its series `{}` is not among them", one.name),
                [one, ..] => format!(
                    "a checkpoint of these data: none of its {} series is among them, such as `{}`",
                    self.extents.len(),
                    one.name
                ),
            };
            return Err(Error::Format { path: path.to_owned(), expected, source: None });
        }
        let fits = |place: &Place, answer: &Answer| match answer {
            Answer::Spans(spans) => place.n_spans() == spans.len(),
            Answer::Unsure | Answer::Skip => true,
        };
        let is_ok = self.places.len() == self.answered.len()
            && self.places.iter().zip(&self.answered).all(|(place, (_, answer))| fits(place, answer))
            && self.places_of_feedback.len() == self.feedback.len()
            && self.places_of_feedback.iter().zip(&self.feedback).all(|(place, item)| match item {
                Feedback::Answer { answer, .. } => fits(place, answer),
                Feedback::Unprompted { spans, .. } => place.n_spans() == spans.len() || spans.is_empty(),
            });
        let problem = "the places of its answers do not fit the answers";
        if is_ok { Ok(()) } else { Err(misfit(path, "checkpoint", problem)) }
    }

    /// The distributions that the session knew, by series, and how far they go; `None` where there are none.
    fn ecdfs(&self, tensors: &Tensors, series: &[Series]) -> std::result::Result<Option<KnownEcdfs>, String> {
        let named = under(tensors, ECDFS);
        if named.is_empty() || self.extents.is_empty() {
            return Ok(None);
        }
        let n_channels = series.first().map_or(0, Series::n_channels);
        let n_features = n_features(&self.config.state.features, n_channels);
        let mut names: Vec<String> = self.extents.iter().map(|extent| extent.name.clone()).collect();
        names.sort();
        let ecdfs = EcdfsBySeries::from_tensors(n_features, n_channels, names, &named)?;
        let seen = self.extents.iter().map(|extent| (extent.name.clone(), (extent.first, extent.last))).collect();
        let rare = if self.config.agent.has_prior() { self.config.agent.prior.even_surprisal() } else { f64::INFINITY };
        Ok(Some(KnownEcdfs { ecdfs, seen, drift: self.config.drift.clone(), rare }))
    }

    /// The members by the tensors of the file.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting outside of its range, [`Error::Format`] where the tensors do not fit the settings or the record.
    fn members(&self, path: &Path, tensors: &Tensors, series: &[Series]) -> Result<Vec<Member>> {
        self.config.validate()?;
        let misfit = |problem: String| misfit(path, "checkpoint", problem);
        let (agent, capacity) = (&self.config.agent, self.config.paper.replay_capacity);
        if self.members.len() != agent.n_members {
            return Err(misfit(format!("it has {} members, but its settings {}", self.members.len(), agent.n_members)));
        }
        if self.round as u64 > MOST || self.n_gradient_steps > MOST {
            return Err(misfit(format!(
                "round {} after {} gradient steps is too far",
                self.round, self.n_gradient_steps
            )));
        }
        let n_channels = series.first().map_or(0, Series::n_channels);
        let shape = QNetworkShape {
            n_features: n_features(&self.config.state.features, n_channels),
            n_units: agent.n_units,
            skip: agent.skip,
            head_units: agent.head_units,
        };
        let member = |(i, &(adam_steps, next)): (usize, &(u64, usize))| {
            let online = network(path, tensors, &format!("{i}.online."), shape)?;
            let target = network(path, tensors, &format!("{i}.target."), shape)?;
            if adam_steps > MOST {
                return Err(misfit(format!(
                    "the optimiser of member {i} has taken {adam_steps} steps, which is too many"
                )));
            }
            let adam = Adam::from_tensors(shape, &under(tensors, &format!("{i}.adam.")), adam_steps)
                .map_err(|error| misfit(format!("the optimiser of member {i}: {error}")))?;
            let rows = tensors
                .get(&format!("{i}.replay"))
                .ok_or_else(|| misfit(format!("member {i} has no replay buffer")))?;
            let transitions: Vec<Transition> = rows.1.as_chunks::<ROW>().0.iter().map(from_row).collect();
            if transitions.len() > capacity || next >= capacity || next > transitions.len() {
                let n = transitions.len();
                return Err(misfit(format!(
                    "the replay buffer of member {i} has {n} of {capacity} transitions and goes on at {next}"
                )));
            }
            if transitions.iter().any(|transition| !(transition.weight >= 0.0 && transition.weight.is_finite())) {
                return Err(misfit(format!(
                    "the replay buffer of member {i} has a weight that is no number of at least 0"
                )));
            }
            let replay = ReplayBuffer::restore(capacity, transitions, next);
            let trees = trees(path, tensors, &format!("{i}.trees."), shape.n_features)?;
            Ok(Member { dqn: Dqn { online, target, adam, replay }, trees })
        };
        self.members.iter().enumerate().map(member).collect()
    }
}

/// The most rounds, questions and gradient steps that a session can come to: a sum of two of them fits.
const MOST: u64 = u32::MAX as u64;

/// Under which the distributions stand.
const ECDFS: &str = "ecdfs.";

/// The numbers of a stored transition.
const ROW: usize = 5;

/// A transition as 32-bit words: integers stand as the bits of a float, so that a tensor holds them exactly.
fn to_row(transition: &Transition) -> [f32; ROW] {
    let label = u32::from(transition.label == Label::Anomaly);
    [
        f32::from_bits(transition.series),
        f32::from_bits(transition.point),
        f32::from_bits(label),
        f32::from_bits(u32::from(transition.action == 1)),
        transition.weight,
    ]
}

fn from_row(row: &[f32; ROW]) -> Transition {
    Transition {
        series: row[0].to_bits(),
        point: row[1].to_bits(),
        label: if row[2].to_bits() == 1 { Label::Anomaly } else { Label::Normal },
        action: usize::from(row[3].to_bits() == 1),
        weight: row[4],
    }
}

/// A hash of all that a session learns from: the names, timestamps and values of each series' training part.
pub(super) fn fingerprint(series: &[Series], part: Part) -> String {
    let mut hasher = Sha256::new();
    for series in series {
        let training = series.part(part);
        hasher.update(format!("{:?} {:?} {training:?} {}\n", series.name(), series.channels(), series.step()));
        let end = training.end;
        let mut bytes = Vec::with_capacity(end * 8 * (1 + series.n_channels()));
        series.timestamps()[..end].iter().for_each(|timestamp| bytes.extend(timestamp.to_le_bytes()));
        series.values()[..end * series.n_channels()]
            .iter()
            .for_each(|value| bytes.extend(value.to_bits().to_le_bytes()));
        hasher.update(&bytes);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::TruthOracle;
    use crate::data::label::Truth;
    use crate::data::series::{NANOS_PER_SECOND, TimeFormat};

    fn data() -> Vec<Series> {
        let times = (0..160).map(|i| i * 3_600 * NANOS_PER_SECOND).collect();
        let values = (0..160).map(|i| f64::from(i % 24) + if i % 37 == 31 { 40.0 } else { 0.0 }).collect();
        vec![Series::new("cpu", vec!["value".into()], TimeFormat::Seconds, times, values, None).unwrap()]
    }

    /// The checkpoint of a small session of the paper's preset, which has a replay buffer.
    fn checkpoint() -> Vec<u8> {
        let mut config = Config { questions: 6, ..Config::paper() };
        (config.state.n_steps, config.agent.n_units, config.agent.head_units) = (4, 2, 0);
        (config.agent.steps_per_round, config.agent.final_steps) = (2, 2);
        let label = |i: usize| Some(if i % 37 == 31 { Label::Anomaly } else { Label::Normal });
        let mut session = Session::new(config, data()).unwrap();
        session.run(&mut TruthOracle::new(&[Some(Truth::new((0..160).map(label).collect()))])).unwrap();
        session.checkpoint()
    }

    /// A change of a checkpoint, and words of the refusal.
    type Change = (fn(&mut Tensors, &mut Value), &'static str);

    #[test]
    fn a_checkpoint_that_was_changed_and_hashed_anew_is_refused() {
        let changes: &[Change] = &[
            (|_, record| record["round"] = json!(u64::MAX), "is too far"),
            (|_, record| record["n_gradient_steps"] = json!(u64::MAX), "is too far"),
            (|_, record| record["members"] = json!([]), "it has 0 members, but its settings 1"),
            (|_, record| record["members"][0][0] = json!(u64::MAX), "too many"),
            (|_, record| record["members"][0][1] = json!(u64::MAX), "goes on at 18446744073709551615"),
            (|_, record| record["config"]["agent"]["n_members"] = json!(64), "it has 1 members, but its settings 64"),
            (|_, record| record["config"]["agent"]["n_units"] = json!(4_096), "weights of its networks"),
            (|_, record| record["answered"][0][0]["series"] = json!(7), "point"),
            (|_, record| record["answered"][0][0]["point"] = json!(160), "which is no training point"),
            (|_, record| record["answered"][0][0]["id"] = json!(u64::MAX), "beyond all that can be asked"),
            (
                |_, record| {
                    record["answered"][0][1] = json!({"spans": [{"first": 0, "last": u64::MAX, "label": "anomaly"}]})
                },
                "labels a point that was not asked about",
            ),
            (
                |_, record| record["feedback"] = json!([{"unprompted": {"series": 9, "spans": []}}]),
                "series 9 is not in the session's data",
            ),
            (|tensors, _| tensors.get_mut("0.replay").unwrap().1[0] = f32::from_bits(7), "of series 7"),
            (|tensors, _| tensors.get_mut("0.replay").unwrap().1[1] = f32::from_bits(160), "point 160 of series 0"),
            (|tensors, _| tensors.get_mut("0.replay").unwrap().1[4] = f32::NAN, "a weight that is no number"),
        ];
        let file = checkpoint();
        let (tensors, record, _) = tensor_file::read::<Value>(Path::new("c"), "checkpoint", &file).unwrap();
        assert!(Session::resume(Path::new("c"), &file, data(), None).is_ok());
        for (number, (change, words)) in changes.iter().enumerate() {
            let (mut tensors, mut record) = (tensors.clone(), record.clone());
            change(&mut tensors, &mut record);
            let (bytes, _) = tensor_file::write("checkpoint", &tensors, &record);
            let error = Session::resume(Path::new("c"), &bytes, data(), None).expect_err(words);
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            let found = format!("{error}: {cause}");
            assert!(found.contains(words), "{number}: {found}");
        }
    }
}
