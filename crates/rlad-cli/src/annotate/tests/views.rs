//! What the page shows of the data.

use super::*;

#[test]
fn data_are_shown_in_tiles_with_what_was_before_and_beside() {
    let fixture = Fixture::usual();
    let raw = fixture.read("/api/tiles?series=0&from=2&to=5&n=100");
    assert_eq!(
        (&raw["step"], &raw["low"], &raw["times"]),
        (&json!(1), &json!([[4.0, 6.0, 8.0], [5.0, null, 9.0]]), &json!([7_200_000, 10_800_000, 14_400_000]))
    );
    let wide = fixture.read("/api/tiles?series=0&from=0&to=600&n=2");
    assert_eq!(
        (&wide["step"], &wide["low"][0], &wide["high"][0]),
        (&json!(300), &json!([0.0, 600.0]), &json!([598.0, 1198.0]))
    );
    let before = fixture.read("/api/before?series=0&from=23&to=26&lag_s=86400");
    assert_eq!(before["values"], json!([[null, 0.0, 2.0], [null, 1.0, 3.0]]));
    let siblings = fixture.read("/api/siblings?series=0&from=30&to=40")["siblings"].clone();
    assert_eq!((&siblings[0]["name"], &siblings[1]["name"]), (&json!("db/Memory"), &json!("web")));
    assert_eq!(siblings[0]["low"].as_array().unwrap().len(), 10);
    // At point 35 both channels of both rise alike; a series with a spike there comes first.
    let at_point = fixture.read("/api/siblings?series=0&from=30&to=40&point=35")["siblings"].clone();
    assert!(at_point[0]["deviation"].is_f64() && at_point[0]["channel"] == "c0", "{at_point}");
    assert!(siblings[0]["deviation"].is_null(), "nothing is asked about");
    assert_eq!(fixture.get("/api/siblings?series=0&from=30&to=40&point=40").0, 400);
    let usual = fixture.read("/api/usual?series=0&from=5&to=9");
    let (low, high) = (&usual["low"], &usual["high"]);
    assert!(low[0][0].as_f64().unwrap() <= high[0][0].as_f64().unwrap(), "{usual}");
    assert!(high[1][2].is_null() || low[1].as_array().unwrap().len() == 4, "{usual}");
    let scores = fixture.read("/api/scores?series=0&from=5&to=9");
    assert_eq!((&scores["scores"], &scores["events"]), (&Value::Null, &json!([])), "the warm-up has no detector");
    assert!(scores["reason"].as_str().unwrap().contains("no detector"), "{scores}");
    let found = fixture.read("/api/series?search=mem");
    assert_eq!((&found["total"], &found["series"][0]["index"]), (&json!(1), &json!(1)));
    assert_eq!(fixture.read("/api/series?offset=2")["series"][0]["name"], json!("web"));
}

#[test]
fn ten_thousand_series_are_listed_and_searched() {
    let folder = tempfile::tempdir().unwrap();
    let one = |i: i64| {
        Series::new(format!("host-{i:05}/cpu"), vec!["v".into()], TimeFormat::Index, vec![0, 1], vec![0.0; 2], None)
            .unwrap()
    };
    let data = Data::new((0..10_000).map(one).collect());
    let log = AnswerLog::open(&folder.path().join("labels.sqlite")).unwrap();
    let server = LabellingServer::new(
        folder.path().into(),
        data,
        settings(true),
        DataSource::default(),
        log,
        SessionStart::default(),
    )
    .unwrap();
    let begun = std::time::Instant::now();
    let found = server.series_json("cpu 0999", 5, 100, reads::Order::Labelled);
    let took = begun.elapsed();
    assert_eq!((&found["total"], &found["series"][0]["name"]), (&json!(11), &json!("host-09994/cpu")));
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("10,000 series searched in {took:?}\n"));
}

#[test]
fn the_oddest_sibling_comes_first_and_gaps_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, spike: Option<usize>, gap: i64| {
        let times =
            (0..200).map(|i: i64| (i + if i < 100 { 0 } else { gap }) * 60 * rlad::data::NANOS_PER_SECOND).collect();
        let value = |i: usize| if spike == Some(i) { 90.0 } else { ((i * 7) % 5) as f64 };
        let values = (0..200).flat_map(|i| [0.5, value(i)]).collect();
        Series::new(name, vec!["cpu".into(), "mem".into()], TimeFormat::Seconds, times, values, None).unwrap()
    };
    let data =
        Data::new(vec![make("a/1", None, 0), make("a/2", None, 0), make("b/3", Some(50), 0), make("gap", None, 30)]);
    let log = AnswerLog::open(&folder.path().join("labels.sqlite")).unwrap();
    let begun = SessionStart::default();
    let server =
        LabellingServer::new(folder.path().into(), data, settings(true), DataSource::default(), log, begun).unwrap();
    let range = |series, from, to| reads::SeriesRange { series, from, to };
    let siblings = |point| server.siblings_json(range(0, 40, 60), point, 3).unwrap()["siblings"].clone();
    let odd = siblings(Some(50));
    assert_eq!((&odd[0]["name"], &odd[0]["channel"]), (&json!("b/3"), &json!("mem")));
    assert!(odd[0]["deviation"].as_f64().unwrap() > 10.0, "{odd}");
    assert_eq!(siblings(Some(51))[0]["name"], siblings(Some(52))[0]["name"]);
    assert_eq!(siblings(None)[0]["name"], json!("a/2"), "by name where nothing is asked about");
    let tile = server.tiles_json(range(3, 90, 110), 100).unwrap();
    assert_eq!((&tile["step_ms"], &tile["gaps"]), (&json!(60_000.0), &json!([[100, 99 * 60_000, 130 * 60_000]])));
    assert_eq!(server.tiles_json(range(0, 90, 110), 100).unwrap()["gaps"], json!([]));
}
