//! The program `rlad`: parse, run, exit code.

mod advice;
mod alarms;
mod annotate;
mod answers_file;
mod args;
mod bench;
mod browser;
mod commands;
mod evaluation;
mod expert;
mod explained;
mod figures;
mod findings;
mod folder;
mod grounds;
mod growth;
mod hint;
mod html;
mod input;
mod interrupt;
mod log;
mod logged_oracle;
mod memory;
mod output;
mod outputs;
mod picture;
mod plot;
mod progress;
mod report;
mod serve;
mod settings;
mod shipped;
mod terminal;
mod training;
mod visible;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser};

use crate::args::{Cli, Command};
use crate::visible::{visible, visible_lines};

/// Exit code of an error; clap's usage errors have it too.
const ERROR: u8 = 2;

fn main() -> ExitCode {
    if std::env::args_os().len() == 1 {
        // Somebody looks around: no error.
        return match Cli::command().print_help() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(ERROR),
        };
    }
    let command = Cli::parse().command;
    let has_data_flags = command.has_data_flags();
    match run(command) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody left to tell if stderr is closed.
            let _ = io::stderr().write_all(describe(&error, has_data_flags).as_bytes());
            ExitCode::from(ERROR)
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Train(args) => commands::train::run(&args),
        Command::Detect(args) => commands::detect::run(&args),
        Command::Evaluate(args) => commands::evaluate::run(&args),
        Command::Show(args) => commands::show::run(&args),
        Command::Label(args) => commands::label::run(&args),
        Command::Labels(args) => commands::labels::run(&args),
        Command::Serve(args) => commands::serve::run(&args),
        Command::Health(args) => commands::serve::health(&args),
        Command::Bench(args) => commands::bench::run(&args),
        Command::BenchRun(args) => commands::bench::run_one(&args),
        Command::Import(args) => commands::import::run(&args),
        Command::Features(args) => commands::features::run(&args),
        Command::Demo(args) => commands::demo::run(&args),
        Command::Completions(args) => print_completions(args.shell),
        Command::Man(args) => write_manual(&args.out),
    }
}

/// The completion script of a shell, to stdout.
fn print_completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rlad", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// One page a command, `rlad.1`, `rlad-train.1`, ….
fn write_manual(folder: &Path) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), folder))
        .with_context(|| format!("cannot write the manual pages to `{}`", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The text of an error for the user: its message and causes in one line, then advice on what may be done about it.
fn describe(error: &anyhow::Error, has_data_flags: bool) -> String {
    let hint = hint::hint(error, has_data_flags).map_or_else(String::new, |hint| format!("hint: {hint}\n"));
    // A setting that cannot be read is shown in its line.
    let told = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<toml::de::Error>() {
        Some(error) => visible_lines(error.to_string().trim_end()).into_owned(),
        None => visible(&cause.to_string()).into_owned(),
    };
    let causes: Vec<String> = error.chain().map(told).collect();
    format!("error: {}\n{hint}", causes.join(": "))
}

/// Whether the reader of stdout went away, as `head` does. Files are written through [`rlad::Error`], and a failure to
/// write one is an error whatever its kind.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let of_stdout = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(of_stdout) && !error.chain().any(|cause| cause.is::<rlad::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes_and_a_hint() {
        let source = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let error = anyhow::Error::new(rlad::Error::Read { path: "a.csv".into(), source }).context("cannot train");
        assert_eq!(describe(&error, true), "error: cannot train: cannot read `a.csv`: no such file\n");
        let found = vec!["x".to_owned(), "y".to_owned()];
        let error = rlad::Error::Columns { path: "a.csv".into(), expected: "no column named `cpu`".into(), found };
        insta::assert_snapshot!(describe(&anyhow::Error::new(error).context("cannot train"), true));
    }

    #[test]
    fn only_a_broken_stdout_is_quiet() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&anyhow::Error::new(broken()).context("cannot print")));
        assert!(!is_broken_pipe(&rlad::Error::Write { path: "fifo".into(), source: broken() }.into()));
        assert!(!is_broken_pipe(&io::Error::from(io::ErrorKind::NotFound).into()));
    }
}
