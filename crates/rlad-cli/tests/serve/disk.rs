//! A disk that is full: samples are refused and told so, and nothing that was confirmed is lost once there is room again.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::database::Database;
use super::sender::Load;
use super::service::{Service, agent, state_of, write_config};

/// So many that the samples of a minute do not fit into what is left of a page of the disk.
const N_SERIES: usize = 20;
const N_MINUTES: i64 = 60;

/// A small file system of its own at a folder, unmounted at its end.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// `None` where this user may mount nothing.
    fn mount(folder: &'a Path) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(folder).output().ok()?;
        mount.status.success().then_some(Self(folder))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

#[test]
fn a_full_disk_refuses_samples_and_loses_none_that_it_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let state = state_of(folder.path());
    let Some(_disk) = SmallDisk::mount(&state) else {
        println!("skipped: this user may not mount a file system");
        return;
    };
    let database = Database::start();
    let more = "[learning]\nenabled = false\n[[watch]]\nmatch = '{__name__=\"load\"}'\nstep = \"1m\"\n";
    let config = write_config(folder.path(), "", "snapshot_every = \"1s\"", &(database.writer() + more));
    let service = Service::start(&config);
    let load = Load::new(N_SERIES, N_MINUTES);
    service.write(&load.past());
    service.wait_for_detector();
    (0..20).for_each(|minute| service.write(&load.minutes(minute..minute + 1)));
    service.wait("scores", |_| database.n_scores() == 20 * N_SERIES);

    // Nobody takes scores either, so that they would have to be kept.
    database.set_status(503);
    let filler = state.join("filler");
    let fill = || {
        let mut size = fs::metadata(&filler).map_or(0, |file| file.len());
        let mut piece = 1 << 20;
        while piece > 0 {
            let mut bytes = fs::OpenOptions::new().create(true).append(true).open(&filler).unwrap();
            if std::io::Write::write_all(&mut bytes, &vec![0; piece]).is_err() {
                piece /= 2;
            }
            size += piece as u64;
        }
        size
    };
    fill();
    let mut next = 20;
    let mut n_refused = 0;
    let until = std::time::Instant::now() + Duration::from_secs(6);
    while std::time::Instant::now() < until {
        // What snapshots give free is filled again.
        fill();
        let headers = super::sender::HEADERS;
        let (status, again, text) = service.try_post("/api/v1/write", &headers, &load.minutes(next..next + 1)).unwrap();
        match status {
            204 => next += 1,
            503 => {
                n_refused += 1;
                assert_eq!(again.as_deref(), Some("5"));
                assert!(text.contains("the journal cannot be written"), "{text}");
            }
            _ => panic!("{status} {text}"),
        }
        if next == 40 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(n_refused > 3, "the disk was full: {n_refused}");
    assert_eq!(service.metric("rlad_state_last_write_successful"), Some(0.0));
    assert_eq!(agent(Duration::from_secs(5)).get(format!("{}/-/healthy", service.url)).call().unwrap().status(), 200);
    let told: Vec<String> = service.lines().into_iter().filter(|line| line.contains("warning")).collect();
    let different: std::collections::BTreeSet<&String> = told.iter().collect();
    assert!(told.len() == different.len() && told.len() <= 6, "each kind of trouble is told once: {told:#?}");
    assert!(told.iter().any(|line| line.contains("the journal cannot be written")), "{told:#?}");

    fs::remove_file(&filler).unwrap();
    database.set_status(0);
    service.wait("room", |service| service.try_write(&load.minutes(next..next + 1)) == Some(204));
    (next + 1..N_MINUTES).for_each(|minute| service.write(&load.minutes(minute..minute + 1)));
    service.wait("a state that is written", |service| service.metric("rlad_state_last_write_successful") == Some(1.0));
    service.wait("all scores", |_| database.n_scores() == usize::try_from(N_MINUTES).unwrap() * N_SERIES);
    let lines = service.stop();
    assert!(lines.iter().any(|line| line == "the state can be written again"), "{lines:#?}");
    println!("{n_refused} requests refused, {next} minutes taken; {told:#?}");

    // The scores are those of a service whose disk was never full.
    let (whole, other) = (tempfile::tempdir().unwrap(), Database::start());
    let config = write_config(whole.path(), "", "snapshot_every = \"1s\"", &(other.writer() + more));
    let service = Service::start(&config);
    service.write(&load.past());
    service.wait_for_detector();
    service.write(&load.minutes(0..N_MINUTES));
    service.wait("all scores", |_| other.n_scores() == usize::try_from(N_MINUTES).unwrap() * N_SERIES);
    assert!(database.stored().scores == other.stored().scores && database.stored().n_contradictions == 0);
}
