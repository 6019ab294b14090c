//! The page of a suite: the label-economy curves, those by week of a live suite, and the table that can be sorted.

use serde::Serialize;

use super::row::{Row, Spread, groups};
use super::suite::Suite;
use super::weeks::WeekQuality;

pub(super) const TEMPLATE: &str = include_str!("page.html");
pub(super) const STYLE: &str = concat!(include_str!("../report/report.css"), include_str!("page.css"));
pub(super) const SCRIPT: &str = include_str!("page.js");

/// The data of `page.js`.
#[derive(Debug, Serialize)]
struct Data<'a> {
    name: &'a str,
    about: &'a str,
    head: &'a [String],
    command: &'a str,
    columns: Vec<ColumnData>,
    rows: Vec<RowData<'a>>,
}

#[derive(Debug, Serialize)]
struct ColumnData {
    title: &'static str,
    /// Whether it is at the test labels' own best threshold.
    oracle: bool,
    /// Digits after the point.
    digits: usize,
}

/// A mean, and the deviation over seeds where there are several.
type MeanAndSpread = (f64, Option<f64>);

#[derive(Debug, Serialize)]
struct RowData<'a> {
    name: &'a str,
    budget: Option<usize>,
    questions: f64,
    labelled_points: f64,
    threshold: &'a str,
    seeds: usize,
    error: Option<&'a str>,
    /// Mean and deviation over seeds, one a column.
    values: Vec<Option<(f64, Option<f64>)>>,
    /// Mean strict F1, delay F1 and false-alarm events of each week of a live suite, with their deviations; empty otherwise.
    weeks: Vec<[Option<MeanAndSpread>; 3]>,
}

/// The columns: head, JSON pointer, and whether it is an oracle's. The first two are drawn against questions.
const COLUMNS: &[(&str, &str, bool)] = &[
    ("strict F1", "/strict/f1", false),
    ("delay F1", "/delay/f1", false),
    ("strict precision", "/strict/precision", false),
    ("strict recall", "/strict/recall", false),
    ("event F1", "/event/f1", false),
    ("range F1", "/range/f1", false),
    ("affiliation F1", "/affiliation/f1", false),
    ("AUC-PR", "/auc_pr", false),
    ("VUS-PR", "/vus_pr/value", false),
    ("point-adjusted F1", "/point_adjusted/f1", false),
    ("official F1", "/official/f1", false),
    ("strict F1, oracle", "/best/strict/f1", true),
    ("delay F1, oracle", "/best/delay/f1", true),
];

/// The columns more of a suite by NAB's protocol, whose scores go to 100.
const NAB_COLUMNS: &[(&str, &str, bool)] = &[
    ("NAB, standard", "/nab/standard/score", false),
    ("NAB, low FP", "/nab/reward_low_FP_rate/score", false),
    ("NAB, low FN", "/nab/reward_low_FN_rate/score", false),
    ("NAB, standard, oracle", "/nab/standard/best/score", true),
];

/// The columns of a suite that runs each series alone, in the place of all others.
const ALONE_COLUMNS: &[(&str, &str, bool)] = &[
    ("strict F1, mean of series", "/mean/strict_f1", false),
    ("delay F1, mean of series", "/mean/delay_f1", false),
    ("event precision", "/mean/event_precision", false),
    ("event recall", "/mean/event_recall", false),
    ("alarm share", "/mean/alarm_share", false),
    ("alarm share, no anomaly", "/mean/alarm_share_without_anomaly", false),
    ("strict F1, oracle", "/mean/best_strict_f1", true),
    ("delay F1, oracle", "/mean/best_delay_f1", true),
];

/// What is drawn by week.
const WEEKLY: [fn(&WeekQuality) -> f64; 3] =
    [|week| week.strict.f1, |week| week.delay_f1, |week| week.n_false_events as f64];

/// The page.
pub(crate) fn html(suite: &Suite, rows: &[Row], head: &[String], command: &str) -> String {
    let groups = groups(rows);
    let pair = |spread: Spread| (spread.mean, spread.deviation);
    let nab = if suite.nab_probation { NAB_COLUMNS } else { &[] };
    let common = if suite.each_series_alone { ALONE_COLUMNS } else { COLUMNS };
    let columns = || common.iter().map(|column| (column, 3)).chain(nab.iter().map(|column| (column, 1)));
    let data = Data {
        name: &suite.name,
        about: &suite.about,
        head,
        command,
        columns: columns().map(|(&(title, _, oracle), digits)| ColumnData { title, oracle, digits }).collect(),
        rows: groups
            .iter()
            .map(|group| {
                let row = group.first();
                let mean = |of: fn(&Row) -> f64| group.spread(|row| Some(of(row))).map_or(0.0, |spread| spread.mean);
                RowData {
                    name: &row.name,
                    budget: row.budget,
                    questions: mean(|row| row.questions as f64),
                    labelled_points: mean(|row| row.labelled_points as f64),
                    threshold: &row.threshold_rule,
                    seeds: group.rows.len(),
                    error: row.error.as_deref(),
                    values: columns().map(|(column, _)| group.metric(column.1).map(pair)).collect(),
                    weeks: (0..row.weeks.len())
                        .map(|at| WEEKLY.map(|figure| group.spread(|row| row.weeks.get(at).map(figure)).map(pair)))
                        .collect(),
                }
            })
            .collect(),
    };
    let json = serde_json::to_string(&data).expect("the data are JSON");
    crate::html::page(TEMPLATE, &format!("rlad bench {}", suite.name), STYLE, &json, SCRIPT)
}
