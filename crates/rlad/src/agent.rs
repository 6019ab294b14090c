//! The agent: Q-networks with target networks and replay, boosted trees beside them, and the states that they learn from.
//!
//! `dqn` is algorithm 1 of the paper for one member, in the paper's order; `ensemble` is what several members make together, `score` how
//! their values become a score, `residual` what answers about one series add to it, `pool` the states of the training part, `replay` the replay buffer.

pub(crate) mod dqn;
pub(crate) mod ensemble;
pub(crate) mod pool;
pub(crate) mod replay;
pub(crate) mod residual;
pub(crate) mod score;
