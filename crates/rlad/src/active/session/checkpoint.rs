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
use crate::models::qnet::Adam;
use crate::models::tensor_file::{self, Tensors};

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
        let wrong =
            |expected: &str| Error::Format { path: path.to_owned(), expected: expected.to_owned(), source: None };
        let series = series.into();
        if record.fingerprint != fingerprint(&series, record.config.part) {
            return Err(wrong("a checkpoint of these data: its series or their points have changed"));
        }
        record.config.questions = questions.unwrap_or(record.config.questions);
        let mut session = Self::new(record.config, series)?;
        session.round = record.round;
        session.agreements = record.agreements;
        session.agent.n_gradient_steps = record.n_gradient_steps;
        session.agent.uses_networks &= session.round == 0 || session.config.agent.steps_per_round > 0;
        for (query, answer) in record.answered {
            session.take_in(query, answer);
        }
        if !record.feedback.is_empty() {
            session.labels = session.labels_of(&record.feedback);
            session.feedback = record.feedback;
        }
        let shape = session.agent.members[0].dqn.online.shape();
        let capacity = session.config.paper.replay_capacity;
        for (i, (member, (adam_steps, next))) in session.agent.members.iter_mut().zip(record.members).enumerate() {
            let online = network(path, &tensors, &format!("{i}.online."), shape)?;
            let adam = Adam::from_tensors(shape, &under(&tensors, &format!("{i}.adam.")), adam_steps)
                .map_err(|_| wrong("a checkpoint with the state of its optimisers"))?;
            let rows = tensors.get(&format!("{i}.replay")).ok_or_else(|| wrong("a checkpoint with replay buffers"))?;
            let transitions = rows.1.as_chunks::<ROW>().0.iter().map(from_row).collect();
            let of_trees = format!("{i}.trees.");
            let dqn = Dqn {
                target: network(path, &tensors, &format!("{i}.target."), shape)?,
                replay: ReplayBuffer::restore(capacity, transitions, next),
                online,
                adam,
            };
            *member = Member { dqn, trees: trees(path, &tensors, &of_trees, shape.n_features)? };
        }
        Ok(session)
    }
}

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
