//! What the commands around the service print.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::service::{Service, write_config};

fn rlad(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rlad")).current_dir(folder).args(args).output().unwrap()
}

/// Exit code, what was printed and what was told.
fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!("{}\n--\n{}--\n{}", output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_dry_run_tells_the_configuration_and_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dry =
        ["serve", "--datasource", "http://localhost:9090", "--query", "rate(http_requests_total[5m])", "--dry-run"];
    insta::assert_snapshot!(shown(&rlad(dir.path(), &dry)), @r#"
    0
    --
    [server]
    bind = "127.0.0.1:8490"
    allow_anonymous = false
    max_body = "32MiB"
    max_decoded = "128MiB"
    max_connections = 1024
    header_timeout = "10s"
    body_timeout = "30s"

    [reader]
    datasource_url = "http://localhost:9090"
    sampling_period = "1m"
    offset = "15s"
    timeout = "30s"

    [reader.queries.query1]
    expr = "rate(http_requests_total[5m])"

    [scheduler]
    fit_every = "1d"
    fit_window = "2w"

    [writer]
    protocol = "auto"
    scores = "watched"
    batch = 2000
    flush_every = "5s"
    spool_max = "1GiB"
    timeout = "30s"

    [writer.metric_format]
    __name__ = "anomaly_score"
    for = "$QUERY_KEY"
    model_alias = "rlad"

    [alertmanager]
    urls = []
    send = false
    read_silences = true
    read_every = "1m"
    resend_every = "1m"
    timeout = "10s"

    [alertmanager.labels]
    severity = "warning"

    [learning]
    enabled = true
    max_series = 2000
    after_answers = 20
    nice = 19
    questions = 50
    questions_per_day = 5

    [decision]
    goal = "f1"
    alarms_per_week = 0.0
    direction = "both"
    min_deviation = 0.0
    min_relative_deviation = 0.0
    merge_within = 0
    hold = 1
    transfer_share = 0.03

    [state]
    dir = "rlad-state"
    snapshot_every = "5m"
    fsync = "batch"
    keep_models = 5

    [limits]
    max_series = 1000000
    max_new_series_per_minute = 100000
    idle_series = "1d"
    max_series_per_query = 10000
    --
    the configuration can be started with; nothing was asked of any server
    "#);
    fs::write(dir.path().join("serve.toml"), "[writer]\nurl = \"http://localhost:9090\"\nscore = \"none\"\n").unwrap();
    insta::assert_snapshot!(shown(&rlad(dir.path(), &["serve", "--config", "serve.toml", "--dry-run"])), @r#"
    2
    --
    --
    error: serve.toml:3:1: unknown key `score`, expected one of `url`, `protocol`, `scores`, `batch`, `flush_every`, `spool_max`, `timeout`, `tenant_id`, `tenant_header`, `metric_format`, `auth`
    hint: did you mean `scores`?
    "#);
    fs::write(dir.path().join("serve.toml"), "[server]\ningest_token_file = \"missing\"\n").unwrap();
    insta::assert_snapshot!(shown(&rlad(dir.path(), &["serve", "--config", "serve.toml", "--dry-run"])), @r#"
    2
    --
    --
    error: cannot use `server.ingest_token_file`: cannot read `missing`: No such file or directory (os error 2)
    "#);
    // A start says the same, before it touches anything.
    let start = rlad(dir.path(), &["serve", "--config", "serve.toml"]);
    assert!(String::from_utf8_lossy(&start.stderr).starts_with("error: cannot use `server.ingest_token_file`"));
    assert!(!dir.path().join("rlad-state").exists());
    insta::assert_snapshot!(shown(&rlad(dir.path(), &["serve", "--datasource", "http://localhost:9090"])), @r#"
    2
    --
    --
    error: expected what to watch, found no `--query`
    hint: add one, as in `--query 'rate(http_requests_total[5m])'`
    "#);
    insta::assert_snapshot!(shown(&rlad(dir.path(), &["serve", "--config", "none.toml"])), @r#"
    2
    --
    --
    error: cannot read `none.toml`: No such file or directory (os error 2)
    hint: name a file with `--config`, or begin with `rlad serve --datasource URL --query EXPR`
    "#);
    assert!(!dir.path().join("rlad-state").exists());
}

#[test]
fn a_configuration_of_vmanomaly_becomes_one_that_can_be_started_with() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = "
schedulers: { every: { class: periodic, infer_every: 1m, fit_every: 2h, fit_window: 14d } }
models: { zscore: { class: zscore, z_threshold: 2.5 } }
reader:
  class: vm
  datasource_url: http://victoriametrics:8428/
  sampling_period: 1m
  queries: { cpu: { expr: 'avg(rate(node_cpu_seconds_total[5m])) by (mode)', data_range: [0, inf] } }
writer: { class: vm, datasource_url: http://victoriametrics:8428/ }
";
    fs::write(dir.path().join("vmanomaly.yml"), yaml).unwrap();
    let converted = rlad(dir.path(), &["serve", "--from-vmanomaly", "vmanomaly.yml"]);
    insta::assert_snapshot!(shown(&converted), @r#"
    0
    --
    [reader]
    datasource_url = "http://victoriametrics:8428/"
    sampling_period = "1m"

    [reader.queries.cpu]
    data_range = [0.0, inf]
    expr = "avg(rate(node_cpu_seconds_total[5m])) by (mode)"

    [scheduler]
    fit_every = "2h"
    fit_window = "14d"
    infer_every = "1m"

    [writer]
    url = "http://victoriametrics:8428/"
    --
    note: models are replaced, with their settings, by one detector, which learns from answers; it writes `anomaly_score`, and no `y` or `yhat`: `zscore` (zscore)
    "#);
    fs::write(dir.path().join("serve.toml"), &converted.stdout).unwrap();
    assert_eq!(rlad(dir.path(), &["serve", "--config", "serve.toml", "--dry-run"]).status.code(), Some(0));
    fs::write(dir.path().join("broken.yml"), "reader: [1").unwrap();
    insta::assert_snapshot!(shown(&rlad(dir.path(), &["serve", "--from-vmanomaly", "broken.yml"])), @r#"
    2
    --
    --
    error: cannot use `broken.yml`: expected YAML: unclosed bracket '[' at line 1, column 9
    hint: give the file that vmanomaly is started with, whole
    "#);
}

#[test]
fn assets_are_written() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(shown(&rlad(dir.path(), &["serve", "--write-assets", "assets"])), @r#"
    0
    --
    assets/rules.yml
    assets/self-monitoring.yml
    assets/dashboard-fleet.json
    assets/dashboard-series.json
    --
    "#);
    for name in ["dashboard-fleet.json", "dashboard-series.json"] {
        let text = fs::read_to_string(dir.path().join("assets").join(name)).unwrap();
        let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(!dashboard["panels"].as_array().unwrap().is_empty(), "{name}");
    }
}

#[test]
fn health_says_whether_it_is_ready() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(&write_config(dir.path(), "", "", ""));
    insta::assert_snapshot!(shown(&rlad(dir.path(), &["health", &service.url])), @r#"
    0
    --
    rlad is ready
    --
    "#);
    let url = service.url.clone();
    service.kill();
    let gone = rlad(dir.path(), &["health", &url]);
    assert_eq!(gone.status.code(), Some(2));
    insta::assert_snapshot!(shown(&gone).replace(&url, "[url]"), @r#"
    2
    --
    --
    error: cannot reach `[url]/-/ready`: io: Connection refused (os error 111)
    "#);
}
