use proptest::prelude::*;

use super::*;
use crate::data::read::civil;
use crate::data::series::{NANOS_PER_SECOND, TimeFormat};

fn parse(text: &str) -> Result<Calendar> {
    Calendar::parse(Path::new("calendar.csv"), text)
}

fn at(time: &str) -> i64 {
    read_timestamp(time).unwrap().1
}

/// Whether a rule holds at times in UTC.
fn holds(rule: &str, times: &[&str]) -> Vec<bool> {
    let calendar = parse(&format!("every\n{rule}\n")).unwrap();
    times.iter().map(|time| calendar.contains("s", at(time))).collect()
}

#[test]
fn a_stretch_ends_before_its_end_and_a_date_is_a_whole_day() {
    let calendar = parse(
        "series,from,to,note\n,2024-12-24,2024-12-26,\"Christmas, all of it\"\nweb-*,1709632800,2024-03-05T11:30:00+01:00,\ndb,2024-05-01,,\n",
    )
    .unwrap();
    let is_in = |series: &str, time: &str| calendar.contains(series, at(time));
    assert!(!is_in("db", "2024-12-23 23:59:59") && is_in("db", "2024-12-24"));
    assert!(is_in("db", "2024-12-26 23:59:59.999") && !is_in("db", "2024-12-27"));
    assert!(is_in("web-1", "2024-03-05 10:00:00") && is_in("web-1", "2024-03-05 10:29:59"));
    assert!(!is_in("web-1", "2024-03-05 10:30:00") && !is_in("db", "2024-03-05 10:00:00"));
    assert!(is_in("db", "2024-05-01 12:00:00") && !is_in("db", "2024-05-02") && !is_in("web-1", "2024-05-01"));
}

#[test]
fn names_are_as_their_pattern_says() {
    for (pattern, name, matches) in [
        ("", "anything", false),
        ("*", "", true),
        ("web", "web", true),
        ("web", "web-1", false),
        ("web-*", "web-1", true),
        ("*-db", "eu-db", true),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "abc", true),
        ("a*b*b", "ab", false),
        ("ab*ba", "aba", false),
        ("[x]*", "[x]y", true),
        ("*.?", "a.b", false),
    ] {
        assert_eq!(is_named(pattern, name), matches, "`{pattern}` and `{name}`");
    }
    let of_all = Calendar::parse(Path::new("c"), "series,from,to\n,1970-01-01,1970-01-02\n").unwrap();
    assert!(of_all.contains("anything", 0), "a row without a series is about every one");
}

#[test]
fn rules_recur_as_a_calendar_on_the_wall_has_them() {
    // 2024-03-02 is a Saturday.
    let daily = ["2024-03-02 01:59:59", "2024-03-02 02:00:00", "1969-07-20 02:29:59", "2024-03-02 02:30:00"];
    assert_eq!(holds("daily 02:00-02:30", &daily), [false, true, true, false]);
    let night = ["2024-03-02 21:59:00", "2024-03-02 22:00:00", "2024-03-03 03:59:59", "2024-03-03 04:00:00"];
    assert_eq!(holds("daily 22:00-4:00", &night), [false, true, true, false]);
    assert_eq!(holds("weekly Sat 22:00-Sun 04:00", &night), [false, true, true, false]);
    assert_eq!(holds("weekly Sat 22:00-04:00", &night), [false, true, true, false]);
    let week = ["2024-03-01 23:59:00", "2024-03-02", "2024-03-03 23:59:00", "2024-03-04"];
    assert_eq!(holds("weekly sat-sunday", &week), [false, true, true, false]);
    assert_eq!(holds("weekly Sun 22:00-Mon 01:00", &["2024-03-03 23:00:00", "2024-03-04 00:59:00"]), [true, true]);
    assert_eq!(holds("weekly Sun 22:00-24:00", &["2024-03-03 23:00:00", "2024-03-04"]), [true, false]);
    assert_eq!(holds("weekly Fri-Mon", &week), [true, true, true, true]);
    assert_eq!(holds("weekly Fri-Mon", &["2024-02-29", "2024-03-04 23:59:00", "2024-03-05"]), [false, true, false]);
    let month = ["2024-02-29 23:00:00", "2024-03-01", "2024-03-01 05:59:00", "2024-03-01 06:00:00", "2024-03-02"];
    assert_eq!(holds("monthly 1 00:00-06:00", &month), [false, true, true, false, false]);
    assert_eq!(holds("monthly 29 22:00-01:00", &month), [true, true, false, false, false]);
    assert_eq!(holds("monthly 1", &month), [false, true, true, true, false]);
    let year = ["2023-12-23 23:00:00", "2023-12-24", "2023-12-26 23:59:59", "2023-12-27"];
    assert_eq!(holds("yearly 12-24..12-26", &year), [false, true, true, false]);
    assert_eq!(holds("yearly 12-24", &year), [false, true, false, false]);
    let turn = ["2023-12-29", "2023-12-30", "2024-01-02 12:00:00", "2024-01-03"];
    assert_eq!(holds("yearly 12-30..01-02", &turn), [false, true, true, false]);
    assert_eq!(holds("yearly 02-29", &["2024-02-29", "2023-03-01"]), [true, false]);
}

#[test]
fn an_offset_moves_a_rule_and_bounds_end_it() {
    let times = ["2024-03-02 00:59:00", "2024-03-02 01:00:00", "2024-03-02 01:29:00", "2024-03-02 02:00:00"];
    assert_eq!(holds("daily 02:00-02:30 +01:00", &times), [false, true, true, false]);
    assert_eq!(holds("daily 02:00-02:30 UTC", &times), [false, false, false, true]);
    assert_eq!(holds("weekly Fri 20:00-21:00 -05:00", &times), [false, true, true, false]);
    let calendar =
        parse("from,to,every\n2024-03-01,2024-03-02,daily 02:00-02:30\n2024-03-09,,daily 02:00-02:30\n").unwrap();
    let days = ["29", "01", "02", "03", "08", "09", "10"];
    let is_in = |day: &&str| {
        let month = if *day == "29" { "02" } else { "03" };
        calendar.contains("s", at(&format!("2024-{month}-{day} 02:10:00")))
    };
    assert_eq!(days.iter().map(is_in).collect::<Vec<_>>(), [false, true, true, false, false, true, true]);
}

#[test]
fn a_series_without_timestamps_has_stretches_of_indices_only() {
    let calendar = parse("from,to,every\n10,12,\n,,daily 00:00-24:00\n2024-01-01,2024-01-02,\n").unwrap();
    let series = |format| {
        let times = (8..14).map(|i| if format == TimeFormat::Index { i } else { i * NANOS_PER_SECOND });
        Series::new("s", vec!["v".into()], format, times.collect(), vec![0.0; 6], None).unwrap()
    };
    assert_eq!(calendar.expected(&series(TimeFormat::Index)), [false, false, true, true, false, false]);
    assert_eq!(calendar.expected(&series(TimeFormat::Seconds)), [true; 6], "the rule is about every second");
    assert!(parse("from,to\n2024-01-01,2024-01-02\n").unwrap().expected(&series(TimeFormat::Index)).is_empty());
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let rows = [
        "series,when\n",
        "series,note\ncpu,x\n",
        "from,from\n",
        "from,to\n2024-01-01,2024-01-02\n2024-01-01\n",
        "from,to\n2024-01-01 10:00,\n",
        "from,to\n,2024-01-02\n",
        "series,from,to\ncpu,,\n",
        "from,to\n2024-01-02 00:00,2024-01-02 00:00\n",
        "from,to\nyesterday,2024-01-02\n",
        "from,to\n2024-01-01,9999-12-31\n",
        "every\nhourly 00:00-00:10\n",
        "every\ndaily 02:00\n",
        "every\ndaily 02:00-02:00\n",
        "every\ndaily 02:00-24:01\n",
        "every\ndaily 02:00-03:00 +1\n",
        "every\nweekly Sa 02:00-03:00\n",
        "every\nweekly Sat 02:00\n",
        "every\nmonthly 32\n",
        "every\nyearly 02-30\n",
        "every\nyearly 24.12.\n",
    ];
    let told = |text: &&str| format!("{:?}\n  {}", text, parse(text).unwrap_err());
    insta::assert_snapshot!(rows.iter().map(told).collect::<Vec<_>>().join("\n"));
    let hint = parse("every\nnever\n").unwrap_err();
    assert!(hint.hint().unwrap().starts_with("a row has `from` and `to`, or a rule in `every`: `daily 02:00-02:30`, "));
}

#[test]
fn a_file_survives_reading_and_writing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calendar.csv");
    std::fs::write(
        &path,
        "\u{feff}Note,FROM,to,every\n\"a, b\",2024-01-01 10:00,1704107000,\n, , ,daily 02:00-02:30 +01:00\n",
    )
    .unwrap();
    let calendar = Calendar::read(&path).unwrap();
    assert_eq!((calendar.len(), calendar.is_empty()), (2, false));
    calendar.write(&path).unwrap();
    assert_eq!(Calendar::read(&path).unwrap(), calendar);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        "series,from,to,every,note\n,2024-01-01 10:00,1704107000,,\"a, b\"\n,,,daily 02:00-02:30 +01:00,\n"
    );
    std::fs::write(&path, b"every\n\xFF\n").unwrap();
    assert!(Calendar::read(&path).unwrap_err().to_string().contains("UTF-8"));
    assert!(parse("from,to\n").unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stretches_that_overlap_are_one_and_lose_nothing(
        stretches in prop::collection::vec((0_i64..200, 1_i64..40), 0..12),
        time in 0_i64..250,
    ) {
        let rows: String = stretches.iter().map(|(from, n)| format!("{from},{}\n", from + n)).collect();
        let calendar = parse(&format!("from,to\n{rows}")).unwrap();
        let want = stretches.iter().any(|(from, n)| (*from..from + n).contains(&time));
        prop_assert_eq!(calendar.of("s", Clock { step: 1, has_days: false }).contains(time), want);
        prop_assert_eq!(calendar.contains("s", time * NANOS_PER_SECOND), want);
    }

    #[test]
    fn rules_agree_with_the_date_of_every_time(timestamp in any::<i64>(), from in 0_i64..1_440, len in 1_i64..1_440) {
        let local = civil(timestamp);
        let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
        let is_in = (minute - from).rem_euclid(1_440) < len;
        let clock = |minute: i64| format!("{:02}:{:02}", minute % 1_440 / 60, minute % 60);
        let stretch = format!("{}-{}", clock(from), clock(from + len));
        let contains = |rule: String| parse(&format!("every\n{rule}\n")).unwrap().contains("s", timestamp);
        prop_assert_eq!(contains(format!("daily {stretch}")), is_in);
        // The day on which a stretch begins that may be under way.
        let begun = if minute >= from { Some(local.date()) } else { local.date().yesterday().ok() };
        if let Some(begun) = begun {
            let weekday = format!("{:?}", begun.weekday());
            prop_assert_eq!(contains(format!("weekly {weekday} {stretch}")), is_in);
            prop_assert_eq!(contains(format!("monthly {} {stretch}", begun.day())), is_in);
        }
        let date = local.date();
        let yearly = format!("yearly {:02}-{:02}", date.month(), date.day());
        prop_assert!(contains(yearly));
    }
}
