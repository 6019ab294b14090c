//! The terminal client: the same questions, answers, steps back and log as at the page, by keys, over SSH.

use std::sync::Arc;
use std::time::Instant;

use rlad::active::Reply;
use rlad::data::Annotation;

use super::actions::AnswerRequest;
use super::api_error::ApiError;
use super::server::{LabellingServer, Phase, ShownQuestion};
use crate::figures::count;
use crate::log::Annotated;
use crate::terminal::{Input, Question, Taught, Terminal};

/// The question on the screen.
struct Place {
    question: u64,
    again: bool,
    /// Whether it was answered before and is looked at once more.
    is_past: bool,
}

/// Asks at the terminal until the expert stops, and then tells what the learner still does until `is_over`, or until the expert stops
/// once more. Returns whether they waited so long.
///
/// # Errors
/// If the terminal or the log cannot be used.
pub(crate) fn at_terminal(
    server: &Arc<LabellingServer>,
    who: &str,
    is_over: impl Fn() -> bool,
) -> anyhow::Result<bool> {
    let mut terminal = Terminal::open()?;
    ask(&mut terminal, server, who)?;
    let leaving = server.stop();
    let doing = leaving.doing.as_deref().unwrap_or("ending");
    let message = format!("{doing}.  q leaves at once: every answer is in the log");
    while leaving.is_worth_waiting && !is_over() {
        if let Some(Input::Reply(Reply::Stop)) = terminal.wait(&message)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn ask(terminal: &mut Terminal, server: &Arc<LabellingServer>, who: &str) -> anyhow::Result<()> {
    let mut client = TerminalClient { server, who, past: None, comment: None, message: String::new() };
    loop {
        let input = match client.place() {
            None => terminal.wait(&client.waiting())?,
            Some(place) => {
                let question = server.lock().questions.get(&place.question).cloned();
                let Some(question) = question else { continue };
                let shown = client.question(&question, &place);
                let begun = Instant::now();
                let is_stale = || !place.is_past && server.lock().is_answered(place.question) && !place.again;
                let input = terminal.input(&shown, is_stale)?;
                match input {
                    Some(Input::Reply(Reply::Answer(answer))) => {
                        client.answer(&place, Annotated::from(&answer), begun)?;
                        continue;
                    }
                    Some(Input::Reply(Reply::Mark(mark))) => {
                        client.answer(&place, Annotated::from(&mark), begun)?;
                        continue;
                    }
                    Some(Input::ExpectedEvent(first, last)) => {
                        client.answer(&place, Annotated::expected(first, last), begun)?;
                        continue;
                    }
                    Some(Input::Late(first, last)) => {
                        client.answer(&place, Annotated::late(first, last), begun)?;
                        continue;
                    }
                    other => other,
                }
            }
        };
        match input {
            Some(Input::Reply(Reply::Stop)) => return Ok(()),
            Some(Input::Reply(Reply::Undo)) => client.step(true)?,
            Some(Input::Redo) => client.step(false)?,
            Some(Input::Back) => client.go(true),
            Some(Input::Forward) => client.go(false),
            Some(Input::Comment(text)) => client.comment(text),
            Some(Input::Reply(Reply::Answer(_) | Reply::Mark(_)) | Input::ExpectedEvent(..) | Input::Late(..))
            | None => {}
        }
    }
}

/// The place of one expert at the terminal.
struct TerminalClient<'a> {
    server: &'a Arc<LabellingServer>,
    who: &'a str,
    /// An answered question that is looked at once more.
    past: Option<u64>,
    comment: Option<String>,
    /// The outcome of the last key.
    message: String,
}

impl TerminalClient<'_> {
    /// The question to show: one of the past, or the next one.
    fn place(&self) -> Option<Place> {
        if let Some(question) = self.past {
            return Some(Place { question, again: false, is_past: true });
        }
        let mut state = self.server.lock();
        let (question, again) = self.server.assign(&mut state, self.who)?;
        Some(Place { question, again, is_past: false })
    }

    fn question<'d>(&'d self, question: &ShownQuestion, place: &Place) -> Question<'d> {
        let state = self.server.lock();
        let mut remark = self.message.clone();
        if place.is_past {
            let own = state.annotations.answers_to(place.question).filter(|(_, by, _)| *by == self.who).last();
            remark =
                own.map_or_else(String::new, |(.., logged)| format!("you answered: {}", in_words(&logged.annotation)));
        } else if place.again {
            remark = "asked once more".to_owned();
        } else if let Some(alarm) = &question.alarm {
            let points = count(alarm.len(), "point");
            remark = format!("an alarm of {points}: a right, n false, e expected, 2 right but late. {remark}");
        }
        if let Some(comment) = &self.comment {
            remark = format!("{remark} [{comment}]");
        }
        Question {
            series: &self.server.data.series[question.query.series],
            point: question.query.point,
            shown: question.shown.clone(),
            alarm: question.alarm.as_ref().filter(|_| !place.is_past).map(|alarm| (alarm.start, alarm.end - 1)),
            kind: self.server.settings.kind,
            number: usize::try_from(place.question).unwrap_or(usize::MAX) + 1,
            budget: state.budget,
            remark,
        }
    }

    fn waiting(&self) -> String {
        let state = self.server.lock();
        let what = match state.phase {
            Phase::Preparing => "the first questions are chosen",
            Phase::Asking => "others answer what is left of this round",
            Phase::Learning => "learning from the answers until the next question is ready",
            Phase::Finishing => "the budget is spent: fitting the detector",
            Phase::Done => "done: the detector is written",
            Phase::Failed => "the learner cannot go on; the answers are kept",
        };
        let message = state.message.as_deref().map_or_else(String::new, |message| format!(" ({message})"));
        format!("{what}{message}.  z undo  b back  q stop  {}", self.message)
    }

    fn answer(&mut self, place: &Place, annotation: Annotated, begun: Instant) -> anyhow::Result<()> {
        let words = in_words(&annotation);
        let request = AnswerRequest {
            who: self.who.to_owned(),
            question: place.question,
            annotation,
            comment: self.comment.take(),
            seconds: begun.elapsed().as_secs_f64(),
            again: place.again,
            place: None,
            key: None,
        };
        self.past = None;
        match self.server.answer(&request) {
            Ok(reply) => {
                let score = reply["score"].as_f64().map_or_else(String::new, |score| format!(", score {score:.2}"));
                let threshold = reply["threshold"].as_f64();
                let threshold = threshold.map_or_else(String::new, |of| format!(", threshold {of:.2}"));
                let taught = Taught::from_json(&reply["taught"])
                    .map_or_else(String::new, |taught| format!("; it teaches {taught}"));
                self.message = format!("noted: {words}{taught}{score}{threshold}");
                Ok(())
            }
            Err(error) => self.show(error),
        }
    }

    fn step(&mut self, back: bool) -> anyhow::Result<()> {
        self.past = None;
        match self.server.step(self.who, back, None) {
            Ok(reply) if reply["entry"].is_null() => {
                self.message = if back { "nothing to take back" } else { "nothing to bring back" }.to_owned();
                Ok(())
            }
            Ok(reply) => {
                let number =
                    reply["question"]["number"].as_u64().map_or_else(String::new, |number| format!(" {number}"));
                let what = if reply["what"] == "label" { "label" } else { "answer" };
                self.message = format!("{what}{number} {}", if back { "taken back" } else { "brought back" });
                Ok(())
            }
            Err(error) => self.show(error),
        }
    }

    /// Goes to the answer before, or after, the one that is shown.
    fn go(&mut self, back: bool) {
        let state = self.server.lock();
        let mut answered: Vec<u64> = Vec::new();
        for (_, who, logged) in state.annotations.iter() {
            if let Some(question) = logged.question.as_ref().filter(|_| who == self.who) {
                answered.retain(|other| *other != question.id);
                answered.push(question.id);
            }
        }
        drop(state);
        let at = self.past.and_then(|past| answered.iter().position(|question| *question == past));
        self.past = match (at, back) {
            (None, true) => answered.last().copied(),
            (Some(at), true) => answered.get(at.saturating_sub(1)).copied(),
            (Some(at), false) => answered.get(at + 1).copied(),
            (None, false) => None,
        };
        self.message = String::new();
    }

    fn comment(&mut self, text: String) {
        self.comment = Some(text).filter(|text| !text.is_empty());
    }

    /// Shows an error of the request; a fault of the machine ends the program.
    fn show(&mut self, error: ApiError) -> anyhow::Result<()> {
        if error.status >= 500 {
            return Err(error.into());
        }
        self.message = error.message;
        Ok(())
    }
}

/// An annotation in a word.
fn in_words(annotation: &Annotated) -> String {
    let has = |label| annotation.spans().iter().any(|span| span.label == label);
    let word = match annotation {
        Annotated::Unsure => "unsure",
        Annotated::Skip => "skipped",
        _ if has(Annotation::Anomaly) => "anomaly",
        _ if has(Annotation::Expected) => "expected",
        _ => "normal",
    };
    word.to_owned()
}
