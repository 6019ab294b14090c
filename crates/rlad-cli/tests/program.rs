//! The program as its user meets it: exit codes, and what goes to which stream.

use std::process::{Command, Output, Stdio};

fn rlad(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rlad")).args(args).output().expect("the program starts")
}

#[test]
fn help_is_data_and_a_usage_error_is_not() {
    let help = rlad(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(help.stderr.is_empty() && String::from_utf8(help.stdout).unwrap().contains("EXIT STATUS"));
    let wrong = rlad(&["detect"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(wrong.stdout.is_empty() && String::from_utf8(wrong.stderr).unwrap().starts_with("error: "));
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = rlad(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("check-part"), "{shell}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    assert_eq!(rlad(&["man", "--out", out.to_str().unwrap()]).status.code(), Some(0));
    for page in ["", "-train", "-detect", "-evaluate", "-import", "-demo", "-completions", "-man"] {
        let text = std::fs::read_to_string(out.join(format!("rlad{page}.1"))).unwrap();
        assert!(text.contains(".TH") && text.contains("EXAMPLES"), "{page}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_with_its_cause() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = rlad(&["man", "--out", file.path().join("man1").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.starts_with("error: cannot write the manual pages to `") && message.lines().count() == 1,
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rlad"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}
