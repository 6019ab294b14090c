//! Painting by mouse, labels that nobody asked for, and labels as files.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::browser::ENTER;
use crate::expert::Expert;
use crate::server::{Server, config, data_folder, log, logged};
use crate::turn;

#[test]
fn a_range_painted_by_mouse_is_what_the_log_says() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 60, 6, "range");
    let folder = dir.path().join("s");
    let server = Server::begin(&folder, &config);
    let mut ada = Expert::sit_down(&server, "ada");
    let mut given = Vec::new();

    let question = ada.next();
    let point = question.point;
    ada.drag(point - 3, point + 4);
    assert_eq!(ada.painted(), format!("{}-{}", point - 3, point + 4));
    // An edge that is taken hold of moves.
    ada.drag_edge(point + 4, point + 7);
    assert_eq!(ada.painted(), format!("{}-{}", point - 3, point + 7));
    std::thread::sleep(Duration::from_millis(125));
    ada.browser.click("#answer-anomaly");
    given.push(logged("painted", point - 3, point + 7, "anomaly"));

    // A range that is painted beside the judged point reaches to it.
    let question = ada.next();
    let point = question.point;
    ada.drag(point - 6, point - 2);
    assert_eq!(ada.painted(), format!("{}-{point}", point - 6));
    std::thread::sleep(Duration::from_millis(125));
    ada.browser.click("#answer-expected");
    given.push(logged("spans", point - 6, point, "expected"));

    // From edge to edge of what is shown, from right to left.
    let question = ada.next();
    ada.drag(question.last, question.first);
    assert_eq!(ada.painted(), format!("{}-{}", question.first, question.last));
    std::thread::sleep(Duration::from_millis(125));
    ada.browser.click("#answer-normal");
    given.push(logged("painted", question.first, question.last, "normal"));

    ada.next();
    drop(server);
    assert_eq!(log(&folder).into_iter().map(|row| row.annotation).collect::<Vec<_>>(), given);
}

#[test]
fn a_series_that_is_found_by_search_is_labelled() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 60, 6, "range");
    let folder = dir.path().join("s");
    let server = Server::begin(&folder, &config);
    let listed = server.get("/api/series")["series"].clone();
    let (index, name) = (1, listed[1]["name"].as_str().unwrap().to_owned());
    let mut ada = Expert::sit_down(&server, "ada");
    ada.next();
    ada.browser.press(&["l"]);
    ada.browser.wait("document.activeElement.id === 'series-search'");
    ada.browser.write(&name[..8]);
    ada.browser.wait("document.getElementById('series-count').textContent === '1 found'");
    ada.browser.press(&[ENTER]);
    let window = "document.getElementById('window').dataset";
    let is_open = format!(
        "document.body.dataset.screen === 'label' && document.getElementById('question').dataset.series === '{index}' && {window}.first"
    );
    let first: usize = ada.browser.wait(&is_open).as_str().unwrap().parse().unwrap();
    // The focus goes from the field to the page, so that keys are keys.
    ada.browser.run("document.activeElement.blur()", &[]);
    let paint = |from: usize, to: usize, key: &str| {
        ada.drag(first + from, first + to);
        assert_eq!(ada.painted(), format!("{}-{}", first + from, first + to));
        ada.browser.press(&[key]);
        ada.confirmed();
    };
    paint(40, 60, "n");
    paint(50, 52, "a");
    paint(80, 90, "e");
    paint(58, 70, "x");
    let labels = server.get(&format!("/api/labels?series={index}&from={}&to={}", first, first + 150))["spans"].clone();
    let span =
        |from: usize, to: usize, label: &str| json!({ "first": first + from, "last": first + to, "label": label });
    let stands =
        json!([span(40, 49, "normal"), span(50, 52, "anomaly"), span(53, 57, "normal"), span(80, 90, "expected")]);
    assert_eq!(labels, stands);
    ada.browser.press(&["z"]);
    ada.confirmed();
    let spans_after =
        server.get(&format!("/api/labels?series={index}&from={}&to={}", first, first + 150))["spans"].clone();
    assert_eq!(spans_after[2], span(53, 60, "normal"), "what was erased is there again");
    drop(server);
    let log = log(&folder);
    assert_eq!(log.iter().filter(|row| row.source.as_deref() == Some("unprompted")).count(), 4);
    let second = &log[1];
    assert_eq!((second.who.as_str(), second.series.as_deref()), ("ada", Some(name.as_str())));
    assert_eq!(second.annotation, logged("spans", first + 50, first + 52, "anomaly"));
}

/// The file that a link saves.
fn download(expert: &Expert, link: &str) -> PathBuf {
    let folder = expert.browser.downloads();
    let files = || fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let before = files();
    expert.browser.click(link);
    let begun = Instant::now();
    loop {
        let is_whole = |path: &PathBuf| {
            !before.contains(path)
                && path.extension().is_some_and(|extension| extension != "crdownload")
                && !path.file_name().unwrap().to_str().unwrap().starts_with('.')
        };
        if let Some(path) = files().into_iter().find(is_whole) {
            return path;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{link} saves no file; there are {:?}", files());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn labels_go_out_of_one_page_and_into_another() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 60, 6, "range");
    let folder = dir.path().join("s");
    let server = Server::begin(&folder, &config);
    let mut ada = Expert::sit_down(&server, "ada");
    for i in 0..6 {
        let question = ada.next();
        if i % 2 == 0 {
            ada.paint(&question, question.point - 1, question.point + 2);
        }
        ada.answer(if i % 2 == 0 { "a" } else { "n" });
    }
    ada.next();
    let all = |server: &Server| {
        let n_series = server.get("/api/session")["n_series"].as_u64().unwrap();
        let of = |series| server.get(&format!("/api/labels?series={series}&from=0&to=1000000"))["spans"].clone();
        (0..n_series).map(of).collect::<Vec<_>>()
    };
    let labels = all(&server);
    ada.browser.press(&["."]);
    ada.browser.wait("document.getElementById('files').open");
    let formats = ["trainset", "nab", "tsb-ad", "label-studio"];
    let files = formats.map(|format| download(&ada, &format!("#export-{format}")));
    for (format, file) in formats.iter().zip(&files) {
        assert!(fs::metadata(file).unwrap().len() > 0, "{format}");
    }

    let other = dir.path().join("other");
    let second = Server::start(&other, &[data_folder().to_str().unwrap(), "--browse"]);
    let eve = Expert::sit_down(&second, "eve");
    eve.browser.click("#files-open");
    for (format, file) in [("trainset", &files[0]), ("label-studio", &files[3])] {
        eve.browser.click(&format!("#import-format option[value={format}]"));
        eve.browser.choose_file("#import-file", file);
        eve.browser.run("document.getElementById('import-result').textContent = ''", &[]);
        eve.browser.click("#import-go");
        let told = eve
            .browser
            .wait("document.getElementById('import-result').textContent.match(/taken in|expected|cannot/)?.input");
        assert!(told.as_str().unwrap().contains("taken in"), "{format}: {told}");
        assert_eq!(all(&second), labels, "{format}");
    }
    // What went in comes out again as the same bytes.
    let again = download(&eve, "#export-trainset");
    assert!(fs::read(again).unwrap() == fs::read(&files[0]).unwrap());
    drop(second);
    let log = log(&other);
    assert!(!log.is_empty() && log.iter().all(|row| row.who == "eve" && row.source.as_deref() == Some("import")));
}
