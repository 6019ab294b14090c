//! The desk at the terminal: the same questions, answers, steps back and log as at the page, by keys, over SSH.

use std::sync::Arc;
use std::time::Instant;

use rlad::Answer;
use rlad::active::Reply;

use super::actions::AnswerRequest;
use super::api_error::Refusal;
use super::{AskedQuestion, Desk, Phase};
use crate::log::{PlainSpan, Said};
use crate::terminal::{Question, Terminal, Wish};

/// What is on the screen.
struct Place {
    question: u64,
    again: bool,
    /// Whether it was answered before and is looked at once more.
    is_past: bool,
}

/// Asks at the terminal until the expert stops.
///
/// # Errors
/// If the terminal or the log cannot be used.
pub(crate) fn at_terminal(desk: &Arc<Desk>, who: &str) -> anyhow::Result<()> {
    let mut terminal = Terminal::open()?;
    let mut twin = Twin { desk, who, past: None, comment: None, told: String::new() };
    loop {
        let wish = match twin.place() {
            None => terminal.wait(&twin.waiting())?,
            Some(place) => {
                let asked = desk.lock().questions.get(&place.question).cloned();
                let Some(asked) = asked else { continue };
                let shown = twin.question(&asked, &place);
                let begun = Instant::now();
                let is_stale = || !place.is_past && desk.lock().is_answered(place.question) && !place.again;
                let wish = terminal.wish(&shown, is_stale)?;
                match wish {
                    Some(Wish::Reply(Reply::Answer(answer))) => {
                        twin.answer(&place, Said::from(&answer), begun)?;
                        continue;
                    }
                    Some(Wish::Expected(first, last)) => {
                        twin.answer(&place, Said::Expected { spans: vec![PlainSpan { first, last }] }, begun)?;
                        continue;
                    }
                    other => other,
                }
            }
        };
        match wish {
            Some(Wish::Reply(Reply::Stop)) => return Ok(()),
            Some(Wish::Reply(Reply::Undo)) => twin.step(true)?,
            Some(Wish::Redo) => twin.step(false)?,
            Some(Wish::Back) => twin.go(true),
            Some(Wish::Forward) => twin.go(false),
            Some(Wish::Comment(text)) => twin.comment(text),
            Some(Wish::Reply(Reply::Answer(_)) | Wish::Expected(..)) | None => {}
        }
    }
}

/// What one expert at the terminal is at.
struct Twin<'a> {
    desk: &'a Arc<Desk>,
    who: &'a str,
    /// An answered question that is looked at once more.
    past: Option<u64>,
    comment: Option<String>,
    /// What came of the last key.
    told: String,
}

impl Twin<'_> {
    /// The question to show: one of the past, or the next one.
    fn place(&self) -> Option<Place> {
        if let Some(question) = self.past {
            return Some(Place { question, again: false, is_past: true });
        }
        let mut state = self.desk.lock();
        let (question, again) = self.desk.deal(&mut state, self.who)?;
        Some(Place { question, again, is_past: false })
    }

    fn question<'d>(&'d self, asked: &AskedQuestion, place: &Place) -> Question<'d> {
        let state = self.desk.lock();
        let mut remark = self.told.clone();
        if place.is_past {
            let said = state.standing.answers_to(place.question).filter(|(_, by, _)| *by == self.who).last();
            remark = said.map_or_else(String::new, |(.., saying)| format!("you said: {}", in_words(&saying.said)));
        } else if place.again {
            remark = "asked once more".to_owned();
        }
        if let Some(comment) = &self.comment {
            remark = format!("{remark} [{comment}]");
        }
        Question {
            series: &self.desk.data.series[asked.query.series],
            point: asked.query.point,
            shown: asked.shown.clone(),
            kind: self.desk.settings.kind,
            number: usize::try_from(place.question).unwrap_or(usize::MAX) + 1,
            budget: state.budget,
            remark,
        }
    }

    fn waiting(&self) -> String {
        let state = self.desk.lock();
        let what = match state.phase {
            Phase::Preparing => "the first questions are chosen",
            Phase::Asking => "others answer what is left of this round",
            Phase::Learning => "learning from the answers until the next question is ready",
            Phase::Finishing => "the budget is spent: fitting the detector",
            Phase::Done => "done: the detector is written",
            Phase::Failed => "the learner cannot go on; the answers are kept",
        };
        let message = state.message.as_deref().map_or_else(String::new, |message| format!(" ({message})"));
        format!("{what}{message}.  z undo  b back  q stop  {}", self.told)
    }

    fn answer(&mut self, place: &Place, said: Said, begun: Instant) -> anyhow::Result<()> {
        let told = in_words(&said);
        let request = AnswerRequest {
            who: self.who.to_owned(),
            question: place.question,
            said,
            comment: self.comment.take(),
            seconds: begun.elapsed().as_secs_f64(),
            again: place.again,
            key: None,
        };
        self.past = None;
        match self.desk.answer(&request) {
            Ok(reply) => {
                let score = reply["score"].as_f64().map_or_else(String::new, |score| format!(", score {score:.2}"));
                let threshold = reply["threshold"].as_f64();
                let threshold = threshold.map_or_else(String::new, |of| format!(", threshold {of:.2}"));
                self.told = format!("noted: {told}{score}{threshold}");
                Ok(())
            }
            Err(refusal) => self.tell(refusal),
        }
    }

    fn step(&mut self, back: bool) -> anyhow::Result<()> {
        self.past = None;
        match self.desk.step(self.who, back, None) {
            Ok(reply) if reply["entry"].is_null() => {
                self.told = if back { "nothing to take back" } else { "nothing to bring back" }.to_owned();
                Ok(())
            }
            Ok(reply) => {
                let number =
                    reply["question"]["number"].as_u64().map_or_else(String::new, |number| format!(" {number}"));
                let what = if reply["what"] == "label" { "label" } else { "answer" };
                self.told = format!("{what}{number} {}", if back { "taken back" } else { "brought back" });
                Ok(())
            }
            Err(refusal) => self.tell(refusal),
        }
    }

    /// Goes to the answer before, or after, the one that is shown.
    fn go(&mut self, back: bool) {
        let state = self.desk.lock();
        let mut answered: Vec<u64> = Vec::new();
        for (_, who, saying) in state.standing.sayings() {
            if let Some(asked) = saying.asked.as_ref().filter(|_| who == self.who) {
                answered.retain(|question| *question != asked.question);
                answered.push(asked.question);
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
        self.told = String::new();
    }

    fn comment(&mut self, text: String) {
        self.comment = Some(text).filter(|text| !text.is_empty());
    }

    /// What is refused is shown; what the machine cannot do ends the program.
    fn tell(&mut self, refusal: Refusal) -> anyhow::Result<()> {
        if refusal.status >= 500 {
            return Err(refusal.into());
        }
        self.told = refusal.error;
        Ok(())
    }
}

/// What was said, in a word.
fn in_words(said: &Said) -> String {
    match (said, said.as_answer()) {
        (Said::Expected { .. }, _) => "expected".to_owned(),
        (_, Answer::Unsure) => "unsure".to_owned(),
        (_, Answer::Skip) => "skipped".to_owned(),
        (_, Answer::Spans(spans)) => {
            let has_anomaly = spans.iter().any(|span| span.label == rlad::Label::Anomaly);
            if has_anomaly { "anomaly" } else { "normal" }.to_owned()
        }
    }
}
