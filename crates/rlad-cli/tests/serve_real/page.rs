//! The labelling page of the service in a headless Chromium.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::browser::Browser;

/// The range that is painted in the chart.
const PAINTED: &str = "document.getElementById('window').dataset.painted";

/// Opens the link of an alert that a question is about; returns the name of the series that comes up.
pub(crate) fn open(browser: &Browser, link: &str) -> String {
    browser.open(&format!("{link}&who=ada"));
    browser.wait("(({ dataset: of }) => of.drawn === 'true' && of.id !== '')(document.getElementById('question'))");
    // Keys count from 120 ms after that.
    std::thread::sleep(std::time::Duration::from_millis(150));
    browser.run("return document.getElementById('question-title').textContent", &[]).as_str().unwrap().to_owned()
}

/// Presses a key, and waits until what it said is in the log; returns what the page tells.
pub(crate) fn answer(browser: &Browser, key: &str) -> String {
    browser.press(&[key]);
    browser.wait("document.getElementById('toast').textContent.startsWith('Saved')");
    browser.wait("document.getElementById('unsent').dataset.count === '0'");
    browser.run("return document.getElementById('toast').textContent", &[]).as_str().unwrap().to_owned()
}

/// Shows a suggestion of the list in its series.
pub(crate) fn show_suggestion(browser: &Browser, id: &str) {
    let id = json!(id);
    browser.wait(&format!("document.querySelector('[data-suggestion=' + CSS.escape({id}) + '] .open')"));
    browser.click(&format!("[data-suggestion={id}] .open"));
    browser.wait(&format!("document.body.dataset.suggested === {id} && {PAINTED} !== ''"));
    std::thread::sleep(std::time::Duration::from_millis(150));
}

/// Opens the list of suggestions.
pub(crate) fn list_suggestions(browser: &Browser, url: &str) {
    browser.open(&format!("{url}/?who=ada"));
    browser.wait("document.querySelectorAll('#suggestions-list [data-suggestion]').length > 0");
    browser.press(&["q"]);
    browser.wait("document.activeElement.closest('[data-suggestion]') !== null");
}

/// Keeps a picture of the page.
pub(crate) fn picture(browser: &Browser, name: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(350));
    std::fs::write(folder.join(format!("{name}.png")), STANDARD.decode(browser.screenshot()).unwrap()).unwrap();
}
