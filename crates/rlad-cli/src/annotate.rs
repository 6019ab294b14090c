//! The labelling server: one session's questions, answers and labels, shared by everybody who works on it.
//!
//! A learner ([`learner`]) owns the session and publishes the questions of a round; experts, at the page ([`http`]) or the
//! terminal ([`terminal_client`]), answer them. Each action is an entry of the log, on disk before it is confirmed; the present
//! labels are always worked out from the entries. Each entry carries the round that learns from it, so that a session that is
//! killed learns the same from the same log.
//!
//! Each module uses only those before it: `api_error`, `random`, `overview`, `runs`, `scored`, `source`, `suggestions`, `server`,
//! `label_runs`, `assignment`, `responses`, `reads`, `places`, `actions`, `decisions`, `links`, `exchange`, `learner`, `opening`,
//! `terminal_client`, `page`, `http`.

mod actions;
mod api_error;
mod assignment;
mod decisions;
mod exchange;
mod http;
mod label_runs;
mod learner;
mod links;
mod opening;
mod overview;
mod page;
mod places;
mod random;
mod reads;
mod responses;
mod runs;
mod scored;
mod server;
mod source;
mod suggestions;
mod terminal_client;
#[cfg(test)]
mod tests;

pub(crate) use self::http::{
    Bound, Gate, Listening, Options, PageSlot, is_same, listen, page_router, serve, waiting_router,
};
pub(crate) use self::learner::Learner;
pub(crate) use self::opening::Opening;
pub(crate) use self::server::{Data, LabellingServer, SessionStart, Settings};
pub(crate) use self::source::DataSource;
pub(crate) use self::suggestions::{SuggestedKind, Suggestion, Suggestions};
pub(crate) use self::terminal_client::at_terminal;
