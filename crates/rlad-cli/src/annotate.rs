//! The labelling server: one session's questions, answers and labels, shared by everybody who works on it.
//!
//! A learner ([`learner`]) owns the session and publishes the questions of a round; experts, at the page ([`http`]) or the
//! terminal ([`terminal_client`]), answer them. Each action is an entry of the log, on disk before it is confirmed; the present
//! labels are always worked out from the entries. Each entry carries the round that learns from it, so that a session that is
//! killed learns the same from the same log.
//!
//! Each module uses only those before it: `api_error`, `overview`, `runs`, `scored`, `source`, `server`, `label_runs`, `assignment`,
//! `responses`, `reads`, `actions`, `exchange`, `learner`, `terminal_client`, `page`, `http`.

mod actions;
mod api_error;
mod assignment;
mod exchange;
mod http;
mod label_runs;
mod learner;
mod overview;
mod page;
mod reads;
mod responses;
mod runs;
mod scored;
mod server;
mod source;
mod terminal_client;
#[cfg(test)]
mod tests;

pub(crate) use self::http::{Bound, Options, serve};
pub(crate) use self::learner::Learner;
pub(crate) use self::server::{Data, LabellingServer, SessionStart, Settings};
pub(crate) use self::source::DataSource;
pub(crate) use self::terminal_client::at_terminal;
