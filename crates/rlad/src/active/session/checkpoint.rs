//! The state of a session between two rounds, as bytes.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Feedback, Session};
use crate::active::query::Query;
use crate::agent::dqn::Dqn;
use crate::agent::ensemble::Member;
use crate::agent::replay::{ReplayBuffer, Transition};
use crate::config::Config;
use crate::data::label::{Answer, Label};
use crate::data::series::{Part, Series};
use crate::detect::model::{network, put, trees, under};
use crate::error::{Error, Result};
use crate::features::n_features;
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
            let rows: Vec<f32> = member.dqn.replay.transitions().iter().flat_map(to_row).collect();
            if let Some(trees) = &member.trees {
                put(&mut tensors, &format!("{i}.trees."), trees.tensors());
            }
            tensors.insert(format!("{i}.replay"), (vec![rows.len() / ROW, ROW], rows));
        }
        let record = CheckpointRecord {
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

    /// The session of a checkpoint, on the data that it was begun on; `path` is for errors. `questions` is a new number of questions in all.
    ///
    /// # Errors
    /// [`Error::Format`], [`Error::Version`] or [`Error::Damaged`] where the bytes are not a whole checkpoint of this
    /// version, or the data are others; the errors of [`Session::new`].
    pub fn resume(
        path: &Path,
        bytes: &[u8],
        series: impl Into<Arc<[Series]>>,
        questions: Option<usize>,
    ) -> Result<Self> {
        let (tensors, mut record, _): (_, CheckpointRecord, _) = tensor_file::read(path, "checkpoint", bytes)?;
        let series = series.into();
        if record.fingerprint != fingerprint(&series, record.config.part) {
            let expected = "a checkpoint of these data: its series or their points have changed".to_owned();
            return Err(Error::Format { path: path.to_owned(), expected, source: None });
        }
        record.config.questions = questions.unwrap_or(record.config.questions);
        // Before a session makes networks of the size that the settings name: those of the file are as large as the file.
        let members = record.members(path, &tensors, &series)?;
        let mut session = Self::new(record.config, series)?;
        let misfit = |problem: String| misfit(path, "checkpoint", problem);
        session.check_asked(&record.answered).map_err(misfit)?;
        session.round = record.round;
        session.agreements = record.agreements;
        session.agent.n_gradient_steps = record.n_gradient_steps;
        session.agent.uses_networks &= session.round == 0 || session.config.agent.steps_per_round > 0;
        for (query, answer) in record.answered {
            session.take_in(query, answer);
        }
        if !record.feedback.is_empty() {
            session.checked_answers(&[], &record.feedback)?;
            session.labels = session.labels_of(&record.feedback);
            session.feedback = record.feedback;
        }
        for (member, stored) in session.agent.members.iter_mut().zip(members) {
            let is_known = |(series, point): (usize, usize)| {
                session.pool.series.get(series).is_some_and(|series| series.training.contains(&point))
            };
            if let Some(transition) =
                stored.dqn.replay.transitions().iter().find(|transition| !is_known(transition.at()))
            {
                let (series, point) = transition.at();
                let problem =
                    format!("a replay buffer has point {point} of series {series}, which is no training point");
                return Err(misfit(problem));
            }
            *member = stored;
        }
        Ok(session)
    }
}

impl Session {
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
