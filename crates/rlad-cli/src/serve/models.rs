//! The detectors of the service, by hash: a file each, of which one is in use.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::Context;
use rlad::{Detector, Model, Series};

use crate::advice::Advice;

const EXTENSION: &str = "safetensors";
/// The points of each series on which two detectors are compared.
const COMPARED: usize = 10_000;
/// The series that they are compared on, at most.
const COMPARED_SERIES: usize = 100;
/// A new detector may call so many times as many points alarms as the one in use, and so many points whatever that calls.
const MOST_TIMES: usize = 4;
const ALWAYS_ALLOWED: f64 = 0.01;

/// A folder of detectors.
#[derive(Debug)]
pub(crate) struct Models {
    folder: PathBuf,
    /// Those that were read, so that all that name one share it.
    read: Mutex<HashMap<String, Arc<Model>>>,
}

impl Models {
    /// The detectors of a folder.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        Ok(Self { folder: folder.to_owned(), read: Mutex::default() })
    }

    /// Keeps a detector.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn keep(&self, model: &Arc<Model>) -> anyhow::Result<()> {
        let path = self.path(model.hash());
        if !path.exists() {
            model.save(&path)?;
        }
        self.lock().insert(model.hash().to_owned(), Arc::clone(model));
        Ok(())
    }

    /// The detector of a hash, or of the beginning of one.
    ///
    /// # Errors
    /// If there is none or several, or it cannot be read.
    pub(crate) fn of(&self, hash: &str) -> anyhow::Result<Arc<Model>> {
        if let Some(model) = self.lock().get(hash) {
            return Ok(Arc::clone(model));
        }
        let known = self.hashes()?;
        let mut found = known.iter().filter(|(of, _)| !hash.is_empty() && of.starts_with(hash));
        let (Some((hash, _)), None) = (found.next(), found.next()) else {
            let list = known.iter().map(|(hash, _)| short(hash)).collect::<Vec<_>>().join(", ");
            return Err(Advice::error(
                format!("`{}` holds no detector `{hash}`, or several", self.folder.display()),
                if list.is_empty() { "it holds none yet".to_owned() } else { format!("it holds {list}") },
            ));
        };
        let model = Arc::new(Model::load(self.path(hash))?);
        self.lock().insert(hash.clone(), Arc::clone(&model));
        Ok(model)
    }

    /// The hashes of all of them, the one that was kept last first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(crate) fn hashes(&self) -> anyhow::Result<Vec<(String, SystemTime)>> {
        let files = fs::read_dir(&self.folder).with_context(|| format!("cannot read `{}`", self.folder.display()))?;
        let mut found = Vec::new();
        for file in files {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION)
                && let Some(hash) = path.file_stem().and_then(|stem| stem.to_str())
            {
                let modified = fs::metadata(&path).and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
                found.push((hash.to_owned(), modified));
            }
        }
        found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(found)
    }

    /// Removes all but the last `n` and those that are in use.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub(crate) fn prune(&self, n: usize, in_use: &[&str]) -> anyhow::Result<()> {
        for (hash, _) in self.hashes()?.into_iter().skip(n) {
            if !in_use.contains(&hash.as_str()) {
                let path = self.path(&hash);
                fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
                self.lock().remove(&hash);
            }
        }
        Ok(())
    }

    fn path(&self, hash: &str) -> PathBuf {
        self.folder.join(format!("{hash}.{EXTENSION}"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Model>>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of a hash, as people read it.
pub(crate) fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}

/// Why a new detector must not take the place of another one, judged on the end of some series; nothing where it may.
///
/// It must score every point that has a value by a number, and may not call much more of them alarms than the one before.
///
/// # Errors
/// If a series cannot be scored.
pub(crate) fn objection(new: &Model, old: Option<&Model>, series: &[Series]) -> anyhow::Result<Option<String>> {
    let (mut n_new, mut n_old, mut n) = (0, 0, 0);
    let every = series.len().div_ceil(COMPARED_SERIES).max(1);
    for series in series.iter().step_by(every) {
        let points = series.len().saturating_sub(COMPARED)..series.len();
        let alarms = |model: &Model| {
            let scores = model.score_points(series, points.clone())?;
            let has_value = |at: usize| series.row(points.start + at).iter().any(|value| value.is_finite());
            let is_wrong = scores.iter().enumerate().any(|(at, score)| !score.is_finite() && has_value(at));
            let alarms = model.decide(series, points.clone(), &scores, &[])?;
            anyhow::Ok((!is_wrong).then(|| alarms.iter().filter(|alarm| alarm.is_raised()).count()))
        };
        let Some(of_new) = alarms(new)? else {
            return Ok(Some(format!("a score of `{}` is no number", series.name())));
        };
        n_new += of_new;
        n += points.len();
        if let Some(old) = old {
            n_old += alarms(old)?.unwrap_or(0);
        }
    }
    let allowed = (ALWAYS_ALLOWED * n as f64) as usize;
    if n_new > allowed.max(MOST_TIMES * n_old) {
        let before = old.map_or_else(String::new, |_| format!(", the one before {n_old}"));
        return Ok(Some(format!("it calls {n_new} of the last {n} points alarms{before}")));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use rlad::data::{NANOS_PER_SECOND, TimeFormat};
    use rlad::{Config, Session};

    use super::*;

    fn series(n: i64) -> Series {
        let values = (0..n).map(|i| (i % 24) as f64 + if i % 97 == 31 { 40.0 } else { 0.0 }).collect();
        let times = (0..n).map(|i| i * 3_600 * NANOS_PER_SECOND).collect();
        Series::new("a", vec!["value".into()], TimeFormat::Seconds, times, values, None).unwrap()
    }

    fn model(n: i64) -> Arc<Model> {
        Arc::new(Session::new(Config { questions: 0, ..Config::default() }, vec![series(n)]).unwrap().finish().unwrap())
    }

    #[test]
    fn detectors_are_found_by_the_beginning_of_their_hash_and_the_last_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let models = Models::open(dir.path()).unwrap();
        assert!(models.of("ab").is_err());
        let (first, second) = (model(300), model(400));
        models.keep(&first).unwrap();
        // Times of files go by the ticks of the system.
        std::thread::sleep(std::time::Duration::from_millis(50));
        models.keep(&second).unwrap();
        let again = Models::open(dir.path()).unwrap();
        assert_eq!(again.of(&first.hash()[..12]).unwrap().hash(), first.hash());
        assert!(again.of("").is_err() && again.of("nothing").is_err());
        again.prune(1, &[first.hash()]).unwrap();
        assert_eq!(again.hashes().unwrap().len(), 2, "the last one and the one in use");
        again.prune(0, &[second.hash()]).unwrap();
        assert!(again.of(first.hash()).is_err() && again.of(second.hash()).is_ok());
    }

    #[test]
    fn a_detector_that_alarms_everywhere_is_refused() {
        let (good, series) = (model(600), [series(600)]);
        assert_eq!(objection(&good, None, &series).unwrap(), None);
        assert_eq!(objection(&good, Some(&good), &series).unwrap(), None);
        let goal = rlad::config::Goal::MissCost(1e6);
        let eager = Model::clone(&good).with_decision(rlad::config::DecisionConfig { goal, ..good.decision().clone() });
        let told = objection(&eager.unwrap(), Some(&good), &series).unwrap().unwrap();
        assert!(
            told.starts_with("it calls ") && told.contains(" of the last 600 points alarms, the one before "),
            "{told}"
        );
    }
}
