//! The page in a headless Chromium over labelling servers of this process: suggestions, and servers that are exchanged behind it.

#[expect(dead_code, reason = "the tests of the whole program use the rest")]
#[path = "../../../tests/page/browser.rs"]
mod browser;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use self::browser::{Browser, ENTER, RIGHT, SHIFT};
use super::suggestions::{Store, suggestion};
use super::*;
use crate::log::LogAction;

const START: i64 = 1_700_000_000;
const MINUTE: i64 = 60 * rlad::data::NANOS_PER_SECOND;
const ERRORS: &str = "http_requests_total{code=\"500\",job=\"api\"}";
const UP: &str = "up{job=\"db\"}";
const NEW: &str = "go_goroutines{job=\"new\"}";

/// One browser at a time; `None` where there is none and none must be.
fn turn() -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    let is_there = std::process::Command::new("chromedriver").arg("--version").output().is_ok();
    let may_be_skipped = !is_there && std::env::var_os("CI").is_none();
    (!may_be_skipped).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

const fn time(minute: i64) -> i64 {
    (START + minute * 60) * rlad::data::NANOS_PER_SECOND
}

/// A series with a point each minute, and a step up for eight minutes of every 700.
fn one(name: &str, minutes: std::ops::Range<i64>) -> Series {
    let value = |minute: i64| {
        let wave = 10.0 * (minute as f64 / 220.0).sin() + ((minute * 7919) % 101) as f64 / 40.0;
        50.0 + wave + if (300..308).contains(&(minute % 700)) { 35.0 } else { 0.0 }
    };
    let (times, values) = (minutes.clone().map(time).collect(), minutes.map(value).collect());
    Series::new(name, vec!["value".into()], TimeFormat::Seconds, times, values, None).unwrap()
}

/// A labelling server that asks about the points of these series at these minutes; eight points from there on are an alarm.
fn server_over(
    folder: &Path,
    (names, minutes): (&[&str], std::ops::Range<i64>),
    asked: &[(&str, i64)],
    suggestions: Option<Arc<dyn Suggestions>>,
) -> Arc<LabellingServer> {
    let log = AnswerLog::open(&folder.join("labels.sqlite")).unwrap();
    let data = Data::new(names.iter().map(|name| one(name, minutes.clone())).collect());
    let begun = SessionStart { budget: 20, suggestions, ..SessionStart::default() };
    let settings = Settings { shown: 25, ..settings(false) };
    let server = LabellingServer::new(folder.to_owned(), data, settings, DataSource::default(), log, begun).unwrap();
    {
        let mut state = server.lock();
        for (id, (name, minute)) in (0..).zip(asked) {
            let first = usize::try_from(minute - minutes.start).unwrap();
            let (series, point) = (server.data.index[*name], first + 3);
            let query = Query { id, round: 1, series, point, reason: Reason::Alarm, score: 0.5 };
            let shown = server.shown(&query);
            state.questions.insert(id, ShownQuestion { query, shown, alarm: Some(first..first + 8) });
            state.pending.push(id);
        }
        state.round = 1;
        state.phase = Phase::Asking;
    }
    Arc::new(server)
}

/// A page's address, and what stands behind it.
struct Served {
    url: String,
    gate: Gate,
    slot: PageSlot,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Served {
    /// Serves the page that says what is awaited.
    fn start() -> Self {
        let bound = Bound::open(&Options { bind: "127.0.0.1:0".parse().unwrap(), secret: None }).unwrap();
        let (url, gate) = (bound.url(), bound.gate().unwrap());
        let slot = PageSlot::new(waiting(&gate));
        let (end, ended) = tokio::sync::oneshot::channel();
        let router = slot.router();
        let thread = std::thread::spawn(move || listen(bound, router, Listening::default(), ended, || ()));
        Self { url, gate, slot, end: Some(end), thread: Some(thread) }
    }

    fn set(&self, server: &Arc<LabellingServer>) {
        self.slot.set(router(Arc::clone(server), self.gate.clone()));
    }

    /// Takes a server away, as the service does before it opens the session over longer data.
    fn take_away(&self, server: Arc<LabellingServer>) {
        server.stop();
        self.slot.set(waiting(&self.gate));
        drop(server);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

fn waiting(gate: &Gate) -> Router {
    waiting_router(gate.clone(), Arc::new(|| "The data of the last hour are read, 12 of 40 series so far".to_owned()))
}

/// Takes a picture of the page on a phone, in dark and in light.
fn picture(browser: &Browser, name: &str) {
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("tmp/page");
    std::fs::create_dir_all(&target).unwrap();
    for (scheme, width, height) in [("phone", 390, 844), ("dark", 1_280, 900), ("light", 1_280, 900)] {
        let is_phone = scheme == "phone";
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        browser.command("Emulation.setDeviceMetricsOverride", &screen);
        let colours = if is_phone { "light" } else { scheme };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": colours }] });
        browser.command("Emulation.setEmulatedMedia", &media);
        // No script waits: a page that loads itself again would end it.
        std::thread::sleep(std::time::Duration::from_millis(350));
        let file = target.join(format!("{name}-{scheme}.png"));
        let bytes = browser.command("Page.captureScreenshot", &json!({ "format": "png" }));
        std::fs::write(file, from_base64(bytes["data"].as_str().unwrap())).unwrap();
    }
}

/// The bytes of a text in base 64.
fn from_base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> =
        text.bytes().filter_map(|letter| LETTERS.iter().position(|of| *of == letter)).map(|at| at as u32).collect();
    let group = |four: &[u32]| {
        let bits = (0..4).fold(0, |bits, i| bits << 6 | four.get(i).copied().unwrap_or_default());
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

/// What the log holds: the question, the series, the annotation, the comment.
fn logged(folder: &Path) -> Vec<(Option<u64>, String, Value, Option<String>)> {
    let log = AnswerLog::open(&folder.join("labels.sqlite")).unwrap();
    let told = |(_, entry): (i64, crate::log::Entry)| match entry.action {
        LogAction::Annotate(logged) => {
            let annotation = serde_json::to_value(&logged.annotation).unwrap();
            Some((logged.question.map(|of| of.id), logged.series, annotation, logged.comment))
        }
        _ => None,
    };
    log.entries().unwrap().into_iter().filter_map(told).collect()
}

fn spans(kind: &str, first: usize, last: usize, label: &str) -> Value {
    json!({ "kind": kind, "spans": [{ "first": first, "last": last, "label": label }] })
}

const PAINTED: &str = "document.getElementById('window').dataset.painted";
const UNSENT: &str = "document.getElementById('unsent').dataset.count";

/// Waits for a question about a point whose curves are on the screen.
#[track_caller]
fn wait_for(browser: &Browser, series: usize, point: usize) {
    browser.wait(&format!(
        "(({{ dataset: of }}) => of.drawn === 'true' && of.id !== '' && of.series === '{series}' && of.point === '{point}')(document.getElementById('question'))"
    ));
    // Keys count from 120 ms after that.
    std::thread::sleep(std::time::Duration::from_millis(130));
}

#[test]
fn what_is_on_the_screen_goes_on_over_a_server_with_other_numbers() {
    let Some(_turn) = turn() else { return };
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start();
    let asked = [(ERRORS, 1_000), (UP, 1_700)];
    let first = server_over(folder.path(), (&[ERRORS, UP], 0..2_000), &asked, None);
    served.set(&first);
    let browser = Browser::start();
    browser.open(&format!("{}?who=ada", served.url));
    wait_for(&browser, 0, 1_003);
    browser.wait(&format!("{PAINTED} === '1000-1007'"));
    browser.press(&[SHIFT, RIGHT]);
    browser.wait(&format!("{PAINTED} === '1000-1008'"));

    // The oldest points are gone, a series comes before the others, and questions have other numbers.
    served.take_away(first);
    let banner = "document.getElementById('banner').innerText";
    browser.wait(&format!("{banner}.includes('12 of 40 series so far. The page goes on')"));
    picture(&browser, "exchanged");
    let asked = [(UP, 1_700), (ERRORS, 1_000), (NEW, 2_400)];
    let second = server_over(folder.path(), (&[NEW, ERRORS, UP], 400..2_600), &asked, None);
    served.set(&second);
    wait_for(&browser, 1, 603);
    browser.wait(&format!("{PAINTED} === '600-608' && document.getElementById('banner').hidden"));
    browser.press(&["a"]);
    browser.wait(&format!("{UNSENT} === '0'"));
    wait_for(&browser, 2, 1_303);

    // An answer while nobody is there goes to its question, whatever its number is then.
    served.take_away(second);
    browser.wait("document.getElementById('connection').dataset.state === 'gone'");
    browser.press(&["0"]);
    browser.wait(&format!("{UNSENT} === '1'"));
    let asked = [(ERRORS, 2_400), (ERRORS, 1_000), (UP, 2_400), (UP, 1_700)];
    let third = server_over(folder.path(), (&[ERRORS, UP], 400..2_600), &asked, None);
    served.set(&third);
    browser.wait(&format!("{UNSENT} === '0'"));
    wait_for(&browser, 0, 2_003);

    // A range that is painted without a question stays where its times are.
    let label = format!("{}?who=ada&series=up%7Bjob%3D%22db%22%7D&at={}", served.url, START + 1_500 * 60);
    browser.open(&label);
    browser.wait(&format!("document.body.dataset.screen === 'label' && {PAINTED}.includes('1100')"));
    let painted = browser.run(&format!("return {PAINTED}"), &[]).as_str().unwrap().to_owned();
    let ends: Vec<i64> = painted.split('-').map(|end| end.parse().unwrap()).collect();
    served.take_away(third);
    let fourth = server_over(folder.path(), (&[NEW, UP, ERRORS], 500..2_700), &[(ERRORS, 1_700)], None);
    served.set(&fourth);
    let (from, to) = (ends[0] - 100, ends[1] - 100);
    browser.wait(&format!("{PAINTED} === '{from}-{to}' && document.getElementById('question').dataset.series === '1'"));
    browser.press(&["n"]);
    browser
        .wait(&format!("{UNSENT} === '0' && document.getElementById('toast').textContent.startsWith('Saved: normal')"));
    let (from, to) = (usize::try_from(from).unwrap(), usize::try_from(to).unwrap());
    assert_eq!(
        logged(folder.path()),
        [
            (Some(1), ERRORS.to_owned(), spans("painted", 600, 608, "anomaly"), None),
            (Some(3), UP.to_owned(), spans("painted", 1_300, 1_307, "normal"), None),
            (None, UP.to_owned(), spans("spans", from, to, "normal"), None),
        ]
    );
}

#[test]
fn suggestions_are_shown_accepted_and_dismissed_by_keys() {
    let Some(_turn) = turn() else { return };
    let folder = tempfile::tempdir().unwrap();
    let told = |comment| ["silence", "eve", comment];
    let at = |minute| time(minute) - MINUTE / 2;
    let mut linked = suggestion(
        "1",
        SuggestedKind::Expected,
        ERRORS,
        at(1_000),
        Some(at(1_030)),
        told("deploy of api 1.4, errors are expected"),
    );
    linked.url = Some("http://127.0.0.1:9093/#/silences/1".to_owned());
    let open = vec![
        linked,
        suggestion(
            "2",
            SuggestedKind::Anomaly,
            UP,
            at(1_700),
            Some(at(1_708)),
            ["alert", "pager", "db did not answer"],
        ),
        suggestion("3", SuggestedKind::Anomaly, "node_load1{instance=\"gone\"}", at(0), None, told("an old host")),
        suggestion("4", SuggestedKind::Normal, UP, at(300), Some(at(320)), told("planned")),
    ];
    let store = Arc::new(Store { open: Mutex::new(open), ..Store::default() });
    let served = Served::start();
    let suggestions: Option<Arc<dyn Suggestions>> = Some(Arc::clone(&store) as _);
    let server = server_over(folder.path(), (&[ERRORS, UP], 0..2_000), &[(ERRORS, 300)], suggestions);
    served.set(&server);
    let browser = Browser::start();
    browser.open(&format!("{}?who=ada", served.url));
    wait_for(&browser, 0, 303);
    browser.wait("document.getElementById('suggestions-count').textContent === ' 4'");
    browser.press(&["q"]);
    browser.wait("document.activeElement.closest('[data-suggestion]')?.dataset.suggestion === '1'");
    // A label's key is not meant for the question behind the list.
    browser.press(&["e"]);
    browser.wait("document.getElementById('hint').textContent.startsWith('Enter shows it')");
    picture(&browser, "suggestions");
    browser.press(&[ENTER]);
    let shown = |id: &str, painted: &str| {
        browser.wait(&format!("document.body.dataset.suggested === '{id}' && {PAINTED} === '{painted}' && document.getElementById('window').dataset.first"));
    };
    shown("1", "1000-1029");
    picture(&browser, "suggestion");
    browser.press(&["a"]);
    browser.wait("document.getElementById('hint').textContent.startsWith('This is suggested as expected')");
    browser.press(&["e"]);
    // The next one comes by itself; its range is made longer before it is accepted.
    shown("2", "1700-1707");
    browser.wait("document.getElementById('toast').textContent.startsWith('Saved: expected event, 30 points')");
    browser.press(&[">"]);
    shown("2", "1700-1706");
    browser.press(&["a"]);
    shown("4", "300-319");
    browser.press(&["x"]);
    browser.wait("document.body.dataset.suggested === '' && document.querySelectorAll('#suggestions-list [data-suggestion]').length === 1");
    browser.wait(&format!("{UNSENT} === '0'"));
    picture(&browser, "suggestion-gone");
    // What has no points can only be dismissed.
    browser.click("[data-suggestion='3'] .open");
    browser.wait("document.getElementById('hint').textContent.includes('its series is not in the data')");
    browser.click("[data-suggestion='3'] .dismiss");
    browser.wait(&format!(
        "{UNSENT} === '0' && document.getElementById('suggestions-list').textContent === 'Nothing is suggested.'"
    ));
    let labels = || server.labels_json(reads::SeriesRange { series: 1, from: 0, to: 2_000 }).unwrap()["spans"].clone();
    assert_eq!(labels(), json!([{ "first": 1_700, "last": 1_706, "label": "anomaly" }]));
    browser.press(&["z"]);
    browser.wait("document.getElementById('toast').textContent === 'Took the label back.'");
    assert_eq!(labels(), json!([]));
    let of = |series: &str, annotation, comment: &str| (None, series.to_owned(), annotation, Some(comment.to_owned()));
    assert_eq!(
        logged(folder.path()),
        [
            of(
                ERRORS,
                spans("spans", 1_000, 1_029, "expected"),
                "silence by eve: deploy of api 1.4, errors are expected"
            ),
            of(UP, spans("spans", 1_700, 1_706, "anomaly"), "alert by pager: db did not answer"),
        ]
    );
    let decided: Vec<(String, bool)> =
        store.decided.lock().unwrap().iter().map(|(id, accepted, who)| (format!("{id} {who}"), *accepted)).collect();
    let expected = [("1 ada", true), ("2 ada", true), ("4 ada", false), ("3 ada", false)];
    assert_eq!(decided, expected.map(|(id, accepted)| (id.to_owned(), accepted)));
}

#[test]
fn a_link_is_followed_once_there_is_a_server() {
    let Some(_turn) = turn() else { return };
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start();
    let browser = Browser::start();
    let link = |at: i64| {
        let series = "http_requests_total%7Bcode%3D%22500%22%2Cjob%3D%22api%22%7D";
        format!("{}?who=ada&series={series}&at={at}", served.url)
    };
    browser.open(&link(START + 1_005 * 60));
    browser.wait("document.getElementById('awaited')?.textContent.includes('12 of 40 series so far')");
    picture(&browser, "waiting");
    let asked = [(UP, 300), (UP, 1_000), (ERRORS, 1_000), (ERRORS, 1_700)];
    let server = server_over(folder.path(), (&[ERRORS, UP], 0..2_000), &asked, None);
    served.set(&server);
    // The page loads itself again.
    std::thread::sleep(std::time::Duration::from_secs(3));
    wait_for(&browser, 0, 1_003);
    browser.wait(&format!("{PAINTED} === '1000-1007'"));
    picture(&browser, "link-to-alarm");
    browser.press(&["0"]);
    // The queue goes on.
    wait_for(&browser, 1, 303);
    assert_eq!(logged(folder.path()), [(Some(2), ERRORS.to_owned(), spans("painted", 1_000, 1_007, "normal"), None)]);
}
