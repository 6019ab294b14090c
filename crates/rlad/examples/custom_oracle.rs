//! An expert of your own: implement `Oracle`, and let a session ask it.
//!
//! ```sh
//! cargo run --release --example custom_oracle
//! ```
//!
//! This one knows a rule of thumb: more than 20 is an anomaly, between 15 and 20 it is not sure, and it stops after 50 answers. A person
//! at a terminal, a ticket system or a table of incidents would answer in the same place.

#![expect(clippy::print_stdout, reason = "an example prints")]

use rlad::active::{Question, Reply};
use rlad::config::AnswerKind;
use rlad::data::TimeFormat;
use rlad::{Answer, Cause, Config, Detector, Label, Oracle, Series, Session, Span};

struct RuleOfThumb {
    patience: usize,
}

impl Oracle for RuleOfThumb {
    fn answer(&mut self, question: &Question<'_>) -> Result<Reply, Cause> {
        if question.n_answered == self.patience {
            return Ok(Reply::Stop);
        }
        let value = |point: usize| question.series.row(point)[0];
        if (15.0..=20.0).contains(&value(question.query.point)) {
            return Ok(Reply::Answer(Answer::Unsure));
        }
        // A range answer may label each of the points that are shown.
        let points = match question.kind {
            AnswerKind::Point => question.query.point..question.query.point + 1,
            AnswerKind::Range => question.shown.clone(),
        };
        let label = |point| if value(point) > 20.0 { Label::Anomaly } else { Label::Normal };
        let spans = points.map(|point| Span { first: point, last: point, label: label(point) }).collect();
        Ok(Reply::Answer(Answer::Spans(spans)))
    }
}

fn main() -> rlad::Result<()> {
    let values: Vec<f64> = (0..2000_i32).map(|i| f64::from(i % 12) + if i % 150 == 77 { 18.0 } else { 0.0 }).collect();
    let series = Series::new("queue", vec!["length".into()], TimeFormat::Index, (0..2000).collect(), values, None)?;
    let mut session = Session::new(Config::default(), vec![series.clone()])?;
    let summary = session.run(&mut RuleOfThumb { patience: 50 })?;
    let n_answers = session.answered().len();
    println!("{n_answers} answers in {} rounds, stopped by the expert: {}", summary.rounds.len(), summary.is_stopped);
    for (query, answer) in session.answered().iter().take(3) {
        println!("  point {} ({:?}): {:?}", query.point, query.reason, answer.label_at(query.point));
    }
    let events = session.finish()?.detect(&series)?.events();
    println!("{} events; {} were put in", events.len(), (0..2000).filter(|i| i % 150 == 77).count());
    Ok(())
}
