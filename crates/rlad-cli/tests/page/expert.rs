//! An expert at the page: what is on the screen, and the keys that answer it.

use std::fs;

use serde_json::json;

use crate::browser::{Browser, ENTER, LEFT, RIGHT};
use crate::server::{Server, data_folder};

/// The `label` column of each series' file, in the order of the series.
pub(crate) fn truth() -> Vec<Vec<bool>> {
    let mut files: Vec<_> = fs::read_dir(data_folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    files.sort();
    let labels = |path| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap() == "1").collect()
    };
    files.iter().map(labels).collect()
}

/// A question on the screen, whose answers count.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) id: i64,
    pub(crate) series: usize,
    pub(crate) point: usize,
    /// The first and the last point in the window.
    pub(crate) first: usize,
    pub(crate) last: usize,
    /// Its present answer.
    pub(crate) answered: String,
    /// From the key press before it to its curves on the screen.
    pub(crate) key_ms: Option<f64>,
}

/// Somebody at a page.
pub(crate) struct Expert {
    pub(crate) browser: Browser,
    before: String,
}

impl Expert {
    /// Opens the page and gives a name, by keys.
    pub(crate) fn sit_down(server: &Server, who: &str) -> Self {
        let browser = Browser::start();
        browser.open(&server.url);
        browser.wait("document.activeElement.id === 'who-name'");
        browser.write(who);
        browser.press(&[ENTER]);
        browser.wait("!document.querySelector('dialog[open]')");
        Self { browser, before: String::new() }
    }

    /// Waits for another question than the one before, or an other state of it, with its curves on the screen; `None` once
    /// the session is done.
    #[track_caller]
    pub(crate) fn look(&mut self) -> Option<Shown> {
        let expression = format!(
            "(() => {{
                const of = (id) => document.getElementById(id);
                const box = of('question'), window = of('window');
                if (of('unsent').dataset.count !== '0') return null;
                if (of('phase').dataset.phase === 'done' && box.dataset.id === '') return {{ done: true }};
                const now = `${{box.dataset.id}}/${{box.dataset.answered}}`;
                if (box.dataset.id === '' || box.dataset.drawn !== 'true' || !of('stamp').hidden || now === {before}) return null;
                return {{ now, ...box.dataset, first: window.dataset.first, last: window.dataset.last }};
            }})()",
            before = json!(self.before)
        );
        let seen = self.browser.wait(&expression);
        if seen["done"] == true {
            return None;
        }
        let text = |name: &str| seen[name].as_str().unwrap_or_else(|| panic!("{name} of {seen}"));
        let number = |name: &str| text(name).parse().unwrap();
        text("now").clone_into(&mut self.before);
        Some(Shown {
            id: text("id").parse().unwrap(),
            series: number("series"),
            point: number("point"),
            first: number("first"),
            last: number("last"),
            answered: text("answered").to_owned(),
            key_ms: seen["keyMs"].as_str().map(|key_ms| key_ms.parse().unwrap()),
        })
    }

    /// Forgets what was on the screen, as the page does when it is loaded anew.
    pub(crate) fn before_is_unknown(&mut self) {
        self.before.clear();
    }

    /// A question that is to be answered.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Shown {
        self.look().expect("a question")
    }

    /// Answers with a key, as soon as keys count for a new question (120 ms after its curves are on the screen).
    #[track_caller]
    pub(crate) fn answer(&self, key: &str) {
        std::thread::sleep(std::time::Duration::from_millis(125));
        self.browser.press(&[key]);
    }

    /// Paints a range that holds the judged point, by keys: from the point to its last one, then the other end to its first.
    #[track_caller]
    pub(crate) fn paint(&self, question: &Shown, first: usize, last: usize) {
        let mut keys = vec!["r"];
        keys.extend(std::iter::repeat_n(RIGHT, last - question.point));
        keys.extend(["r", "r"]);
        keys.extend(std::iter::repeat_n(LEFT, question.point - first));
        keys.push("r");
        self.browser.press(&keys);
        self.browser.wait(&format!("document.getElementById('window').dataset.painted === '{first}-{last}'"));
    }

    /// Drags the mouse over the window, from one point to another.
    #[track_caller]
    pub(crate) fn drag(&self, from: usize, to: usize) {
        self.drag_from(from, 0.0, to);
    }

    /// Drags the edge after the last point of a painted range to another point.
    #[track_caller]
    pub(crate) fn drag_edge(&self, last: usize, to: usize) {
        self.drag_from(last, 0.5, to);
    }

    /// Points stand at their times: the page itself tells where.
    #[track_caller]
    fn drag_from(&self, from: usize, beside: f64, to: usize) {
        let script = "const [from, beside, to, done] = arguments;
            import('/assets/chart/stage.js').then(({ windowChart }) => {
                const box = windowChart.canvas.getBoundingClientRect();
                done([Math.round(windowChart.placeOf(from + beside)), Math.round(windowChart.placeOf(to)), Math.round(box.top + box.height / 2)]);
            });";
        let found = self.browser.run_and_wait(script, &[json!(from), json!(beside), json!(to)]);
        let at = |i: usize| found[i].as_i64().unwrap();
        self.browser.drag((at(0), at(2)), (at(1), at(2)));
    }

    /// The range that is painted, as FIRST-LAST.
    pub(crate) fn painted(&self) -> String {
        self.browser.run("return document.getElementById('window').dataset.painted", &[]).as_str().unwrap().to_owned()
    }

    /// Waits until nothing is unconfirmed.
    #[track_caller]
    pub(crate) fn confirmed(&self) {
        self.browser.wait("document.getElementById('unsent').dataset.count === '0'");
    }
}
