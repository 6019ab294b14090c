//! Snapshots of an engine: begun, written piece by piece between its other work, and cleared up after.

use std::time::{Duration, Instant};

use super::super::bytes::Writer;
use super::super::fault::reach;
use super::super::snapshot::{self, Head, Snapshot};
use super::Engine;

/// How long the work waits for a piece of a snapshot.
const PIECE_TIME: Duration = Duration::from_millis(5);
/// The series of a piece that are written between two looks at the clock.
const PIECE: usize = 64;

impl Engine {
    /// Begins a snapshot, in the place of one that is being written.
    ///
    /// # Errors
    /// If its file cannot be made, or what it rests on not be written.
    pub(crate) fn begin_snapshot(&mut self) -> anyhow::Result<()> {
        self.catch_up()?;
        self.snapshot = None;
        // What the journal will no longer play back is on disk elsewhere.
        self.history.sync()?;
        self.outputs.flush()?;
        let head = Head { first: self.journal.next(), model: self.model.as_ref().map(|model| model.hash().to_owned()) };
        self.snapshot = Some(Snapshot::begin(&self.snapshots, head)?);
        self.last_snapshot = Instant::now();
        Ok(())
    }

    /// Whether a snapshot is being written.
    pub(crate) const fn has_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Writes a piece of the snapshot that was begun, all points being scored, and clears up after it once it is whole.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn step_snapshot(&mut self) -> anyhow::Result<Option<Duration>> {
        self.catch_up()?;
        let Some(mut snapshot) = self.snapshot.take() else { return Ok(None) };
        let begun = Instant::now();
        while snapshot.next < self.series.len() && begun.elapsed() < PIECE_TIME {
            let piece = snapshot.next..(snapshot.next + PIECE).min(self.series.len());
            let mut contents = Vec::with_capacity(PIECE);
            for id in piece.clone() {
                self.go_on_with_model(id)?;
                if let Some(watched) = &self.series[id] {
                    let mut content = Writer::default();
                    watched.write(id as u32, self.journal.next(), &mut content);
                    contents.push(content.into_bytes());
                }
            }
            snapshot.next = piece.end;
            if !snapshot.put(&contents) {
                self.last_snapshot = Instant::now();
                snapshot.finish()?;
                return Ok(None);
            }
        }
        if snapshot.next >= self.series.len() && !snapshot.has_ended() {
            // What follows from the records that the snapshot knows is not computed again.
            self.history.sync().and_then(|()| self.outputs.flush())?;
            snapshot.end();
        }
        if !snapshot.is_done() {
            self.snapshot = Some(snapshot);
            return Ok(None);
        }
        let took = self.last_snapshot.elapsed();
        let head = snapshot.finish()?;
        snapshot::forget_before(&self.snapshots, head.first)?;
        reach("snapshot-clearing");
        self.journal.forget_before(head.first)?;
        self.is_quiet = false;
        Ok(Some(took))
    }

    /// Tells what was decided and writes a snapshot of everything, for an end that loses no time at the next start.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn close(&mut self, now: i64) -> anyhow::Result<()> {
        self.tick(now)?;
        self.begin_snapshot()?;
        while self.has_snapshot() {
            if self.step_snapshot()?.is_none() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        Ok(())
    }
}
