//! Everything random comes from one seed: each purpose, and each turn of it, has a stream of its own, so that a run can
//! be resumed at any round without any generator's state.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What random numbers are for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// The isolation forest.
    Forest = 1,
    /// Initial weights and mini-batches, dropout and noise.
    Training = 2,
    /// Which points are ranked, and the random questions.
    Query = 3,
    /// Which unlabelled windows take part in propagation.
    Propagation = 4,
    /// The actions of the ε-greedy policy.
    Policy = 5,
    /// The mistakes of a simulated expert.
    Expert = 6,
    /// Which training windows a baseline is fitted on, or scored for its threshold.
    Windows = 7,
    /// The labelled points and features that each tree sees.
    Trees = 8,
    /// The sample on which rounds are compared, and the draws of the expected quality.
    Quality = 9,
}

/// The stream of random numbers for a purpose and its `turn` (a round, a question, a network).
pub(crate) fn stream(seed: u64, purpose: Purpose, turn: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(((purpose as u64) << 56) | turn);
    rng
}
