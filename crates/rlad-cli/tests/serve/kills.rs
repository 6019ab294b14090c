//! A service that is killed again and again writes the scores of one that was never stopped.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::database::{Database, Stored};
use super::sender::{Load, now_ms};
use super::service::{Service, command, state_of, write_config};

const N_SERIES: usize = 3;
const STATE: &str = "snapshot_every = \"1s\"";
const MORE: &str = "[learning]\nenabled = false\n[[watch]]\nmatch = '{__name__=\"load\"}'\nstep = \"1m\"\n";

/// How a life of the service ends.
#[derive(Clone, Debug)]
enum Fate {
    /// SIGKILL after so long.
    After(Duration),
    /// At a named step.
    At(String),
    /// As a user ends it.
    Stopped,
}

/// A generator of numbers below 1, by its state.
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as f64 / (1_u64 << 31) as f64
}

/// Whether a snapshot in the state has a detector.
fn knows_detector(folder: &Path) -> bool {
    let list = |name: &str| {
        let files = std::fs::read_dir(state_of(folder).join(name)).into_iter().flatten();
        files.map(|file| file.unwrap().path()).collect::<Vec<_>>()
    };
    let hashes: Vec<String> =
        list("models").iter().map(|path| path.file_stem().unwrap().to_str().unwrap().into()).collect();
    let snapshots = list("snapshots").into_iter().filter(|path| path.extension().is_some_and(|of| of == "snapshot"));
    snapshots.filter_map(|path| std::fs::read(path).ok()).any(|bytes| {
        let has = |hash: &String| bytes.windows(hash.len()).take(1_000).any(|part| part == hash.as_bytes());
        hashes.iter().any(has)
    })
}

/// Sends the load through lives with these fates, `per_life` minutes in each at most, and tells what the database has at the end and
/// the steps that were not reached.
fn live(folder: &Path, load: &Load, n_minutes: i64, fates: &[Fate], per_life: i64) -> (Stored, Vec<String>) {
    let database = Database::start();
    let config = write_config(folder, "", STATE, &(database.writer() + MORE));
    let expected = usize::try_from(n_minutes).unwrap() * N_SERIES;
    // The past, and then a minute at a time.
    let (mut next, mut has_past) = (0, false);
    let mut missed = Vec::new();
    for (life, fate) in fates.iter().enumerate() {
        let is_last = life + 1 == fates.len();
        let mut knows = knows_detector(folder);
        let mut seen = None;
        let mut program = command(&config);
        if let Fate::At(step) = fate {
            program.env("RLAD_ABORT_AT", step);
        }
        let Ok(service) = Service::of(program) else {
            assert!(matches!(fate, Fate::At(step) if step.starts_with("playing-back")), "{fate:?}");
            continue;
        };
        if let Fate::After(time) = fate {
            service.kill_after(*time);
        }
        let (begun, limit) = (Instant::now(), if is_last { n_minutes } else { (next + per_life).min(n_minutes) });
        while service.is_alive() {
            if !has_past {
                has_past = service.try_write(&load.past()) == Some(204);
            } else if !knows {
                seen = seen.or_else(|| service.detector().map(|_| now_ms()));
                knows = seen.is_some_and(|seen| service.has_snapshot_after(seen));
            } else if next < limit && service.try_write(&load.minutes(next..next + 1)) == Some(204) {
                next += 1;
                continue;
            }
            if is_last && next == n_minutes && database.n_scores() == expected {
                break;
            }
            if begun.elapsed() > Duration::from_secs(if is_last { 90 } else { 15 }) {
                assert!(!is_last, "{} of {expected} scores: {:?}", database.n_scores(), service.lines());
                missed.push(format!("{fate:?}"));
                break;
            }
            sleep(Duration::from_millis(2));
        }
        if matches!(fate, Fate::Stopped) {
            service.stop();
        }
    }
    (database.stored(), missed)
}

fn assert_same(stored: &Stored, truth: &Stored) {
    assert_eq!(stored.n_contradictions, 0, "a score came with another value");
    assert!(stored.scores == truth.scores, "{} scores, {} expected", stored.scores.len(), truth.scores.len());
}

#[test]
fn kills_at_random_change_no_score() {
    let n_kills: usize = std::env::var("RLAD_KILLS").map_or(8, |n| n.parse().unwrap());
    let per_life = 25;
    let n_minutes = per_life * i64::try_from(n_kills).unwrap();
    let load = Load::new(N_SERIES, n_minutes);
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (truth, _) = live(whole.path(), &load, n_minutes, &[Fate::Stopped], n_minutes);
    let highest = truth.scores.values().map(|bits| f64::from_bits(*bits)).fold(0.0, f64::max);
    assert!(highest > 1.0, "a fault is scored above the threshold: {highest}");
    let mut seed = 17;
    let mut fates: Vec<Fate> =
        (0..n_kills).map(|_| Fate::After(Duration::from_secs_f64(0.05 + 1.5 * random(&mut seed)))).collect();
    fates.push(Fate::Stopped);
    let (stored, _) = live(killed.path(), &load, n_minutes, &fates, per_life);
    println!("{n_kills} kills: {} scores, {} samples written", stored.scores.len(), stored.order.len());
    assert_same(&stored, &truth);
}

#[test]
fn an_end_at_each_named_step_changes_no_score() {
    if !cfg!(debug_assertions) {
        println!("skipped: the program has no named steps without debug assertions");
        return;
    }
    // The first ones lie before and at the first detector, the others amid the stream.
    let steps = [
        "journal-before",
        "journal-after",
        "session-begun",
        "first-model-kept",
        "installing",
        "snapshot-amid",
        "snapshot-before-rename",
        "snapshot-after-rename",
        "snapshot-clearing",
        "journal-before:4",
        "journal-after:9",
        "playing-back",
        "snapshot-amid:2",
        "snapshot-before-rename:2",
        "snapshot-after-rename:2",
        "snapshot-clearing:2",
        "telling",
        "spooled:3",
        "sent",
        "journal-after:7",
        "playing-back",
    ];
    let mut fates: Vec<Fate> = steps.iter().map(|step| Fate::At((*step).to_owned())).collect();
    fates.push(Fate::Stopped);
    let n_minutes = 300;
    let load = Load::new(N_SERIES, n_minutes);
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (truth, _) = live(whole.path(), &load, n_minutes, &[Fate::Stopped], n_minutes);
    let (stored, missed) = live(killed.path(), &load, n_minutes, &fates, 20);
    println!("{} steps: {} samples written for {} scores", steps.len(), stored.order.len(), stored.scores.len());
    assert_same(&stored, &truth);
    assert_eq!(missed, Vec::<String>::new(), "steps that were not reached");
}
