//! The assignment of questions: each question of one expert at a time, and some of them once more.

use std::time::{Duration, Instant};

use super::server::{LabellingServer, Lease, Phase, State};

/// How long a question is one expert's own.
const LEASE: Duration = Duration::from_secs(120);
/// An expert who was not seen for so long is not there.
const AWAY: Duration = Duration::from_secs(30 * 60);
/// The answers that an expert gives before the same question comes again.
const BETWEEN: usize = 10;

impl LabellingServer {
    /// The next question for an expert: the one that they had, one to be asked once more, or the first that nobody has
    /// answered. With it, whether it is asked once more.
    pub(super) fn assign(&self, state: &mut State, who: &str) -> Option<(u64, bool)> {
        let now = Instant::now();
        state.last_seen.insert(who.to_owned(), now);
        state.leases.retain(|_, lease| lease.until > now);
        let own = state.leases.iter().find(|(id, lease)| lease.who == who && (lease.again || !state.is_answered(**id)));
        let next = own
            .map(|(id, lease)| (*id, lease.again))
            .or_else(|| self.once_more(state, who, now).map(|id| (id, true)))
            .or_else(|| Some((first_open(state)?, false)))?;
        // An expert works on one question at a time.
        state.leases.retain(|_, lease| lease.who != who);
        state.leases.insert(next.0, Lease { who: who.to_owned(), until: now + LEASE, again: next.1 });
        Some(next)
    }

    /// Gives an expert a question, whose answer they took back.
    pub(super) fn hold(&self, state: &mut State, who: &str, question: u64) {
        state.leases.retain(|_, lease| lease.who != who);
        let until = Instant::now() + LEASE;
        state.leases.entry(question).or_insert_with(|| Lease { who: who.to_owned(), until, again: false });
    }

    /// Gives a question up once it is answered.
    pub(super) fn release(state: &mut State, who: &str, question: u64) {
        if state.leases.get(&question).is_some_and(|lease| lease.who == who) {
            state.leases.remove(&question);
        }
    }

    /// A question to be asked of an expert once more: of another one than answered it where there is one, else of the same
    /// after a while.
    fn once_more(&self, state: &State, who: &str, now: Instant) -> Option<u64> {
        if !matches!(state.phase, Phase::Asking | Phase::Learning) || self.settings.experts.reask_fraction <= 0.0 {
            return None;
        }
        // Alarms come first.
        let is_open_alarm = |id: &u64| {
            state.questions.get(id).is_some_and(|question| question.alarm.is_some()) && !state.is_answered(*id)
        };
        if state.pending.iter().any(is_open_alarm) {
            return None;
        }
        let others_are_there =
            state.last_seen.iter().any(|(other, seen)| other != who && now.duration_since(*seen) < AWAY);
        let n_before = |entry: i64| {
            let later = state.annotations.latest_first().take_while(|(number, _)| *number > entry);
            later.filter(|(_, entry)| entry.who == who && entry.is_answer()).take(BETWEEN).count()
        };
        state.questions.keys().copied().find(|&id| {
            let mut answers = state.annotations.answers_to(id);
            let (Some((entry, by, _)), None) = (answers.next(), answers.next()) else { return false };
            let is_chosen = draw(self.settings.seed, id) < self.settings.experts.reask_fraction;
            is_chosen
                && !state.leases.contains_key(&id)
                && if by == who { !others_are_there && n_before(entry) >= BETWEEN } else { true }
        })
    }
}

/// The first question that nobody has answered or works on: of earlier rounds where an answer was taken back, then of this one.
fn first_open(state: &State) -> Option<u64> {
    state.questions.keys().copied().find(|id| !state.leases.contains_key(id) && !state.is_answered(*id))
}

/// A number in `[0, 1)` from the seed and a question's number alone, so that it is the same question after a restart.
fn draw(seed: u64, question: u64) -> f64 {
    let mut key = seed ^ question.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((key ^ (key >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_even() {
        let n = (0..10_000).filter(|question| draw(7, *question) < 0.05).count();
        assert!((420..580).contains(&n), "{n}");
        assert!((0..100).all(|question| (0.0..1.0).contains(&draw(0, question))));
    }
}
