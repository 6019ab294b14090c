//! A configuration of vmanomaly becomes one of this program.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};
use toml::Table;

use super::config::{Period, ServeConfig, with_dollars};
use crate::advice::Advice;

/// A converted configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Converted {
    /// The text of `serve.toml`.
    pub toml: String,
    /// What is otherwise than before, and what was left out.
    pub notes: Vec<String>,
}

/// The keys of a query that say which of its points are anomalies; a model may have them too, for its queries.
const POLICIES: [&str; 4] = ["detection_direction", "data_range", "min_dev_from_expected", "min_rel_dev_from_expected"];

/// The shortest time between two models that needs no note, in milliseconds.
const SHORT_FIT_MS: i64 = 3_600_000;

/// Converts the YAML of vmanomaly. No secret is taken over: a note names the file to put it in. Whatever has no
/// counterpart is a note.
///
/// # Errors
/// If the text is no YAML, or holds no sections.
pub(crate) fn convert(yaml: &str) -> anyhow::Result<Converted> {
    let hint = "give the file that vmanomaly is started with, whole".to_owned();
    let options =
        serde_saphyr::options! { non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString };
    let mut root: Map<String, Value> = match serde_saphyr::from_str_with_options(yaml, options) {
        Ok(Value::Object(root)) => root,
        Ok(_) => {
            let message = "expected sections such as `reader` and `writer`, found none".to_owned();
            return Err(Advice::error(message, hint));
        }
        Err(error) => return Err(Advice::error(format!("expected YAML: {}", error.without_snippet()), hint)),
    };
    let mut converter = Converter::default();
    converter.reader(section(&mut root, "reader"));
    converter.models(&mut root);
    converter.schedulers(&mut root);
    converter.writer(section(&mut root, "writer"));
    converter.monitoring(section(&mut root, "monitoring"));
    if let Some(preset) = take_text(&mut root, "preset") {
        converter.note(format!("the preset `{preset}` was left out: write its queries into `[reader.queries]`"));
    }
    converter.left_over("", root);
    Ok(converter.finish())
}

#[derive(Default)]
struct Converter {
    toml: Table,
    queries: BTreeMap<String, Query>,
    notes: Vec<String>,
}

/// A query, with the policies that it has or one of its models.
#[derive(Default)]
struct Query {
    table: Table,
    policies: Map<String, Value>,
}

impl Converter {
    /// Adds a note, once.
    fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Notes each key that nothing took.
    fn left_over(&mut self, section: &str, keys: Map<String, Value>) {
        for (key, value) in keys {
            match value {
                Value::Object(inner) if !inner.is_empty() => self.left_over(&format!("{section}{key}."), inner),
                _ => self.note(format!("`{section}{key}` was left out: it has no counterpart, or is not understood")),
            }
        }
    }

    fn set(&mut self, section: &str, key: &str, value: impl Into<toml::Value>) {
        let table = self.toml.entry(section).or_insert_with(|| Table::new().into());
        if let Some(table) = table.as_table_mut() {
            table.insert(key.to_owned(), value.into());
        }
    }

    /// Moves a text or a number, which becomes a text.
    fn text(&mut self, from: &mut Map<String, Value>, key: &str, section: &str, to: &str) {
        if let Some(text) = take_text(from, key) {
            self.set(section, to, written(&text));
        }
    }

    /// Moves a time; one that is not understood stays to be noted.
    fn time(&mut self, from: &mut Map<String, Value>, key: &str, section: &str, to: &str) -> Option<Period> {
        let text = from.get(key).and_then(Value::as_str)?.to_owned();
        let time = text.parse::<Period>().ok();
        if time.is_none() && !text.contains("%{") {
            return None;
        }
        from.remove(key);
        self.set(section, to, written(&text));
        time
    }

    fn reader(&mut self, mut reader: Map<String, Value>) {
        self.class(&mut reader, "reader", &["vm", "reader.vm.VmReader"]);
        self.connection(&mut reader, "reader", "datasource_url");
        self.time(&mut reader, "sampling_period", "reader", "sampling_period");
        // vmanomaly counts to the past with a sign.
        let offset = reader.get("offset").and_then(Value::as_str).and_then(|text| text.strip_prefix('-'));
        if let Some(offset) = offset.filter(|offset| offset.parse::<Period>().is_ok()).map(str::to_owned) {
            reader.remove("offset");
            self.set("reader", "offset", offset);
        }
        for key in ["latency_offset", "query_range_path", "health_path", "max_points_per_query", "tz", "workers"] {
            if reader.remove(key).is_some() {
                self.note(format!("`reader.{key}` is not needed and was left out"));
            }
        }
        if reader.remove("query_from_last_seen_timestamp").is_some() {
            self.note(
                "`reader.query_from_last_seen_timestamp` is not needed: each query goes on where the last one ended",
            );
        }
        if let Some(filters) = reader.remove("extra_filters").filter(|filters| *filters != Value::Array(Vec::new())) {
            self.note(format!(
                "`reader.extra_filters` was left out: write {filters} into the expression of each query"
            ));
        }
        for (name, query) in section(&mut reader, "queries") {
            let mut query = match query {
                Value::String(expr) => Map::from_iter([("expr".to_owned(), Value::String(expr))]),
                Value::Object(query) => query,
                _ => {
                    self.note(format!("`reader.queries.{name}` is no query and was left out"));
                    continue;
                }
            };
            let key = format!("reader.queries.{name}.");
            let Query { mut table, mut policies } = Query::default();
            if let Some(expr) = take_text(&mut query, "expr") {
                table.insert("expr".to_owned(), written(&expr).into());
            }
            if let Some(step) = query.get("step").and_then(Value::as_str).filter(|step| step.parse::<Period>().is_ok())
            {
                table.insert("step".to_owned(), step.into());
                query.remove("step");
            }
            for policy in POLICIES {
                policies.extend(query.remove(policy).map(|value| (policy.to_owned(), value)));
            }
            for unneeded in ["max_points_per_query", "tz"] {
                if query.remove(unneeded).is_some() {
                    self.note(format!("`{key}{unneeded}` is not needed and was left out"));
                }
            }
            self.left_over(&key, query);
            self.queries.insert(name, Query { table, policies });
        }
        self.left_over("reader.", reader);
    }

    /// What says which points of a query are anomalies.
    fn policies(&mut self, name: &str, policies: &Map<String, Value>, to: &mut Table) {
        let side = policies.get("detection_direction").and_then(Value::as_str);
        for (policy, value) in policies {
            let key = format!("reader.queries.{name}.{policy}");
            let converted = match policy.as_str() {
                "detection_direction" => direction(value),
                "data_range" => range(value),
                _ => self.deviation(&key, value, side),
            };
            match converted {
                Some(converted) => _ = to.insert(policy.clone(), converted),
                None => self.note(format!("`{key}` was left out, as it is not understood: {value}")),
            }
        }
    }

    /// The smallest distance: one number, or one below and one above the expected value.
    fn deviation(&mut self, key: &str, value: &Value, side: Option<&str>) -> Option<toml::Value> {
        let number = match value.as_array().map(Vec::as_slice) {
            None => value.as_f64()?,
            Some([below, above]) => {
                let (below, above) = (below.as_f64()?, above.as_f64()?);
                match side {
                    Some("above_expected") => above,
                    Some("below_expected") => below,
                    _ => {
                        if below.total_cmp(&above).is_ne() {
                            self.note(format!(
                                "`{key}` is {below} below and {above} above: the smaller is used for both"
                            ));
                        }
                        below.min(above)
                    }
                }
            }
            Some(_) => return None,
        };
        Some(number.into())
    }

    /// Models are replaced; what they say of their queries is kept.
    fn models(&mut self, root: &mut Map<String, Value>) {
        let mut models = section(root, "models");
        let flat = section(root, "model");
        if models.is_empty() && !flat.is_empty() {
            models.insert("model".to_owned(), Value::Object(flat));
        }
        let mut names = Vec::new();
        for (name, model) in models {
            let Value::Object(mut model) = model else { continue };
            let class = take_text(&mut model, "class").map_or_else(String::new, |class| format!(" ({class})"));
            let own: Option<Vec<String>> = model
                .get("queries")
                .and_then(Value::as_array)
                .map(|queries| queries.iter().filter_map(Value::as_str).map(str::to_owned).collect());
            let policies: Vec<_> =
                POLICIES.into_iter().filter_map(|policy| Some((policy, model.get(policy)?))).collect();
            let mut other = Vec::new();
            for (_, query) in
                self.queries.iter_mut().filter(|(name, _)| own.as_ref().is_none_or(|own| own.contains(name)))
            {
                for (policy, value) in &policies {
                    if query.policies.entry(*policy).or_insert_with(|| (*value).clone()) != *value {
                        other.push(*policy);
                    }
                }
            }
            for policy in other {
                self.note(format!("`models.{name}.{policy}` was left out where its query says something else"));
            }
            names.push(format!("`{name}`{class}"));
        }
        if !names.is_empty() {
            self.note(format!(
                "models are replaced, with their settings, by one detector, which learns from answers; it writes \
                 `anomaly_score`, and no `y` or `yhat`: {}",
                names.join(", ")
            ));
        }
    }

    fn schedulers(&mut self, root: &mut Map<String, Value>) {
        let mut schedulers = section(root, "schedulers");
        let flat = section(root, "scheduler");
        if schedulers.is_empty() && !flat.is_empty() {
            schedulers.insert("scheduler".to_owned(), Value::Object(flat));
        }
        let mut taken: Option<String> = None;
        for (name, scheduler) in schedulers {
            let Value::Object(mut scheduler) = scheduler else { continue };
            let class = take_text(&mut scheduler, "class").unwrap_or_default();
            if !["", "periodic", "scheduler.periodic.PeriodicScheduler"].contains(&class.as_str()) {
                self.note(format!(
                    "`schedulers.{name}` of class `{class}` was left out: the service runs all the time"
                ));
                continue;
            }
            if let Some(taken) = &taken {
                self.note(format!(
                    "`schedulers.{name}` was left out: one schedule, that of `{taken}`, is for all queries"
                ));
                continue;
            }
            self.time(&mut scheduler, "infer_every", "scheduler", "infer_every");
            let fit_every = self.time(&mut scheduler, "fit_every", "scheduler", "fit_every");
            self.time(&mut scheduler, "fit_window", "scheduler", "fit_window");
            if let Some(every) = fit_every.filter(|every| every.millis() < SHORT_FIT_MS) {
                self.note(format!(
                    "`fit_every` of `{every}` is often: a model is kept up to date between two, so `1d` is enough"
                ));
            }
            self.left_over(&format!("schedulers.{name}."), scheduler);
            taken = Some(name);
        }
    }

    fn writer(&mut self, mut writer: Map<String, Value>) {
        self.class(&mut writer, "writer", &["vm", "writer.vm.VmWriter"]);
        self.connection(&mut writer, "writer", "url");
        let mut format = Table::new();
        for (name, value) in section(&mut writer, "metric_format") {
            if let Some(value) = value.as_str() {
                format.insert(name, written(value).into());
            } else {
                self.note(format!("`writer.metric_format.{name}` is no text and was left out"));
            }
        }
        if !format.is_empty() {
            self.set("writer", "metric_format", format);
        }
        for key in ["import_json_path", "health_path"] {
            if writer.remove(key).is_some() {
                self.note(format!("`writer.{key}` is not needed and was left out"));
            }
        }
        self.left_over("writer.", writer);
    }

    /// Moves address, tenant, credentials and certificates. A secret stays behind.
    fn connection(&mut self, from: &mut Map<String, Value>, section: &str, url: &str) {
        let address = take_text(from, "datasource_url").unwrap_or_default();
        // A user may stand before the host, with a password.
        let start = address.find("://").map_or(0, |at| at + 3);
        let host_end = address[start..].find('/').map_or(address.len(), |at| start + at);
        let login = address[start..host_end].rfind('@').map(|at| address[start..start + at].to_owned());
        let address = login.as_ref().map_or_else(
            || address.clone(),
            |login| format!("{}{}", &address[..start], &address[start + login.len() + 1..]),
        );
        if let Some((user, password)) = login.as_ref().map(|login| login.split_once(':').unwrap_or((login, ""))) {
            from.entry("user").or_insert_with(|| user.into());
            from.entry("password").or_insert_with(|| password.into());
        }
        if !address.is_empty() {
            self.set(section, url, written(&address));
        }
        self.text(from, "tenant_id", section, "tenant_id");
        self.time(from, "timeout", section, "timeout");
        let mut auth = Table::new();
        let moved = [
            ("user", "user"),
            ("bearer_token_file", "bearer_token_file"),
            ("tls_cert_file", "cert_file"),
            ("tls_key_file", "key_file"),
        ];
        for (key, to) in moved {
            if let Some(text) = take_text(from, key) {
                auth.insert(to.to_owned(), written(&text).into());
            }
        }
        for (key, to) in [("password", "password_file"), ("bearer_token", "bearer_token_file")] {
            if from.remove(key).is_some() && !auth.contains_key(to) {
                let file = format!("{section}-{}", key.replace('_', "-"));
                self.note(format!(
                    "`{section}.{key}` is a secret: put it into the file `{file}`, which only you can read"
                ));
                auth.insert(to.to_owned(), file.into());
            }
        }
        match from.remove("verify_tls") {
            None | Some(Value::Bool(true)) => {}
            Some(Value::String(path)) => _ = auth.insert("ca_file".to_owned(), written(&path).into()),
            Some(_) => self.note(format!(
                "`{section}.verify_tls` was left out: certificates are always checked; name the one to check \
                 against as `{section}.auth.ca_file`"
            )),
        }
        if !auth.is_empty() {
            self.set(section, "auth", auth);
        }
    }

    fn monitoring(&mut self, mut monitoring: Map<String, Value>) {
        let mut pull = section(&mut monitoring, "pull");
        if let Some(port) = take_text(&mut pull, "port") {
            self.set("server", "bind", format!("127.0.0.1:{}", written(&port)));
        }
        if let Some(address) = take_text(&mut pull, "addr") {
            self.note(format!(
                "`monitoring.pull.addr` of `{address}` was left out: for others to reach it, set `server.bind` and a \
                 token as `server.ingest_token_file`"
            ));
        }
        self.left_over("monitoring.pull.", pull);
        if monitoring.remove("push").is_some() {
            self.note("`monitoring.push` was left out: `/metrics` is there to be scraped");
        }
        self.left_over("monitoring.", monitoring);
    }

    fn class(&mut self, from: &mut Map<String, Value>, section: &str, known: &[&str]) {
        if let Some(class) = take_text(from, "class").filter(|class| !known.contains(&class.as_str())) {
            self.note(format!(
                "`{section}.class` of `{class}` is not known: its address is taken for one of Prometheus' API"
            ));
        }
    }

    /// The text, and a note if it cannot be used as it is.
    fn finish(mut self) -> Converted {
        if !self.queries.is_empty() {
            let mut queries = Table::new();
            for (name, Query { mut table, policies }) in std::mem::take(&mut self.queries) {
                self.policies(&name, &policies, &mut table);
                queries.insert(name, table.into());
            }
            self.set("reader", "queries", queries);
        }
        let toml = self.toml.to_string();
        // A variable that is not set here may be set where the service runs.
        let is_set = Cell::new(true);
        let checked = ServeConfig::from_text("serve.toml", &toml, &|name| {
            let value = std::env::var(name).ok();
            is_set.set(is_set.get() && value.is_some());
            Some(value.unwrap_or_default())
        });
        if let (Err(error), true) = (checked, is_set.get()) {
            self.note(format!("change this before it is used: {error}"));
        }
        Converted { toml, notes: self.notes }
    }
}

/// Takes a section out; none where it is absent or something else.
fn section(from: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    match from.remove(key) {
        Some(Value::Object(section)) => section,
        Some(Value::Null) | None => Map::new(),
        Some(other) => {
            from.insert(key.to_owned(), other);
            Map::new()
        }
    }
}

/// Takes a text out, or a number as a text.
fn take_text(from: &mut Map<String, Value>, key: &str) -> Option<String> {
    let text = match from.get(key)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    from.remove(key);
    Some(text)
}

/// A text as `serve.toml` has it: `%{NAME}` becomes `${NAME}`, and no other dollar sign begins a placeholder.
fn written(text: &str) -> String {
    with_dollars(text).replace("$%{", "$$%{").replace("%{", "${")
}

fn direction(value: &Value) -> Option<toml::Value> {
    value.as_str().filter(|text| ["both", "above_expected", "below_expected"].contains(text)).map(Into::into)
}

/// The least and the largest value; an open side is `inf`, or `.inf` in YAML's own notation.
fn range(value: &Value) -> Option<toml::Value> {
    let [low, high] = value.as_array()?.as_slice() else { return None };
    let side = |value: &Value| match value {
        Value::String(text) => text.replace(".inf", "inf").parse().ok().filter(|number: &f64| !number.is_nan()),
        value => value.as_f64(),
    };
    let sides = [side(low)?, side(high)?];
    Some(toml::Value::Array(sides.map(toml::Value::Float).to_vec()))
}

#[cfg(test)]
mod tests;
