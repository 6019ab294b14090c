//! The database that metrics are pulled from: the query API of Prometheus, which VictoriaMetrics and Mimir have too.

mod merged;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::bail;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use merged::Merged;

use super::client::{Client, Reply, is_too_much, without_secrets};
use super::labels::Labels;
use super::wire::Sample;
use crate::advice::Advice;

/// The most points of a series that one request asks for: Prometheus refuses more than 11,000, VictoriaMetrics 30,000.
const CHUNK: i64 = 10_000;
/// Requests at a time.
const N_AT_ONCE: usize = 4;
/// How often a request is sent while the server is not there or busy.
const N_TRIES: u32 = 5;
/// The wait before the second try; it doubles from try to try.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// What a form's value keeps as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A database with the query API of Prometheus.
#[derive(Clone, Debug)]
pub(crate) struct Datasource {
    /// What stands before `/api/v1`.
    base: String,
    /// What stands behind it, with its `?`.
    query: String,
    client: Client,
    first_wait: Duration,
}

/// What a range query gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pulled {
    /// The series by their labels, each sample once and in the order of time.
    pub series: Vec<(Labels, Vec<Sample>)>,
    /// What the server warns of, each once.
    pub warnings: Vec<String>,
    /// Points of native histograms, which are not read.
    pub n_histograms: usize,
}

/// The server's answer when it refuses.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// A range query, in milliseconds and on multiples of its step.
struct Range<'a> {
    expr: &'a str,
    step: i64,
}

impl Datasource {
    /// The database at this address: what stands before `/api/v1/query_range`. Nothing is sent.
    ///
    /// # Errors
    /// If the address is none.
    pub(crate) fn new(url: &str, client: Client) -> anyhow::Result<Self> {
        let (base, query) = url.split_at(url.find('?').unwrap_or(url.len()));
        let base = base.trim_end_matches('/');
        if !base.split_once("://").is_some_and(|(of, host)| matches!(of, "http" | "https") && !host.is_empty()) {
            return Err(Advice::error(
                format!("expected the address of a database, found `{}`", without_secrets(url)),
                "for example `http://localhost:9090`: what stands before `/api/v1/query_range`".to_owned(),
            ));
        }
        let base = base.trim_end_matches("/query_range").trim_end_matches("/api/v1").to_owned();
        Ok(Self { base, query: query.to_owned(), client, first_wait: FIRST_WAIT })
    }

    /// The values of an expression at the multiples of the step from `from_ms` to `to_ms`, both ends included.
    ///
    /// # Errors
    /// If a step is not above 0, or the server has no answer, or refuses a single step. The message holds the server's.
    pub(crate) fn query_range(&self, expr: &str, from_ms: i64, to_ms: i64, step_ms: i64) -> anyhow::Result<Pulled> {
        if step_ms <= 0 || expr.trim().is_empty() {
            bail!("expected an expression and a step above 0, found `{expr}` and {step_ms} ms");
        }
        let range = Range { expr, step: step_ms };
        // Places on the grid, from the first to the last.
        let first = from_ms.div_euclid(step_ms) + i64::from(from_ms.rem_euclid(step_ms) != 0);
        let last = to_ms.div_euclid(step_ms);
        let chunks: Vec<_> = (first..=last).step_by(CHUNK as usize).collect();
        let done: Vec<_> = chunks.iter().map(|_| Mutex::new(None)).collect();
        let (next, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let at_most = AtomicI64::new(CHUNK);
        std::thread::scope(|scope| {
            for _ in 0..N_AT_ONCE.min(chunks.len()) {
                scope.spawn(|| {
                    while !has_failed.load(Ordering::Relaxed) {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(&from) = chunks.get(at) else { break };
                        let mut part = Merged::default();
                        let to = last.min(from + CHUNK - 1);
                        let result = self.pull(&range, from, to, &at_most, &mut part).map(|()| part);
                        has_failed.fetch_or(result.is_err(), Ordering::Relaxed);
                        if let Ok(mut slot) = done[at].lock() {
                            *slot = Some(result);
                        }
                    }
                });
            }
        });
        let mut merged = Merged::default();
        for part in done.into_iter().filter_map(|part| part.into_inner().ok().flatten()) {
            merged.append(part?);
        }
        Ok(Pulled {
            series: merged.series.into_iter().collect(),
            warnings: merged.warnings,
            n_histograms: merged.n_histograms,
        })
    }

    /// Pulls the places `from..=to` of the grid, in halves where the server refuses so many.
    fn pull(
        &self,
        range: &Range<'_>,
        mut from: i64,
        to: i64,
        at_most: &AtomicI64,
        merged: &mut Merged,
    ) -> anyhow::Result<()> {
        while from <= to {
            let n = at_most.load(Ordering::Relaxed).min(to - from + 1);
            let until = from + n - 1;
            match self.request(range, from, until)? {
                Ok(reply) => {
                    merged.read(&reply, (from * range.step, until * range.step)).map_err(|wrong| {
                        let url = without_secrets(&self.base);
                        anyhow::anyhow!("`{url}` gave no answer to `{}` that can be read: {wrong}", range.expr)
                    })?;
                    from = until + 1;
                }
                Err(error) if n == 1 => return Err(error),
                Err(_) => _ = at_most.fetch_min(n.div_euclid(2), Ordering::Relaxed),
            }
        }
        Ok(())
    }

    /// One request, sent again while the server is busy or away. The inner error is one that fewer points may mend.
    fn request(&self, range: &Range<'_>, from: i64, to: i64) -> anyhow::Result<anyhow::Result<Reply>> {
        let form = format!(
            "query={}&start={}&end={}&step={}",
            utf8_percent_encode(range.expr, FORM),
            seconds(from * range.step),
            seconds(to * range.step),
            seconds(range.step),
        );
        let mut wait = self.first_wait;
        for n_tried in 1.. {
            let url = self.url("/api/v1/query_range");
            let reply = self.client.post(&url, "application/x-www-form-urlencoded", &[], form.as_bytes());
            let error = match reply {
                Ok(reply) if reply.is_success() => return Ok(Ok(reply)),
                Ok(reply) => {
                    let error = self.refused(&reply, range.expr);
                    match reply.status {
                        422 | 503 => {
                            if reply.status == 503 {
                                std::thread::sleep(wait);
                            }
                            return Ok(Err(error));
                        }
                        400 if is_about_points(&reply) => return Ok(Err(error)),
                        429 | 500.. => error,
                        _ => return Err(error),
                    }
                }
                Err(error) => {
                    let is_too_much = is_too_much(&error);
                    let error = error.context(format!("the expression `{}` was not answered", range.expr));
                    if is_too_much {
                        return Ok(Err(error));
                    }
                    error
                }
            };
            if n_tried == N_TRIES {
                return Err(error);
            }
            std::thread::sleep(wait);
            wait *= 2;
        }
        unreachable!("the last try returns");
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}{}", self.base, self.query)
    }

    fn refused(&self, reply: &Reply, expr: &str) -> anyhow::Error {
        let hint = match reply.status {
            401 | 403 => "the token, password or tenant is not the server's",
            404 | 405 | 300..=399 => {
                "the address is what stands before `/api/v1/query_range`, such as `http://localhost:9090`"
            }
            429 | 500.. => "the server is busy or starting: try again later, or ask for less",
            _ => "try the expression at the server's own page",
        };
        let url = without_secrets(&self.base);
        let message = serde_json::from_slice::<Refusal>(&reply.body).map(|of| of.error);
        let message = message.map_or_else(|_| reply.summary(), |message| format!("HTTP {}: {message}", reply.status));
        Advice::error(format!("`{url}` refused `{expr}`: {message}"), hint.to_owned())
    }
}

/// Whether a 400 is about how much is asked for, and not about the expression.
fn is_about_points(reply: &Reply) -> bool {
    let Ok(refusal) = serde_json::from_slice::<Refusal>(&reply.body) else { return false };
    let text = refusal.error.to_lowercase();
    ["maximum resolution", "points", "exceeds the limit", "too many", "max-query-length"]
        .iter()
        .any(|of| text.contains(of))
}

/// Seconds with three decimals.
fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::super::client::Options;
    use super::super::client::fake::{Answer, Asked, Server, answer};
    use super::*;

    fn source(server: &Server) -> Datasource {
        let client = Client::new(&Options::default()).unwrap();
        let url = server.url("/").replace("//", "//me:secret@");
        Datasource { first_wait: Duration::from_millis(1), ..Datasource::new(&url, client).unwrap() }
    }

    /// Milliseconds of a field of the form.
    fn ms(asked: &Asked, name: &str) -> i64 {
        (asked.field(name).unwrap().parse::<f64>().unwrap() * 1000.0).round() as i64
    }

    fn n_points(asked: &Asked) -> i64 {
        (ms(asked, "end") - ms(asked, "start")) / ms(asked, "step") + 1
    }

    /// One series whose value is the second, at each step asked for, and one that is there at full minutes alone.
    fn matrix(asked: &Asked) -> Answer {
        let (mut a, mut b) = (String::new(), String::new());
        for at in (ms(asked, "start")..=ms(asked, "end")).step_by(ms(asked, "step") as usize) {
            _ = write!(a, "[{}.{:03},\"{}\"],", at / 1000, at % 1000, at / 1000);
            if at % 60_000 == 0 {
                _ = write!(b, "[{},\"1e3\"],", at / 1000);
            }
        }
        let mut rows =
            format!("{{\"metric\":{{\"__name__\":\"b\",\"x\":\"1\"}},\"values\":[{}]}}", a.trim_end_matches(','));
        if !b.is_empty() {
            _ = write!(rows, ",{{\"metric\":{{\"__name__\":\"a\"}},\"values\":[{}]}}", b.trim_end_matches(','));
        }
        answer(200, &format!("{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{rows}]}}}}"))
    }

    fn refusal(status: u16, kind: &str, error: &str) -> Answer {
        answer(status, &serde_json::json!({"status": "error", "errorType": kind, "error": error}).to_string())
    }

    /// The times of each series, checked to be those of the grid, each once.
    fn check(pulled: &Pulled, from: i64, to: i64, step: i64) {
        let (b, a) = (&pulled.series[1], &pulled.series[0]);
        assert_eq!((a.0.series_name().as_str(), b.0.series_name().as_str()), ("a", "b{x=\"1\"}"));
        let times = |samples: &[Sample]| samples.iter().map(|of| of.timestamp_ms).collect::<Vec<_>>();
        let first = (from + step - 1) / step * step;
        let grid: Vec<_> = (first..=to).step_by(step as usize).collect();
        assert_eq!(times(&b.1), grid);
        assert_eq!(times(&a.1), grid.iter().copied().filter(|at| at % 60_000 == 0).collect::<Vec<_>>());
        assert!(b.1.iter().all(|of| of.value as i64 == of.timestamp_ms / 1000));
    }

    #[test]
    fn a_long_range_comes_in_chunks_and_each_point_once() {
        let server = Server::start(|asked| {
            if n_points(asked) > 11_000 {
                refusal(400, "bad_data", "exceeded maximum resolution")
            } else {
                matrix(asked)
            }
        });
        let pulled = source(&server).query_range("rate(a[5m]) > 0", 1_001, 35_000_500, 1000).unwrap();
        check(&pulled, 1_001, 35_000_500, 1000);
        let mut asked = server.asked();
        asked.sort_by_key(|of| ms(of, "start"));
        let ranges: Vec<_> = asked.iter().map(|of| (ms(of, "start"), ms(of, "end"))).collect();
        let (first, second) = ((2_000, 10_001_000), (10_002_000, 20_001_000));
        assert_eq!(ranges, [first, second, (20_002_000, 30_001_000), (30_002_000, 35_000_000)]);
        assert_eq!(asked[0].target, "/api/v1/query_range");
        assert_eq!(asked[0].field("query").unwrap(), "rate(a[5m]) > 0");
        assert_eq!(asked[0].field("step").unwrap(), "1.000");
        assert_eq!(asked[0].header("authorization"), Some("Basic bWU6c2VjcmV0"));
    }

    #[test]
    fn a_range_without_a_multiple_of_the_step_is_empty() {
        let server = Server::start(matrix);
        let source = source(&server);
        assert_eq!(source.query_range("a", 1_001, 1_999, 1000).unwrap(), Pulled::default());
        assert_eq!(server.asked().len(), 0);
        assert_eq!(source.query_range("a", 1_000, 1_000, 1000).unwrap().series[0].1.len(), 1);
        assert!(source.query_range("a", 0, 1_000, 0).is_err());
        assert!(source.query_range(" ", 0, 1_000, 1).is_err());
    }

    #[test]
    fn a_chunk_that_is_too_large_is_halved() {
        type Limited = fn(&Asked) -> Answer;
        let prometheus: Limited = |_| {
            refusal(
                400,
                "bad_data",
                "exceeded maximum resolution of 3,000 points per timeseries. Try decreasing the query resolution",
            )
        };
        let victoria: Limited = |_| {
            refusal(
                422,
                "422",
                "too many points for the given step=60, start=0 and end=60: 10000; the maximum number of points: 3000",
            )
        };
        let busy: Limited = |_| answer(503, "upstream is busy");
        for refuse in [prometheus, victoria, busy] {
            let server = Server::start(move |asked| if n_points(asked) > 3000 { refuse(asked) } else { matrix(asked) });
            let pulled = source(&server).query_range("a", 0, 600_000_000, 60_000).unwrap();
            check(&pulled, 0, 600_000_000, 60_000);
            // 10,001 points: at 10,000, 5,000 and 2,500 at a time, and the second chunk's one.
            assert!(server.asked().len() <= 2 + 4 + 1, "{}", server.asked().len());
        }
    }

    #[test]
    fn a_server_that_refuses_one_step_is_quoted() {
        let server = Server::start(|_| refusal(422, "execution", "many-to-many matching not allowed"));
        let error = source(&server).query_range("a / b", 0, 1_000, 1000).unwrap_err();
        let shown = |error: &anyhow::Error| format!("{error:#}").replace(&server.address().to_string(), "HOST");
        insta::assert_snapshot!(
            shown(&error),
            @"`http://HOST` refused `a / b`: HTTP 422: many-to-many matching not allowed"
        );
        assert_eq!(server.asked().len(), 2);
    }

    #[test]
    fn a_wrong_expression_or_login_is_asked_once() {
        let told = |status, message: &'static str| {
            let server = Server::start(move |_| refusal(status, "bad_data", message));
            let error = source(&server).query_range("rate(", 0, 9_000, 1000).unwrap_err();
            assert_eq!(server.asked().len(), 1);
            let advice = error.downcast_ref::<Advice>().unwrap();
            format!("{error}\n{}", advice.hint()).replace(&server.address().to_string(), "HOST")
        };
        insta::assert_snapshot!(told(400, "1:6: parse error: unclosed left parenthesis"), @"
        `http://HOST` refused `rate(`: HTTP 400: 1:6: parse error: unclosed left parenthesis
        try the expression at the server's own page
        ");
        insta::assert_snapshot!(told(401, "no"), @"
        `http://HOST` refused `rate(`: HTTP 401: no
        the token, password or tenant is not the server's
        ");
        insta::assert_snapshot!(told(404, "page not found"), @"
        `http://HOST` refused `rate(`: HTTP 404: page not found
        the address is what stands before `/api/v1/query_range`, such as `http://localhost:9090`
        ");
    }

    #[test]
    fn a_busy_server_is_asked_again() {
        let n = AtomicUsize::new(0);
        let server = Server::start(move |asked| match n.fetch_add(1, Ordering::SeqCst) {
            0 => answer(429, "slow down"),
            1 => answer(502, ""),
            _ => matrix(asked),
        });
        check(&source(&server).query_range("a", 0, 60_000, 1000).unwrap(), 0, 60_000, 1000);
        let server = Server::start(|_| answer(500, "boom"));
        let error = source(&server).query_range("a", 0, 60_000, 1000).unwrap_err();
        assert!(format!("{error:#}").ends_with("refused `a`: HTTP 500: boom"), "{error:#}");
        assert_eq!(server.asked().len(), N_TRIES as usize);
    }

    #[test]
    fn values_of_every_kind_are_read() {
        let server = Server::start(|_| {
            answer(
                200,
                r#"{"status":"success","warnings":["w","w"],"infos":["i"],"data":{"resultType":"matrix","result":[
                {"metric":{"a":"b\"c"},"values":[[0,"NaN"],[0.5,"+Inf"],[1,"-Inf"],[1.5,"-1.5e-3"],[1.5,"7"],[99,"1"]]},
                {"metric":{"h":"1"},"histograms":[[0,{"count":"1"}],[1,{}]]}]}}"#,
            )
        });
        let pulled = source(&server).query_range("a", 0, 1_500, 500).unwrap();
        assert_eq!((pulled.warnings.as_slice(), pulled.n_histograms), (&["w".to_owned(), "i".to_owned()][..], 2));
        let [(labels, samples)] = pulled.series.as_slice() else { panic!("{pulled:?}") };
        assert_eq!(labels.get("a"), Some("b\"c"));
        let bits = |value: f64| value.to_bits();
        let values: Vec<_> = samples.iter().map(|of| (of.timestamp_ms, bits(of.value))).collect();
        let rest = [(500, bits(f64::INFINITY)), (1_000, bits(f64::NEG_INFINITY)), (1_500, bits(-0.0015))];
        assert!(samples[0].value.is_nan());
        assert_eq!(values[1..], rest);
        for body in
            ["", "<html>", "{\"status\":\"success\"}", r#"{"data":{"result":[{"metric":{},"values":[[0,"x"]]}]}}"#]
        {
            let server = Server::start(move |_| answer(200, body));
            let error = format!("{:#}", source(&server).query_range("a", 0, 500, 500).unwrap_err());
            assert!(error.contains("no answer to `a` that can be read") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_address_may_be_that_of_the_query() {
        let client = Client::new(&Options::default()).unwrap();
        let of = |url: &str| Datasource::new(url, client.clone()).map(|of| of.url("/api/v1/x"));
        assert_eq!(of("http://h/").unwrap(), "http://h/api/v1/x");
        assert_eq!(of("http://h/p/api/v1/query_range?a=b").unwrap(), "http://h/p/api/v1/x?a=b");
        assert!(of("h:9090").is_err() && of("ftp://h").is_err() && of("http://").is_err());
        assert_eq!([seconds(1), seconds(-1_500), seconds(60_000)], ["0.001", "-1.500", "60.000"]);
    }
}
