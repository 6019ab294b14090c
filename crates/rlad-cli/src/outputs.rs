//! The files that a command writes are none that it reads, and each is another.

use std::path::{Path, PathBuf};

use crate::advice::Advice;

/// Refuses an output that is an input, or another output. `outputs` are flags and their paths; of a folder among the inputs, no file in it may be
/// written.
///
/// # Errors
/// The flag and the path.
pub(crate) fn check_outputs(outputs: &[(&str, Option<&Path>)], inputs: &[PathBuf]) -> anyhow::Result<()> {
    let outputs: Vec<(&str, &Path)> = outputs.iter().filter_map(|(flag, path)| Some((*flag, (*path)?))).collect();
    for (i, (flag, path)) in outputs.iter().enumerate() {
        if let Some((other, _)) = outputs[..i].iter().find(|(_, other)| is_same(path, other)) {
            return Err(Advice::error(
                format!("`{other}` and `{flag}` are both `{}`: one would replace the other", path.display()),
                "give each a name of its own".to_owned(),
            ));
        }
        if let Some(input) = inputs.iter().find(|input| is_same(path, input)) {
            return Err(Advice::error(
                format!("`{flag} {}` would replace the data that are read", input.display()),
                "write to another file".to_owned(),
            ));
        }
    }
    Ok(())
}

/// Whether two paths are one file, whatever they are called. A file that is not there yet is told by its folder and name.
fn is_same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| {
        std::fs::canonicalize(path).or_else(|_| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            std::fs::canonicalize(folder).map(|folder| folder.join(path.file_name().unwrap_or_default()))
        })
    };
    match (real(a), real(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_no_input_and_no_other_output() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a.csv"), "value\n1\n").unwrap();
        std::fs::create_dir(path("x")).unwrap();
        let check = |out: &str, events: Option<&str>| {
            let (out, events) = (path(out), events.map(path));
            let outputs = [("--out", Some(&*out)), ("--events", events.as_deref())];
            check_outputs(&outputs, &[path("a.csv")]).map_err(|error| error.to_string())
        };
        assert!(check("b.csv", None).is_ok());
        assert!(check("b.csv", Some("c.csv")).is_ok());
        assert!(check("x/../a.csv", None).unwrap_err().contains("would replace the data"));
        assert!(check("b.csv", Some("x/../b.csv")).unwrap_err().contains("`--out` and `--events` are both"));
    }
}
