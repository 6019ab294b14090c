//! Ctrl-C: what is kept, and how to go on.

use crate::output::tell;

/// The exit code of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Ends the program at the next Ctrl-C, whatever it does, after a line for the user, if there is one. Files are replaced whole or not at
/// all, and every answer is in the log, so that nothing is lost.
pub(crate) fn leave_at_next(line: Option<String>) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if runtime.is_ok_and(|runtime| runtime.block_on(tokio::signal::ctrl_c()).is_ok()) {
            if let Some(line) = line {
                // Below what the terminal shows of the key.
                tell("");
                tell(&line);
            }
            #[expect(clippy::exit, reason = "the user wants to leave, and nothing is lost")]
            std::process::exit(INTERRUPTED);
        }
    });
}
