//! How samples are sent: in which protocol, and what the server's answer means.

use std::fmt::Write;

use super::Protocol;
use crate::serve::client::{Client, Reply, without_secrets};
use crate::serve::labels::Labels;
use crate::serve::wire::{SAMPLES_WRITTEN, Sample, V1_TYPE, V2_TYPE, encode_v1, encode_v2};

/// The samples of a series, rising in time.
pub(super) type Series = (Labels, Vec<Sample>);

/// Why the server did not take a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It is older than what the server has of the series, or than it takes at all.
    Late,
    /// The server has another value at this time.
    Duplicate,
    /// Any other.
    Refused,
}

impl Reason {
    /// By the server's message.
    fn of(message: &str) -> Self {
        let message = message.to_lowercase();
        let has = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
        if has(&["duplicate sample", "duplicate-timestamp"]) {
            Self::Duplicate
        } else if has(&["out of order", "out-of-order", "too old", "too-old", "too far in past", "out of bounds"]) {
            Self::Late
        } else {
            Self::Refused
        }
    }
}

/// What became of a request.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// The server has taken all but so many samples.
    Stored { n_dropped: usize, reason: Reason },
    /// The server refuses the request as a whole for what is in it.
    Refused { reason: Reason, message: String },
    /// To be sent again as it is.
    Again(String),
}

/// Where samples are sent.
#[derive(Debug)]
pub(super) struct Delivery {
    url: String,
    wanted: Protocol,
    /// The protocol spoken, once it is known.
    spoken: Option<Protocol>,
    client: Client,
}

impl Delivery {
    /// A server by its address or by that of its endpoint.
    pub(super) fn new(url: &str, protocol: Protocol, client: Client) -> Self {
        let (base, query) = url.split_at(url.find('?').unwrap_or(url.len()));
        let base = base.trim_end_matches('/');
        let is_endpoint = ["/write", "/push", "/receive", "/import"].iter().any(|end| base.ends_with(end));
        let path = match protocol {
            _ if is_endpoint => "",
            Protocol::VmImport => "/api/v1/import",
            Protocol::Auto | Protocol::V1 | Protocol::V2 => "/api/v1/write",
        };
        let spoken = (protocol != Protocol::Auto).then_some(protocol);
        Self { url: format!("{base}{path}{query}"), wanted: protocol, spoken, client }
    }

    /// The protocol spoken, once it is known.
    pub(super) fn spoken(&self) -> Option<Protocol> {
        self.spoken
    }

    /// Sends one request. The answer tells what is to be done next.
    pub(super) fn send(&mut self, series: &[Series]) -> Outcome {
        let protocol = match self.spoken {
            Some(protocol) => protocol,
            None => match self.probe() {
                Ok(protocol) => *self.spoken.insert(protocol),
                Err(message) => return Outcome::Again(message),
            },
        };
        let borrowed = || series.iter().map(|(labels, samples)| (labels, samples.as_slice())).collect::<Vec<_>>();
        let reply = match protocol {
            Protocol::VmImport => self.client.post(&self.url, "application/json", &[], import_lines(series).as_bytes()),
            Protocol::V2 => self.post(protocol, &encode_v2(&borrowed())),
            Protocol::V1 | Protocol::Auto => self.post(protocol, &encode_v1(&borrowed())),
        };
        match reply {
            Ok(reply) => self.judge(protocol, &reply, series.iter().map(|(_, samples)| samples.len()).sum()),
            Err(error) => Outcome::Again(format!("{error:#}")),
        }
    }

    fn post(&self, protocol: Protocol, body: &[u8]) -> anyhow::Result<Reply> {
        let (content_type, version) = if protocol == Protocol::V2 { (V2_TYPE, "2.0.0") } else { (V1_TYPE, "0.1.0") };
        let headers = [("Content-Encoding", "snappy"), ("X-Prometheus-Remote-Write-Version", version)];
        self.client.post(&self.url, content_type, &headers, body)
    }

    /// Whether the server speaks version 2.0: it says what it has written of an empty request. A server that speaks 1.0
    /// alone may well answer 204 and take nothing.
    fn probe(&self) -> Result<Protocol, String> {
        let reply = self.post(Protocol::V2, &encode_v2(&[])).map_err(|error| format!("{error:#}"))?;
        match reply.status {
            200..300 if written(&reply).is_some() => Ok(Protocol::V2),
            200..300 | 400 | 406 | 415 | 422 => Ok(Protocol::V1),
            _ => Err(self.told(&reply)),
        }
    }

    fn judge(&mut self, protocol: Protocol, reply: &Reply, n_samples: usize) -> Outcome {
        let is_v2 = protocol == Protocol::V2;
        match (reply.status, written(reply)) {
            (200..300, None) | (415, _) if is_v2 => {
                // The server is not, or is no longer, one that speaks version 2.0.
                self.spoken = (self.wanted != Protocol::Auto).then_some(self.wanted);
                let url = without_secrets(&self.url);
                Outcome::Again(format!("`{url}` does not speak version 2.0 of remote_write (HTTP {})", reply.status))
            }
            (200..300, Some(n)) if is_v2 => {
                Outcome::Stored { n_dropped: n_samples.saturating_sub(n), reason: Reason::Refused }
            }
            (200..300, _) => Outcome::Stored { n_dropped: 0, reason: Reason::Refused },
            (400 | 413 | 422, n) => {
                let message = self.told(reply);
                let reason = Reason::of(&message);
                match n.filter(|n| is_v2 && reply.status == 400 && (1..=n_samples).contains(n)) {
                    Some(n) => Outcome::Stored { n_dropped: n_samples - n, reason },
                    None => Outcome::Refused { reason, message },
                }
            }
            _ => Outcome::Again(self.told(reply)),
        }
    }

    fn told(&self, reply: &Reply) -> String {
        format!("`{}` answered {}", without_secrets(&self.url), reply.summary())
    }
}

/// How many samples a server of version 2.0 says it has written.
fn written(reply: &Reply) -> Option<usize> {
    reply.header(SAMPLES_WRITTEN)?.trim().parse().ok()
}

/// The series as the lines of JSON that VictoriaMetrics imports. Values that are no numbers have a line of their own,
/// as older versions pass over a line with one.
fn import_lines(series: &[Series]) -> String {
    let mut text = String::new();
    for (labels, samples) in series {
        let metric: serde_json::Map<_, _> =
            labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let metric = serde_json::Value::from(metric);
        let (numbers, others): (Vec<&Sample>, Vec<&Sample>) =
            samples.iter().partition(|sample| sample.value.is_finite());
        for samples in [numbers, others].iter().filter(|samples| !samples.is_empty()) {
            let values: Vec<_> = samples.iter().map(|sample| import_value(sample.value)).collect();
            let times: Vec<_> = samples.iter().map(|sample| sample.timestamp_ms).collect();
            let (values, times) = (serde_json::Value::from(values), serde_json::Value::from(times));
            _ = writeln!(text, "{{\"metric\":{metric},\"values\":{values},\"timestamps\":{times}}}");
        }
    }
    text
}

fn import_value(value: f64) -> serde_json::Value {
    if value.is_nan() || value.is_finite() {
        // NaN becomes null.
        value.into()
    } else if value > 0.0 {
        "Infinity".into()
    } else {
        "-Infinity".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::client::Options;
    use crate::serve::client::fake::{Answer, Asked, Server, answer};
    use crate::serve::wire;

    fn series(name: &str, samples: &[(i64, f64)]) -> Series {
        let samples = samples.iter().map(|&(timestamp_ms, value)| Sample { timestamp_ms, value });
        (Labels::parse(name).unwrap(), samples.collect())
    }

    fn delivery(server: &Server, protocol: Protocol) -> Delivery {
        Delivery::new(&server.url(""), protocol, Client::new(&Options::default()).unwrap())
    }

    /// What a server of version 2.0 answers that writes so many samples.
    fn v2(status: u16, n: usize) -> Answer {
        (status, wire::written_headers(n).to_vec(), b"out of order sample".to_vec())
    }

    fn is_empty(asked: &Asked) -> bool {
        wire::decode(
            asked.header("content-type"),
            asked.header("content-encoding"),
            &asked.body,
            &wire::Limits::default(),
        )
        .unwrap()
        .series
        .is_empty()
    }

    const ALL: Outcome = Outcome::Stored { n_dropped: 0, reason: Reason::Refused };

    #[test]
    fn an_address_may_be_that_of_the_endpoint() {
        let of = |url: &str, protocol| Delivery::new(url, protocol, Client::new(&Options::default()).unwrap()).url;
        assert_eq!(of("http://h:1/", Protocol::Auto), "http://h:1/api/v1/write");
        assert_eq!(of("http://h:1/p?a=b", Protocol::V1), "http://h:1/p/api/v1/write?a=b");
        assert_eq!(of("http://h:1/api/v1/push", Protocol::V1), "http://h:1/api/v1/push");
        assert_eq!(of("http://h:1", Protocol::VmImport), "http://h:1/api/v1/import");
    }

    #[test]
    fn a_server_is_asked_once_what_it_speaks() {
        let one = [series("a", &[(1, 2.0)])];
        let server = Server::start(|asked| v2(204, usize::from(!is_empty(asked))));
        let mut to_v2 = delivery(&server, Protocol::Auto);
        assert_eq!((to_v2.send(&one), to_v2.send(&one), to_v2.spoken()), (ALL, ALL, Some(Protocol::V2)));
        assert_eq!(server.asked().iter().map(is_empty).collect::<Vec<_>>(), [true, false, false]);
        for status in [204, 400, 415] {
            let server = Server::start(move |asked| match asked.header("content-type") {
                Some(V2_TYPE) => answer(status, ""),
                _ => answer(204, ""),
            });
            let mut to_v1 = delivery(&server, Protocol::Auto);
            assert_eq!((to_v1.send(&one), to_v1.spoken()), (ALL, Some(Protocol::V1)), "{status}");
        }
        let starting = Server::start(|_| answer(503, "starting"));
        let mut unknown = delivery(&starting, Protocol::Auto);
        assert!(matches!(unknown.send(&one), Outcome::Again(message) if message.ends_with("HTTP 503: starting")));
        assert_eq!(unknown.spoken(), None);
    }

    #[test]
    fn a_server_that_swallows_version_2_has_stored_nothing() {
        let one = [series("a", &[(1, 2.0)])];
        let server = Server::start(|_| answer(204, ""));
        let outcome = delivery(&server, Protocol::V2).send(&one);
        assert!(matches!(outcome, Outcome::Again(message) if message.contains("does not speak version 2.0")));
        // A server that was replaced by an older one is asked anew.
        let mut to_v2 = delivery(&server, Protocol::Auto);
        to_v2.spoken = Some(Protocol::V2);
        assert!(matches!(to_v2.send(&one), Outcome::Again(_)));
        assert_eq!((to_v2.send(&one), to_v2.spoken()), (ALL, Some(Protocol::V1)));
    }

    #[test]
    fn an_answer_says_what_is_to_be_done() {
        let two = [series("a", &[(1, 2.0), (2, 3.0)])];
        let of = |protocol, reply: fn() -> Answer| {
            let server = Server::start(move |_| reply());
            delivery(&server, protocol).send(&two)
        };
        let dropped = |n_dropped, reason| Outcome::Stored { n_dropped, reason };
        assert_eq!(of(Protocol::V2, || v2(400, 1)), dropped(1, Reason::Late));
        assert_eq!(of(Protocol::V2, || v2(204, 2)), ALL);
        assert!(matches!(of(Protocol::V2, || v2(400, 0)), Outcome::Refused { reason: Reason::Late, .. }));
        assert!(matches!(of(Protocol::V2, || v2(500, 1)), Outcome::Again(_)));
        let reason = |reply| match of(Protocol::V1, reply) {
            Outcome::Refused { reason, .. } => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(|| answer(400, "out of order sample")), Reason::Late);
        assert_eq!(reason(|| answer(400, "too old sample")), Reason::Late);
        assert_eq!(reason(|| answer(400, "duplicate sample for timestamp")), Reason::Duplicate);
        assert_eq!(reason(|| answer(413, "")), Reason::Refused);
        for reply in
            [|| answer(401, ""), || answer(404, ""), || answer(415, ""), || answer(429, ""), || answer(302, "")]
        {
            assert!(matches!(of(Protocol::V1, reply), Outcome::Again(_)));
        }
    }

    #[test]
    fn victoria_metrics_imports_lines() {
        let inf = f64::INFINITY;
        let all =
            [series("a{b=\"c\\\"d\"}", &[(1, 0.5), (2, f64::NAN), (3, inf), (4, -inf)]), series("e", &[(5, 1e300)])];
        let server = Server::start(|_| answer(204, ""));
        assert_eq!(delivery(&server, Protocol::VmImport).send(&all), ALL);
        let asked = &server.asked()[0];
        assert_eq!(asked.target, "/api/v1/import");
        let lines: Vec<_> = std::str::from_utf8(&asked.body).unwrap().lines().collect();
        assert_eq!(lines[0], r#"{"metric":{"__name__":"a","b":"c\"d"},"values":[0.5],"timestamps":[1]}"#);
        assert!(lines[1].ends_with(r#""values":[null,"Infinity","-Infinity"],"timestamps":[2,3,4]}"#));
        let second: serde_json::Value = serde_json::from_str(lines[2]).unwrap();
        assert_eq!(second["values"][0].as_f64().unwrap().to_bits(), 1e300_f64.to_bits());
    }
}
