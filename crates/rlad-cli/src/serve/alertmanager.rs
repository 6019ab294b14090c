//! Alertmanager: alarms go to it, and what it knows of others' alerts and of silences becomes suggestions.

mod alerts;
mod evidence;
mod silences;
mod suggestions;
mod time;
mod webhook;

use anyhow::bail;

pub(crate) use self::alerts::{Alert, Alerts, labels_of};
pub(crate) use self::evidence::{Kind, Source, Suggestion, of_alert, of_silence};
pub(crate) use self::silences::Silence;
pub(crate) use self::suggestions::{Suggestions, Verdict};
pub(crate) use self::webhook::Webhook;
use super::client::Client;

/// The label that tells alerts of this program from those of others, and its value.
pub(crate) const OWN_LABEL: (&str, &str) = ("detector", "rlad");

/// The most alerts of one request.
const MAX_ALERTS: usize = 256;

/// Sends alerts to every Alertmanager at the same time; what went wrong with each that did not take them, by its
/// address.
pub(crate) fn post(client: &Client, base_urls: &[String], alerts: &[Alert]) -> Vec<(String, anyhow::Error)> {
    if alerts.is_empty() {
        return Vec::new();
    }
    std::thread::scope(|scope| {
        let posts: Vec<_> = base_urls.iter().map(|url| (url, scope.spawn(|| post_to(client, url, alerts)))).collect();
        let failed = |(url, post): (&String, std::thread::ScopedJoinHandle<'_, anyhow::Result<()>>)| {
            let result = post.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the sender panicked")));
            Some((url.clone(), result.err()?))
        };
        posts.into_iter().filter_map(failed).collect()
    })
}

fn post_to(client: &Client, base_url: &str, alerts: &[Alert]) -> anyhow::Result<()> {
    for some in alerts.chunks(MAX_ALERTS) {
        let body = serde_json::to_vec(some)?;
        let reply = client.post(&format!("{base_url}/api/v2/alerts"), "application/json", &[], &body)?;
        if !reply.is_success() {
            bail!("expected Alertmanager to take {} alerts, it answered {}", some.len(), reply.summary());
        }
    }
    Ok(())
}

/// The silences of an Alertmanager, and how many of them could not be understood.
///
/// # Errors
/// If it gives no list of silences.
pub(crate) fn silences(client: &Client, base_url: &str) -> anyhow::Result<(Vec<Silence>, usize)> {
    let reply = client.get(&format!("{base_url}/api/v2/silences"))?;
    if !reply.is_success() {
        bail!("expected the silences of Alertmanager, it answered {}", reply.summary());
    }
    Silence::parse(&reply.body, base_url)
}

#[cfg(test)]
mod tests;
