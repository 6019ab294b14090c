//! A headless Chromium that a test drives over the W3C WebDriver protocol: JSON over HTTP, which `ureq` speaks already.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// Keys that have no character, as WebDriver writes them.
pub(crate) const ENTER: &str = "\u{E007}";
pub(crate) const ESCAPE: &str = "\u{E00C}";
pub(crate) const LEFT: &str = "\u{E012}";
pub(crate) const RIGHT: &str = "\u{E014}";
pub(crate) const SHIFT: &str = "\u{E008}";

const ARGUMENTS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--lang=en",
    "--window-size=1280,900",
];

/// The browser and its driver. Both end with it.
pub(crate) struct Browser {
    driver: Child,
    agent: ureq::Agent,
    session: String,
    folder: tempfile::TempDir,
    /// The output of the driver; it is kept open, as the driver ends where it can write nothing.
    _output: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    pub(crate) fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need `chromium` and `chromedriver` (Debian: chromium, chromium-driver)");
        let mut output = BufReader::new(driver.stdout.take().unwrap()).lines();
        let line = output.by_ref().map(Result::unwrap).find(|line| line.contains("successfully on port "));
        let line = line.expect("the driver tells its port");
        let port: u16 = line.rsplit("on port ").next().unwrap().trim_end_matches('.').parse().unwrap();
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(120)));
        let agent: ureq::Agent = config.build().into();
        let folder = tempfile::tempdir().unwrap();
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        let args: Vec<&str> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        let downloads = folder.path().join("downloads");
        std::fs::create_dir(&downloads).unwrap();
        let options = json!({ "args": args, "prefs": { "download.default_directory": downloads } });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options,
            "timeouts": { "script": 60_000, "pageLoad": 60_000, "implicit": 0 } } } });
        let mut browser =
            Self { driver, agent, session: format!("http://127.0.0.1:{port}/session"), folder, _output: output };
        let id = browser.post("", &wanted)["sessionId"].as_str().unwrap().to_owned();
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    /// Where downloads go.
    pub(crate) fn downloads(&self) -> std::path::PathBuf {
        self.folder.path().join("downloads")
    }

    #[track_caller]
    fn post(&self, command: &str, body: &Value) -> Value {
        let request = self.agent.post(format!("{}{command}", self.session)).header("Content-Type", "application/json");
        let text = request.send(body.to_string()).unwrap().body_mut().read_to_string().unwrap();
        let reply: Value = serde_json::from_str(&text).unwrap();
        let value = reply["value"].clone();
        assert!(value.get("error").is_none_or(Value::is_null), "{command}: {value}");
        value
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    pub(crate) fn reload(&self) {
        self.post("/refresh", &json!({}));
    }

    /// The value that a script returns.
    #[track_caller]
    pub(crate) fn run(&self, script: &str, args: &[Value]) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": args }))
    }

    /// The value that a script gives to its last argument, a function.
    #[track_caller]
    pub(crate) fn run_and_wait(&self, script: &str, args: &[Value]) -> Value {
        self.post("/execute/async", &json!({ "script": script, "args": args }))
    }

    /// Waits until an expression is true, and returns what it is then.
    #[track_caller]
    pub(crate) fn wait(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[0], begun = performance.now();
            const look = () => {{
                const value = {expression};
                if (value) done({{ value }});
                else if (performance.now() - begun > 20000) done({{ late: document.body.innerText }});
                else setTimeout(look, 5);
            }};
            look();"
        );
        let told = self.run_and_wait(&script, &[]);
        assert!(
            told.get("late").is_none(),
            "`{expression}` does not come true on:\n{}",
            told["late"].as_str().unwrap()
        );
        told["value"].clone()
    }

    /// Presses keys one after the other. A shift that is among them is held down until the end.
    #[track_caller]
    pub(crate) fn press(&self, keys: &[&str]) {
        let mut actions = Vec::new();
        for key in keys {
            actions.push(json!({ "type": "keyDown", "value": key }));
            if *key != SHIFT {
                actions.push(json!({ "type": "keyUp", "value": key }));
            }
        }
        if keys.contains(&SHIFT) {
            actions.push(json!({ "type": "keyUp", "value": SHIFT }));
        }
        self.post("/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Types a text where the focus is.
    pub(crate) fn write(&self, text: &str) {
        let letters: Vec<String> = text.chars().map(String::from).collect();
        self.press(&letters.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Moves the mouse to a place in the window, presses, moves on to another one, and lets go.
    #[track_caller]
    pub(crate) fn drag(&self, from: (i64, i64), to: (i64, i64)) {
        let at = |(x, y): (i64, i64), duration| json!({ "type": "pointerMove", "x": x, "y": y, "duration": duration, "origin": "viewport" });
        let half = (i64::midpoint(from.0, to.0), i64::midpoint(from.1, to.1));
        let (down, up) = (json!({ "type": "pointerDown", "button": 0 }), json!({ "type": "pointerUp", "button": 0 }));
        let actions = [at(from, 0), down, at(half, 20), at(to, 20), up];
        let mouse =
            json!({ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": actions });
        self.post("/actions", &json!({ "actions": [mouse] }));
    }

    fn element(&self, css: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": css }));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        self.post(&format!("/element/{}/click", self.element(css)), &json!({}));
    }

    /// Chooses a file in a field for files.
    pub(crate) fn choose_file(&self, css: &str, file: &Path) {
        self.post(&format!("/element/{}/value", self.element(css)), &json!({ "text": file }));
    }

    /// A command of Chromium's own protocol.
    pub(crate) fn command(&self, name: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": name, "params": parameters }))
    }

    /// A picture of the page, as PNG in base 64.
    pub(crate) fn screenshot(&self) -> String {
        self.command("Page.captureScreenshot", &json!({ "format": "png" }))["data"].as_str().unwrap().to_owned()
    }
}
