//! Opens an engine: the newest snapshot, then what the journal has after it.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use rlad::Model;

use super::super::fault::reach;
use super::super::history::History;
use super::super::journal::{Journal, Record, play_back};
use super::super::labels::Labels;
use super::super::rules::Rules;
use super::super::snapshot;
use super::super::watched::Watched;
use super::pending::Pending;
use super::{Engine, Limits, Outputs};

const TOLD: &str = "told";

/// What an engine is opened with.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    /// The folder of the state.
    pub(crate) folder: &'a Path,
    /// How long points are kept, in milliseconds.
    pub(crate) window: i64,
    /// Whether a commit waits for the disk.
    pub(crate) syncs: bool,
    /// The sizes that it keeps to.
    pub(crate) limits: Limits,
    /// What is watched.
    pub(crate) rules: Rules,
    /// What it tells.
    pub(crate) outputs: Box<dyn Outputs>,
}

impl Engine {
    /// Opens the engine of a folder. `model_of` finds a detector by its hash.
    ///
    /// # Errors
    /// If a file cannot be read or written, or a detector is not there.
    pub(crate) fn open(
        opening: Opening<'_>,
        model_of: impl Fn(&str) -> anyhow::Result<Arc<Model>>,
    ) -> anyhow::Result<Self> {
        let Opening { folder, window, syncs, limits, rules, outputs } = opening;
        let (snapshots, journal) = (folder.join("snapshots"), folder.join("journal"));
        let mut engine = Self {
            journal: Journal::new(&journal, 0, syncs),
            history: History::open(&folder.join("history"), window)?,
            told_before: read_told(&snapshots)?,
            snapshots: snapshots.clone(),
            limits,
            rules,
            model: None,
            by_rule: Vec::new(),
            series: Vec::new(),
            free: BTreeSet::new(),
            index: HashMap::new(),
            kinds: HashMap::new(),
            n_kept: 0,
            pending: Pending::default(),
            backlog: Vec::new(),
            snapshot: None,
            last_snapshot: Instant::now(),
            is_quiet: false,
            has_failed: false,
            minute: 0,
            new_in_minute: 0,
            outputs,
        };
        let engine_of = std::cell::RefCell::new(&mut engine);
        let head = snapshot::read(
            &snapshots,
            |head| head.model.as_deref().map_or(Ok(()), |hash| engine_of.borrow_mut().set_model(&model_of(hash)?)),
            |content| {
                let mut engine = engine_of.borrow_mut();
                let (rules, by_rule) = (&engine.rules, &engine.by_rule);
                let rule_of = |name: &str| rule_of(rules, name).unwrap_or(usize::MAX);
                let (id, watched) = Watched::read(content, rule_of, |rule| by_rule.get(rule).cloned())?;
                engine.put(id, watched);
                Ok(())
            },
        )?;
        let first = head.map_or(0, |head| head.first);
        let next = play_back(&journal, first, |number, record| engine.play_back(number, record, &model_of));
        let next = next.with_context(|| format!("cannot use the state in `{}`", folder.display()))?;
        engine.journal = Journal::new(&journal, next, syncs);
        let unwatched = engine.series.iter().enumerate().filter_map(|(id, slot)| {
            slot.as_ref().filter(|watched| watched.rule >= engine.rules.0.len()).map(|_| id as u32)
        });
        let unwatched: Vec<u32> = unwatched.collect();
        engine.forget(&unwatched)?;
        Ok(engine)
    }

    /// Does what was done when a record was written.
    fn play_back(
        &mut self,
        number: u64,
        record: Record,
        model_of: &impl Fn(&str) -> anyhow::Result<Arc<Model>>,
    ) -> anyhow::Result<()> {
        reach("playing-back");
        let knows = |engine: &Self, id: u32| {
            engine.series.get(id as usize).and_then(Option::as_ref).is_some_and(|watched| watched.as_of > number)
        };
        match record {
            Record::Series { id, ref name, .. } => {
                if !knows(self, id) {
                    let rule = rule_of(&self.rules, name).unwrap_or(usize::MAX);
                    self.apply_series(record, rule);
                }
            }
            Record::Samples(samples) => {
                let (mut points, mut made) = (Vec::new(), Vec::new());
                for (id, at, value) in samples {
                    let Some(watched) = self.series.get_mut(id as usize).and_then(Option::as_mut) else { continue };
                    if watched.as_of > number {
                        continue;
                    }
                    watched.intake.take(at, value, is_stale(value), &mut made);
                    if watched.rule < self.rules.0.len() {
                        points.extend(made.drain(..).map(|point| (id, point)));
                    }
                    made.clear();
                }
                self.score(points, number)?;
            }
            Record::Model(hash) => self.set_model(&model_of(&hash)?)?,
            Record::Forget(id) => {
                if !knows(self, id) {
                    self.remove(id);
                }
            }
        }
        Ok(())
    }
}

fn is_stale(value: f64) -> bool {
    super::super::wire::Sample { timestamp_ms: 0, value }.is_stale()
}

fn rule_of(rules: &Rules, name: &str) -> Option<usize> {
    Labels::parse(name).ok().and_then(|labels| rules.of(&labels))
}

/// The number of the journal record from which on what was decided was not told yet.
fn read_told(folder: &Path) -> anyhow::Result<u64> {
    let path = folder.join(TOLD);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    }
}

/// Writes that number.
pub(super) fn write_told(folder: &Path, number: u64) -> anyhow::Result<()> {
    let path = folder.join(TOLD);
    let beside = path.with_extension("part");
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&beside, number.to_string()))
        .and_then(|()| std::fs::rename(&beside, &path))
        .with_context(|| format!("cannot write `{}`", path.display()))
}
