//! The user's browser.

use std::env;

use crate::output::tell;

/// Opens a page in the user's browser, where there is a desktop to open it on. That it cannot be opened is told, and nothing more: the
/// address stands above.
pub(crate) fn open(url: &str) {
    if has_desktop()
        && let Err(error) = open::that_detached(url)
    {
        tell(&format!("cannot open a browser: {error}"));
    }
}

/// Whether windows can be shown: without a display, a browser in text would take the terminal.
fn has_desktop() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(any(windows, target_os = "macos")) || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}
