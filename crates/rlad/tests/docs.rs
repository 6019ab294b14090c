//! The documents of the repository: what they say of settings and methods is so, their links lead somewhere, and none of them is
//! empty or too wide.
//!
//! The documents lie outside of the crate, so this file is not part of its archive.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rlad::baselines::Method;
use rlad::config::{Config, Preset};

/// The most lines of the README, and the most characters of a line of prose.
const README_LINES: usize = 120;
const WIDTH: usize = 120;
/// The fewest lines of a page that says something.
const PAGE_LINES: usize = 20;

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

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read `{}`: {error}", path.display()))
}

/// A page of the book.
fn page(name: &str) -> String {
    text_of(&root().join("docs/src").join(name))
}

/// The documents that people read: those at the top and every page of the book.
fn documents() -> Vec<PathBuf> {
    let root = root();
    let mut documents: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
            .iter()
            .map(|name| root.join(name))
            .collect();
    let pages = std::fs::read_dir(root.join("docs/src")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    pages.sort();
    documents.append(&mut pages);
    documents
}

/// How people name a document.
fn name_of(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The texts between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The lines outside of fenced code, with their numbers from 1.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push((number, line));
        }
    }
    lines
}

/// A line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

/// The targets of the links and images of a text, with the numbers of their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        links.extend(targets.map(|(target, _)| (number, target.to_owned())));
    }
    links
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(text) {
        let Some(heading) = line.strip_prefix('#') else { continue };
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let anchor: String = heading
            .chars()
            .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
            .map(|letter| if letter == ' ' { '-' } else { letter })
            .collect();
        let count = seen.entry(anchor.clone()).or_default();
        anchors.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    anchors
}

#[test]
fn every_setting_stands_in_the_document_with_the_values_of_both_presets() {
    let document = page("settings.md");
    let mut keys = BTreeSet::new();
    for ((key, default), (_, paper)) in settings(Preset::Default).into_iter().zip(settings(Preset::Paper)) {
        let row = format!("| `{key}` | {default} | {paper} | ");
        assert_eq!(document.matches(&row).count(), 1, "docs/src/settings.md must have one row `{row}`");
        keys.insert(key);
    }
    // A row has a key of two presets in its first column; those of other tables have three columns or no backticks.
    for (number, line) in prose(&document) {
        let Some((key, cells)) = line.strip_prefix("| `").and_then(|row| row.split_once("` | ")) else { continue };
        let is_setting = cells.trim_end_matches(" |").matches(" | ").count() == 2;
        assert!(!is_setting || keys.contains(key), "docs/src/settings.md, line {number}: there is no setting `{key}`");
    }
}

#[test]
fn every_method_stands_in_the_document_with_its_settings_defaults_and_threshold() {
    let document = page("methods.md");
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

#[test]
fn every_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let mut wrong = Vec::new();
    let mut n_links = 0;
    for document in documents() {
        for (line, target) in links(&text_of(&document)) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            n_links += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            let is_there = path.exists();
            let has_anchor = anchor.is_empty() || (is_there && anchors(&text_of(&path)).contains(anchor));
            if !is_there || !has_anchor {
                wrong.push(format!("{}:{line}: `{target}`", name_of(&document)));
            }
            if document.starts_with(root().join("docs/src")) && is_there {
                let in_book = path.canonicalize().unwrap().starts_with(root().join("docs/src"));
                if !in_book {
                    wrong.push(format!("{}:{line}: `{target}` leads out of the book", name_of(&document)));
                }
            }
        }
    }
    assert!(n_links > 50, "the links are found: {n_links}");
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn the_readme_is_short_and_no_document_is_wide() {
    let readme = text_of(&root().join("README.md"));
    let n_lines = readme.lines().count();
    assert!(n_lines <= README_LINES, "README.md has {n_lines} lines, at most {README_LINES}");
    let mut wrong = Vec::new();
    let mut refuse = |document: &Path, number: usize, line: &str| {
        let n_characters = line.chars().count();
        if n_characters > WIDTH {
            wrong.push(format!("{}:{number}: {n_characters} characters", name_of(document)));
        }
    };
    // Everything in the README, code and tables too; in the other documents all but tables.
    (1..).zip(readme.lines()).for_each(|(number, line)| refuse(&root().join("README.md"), number, line));
    for document in documents() {
        for (number, line) in (1..).zip(text_of(&document).lines()) {
            if !line.trim_start().starts_with('|') {
                refuse(&document, number, line);
            }
        }
    }
    assert!(wrong.is_empty(), "at most {WIDTH} characters a line:\n{}", wrong.join("\n"));
}

#[test]
fn every_page_of_the_book_is_listed_once_and_written() {
    let summary = page("SUMMARY.md");
    let listed: Vec<String> = links(&summary).into_iter().map(|(_, target)| target).collect();
    let mut once = listed.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), listed.len(), "a page is listed once");
    let pages: BTreeSet<PathBuf> =
        documents().into_iter().filter(|path| path.starts_with(root().join("docs/src"))).collect();
    let expected: BTreeSet<PathBuf> = once
        .iter()
        .map(|name| root().join("docs/src").join(name))
        .chain([root().join("docs/src/SUMMARY.md")])
        .collect();
    assert_eq!(pages, expected, "the pages of docs/src, and those in SUMMARY.md");
    for name in listed {
        let n_lines = page(&name).lines().filter(|line| !line.trim().is_empty()).count();
        assert!(n_lines >= PAGE_LINES, "docs/src/{name} has {n_lines} lines: write it");
    }
}
