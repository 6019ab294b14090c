//! Progress of long work: a bar with the time that is left, once the work has taken two seconds.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::visible::visible;

/// Work that ends before this shows no bar.
const DELAY: Duration = Duration::from_secs(2);

/// The progress of one piece of work, on stderr; silent where stderr is no terminal. Dropping it removes the bar.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Where the bar goes once it is due; `None` once it is there.
    target: Option<ProgressDrawTarget>,
    due: Instant,
}

impl Progress {
    /// The progress of work of `total` units, all of them ahead. `what` names the work: "training".
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        Self::on(ProgressDrawTarget::stderr(), what, total, DELAY)
    }

    fn on(target: ProgressDrawTarget, what: &'static str, total: u64, delay: Duration) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {eta} left {msg}");
        bar.set_style(style.expect("the template is right").progress_chars("━╸ "));
        bar.set_prefix(what);
        Self { bar, target: Some(target), due: Instant::now() + delay }
    }

    /// Says that `done` units are done.
    pub(crate) fn set(&mut self, done: u64) {
        self.bar.set_position(done);
        self.show_if_due();
    }

    /// Sets the text after the bar, such as the loss or the questions used.
    pub(crate) fn set_message(&mut self, message: &str) {
        self.bar.set_message(visible(message).into_owned());
        self.show_if_due();
    }

    fn show_if_due(&mut self) {
        if Instant::now() >= self.due
            && let Some(target) = self.target.take()
        {
            self.bar.set_draw_target(target);
            self.bar.tick();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;

    /// A terminal that keeps what is written to it.
    #[derive(Clone, Debug, Default)]
    struct Paper(Arc<Mutex<String>>);

    impl Paper {
        fn text(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().unwrap().push('\n');
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn run(delay: Duration) -> String {
        let paper = Paper::default();
        let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
        let mut progress = Progress::on(target, "training", 10, delay);
        progress.set(3);
        progress.set_message("loss 0.25, 40 questions");
        paper.text()
    }

    #[test]
    fn short_work_shows_nothing() {
        assert_eq!(run(DELAY), "");
        assert!(Progress::new("training", 10).bar.is_hidden());
    }

    #[test]
    fn long_work_shows_what_is_done_and_left() {
        let text = run(Duration::ZERO);
        for part in ["training", "━", "3/10", "left", "loss 0.25, 40 questions"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_finished_bar_is_removed() {
        let paper = Paper::default();
        let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
        let mut progress = Progress::on(target, "training", 10, Duration::ZERO);
        progress.set(3);
        let before = paper.text();
        drop(progress);
        let after = paper.text()[before.len()..].to_owned();
        assert!(!before.is_empty() && after.starts_with('\n') && after.trim().is_empty(), "{after:?}");
    }
}
