//! The thread that sends alerts, and reads silences as suggestions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::alertmanager::{self, Silence};
use super::client::Client;
use super::clock::{Ending, now_ms};
use super::config::ServeConfig;
use super::outlets::AlertDesk;
use super::shared::Shared;
use super::suggested::SuggestionStore;
use super::worker::{Filter, Worker};
use crate::output::tell;

/// How often it looks for alerts to be sent.
const LOOK: Duration = Duration::from_secs(1);

/// What sends alerts and reads silences.
#[derive(Debug)]
pub(crate) struct Alerting {
    pub(crate) config: Shared<ServeConfig>,
    pub(crate) desk: AlertDesk,
    pub(crate) suggestions: Arc<SuggestionStore>,
    pub(crate) worker: Worker,
    pub(crate) ending: Ending,
}

impl Alerting {
    /// Sends and reads until the service ends.
    pub(crate) fn run(self) {
        let mut last_read: Option<Instant> = None;
        let mut trouble = String::new();
        while !self.ending.wait(LOOK) {
            let config = self.config.get();
            if config.alertmanager.urls.is_empty() {
                continue;
            }
            let every = Duration::from_millis(config.alertmanager.read_every.millis().unsigned_abs());
            let is_due = last_read.is_none_or(|last| last.elapsed() >= every);
            let mut errors = Vec::new();
            match Client::new(&config.alertmanager.options()) {
                Ok(client) => {
                    errors.extend(self.send(&config, &client));
                    if is_due && config.alertmanager.read_silences {
                        last_read = Some(Instant::now());
                        errors.extend(self.read(&config, &client));
                    }
                }
                Err(error) => errors.push(format!("{error:#}")),
            }
            let told = errors.join("; ");
            // An error of silences is told once a reading, not once a second.
            if told != trouble && (is_due || !told.is_empty()) {
                match told.is_empty() {
                    true => tell("Alertmanager answers again"),
                    false => tell(&format!("warning: {told}")),
                }
                trouble = told;
            }
        }
    }

    /// Sends the alerts that are due; what went wrong.
    fn send(&self, config: &ServeConfig, client: &Client) -> Vec<String> {
        if !config.alertmanager.send {
            return Vec::new();
        }
        let before = self.desk.lock().clone();
        let due = self.desk.lock().due(now_ms(), config.alertmanager.resend_every.millis());
        if due.is_empty() {
            return Vec::new();
        }
        let urls = config.alertmanager.base_urls();
        let failed = alertmanager::post(client, &urls, &due);
        if failed.len() == urls.len() {
            // Nobody has them: they are due at the next look.
            self.desk.lock().not_sent(&before);
        }
        failed.into_iter().map(|(url, error)| format!("alerts are not sent to `{url}`: {error:#}")).collect()
    }

    /// Reads silences; what went wrong.
    fn read(&self, config: &ServeConfig, client: &Client) -> Vec<String> {
        let mut errors = Vec::new();
        let views = self.worker.series_blocking(Filter { limit: usize::MAX, ..Filter::default() });
        let watched = self.suggestions.watched(&views);
        for url in config.alertmanager.base_urls() {
            match alertmanager::silences(client, &url) {
                Ok((silences, _)) => {
                    let (over, open): (Vec<Silence>, Vec<Silence>) =
                        silences.into_iter().partition(|silence| silence.is_over);
                    for (silences, only_known) in [(open, false), (over, true)] {
                        let alerts = self.desk.lock().clone();
                        let found = silences.iter().flat_map(|silence| {
                            alertmanager::of_silence(
                                silence,
                                &alerts,
                                watched.iter().map(|(name, labels)| (&**name, labels)),
                            )
                        });
                        if let Err(error) = self.suggestions.offer(found.collect(), only_known) {
                            errors.push(format!("{error:#}"));
                        }
                    }
                }
                Err(error) => errors.push(format!("silences are not read: {error:#}")),
            }
        }
        errors
    }
}
