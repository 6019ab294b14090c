//! Tables of a suite that runs each series alone: means over series, in how many series a detector does worse than
//! another one, and the figures of each series as CSV.

use std::fmt::Write;

use super::per_series::{Figure, SeriesQuality, worse};
use super::row::{Group, Row, groups};
use super::suite::Suite;
use super::table::{cost, lead, spread, table, title};

/// The means at a detector's own threshold: head and JSON pointer.
const OWN: &[(&str, &str)] = &[
    ("**strict F1**", "/mean/strict_f1"),
    ("delay F1", "/mean/delay_f1"),
    ("event P", "/mean/event_precision"),
    ("event R", "/mean/event_recall"),
    ("alarm share", "/mean/alarm_share"),
];
/// The share of alarms in series that do not count in the others.
const WITHOUT_ANOMALY: (&str, &str) = ("alarm share, no anomaly", "/mean/alarm_share_without_anomaly");
/// The means at the threshold that is best in each series.
const BEST: &[(&str, &str)] =
    &[("oracle: strict F1", "/mean/best_strict_f1"), ("oracle: delay F1", "/mean/best_delay_f1")];
/// The figures that are compared series by series.
const COMPARED: [(&str, Figure); 2] = [("strict", |one| one.strict_f1), ("delay", |one| one.delay_f1)];

/// The tables. `command` is what makes them again.
pub(crate) fn markdown(suite: &Suite, rows: &[Row], head: &[String], command: &str) -> String {
    let groups = groups(rows);
    let mut text = title(suite, head);
    let series = rows.iter().find(|row| !row.series.is_empty()).map_or(&[][..], |row| row.series.as_slice());
    let left_out: Vec<&SeriesQuality> = series.iter().filter(|one| !one.is_counted()).collect();
    let _ = write!(
        text,
        "\nMade by `{command}`; one row by the same with `--only NAME`. Each series is run by itself, with as many questions \
         as the budget allows and a threshold of its own; questions and labels read are means over series. A figure is the \
         mean over the {} of {} series with an anomaly in the judged part, each counting the same; ± is the sample deviation \
         of that mean over seeds. Event P: over the series in which there is an alarm. *Worse than 0*: in how many of these \
         series F1 is lower than that of the same detector without a question, the mean over seeds. *Oracle*: at the \
         threshold that is best on the judged part of each series, which nobody has in use.\n\n",
        series.len() - left_out.len(),
        series.len(),
    );
    let mut columns: Vec<(&str, &str)> = OWN.to_vec();
    columns.extend((!left_out.is_empty()).then_some(WITHOUT_ANOMALY));
    columns.extend(BEST);
    let mut heads = vec!["detector", "budget", "questions", "labels read", "threshold"];
    heads.extend(columns.iter().map(|column| column.0));
    heads.extend(["worse than 0: strict", "worse than 0: delay", "seeds"]);
    let line = |group: &Group<'_>| {
        let mut cells = lead(group);
        cells.insert(1, budget(group));
        cells.extend(columns.iter().map(|column| spread(group.metric(column.1))));
        let without = without_questions(group, &groups);
        cells.extend(COMPARED.map(|(_, figure)| without.map_or_else(String::new, |other| told(group, other, figure))));
        cells.push(group.rows.len().to_string());
        cells
    };
    table(&mut text, &heads, groups.iter().map(line));

    for (name, figure) in COMPARED {
        comparison(&mut text, &groups, name, figure);
    }
    if !series.is_empty() {
        text.push_str("\n## Series\n\n");
        let line = |one: &SeriesQuality| {
            let counts = if one.is_counted() { "yes" } else { "no: no anomaly in the judged part" };
            vec![one.series.clone(), one.n_points.to_string(), one.n_anomalies.to_string(), counts.to_owned()]
        };
        table(&mut text, &["series", "judged points", "anomalous", "counts"], series.iter().map(line));
    }
    cost(&mut text, &groups);
    text
}

/// The table of the series in which a detector that asks does worse than those that read no label.
fn comparison(text: &mut String, groups: &[Group<'_>], name: &str, figure: Figure) {
    let is_made = |group: &&Group<'_>| group.first().error.is_none();
    let asks = |group: &&Group<'_>| group.first().budget.is_some();
    let others: Vec<&Group<'_>> = groups
        .iter()
        .filter(is_made)
        .filter(|group| group.first().budget.is_none() && group.first().labelled_points == 0)
        .collect();
    let askers: Vec<&Group<'_>> = groups.iter().filter(is_made).filter(asks).collect();
    if askers.is_empty() {
        return;
    }
    let _ = write!(
        text,
        "\n## Series in which {name} F1 is worse than without labels\n\nOf the series that count, the mean over seeds: how often \
         the detector of the line has a lower {name} F1 than itself without a question, and than each detector that reads no \
         label.\n\n"
    );
    let mut heads = vec!["detector", "budget", "than 0 questions"];
    let named: Vec<String> = others.iter().map(|other| format!("than {}", other.first().name)).collect();
    heads.extend(named.iter().map(String::as_str));
    let line = |group: &&Group<'_>| {
        let own = without_questions(group, groups).map_or_else(String::new, |other| told(group, other, figure));
        let mut cells = vec![group.first().name.clone(), budget(group), own];
        cells.extend(others.iter().map(|other| told(group, other, figure)));
        cells
    };
    table(text, &heads, askers.iter().map(line));
}

/// The questions that may be asked about each series; empty for a detector that asks none.
fn budget(group: &Group<'_>) -> String {
    group.first().budget.map_or_else(String::new, |budget| budget.to_string())
}

/// The rows of the same detector without a question; `None` for those themselves, and where there are none.
fn without_questions<'a>(group: &Group<'_>, groups: &'a [Group<'a>]) -> Option<&'a Group<'a>> {
    let row = group.first();
    let of_same = |other: &&Group<'_>| {
        let other = other.first();
        other.entry == row.entry && other.budget == Some(0) && other.error.is_none()
    };
    row.budget.filter(|budget| *budget > 0 && row.error.is_none())?;
    groups.iter().find(of_same)
}

/// The number of series in which a figure is lower than another detector's, of how many: the mean over seeds, each compared
/// with the same seed of the other, or with its first where that has no such seed.
fn told(group: &Group<'_>, other: &Group<'_>, figure: Figure) -> String {
    let compared: Vec<_> = group
        .rows
        .iter()
        .map(|row| {
            let same = other.rows.iter().find(|other| other.seed == row.seed);
            worse(&row.series, &same.unwrap_or(&other.rows[0]).series, figure)
        })
        .collect();
    let n_worse: usize = compared.iter().map(|one| one.n_worse).sum();
    let n_compared = compared.iter().map(|one| one.n_compared).max().unwrap_or(0);
    match compared.len() {
        1 => format!("{n_worse}/{n_compared}"),
        n => format!("{:.1}/{n_compared}", n_worse as f64 / n as f64),
    }
}

/// The figures of each series as CSV: one row a detector, seed, budget and series.
pub(crate) fn csv(rows: &[Row]) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "row",
        "seed",
        "budget",
        "series",
        "n_points",
        "n_anomalies",
        "strict_f1",
        "delay_f1",
        "best_strict_f1",
        "best_delay_f1",
        "event_precision",
        "event_recall",
        "alarm_share",
    ])?;
    let or_empty = |figure: Option<f64>| figure.map_or_else(String::new, |figure| figure.to_string());
    for row in rows {
        for one in &row.series {
            writer.write_record([
                row.name.clone(),
                row.seed.to_string(),
                row.budget.map_or_else(String::new, |budget| budget.to_string()),
                one.series.clone(),
                one.n_points.to_string(),
                one.n_anomalies.to_string(),
                one.strict_f1.to_string(),
                one.delay_f1.to_string(),
                one.best_strict_f1.to_string(),
                one.best_delay_f1.to_string(),
                or_empty(one.event_precision),
                or_empty(one.event_recall),
                one.alarm_share.to_string(),
            ])?;
        }
    }
    Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::bench::per_series::means;

    const SUITE: &str = r#"
name = "made-up"
about = "Rows that nobody ran."
train = "..0.5"
test = "0.5.."
each_series_alone = true
seeds = [0, 1]
budgets = [0, 5]
timeout_minutes = 5

[data]
paths = ["shipped"]
hint = "they are in the program"

[[run]]
name = "Never alarm"
method = { name = "never" }

[[run]]
name = "rlad | default"
agent = { preset = "default" }

[[run]]
name = "SR"
method = { name = "spectral-residual" }

[[run]]
name = "A script"
peer = { script = "none.py" }
"#;

    fn suite() -> Suite {
        toml::from_str(SUITE).unwrap()
    }

    /// A row with a strict F1 in each of three series, and a fourth without an anomaly; delay F1 is .1 higher.
    fn row(entry: usize, seed: u64, budget: Option<usize>, strict: [f64; 3]) -> Row {
        let quality = |(at, strict_f1): (usize, f64)| SeriesQuality {
            series: ["a", "b|c", "d", "quiet"][at].to_owned(),
            n_points: 1000,
            n_anomalies: [5, 50, 1, 0][at],
            strict_f1,
            delay_f1: if strict_f1 > 0.0 { strict_f1 + 0.1 } else { 0.0 },
            best_strict_f1: 0.75,
            best_delay_f1: 0.875,
            event_precision: (strict_f1 > 0.0).then_some(0.5),
            event_recall: (at < 3).then_some(0.25),
            alarm_share: 0.01 * strict_f1,
        };
        let series: Vec<SeriesQuality> = strict.into_iter().chain([0.0]).enumerate().map(quality).collect();
        Row {
            name: suite().run[entry].name.clone(),
            entry,
            seed,
            budget,
            threshold_rule: "own".to_owned(),
            questions: budget.unwrap_or(0),
            labelled_points: 25 * budget.unwrap_or(0),
            fit_seconds: 1.5,
            score_seconds: 0.25,
            peak_memory: None,
            metrics: means(&series, 7),
            series,
            weeks: Vec::new(),
            error: None,
        }
    }

    fn rows() -> Vec<Row> {
        vec![
            row(0, 0, None, [0.0, 0.0, 0.0]),
            row(1, 0, Some(0), [0.4, 0.5, 0.0]),
            // Worse than without a question in one series, than SR in two.
            row(1, 0, Some(5), [0.3, 0.6, 0.0]),
            row(1, 1, Some(0), [0.4, 0.5, 0.0]),
            // In none; than SR in one.
            row(1, 1, Some(5), [0.4, 0.7, 0.0]),
            row(2, 0, None, [0.4, 0.2, 0.1]),
            Row {
                metrics: Value::Null,
                series: Vec::new(),
                error: Some("series `a`: ended with exit status: 1".to_owned()),
                ..row(3, 0, None, [0.0; 3])
            },
        ]
    }

    #[test]
    fn the_tables_are_as_reviewed() {
        let head = ["4 series, 8000 points".to_owned()];
        insta::assert_snapshot!("markdown", markdown(&suite(), &rows(), &head, "rlad bench x.toml --out DIR"));
        insta::assert_snapshot!("csv", String::from_utf8(csv(&rows()).unwrap()).unwrap());
    }

    #[test]
    fn a_seed_is_compared_with_the_same_seed_or_the_first() {
        let rows = rows();
        let groups = groups(&rows);
        let of = |entry: usize, budget: Option<usize>| {
            groups.iter().find(|group| (group.first().entry, group.first().budget) == (entry, budget)).unwrap()
        };
        let (none, five, sr) = (of(1, Some(0)), of(1, Some(5)), of(2, None));
        let strict = COMPARED[0].1;
        assert_eq!(told(five, none, strict), "0.5/3");
        assert_eq!(told(five, sr, strict), "1.5/3");
        assert_eq!(told(sr, five, strict), "1/3", "with the seed 0");
        assert!(without_questions(none, &groups).is_none() && without_questions(sr, &groups).is_none());
    }

    #[test]
    fn tables_of_nothing_are_tables() {
        let text = markdown(&suite(), &[], &[], "x");
        assert!(text.contains("| detector |") && !text.contains("## Series"), "{text}");
        assert_eq!(String::from_utf8(csv(&[]).unwrap()).unwrap().lines().count(), 1);
    }
}
