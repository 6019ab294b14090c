//! The program, and what it prints and answers.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::sender::now_ms;

/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// The folder of the state beside a configuration.
pub(crate) fn state_of(folder: &Path) -> PathBuf {
    folder.join("state")
}

/// Writes the configuration of a service; `server` and `state` stand in those sections, `more` is the others.
pub(crate) fn write_config(folder: &Path, server: &str, state: &str, more: &str) -> PathBuf {
    let path = folder.join("serve.toml");
    let dir = state_of(folder);
    let text = format!("[server]\nbind = \"127.0.0.1:0\"\n{server}\n[state]\ndir = {dir:?}\n{state}\n{more}");
    std::fs::write(&path, text).unwrap();
    path
}

/// The program as it runs.
#[derive(Debug)]
pub(crate) struct Service {
    child: Arc<Mutex<Child>>,
    lines: Arc<Mutex<Vec<String>>>,
    pub(crate) url: String,
    agent: ureq::Agent,
}

impl Drop for Service {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The command that serves a configuration.
pub(crate) fn command(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rlad"));
    command.arg("serve").arg("--config").arg(config).arg("--no-open");
    command
}

/// A client that waits no longer than so.
pub(crate) fn agent(timeout: Duration) -> ureq::Agent {
    // A connection a request: one that the service closed after a refusal is none to send the next one on.
    let config = ureq::Agent::config_builder().max_idle_connections(0).max_idle_connections_per_host(0);
    config.http_status_as_error(false).timeout_global(Some(timeout)).build().into()
}

impl Service {
    /// Starts it and waits until it listens.
    pub(crate) fn start(config: &Path) -> Self {
        Self::of(command(config)).unwrap_or_else(|lines| panic!("{}", lines.join("\n")))
    }

    /// Starts a command and waits until it listens; what it printed, where it ends before.
    pub(crate) fn of(mut command: Command) -> Result<Self, Vec<String>> {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (lines, stderr) = (Arc::new(Mutex::new(Vec::new())), child.stderr.take().unwrap());
        let reader = std::thread::spawn({
            let lines = Arc::clone(&lines);
            move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    lines.lock().unwrap().push(line);
                }
            }
        });
        let mut service = Self {
            child: Arc::new(Mutex::new(child)),
            lines,
            url: String::new(),
            agent: agent(Duration::from_secs(20)),
        };
        let begun = Instant::now();
        loop {
            let has_ended = !service.is_alive();
            let url = service.lines().iter().find_map(|line| Some(line.split_once("listens at ")?.1.to_owned()));
            if let Some(url) = url {
                service.url = url.split("/?").next().unwrap_or_default().trim_end_matches('/').to_owned();
                return Ok(service);
            }
            if has_ended {
                let _ = reader.join();
                return Err(service.lines());
            }
            assert!(begun.elapsed() < PATIENCE, "it does not begin");
            sleep(Duration::from_millis(5));
        }
    }

    /// Whether it runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.child.lock().unwrap().try_wait().unwrap().is_none()
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Kills it after a time, whatever it does then.
    pub(crate) fn kill_after(&self, time: Duration) -> std::thread::JoinHandle<()> {
        let child = Arc::clone(&self.child);
        std::thread::spawn(move || {
            sleep(time);
            let mut child = child.lock().unwrap();
            let _ = child.kill();
            let _ = child.wait();
        })
    }

    /// Sends it a signal, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.lock().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Ends it as a user does, and returns what it printed.
    pub(crate) fn stop(self) -> Vec<String> {
        self.signal("TERM");
        self.wait("its end", |service| !service.is_alive());
        assert_eq!(self.child.lock().unwrap().wait().unwrap().code(), Some(0), "{:?}", self.lines());
        self.lines()
    }

    /// What it printed so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Its memory in bytes, as the system counts it.
    pub(crate) fn memory(&self) -> u64 {
        let pid = self.child.lock().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    }

    /// Status and body of an answer; `None` where there is none.
    pub(crate) fn try_get(&self, path: &str) -> Option<(u16, String)> {
        let mut reply = self.agent.get(format!("{}{path}", self.url)).call().ok()?;
        Some((reply.status().as_u16(), reply.body_mut().read_to_string().ok()?))
    }

    /// Status and body of an answer.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).unwrap_or_else(|| panic!("no answer at {path}: {:?}", self.lines()))
    }

    /// The answer to one who shows a token.
    pub(crate) fn with_token(&self, path: &str, token: &str) -> ureq::http::Response<ureq::Body> {
        self.agent.get(format!("{}{path}", self.url)).header("Authorization", format!("Bearer {token}")).call().unwrap()
    }

    /// Status, `Retry-After` and body of an answer; `None` where there is none.
    pub(crate) fn try_post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<(u16, Option<String>, String)> {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut reply = request.send(body).ok()?;
        let again = reply.headers().get("Retry-After").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Some((reply.status().as_u16(), again, reply.body_mut().read_to_string().ok()?))
    }

    /// Sends samples; the status, where there is an answer.
    pub(crate) fn try_write(&self, body: &[u8]) -> Option<u16> {
        Some(self.try_post("/api/v1/write", &super::sender::HEADERS, body)?.0)
    }

    /// Sends samples that must be taken.
    pub(crate) fn write(&self, body: &[u8]) {
        assert_eq!(self.try_write(body), Some(204), "{:?}", self.lines());
    }

    /// A metric of its own by name and labels as they are printed; `None` where it is not there.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.try_get("/metrics")?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// The beginning of the hash of the detector in use.
    pub(crate) fn detector(&self) -> Option<String> {
        let (_, text) = self.try_get("/metrics")?;
        let of_line =
            |line: &str| line.strip_prefix("rlad_model_info{hash=\"")?.strip_suffix("\"} 1").map(str::to_owned);
        text.lines().find_map(of_line)
    }

    /// Waits until a first detector scores and is safe: its scores are told from then on. Snapshots are taken each second.
    pub(crate) fn wait_for_detector(&self) {
        self.wait("a detector", |service| service.detector().is_some());
        let seen = now_ms();
        self.wait("a snapshot", |service| service.has_snapshot_after(seen));
    }

    /// Whether a snapshot became whole after a time.
    pub(crate) fn has_snapshot_after(&self, at: i64) -> bool {
        self.metric("rlad_snapshot_timestamp_seconds").is_some_and(|of| of * 1_000.0 > at as f64)
    }

    /// Waits until something holds.
    pub(crate) fn wait(&self, what: &str, until: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !until(self) {
            assert!(begun.elapsed() < PATIENCE, "{what} does not come: {}", self.lines().join("\n"));
            sleep(Duration::from_millis(10));
        }
    }
}
