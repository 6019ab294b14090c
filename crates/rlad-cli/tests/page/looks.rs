//! How the page looks in light, in dark and on a phone, and what axe-core says of it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::browser::ESCAPE;
use crate::expert::Expert;
use crate::server::{Server, config};
use crate::turn;

/// Serious and critical faults that axe-core finds, each with where. Its script is at the path in `RLAD_AXE`; without it
/// nothing is looked for. It is licensed under the MPL-2.0 and no part of this repository: `npm pack axe-core` has it.
fn faults(expert: &Expert, axe: Option<&str>) -> Vec<String> {
    let Some(axe) = axe else { return Vec::new() };
    expert.browser.run(axe, &[]);
    let script = "const done = arguments[0]; axe.run().then(
        ({ violations, passes }) => done({ violations, n_passed: passes.length }), (wrong) => done({ wrong: String(wrong) }));";
    let found = expert.browser.run_and_wait(script, &[]);
    assert!(found["n_passed"].as_u64().is_some_and(|n| n > 0), "axe-core looked at nothing: {found}");
    let is_grave = |fault: &&Value| fault["impact"] == "serious" || fault["impact"] == "critical";
    let told = |fault: &Value| {
        let places: Vec<String> = fault["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| format!("{} {}", node["target"], node["failureSummary"]))
            .collect();
        format!("{}: {}", fault["id"], places.join("; "))
    };
    found["violations"].as_array().unwrap().iter().filter(is_grave).map(told).collect()
}

#[test]
fn light_dark_and_phone_have_no_serious_fault_and_nothing_beside_the_screen() {
    let Some(_turn) = turn() else { return };
    let axe = std::env::var_os("RLAD_AXE").map(|path| fs::read_to_string(path).unwrap());
    if axe.is_none() {
        eprintln!("axe-core is not asked: `RLAD_AXE` does not name its script");
    }
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 60, 6, "range");
    let server = Server::begin(&dir.path().join("s"), &config);
    let mut ada = Expert::sit_down(&server, "ada");
    ada.next();
    ada.answer("n");
    let question = ada.next();
    ada.paint(&question, question.point - 2, question.point + 2);
    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    fs::create_dir_all(&screenshots).unwrap();
    let mut found = Vec::new();
    let mut pictures = Vec::new();
    for (look, width, height, scheme) in [
        ("light", 1280, 900, "light"),
        ("dark", 1280, 900, "dark"),
        ("phone", 390, 844, "light"),
        ("phone-dark", 390, 844, "dark"),
    ] {
        let is_phone = width < 500;
        let scale = if is_phone { 2 } else { 1 };
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": is_phone });
        ada.browser.command("Emulation.setDeviceMetricsOverride", &screen);
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        ada.browser.command("Emulation.setEmulatedMedia", &media);
        ada.browser.wait(&format!("innerWidth === {width}"));
        let mut look_at = |part: &str| {
            ada.browser.run_and_wait("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 300)))", &[]);
            let picture = ada.browser.screenshot();
            let file = screenshots.join(format!("{look}-{part}.png"));
            fs::write(file, from_base64(&picture)).unwrap();
            found.extend(faults(&ada, axe.as_deref()).into_iter().map(|fault| format!("{look}, {part}: {fault}")));
            let beside = ada.browser.run("return document.documentElement.scrollWidth - innerWidth", &[]);
            if beside.as_f64().unwrap() > 0.0 {
                found.push(format!("{look}, {part}: {beside} pixels stand beside the screen"));
            }
            if part == "question" {
                pictures.push(picture);
            }
        };
        look_at("question");
        for (part, key) in [("progress", "p"), ("history", "h"), ("series", "l")] {
            let is_open = format!("document.getElementById('side').dataset.tab === '{part}'");
            if ada.browser.run(&format!("return {is_open}"), &[]) != true {
                ada.browser.press(&[key]);
            }
            ada.browser.wait(&is_open);
            look_at(part);
        }
        ada.browser.click("#side-close");
        for (part, opener) in [("help", "#help-open"), ("settings", "#settings-open"), ("files", "#files-open")] {
            ada.browser.click(opener);
            ada.browser.wait(&format!("document.getElementById('{part}').open"));
            look_at(part);
            ada.browser.press(&[ESCAPE]);
            ada.browser.wait("!document.querySelector('dialog[open]')");
        }
        ada.browser.run("document.activeElement.blur()", &[]);
    }
    assert_eq!(found, Vec::<String>::new());
    let n = pictures.len();
    pictures.sort();
    pictures.dedup();
    assert_eq!((n, pictures.len()), (4, 4), "each looks otherwise");
}

/// The bytes of a text in base 64.
pub(crate) fn from_base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = text
        .bytes()
        .filter_map(|letter| LETTERS.iter().position(|other| *other == letter))
        .map(|digit| u32::try_from(digit).unwrap())
        .collect();
    let group = |four: &[u32]| {
        let bits = (0..4).fold(0, |bits, i| bits << 6 | four.get(i).copied().unwrap_or_default());
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}
