//! What Alertmanager 0.25 sends is read, and what it says becomes suggestions.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::evidence::MAX_SERIES;
use super::webhook::WebhookAlert;
use super::*;
use crate::serve::client::Options;
use crate::serve::client::fake::{Server, answer};
use crate::serve::labels::Labels;

const FIRING: &str = r#"{"receiver":"w","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Lag","job":"db"},"annotations":{},"startsAt":"2026-11-29T10:14:49Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prom:9090/graph?g0.expr=lag_seconds+%3E+1\u0026g0.tab=1","fingerprint":"77b52c548148ef35"}],"groupLabels":{"alertname":"Lag"},"commonLabels":{"alertname":"Lag","job":"db"},"commonAnnotations":{},"externalURL":"http://vm:18793","version":"4","groupKey":"{}:{alertname=\"Lag\"}","truncatedAlerts":0}"#;
const RESOLVED: &str = r#"{"receiver":"w","status":"resolved","alerts":[{"status":"resolved","labels":{"alertname":"Lag","job":"db"},"annotations":{},"startsAt":"2026-11-29T10:14:49Z","endsAt":"2026-11-29T10:14:57Z","generatorURL":"http://prom:9090/graph?g0.expr=lag_seconds+%3E+1\u0026g0.tab=1","fingerprint":"77b52c548148ef35"}],"groupLabels":{"alertname":"Lag"},"commonLabels":{"alertname":"Lag","job":"db"},"commonAnnotations":{},"externalURL":"http://vm:18793","version":"4","groupKey":"{}:{alertname=\"Lag\"}","truncatedAlerts":0}"#;
const SILENCES: &str = r#"[{"id":"f1684947-37fc-458c-bc2c-9d6c62f0961f","status":{"state":"active"},"updatedAt":"2026-11-29T10:14:49.504Z","comment":"deploy 42","createdBy":"ann","endsAt":"2026-11-29T12:14:49.000Z","matchers":[{"isEqual":true,"isRegex":true,"name":"job","value":"api|web"},{"isEqual":false,"isRegex":false,"name":"env","value":"dev"}],"startsAt":"2026-11-29T10:14:49.504Z"}]"#;

/// 10:14:49 of that day.
const START: i64 = 1_795_947_289_000;
const OWN: &str = "http://rlad:8490";

fn series(names: &[&str]) -> Vec<(String, Labels)> {
    names.iter().map(|name| ((*name).to_owned(), Labels::parse(name).unwrap())).collect()
}

fn borrowed(all: &[(String, Labels)]) -> impl Iterator<Item = (&str, &Labels)> {
    all.iter().map(|(name, labels)| (name.as_str(), labels))
}

fn alert(body: &str) -> WebhookAlert {
    Webhook::parse(body.as_bytes()).unwrap().alerts.remove(0)
}

fn suggest(alert: &WebhookAlert, names: &[&str]) -> Option<Suggestion> {
    of_alert(alert, "http://am:9093", OWN, borrowed(&series(names)))
}

#[test]
fn a_webhook_is_read() {
    let webhook = Webhook::parse(FIRING.as_bytes()).unwrap();
    assert_eq!((webhook.external_url.as_str(), webhook.n_missing), ("http://vm:18793", 0));
    let firing = &webhook.alerts[0];
    assert_eq!((firing.starts_at, firing.ends_at, firing.fingerprint.as_str()), (START, None, "77b52c548148ef35"));
    assert_eq!(firing.labels["job"], "db");
    assert_eq!(alert(RESOLVED).ends_at, Some(START + 8_000));
    // Some senders set the end that a firing alert would have.
    assert_eq!(alert(&FIRING.replace("0001-01-01T00:00:00Z", "2026-11-29T11:00:00Z")).ends_at, None);
    assert_eq!(alert(&FIRING.replace(r#""annotations":{}"#, r#""annotations":null"#)).annotations, BTreeMap::new());
}

#[test]
fn a_body_that_is_none_is_told() {
    let error = |body: &str| format!("{:#}", Webhook::parse(body.as_bytes()).unwrap_err());
    insta::assert_snapshot!(error("{}"), @"expected what Alertmanager posts to a webhook: missing field `version` at line 1 column 2");
    insta::assert_snapshot!(error(&FIRING.replace(r#""version":"4""#, r#""version":"5""#)), @r#"expected a webhook of version "4", found "5""#);
    insta::assert_snapshot!(error("<html>"), @"expected what Alertmanager posts to a webhook: expected value at line 1 column 1");
    // An alert that cannot be read is counted with those that were left out.
    let one_bad =
        FIRING.replace("2026-11-29T10:14:49Z", "soon").replace(r#""truncatedAlerts":0"#, r#""truncatedAlerts":2"#);
    let webhook = Webhook::parse(one_bad.as_bytes()).unwrap();
    assert_eq!((webhook.alerts.len(), webhook.n_missing), (0, 3));
}

#[test]
fn silences_are_read() {
    let (silences, n_missing) = Silence::parse(SILENCES.as_bytes(), "http://am:9093").unwrap();
    assert_eq!((silences.len(), n_missing), (1, 0));
    let silence = &silences[0];
    assert_eq!(silence.selector.to_string(), r#"{job=~"api|web",env!="dev"}"#);
    assert_eq!((silence.starts_at, silence.ends_at), (START + 504, START + 7_200_000));
    assert_eq!((silence.author.as_str(), silence.comment.as_str(), silence.is_over), ("ann", "deploy 42", false));
    assert_eq!(silence.url, "http://am:9093/#/silences/f1684947-37fc-458c-bc2c-9d6c62f0961f");
    let (expired, _) = Silence::parse(SILENCES.replace("active", "expired").as_bytes(), "").unwrap();
    assert!(expired[0].is_over);
    let bad = SILENCES.replace("api|web", "api(");
    assert_eq!(Silence::parse(bad.as_bytes(), "").unwrap(), (Vec::new(), 1));
    assert!(Silence::parse(b"{}", "").is_err());
}

#[test]
fn an_alert_of_others_may_be_an_anomaly_of_the_series_that_it_names() {
    let names = [r#"lag_seconds{job="db",shard="1"}"#, r#"up{job="db"}"#, r#"lag_seconds{job="api"}"#, "load"];
    let firing = suggest(&alert(FIRING), &names).unwrap();
    assert_eq!(firing.series, [names[0]], "the metric of its expression, of its job");
    assert_eq!((firing.kind, firing.source, firing.from_ms, firing.to_ms), (Kind::Anomaly, Source::Alert, START, None));
    assert_eq!((firing.selector.as_str(), firing.comment.as_str()), (r#"{alertname="Lag",job="db"}"#, "Lag"));
    assert_eq!(firing.url, "http://prom:9090/graph?g0.expr=lag_seconds+%3E+1&g0.tab=1");
    // Without its metric, those of its job.
    assert_eq!(suggest(&alert(FIRING), &names[1..]).unwrap().series, [names[1]]);
    assert_eq!(suggest(&alert(FIRING), &names[2..]), None);
    // One label the same, another one not: about something else.
    let elsewhere = alert(&FIRING.replace(r#""job":"db"}"#, r#""job":"db","shard":"2"}"#));
    assert_eq!(suggest(&elsewhere, &names[..1]), None);
    assert_eq!(suggest(&elsewhere, &names[..2]).unwrap().series, [names[1]]);
    // Over in eight seconds: nothing was wrong. In two minutes and a second: something was.
    let resolved = suggest(&alert(RESOLVED), &names).unwrap();
    assert_eq!((resolved.kind, resolved.to_ms, &resolved.id), (Kind::Normal, Some(START + 8_000), &firing.id));
    for (end, kind) in [("10:16:49", Kind::Normal), ("10:16:50", Kind::Anomaly)] {
        assert_eq!(suggest(&alert(&RESOLVED.replace("10:14:57", end)), &names).unwrap().kind, kind, "{end}");
    }
    let many: Vec<String> = (0..2 * MAX_SERIES).map(|n| format!(r#"x{{job="db",n="{n}"}}"#)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(suggest(&alert(FIRING), &many).unwrap().series.len(), MAX_SERIES);
}

#[test]
fn own_alerts_are_no_evidence() {
    let names = [r#"up{job="db"}"#];
    let from = |url: &str| suggest(&alert(&FIRING.replace("http://prom:9090/graph", url)), &names).is_some();
    assert!(from("http://prom:9090/graph") && from("http://rlad:84901/") && from("http://rlad:8490.example.org"));
    assert!(!from("http://rlad:8490/desk/") && !from("http://rlad:8490"));
    // A rule on scores is evaluated elsewhere; its alerts have the mark.
    let marked = FIRING.replace(r#""job":"db"}"#, r#""job":"db","detector":"rlad"}"#);
    assert_eq!(suggest(&alert(&marked), &names), None);
}

#[test]
fn a_silence_says_that_its_series_were_expected() {
    let (silences, _) = Silence::parse(SILENCES.as_bytes(), "http://am:9093").unwrap();
    let all = series(&[r#"up{job="api"}"#, r#"up{job="api",env="dev"}"#, r#"up{job="db"}"#]);
    let mut own = Alerts::default();
    let labels =
        labels_of(&Labels::parse(r#"load{host="a"}"#).unwrap(), "q", &[("job".to_owned(), "web".to_owned())].into());
    own.fire(r#"load{host="a"}"#, labels, BTreeMap::new(), START, String::new());
    let suggestions = of_silence(&silences[0], &own, borrowed(&all));
    let series: Vec<_> = suggestions.iter().map(|suggestion| suggestion.series.join(" ")).collect();
    assert_eq!(series, [r#"load{host="a"}"#, r#"up{job="api"}"#]);
    let first = &suggestions[0];
    assert_eq!((first.kind, first.source, first.to_ms), (Kind::Expected, Source::Silence, Some(START + 7_200_000)));
    assert_eq!((first.author.as_str(), first.comment.as_str()), ("ann", "deploy 42"));
    assert_ne!(first.id, suggestions[1].id);
    assert_eq!(of_silence(&silences[0], &own, borrowed(&all)), suggestions);
}

fn suggestion(id: &str, from_ms: i64) -> Suggestion {
    Suggestion { id: id.to_owned(), from_ms, ..suggest(&alert(FIRING), &[r#"up{job="db"}"#]).unwrap() }
}

fn verdict(is_accepted: bool, at_ms: i64) -> Verdict {
    Verdict { is_accepted, who: "ann".to_owned(), at_ms, label: is_accepted.then_some(at_ms), is_taken_back: false }
}

#[test]
fn a_suggestion_comes_once_and_its_answer_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("suggestions.json");
    let mut all = Suggestions::open(&path).unwrap();
    all.offer([suggestion("a", 1), suggestion("b", 2), suggestion("a", 1)], false);
    assert_eq!(all.open_ones().iter().map(|of| of.id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    // What is known is brought up to date; what is over is not new.
    all.offer([Suggestion { to_ms: Some(9), ..suggestion("a", 1) }, suggestion("c", 3)], true);
    assert_eq!((all.get("a").unwrap().0.to_ms, all.get("c")), (Some(9), None));
    all.save().unwrap();
    let mut all = Suggestions::open(&path).unwrap();
    assert_eq!(all.answer("a", verdict(true, 5)).unwrap().to_ms, Some(9));
    all.answer("b", verdict(false, 6)).unwrap();
    let error = all.answer("a", verdict(false, 7)).unwrap_err();
    insta::assert_snapshot!(error, @"expected an open suggestion, found `a`");
    drop(all);
    let mut all = Suggestions::open(&path).unwrap();
    all.offer([suggestion("a", 1), suggestion("b", 2)], false);
    assert_eq!(all.open_ones(), Vec::<&Suggestion>::new());
    assert_eq!(all.get("a").unwrap().1, Some(&verdict(true, 5)));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no file is left over");
}

#[test]
fn one_whose_label_is_taken_back_is_open_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("suggestions.json");
    let mut all = Suggestions::open(&path).unwrap();
    all.offer([suggestion("a", 1), suggestion("b", 2)], false);
    all.answer("a", verdict(true, 5)).unwrap();
    all.answer("b", verdict(false, 6)).unwrap();
    // Whatever is read from the file, the log says which labels hold; none came of the dismissed one.
    let mut all = Suggestions::open(&path).unwrap();
    assert!(!all.follow(|_| true) && all.open_ones().is_empty());
    assert!(all.follow(|_| false) && !all.follow(|_| false));
    assert_eq!(all.open_ones().iter().map(|of| of.id.as_str()).collect::<Vec<_>>(), ["a"]);
    // It is brought up to date again, and brought back it waits no longer.
    all.offer([Suggestion { to_ms: Some(9), ..suggestion("a", 1) }], true);
    assert_eq!(all.get("a").unwrap().0.to_ms, Some(9));
    assert!(all.follow(|label| label == 5));
    assert_eq!(all.open_ones(), Vec::<&Suggestion>::new());
    // Accepted anew, it is the new label that counts.
    all.follow(|_| false);
    all.answer("a", verdict(true, 7)).unwrap();
    assert!(!all.follow(|label| label == 7) && all.open_ones().is_empty());
}

#[test]
fn the_answered_leave_first_and_never_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = Suggestions::open(&dir.path().join("suggestions.json")).unwrap();
    all.offer((0..1_000).map(|n| suggestion(&n.to_string(), n)), false);
    all.answer("999", verdict(true, 1)).unwrap();
    all.answer("0", verdict(true, 2)).unwrap();
    all.offer([suggestion("new", 2_000), suggestion("newer", 2_001), suggestion("newest", 2_002)], false);
    assert_eq!([all.get("999"), all.get("0"), all.get("1")], [None, None, None]);
    assert!(all.get("2").is_some() && all.get("newest").is_some());
    // One that began before all others does not push them out.
    all.offer([suggestion("999", 999), suggestion("0", 0), suggestion("old", -1)], false);
    assert_eq!((all.get("999"), all.get("old"), all.open_ones().len()), (None, None, 1_000));
}

#[test]
fn nothing_is_said_where_it_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("state");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("suggestions.json");
    let mut all = Suggestions::open(&path).unwrap();
    all.offer([suggestion("a", 1)], false);
    std::fs::remove_dir(&folder).unwrap();
    assert!(all.answer("a", verdict(true, 1)).is_err() && all.save().is_err());
    std::fs::create_dir(&folder).unwrap();
    assert!(all.answer("a", verdict(true, 1)).is_ok());
    std::fs::write(&path, "{").unwrap();
    let error = Suggestions::open(&path).unwrap_err().to_string();
    assert!(error.starts_with("expected suggestions in `") && error.ends_with("line 1 column 1"), "{error}");
}

#[test]
fn one_that_is_away_does_not_keep_alerts_from_another() {
    let n_asked = AtomicUsize::new(0);
    let server = Server::start(move |_| match n_asked.fetch_add(1, Ordering::SeqCst) {
        0 => answer(200, ""),
        _ => answer(400, "no"),
    });
    let up = server.url("");
    let away = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let mut alerts = Alerts::default();
    alerts.fire("up", BTreeMap::from([("alertname".to_owned(), "A".to_owned())]), BTreeMap::new(), 0, String::new());
    let due = alerts.due(0, 60_000);
    let client = Client::new(&Options::default()).unwrap();
    let urls = [away.clone(), up.clone()];
    assert_eq!(post(&client, &urls, &due).iter().map(|(url, _)| url.as_str()).collect::<Vec<_>>(), [away.as_str()]);
    let failed = post(&client, &urls[1..], &due);
    assert_eq!(failed[0].1.to_string(), "expected Alertmanager to take 1 alerts, it answered HTTP 400: no");
    assert!(post(&client, &urls, &[]).is_empty());
    let asked = server.asked();
    assert_eq!((asked.len(), asked[0].method.as_str(), asked[0].target.as_str()), (2, "POST", "/api/v2/alerts"));
    assert_eq!(asked[0].header("Content-Type"), Some("application/json"));
    assert_eq!(asked[0].body, serde_json::to_vec(&due).unwrap());
}
