//! Everything random comes from one seed: each purpose, and each turn of it, has a stream of its own, so that a run can
//! be resumed at any round without any generator's state.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The purpose of a stream of random numbers.
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
    #[cfg(feature = "baselines")]
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

/// Spreads the bits of a number over 64: one step of SplitMix64 (Steele, Lea and Flood 2014). For keys, not for draws.
pub(crate) const fn mix(key: u64) -> u64 {
    let mut z = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A fraction of `n`, rounded.
pub(crate) fn fraction_of(n: usize, fraction: f64) -> usize {
    (n as f64 * fraction).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixed_keys_are_splitmix64() {
        // The first numbers of the generator from the seeds 0 and 1234567, as its authors' code gives them.
        assert_eq!([mix(0), mix(1_234_567)], [0xe220_a839_7b1d_cdaf, 6_457_827_717_110_365_317]);
    }
}
