//! The expert at the terminal: a chart of the window in text, and one key for each answer.
//!
//! [`screen`] has the keys, without a terminal; [`draw`] the picture; this file joins both to the real terminal.
//! The detector's score is not shown, so that the answer is the expert's own.

mod draw;
mod question;
mod screen;
mod taught;

use std::io::{self, IsTerminal, Stderr};
use std::sync::Once;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use crossterm::event::{self, Event};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::backend::CrosstermBackend;
use rlad::active::Reply;
use rlad::config::AnswerKind;
use rlad::{Cause, Oracle};

pub(crate) use self::question::Question;
pub(crate) use self::screen::Input;
use self::screen::Screen;
pub(crate) use self::taught::Taught;

/// How often what is shown is looked at anew while no key is pressed.
const TICK: Duration = Duration::from_millis(200);

/// The terminal in full-screen mode, on stderr, so that stdout stays free for data. Dropping it gives the terminal back.
#[derive(Debug)]
pub(crate) struct Terminal {
    terminal: ratatui::Terminal<CrosstermBackend<Stderr>>,
    /// What the answer before taught.
    taught: Option<Taught>,
}

impl Terminal {
    /// Whether there is a terminal to ask at.
    fn is_available() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Refuses to go on where there is no terminal, before anything is read.
    pub(crate) fn check() -> Result<()> {
        if Self::is_available() {
            return Ok(());
        }
        Err(crate::advice::Advice::error(
            "there is no terminal to ask at".to_owned(),
            "let `--oracle truth` answer from the label column, or `--oracle FILE.csv` from a file".to_owned(),
        ))
    }

    /// Takes the terminal over.
    ///
    /// # Errors
    /// If stdin or stderr is no terminal, or the terminal refuses full-screen mode.
    pub(crate) fn open() -> Result<Self> {
        ensure!(
            Self::is_available(),
            "the expert cannot be asked: there is no terminal (`--oracle truth` or `--oracle FILE.csv` needs none)"
        );
        restore_on_panic();
        let failed = "cannot take over the terminal";
        enable_raw_mode().context(failed)?;
        // Made before the next steps, so that dropping it undoes what they did.
        let mut this = Self {
            terminal: ratatui::Terminal::new(CrosstermBackend::new(io::stderr())).context(failed)?,
            taught: None,
        };
        execute!(io::stderr(), EnterAlternateScreen, cursor::Hide).context(failed)?;
        this.terminal.clear().context(failed)?;
        Ok(this)
    }

    /// Shows a question until there is a reply. Keys that were pressed before it was
    /// shown do not count.
    ///
    /// # Errors
    /// If the terminal cannot be read or drawn on.
    ///
    /// # Panics
    /// If the point is not shown, or what is shown is not in the series.
    pub(crate) fn ask(&mut self, question: &Question<'_>) -> Result<Reply> {
        let failed = "cannot use the terminal";
        while event::poll(Duration::ZERO).context(failed)? {
            event::read().context(failed)?;
        }
        let mut screen = Screen::new(question.point, question.shown.clone(), question.kind);
        loop {
            self.terminal.draw(|frame| draw::question(frame, question, &screen)).context(failed)?;
            if let Event::Key(key) = event::read().context(failed)?
                && let Some(input) = screen.press(key)
            {
                return Ok(input);
            }
        }
    }

    /// Shows a question of a labelling session until there is an input, or `is_stale` tells that it is to be asked anew.
    ///
    /// # Errors
    /// If the terminal cannot be read or drawn on.
    ///
    /// # Panics
    /// As [`Terminal::ask`].
    pub(crate) fn input(
        &mut self,
        question: &Question<'_>,
        mut is_stale: impl FnMut() -> bool,
    ) -> Result<Option<Input>> {
        let failed = "cannot use the terminal";
        let mut screen = Screen::new(question.point, question.shown.clone(), question.kind).in_session();
        if let Some((first, last)) = question.alarm {
            screen = screen.about_alarm(first, last);
        }
        loop {
            self.terminal.draw(|frame| draw::question(frame, question, &screen)).context(failed)?;
            loop {
                if event::poll(TICK).context(failed)? {
                    break;
                }
                if is_stale() {
                    return Ok(None);
                }
            }
            if let Event::Key(key) = event::read().context(failed)?
                && let Some(input) = screen.input(key)
            {
                return Ok(Some(input));
            }
        }
    }

    /// Shows a line of text for a moment, and returns the input meanwhile: to stop, or to take back or bring back.
    ///
    /// # Errors
    /// If the terminal cannot be read or drawn on.
    pub(crate) fn wait(&mut self, message: &str) -> Result<Option<Input>> {
        let failed = "cannot use the terminal";
        self.show(message)?;
        if !event::poll(TICK).context(failed)? {
            return Ok(None);
        }
        let Event::Key(key) = event::read().context(failed)? else { return Ok(None) };
        let mut screen = Screen::new(0, 0..1, AnswerKind::Point).in_session();
        Ok(screen
            .input(key)
            .filter(|input| matches!(input, Input::Reply(Reply::Stop | Reply::Undo) | Input::Redo | Input::Back)))
    }

    /// Shows a line of text between two questions, such as "learning from 50 answers".
    ///
    /// # Errors
    /// If the terminal cannot be drawn on.
    pub(crate) fn show(&mut self, message: &str) -> Result<()> {
        self.terminal.draw(|frame| draw::message(frame, message)).context("cannot use the terminal")?;
        Ok(())
    }
}

impl Oracle for Terminal {
    /// Asks the person at the terminal, and shows that the answer is noted until the next question is shown.
    fn answer(&mut self, question: &rlad::active::Question<'_>) -> Result<Reply, Cause> {
        let reply = self.ask(&Question {
            series: question.series,
            point: question.query.point,
            shown: question.shown.clone(),
            alarm: None,
            kind: question.kind,
            number: question.n_answered + 1,
            budget: question.budget,
            remark: self.taught.map_or_else(String::new, |taught| format!("noted: {taught}")),
        })?;
        self.taught = match &reply {
            Reply::Answer(answer) => Taught::of(answer, &question.allowed()),
            Reply::Mark(mark) => Taught::of(&mark.answer(question.series, &question.allowed()), &question.allowed()),
            Reply::Undo | Reply::Stop => None,
        };
        self.show("noted; learning from the answers until the next question is ready")?;
        Ok(reply)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back. What fails here cannot be mended.
fn restore() {
    let _ = disable_raw_mode();
    let _ = execute!(io::stderr(), LeaveAlternateScreen, cursor::Show);
}

/// A panic's message would vanish with the full-screen mode.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            print(info);
        }));
    });
}
