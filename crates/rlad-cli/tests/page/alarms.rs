//! The view of alarms: one key each, and the detector knows at once.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::expert::Expert;
use crate::server::{Server, log};
use crate::turn;

const DAY: usize = 288;

/// A service at a step of five minutes, for some days: errors now and then, and from the eighth day on a backup every night.
fn service(folder: &Path, days: usize) -> PathBuf {
    let mut text = "timestamp,value,label\n".to_owned();
    for at in 0..days * DAY {
        let (day, noise) = ((at % DAY) as f64 / DAY as f64, ((at * 7919) % 101) as f64 / 101.0);
        let is_error = at % 700 > 692;
        let is_backup = at > 8 * DAY && (30..38).contains(&(at % DAY));
        let wave = 10.0 * (day * std::f64::consts::TAU).sin();
        let value = 50.0 + wave + 2.0 * noise + if is_error { 45.0 } else { 0.0 } - if is_backup { 40.0 } else { 0.0 };
        writeln!(text, "{},{value:.3},{}", 1_700_000_000 + at * 300, u8::from(is_error)).unwrap();
    }
    let path = folder.join("web.csv");
    fs::write(&path, text).unwrap();
    path
}

fn rlad(folder: &Path, args: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_rlad")).current_dir(folder).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The events that the detector of the folder finds, by the index of their first point.
fn events(folder: &Path) -> Vec<usize> {
    rlad(folder, &["detect", "s", "web.csv", "--out", "x.csv", "--events", "e.json", "--without-answers"]);
    let events: Vec<Value> = serde_json::from_slice(&fs::read(folder.join("e.json")).unwrap()).unwrap();
    events.iter().map(|event| (event["start"].as_u64().unwrap() as usize - 1_700_000_000) / 300).collect()
}

fn backups(events: &[usize]) -> usize {
    events.iter().filter(|at| **at > 8 * DAY && (29..39).contains(&(**at % DAY))).count()
}

#[test]
fn an_alarm_is_answered_with_one_key_and_is_quiet_on_the_like_at_once() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = service(dir.path(), 8);
    rlad(dir.path(), &["train", "web.csv", "--session", "s", "--oracle", "truth", "--questions", "40"]);
    service(dir.path(), 12);
    let before = events(dir.path());
    assert!(backups(&before) >= 2, "the backups are alarms: {before:?}");
    rlad(dir.path(), &["detect", "s", "web.csv", "--out", "x.csv", "--events", "alarms.csv"]);

    let server = Server::start(&dir.path().join("s"), &[data.to_str().unwrap(), "--alarms"]);
    let mut ada = Expert::sit_down(&server, "ada");
    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    fs::create_dir_all(&screenshots).unwrap();
    let picture = |ada: &Expert, name: &str| {
        ada.browser.run_and_wait("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 300)))", &[]);
        fs::write(screenshots.join(format!("{name}.png")), crate::looks::from_base64(&ada.browser.screenshot()))
            .unwrap();
    };
    let screen = json!({ "width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": false });
    ada.browser.command("Emulation.setDeviceMetricsOverride", &screen);
    let mut answered: Vec<(String, bool)> = Vec::new();
    for i in 0..3 {
        let question = ada.next();
        picture(&ada, &format!("alarm-{i}"));
        let words = "return [...document.querySelectorAll('#answers button.anomaly, #answers button.normal')].filter((button) => !button.hidden).map((button) => button.firstChild.textContent.trim()).join('|')";
        assert_eq!(ada.browser.run(words, &[]), "Right|False alarm|Right, but late");
        let told = server.get(&format!("/api/question/{}?who=ada", question.id))["question"].clone();
        let (first, last) = (told["alarm"]["first"].as_u64().unwrap(), told["alarm"]["last"].as_u64().unwrap());
        ada.browser.wait(&format!("document.getElementById('window').dataset.painted === '{first}-{last}'"));
        let is_backup = (29..39).contains(&(question.point % DAY)) && question.point % 700 <= 692;
        let key = match (is_backup, i) {
            (true, _) => "0",
            (false, 2) => "2",
            (false, _) => "a",
        };
        let model = dir.path().join("s/model.safetensors");
        let old = fs::read(&model).unwrap();
        let begun = Instant::now();
        ada.answer(key);
        answered.push((key.to_owned(), is_backup));
        if is_backup && answered.iter().filter(|one| one.1).count() == 1 {
            while fs::read(&model).unwrap() == old {
                assert!(begun.elapsed() < Duration::from_secs(20), "the detector knows at once");
                std::thread::sleep(Duration::from_millis(5));
            }
            let took = begun.elapsed();
            eprintln!("the detector was adapted {} ms after the key", took.as_millis());
            let after = events(dir.path());
            assert_eq!(backups(&after), 0, "no backup is an alarm any more: {after:?}");
            let errors = |events: &[usize]| events.iter().filter(|at| (690..=699).contains(&(**at % 700))).count();
            assert_eq!(errors(&after), errors(&before), "and each error is");
        }
    }
    assert!(answered.iter().any(|one| one.1), "a backup was asked about");
    // The rest of the round, and what the first week in use came to.
    let series = "document.getElementById('in-use')";
    while ada.browser.run(&format!("return {series} === null"), &[]) == true {
        ada.next();
        ada.answer("n");
    }
    let told = ada.browser.run(&format!("return {series}.textContent"), &[]);
    assert!(told.as_str().unwrap().contains("In use, by week"), "{told}");
    picture(&ada, "alarm-progress");
    drop(server);
    let said: Vec<Value> = log(&dir.path().join("s")).into_iter().skip(40).take(3).map(|row| row.annotation).collect();
    let kinds: Vec<&str> = said.iter().map(|annotation| annotation["kind"].as_str().unwrap()).collect();
    let keys: Vec<&str> = answered.iter().map(|one| if one.0 == "2" { "late" } else { "painted" }).collect();
    assert_eq!(kinds, keys);
}
