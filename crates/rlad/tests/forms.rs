//! Files as people have them: each form with what its columns are taken for, in one snapshot.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use rlad::data::{Columns, DataSet, DecimalMark, Duplicates, FileForm, ReadOptions, TimeUnit};
use rlad::read;

/// Points of each series that is written.
const N: usize = 40;

/// The point `i` of a series as `2024-03-01 00:05:00`, five minutes apart.
fn time(i: usize) -> String {
    format!("2024-03-01 {:02}:{:02}:00", i / 12, i % 12 * 5)
}

fn epoch(i: usize) -> usize {
    1_709_251_200 + 300 * i
}

fn value(i: usize) -> f64 {
    (49.744 + 7.0 * (i as f64 * 0.7).sin() * 1_000.0).round() / 1_000.0 + 50.0
}

/// A file of a header and a line a point.
fn lines(header: &str, line: impl Fn(usize) -> String) -> String {
    let header = if header.is_empty() { String::new() } else { format!("{header}\n") };
    header + &(0..N).map(|i| line(i) + "\n").collect::<String>()
}

fn comma(number: f64) -> String {
    format!("{number:.2}").replace('.', ",")
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

fn plain() -> String {
    lines("timestamp,value", |i| format!("{},{}", time(i), value(i)))
}

/// Files that need no word from the user.
fn forms() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let hosts = |line: &dyn Fn(&str, usize) -> String| -> String {
        ["h0", "h1"]
            .iter()
            .flat_map(|host| (0..N).map(move |i| (host, i)))
            .map(|(host, i)| line(host, i) + "\n")
            .collect()
    };
    let text = |text: String| text.into_bytes();
    vec![
        ("plain", "plain.csv", text(plain())),
        // Times that have no usual name
        ("an index without a name", "a.csv", text(lines(",value", |i| format!("{},{}", time(i), value(i))))),
        ("another name of the time", "a.csv", text(lines("when,cpu", |i| format!("{},{}", time(i), value(i))))),
        ("a name with an underscore", "a.csv", text(lines("_time,_value", |i| format!("{},{}", time(i), value(i))))),
        ("a name with an at sign", "a.csv", text(lines("@timestamp,cpu", |i| format!("{},{}", time(i), value(i))))),
        ("an index of two levels", "a.csv", text(",,value\n".to_owned() + &hosts(&|host, i| format!("{host},{},{}", time(i), value(i))))),
        ("epochs of another name", "a.csv", text(lines("at,cpu", |i| format!("{},{}", epoch(i), value(i))))),
        ("epochs beside a time", "a.csv", text(lines("time,epoch_ms,cpu", |i| format!("{},{}000,{}", time(i), epoch(i), value(i))))),
        ("a counter is no time", "a.csv", text(lines("bytes,cpu", |i| format!("{},{}", 1_709_251_200 + i * i * 37, value(i))))),
        ("a query's bounds beside the time", "a.csv", text(
            ",result,table,_start,_stop,_time,_value,_field,host\n".to_owned()
                + &hosts(&|host, i| format!(",,{},2024-03-01T00:00:00Z,2024-03-02T00:00:00Z,{}Z,{},usage,{host}",
                    &host[1..], time(i).replace(' ', "T"), value(i))))),
        ("the same with remarks", "a.csv", text(
            "#group,false,false,true\n#datatype,string,dateTime:RFC3339,double\n#default,_result,,\n,result,_time,_value\n".to_owned()
                + &lines("", |i| format!(",,{}Z,{}", time(i).replace(' ', "T"), value(i))))),
        // Headers
        ("no header", "a.csv", text(lines("", |i| format!("{},{}", time(i), value(i))))),
        ("no header, numbers only", "a.txt", text(lines("", |i| format!("  {:e}", value(i))))),
        ("numbers that spaces part", "a.dat", text(lines("", |i| format!("  {i}   {:.3}  {:.1}", value(i), value(i + 1))))),
        ("a remark that names the columns", "a.csv", text(lines("# time,cpu", |i| format!("{},{}", epoch(i), value(i))))),
        ("remarks", "a.csv", text(format!("# a logger\n# unit: C\n{}", plain()))),
        ("a spreadsheet's first line", "a.csv", text(format!("sep=;\r\n{}", plain().replace(',', ";").replace('\n', "\r\n")))),
        ("a mark at the end of each line", "a.csv", text(plain().replace('\n', ",\n").replacen(",\n", "\n", 1))),
        ("lines of spaces", "a.csv", text(plain().replacen('\n', "\n   \n", 3))),
        ("a header in the middle", "a.csv", text(plain() + &lines("timestamp,value", |i| format!("2024-03-02{},{}", &time(i)[10..], value(i))))),
        ("bars between the cells", "a.csv", text(plain().replace(',', "|"))),
        // Series
        ("the number of the row", "a.csv", text(lines("id,timestamp,value", |i| format!("{},{},{}", i + 1, time(i), value(i))))),
        ("series by two columns of text", "a.csv", text(
            "__name__,instance,timestamp,value\n".to_owned()
                + &hosts(&|host, i| format!("up,{host},{}.585,{}", epoch(i), value(i)))
                + &hosts(&|host, i| format!("load,{host},{}.585,{}", epoch(i), value(i))))),
        ("text that tells nothing apart", "a.csv", text(lines("time,state,cpu", |i| format!("{},{},{}", time(i), ["ok", "warn"][i % 2], value(i))))),
        // Labels
        ("a change point beside the label", "a.csv", text(lines("datetime;Acc1;Pressure;anomaly;changepoint", |i| {
            format!("{};{};{};{}.0;{}.0", time(i), value(i), value(i + 3), u8::from(i == 9), u8::from(i == 20))
        }))),
        ("a label of another name", "a.csv", text(lines("timestamp,cpu,is_outlier", |i| format!("{},{},{}", time(i), value(i), u8::from(i == 9))))),
        ("labels in words", "a.csv", text(lines("timestamp,value,label", |i| format!("{},{},{}", time(i), value(i), if i == 9 { "Anomaly" } else { "normal" })))),
        ("a flag that is a measurement", "a.csv", text(lines("timestamp,door_open,temp", |i| format!("{},{},{}", time(i), if i % 7 == 0 { "True" } else { "False" }, value(i))))),
        // Times
        ("dates without marks", "a.csv", text(lines("date,value", |i| format!("202401{:02},{}", i % 31 + 1, value(i))).lines().take(32).collect::<Vec<_>>().join("\n"))),
        ("seconds with a fraction", "a.csv", text(lines("time,ecg", |i| format!("{:.3},{}", i as f64 * 0.004, value(i))))),
        ("days first, decimal commas", "a.csv", text(lines("Zeit;Wert", |i| format!("01.03.2024 {};{}", &time(i)[11..16], comma(value(i)))))),
        ("months first, told by the day", "a.csv", text(lines("Date,Value", |i| format!("{:02}/{:02}/2024 00:00,{}", i / 28 + 1, i % 28 + 1, value(i))))),
        ("not padded", "a.csv", text(lines("time,value", |i| format!("2024-3-1 {}:{:02},{}", i / 12, i % 12 * 5, value(i))))),
        ("a date and a time of day", "a.csv", text(lines("Date;Time;power", |i| format!("2024-03-01;{};{}", &time(i)[11..], value(i))))),
        ("months", "a.csv", text(lines("date,value", |i| format!("{}-{:02},{}", 2000 + i / 12, i % 12 + 1, value(i))))),
        ("names of months", "a.csv", text(lines("time,value", |i| format!("01-Mar-2024 {},{}", &time(i)[11..], value(i))))),
        ("a web server's log", "a.csv", text(lines("time,bytes", |i| format!("01/Mar/2024:{} +0100,{}", &time(i)[11..], value(i))))),
        ("half of the day", "a.csv", text(lines("time,value", |i| format!("\"Mar 1, 2024 {}:{:02} AM\",{}", if i < 12 { 12 } else { i / 12 }, i % 12 * 5, value(i))))),
        ("a time twice", "a.csv", text(lines("time,value", |i| format!("{},{}", time(if i == 7 { 6 } else { i }), value(i))))),
        // Numbers
        ("decimal commas in some cells", "a.csv", text(lines("time;temp;status", |i| format!("{};{};{}", time(i), if i == 0 { "49".to_owned() } else { comma(value(i)) }, i % 2)))),
        ("thousands with a comma", "a.csv", text(lines("Time;Value", |i| format!("{};{},{:03}.{:02}", time(i), 40 + i, i * 7, i)))),
        ("a quote before a number", "a.csv", text(lines("Time;a", |i| format!("{};{}{}", time(i), if i == 0 { "'-" } else { "" }, value(i))))),
        // Encodings and archives
        ("UTF-16 without a mark", "a.csv", utf16(&plain())),
        ("UTF-16", "a.csv", utf16(&format!("\u{feff}{}", plain()))),
        ("Latin-1", "a.csv", latin1(&lines("timestamp,Temp °C", |i| format!("{},{}", time(i), value(i))))),
        ("gzip", "a.csv.gz", gzip(&plain())),
        ("Zstandard", "a.csv.zst", zstd::encode_all(plain().as_bytes(), 1).unwrap()),
        ("no extension", "metrics", text(plain())),
    ]
}

/// What was read, in a few words.
fn told(data: &DataSet, folder: &Path) -> String {
    let mut text = String::new();
    for (series, truth) in data.iter().take(4) {
        let (first, last) = (series.timestamps()[0], series.timestamps()[series.len() - 1]);
        let labels = truth.map_or_else(String::new, |truth| format!(", {} anomalous", truth.n_anomalies()));
        let format = series.time_format();
        writeln!(
            text,
            "  {}: {} points{labels}, {} to {}, [{}] first {:?}",
            series.name(),
            series.len(),
            format.format(first),
            format.format(last),
            series.channels().join(", "),
            series.values()[..series.n_channels()].to_vec()
        )
        .unwrap();
    }
    for roles in &data.roles {
        writeln!(text, "  {roles}").unwrap();
    }
    for note in &data.notes {
        writeln!(text, "  note: {note}").unwrap();
    }
    text.replace(&format!("{}/", folder.display()), "")
}

fn read_text(name: &str, content: &[u8], options: &ReadOptions) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    match read(&[path], options) {
        Ok(data) => told(&data, folder.path()),
        Err(error) => format!("  error: {error}\n").replace(&format!("{}/", folder.path().display()), ""),
    }
}

#[test]
fn files_as_people_have_them_are_read_without_a_word() {
    let mut all = String::new();
    for (what, name, content) in forms() {
        writeln!(all, "# {what}\n{}", read_text(name, &content, &ReadOptions::default())).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn what_cannot_be_found_can_be_said() {
    let mut all = String::new();
    let mut tell = |what: &str, content: String, form: FileForm, columns: Columns| {
        let before =
            read_text("a.csv", content.as_bytes(), &ReadOptions { columns: columns.clone(), ..ReadOptions::default() });
        let after = read_text("a.csv", content.as_bytes(), &ReadOptions { form, columns, step: None });
        writeln!(all, "# {what}\n{before} ->\n{after}").unwrap();
    };
    let none = Columns::default;
    let dates = lines("Date,Value", |i| format!("03/01/2024 {},{}", &time(i)[11..16], value(i)));
    tell(
        "months first",
        dates,
        FileForm { time_format: Some("%m/%d/%Y %H:%M".to_owned()), ..FileForm::default() },
        none(),
    );
    let halves = lines("Date;Time;power", |i| format!("01/03/2024;{};{}", &time(i)[11..], value(i)));
    tell(
        "a date with slashes and a time of day",
        halves,
        FileForm { time_format: Some("%d/%m/%Y %H:%M:%S".to_owned()), ..FileForm::default() },
        none(),
    );
    let days = lines("date,value", |i| format!("{},{}", 45_352 + i, value(i)));
    tell("days of a spreadsheet", days, FileForm { time_unit: Some(TimeUnit::Excel), ..FileForm::default() }, none());
    let dot = lines("time;value", |i| {
        format!("{};{}", time(i), if i % 3 == 0 { "999".to_owned() } else { format!("1.{}", 400 + i) })
    });
    tell(
        "points that part thousands",
        dot,
        FileForm { decimal: Some(DecimalMark::Comma), ..FileForm::default() },
        none(),
    );
    let commas = lines("time,value", |i| format!("{},\"{},{}\"", time(i), 10 + i, 400 + i));
    tell(
        "commas that part thousands",
        commas,
        FileForm { decimal: Some(DecimalMark::Point), ..FileForm::default() },
        none(),
    );
    let marks = lines("time,value", |i| {
        format!("{},{}", time(i), if i == 5 { "Bad Input".to_owned() } else { value(i).to_string() })
    });
    tell(
        "a mark for what is missing",
        marks,
        FileForm { missing: vec!["Bad Input".to_owned()], ..FileForm::default() },
        none(),
    );
    let report = format!("Report of May\nby somebody, somewhere\n{}", plain());
    tell("lines before the header", report, FileForm { skip: 2, ..FileForm::default() }, none());
    let autumn = lines("time,value", |i| {
        let minutes = i * 30;
        // At three the clock is set back to two.
        let shown = if minutes >= 180 { minutes - 60 } else { minutes };
        format!("2024-10-27 {:02}:{:02}:00,{}", shown / 60, shown % 60, value(i))
    });
    tell(
        "an hour twice",
        autumn,
        FileForm { time_zone: Some("Europe/Berlin".to_owned()), ..FileForm::default() },
        none(),
    );
    let twice = lines("time,value", |i| format!("{},{}", time(i / 2), i));
    tell(
        "each time twice",
        twice.clone(),
        FileForm { duplicates: Some(Duplicates::Mean), ..FileForm::default() },
        none(),
    );
    tell(
        "each time twice, the last",
        twice,
        FileForm { duplicates: Some(Duplicates::Last), ..FileForm::default() },
        none(),
    );
    let wide = lines("time,h0,h1", |i| format!("{},{},{}", time(i), value(i), value(i + 1)));
    tell("a series a column", wide, FileForm { wide: true, ..FileForm::default() }, none());
    let signed =
        lines("timestamp,value,anomaly", |i| format!("{},{},{}", time(i), value(i), if i == 9 { -1 } else { 1 }));
    tell("labels to leave out", signed, FileForm::default(), Columns { no_label: true, ..none() });
    let ids = "time,store,item,sales\n".to_owned()
        + &(0..N).map(|i| format!("{},{},{},{i}\n", time(i / 4), i % 4 / 2, i % 2)).collect::<String>();
    let parts = Columns { series: vec!["store".to_owned(), "item".to_owned()], ..none() };
    tell("a series by two numbers", ids, FileForm::default(), parts);
    insta::assert_snapshot!(all);
}

#[test]
fn folders_are_read_as_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let day = |day: usize| plain().replace("03-01", &format!("03-{day:02}"));
    for (host, part) in [("h0", 1), ("h0", 2), ("h1", 1)] {
        write(&format!("hive/host={host}/part-{part}.csv"), &day(part));
    }
    write("cpu/h1/cpu.csv", &plain());
    write("cpu/h2/cpu.csv", &plain());
    write("mixed/good.csv", &plain());
    write("mixed/bad.csv", "time,value\n2024-03-01,x\n");
    write("mixed/notes.md", "hello");
    let mut all = String::new();
    for given in [vec!["hive"], vec!["cpu/h1/cpu.csv", "cpu/h2/cpu.csv"], vec!["cpu/*/cpu.csv"], vec!["mixed"]] {
        let paths: Vec<_> = given.iter().map(|name| folder.path().join(name)).collect();
        writeln!(
            all,
            "# {}\n{}",
            given.join(" "),
            told(&read(&paths, &ReadOptions::default()).unwrap(), folder.path())
        )
        .unwrap();
    }
    insta::assert_snapshot!(all);
    let bad = folder.path().join("mixed/bad.csv");
    read(&[bad], &ReadOptions::default()).expect_err("a file that is named itself is not left out");
}
