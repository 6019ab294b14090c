//! Rows as files: CSV with one row a seed, Markdown with one row a detector, budget and threshold.

use std::fmt::Write;

use super::row::{Group, Row, Spread, groups};
use super::suite::Suite;

/// A column of metrics: its head and the JSON pointer.
type Column = (&'static str, &'static str);

/// The first table: what counts.
const FIRST: &[Column] = &[
    ("strict P", "/strict/precision"),
    ("R", "/strict/recall"),
    ("**F1**", "/strict/f1"),
    ("delay F1", "/delay/f1"),
    ("event F1", "/event/f1"),
    ("AUC-PR", "/auc_pr"),
    ("VUS-PR", "/vus_pr/value"),
];
/// At the threshold that only the truth of the test part tells.
const ORACLE: &[Column] = &[("strict F1", "/best/strict/f1"), ("delay F1", "/best/delay/f1")];
/// The second table: the other metrics.
const SECOND: &[Column] = &[
    ("range F1", "/range/f1"),
    ("affiliation F1", "/affiliation/f1"),
    ("AUC-ROC", "/auc_roc"),
    ("VUS-ROC", "/vus_roc/value"),
    ("mean of series: strict F1", "/per_series_mean/strict_f1"),
    ("point-adjusted F1", "/point_adjusted/f1"),
    ("`official` F1", "/official/f1"),
];
/// The F1 that an agent expects of itself, and the true one.
const EXPECTED: &[&str] = &["/expected/f1", "/expected/low", "/expected/high", "/expected/next"];
/// NAB's scores at the detector's own threshold, and at the best one.
const NAB: &[Column] =
    &[("standard", "/nab/standard"), ("low FP", "/nab/reward_low_FP_rate"), ("low FN", "/nab/reward_low_FN_rate")];

/// One row a seed, with every metric that is a number.
pub(crate) fn csv(rows: &[Row]) -> anyhow::Result<Vec<u8>> {
    let mut pointers: Vec<String> = Vec::new();
    for row in rows {
        numbers(&row.metrics, "", &mut |pointer, _| {
            if !pointers.iter().any(|known| known == pointer) {
                pointers.push(pointer.to_owned());
            }
        });
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    let fixed = [
        "detector",
        "seed",
        "budget",
        "threshold",
        "questions",
        "labelled_points",
        "fit_seconds",
        "score_seconds",
        "peak_memory_bytes",
        "error",
    ];
    let heads = pointers.iter().map(|pointer| pointer.trim_start_matches('/').replace('/', "."));
    writer.write_record(fixed.iter().map(|head| (*head).to_owned()).chain(heads))?;
    for row in rows {
        let number = |pointer: &String| match row.metrics.pointer(pointer).and_then(serde_json::Value::as_f64) {
            Some(value) => value.to_string(),
            None => String::new(),
        };
        let fixed = [
            row.name.clone(),
            row.seed.to_string(),
            row.budget.map_or_else(String::new, |budget| budget.to_string()),
            row.threshold_rule.clone(),
            row.questions.to_string(),
            row.labelled_points.to_string(),
            format!("{:.3}", row.fit_seconds),
            format!("{:.3}", row.score_seconds),
            row.peak_memory.map_or_else(String::new, |bytes| bytes.to_string()),
            row.error.clone().unwrap_or_default(),
        ];
        writer.write_record(fixed.into_iter().chain(pointers.iter().map(number)))?;
    }
    Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

/// Calls `each` with the JSON pointer of every number.
fn numbers(value: &serde_json::Value, at: &str, each: &mut dyn FnMut(&str, f64)) {
    if let Some(number) = value.as_f64() {
        each(at, number);
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        numbers(value, &format!("{at}/{name}"), each);
    }
}

/// The name and subject of a suite, and the lines of its head.
pub(super) fn title(suite: &Suite, head: &[String]) -> String {
    let mut text = format!("# {}\n\n{}\n\n", suite.name, suite.about);
    for line in head {
        let _ = writeln!(text, "- {line}");
    }
    text
}

/// The tables of a suite. `command` is what makes them again.
pub(crate) fn markdown(suite: &Suite, rows: &[Row], head: &[String], command: &str) -> String {
    let groups = groups(rows);
    let mut text = title(suite, head);
    let _ = write!(
        text,
        "\nMade by `{command}`; one row by the same with `--only NAME`. ± is the sample deviation over seeds. –: \
         undefined, as precision is without an alarm; a mean is over the seeds that have it. *Oracle*: at the \
         best threshold on the test labels themselves, which nobody has in use. *Paper*: the F1 that the paper prints, by a \
         protocol that is not comparable (docs/src/results.md).\n\n"
    );
    let paper = suite.run.iter().any(|entry| entry.paper_f1.is_some());
    let mut heads = vec!["detector", "questions", "labels read", "threshold"];
    heads.extend(FIRST.iter().map(|column| column.0));
    heads.extend(["oracle: strict F1", "oracle: delay F1", "seeds"]);
    if paper {
        heads.push("*paper: F1*");
    }
    let line = |group: &Group<'_>| {
        let mut cells = lead(group);
        cells.extend(FIRST.iter().chain(ORACLE).map(|column| spread(group.metric(column.1))));
        cells.push(group.rows.len().to_string());
        if paper {
            let entry = &suite.run[group.first().entry];
            cells.push(entry.paper_f1.map_or_else(String::new, |f1| format!("*{}*", decimals(f1))));
        }
        cells
    };
    table(&mut text, &heads, groups.iter().map(line));

    text.push_str("\n## Other metrics\n\n");
    let mut heads = vec!["detector", "questions", "labels read", "threshold"];
    heads.extend(SECOND.iter().map(|column| column.0));
    let line = |group: &Group<'_>| {
        let mut cells = lead(group);
        cells.extend(SECOND.iter().map(|column| spread(group.metric(column.1))));
        cells
    };
    table(&mut text, &heads, groups.iter().filter(|group| group.first().error.is_none()).map(line));

    if suite.nab_probation {
        text.push_str("\n## NAB score\n\nAt the detector's own threshold, and at the best one for each profile on the test labels (oracle), as NAB's own table has it.\n\n");
        let mut heads = vec!["detector", "questions", "labels read", "threshold"];
        heads.extend(NAB.iter().map(|column| column.0));
        heads.extend(["oracle: standard", "oracle: low FP", "oracle: low FN"]);
        let line = |group: &Group<'_>| {
            let mut cells = lead(group);
            let own = NAB.iter().map(|column| format!("{}/score", column.1));
            let best = NAB.iter().map(|column| format!("{}/best/score", column.1));
            cells.extend(own.chain(best).map(|pointer| one_decimal(group.metric(&pointer))));
            cells
        };
        table(&mut text, &heads, groups.iter().filter(|group| group.first().error.is_none()).map(line));
    }

    let is_expected = |group: &&Group<'_>| group.metric("/expected/f1").is_some();
    if groups.iter().any(|group| is_expected(&group)) {
        text.push_str(
            "\n## Expected F1\n\nWhat an agent expects of itself after its last question, from its random questions, with a 95 % interval; the strict F1 of \
             the measured part, which comes next; and in how many of the runs the interval held it.\n\n",
        );
        let heads = ["detector", "questions", "expected", "from", "to", "next", "held"];
        let line = |group: &Group<'_>| {
            let row = group.first();
            let budget = row.budget.map(|budget| Spread { mean: budget as f64, deviation: None });
            let mut cells = vec![row.name.clone(), count(budget)];
            cells.extend(EXPECTED.iter().map(|pointer| spread(group.metric(pointer))));
            let of_rows = group.rows.iter().filter_map(|row| row.metrics.pointer("/expected/held")?.as_u64());
            let held: Vec<u64> = of_rows.collect();
            cells.push(format!("{} of {}", held.iter().sum::<u64>(), held.len()));
            cells
        };
        table(&mut text, &heads, groups.iter().filter(is_expected).map(line));
    }

    cost(&mut text, &groups);
    text
}

/// The table of times and memory.
pub(super) fn cost(text: &mut String, groups: &[Group<'_>]) {
    text.push_str("\n## Cost\n\n");
    let heads = ["detector", "questions", "fit, s", "score the test part, s", "peak memory, MB"];
    let line = |group: &Group<'_>| {
        let row = group.first();
        let seconds = |value: Option<Spread>| value.map_or_else(String::new, |value| format!("{:.1}", value.mean));
        vec![
            row.name.clone(),
            count(row.budget.map(|budget| Spread { mean: budget as f64, deviation: None })),
            seconds(group.spread(|row| Some(row.fit_seconds))),
            seconds(group.spread(|row| Some(row.score_seconds))),
            group
                .spread(|row| row.peak_memory.map(|bytes| bytes as f64 / 1e6))
                .map_or_else(String::new, |bytes| format!("{:.0}", bytes.mean)),
        ]
    };
    let mut seen: Vec<(usize, Option<usize>)> = Vec::new();
    let each_run = groups.iter().filter(|group| group.first().error.is_none()).filter(|group| {
        let key = (group.first().entry, group.first().budget);
        let new = !seen.contains(&key);
        seen.push(key);
        new
    });
    table(text, &heads, each_run.map(line));
}

/// A detector, and the labels that it read.
pub(super) fn lead(group: &Group<'_>) -> Vec<String> {
    let row = group.first();
    match &row.error {
        Some(error) => {
            let budget = row
                .budget
                .map_or_else(String::new, |budget| count(Some(Spread { mean: budget as f64, deviation: None })));
            vec![row.name.clone(), budget, String::new(), format!("**failed**: {error}")]
        }
        None => vec![
            row.name.clone(),
            count(group.spread(|row| Some(row.questions as f64))),
            count(group.spread(|row| Some(row.labelled_points as f64))),
            row.threshold_rule.clone(),
        ],
    }
}

pub(super) fn table(text: &mut String, heads: &[&str], lines: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(text, "| {} |", heads.join(" | "));
    let rule: Vec<&str> = heads.iter().enumerate().map(|(i, _)| if i == 0 { "---" } else { "---:" }).collect();
    let _ = writeln!(text, "|{}|", rule.join("|"));
    for mut line in lines {
        line.resize(heads.len(), String::new());
        let cells: Vec<String> = line.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

/// A fraction with three digits, then its deviation: `.563 ± .012`.
pub(super) fn spread(value: Option<Spread>) -> String {
    match value {
        None => "–".to_owned(),
        Some(Spread { mean, deviation: None }) => decimals(mean),
        Some(Spread { mean, deviation: Some(deviation) }) => format!("{} ± {}", decimals(mean), decimals(deviation)),
    }
}

fn one_decimal(value: Option<Spread>) -> String {
    match value {
        None => "–".to_owned(),
        Some(Spread { mean, deviation: None }) => format!("{mean:.1}"),
        Some(Spread { mean, deviation: Some(deviation) }) => format!("{mean:.1} ± {deviation:.1}"),
    }
}

/// Three digits without the leading zero.
fn decimals(value: f64) -> String {
    let text = format!("{value:.3}");
    match text.strip_prefix("0.") {
        Some(rest) => format!(".{rest}"),
        None => text.replace("-0.", "-."),
    }
}

/// A count with a thin group separator.
fn count(value: Option<Spread>) -> String {
    let Some(value) = value else { return String::new() };
    let digits = format!("{:.0}", value.mean);
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
