//! The first hour of a new user: the demo and its next command, a session beside its data, the browser.
#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rlad"));
    command.current_dir(folder).args(line.split(' ')).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    command
}

fn stdout(folder: &Path, line: &str) -> String {
    let output = command(folder, line).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A wave with a jump at each 60th point, and settings that train in a second.
fn write_data(folder: &Path) {
    let mut text = String::from("timestamp,value,label\n");
    for i in 0..600 {
        let jump = i % 60 == 40;
        let value = (f64::from(i) / 3.0).sin() + if jump { 9.0 } else { 0.0 };
        writeln!(text, "{},{value:.4},{}", 1_600_000_000 + i * 60, u8::from(jump)).unwrap();
    }
    fs::write(folder.join("cpu.csv"), text).unwrap();
}

/// A program that is ended when the test is over.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn begin(mut command: Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// The first line on stderr with this text.
    fn told(&mut self, text: &str) -> String {
        let lines = BufReader::new(self.0.stderr.take().unwrap()).lines();
        lines.map(Result::unwrap).find(|line| line.contains(text)).unwrap()
    }
}

#[test]
fn the_demo_leads_to_a_session_that_its_next_run_leaves_alone() {
    let dir = tempfile::tempdir().unwrap();
    let told = stdout(dir.path(), "demo --questions 10");
    let next = told.lines().last().unwrap();
    assert_eq!(next, "next: rlad label rlad-demo/mine rlad-demo/data --questions 30");
    for file in ["scores.csv", "report.html", "session/model.safetensors"] {
        assert!(dir.path().join("rlad-demo").join(file).exists(), "{file}");
    }
    // The folder of the data has the same series as the session.
    stdout(dir.path(), "detect rlad-demo/session rlad-demo/data --out again.csv");
    let of = |file: &str| fs::read(dir.path().join(file)).unwrap();
    assert!(of("again.csv") == of("rlad-demo/scores.csv"));
    let line = format!("{} --json", next.strip_prefix("next: rlad ").unwrap());
    let mut label = Running::begin(command(dir.path(), &line));
    let told = label.told("the labelling page is at");
    assert!(told.contains("http://127.0.0.1:"), "{told}");
    drop(label);
    let labels = dir.path().join("rlad-demo/mine/labels.sqlite");
    let before = fs::read(&labels).unwrap();
    stdout(dir.path(), "demo --questions 5");
    assert_eq!(fs::read(&labels).unwrap(), before, "what the user began stays");

    let file = dir.path().join("rlad-demo/made-by-rlad-demo");
    fs::remove_file(file).unwrap();
    let refused = command(dir.path(), "demo").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no demo made it"));
}

#[test]
fn a_session_needs_no_name() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_data(dir);
    let told = stdout(dir, "train cpu.csv --oracle truth --questions 4");
    assert!(told.lines().last().unwrap().starts_with("next: rlad detect cpu.rlad cpu.csv --out "), "{told}");
    let again = command(dir, "train cpu.csv --oracle truth --questions 8").output().unwrap();
    assert_eq!(again.status.code(), Some(2), "an earlier session is not begun anew");
    let more = stdout(dir, "train cpu.csv --oracle truth --questions 8 --resume");
    assert!(more.starts_with("8 questions, "), "{more}");
    stdout(dir, "detect cpu.rlad cpu.csv --out scores.csv");
}

#[cfg(target_os = "linux")]
#[test]
fn the_page_opens_in_the_browser_unless_it_is_told_not_to() {
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, Instant};

    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_data(dir);
    let opener = dir.join("bin/xdg-open");
    fs::create_dir(dir.join("bin")).unwrap();
    fs::write(
        &opener,
        format!("#!/bin/sh\necho \"$1\" > {}/opened.part && mv {0}/opened.part {0}/opened\n", dir.display()),
    )
    .unwrap();
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
    let opened = dir.join("opened");
    let begin = |line: &str, display: &str| {
        let mut command = command(dir, line);
        command.env("PATH", &path).env("DISPLAY", display);
        Running::begin(command)
    };
    for (line, display) in [("label cpu.csv --no-open", ":9"), ("label cpu.csv", "")] {
        let mut silent = begin(line, display);
        silent.told("the labelling page is at");
        std::thread::sleep(Duration::from_millis(500));
        assert!(!opened.exists(), "{line}");
    }
    let mut page = begin("label cpu.csv --who ada", ":9");
    let told = page.told("the labelling page is at");
    let begun = Instant::now();
    while !opened.exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing was opened");
        std::thread::sleep(Duration::from_millis(20));
    }
    let url = fs::read_to_string(opened).unwrap();
    assert_eq!(
        told.strip_prefix("the labelling page is at ").map(|url| format!("{url}?who=ada")),
        Some(url.trim().into())
    );
}

#[cfg(unix)]
#[test]
fn training_in_a_log_tells_each_round_and_what_an_interrupt_leaves() {
    use std::io::Read;

    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_data(dir);
    let mut train = Running::begin(command(dir, "train cpu.csv --oracle truth --preset paper"));
    let mut told = BufReader::new(train.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(" of 500 questions, round 1 ") {
        line.clear();
        assert_ne!(told.read_line(&mut line).unwrap(), 0, "it ended");
    }
    let id = train.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert_eq!(train.0.wait().unwrap().code(), Some(130));
    let expected = "every answer is kept; go on with `rlad train cpu.csv --session cpu.rlad --resume --oracle truth`";
    assert_eq!(rest.lines().last(), Some(expected), "{rest}");
}
