//! Links that open a point, as alerts have them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::browser::{Browser, ENTER};
use crate::server::{Server, log, logged};
use crate::turn;

/// Two series with names of PromQL, a point a minute from 2023-11-14T22:13:20Z on; the first rises for five points from point 100 on.
fn metrics(folder: &Path) -> PathBuf {
    let mut text = "timestamp,series,value\n".to_owned();
    for i in 0..400_u64 {
        let noise = ((i * 7919) % 101) as f64 / 101.0;
        let errors = if (100..105).contains(&i) { 80.0 } else { 0.0 };
        let time = 1_700_000_000 + i * 60;
        writeln!(text, r#"{time},"http_requests_total{{code=""500"",job=""api""}}",{:.3}"#, noise + errors).unwrap();
        writeln!(text, r#"{time},"up{{job=""db""}}",{:.3}"#, 1.0 + noise).unwrap();
    }
    let path = folder.join("metrics.csv");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_link_opens_its_point_to_be_labelled_with_one_key() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = metrics(dir.path());
    let folder = dir.path().join("s");
    let server = Server::start(&folder, &[data.to_str().unwrap(), "--browse", "--secret", "abcdefgh"]);
    let browser = Browser::start();
    let errors = "http_requests_total%7Bcode%3D%22500%22%2Cjob%3D%22api%22%7D";
    // Who comes for the first time gives a name, and the link is not forgotten over that.
    browser.open(&format!("{}&series={errors}&at=2023-11-14T23:55:30Z", server.url));
    browser.wait("document.activeElement.id === 'who-name'");
    assert_eq!(browser.run("return location.search.includes('abcdefgh')", &[]), false, "the secret left the address");
    browser.write("ada");
    browser.press(&[ENTER]);
    let painted = "document.getElementById('window').dataset.painted";
    browser.wait(&format!("document.body.dataset.screen === 'label' && {painted} === '100-104'"));
    let title = browser.run("return document.getElementById('question-title').textContent", &[]);
    assert_eq!(title, "http_requests_total{code=\"500\",job=\"api\"}");
    browser.press(&["a"]);
    browser.wait("document.getElementById('toast').textContent.startsWith('Saved: anomaly, 5 points')");
    let rows = log(&folder);
    assert_eq!((rows[0].who.as_str(), &rows[0].annotation), ("ada", &logged("spans", 100, 104, "anomaly")));

    // By milliseconds, with the cookie that was given before.
    let base = server.url.split('?').next().unwrap();
    browser.open(&format!("{base}?series=up%7Bjob%3D%22db%22%7D&at={}", (1_700_000_000_u64 + 200 * 60) * 1000));
    browser.wait(&format!("document.body.dataset.screen === 'label' && {painted} !== ''"));
    let range = browser.run(&format!("return {painted}"), &[]).as_str().unwrap().to_owned();
    let ends: Vec<usize> = range.split('-').map(|end| end.parse().unwrap()).collect();
    assert!(ends[0] <= 200 && 200 <= ends[1], "{range}");

    for (query, told) in [
        ("series=nowhere%7B%7D&at=7", "there is no series nowhere{} in the data"),
        ("series=up%7Bjob%3D%22db%22%7D&at=7", "up{job=\"db\"} has no data at 7: they go from 2023-11-14T22:13:20Z to"),
        ("series=up%7Bjob%3D%22db%22%7D&at=soon", "expected a time"),
    ] {
        browser.open(&format!("{base}?{query}"));
        let told = serde_json::json!(format!("The link leads nowhere: {told}"));
        browser.wait(&format!("document.getElementById('toast').textContent.startsWith({told})"));
        browser.wait("document.getElementById('side').dataset.tab === 'series'");
    }
}
