//! The arrows between the program's modules: one way, no cycle, and in the order that `ARCHITECTURE.md` prints.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The heading in `ARCHITECTURE.md` under which the order stands, in a fenced block.
const HEADING: &str = "## The program, in reading order";

/// A module, as the names from the crate's root to it.
type Module = Vec<String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Every module with the text of its file, without its unit tests.
fn modules() -> BTreeMap<Module, String> {
    let mut modules = BTreeMap::new();
    let mut folders = vec![(root().join("src"), Module::new())];
    while let Some((folder, module)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let of: Module = module.iter().cloned().chain([name.clone()]).collect();
            if path.is_dir() {
                folders.push((path, of));
            } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests" {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                modules.insert(if name == "main" { Module::new() } else { of }, lines.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    modules
}

/// The paths that begin at a place in a text: one, or several where it ends in braces.
fn paths(text: &str, prefix: &Module, found: &mut Vec<Module>) -> usize {
    let mut path = prefix.clone();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut inside = 1;
            while !group[inside - 1..].starts_with('}') {
                let skipped = group[inside - 1..].find(|c: char| !c.is_whitespace() && c != ',').unwrap_or(0);
                inside += skipped;
                if !group[inside - 1..].starts_with('}') {
                    inside += paths(&group[inside - 1..], &path, found).max(1);
                }
            }
            return at + inside + 1;
        }
        let n = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        path.push(rest[..n].to_owned());
        at += n;
        if !text[at..].starts_with("::") {
            found.push(path);
            return at;
        }
        at += 2;
    }
}

/// The modules that a module uses.
fn used(module: &Module, text: &str, modules: &BTreeMap<Module, String>) -> BTreeSet<Module> {
    let mut written = Vec::new();
    for word in ["crate::", "super::"] {
        for (at, _) in text.match_indices(word) {
            if !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                paths(&text[at..], &Module::new(), &mut written);
            }
        }
    }
    let absolute = |path: Module| -> Module {
        let n_up = path.iter().take_while(|name| *name == "super").count();
        let base = if n_up > 0 { &module[..module.len() - n_up.min(module.len())] } else { &[] };
        base.iter().cloned().chain(path.into_iter().skip(n_up.max(1))).collect()
    };
    // A path ends in an item: the module is its longest part that is one.
    let module_of = |path: Module| {
        (0..=path.len())
            .rev()
            .map(|n| path[..n].to_vec())
            .find(|module| modules.contains_key(module))
            .unwrap_or_default()
    };
    written.into_iter().map(absolute).map(module_of).collect()
}

/// The arrows between modules of one folder, by the folder: a folder and its parts are one, as seen from outside.
fn arrows() -> BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> {
    let modules = modules();
    let mut arrows: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (from, text) in &modules {
        for to in used(from, text, &modules) {
            let n_common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            if let (Some(user), Some(used)) = (from.get(n_common), to.get(n_common)) {
                let of_folder = arrows.entry(from[..n_common].to_vec()).or_default();
                of_folder.entry(user.clone()).or_default().insert(used.clone());
            }
        }
    }
    arrows
}

#[test]
fn no_module_uses_one_that_uses_it() {
    for (folder, arrows) in arrows() {
        let mut left = arrows;
        // Modules that use none of those that are left go; a cycle stays.
        loop {
            let names: BTreeSet<String> = left.keys().cloned().collect();
            let n_before = left.len();
            left.retain(|_, used| !used.is_disjoint(&names));
            if left.len() == n_before {
                break;
            }
        }
        assert!(left.is_empty(), "a cycle in `{}`: {left:?}", folder.join("::"));
    }
}

#[test]
fn arrows_are_as_the_architecture_prints() {
    let text = std::fs::read_to_string(root().join("../../ARCHITECTURE.md")).unwrap();
    let (_, after) = text.split_once(HEADING).unwrap();
    let block = after.split("```").nth(1).unwrap();
    // The first line of the block is its language.
    let lines: Vec<&str> = block.lines().skip(1).collect();
    let place: BTreeMap<&str, usize> =
        lines.iter().enumerate().flat_map(|(at, line)| line.split_whitespace().map(move |name| (name, at))).collect();
    let top: BTreeSet<String> =
        modules().into_keys().filter(|module| module.len() == 1).map(|module| module[0].clone()).collect();
    let printed: BTreeSet<String> = place.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(printed, top, "the order names each module of the program once");
    let arrows = arrows();
    let of_program = &arrows[&Module::new()];
    assert!(of_program["commands"].contains("annotate") && of_program["folder"].contains("advice"), "arrows are found");
    for (user, used) in of_program {
        for used in used {
            let is_above = place[used.as_str()] < place[user.as_str()];
            assert!(is_above, "`{user}` uses `{used}`, which is not on a line above it");
        }
    }
}
