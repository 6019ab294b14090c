//! Tables and page of made-up rows.

use serde_json::{Value, json};

use super::row::Row;
use super::suite::Suite;
use super::{page, table};

const SUITE: &str = r#"
name = "made-up"
about = "Rows that nobody ran."
train = "..0.8"
test = "0.8.."
seeds = [0, 1]
budgets = [50, 1000]
nab_probation = true
timeout_minutes = 5

[data]
paths = ["shipped"]
hint = "they are in the program"

[[run]]
name = "rlad | default"
agent = { preset = "default" }
paper_f1 = 0.708

[[run]]
name = "SPOT"
method = { name = "spot" }

[[run]]
name = "A script"
peer = { script = "none.py" }
"#;

const NAME: &str = "</script><b>&amp; \"it\"</b>\u{2028}{{data}}";

fn suite() -> Suite {
    toml::from_str(SUITE).unwrap()
}

fn metrics(f1: f64) -> Value {
    let profile = json!({"score": 100.0 * f1, "best": {"score": 50.0}});
    json!({
        "points": 2800,
        "strict": {"precision": if f1 > 0.0 { Some(0.5) } else { None }, "recall": 0.25, "f1": f1},
        "delay": {"k": 7, "f1": 1.0},
        "auc_pr": 0.0625,
        "nab": {"standard": profile, "reward_low_FP_rate": {"score": -12.5, "best": {"score": 0.0}}},
        "best": {"strict": {"f1": 0.75}},
    })
}

fn row(entry: usize, seed: u64, budget: Option<usize>, rule: &str, metrics: Value) -> Row {
    Row {
        name: suite().run[entry].name.clone(),
        entry,
        seed,
        budget,
        threshold_rule: rule.to_owned(),
        questions: budget.unwrap_or(0),
        labelled_points: budget.map_or(0, |budget| 25 * budget),
        fit_seconds: 1.5,
        score_seconds: 0.25,
        peak_memory: Some(123_456_789),
        metrics,
        series: Vec::new(),
        weeks: Vec::new(),
        error: None,
    }
}

/// An agent with two budgets, a detector with two thresholds, and a script with a run that failed.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (seed, shift) in [(0, 0.0), (1, 0.1)] {
        for (budget, f1) in [(50, 0.2), (1000, 0.6)] {
            rows.push(row(0, seed, Some(budget), "calibrated", metrics(f1 + shift)));
        }
    }
    rows.push(row(1, 0, None, "q = 0.0001", metrics(0.0)));
    let labelled = Row { labelled_points: 2_800, ..row(1, 0, None, "best F1 on training labels", metrics(0.55)) };
    rows.push(labelled);
    let failed = Row {
        error: Some("ended with exit status: 1: no module named `a|b`".to_owned()),
        peak_memory: None,
        ..row(2, 0, None, "", Value::Null)
    };
    rows.push(failed);
    rows.push(row(2, 1, None, "own", metrics(0.5)));
    rows
}

fn head() -> Vec<String> {
    vec!["2 series, 14000 points".to_owned(), "5 of 6 runs are there, 1 failed, 1 still to be made".to_owned()]
}

/// The data of a page, read as a browser does: what stands between the script element's start and its first end.
fn data_of(page: &str) -> Value {
    let (_, after) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(after.split_once("</script").unwrap().0).unwrap()
}

#[test]
fn the_tables_are_as_reviewed() {
    insta::assert_snapshot!("markdown", table::markdown(&suite(), &rows(), &head(), "rlad bench x.toml --out DIR"));
    insta::assert_snapshot!("csv", String::from_utf8(table::csv(&rows()).unwrap()).unwrap());
}

#[test]
fn what_a_suite_does_not_have_is_no_column() {
    let mut suite = suite();
    suite.nab_probation = false;
    suite.run[0].paper_f1 = None;
    let text = table::markdown(&suite, &rows(), &head(), "rlad bench x.toml --out DIR");
    assert!(!text.contains("## NAB") && !text.contains("paper: F1"), "{text}");
    let titles = |suite: &Suite| {
        let data = data_of(&page::html(suite, &rows(), &head(), "x"));
        data["columns"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|column| column["title"].as_str().unwrap().contains("NAB"))
            .count()
    };
    assert_eq!(titles(&suite), 0);
    suite.nab_probation = true;
    assert_eq!(titles(&suite), 4);
}

#[test]
fn tables_of_nothing_are_tables() {
    let text = table::markdown(&suite(), &[], &head(), "x");
    assert!(text.contains("| detector |"));
    assert_eq!(String::from_utf8(table::csv(&[]).unwrap()).unwrap().lines().count(), 1);
    assert_eq!(data_of(&page::html(&suite(), &[], &head(), "x"))["rows"], json!([]));
}

#[test]
fn every_line_of_a_table_has_as_many_cells() {
    let text = table::markdown(&suite(), &rows(), &head(), "x");
    let mut n_tables = 0;
    let mut n_cells = None;
    for line in text.lines() {
        let n = line.starts_with('|').then(|| line.replace("\\|", "").matches('|').count());
        n_tables += usize::from(n.is_some() && n_cells.is_none());
        assert!(n.is_none() || n_cells.is_none() || n == n_cells, "{line}");
        n_cells = n;
    }
    assert_eq!(n_tables, 4);
}

#[test]
fn the_page_tells_mean_and_deviation_and_why_a_run_failed() {
    let data = data_of(&page::html(&suite(), &rows(), &head(), "rlad bench x.toml --out DIR"));
    let rows = data["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6, "two budgets, two thresholds, and a script's two outcomes");
    assert_eq!((rows[0]["budget"].as_u64(), rows[0]["seeds"].as_u64()), (Some(50), Some(2)));
    let strict = &rows[0]["values"][0];
    assert!((strict[0].as_f64().unwrap() - 0.25).abs() < 1e-12, "{strict}");
    assert!((strict[1].as_f64().unwrap() - 0.005_f64.sqrt()).abs() < 1e-12, "{strict}");
    let failed = rows.iter().find(|row| row["error"].is_string()).unwrap();
    assert!(failed["values"].as_array().unwrap().iter().all(Value::is_null));
    let nab = data["columns"].as_array().unwrap().iter().position(|column| column["title"] == "NAB, low FP").unwrap();
    assert_eq!((rows[0]["values"][nab][0].as_f64(), data["columns"][nab]["digits"].as_u64()), (Some(-12.5), Some(1)));
}

#[test]
fn names_cannot_break_out_of_the_page() {
    let mut suite = suite();
    (suite.name, suite.about) = (NAME.to_owned(), NAME.to_owned());
    let mut rows = rows();
    for row in &mut rows {
        (row.name, row.threshold_rule) = (NAME.to_owned(), NAME.to_owned());
        row.error = row.error.as_ref().map(|_| NAME.to_owned());
    }
    let page = page::html(&suite, &rows, &[NAME.to_owned()], NAME);
    assert!(!page.contains(NAME));
    assert!(page.contains("<title>rlad bench &lt;/script&gt;&lt;b&gt;&amp;amp; "));
    let data = data_of(&page);
    for told in [&data["name"], &data["head"][0], &data["command"], &data["rows"][0]["name"]] {
        assert_eq!(told.as_str(), Some(NAME));
    }
    let n_written = page::TEMPLATE.matches("</script>").count();
    assert_eq!(page.matches("</script").count(), n_written, "of the template only");
    assert!(!page::SCRIPT.contains("innerHTML"), "names are set as text");
}

#[test]
fn the_page_holds_all_that_it_needs_and_asks_for_nothing() {
    let page = page::html(&suite(), &[], &[], "x");
    assert!(page.contains("uPlot (v1"));
    assert!(page.contains("default-src 'none'"));
    for request in ["<script src", "<link", "<img", "@import", "fetch(", "XMLHttpRequest("] {
        for own in [page::TEMPLATE, page::STYLE, page::SCRIPT] {
            assert!(!own.contains(request), "{request}");
        }
    }
}
