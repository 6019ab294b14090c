//! Programs that run beside a test, on free ports of loopback, with their files below a temporary folder.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::http;

/// How long a test waits for something that is to come: far longer than it takes on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_secs(100);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);
/// The lines of a program's log that a failed test tells.
const LINES_TOLD: usize = 15;

/// Looks until something is there; `look` tells what it saw in its place.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(begun.elapsed() < PATIENCE, "expected that {what}; seen last: {seen}"),
        }
        std::thread::sleep(LOOK);
    }
}

/// A port that nothing listens at.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program that is running. It ends with this.
pub(crate) struct Server {
    name: String,
    child: Child,
    log: PathBuf,
    pub(crate) url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of the log of {}:", self.name);
            lines[lines.len().saturating_sub(LINES_TOLD)..].iter().for_each(|line| eprintln!("  {line}"));
        }
    }
}

impl Server {
    /// Starts a program that will listen at a port; its output goes to a file of `folder`, after what is there.
    pub(crate) fn start(name: &str, mut command: Command, port: u16, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).current_dir(folder);
        let child = command.spawn().unwrap();
        Self { name: name.to_owned(), child, log, url: format!("http://127.0.0.1:{port}") }
    }

    /// Waits until a path answers.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, path: &str) {
        let url = format!("{}{path}", self.url);
        until(&format!("{} answers", self.name), || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{} has ended: {ended:?}", self.name);
            http::get(&url)
        });
    }

    /// What it has written.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end by a signal; how long that took.
    #[track_caller]
    pub(crate) fn stop(mut self, signal: &str) -> Duration {
        let begun = Instant::now();
        let sent = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
        let status = until(&format!("{} ends", self.name), || self.child.try_wait().unwrap().ok_or_else(String::new));
        assert!(status.success(), "{} ended with {status}", self.name);
        begun.elapsed()
    }
}

/// The folder in which programs are; `None` for those of the system.
#[derive(Clone, Debug)]
pub(crate) struct Programs(Option<PathBuf>);

impl Programs {
    /// Those of the system, if all of these are there. Where they must be there, a missing one is an error.
    pub(crate) fn of_system(names: &[&str]) -> Option<Self> {
        let found = Self(None);
        let missing: Vec<&&str> =
            names.iter().filter(|name| found.command(name).arg("--help").output().is_err()).collect();
        if missing.is_empty() {
            return Some(found);
        }
        let packages = "Debian: prometheus, prometheus-alertmanager, victoria-metrics, chromium, chromium-driver";
        let must = std::env::var_os("RLAD_REQUIRE_SERVERS").is_some();
        assert!(!must, "expected {missing:?} to be there ({packages})");
        eprintln!("skipped: {missing:?} are not there ({packages})");
        None
    }

    /// Newer ones, if a folder with them is named.
    pub(crate) fn newer() -> Option<Self> {
        let folder = std::env::var_os("RLAD_NEWER_SERVERS").map(PathBuf::from);
        if folder.is_none() {
            eprintln!("skipped: RLAD_NEWER_SERVERS names no folder with newer servers");
        }
        folder.map(|folder| Self(Some(folder)))
    }

    fn command(&self, name: &str) -> Command {
        Command::new(self.0.as_ref().map_or_else(|| name.into(), |folder| folder.join(name)))
    }

    /// The version that a program tells; not all do.
    pub(crate) fn version(&self, name: &str) -> String {
        let output = self.command(name).arg("--version").output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        format!("{name}: {}", text.lines().next().unwrap_or_default())
    }

    /// Starts Prometheus with this configuration, and waits until it is ready.
    pub(crate) fn prometheus(&self, port: u16, config: &str, flags: &[&str], folder: &Path) -> Server {
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        let mut command = self.command("prometheus");
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"]);
        command.args(["--web.enable-remote-write-receiver", "--web.enable-lifecycle"]).args(flags);
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let mut server = Server::start("prometheus", command, port, folder);
        server.wait_for("/-/ready");
        server
    }

    /// Starts Alertmanager, which tells this address of every alert, and waits until it is ready.
    pub(crate) fn alertmanager(&self, webhook: &str, folder: &Path) -> Server {
        let port = free_port();
        let config = format!(
            "route: {{ receiver: rlad, group_by: ['...'], group_wait: 1s, group_interval: 1s }}\n\
             receivers: [{{ name: rlad, webhook_configs: [{{ url: '{webhook}', send_resolved: true }}] }}]\n"
        );
        std::fs::write(folder.join("alertmanager.yml"), config).unwrap();
        let mut command = self.command("prometheus-alertmanager");
        command.args(["--config.file=alertmanager.yml", "--storage.path=alertmanager", "--cluster.listen-address="]);
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let mut server = Server::start("alertmanager", command, port, folder);
        server.wait_for("/-/ready");
        server
    }

    /// Starts VictoriaMetrics, and waits until it is ready.
    pub(crate) fn victoria_metrics(&self, folder: &Path) -> Server {
        let port = free_port();
        let mut command = self.command("victoria-metrics");
        command.args(["-storageDataPath=vm", "-retentionPeriod=1y", "-search.latencyOffset=0s"]);
        command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
        let mut server = Server::start("victoria-metrics", command, port, folder);
        server.wait_for("/health");
        server
    }

    /// Starts vmagent, which scrapes `target` once a second and sends what it finds to these addresses.
    pub(crate) fn vmagent(&self, target: &str, urls: &[String], folder: &Path) -> Server {
        let port = free_port();
        std::fs::write(folder.join("scrape.yml"), scrape_config("toy", target)).unwrap();
        let mut command = self.command("vmagent");
        command.args(["-promscrape.config=scrape.yml", "-remoteWrite.tmpDataPath=vmagent"]);
        command.args(["-remoteWrite.flushInterval=1s"]);
        command.args(urls.iter().map(|url| format!("-remoteWrite.url={url}")));
        command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
        let mut server = Server::start("vmagent", command, port, folder);
        server.wait_for("/health");
        server
    }
}

/// The configuration of a scrape, once a second.
pub(crate) fn scrape_config(job: &str, target: &str) -> String {
    format!(
        "scrape_configs:\n- {{ job_name: {job}, scrape_interval: 1s, static_configs: [{{ targets: ['{target}'] }}] }}\n"
    )
}
