//! Steps at which a test lets the program die.
//!
//! `RLAD_ABORT_AT=STEP` ends the program at that step, `STEP:N` when it is reached the N-th time, with nothing written or told after it.
//! Programs without debug assertions have none of this.

/// A named step: the program ends here where a test says so.
#[cfg(debug_assertions)]
pub(crate) fn reach(step: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("RLAD_ABORT_AT").ok()?;
        let (step, n) = text.split_once(':').unwrap_or((&text, "1"));
        Some((step.to_owned(), AtomicU64::new(n.parse().ok()?)))
    });
    if let Some((of, left)) = wanted
        && of == step
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        std::process::abort();
    }
}

/// A named step: nothing happens.
#[cfg(not(debug_assertions))]
pub(crate) const fn reach(_: &str) {}
