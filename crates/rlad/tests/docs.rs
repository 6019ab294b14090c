//! What the documents say of the settings is so.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::Path;

use rlad::{Config, Preset};

/// Every key with its value as the document writes it.
fn settings(preset: Preset) -> Vec<(String, String)> {
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
    let table: toml::Table = toml::from_str(&Config::preset(preset).to_toml()).unwrap();
    let mut settings = Vec::new();
    for (key, value) in &table {
        match value {
            toml::Value::Table(inner) => {
                settings.extend(inner.iter().map(|(name, value)| (format!("{key}.{name}"), show(value))))
            }
            value => settings.push((key.clone(), show(value))),
        }
    }
    settings
}

#[test]
fn every_setting_stands_in_the_document_with_the_values_of_both_presets() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.md");
    let document = std::fs::read_to_string(path).unwrap();
    for ((key, default), (_, paper)) in settings(Preset::Default).into_iter().zip(settings(Preset::Paper)) {
        let row = format!("| `{key}` | {default} | {paper} | ");
        assert!(document.contains(&row), "docs/config.md lacks `{row}`");
    }
}
