//! `rlad serve` as a program, against what goes wrong: kills, a full disk, a database that is away, broken files, hostile senders.
//!
//! A test speaks `remote_write` itself and plays the database and Alertmanager.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]
#![expect(clippy::print_stdout, reason = "what was seen is a result, with `--nocapture`")]

mod away;
mod commands;
mod database;
mod disk;
#[path = "../../src/serve/client/fake.rs"]
#[expect(dead_code, reason = "the unit tests use more of it")]
mod fake;
mod hostile;
mod kills;
mod learning;
mod reload;
mod safety;
mod sender;
mod senders;
mod service;
