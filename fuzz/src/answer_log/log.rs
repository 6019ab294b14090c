//! The modules of the log.
#![allow(dead_code, reason = "a part of the program")]

#[path = "../../../crates/rlad-cli/src/log/annotation.rs"]
pub(super) mod annotation;
#[path = "../../../crates/rlad-cli/src/log/entry.rs"]
pub(super) mod entry;
#[path = "../../../crates/rlad-cli/src/log/feedback.rs"]
pub(super) mod feedback;
#[path = "../../../crates/rlad-cli/src/log/file.rs"]
pub(super) mod file;
#[path = "../../../crates/rlad-cli/src/log/moved.rs"]
pub(super) mod moved;
#[path = "../../../crates/rlad-cli/src/log/schema.rs"]
pub(super) mod schema;
#[path = "../../../crates/rlad-cli/src/log/state.rs"]
pub(super) mod state;
