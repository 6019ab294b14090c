//! Questions: which points to ask an expert about.

use serde::{Deserialize, Serialize};

/// Why a point is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Among the highest forest scores of its series (warm-up).
    Highest,
    /// Among the lowest forest scores of its series (warm-up).
    Lowest,
    /// Among the forest scores of its series nearest to .5 (warm-up).
    Middle,
    /// The query strategy ranked it first.
    Strategy,
    /// Drawn at random.
    Random,
}

/// One question: what is this point?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// The question's number in its session, from 0.
    pub id: u64,
    /// The round that asks it; 0 is the warm-up.
    pub round: usize,
    /// The index of the series in the session's data.
    pub series: usize,
    /// The point.
    pub point: usize,
    /// Why it is asked about.
    pub reason: Reason,
    /// The detector's score of the point when it was chosen: the forest's in the warm-up, the agent's after it.
    pub score: f64,
}
