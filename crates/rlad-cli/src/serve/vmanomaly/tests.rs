//! Configurations as vmanomaly's documents have them.

use super::*;

/// The minimal example of its guide, with node_exporter.
const GUIDE: &str = r#"
schedulers:
  periodic:
    class: "periodic"
    infer_every: "1m"
    fit_every: "2m"
    fit_window: "3h"
models:
  prophet:
    class: "prophet"
    args:
      interval_width: 0.98
      country_holidays: 'US'
reader:
  class: "vm"
  datasource_url: "http://victoriametrics:8428/"
  sampling_period: "60s"
  queries:
    node_cpu_rate:
      expr: "sum(rate(node_cpu_seconds_total[5m])) by (mode, instance, job)"
writer:
  class: "vm"
  datasource_url: "http://victoriametrics:8428/"
monitoring:
  pull: # Enable /metrics endpoint.
    addr: "0.0.0.0"
    port: 8490
"#;

/// A cluster with tenants, credentials, several models and all that a query may have.
const CLUSTER: &str = r#"
settings: { restore_state: true, n_workers: 4 }
schedulers:
  fast: { infer_every: 30s, fit_every: 6h, fit_window: 2w, start_from: "20:00", tz: Europe/Kyiv }
  slow: { class: scheduler.periodic.PeriodicScheduler, infer_every: 5m, fit_every: 1d, fit_window: 4w }
  check: { class: backtesting, from_iso: '2026-01-01T00:00:00Z', to_iso: '2026-02-01T00:00:00Z' }
models:
  zs:
    class: zscore_online
    queries: [errors, latency]
    schedulers: [fast]
    detection_direction: above_expected
    min_dev_from_expected: [1, 5]
    z_threshold: 3
  forest: { class: isolation_forest_multivariate, queries: [latency], detection_direction: both }
reader:
  class: vm
  datasource_url: "https://%{VM_HOST}:8481"
  tenant_id: "0:7"
  sampling_period: 30s
  offset: -20s
  user: ann
  password: geheim-1
  verify_tls: /etc/ssl/ca.crt
  timeout: 1m
  latency_offset: 1ms
  extra_filters: ['{env="prod"}']
  queries:
    errors:
      expr: 'sum(rate(http_errors_total{zone="%{ZONE}",path!~".*/$"}[5m])) by (job)'
      step: 1m
      data_range: [0, inf]
      min_rel_dev_from_expected: [0, 15]
      tz: UTC
    latency: { expr: 'label_replace(p99, "a", "${1}", "b", "(.*)")', min_dev_from_expected: [2, 3], data_range: [-.inf, 9] }
    old: 'avg(vm_blocks)'
writer:
  datasource_url: "https://vminsert:8480"
  tenant_id: 0
  bearer_token: geheim-2
  verify_tls: false
  metric_format: { __name__: "vmanomaly_$VAR", for: "$QUERY_KEY", run: nightly }
  import_json_path: /api/v1/import
monitoring: { push: { url: 'http://vm:8428', push_frequency: 15m } }
"#;

fn shown(yaml: &str) -> String {
    let Converted { toml, notes } = convert(yaml).unwrap();
    let notes: Vec<String> = notes.iter().map(|note| format!("- {note}\n")).collect();
    format!("{toml}\n{}", notes.concat())
}

#[test]
fn the_example_of_the_guide() {
    insta::assert_snapshot!(shown(GUIDE), @r#"
    [reader]
    datasource_url = "http://victoriametrics:8428/"
    sampling_period = "60s"

    [reader.queries.node_cpu_rate]
    expr = "sum(rate(node_cpu_seconds_total[5m])) by (mode, instance, job)"

    [scheduler]
    fit_every = "2m"
    fit_window = "3h"
    infer_every = "1m"

    [server]
    bind = "127.0.0.1:8490"

    [writer]
    url = "http://victoriametrics:8428/"

    - models are replaced, with their settings, by one detector, which learns from answers; it writes `anomaly_score`, and no `y` or `yhat`: `prophet` (prophet)
    - `fit_every` of `2m` is often: a model is kept up to date between two, so `1d` is enough
    - `monitoring.pull.addr` of `0.0.0.0` was left out: for others to reach it, set `server.bind` and a token as `server.ingest_token_file`
    "#);
    let config = ServeConfig::from_text("x", &convert(GUIDE).unwrap().toml, &|_| None).unwrap();
    assert_eq!(config.writer.write_url().unwrap(), "http://victoriametrics:8428/api/v1/write");
}

#[test]
fn a_cluster() {
    insta::assert_snapshot!(shown(CLUSTER), @r#"
    [reader]
    datasource_url = "https://${VM_HOST}:8481"
    offset = "20s"
    sampling_period = "30s"
    tenant_id = "0:7"
    timeout = "1m"

    [reader.auth]
    ca_file = "/etc/ssl/ca.crt"
    password_file = "reader-password"
    user = "ann"

    [reader.queries.errors]
    data_range = [0.0, inf]
    detection_direction = "above_expected"
    expr = 'sum(rate(http_errors_total{zone="${ZONE}",path!~".*/$"}[5m])) by (job)'
    min_dev_from_expected = 5.0
    min_rel_dev_from_expected = 15.0
    step = "1m"

    [reader.queries.latency]
    data_range = [-inf, 9.0]
    detection_direction = "above_expected"
    expr = 'label_replace(p99, "a", "$${1}", "b", "(.*)")'
    min_dev_from_expected = 3.0

    [reader.queries.old]
    expr = "avg(vm_blocks)"

    [scheduler]
    fit_every = "6h"
    fit_window = "2w"
    infer_every = "30s"

    [writer]
    tenant_id = "0"
    url = "https://vminsert:8480"

    [writer.auth]
    bearer_token_file = "writer-bearer-token"

    [writer.metric_format]
    __name__ = "vmanomaly_$VAR"
    for = "$QUERY_KEY"
    run = "nightly"

    - `reader.password` is a secret: put it into the file `reader-password`, which only you can read
    - `reader.latency_offset` is not needed and was left out
    - `reader.extra_filters` was left out: write ["{env=\"prod\"}"] into the expression of each query
    - `reader.queries.errors.tz` is not needed and was left out
    - `models.zs.min_dev_from_expected` was left out where its query says something else
    - `models.forest.detection_direction` was left out where its query says something else
    - models are replaced, with their settings, by one detector, which learns from answers; it writes `anomaly_score`, and no `y` or `yhat`: `zs` (zscore_online), `forest` (isolation_forest_multivariate)
    - `schedulers.fast.tz` was left out: it has no counterpart, or is not understood
    - `schedulers.fast.start_from` was left out: it has no counterpart, or is not understood
    - `schedulers.slow` was left out: one schedule, that of `fast`, is for all queries
    - `schedulers.check` of class `backtesting` was left out: the service runs all the time
    - `writer.bearer_token` is a secret: put it into the file `writer-bearer-token`, which only you can read
    - `writer.verify_tls` was left out: certificates are always checked; name the one to check against as `writer.auth.ca_file`
    - `writer.import_json_path` is not needed and was left out
    - `monitoring.push` was left out: `/metrics` is there to be scraped
    - `settings.restore_state` was left out: it has no counterpart, or is not understood
    - `settings.n_workers` was left out: it has no counterpart, or is not understood
    "#);
    let toml = convert(CLUSTER).unwrap().toml;
    let variable = |name: &str| Some(if name == "ZONE" { "north" } else { "vmselect" }.to_owned());
    let config = ServeConfig::from_text("serve.toml", &toml, &variable).unwrap();
    assert_eq!(config.reader.base_url().unwrap(), "https://vmselect:8481/select/0:7/prometheus");
    let expr = |name: &str| config.reader.queries[name].expr.as_str();
    assert_eq!(expr("errors"), r#"sum(rate(http_errors_total{zone="north",path!~".*/$"}[5m])) by (job)"#);
    assert_eq!(expr("latency"), r#"label_replace(p99, "a", "${1}", "b", "(.*)")"#);
    assert_eq!(config.writer.write_url().unwrap(), "https://vminsert:8480/insert/0/prometheus/api/v1/write");
    assert_eq!(config.writer.labels("old")["__name__"], "vmanomaly_anomaly_score");
}

#[test]
fn no_secret_is_shown() {
    assert!(CLUSTER.matches("geheim").count() == 2 && !shown(CLUSTER).contains("geheim"));
    let login = "reader: { datasource_url: 'https://ann:geheim@vm:8428/x' }";
    insta::assert_snapshot!(shown(login), @r#"
    [reader]
    datasource_url = "https://vm:8428/x"

    [reader.auth]
    password_file = "reader-password"
    user = "ann"

    - `reader.password` is a secret: put it into the file `reader-password`, which only you can read
    "#);
}

#[test]
fn what_cannot_be_used_as_it_is_is_noted() {
    let notes = |yaml: &str| convert(yaml).unwrap().notes.join("\n");
    insta::assert_snapshot!(notes("reader: { sampling_period: 1h, queries: { a: up } }"), @"change this before it is used: serve.toml:1:2: `reader.datasource_url` must be given where there are queries, got nothing");
    insta::assert_snapshot!(notes("preset: node-exporter\nreader: []\nwriter: { class: csv, metric_format: { a: [1] } }"), @r"
    `writer.class` of `csv` is not known: its address is taken for one of Prometheus' API
    `writer.metric_format.a` is no text and was left out
    the preset `node-exporter` was left out: write its queries into `[reader.queries]`
    `reader` was left out: it has no counterpart, or is not understood
    ");
    insta::assert_snapshot!(notes("model: { class: mad }\nscheduler: { infer_every: 1x, fit_window: 5h }\nreader: { queries: { a: { expr: up, data_range: [1, x] } } }"), @r#"
    models are replaced, with their settings, by one detector, which learns from answers; it writes `anomaly_score`, and no `y` or `yhat`: `model` (mad)
    `schedulers.scheduler.infer_every` was left out: it has no counterpart, or is not understood
    `reader.queries.a.data_range` was left out, as it is not understood: [1,"x"]
    change this before it is used: serve.toml:1:2: `reader.datasource_url` must be given where there are queries, got nothing
    "#);
}

#[test]
fn what_is_no_configuration_is_told() {
    let error = |yaml: &str| convert(yaml).unwrap_err().to_string();
    insta::assert_snapshot!(error("- a\n- b"), @"expected sections such as `reader` and `writer`, found none");
    insta::assert_snapshot!(error("reader: {\nwriter: ["), @"expected YAML: unclosed bracket '[' at line 2, column 9");
    insta::assert_snapshot!(error(""), @"expected sections such as `reader` and `writer`, found none");
}

#[test]
fn dollar_signs_stay() {
    for (text, want) in [("$%{A}", "$$${A}"), ("$$%{A}", "$$$$${A}"), ("a${1}$", "a$${1}$"), ("%{A}", "${A}")] {
        assert_eq!(written(text), want);
    }
}
