//! What the page shows around a question: the proposed range, the score, channels, gaps, similar windows, the comment, counts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::browser::{ENTER, ESCAPE, RIGHT, SHIFT};
use crate::expert::Expert;
use crate::server::{Server, config, log, logged};
use crate::turn;

const DAY: usize = 288;

/// Five channels at a step of five minutes, for nine days: `latency` and `errors` jump now and then, and three hours are missing.
fn five_channels(folder: &Path) -> PathBuf {
    let mut text = "time,cpu,memory,requests,latency,errors\n".to_owned();
    for at in (0..9 * DAY).filter(|at| !(1_000..1_036).contains(at)) {
        let (day, noise) = ((at % DAY) as f64 / DAY as f64, ((at * 7919) % 101) as f64 / 101.0);
        let wave = (day * std::f64::consts::TAU).sin();
        let is_odd = at % 700 > 690;
        let (latency, errors) = if is_odd { (90.0 + noise, 40.0) } else { (20.0 + wave + noise, noise) };
        let time = 1_700_000_000 + at * 300;
        let (cpu, requests) = (40.0 + 10.0 * wave + noise, 500.0 + 200.0 * wave + 9.0 * noise);
        writeln!(text, "{time},{cpu:.3},{:.3},{requests:.3},{latency:.3},{errors:.3}", 60.0 + noise).unwrap();
    }
    let path = folder.join("web.csv");
    std::fs::write(&path, text).unwrap();
    path
}

fn begin(folder: &Path, per_round: usize) -> Server {
    let (data, config) = (five_channels(folder), config(folder, 60, per_round, "range"));
    Server::start(&folder.join("s"), &[data.to_str().unwrap(), "--config", config.to_str().unwrap()])
}

impl Expert {
    fn text(&self, css: &str) -> String {
        let script = "return document.querySelector(arguments[0]).textContent";
        self.browser.run(script, &[json!(css)]).as_str().unwrap().to_owned()
    }

    fn window(&self, name: &str) -> String {
        let script = "return document.getElementById('window').dataset[arguments[0]]";
        self.browser.run(script, &[json!(name)]).as_str().unwrap().to_owned()
    }
}

#[test]
fn the_proposed_range_is_shown_grown_by_keys_and_labelled_as_the_buttons_say() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = begin(dir.path(), 6);
    let mut ada = Expert::sit_down(&server, "ada");
    let question = ada.next();
    let told = server.get(&format!("/api/question/{}?who=ada", question.id))["question"].clone();
    let (first, last) = (told["proposed"]["first"].as_u64().unwrap(), told["proposed"]["last"].as_u64().unwrap());
    ada.browser.wait(&format!("document.getElementById('window').dataset.proposed === '{first}-{last}'"));
    let n = last - first + 1;
    let said = ada.text("#answer-anomaly .effect");
    assert!(said.starts_with(&format!("{n} point")) && said.contains("left open"), "{said}");

    ada.browser.press(&[SHIFT, RIGHT]);
    ada.browser.wait(&format!("document.getElementById('window').dataset.painted === '{first}-{}'", last + 1));
    assert_eq!(ada.window("proposed"), "", "a range of one's own takes its place");
    ada.browser
        .wait(&format!("document.querySelector('#answer-anomaly .effect').textContent.startsWith('{} point')", n + 1));
    let said = ada.text("#answer-anomaly .effect");
    ada.browser.press(&[">", ">"]);
    let shorter = last.saturating_sub(1).max(question.point as u64);
    ada.browser.wait(&format!("document.getElementById('window').dataset.painted === '{first}-{shorter}'"));
    ada.browser.press(&[ESCAPE, SHIFT, RIGHT]);
    ada.browser.wait(&format!("document.querySelector('#answer-anomaly .effect').textContent === '{said}'"));
    ada.answer("a");
    ada.next();
    let saved = ada.text("#toast");
    assert!(saved.starts_with(&format!("Saved: anomaly, {said}.")), "{saved} is not {said}");
    let told = "document.getElementById('progress').textContent.includes('once all questions of the warm-up have one')";
    ada.browser.wait(told);
    drop(server);
    let row = log(&dir.path().join("s")).remove(0);
    assert_eq!(row.annotation, logged("painted", first as usize, last as usize + 1, "anomaly"));
}

#[test]
fn the_score_stays_hidden_until_it_is_asked_for_and_the_effect_of_a_round_is_told() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = begin(dir.path(), 6);
    let mut ada = Expert::sit_down(&server, "ada");
    for _ in 0..12 {
        let question = ada.next();
        ada.answer(if question.point % 700 > 690 { "a" } else { "n" });
    }
    ada.next();
    ada.browser.wait("document.getElementById('context').dataset.alarms !== ''");
    assert_eq!(ada.window("score"), "false");
    ada.browser.press(&["g"]);
    ada.browser.wait("document.getElementById('window').dataset.score === 'true'");
    ada.browser.reload();
    ada.before_is_unknown();
    ada.next();
    ada.browser.wait("document.getElementById('window').dataset.score === 'true'");
    ada.browser.press(&["g"]);
    ada.browser.wait("document.getElementById('window').dataset.score === 'false'");
    // An answered question shows it.
    ada.browser.press(&["b"]);
    ada.browser.wait("document.getElementById('window').dataset.score === 'true'");
    ada.browser.press(&[ENTER]);
    ada.before_is_unknown();
    for _ in 0..7 {
        ada.next();
        ada.answer("n");
    }
    let effect = ada.browser.wait("document.getElementById('effect').textContent.startsWith('Since the last') && document.getElementById('effect').textContent");
    let effect = effect.as_str().unwrap();
    assert!(effect.contains("alarms") && effect.contains("xpected"), "{effect}");
}

#[test]
fn channels_stand_by_how_odd_they_are_and_are_hidden_by_a_click() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = begin(dir.path(), 6);
    let mut ada = Expert::sit_down(&server, "ada");
    let question = ada.next();
    let told = server.get(&format!("/api/question/{}?who=ada", question.id))["question"].clone();
    let sizes: Vec<f64> = told["deviations"].as_array().unwrap().iter().map(|of| of.as_f64().unwrap().abs()).collect();
    let order = ada.browser.run(
        "return [...document.querySelectorAll('#channels button')].map((button) => Number(button.dataset.channel))",
        &[],
    );
    let shown: Vec<f64> = order.as_array().unwrap().iter().map(|of| sizes[of.as_u64().unwrap() as usize]).collect();
    assert!(shown.len() == 5 && shown.is_sorted_by(|a, b| a >= b), "{shown:?}");
    let lanes = "document.getElementById('window').dataset.lanes";
    ada.browser.wait(&format!("{lanes} === '5'"));
    ada.browser.click("#channels button:last-child");
    ada.browser.wait(&format!("{lanes} === '4'"));
    for _ in 0..4 {
        ada.browser.click("#channels button[aria-pressed=true]");
    }
    ada.browser.wait(&format!("{lanes} === '1'"));
    assert_eq!(
        ada.browser.run("return document.querySelectorAll('#channels [aria-pressed=true]').length", &[]),
        1,
        "the last one stays"
    );
}

#[test]
fn a_comment_needs_no_enter_and_its_keys_answer_nothing() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = begin(dir.path(), 6);
    let mut ada = Expert::sit_down(&server, "ada");
    let question = ada.next();
    std::thread::sleep(std::time::Duration::from_millis(125));
    ada.browser.press(&["c"]);
    ada.browser.wait("document.activeElement.id === 'comment'");
    ada.browser.write("a deploy, sun?");
    assert!(server.get("/api/answers")["answers"].as_array().unwrap().is_empty(), "letters are no keys there");
    ada.browser.click("#answer-normal");
    ada.next();
    let answer = server.get("/api/answers")["answers"][0].clone();
    assert_eq!((&answer["question"], &answer["comment"]), (&json!(question.id), &json!("a deploy, sun?")));
    // Escape gives up what was typed.
    ada.browser.press(&["c"]);
    ada.browser.wait("document.activeElement.id === 'comment'");
    ada.browser.write("no");
    ada.browser.press(&[ESCAPE]);
    ada.answer("n");
    ada.next();
    assert_eq!(server.get("/api/answers")["answers"][0]["comment"], Value::Null);
}

#[test]
fn one_series_is_opened_at_once_its_gap_is_marked_and_its_counts_follow() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = five_channels(dir.path());
    let server = Server::start(&dir.path().join("s"), &[data.to_str().unwrap(), "--browse"]);
    let ada = Expert::sit_down(&server, "ada");
    ada.browser.wait("document.body.dataset.screen === 'label' && document.getElementById('window').dataset.first");
    assert_eq!(ada.browser.run("return document.getElementById('empty').hidden", &[]), true);
    assert_eq!(
        ada.browser.run("return document.getElementById('context').dataset.gaps", &[]),
        "1",
        "the strip shows it"
    );
    // It is the middle of nine days.
    ada.browser.wait("document.getElementById('window-note').textContent.endsWith('no data a week before')");
    ada.browser.press(&["l"]);
    ada.browser.wait("document.querySelector('#series li .note')?.textContent.includes('no label')");
    ada.browser.run("document.activeElement.blur()", &[]);
    let first: usize = ada.window("first").parse().unwrap();
    ada.drag(first + 10, first + 19);
    ada.browser.press(&["a"]);
    ada.browser
        .wait("document.querySelector('#series li .note').textContent.includes('10 labelled, 10 of them anomalies')");
}

#[test]
fn similar_windows_stand_beside_the_one_that_was_answered() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = begin(dir.path(), 6);
    let mut ada = Expert::sit_down(&server, "ada");
    ada.next();
    ada.answer("n");
    ada.next();
    ada.browser.press(&["i"]);
    ada.browser.wait("document.body.dataset.screen === 'similar'");
    assert_eq!(ada.browser.run("return document.querySelector('#similar-list li').id", &[]), "similar-reference");
    let notes = ada.browser.run(
        "return [...document.querySelectorAll('#similar li[data-mark] .note')].map((note) => note.textContent)",
        &[],
    );
    let likeness: Vec<u32> = notes
        .as_array()
        .unwrap()
        .iter()
        .map(|note| {
            let note = note.as_str().unwrap().strip_suffix("\u{a0}%\u{a0}alike").unwrap();
            note.rsplit(' ').next().unwrap().parse().unwrap()
        })
        .collect();
    assert!(likeness.is_sorted_by(|a, b| a >= b) && likeness.iter().all(|of| (40..=100).contains(of)), "{likeness:?}");
    let none = ada.browser.run("return !document.getElementById('similar-none').hidden", &[]);
    assert_eq!(none, likeness.is_empty());
}

#[test]
fn the_help_has_every_key_that_stands_on_a_button() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = begin(dir.path(), 6);
    let mut ada = Expert::sit_down(&server, "ada");
    ada.next();
    ada.browser.press(&["?"]);
    ada.browser.wait("document.getElementById('help').open");
    let script = "const keys = (css) => [...document.querySelectorAll(css)].map((key) => key.textContent);
        const known = keys('#help kbd');
        return [known.length, keys('body > :not(#help) kbd').filter((key) => !known.includes(key))];";
    let found = ada.browser.run(script, &[]);
    assert!(found[0].as_u64().unwrap() > 40 && found[1] == json!([]), "{found}");
}
