//! The labelling page in a headless Chromium, with the program behind it: by keys, by mouse, over reloads, by two at once.
//!
//! They need `chromium` and `chromedriver`. Where `CI` is not set and there is no `chromedriver`, they say so and pass.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]
#![expect(clippy::print_stderr, reason = "figures are told, not judged")]

mod alarms;
mod browser;
mod charts;
mod expert;
mod labels;
mod links;
mod looks;
mod server;
mod sessions;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One browser test at a time, so that none is starved; `None` where there is no browser and none must be.
fn turn() -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    let is_there = std::process::Command::new("chromedriver").arg("--version").output().is_ok();
    if !is_there && std::env::var_os("CI").is_none() {
        eprintln!("skipped: there is no `chromedriver`");
        return None;
    }
    Some(TURN.lock().unwrap_or_else(PoisonError::into_inner))
}
