//! Tables of a live suite: figures over the whole measured part, and curves by week, as Markdown and as CSV.

use std::fmt::Write;

use super::row::{Group, Row, Spread, groups};
use super::suite::{Live, Suite};
use super::table::{cost, lead, spread, table, title};
use super::weeks::WeekQuality;

/// The figures over the whole measured part: head and JSON pointer.
const WHOLE: &[(&str, &str)] = &[
    ("strict P", "/strict/precision"),
    ("R", "/strict/recall"),
    ("**strict F1**", "/strict/f1"),
    ("delay F1", "/delay/f1"),
    ("event P", "/event/precision"),
    ("event R", "/event/recall"),
    ("event F1", "/event/f1"),
    ("alarm share", "/alarm_share"),
    ("AUC-PR", "/auc_pr"),
];
/// A figure of a week: its name in the CSV file, its head, and what it is.
type Figure = (&'static str, &'static str, fn(&WeekQuality) -> Option<f64>);
/// The fractions of a week.
const FRACTIONS: [Figure; 4] = [
    ("strict_f1", "Strict F1", |week| Some(week.strict.f1)),
    ("delay_f1", "Delay F1", |week| Some(week.delay_f1)),
    ("event_precision", "Event precision", |week| week.event.precision),
    ("event_recall", "Event recall", |week| week.event.recall),
];
/// The counts of a week.
const COUNTS: [Figure; 2] = [
    ("false_events", "False-alarm events", |week| Some(week.n_false_events as f64)),
    ("false_points", "False-alarm points", |week| Some(week.false_points.iter().sum::<usize>() as f64)),
];
/// How many series are the worst ones.
const N_WORST: usize = 4;

/// The tables. `command` is what makes them again.
pub(crate) fn markdown(suite: &Suite, rows: &[Row], head: &[String], command: &str) -> String {
    let groups = groups(rows);
    let mut text = title(suite, head);
    let _ = write!(
        text,
        "\nMade by `{command}`; one row by the same with `--only NAME`. The measured part comes week by week, each series by its \
         own time, and each week is scored before a label of it is read. *A week*: questions about each week but the last, for \
         all series together, after {} before the first. ± is the sample deviation over seeds. –: undefined, as precision is \
         without an alarm; a mean is over the seeds that have it.\n\n",
        suite.questions.unwrap_or(0),
    );
    let mut heads = vec!["detector", "a week", "questions", "labels read", "threshold"];
    heads.extend(WHOLE.iter().map(|column| column.0));
    heads.push("seeds");
    let line = |group: &Group<'_>| {
        let mut cells = lead(group);
        cells.insert(1, weekly(group));
        cells.extend(WHOLE.iter().map(|column| spread(group.metric(column.1))));
        cells.push(group.rows.len().to_string());
        cells
    };
    table(&mut text, &heads, groups.iter().map(line));

    let n_weeks = n_weeks(rows);
    if n_weeks > 0 {
        let sizes = rows.iter().find(|row| !row.weeks.is_empty()).map_or(&[][..], |row| row.weeks.as_slice());
        text.push_str("\n## By week\n\nPoints with a label, and the anomalous ones.\n\n");
        let of = |name: &str, size: fn(&WeekQuality) -> usize| {
            let cells = sizes.iter().map(|week| size(week).to_string());
            std::iter::once(name.to_owned()).chain(cells).collect()
        };
        let lines = vec![of("points", |week| week.n_points), of("anomalous", |week| week.n_anomalies)];
        by_week(&mut text, n_weeks, &["week"], lines);
        for (_, name, figure) in FRACTIONS {
            curves(&mut text, name, &groups, n_weeks, |row, week| figure(row.weeks.get(week)?), spread);
        }
        for (_, name, figure) in COUNTS {
            curves(&mut text, name, &groups, n_weeks, |row, week| figure(row.weeks.get(week)?), counted);
        }
        let name = "False-alarm points of the four worst series";
        curves(&mut text, name, &groups, n_weeks, |row, week| of_worst(suite, rows, row, week), counted);
        text.push_str(
            "\nThe four worst series are those in which the frozen agent of the same seed has the most false-alarm points in \
             the first week.\n",
        );
    }
    cost(&mut text, &groups);
    text
}

/// A table with a row a detector and number of questions a week, and a column a week.
fn curves(
    text: &mut String,
    name: &str,
    groups: &[Group<'_>],
    n_weeks: usize,
    figure: impl Fn(&Row, usize) -> Option<f64>,
    told: fn(Option<Spread>) -> String,
) {
    let _ = write!(text, "\n### {name} by week\n\n");
    let line = |group: &Group<'_>| {
        let mut cells = vec![group.first().name.clone(), weekly(group)];
        cells.extend((0..n_weeks).map(|week| told(group.spread(|row| figure(row, week)))));
        cells
    };
    let lines = groups.iter().filter(|group| group.first().error.is_none()).map(line).collect();
    by_week(text, n_weeks, &["detector", "a week"], lines);
}

/// A table with a column a week, after some others.
fn by_week(text: &mut String, n_weeks: usize, first: &[&str], lines: Vec<Vec<String>>) {
    let numbers: Vec<String> = (1..=n_weeks).map(|week| week.to_string()).collect();
    let heads: Vec<&str> = first.iter().copied().chain(numbers.iter().map(String::as_str)).collect();
    table(text, &heads, lines.into_iter());
}

/// The false-alarm points of a week in the series that are the worst of the frozen agent with the same seed, or with its first.
fn of_worst(suite: &Suite, rows: &[Row], row: &Row, week: usize) -> Option<f64> {
    let is_frozen = |other: &&Row| suite.run[other.entry].live == Some(Live::Frozen) && !other.weeks.is_empty();
    let same = rows.iter().filter(is_frozen).find(|other| other.seed == row.seed);
    let frozen = same.or_else(|| rows.iter().find(is_frozen))?;
    let first = &frozen.weeks.first()?.false_points;
    let mut worst: Vec<usize> = (0..first.len()).filter(|&series| first[series] > 0).collect();
    worst.sort_by_key(|&series| std::cmp::Reverse(first[series]));
    worst.truncate(N_WORST);
    let of_week = &row.weeks.get(week)?.false_points;
    Some(worst.iter().map(|&series| of_week.get(series).copied().unwrap_or(0)).sum::<usize>() as f64)
}

fn n_weeks(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.weeks.len()).max().unwrap_or(0)
}

/// The questions about each week; empty for a detector that asks none.
fn weekly(group: &Group<'_>) -> String {
    group.first().budget.map_or_else(String::new, |weekly| weekly.to_string())
}

/// A mean of counts, with its deviation.
fn counted(value: Option<Spread>) -> String {
    match value {
        None => "–".to_owned(),
        Some(Spread { mean, deviation: None }) => format!("{mean:.0}"),
        Some(Spread { mean, deviation: Some(deviation) }) => format!("{mean:.0} ± {deviation:.0}"),
    }
}

/// The curves as CSV: one row a detector, seed, number of questions a week, and week.
pub(crate) fn csv(suite: &Suite, rows: &[Row]) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let figures: Vec<Figure> = FRACTIONS.into_iter().chain(COUNTS).collect();
    let fixed = ["row", "seed", "weekly", "week", "n_points", "n_anomalies"];
    let heads = fixed.into_iter().chain(figures.iter().map(|figure| figure.0)).chain(["false_points_of_worst"]);
    writer.write_record(heads)?;
    let or_empty = |figure: Option<f64>| figure.map_or_else(String::new, |figure| figure.to_string());
    for row in rows {
        for (at, week) in row.weeks.iter().enumerate() {
            let fixed = [
                row.name.clone(),
                row.seed.to_string(),
                row.budget.map_or_else(String::new, |weekly| weekly.to_string()),
                (at + 1).to_string(),
                week.n_points.to_string(),
                week.n_anomalies.to_string(),
            ];
            let of_week = figures.iter().map(|figure| or_empty((figure.2)(week)));
            let worst = or_empty(of_worst(suite, rows, row, at));
            writer.write_record(fixed.into_iter().chain(of_week).chain([worst]))?;
        }
    }
    Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

#[cfg(test)]
mod tests {
    use rlad::metrics::Quality;
    use serde_json::json;

    use super::*;

    const SUITE: &str = r#"
name = "made-up"
about = "Rows that nobody ran."
train = "..0.5"
test = "0.5.."
seeds = [0, 1]
questions = 100
weekly = [0, 10]
timeout_minutes = 5

[data]
paths = ["shipped"]
hint = "they are in the program"

[[run]]
name = "Never alarm"
method = { name = "never" }

[[run]]
name = "rlad, frozen"
agent = { preset = "default" }
live = "frozen"

[[run]]
name = "rlad | all"
agent = { preset = "default" }
live = "all"
"#;

    fn suite() -> Suite {
        toml::from_str(SUITE).unwrap()
    }

    /// A row with false-alarm points of six series in each of two weeks.
    fn row(entry: usize, seed: u64, weekly: Option<usize>, f1: f64, false_points: [[usize; 6]; 2]) -> Row {
        let week = |false_points: [usize; 6]| {
            let some = |value| if f1 > 0.0 { Some(value) } else { None };
            let quality = Quality { precision: some(0.5), recall: Some(f1), f1 };
            WeekQuality {
                n_points: 700,
                n_anomalies: 7,
                strict: quality,
                delay_f1: f1 / 2.0,
                event: quality,
                n_false_events: 3,
                false_points: false_points.to_vec(),
            }
        };
        Row {
            name: suite().run[entry].name.clone(),
            entry,
            seed,
            budget: weekly,
            threshold_rule: "own".to_owned(),
            questions: weekly.map_or(0, |weekly| 100 + weekly),
            labelled_points: 2500,
            fit_seconds: 1.5,
            score_seconds: 0.25,
            peak_memory: None,
            metrics: json!({"strict": {"f1": f1}, "alarm_share": 0.01}),
            series: Vec::new(),
            weeks: false_points.map(week).to_vec(),
            error: None,
        }
    }

    fn rows() -> Vec<Row> {
        vec![
            row(0, 0, None, 0.0, [[0; 6]; 2]),
            row(1, 0, Some(0), 0.4, [[9, 0, 8, 1, 7, 6], [1, 2, 4, 8, 16, 32]]),
            row(1, 1, Some(0), 0.6, [[0, 0, 0, 0, 0, 5], [1, 2, 4, 8, 16, 32]]),
            row(2, 0, Some(10), 0.5, [[9, 9, 9, 9, 9, 9], [1, 2, 4, 8, 16, 32]]),
            row(2, 1, Some(10), 0.7, [[9, 9, 9, 9, 9, 9], [1, 2, 4, 8, 16, 32]]),
            Row { weeks: Vec::new(), error: Some("no luck".to_owned()), ..row(2, 2, Some(10), 0.0, [[0; 6]; 2]) },
        ]
    }

    #[test]
    fn the_tables_are_as_reviewed() {
        let head = ["6 series, 8400 points".to_owned()];
        insta::assert_snapshot!("markdown", markdown(&suite(), &rows(), &head, "rlad bench x.toml --out DIR"));
        insta::assert_snapshot!("csv", String::from_utf8(csv(&suite(), &rows()).unwrap()).unwrap());
    }

    #[test]
    fn the_worst_series_are_those_of_the_frozen_agent_of_the_same_seed() {
        let rows = rows();
        let of = |at: usize, week| of_worst(&suite(), &rows, &rows[at], week);
        // Of seed 0 the series 0, 2, 4 and 5; of seed 1 the last one alone; seed 2 has no frozen agent, and takes the first.
        assert_eq!((of(1, 0), of(3, 1)), (Some(30.0), Some(1.0 + 4.0 + 16.0 + 32.0)));
        assert_eq!((of(4, 0), of(4, 1)), (Some(9.0), Some(32.0)));
        assert_eq!((of(5, 0), of(3, 2)), (None, None));
    }

    #[test]
    fn tables_of_nothing_are_tables() {
        let text = markdown(&suite(), &[], &[], "x");
        assert!(text.contains("| detector | a week |") && !text.contains("## By week"), "{text}");
        assert_eq!(String::from_utf8(csv(&suite(), &[]).unwrap()).unwrap().lines().count(), 1);
    }
}
