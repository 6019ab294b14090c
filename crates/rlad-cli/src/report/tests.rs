use rlad::Span;
use rlad::data::NANOS_PER_SECOND;
use serde_json::Value;

use super::*;

const NAME: &str = "</script><b>&amp; \"it\"</b>\u{2028}{{data}}";

fn series(name: &str, n_points: i64) -> Series {
    let timestamps = (0..n_points).map(|i| (i + i64::from(i >= 50)) * 60 * NANOS_PER_SECOND).collect();
    let values = (0..n_points).map(|i| if i == 20 { f64::NAN } else { i as f64 / 3.0 }).collect();
    Series::new(name, vec!["value".into()], TimeFormat::Seconds, timestamps, values, None).unwrap()
}

fn entry<'a>(series: &'a Series, scores: &[f64], events: &[(usize, usize)]) -> ReportSeries<'a> {
    let events: Vec<Range<usize>> = events.iter().map(|&(start, end)| start..end).collect();
    let n_alarms = events.iter().map(ExactSizeIterator::len).sum();
    let why = events.iter().map(|_| "9, usually 1 to 2".to_owned()).collect();
    ReportSeries { series, scores: scores.to_vec(), n_alarms, events, why, truth: None, questions: Vec::new() }
}

/// An event in a series of a name that is no text of a page.
fn findings() -> &'static Findings {
    static FINDINGS: std::sync::LazyLock<Findings> = std::sync::LazyLock::new(|| {
        let series = series(NAME, 10);
        let scores = rlad::data::SeriesScores {
            series: NAME.to_owned(),
            time_format: TimeFormat::Seconds,
            timestamps: series.timestamps().to_vec(),
            scores: (0..10).map(f64::from).collect(),
            alarms: rlad::data::Alarm::of_runs((0..10).map(|point| point == 7)),
            threshold: 6.5,
            model: String::new(),
        };
        let mut findings = Findings::default();
        let detector = rlad::Session::new(rlad::Config::default(), vec![series.clone()]).unwrap().warm_up_detector();
        findings.add(&detector, &series, &scores, true, true).unwrap();
        findings
    });
    &FINDINGS
}

fn report(series: Vec<ReportSeries<'_>>) -> Report<'_> {
    Report {
        title: NAME.to_owned(),
        findings: findings(),
        quality: "Nobody knows.".to_owned(),
        created: "2026-03-04T05:06:07Z".parse().unwrap(),
        model: ModelFacts {
            hash: "0123456789abcdef0123".to_owned(),
            method: "the agent, preset default".to_owned(),
            seed: 7,
            n_questions: 40,
            n_labelled: 640,
            threshold: 0.25,
        },
        measured_on: "every point".to_owned(),
        metrics: vec![MetricRow { name: "strict F1".into(), after: Some(0.5), ..MetricRow::default() }],
        curve: vec![CurvePoint {
            n_questions: 15,
            f1: Some(f64::NAN),
            expected: Some(0.5),
            expected_low: Some(0.25),
            expected_high: Some(0.75),
            loss: None,
        }],
        series,
    }
}

/// The data of a page, read as a browser does: what stands between the script element's start and its first end.
fn data_of(page: &str) -> Value {
    let (_, after) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(after.split_once("</script").unwrap().0).unwrap()
}

#[test]
fn names_cannot_break_out_of_the_page() {
    let series = series(NAME, 10);
    let page = page(&report(vec![entry(&series, &[0.0; 10], &[])]));
    assert!(!page.contains(NAME));
    assert!(page.contains("<title>&lt;/script&gt;&lt;b&gt;&amp;amp; "));
    let data = data_of(&page);
    assert_eq!(
        (data["headline"].as_str(), data["worst"][0]["series"].as_str()),
        (Some("1 event in 1 series"), Some(NAME))
    );
    assert!(data["worst"][0]["value"].as_str().is_some_and(|value| value.contains("the usual")), "{data}");
    assert_eq!((data["title"].as_str(), data["series"][0]["name"].as_str()), (Some(NAME), Some(NAME)));
    let n_written = TEMPLATE.matches("</script>").count();
    assert_eq!(page.matches("</script").count(), n_written, "of the template only");
}

#[test]
fn the_page_holds_all_that_it_needs_and_asks_for_nothing() {
    let page = page(&report(Vec::new()));
    assert!(page.contains("uPlot (v1"));
    assert!(page.contains("default-src 'none'"));
    for request in ["<script src", "<link", "<img", "@import", "fetch(", "XMLHttpRequest("] {
        for own in [TEMPLATE, STYLE, SCRIPT] {
            assert!(!own.contains(request), "{request}");
        }
    }
}

#[test]
fn a_series_is_told_in_full() {
    let series = series("cpu", 100);
    let mut scores: Vec<f64> = (0..100).map(|i| f64::from(i) / 1e3).collect();
    scores[60] = 0.123_456_789;
    let answer = |first, last, label| Answer::Spans(vec![Span { first, last, label }]);
    let asked = |point, answer| ReportQuestion { id: 3, round: 0, point, reason: Reason::Middle, answer };
    let mut entry = entry(&series, &scores, &[(58, 62)]);
    entry.truth = Some(std::iter::once(59..60).collect());
    entry.questions = vec![
        asked(60, answer(58, 62, Label::Anomaly)),
        asked(20, answer(20, 20, Label::Normal)),
        asked(5, answer(6, 7, Label::Normal)),
        asked(6, Answer::Unsure),
        asked(7, Answer::Skip),
    ];
    let data = data_of(&page(&report(vec![entry])));
    let told = &data["series"][0];
    assert_eq!((told["n_points"].as_u64(), told["n_anomalies"].as_u64()), (Some(100), Some(4)));
    assert_eq!((told["step"].as_f64(), told["unit"].as_f64()), (Some(60_000.0), Some(60_000.0)));
    assert_eq!(told["deltas"].as_array().unwrap().iter().map(|delta| delta.as_i64().unwrap()).sum::<i64>(), 100);
    assert_eq!(told["breaks"], serde_json::json!([50]), "no point stands in slot 50");
    assert!(told["values"][0][20].is_null() && told["values"][0][19].is_number());
    assert_eq!(told["scores"][60].as_f64(), Some(0.123_456_8));
    let event = serde_json::json!({"start": 59.0 * 6e4, "end": 62.0 * 6e4, "n_points": 4, "peak": 0.1234568,
        "why": "9, usually 1 to 2"});
    assert_eq!(told["events"], serde_json::json!([event]));
    assert_eq!(told["truth"], serde_json::json!([[60.0 * 6e4, 60.0 * 6e4]]));
    let questions = told["questions"].as_array().unwrap();
    let answers: Vec<&str> = questions.iter().map(|question| question["answer"].as_str().unwrap()).collect();
    assert_eq!(answers, ["anomaly", "normal", "elsewhere", "unsure", "skip"]);
    assert_eq!((questions[0]["n_labelled"].as_u64(), questions[0]["reason"].as_str()), (Some(5), Some("middle")));
    assert!(data["curve"][0]["f1"].is_null(), "NaN is no JSON number");
}

#[test]
fn the_most_anomalous_series_comes_first() {
    let all: Vec<Series> = ["a", "b", "c"].iter().map(|name| series(name, 100)).collect();
    let scores = [0.0; 100];
    let events: [&[(usize, usize)]; 3] = [&[(1, 2), (7, 9)], &[], &[(0, 50)]];
    let entries = all.iter().zip(events).map(|(series, events)| entry(series, &scores, events)).collect();
    let data = data_of(&page(&report(entries)));
    let names: Vec<&str> = (0..3).map(|i| data["series"][i]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["c", "a", "b"]);
}

#[test]
fn a_long_series_is_thinned_and_keeps_events_questions_and_gaps() {
    let series = series("cpu", 300_000);
    let scores = vec![0.0; 300_000];
    let mut entry = entry(&series, &scores, &[(123_450, 123_456)]);
    entry.questions =
        vec![ReportQuestion { id: 0, round: 1, point: 200_001, reason: Reason::Random, answer: Answer::Skip }];
    let report = report(vec![entry]);
    let told = &data(&report).series[0];
    assert!((4_000..8_500).contains(&told.scores.len()), "{}", told.scores.len());
    let slots: Vec<i64> = std::iter::once(0)
        .chain(told.deltas.iter().scan(0, |sum, delta| {
            *sum += delta;
            Some(*sum)
        }))
        .map(|steps| (steps as f64 * told.unit / 6e4).round() as i64)
        .collect();
    for point in (123_390..123_516).chain(199_941..200_062).chain([299_999]) {
        assert!(slots.contains(&(point + 1)), "{point}: slots after the gap are one further");
    }
    assert_eq!(told.breaks.len(), 1);
    assert_eq!(told.values[0].iter().filter(|value| value.is_none()).count(), 1);
    assert!(serde_json::to_string(told).unwrap().len() < 300_000);
}

#[test]
fn a_thousand_series_share_the_points() {
    let all: Vec<Series> = (0..1_000).map(|i| series(&format!("{i}"), 1_000)).collect();
    let scores = vec![0.0; 1_000];
    let report = report(all.iter().map(|series| entry(series, &scores, &[])).collect());
    let drawn: usize = data(&report).series.iter().map(|series| series.scores.len()).sum();
    assert!(drawn <= MAX_POINTS_IN_ALL + 1_000 * 10, "{drawn}");
}

#[test]
fn the_file_appears_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    std::fs::write(&path, "old").unwrap();
    write(&path, &report(Vec::new())).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().trim_end().ends_with("</html>"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    let error = write(&folder.path().join("no/report.html"), &report(Vec::new())).unwrap_err();
    assert!(error.to_string().starts_with("cannot write `"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        let usual = folder.path().join("usual");
        std::fs::write(&usual, "").unwrap();
        assert_eq!(mode(&path), mode(&usual), "whoever may read other files may read it");
    }
}
