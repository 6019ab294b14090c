//! The service beside Prometheus and Alertmanager, from the first sample to a restart: a fault is scored, alerted,
//! answered at the page and not alerted again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::database::{query_range, samples as raw};
use crate::exporter::{Exporter, now_ms};
use crate::servers::{Programs, Server, free_port, scrape_config, until};
use crate::service::Service;
use crate::{http, page, samples};

const SCORE: &str = "anomaly_score{for=\"toy_queue_length\",service=\"shop\",run=\"\"}";
/// The points of the past that the service gets at once.
const PAST: i64 = 3_000;
/// How long the fault has lasted when the service is killed, in milliseconds.
const BEFORE_KILL: i64 = 8_000;

/// What the test has started.
struct Setup {
    exporter: Exporter,
    alertmanager: Server,
    prometheus: Server,
    past: Vec<samples::Series>,
}

fn watch_config(database: &str) -> String {
    format!(
        "watch = [{{ match = '{{__name__=~\"toy_.+\"}}', step = '1s' }}]\n\
         [scheduler]\nfit_window = '2h'\n\
         [state]\nsnapshot_every = '2s'\n\
         [writer]\nurl = '{database}'\nflush_every = '1s'\n"
    )
}

/// Starts Alertmanager, the service with a past, and Prometheus.
fn start(programs: &Programs, folder: &Path) -> (Setup, Service) {
    let exporter = Exporter::start();
    let (port, database_port) = (free_port(), free_port());
    let (url, database) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{database_port}"));
    let alertmanager = programs.alertmanager(&format!("{url}/api/v1/alerts/webhook"), folder);
    let config = format!(
        "{}[reader]\ndatasource_url = '{database}'\nsampling_period = '1s'\noffset = '2s'\n\
         [reader.queries.search_queue]\nexpr = 'avg_over_time(toy_queue_length{{service=\"search\"}}[5s])'\n\
         [alertmanager]\nurls = ['{}']\nsend = true\nresend_every = '1s'\nread_every = '1s'\n\
         [learning]\nafter_answers = 1\n",
        watch_config(&database),
        alertmanager.url
    );
    let service = Service::start("rlad", port, &config, &[], folder);
    let past = exporter.past(now_ms(), PAST);
    samples::send(service.url(), past.clone());
    // The rules that the program ships, with less patience.
    let mut written = Command::new(env!("CARGO_BIN_EXE_rlad"));
    let written = written.args(["serve", "--write-assets", "assets"]).current_dir(folder).output().unwrap();
    assert!(written.status.success(), "{written:?}");
    let rules = std::fs::read_to_string(folder.join("assets/rules.yml")).unwrap().replace("for: 5m", "for: 1s");
    std::fs::write(folder.join("assets/rules.yml"), rules).unwrap();
    let config = format!(
        "global: {{ evaluation_interval: 1s }}\nrule_files: [assets/*.yml]\n\
         {}- {{ job_name: rlad, scrape_interval: 1s, static_configs: [{{ targets: ['127.0.0.1:{port}'] }}] }}\n\
         remote_write:\n- url: {url}/api/v1/write\n  \
           write_relabel_configs: [{{ source_labels: [__name__], regex: 'toy_.+', action: keep }}]\n  \
           queue_config: {{ batch_send_deadline: 1s }}\n",
        scrape_config("toy", &exporter.address)
    );
    let prometheus = programs.prometheus(database_port, &config, &[], folder);
    (Setup { exporter, alertmanager, prometheus, past }, service)
}

/// The alert about the queue that Alertmanager has, if it has one.
fn alert(alertmanager: &Server) -> Result<Option<Value>, String> {
    let alerts = http::json(&format!("{}/api/v2/alerts", alertmanager.url))?;
    let is_ours = |alert: &&Value| {
        alert["labels"]["alertname"] == "RladAnomaly"
            && alert["labels"]["metric"] == "toy_queue_length"
            && alert["labels"]["service"] == "shop"
    };
    Ok(alerts.as_array().unwrap().iter().find(is_ours).cloned())
}

#[test]
fn beside_prometheus_and_alertmanager() {
    let names = ["prometheus", "prometheus-alertmanager", "chromium", "chromedriver"];
    let Some(programs) = Programs::of_system(&names) else { return };
    eprintln!("{}, {}", programs.version("prometheus"), programs.version("prometheus-alertmanager"));
    let begun = Instant::now();
    let told = |what: &str| eprintln!("{:>5.1} s: {what}", begun.elapsed().as_secs_f64());
    let dir = tempfile::tempdir().unwrap();
    let (setup, service) = start(&programs, dir.path());
    let database = setup.prometheus.url.clone();

    let model = service.wait_for_detector();
    let first_model = std::fs::read_dir(service.state().join("models")).unwrap().map(|file| file.unwrap().path());
    let first_model = { first_model }.find(|path| path.to_str().unwrap().contains(&model)).unwrap();
    told(&format!("detector {model} scores"));
    scores_are_found(&setup, &service);
    told("scores are found in the database");
    let suggestions = others_suggest(&setup, &service);
    let n_before = n_notifications(&setup.alertmanager).unwrap();
    told(&format!("{} suggestions of others are there", suggestions.len()));

    let fault = setup.exporter.set_fault(true);
    let (score, peak) = until("a fault is scored above 1", || {
        let found = query_range(&database, SCORE, fault, now_ms())?;
        let highest = found.first().and_then(|found| found.highest(fault));
        highest.filter(|(score, _)| *score > 1.0).ok_or_else(|| format!("{highest:?}, {:?}", service.status()))
    });
    told(&format!("the fault has the score {score} after {} ms", peak - fault));
    let alert_before = until("Alertmanager has the alert", || alert(&setup.alertmanager)?.ok_or_else(String::new));
    told(&format!("Alertmanager has the alert since {}", alert_before["startsAt"]));

    std::thread::sleep(Duration::from_millis(u64::try_from((fault + BEFORE_KILL - now_ms()).max(0)).unwrap()));

    let service = service.kill_and_restart();
    let restarted = now_ms();
    // As a sender does that does not know what arrived: all of it is late, and counted.
    samples::send(service.url(), setup.past.clone());
    assert_eq!(service.metric("rlad_samples_dropped_total{reason=\"late\"}"), Some(3.0 * PAST as f64));
    until("scores go on after kill -9", || {
        let found = raw(&database, SCORE)?;
        let highest = found.highest(restarted);
        highest.filter(|(score, _)| *score > 1.0).ok_or_else(|| format!("{highest:?}"))
    });
    let alert_after = alert(&setup.alertmanager).unwrap().unwrap();
    assert_eq!(alert_after["startsAt"], alert_before["startsAt"], "it is the same alert");
    let link = alert_after["generatorURL"].as_str().unwrap().to_owned();
    setup.exporter.set_fault(false);
    let ended = now_ms();
    told(&format!("killed and back; the fault ended after {} s, the link is {link}", (ended - fault) / 1_000));
    assert!(link.starts_with(&format!("{}/?series=toy%5Fqueue%5Flength%7B", service.url())), "{link}");
    until("the alert is resolved", || match alert(&setup.alertmanager)? {
        None => Ok(()),
        Some(alert) => Err(alert.to_string()),
    });
    told("the alert is resolved");

    let n = until("Alertmanager has told the service of its own alert", || {
        n_notifications(&setup.alertmanager).and_then(|n| if n > n_before { Ok(n) } else { Err(n.to_string()) })
    });
    let browser = Browser::start();
    let taught = now_ms();
    one_is_accepted(&service, &browser, &suggestions);
    told(&format!("none was added after {} notifications of its own alert; one was accepted", n - n_before));

    let question = until("the page asks about the alarm", || {
        let point = http::json(&link.replace("/?", "/api/point?"))?;
        if point["question"].is_null() { Err(point.to_string()) } else { Ok(point) }
    });
    told(&format!("the page asks about the alarm, points {} to {}", question["first"], question["last"]));
    assert_eq!(page::open(&browser, &link), question["series"]["name"].as_str().unwrap());
    page::picture(&browser, "served-alarm");
    let n_answers = service.metric("rlad_answers_total").unwrap();
    let saved = page::answer(&browser, "0");
    let label = service.labels().pop().unwrap();
    told(&format!("answered: {saved}, {label:?}"));
    assert!(label.is_answer && label.who == "ada" && label.annotation["spans"][0]["label"] == "normal", "{label:?}");
    until("the answer is counted", || match service.metric("rlad_answers_total") {
        Some(n) if n > n_answers => Ok(()),
        other => Err(format!("{other:?}")),
    });
    until("a detector that knows the answer scores", || {
        let log = service.log();
        if log.contains("it knows 1 answer") || log.contains("it knows 2 answers") { Ok(()) } else { Err(log) }
    });
    told("a detector that knows the answer scores");

    let like = setup.exporter.set_fault(true);
    std::thread::sleep(Duration::from_millis(u64::try_from(ended - fault).unwrap()));
    let like_ended = setup.exporter.set_fault(false);
    let found = until("scores of the like fault are there", || {
        let found = raw(&database, SCORE)?;
        if found.points.range(like_ended + 2_000..).next().is_some() { Ok(found) } else { Err(String::new()) }
    });
    let (like_score, _) = found.highest(like).unwrap();
    let first_score = found.points.range(fault..ended).map(|(_, of)| of.parse().unwrap()).fold(0.0, f64::max);
    told(&format!("the like fault has a score of {like_score}, the first one of {first_score}"));
    assert!(like_score < 1.0, "the like fault is alerted again: {like_score}");
    assert_eq!(alert(&setup.alertmanager).unwrap(), None);

    nothing_is_missing(&setup, &service, taught, &first_model, dir.path());
    told("no score is missing, and those of the first detector are those of a service that was never stopped");
    until("each expression of the dashboards finds something", || dashboards_find_everything(&database));
    told("each expression of the dashboards finds something");
    let took = service.stop("-TERM");
    told(&format!("SIGTERM ended it in {took:?}"));
    assert!(took < Duration::from_secs(10));
}

/// What is scraped is taken in, scored and written back under the labels of its series.
fn scores_are_found(setup: &Setup, service: &Service) {
    let begun = now_ms();
    let found = until("scores are found by query_range", || {
        let found = query_range(&setup.prometheus.url, SCORE, begun, now_ms())?;
        match found.as_slice() {
            [one] if one.points.len() >= 3 => Ok(one.clone()),
            other => Err(format!("{other:?}, {:?}", service.status())),
        }
    });
    let expected = json!({
        "__name__": "anomaly_score", "for": "toy_queue_length", "instance": setup.exporter.address, "job": "toy",
        "model_alias": "rlad", "service": "shop",
    });
    assert_eq!(json!(found.labels), expected);
    let status = service.status().unwrap();
    assert!(status["ready"] == true && status["state_writable"] == true, "{status}");
    assert!(service.metric("rlad_samples_received_total{protocol=\"v1\"}").unwrap() > 3.0 * PAST as f64);
    // The queues and the rate of the counter are pushed, the query is asked.
    until("the query is answered", || match service.metric("rlad_series") {
        Some(4.0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// Others silence and alert about the queue of `search`: both are suggestions, and no label. Returns them.
fn others_suggest(setup: &Setup, service: &Service) -> Vec<Value> {
    let time = |at: i64| jiff::Timestamp::from_millisecond(at).unwrap().to_string();
    let now = now_ms();
    let silence = json!({
        "matchers": [{ "name": "service", "value": "search", "isRegex": false }],
        "startsAt": time(now), "endsAt": time(now + 600_000), "createdBy": "grace", "comment": "the index is rebuilt",
    });
    let foreign = json!([{
        "labels": { "alertname": "QueueTooLong", "service": "search", "job": "toy" },
        "annotations": { "summary": "jobs wait for a minute" },
        "startsAt": time(now - 30_000),
        "generatorURL": "http://prometheus/graph?g0.expr=toy_queue_length+%3E+50",
    }]);
    http::post(&format!("{}/api/v2/alerts", setup.alertmanager.url), &foreign).unwrap();
    // Alertmanager tells nobody of an alert that is silenced.
    until_suggested(service, "alert");
    http::post(&format!("{}/api/v2/silences", setup.alertmanager.url), &silence).unwrap();
    let suggestions = until_suggested(service, "silence");
    let told = |source: &str| suggestion(&suggestions, source, "toy_queue_length{");
    let part = |of: &Value, name: &str| of[name].as_str().unwrap().to_owned();
    let silenced = ["kind", "who", "comment"].map(|name| part(told("silence"), name));
    assert_eq!(silenced, ["expected", "grace", "the index is rebuilt"]);
    let alerted = ["kind", "who", "comment"].map(|name| part(told("alert"), name));
    assert_eq!(alerted, ["anomaly", "", "QueueTooLong: jobs wait for a minute"]);
    assert!(service.labels().is_empty(), "{:?}", service.labels());
    suggestions
}

/// Waits for a suggestion of a source, and returns all of them.
fn until_suggested(service: &Service, source: &str) -> Vec<Value> {
    until(&format!("the {source} is a suggestion"), || {
        let suggestions = service.suggestions()?;
        let is_there = suggestions.iter().any(|of| of["source"] == source);
        if is_there { Ok(suggestions) } else { Err(format!("{suggestions:?}")) }
    })
}

/// The suggestion of a source about a series whose name begins so.
fn suggestion<'a>(suggestions: &'a [Value], source: &str, begins: &str) -> &'a Value {
    let is_it = |of: &&Value| of["source"] == source && of["series"].as_str().unwrap().starts_with(begins);
    suggestions.iter().find(is_it).unwrap_or_else(|| panic!("{source}, {begins}: {suggestions:?}"))
}

/// How often Alertmanager has told the service of alerts.
fn n_notifications(alertmanager: &Server) -> Result<f64, String> {
    let told = http::get(&format!("{}/metrics", alertmanager.url))?;
    let n = http::metric(&told, "alertmanager_notifications_total{integration=\"webhook\"");
    n.ok_or_else(|| "no notification".to_owned())
}

/// The suggestions are those from before, and one of them becomes the label of who accepts it.
fn one_is_accepted(service: &Service, browser: &Browser, before: &[Value]) {
    let ids = |of: &[Value]| of.iter().map(|of| of["id"].clone()).collect::<Vec<_>>();
    let suggestions = until("the silence has points in the session", || {
        let suggestions = service.suggestions()?;
        let is_open = suggestion(&suggestions, "silence", "toy_queue_length{")["first"].is_u64();
        if is_open { Ok(suggestions) } else { Err(format!("{suggestions:?}")) }
    });
    assert_eq!(ids(&suggestions), ids(before));
    assert!(service.labels().is_empty(), "{:?}", service.labels());
    page::list_suggestions(browser, service.url());
    page::picture(browser, "served-suggestions");
    let silenced = suggestion(&suggestions, "silence", "toy_queue_length{");
    page::show_suggestion(browser, silenced["id"].as_str().unwrap());
    page::picture(browser, "served-suggestion");
    page::answer(browser, "e");
    let label = service.labels().pop().unwrap();
    assert!(!label.is_answer && label.who == "ada" && label.series == silenced["series"], "{label:?}");
    assert_eq!(label.annotation["spans"][0]["label"], "expected");
    assert_eq!(label.comment.as_deref(), Some("silence by grace: the index is rebuilt"));
}

/// Each expression of the dashboards finds something in the database. One of them looks at whole minutes alone.
fn dashboards_find_everything(database: &str) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command.arg(root.join("../../examples/prometheus/tests/check_dashboards.py"));
    command.args(["--database", database, "--metric", "toy_queue_length"]);
    let assets = root.join("src/serve/assets");
    command.args(["dashboard-fleet.json", "dashboard-series.json"].map(|name| assets.join(name)));
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            std::thread::sleep(Duration::from_secs(2));
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
        Err(error) => {
            eprintln!("skipped: the expressions of the dashboards: python3: {error}");
            Ok(())
        }
    }
}

/// Every sample has a score, and until the first label they are those of a service that got all samples at once and was
/// never stopped.
fn nothing_is_missing(setup: &Setup, service: &Service, until_ms: i64, model: &Path, folder: &Path) {
    let database = &setup.prometheus.url;
    let port = free_port();
    let config = format!(
        "{}[writer.metric_format]\n__name__ = '$VAR'\nfor = '$QUERY_KEY'\nrun = 'reference'\n\
         [reader]\nsampling_period = '1s'\n[learning]\nenabled = false\n",
        watch_config(database)
    );
    let model = model.to_str().unwrap();
    let reference = Service::start("reference", port, &config, &["--model", model], folder);
    samples::send(reference.url(), setup.past.clone());
    for (name, service_name) in
        [("toy_queue_length", "shop"), ("toy_queue_length", "search"), ("toy_requests_total", "shop")]
    {
        let scraped = raw(database, &format!("{name}{{service=\"{service_name}\"}}")).unwrap();
        let labels: Vec<(&str, &str)> =
            scraped.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut series = samples::Series::new(name, &labels[1..]);
        scraped.points.iter().for_each(|(at, value)| series.push(*at, value.parse().unwrap()));
        samples::send(reference.url(), vec![series]);
        let of = |run: &str| {
            let labels = format!("for=\"{name}\",service=\"{service_name}\",run=\"{run}\"");
            Ok::<_, String>(raw(database, &format!("anomaly_score{{{labels}}}"))?.points)
        };
        let last = *scraped.points.last_key_value().unwrap().0;
        let scores = until("the last score is written", || {
            let scores = of("")?;
            if scores.contains_key(&last) { Ok(scores) } else { Err(format!("{:?}", scores.last_key_value())) }
        });
        let first = *scores.first_key_value().unwrap().0;
        let missing: Vec<&i64> =
            scraped.points.range(first..).map(|(at, _)| at).filter(|at| !scores.contains_key(at)).collect();
        assert!(missing.is_empty(), "{name} of {service_name}: no score at {missing:?}; {:?}", service.status());
        let expected = until("the reference has scored everything", || {
            let scores = of("reference")?;
            if scores.contains_key(&last) { Ok(scores) } else { Err(format!("{:?}", scores.last_key_value())) }
        });
        let before = |scores: &BTreeMap<i64, String>| -> Vec<(i64, String)> {
            scores.range(first..until_ms).map(|(at, score)| (*at, score.clone())).collect()
        };
        let (ours, theirs) = (before(&scores), before(&expected));
        assert!(ours.len() > 10, "{ours:?}");
        assert_eq!(ours, theirs, "{name} of {service_name}");
        eprintln!(
            "{name} of {service_name}: {} scores, none missing; {} are those of the reference",
            scores.len(),
            ours.len()
        );
    }
    assert!(reference.stop("-INT") < Duration::from_secs(10));
}
