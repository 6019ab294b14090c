//! The clock of this machine, and waits that an end cuts short.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)
}

/// Whether the service ends; all clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending(Arc<(Mutex<bool>, Condvar)>);

impl Ending {
    /// Tells that it ends.
    pub(crate) fn end(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether it ends.
    pub(crate) fn is_now(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a time; whether the service ends.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut ends = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*ends {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            ends = self.0.1.wait_timeout(ends, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_cuts_a_wait_short() {
        let ending = Ending::default();
        assert!(!ending.wait(Duration::from_millis(5)) && !ending.is_now());
        let other = ending.clone();
        let thread = std::thread::spawn(move || other.wait(Duration::from_secs(60)));
        ending.end();
        assert!(thread.join().unwrap() && ending.is_now());
    }
}
