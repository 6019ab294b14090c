//! A watched series, and its form in a snapshot.

use std::sync::Arc;

use rlad::config::DecisionConfig;
use rlad::{Model, Stream};

use super::bytes::{Reader, Writer};
use super::intake::Intake;

/// A series that is watched.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// The rule that watches it, by its place among the rules.
    pub(crate) rule: usize,
    /// How its samples become points.
    pub(crate) intake: Intake,
    /// Its state in the detector; none before there is a detector, and before its step is known.
    pub(crate) stream: Option<Box<Stream>>,
    /// Whether its points are kept to be learned from.
    pub(crate) is_kept: bool,
    /// The last point that was scored.
    pub(crate) last: Option<Last>,
    /// The event that is open.
    pub(crate) event: Option<Event>,
    /// The number of the first journal record that it does not know.
    pub(crate) as_of: u64,
}

/// The last point of a series that was scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Last {
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    /// Its value.
    pub(crate) value: f64,
    /// Its score less the threshold, in nats.
    pub(crate) margin: f64,
}

/// An event that is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Event {
    /// The time of its first point, in milliseconds.
    pub(crate) since: i64,
    /// The time of its last alarm.
    pub(crate) last: i64,
    /// The time of its highest score.
    pub(crate) peak_at: i64,
    /// Its highest score less the threshold, in nats.
    pub(crate) peak: f64,
}

impl Watched {
    /// A series before its first sample.
    pub(crate) const fn new(name: Arc<str>, rule: usize, intake: Intake, is_kept: bool) -> Self {
        Self { name, rule, intake, stream: None, is_kept, last: None, event: None, as_of: 0 }
    }

    /// Writes it, as it is when all records before `as_of` are known.
    pub(crate) fn write(&self, id: u32, as_of: u64, to: &mut Writer) {
        to.u32(id);
        to.text(&self.name);
        to.u64(as_of);
        to.u8(u8::from(self.is_kept)
            | u8::from(self.last.is_some()) << 1
            | u8::from(self.event.is_some()) << 2
            | u8::from(self.stream.is_some()) << 3);
        self.intake.write(to);
        if let Some(Last { at, value, margin }) = self.last {
            to.i64(at);
            to.f64(value);
            to.f64(margin);
        }
        if let Some(Event { since, last, peak_at, peak }) = self.event {
            to.i64(since);
            to.i64(last);
            to.i64(peak_at);
            to.f64(peak);
        }
        if let Some(stream) = &self.stream {
            to.blob(&stream.to_bytes());
        }
    }

    /// Reads it. `rule_of` finds the rule of a name, `model_of` the detector of a rule.
    ///
    /// # Errors
    /// If the bytes are none, or the state of the detector is of another one.
    pub(crate) fn read(
        from: &mut Reader<'_>,
        rule_of: impl Fn(&str) -> usize,
        model_of: impl Fn(usize) -> Option<Arc<Model>>,
    ) -> anyhow::Result<(u32, Self)> {
        let mut parts = || {
            let (id, name, as_of, flags) = (from.u32()?, from.text()?, from.u64()?, from.u8()?);
            let intake = Intake::read(from)?;
            let last = match flags & 2 {
                0 => None,
                _ => Some(Last { at: from.i64()?, value: from.f64()?, margin: from.f64()? }),
            };
            let event = match flags & 4 {
                0 => None,
                _ => Some(Event { since: from.i64()?, last: from.i64()?, peak_at: from.i64()?, peak: from.f64()? }),
            };
            let stream = if flags & 8 > 0 { Some(from.blob()?) } else { None };
            Some((id, name, as_of, flags & 1 > 0, intake, last, event, stream))
        };
        let parts = parts().ok_or_else(|| anyhow::anyhow!("the state of a series is not whole"))?;
        let (id, name, as_of, is_kept, intake, last, event, stream) = parts;
        let rule = rule_of(&name);
        let stream = match (stream, model_of(rule)) {
            (Some(bytes), Some(model)) => Some(Box::new(restored(&model, bytes)?)),
            _ => None,
        };
        Ok((id, Self { name: name.into(), rule, intake, stream, is_kept, last, event, as_of }))
    }
}

/// The stream of these bytes; where the decision has come to ask for expected values, these begin anew.
fn restored(model: &Arc<Model>, bytes: &[u8]) -> anyhow::Result<Stream> {
    match Stream::from_bytes(Arc::clone(model), bytes) {
        Err(rlad::Error::Swap { .. }) => {}
        restored => return Ok(restored?),
    }
    let plain = Model::clone(model).with_decision(DecisionConfig::of_goal(model.decision().goal))?;
    let mut stream = Stream::from_bytes(Arc::new(plain), bytes)?;
    stream.follow_expected();
    stream.swap(Arc::clone(model))?;
    Ok(stream)
}
