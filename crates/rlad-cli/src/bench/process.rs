//! The program of a run: it ends with the run, and with this program.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself.
    Itself(ExitStatus),
    /// It took too long, and was ended.
    TooLong,
}

/// Runs a program to its end, at most for `timeout`. Nothing that it started is left behind: not after its end, and not
/// where this program is stopped or killed.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn run(command: &mut Command, timeout: Duration) -> io::Result<Ended> {
    let mut guard = Guard::new()?;
    guard.place(command);
    let mut child = command.stdin(Stdio::null()).spawn()?;
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::Itself(status));
        }
        if begun.elapsed() > timeout {
            guard.end()?;
            child.kill()?;
            child.wait()?;
            return Ok(Ended::TooLong);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// This program's file. It stays the same where a new build takes its place on disk while runs are being made.
pub(crate) fn this_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() }
}

/// The largest memory that this program held, where the system tells: Linux's `VmHWM`.
pub(super) fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The SHA-256 of this program's file, so that results of different builds can be told apart.
pub(super) fn program_hash() -> anyhow::Result<String> {
    let digest = Sha256::digest(fs::read(this_program()?)?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A shell that leads a process group. It waits for the end of its input, which this program holds and which closes however
/// this program ends, and then kills the group: itself and all that was started in it. As it lives until then, the group's
/// number can mean no other group.
#[derive(Debug)]
struct Guard {
    /// `None` where the system has no process groups: only the program itself is ended there.
    shell: Option<Child>,
}

impl Guard {
    fn new() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            let mut shell = Command::new("sh");
            shell.args(["-c", "read _; kill -KILL 0"]).process_group(0);
            shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            Ok(Self { shell: Some(shell.spawn()?) })
        }
        #[cfg(not(unix))]
        Ok(Self { shell: None })
    }

    /// Puts a program that is to be started into the group.
    fn place(&self, command: &mut Command) {
        #[cfg(unix)]
        if let Some(id) = self.shell.as_ref().and_then(|shell| i32::try_from(shell.id()).ok()) {
            use std::os::unix::process::CommandExt;
            command.process_group(id);
        }
        #[cfg(not(unix))]
        let _ = command;
    }

    /// Kills the group.
    fn end(&mut self) -> io::Result<()> {
        if let Some(mut shell) = self.shell.take() {
            drop(shell.stdin.take());
            shell.wait()?;
        }
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A shell that cannot be waited for has ended.
        let _ = self.end();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// Whether a process becomes extinct within a second. One that nobody has waited for yet is a zombie, `Z`.
    fn is_gone(pid: &str) -> bool {
        (0..50).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            // The state stands after the name, which is in parentheses.
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            stat.rsplit_once(')').is_none_or(|(_, after)| after.trim_start().starts_with('Z'))
        })
    }

    #[test]
    fn a_program_that_ends_tells_how() {
        let long = Duration::from_secs(60);
        let Ended::Itself(status) = run(&mut shell("exit 3"), long).unwrap() else { panic!("it ends by itself") };
        assert_eq!(status.code(), Some(3));
        let Ended::Itself(status) = run(&mut shell("kill -KILL $$"), long).unwrap() else { panic!("by a signal") };
        assert!(status.to_string().contains("SIGKILL"), "{status}");
        assert!(run(&mut Command::new("no-such-program"), long).is_err());
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let begun = Instant::now();
        let mut command = shell("sleep 600 & echo $! > \"$0\"; wait");
        assert_eq!(run(command.arg(&pid), Duration::from_millis(500)).unwrap(), Ended::TooLong);
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert!(is_gone(&fs::read_to_string(&pid).unwrap()));
    }

    #[test]
    fn what_a_program_leaves_running_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let mut command = shell("sleep 600 & echo $! > \"$0\"");
        assert!(matches!(run(command.arg(&pid), Duration::from_secs(60)).unwrap(), Ended::Itself(_)));
        assert!(is_gone(&fs::read_to_string(&pid).unwrap()));
    }
}
