//! What the documents say of the settings is so.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::Path;

use rlad::Config;
use rlad::baselines::Method;
use rlad::config::Preset;

/// A value as the documents write it.
fn show(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        // 32-bit settings are written as the number that was meant.
        toml::Value::Float(number) => format!("{}", format!("{number:.5e}").parse::<f64>().unwrap()),
        toml::Value::Array(items) => {
            items.iter().map(|item| format!("`{}`", show(item))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Every key with its value.
fn settings(preset: Preset) -> Vec<(String, String)> {
    let table: toml::Table = toml::from_str(&Config::preset(preset).to_toml()).unwrap();
    let mut settings = Vec::new();
    flatten("", &table, &mut settings);
    settings
}

fn flatten(prefix: &str, table: &toml::Table, settings: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            toml::Value::Table(inner) => flatten(&format!("{key}."), inner, settings),
            value => settings.push((key, show(value))),
        }
    }
}

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The texts between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_setting_stands_in_the_document_with_the_values_of_both_presets() {
    let document = document("config.md");
    for ((key, default), (_, paper)) in settings(Preset::Default).into_iter().zip(settings(Preset::Paper)) {
        let row = format!("| `{key}` | {default} | {paper} | ");
        assert!(document.contains(&row), "docs/config.md lacks `{row}`");
    }
}

#[test]
fn every_method_stands_in_the_document_with_its_settings_defaults_and_threshold() {
    let document = document("methods.md");
    let sections: Vec<&str> = document.split("\n## ").skip(1).collect();
    let names: Vec<&str> = sections.iter().flat_map(|section| quoted(section.lines().next().unwrap())).collect();
    assert_eq!(names, Method::NAMES, "each method has its place");
    for section in sections {
        let found: Vec<(&str, &str)> = section
            .lines()
            .filter_map(|row| row.strip_prefix("| `")?.split_once("` | "))
            .map(|(name, cells)| {
                let cells: Vec<&str> = cells.split(" | ").collect();
                assert_eq!(cells.len(), 3, "default, range and meaning of `{name}`");
                (name, cells[0])
            })
            .collect();
        for name in quoted(section.lines().next().unwrap()) {
            let method = Method::from_settings(name, &toml::Table::new()).unwrap();
            let written = serde_json::to_value(&method).unwrap();
            let settings: serde_json::Map<_, _> =
                written.get("settings").map_or_else(Default::default, |settings| settings.as_object().unwrap().clone());
            let mut want: Vec<(&str, String)> = settings
                .iter()
                .map(|(name, value)| {
                    let value = toml::Value::try_from(value).map_or_else(|_| "none".to_owned(), |value| show(&value));
                    (name.as_str(), value)
                })
                .collect();
            let mut found: Vec<(&str, String)> =
                found.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            want.sort();
            found.sort();
            assert_eq!(found, want, "the settings of `{name}`");
            assert!(section.contains(&method.threshold_rule()), "`{name}`: {}", method.threshold_rule());
        }
    }
}
