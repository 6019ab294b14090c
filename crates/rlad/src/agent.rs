//! The agent: Q-networks with target networks and replay, boosted trees beside them, and the states that they learn from.
//!
//! [`dqn`] is algorithm 1 of the paper for one member; [`ensemble`] is what several members make together.

pub(crate) mod ensemble;
pub(crate) mod pool;
pub(crate) mod replay;
pub(crate) mod score;
