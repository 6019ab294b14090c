//! The configuration is read, checked and written.

use super::*;

fn read(text: &str) -> anyhow::Result<ServeConfig> {
    let variable = |name: &str| (name == "ZONE").then(|| "north-1".to_owned());
    ServeConfig::from_text("serve.toml", text, &variable)
}

/// Message and hint of an error.
fn error(text: &str) -> String {
    let error = read(text).unwrap_err();
    format!("{error}\nhint: {}", error.downcast_ref::<Advice>().unwrap().hint())
}

const FULL: &str = r#"
[server]
bind = "0.0.0.0:8490"
external_url = "https://rlad.example.org/"
ingest_token_file = "/etc/rlad/ingest"
max_body = "16MiB"

[reader]
datasource_url = "http://vm:8481/"
sampling_period = "30s"
tenant_id = "0:7"
auth = { user = "ann", password_file = "/etc/rlad/password" }

[reader.queries.errors]
expr = 'rate(http_requests_total{zone="${ZONE}",code=~"5.."}[5m])'
step = "1m"
detection_direction = "above_expected"
min_dev_from_expected = 0.5
min_rel_dev_from_expected = 15
data_range = [0, inf]

[[watch]]
match = 'up{job=~"api.*"}'
as = "value"
detection_direction = "below_expected"

[writer]
url = "http://vm:8480"
tenant_id = "0:7"
protocol = "vm-import"
scores = "anomalous"
metric_format = { __name__ = "vmanomaly_$VAR", for = "$QUERY_KEY" }

[alertmanager]
urls = ["http://am-0:9093/", "http://am-1:9093"]
send = true
labels = { severity = "page", team = "core" }

[decision]
goal = "events"
alarms_per_week = 2
direction = "above"
hold = "2m"
"#;

#[test]
fn every_section_is_read() {
    let config = read(FULL).unwrap();
    assert_eq!(config.server.bind.to_string(), "0.0.0.0:8490");
    assert_eq!(config.server.external_url(), "https://rlad.example.org");
    assert_eq!(config.server.max_body.bytes(), 16 << 20);
    assert_eq!(config.reader.base_url().unwrap(), "http://vm:8481/select/0:7/prometheus");
    let options = config.reader.options();
    assert_eq!(options.basic, Some(("ann".to_owned(), "/etc/rlad/password".into())));
    assert_eq!((options.tenant, options.timeout.as_secs()), (None, 30));
    let query = &config.reader.queries["errors"];
    assert_eq!(query.expr, r#"rate(http_requests_total{zone="north-1",code=~"5.."}[5m])"#);
    assert_eq!((query.step.unwrap().millis(), query.data_range), (60_000, Some([0.0, f64::INFINITY])));
    let decision = query.decision(&config.decision);
    assert_eq!(decision.direction, rlad::config::Direction::Above);
    assert!((decision.min_relative_deviation - 0.15).abs() < 1e-12 && (decision.min_deviation - 0.5).abs() < 1e-12);
    assert!((decision.alarms_per_week - 2.0).abs() < 1e-12);
    let watch = &config.watches[0];
    assert_eq!(
        (watch.read_as, watch.decision(&config.decision).direction),
        (ReadAs::Value, rlad::config::Direction::Below)
    );
    assert!(watch.selector.matches(&crate::serve::labels::Labels::parse(r#"up{job="api-2"}"#).unwrap()));
    assert_eq!(config.writer.import_url().unwrap(), "http://vm:8480/insert/0:7/prometheus/api/v1/import");
    let labels = [("__name__", "vmanomaly_anomaly_score"), ("for", "errors")];
    assert_eq!(config.writer.labels("errors"), labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(config.alertmanager.base_urls(), ["http://am-0:9093", "http://am-1:9093"]);
    assert_eq!(config.decision.goal, rlad::config::Goal::Events);
    // What is not named is as it is without the section.
    assert_eq!(config.decision.merge_within, ServeConfig::default().decision.merge_within);
    assert_eq!(config.writer.batch, 2_000);
}

#[test]
fn what_is_written_is_read() {
    for text in ["", FULL] {
        let mut config = read(text).unwrap();
        config.alertmanager.labels.insert("price".to_owned(), "${5} $$ $1".to_owned());
        assert_eq!(read(&config.to_toml().unwrap()).unwrap(), config, "{}", config.to_toml().unwrap());
    }
}

#[test]
fn the_defaults() {
    assert_eq!(read("").unwrap(), ServeConfig::default());
    insta::assert_snapshot!(ServeConfig::default().to_toml().unwrap(), @r#"
    [server]
    bind = "127.0.0.1:8490"
    allow_anonymous = false
    max_body = "32MiB"
    max_decoded = "128MiB"
    max_connections = 1024
    header_timeout = "10s"
    body_timeout = "30s"

    [reader]
    sampling_period = "1m"
    offset = "15s"
    timeout = "30s"

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
    "#);
}

#[test]
fn a_first_try_needs_an_address_and_an_expression() {
    let config = ServeConfig::quick("http://localhost:9090/", &["up".to_owned(), "rate(x[5m])".to_owned()]).unwrap();
    let queries: Vec<_> =
        config.reader.queries.iter().map(|(name, query)| (name.as_str(), query.expr.as_str())).collect();
    assert_eq!(queries, [("query1", "up"), ("query2", "rate(x[5m])")]);
    assert_eq!((config.reader.base_url().as_deref(), config.writer.write_url()), (Some("http://localhost:9090"), None));
    let error = |url: &str, expr: &str| ServeConfig::quick(url, &[expr.to_owned()]).unwrap_err().to_string();
    insta::assert_snapshot!(error("localhost:9090", "up"), @"`reader.datasource_url` must be an address such as `http://localhost:9090`, got `localhost:9090`");
    insta::assert_snapshot!(error("http://localhost", " "), @"`reader.queries.query1.expr` must be an expression in PromQL, got an empty text");
}

#[test]
fn an_unknown_key_is_told() {
    insta::assert_snapshot!(error("[reader]\nsamplng_period = '1m'"), @r"
    serve.toml:2:1: unknown key `samplng_period`, expected one of `datasource_url`, `sampling_period`, `offset`, `timeout`, `tenant_id`, `tenant_header`, `auth`, `queries`
    hint: did you mean `sampling_period`?
    ");
    insta::assert_snapshot!(error("[writer]\nurl = 'http://vm:8428'\n[writer.auth]\nbearer_token = 'geheim'"), @r"
    serve.toml:4:1: unknown key `bearer_token`, expected one of `bearer_token_file`, `user`, `password_file`, `ca_file`, `cert_file`, `key_file`
    hint: secrets stand in files of their own: name the file with `bearer_token_file`
    ");
    insta::assert_snapshot!(error("[reader.queries.a]\nexpr = 'up'\ndirection = 'both'"), @r"
    serve.toml:3:1: unknown key `direction`, expected one of `expr`, `step`, `detection_direction`, `min_dev_from_expected`, `min_rel_dev_from_expected`, `data_range`
    hint: did you mean `detection_direction`?
    ");
    insta::assert_snapshot!(error("[servers]"), @r"
    serve.toml:1:2: unknown key `servers`, expected one of `server`, `reader`, `scheduler`, `writer`, `alertmanager`, `learning`, `decision`, `state`, `limits`, `watch`
    hint: did you mean `server`?
    ");
    insta::assert_snapshot!(error("[server]\n[reader.queries.a]\nstep = '1m'"), @r"
    serve.toml:2:1: missing key `expr`
    hint: add a line `expr = …`
    ");
    insta::assert_snapshot!(error("[reader\n"), @r"
    serve.toml:1:8: unclosed table, expected `]`
    hint: a text stands in quotes, and a table begins with its name in brackets, as in `[reader]`
    ");
}

#[test]
fn a_wrong_value_is_told() {
    insta::assert_snapshot!(error("[reader]\nsampling_period = '1 minute'"), @r"
    serve.toml:2:19: expected a time such as `15s`, `1m`, `1h30m` or `2w`, found `1 minute`
    hint: the units are `ms`, `s`, `m`, `h`, `d` and `w`
    ");
    insta::assert_snapshot!(error("[reader]\nsampling_period = 60"), @r#"
    serve.toml:2:19: expected a text in quotes, found `60`
    hint: times and sizes are texts as well, as in `"15s"`
    "#);
    insta::assert_snapshot!(error("[server]\nmax_body = '32MB'"), @r"
    serve.toml:2:12: expected a size such as `64KiB`, `32MiB` or `1GiB`, found `32MB`
    hint: the units are `B`, `KiB`, `MiB` and `GiB`
    ");
    insta::assert_snapshot!(error("[server]\nbind = 'localhost'"), @r"
    serve.toml:2:8: expected an address with a port, such as `127.0.0.1:8490`
    hint: `0.0.0.0:8490` is every address of the machine
    ");
    insta::assert_snapshot!(error("[writer]\nprotocol = 'vmimport'"), @r"
    serve.toml:2:12: unknown variant `vmimport`, expected one of `auto`, `v1`, `v2`, `vm-import`
    hint: did you mean `vm-import`?
    ");
    insta::assert_snapshot!(error("[[watch]]\nmatch = 'up'\n[[watch]]\nmatch = 'up{job=~\"(\"}'"), @r#"
    serve.toml:4:9: expected a regular expression, found "(": unclosed group
    hint: it is one of RE2, as in PromQL, for the whole value
    "#);
    insta::assert_snapshot!(error("[decision]\ngoal = 'best'"), @r"
    serve.toml:2:8: unknown variant `best`, expected one of `f1`, `events`, `precision`, `recall`, `miss_cost`
    hint: take one of those named; a key belongs to the last table in brackets above it
    ");
    insta::assert_snapshot!(error("[decision]\nalarms_per_week = -1"), @r"
    serve.toml:2:1: `decision.alarms_per_week` must be 0 for any number, or in [0.01, 10000], got -1
    hint: the settings of the decision are those of a session
    ");
    insta::assert_snapshot!(error("[alertmanager]\nsend = 'yes'"), @r"
    serve.toml:2:8: expected `true` or `false`, found a text
    hint: write `true` or `false`, without quotes
    ");
    insta::assert_snapshot!(error("[alertmanager]\nurls = 'http://am:9093'"), @r#"
    serve.toml:2:8: expected a list, found a text
    hint: a list stands in brackets, as in `["a", "b"]`
    "#);
    insta::assert_snapshot!(error("[reader]\nauth = 'geheim'"), @r#"
    serve.toml:2:8: expected a table, found a text
    hint: a table is written `[name]` over its keys, or `name = { key = "value" }`
    "#);
    insta::assert_snapshot!(error("[limits]\nmax_series = -1"), @r"
    serve.toml:2:14: expected a whole number, at least 0, found `-1`
    hint: numbers stand without quotes, texts, times and sizes in quotes
    ");
    insta::assert_snapshot!(error("[decision]\nhold = 1.5"), @r"
    serve.toml:2:8: expected a number of points, or a time such as `10m`
    hint: a time stands in quotes with its unit: `ms`, `s`, `m`, `h` or `d`
    ");
    insta::assert_snapshot!(error("[reader.queries.a]\nexpr = 'up'\ndata_range = [1]"), @r"
    serve.toml:3:14: invalid length 1, expected an array of length 2
    hint: numbers stand without quotes, texts, times and sizes in quotes
    ");
}

#[test]
fn values_that_do_not_go_together_are_told() {
    insta::assert_snapshot!(error("\n[server]\nbind = '0.0.0.0:8490'"), @r"
    serve.toml:3:1: `server.bind` must be an address of this machine alone, such as `127.0.0.1:8490`, where senders show no token, got `0.0.0.0:8490`
    hint: name a file with a token as `ingest_token_file`, or take samples from anyone: `allow_anonymous = true`
    ");
    insta::assert_snapshot!(error("[server]\ntls_cert_file = 'a.pem'"), @r"
    serve.toml:1:2: `server.tls_key_file` must be given with `tls_cert_file`, got nothing
    hint: a certificate is shown with its key
    ");
    insta::assert_snapshot!(error("[reader.queries.a]\nexpr = 'up'"), @r#"
    serve.toml:1:2: `reader.datasource_url` must be given where there are queries, got nothing
    hint: add `datasource_url = "http://localhost:9090"` to `[reader]`
    "#);
    insta::assert_snapshot!(error("[reader]\ndatasource_url = 'http://ann:geheim@vm:8428'"), @r"
    serve.toml:2:1: `reader.datasource_url` must be an address without user and password, got one with them
    hint: name them in `auth`: `user`, and the file with the password as `password_file`
    ");
    insta::assert_snapshot!(error("[reader]\ndatasource_url = 'http://vm:8428?token=geheim'"), @r"
    serve.toml:2:1: `reader.datasource_url` must be an address without a query, got one with `?` or `#`
    hint: what is asked for is added to the address; a token stands in a file, named in `auth`
    ");
    insta::assert_snapshot!(error("[reader]\ntenant_id = 'team-a'"), @r#"
    serve.toml:2:1: `reader.tenant_id` must be a tenant of VictoriaMetrics, such as `0:0`, where there is no `tenant_header`, got `team-a`
    hint: for Mimir, Cortex or Loki add `tenant_header = "X-Scope-OrgID"`
    "#);
    insta::assert_snapshot!(error("[reader.auth]\nuser = 'ann'"), @r"
    serve.toml:1:9: `reader.auth.password_file` must be given with `user`, got nothing
    hint: a user has a password, which stands in a file of its own
    ");
    insta::assert_snapshot!(error("[writer]\nurl = 'http://vm'\n[writer.metric_format]\nfor = '$QUERY'"), @r"
    serve.toml:3:9: `writer.metric_format` must be made of text, `$VAR` and `$QUERY_KEY`, got `$QUERY`
    hint: `$VAR` is `anomaly_score`, `$QUERY_KEY` the name of the query
    ");
    insta::assert_snapshot!(error("[alertmanager]\nsend = true"), @r#"
    serve.toml:1:2: `alertmanager.urls` must be given where alarms are sent, got nothing
    hint: add `urls = ["http://localhost:9093"]` to `[alertmanager]`
    "#);
    insta::assert_snapshot!(error("[scheduler]\nfit_window = '1h'"), @r"
    serve.toml:2:1: `scheduler.fit_window` must be at least 100 times the sampling period of `1m`, got `1h`
    hint: a model needs some days of values, better two weeks
    ");
    insta::assert_snapshot!(error("[[watch]]\nmatch = 'up'\ndata_range = [1, 0]"), @r"
    serve.toml:3:1: `watch[0].data_range` must be the least value before the largest, got [1, 0]
    hint: an open side is `-inf` or `inf`, as in `[0, inf]`
    ");
    insta::assert_snapshot!(error("[limits]\nmax_series = 0"), @r"
    serve.toml:2:1: `limits.max_series` must be at least 1, got 0
    hint: leave it out for the default
    ");
    for text in [
        "[server]\nbind = '0.0.0.0:8490'\nallow_anonymous = true",
        "[server]\nbind = '[::1]:8490'",
        "[reader]\ntenant_id = 'team-a'\ntenant_header = 'X-Scope-OrgID'",
    ] {
        assert!(read(text).is_ok(), "{text}");
    }
}

#[test]
fn an_address_of_a_receiver_is_taken_as_it_is() {
    let urls = |url: &str| {
        let writer = WriterConfig { url: Some(url.to_owned()), ..WriterConfig::default() };
        (writer.write_url().unwrap(), writer.import_url().unwrap())
    };
    let both = |write: &str, import: &str| (write.to_owned(), import.to_owned());
    let vm = both("http://vm:8428/api/v1/write", "http://vm:8428/api/v1/import");
    for url in ["http://vm:8428", "http://vm:8428/", "http://vm:8428/api/v1/write", "http://vm:8428/api/v1/import"] {
        assert_eq!(urls(url), vm, "{url}");
    }
    assert_eq!(urls("http://mimir/api/v1/push").0, "http://mimir/api/v1/push");
    assert_eq!(urls("http://proxy/vm/api/v1/write").1, "http://proxy/vm/api/v1/import");
}

#[test]
fn what_is_used_only_at_the_start_is_named() {
    let old = ServeConfig::default();
    let mut new = old.clone();
    assert_eq!(old.changes_needing_restart(&new), Vec::<String>::new());
    new.reader.sampling_period = Period::from_secs(30);
    new.limits.max_series = 7;
    assert_eq!(old.changes_needing_restart(&new), Vec::<String>::new());
    new.server.bind.set_port(9000);
    new.state.dir = "elsewhere".into();
    assert_eq!(old.changes_needing_restart(&new), ["server.bind", "state.dir"]);
}
