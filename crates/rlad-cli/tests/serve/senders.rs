//! Senders that double each other, whose clock is wrong, or that bring far too many series.

use std::time::Instant;

use super::sender::{Series, body, now_ms};
use super::service::{Service, write_config};

const MINUTE: i64 = 60_000;

fn dropped(service: &Service, reason: &str) -> u64 {
    service.metric(&format!("rlad_samples_dropped_total{{reason=\"{reason}\"}}")).unwrap_or(0.0) as u64
}

/// The value and the time of the last point of a series, as the list of series has them.
fn last(service: &Service, part: &str) -> serde_json::Value {
    let (_, text) = service.get(&format!("/api/v1/series?name={part}"));
    serde_json::from_str::<serde_json::Value>(&text).unwrap()[0].clone()
}

#[test]
fn two_senders_a_clock_that_goes_back_and_one_that_is_ahead_cost_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let more = "[learning]\nenabled = false\n[[watch]]\nmatch = '{__name__=\"load\"}'\nstep = \"1m\"\nas = \"value\"\n";
    let service = Service::start(&write_config(folder.path(), "", "", more));
    let begin = (now_ms() / MINUTE - 120) * MINUTE;
    let send = |at: i64, value: f64| service.write(&body(vec![Series::new("load", "a", [(at, value)])]));
    let received = || service.metric("rlad_samples_received_total{protocol=\"v1\"}").unwrap_or(0.0) as u64;
    // A pair: the second one sends the same series seven seconds later.
    for minute in 0..60 {
        send(begin + minute * MINUTE, 1.0);
        send(begin + minute * MINUTE + 7_000, 2.0);
    }
    assert_eq!((received(), dropped(&service, "double")), (60, 60));
    // The first one fails, and the second one is taken from then on.
    for minute in 60..70 {
        send(begin + minute * MINUTE + 7_000, 2.0);
    }
    assert_eq!((received(), dropped(&service, "double")), (70, 60));
    // A clock that goes back by an hour, and comes up to where it was.
    for minute in 10..70 {
        send(begin + minute * MINUTE, 3.0);
    }
    assert_eq!((received(), dropped(&service, "late")), (70, 60));
    send(begin + 71 * MINUTE, 4.0);
    assert_eq!(received(), 71);
    // One that is ahead by an hour, which must not make all others late.
    send(now_ms() + 60 * MINUTE, 5.0);
    assert_eq!((received(), dropped(&service, "ahead")), (71, 1));
    send(begin + 72 * MINUTE, 6.0);
    assert_eq!(received(), 72);
    assert_eq!(last(&service, "load")["step_seconds"], 60.0);
}

#[test]
fn a_burst_of_new_names_is_bounded_and_idle_series_leave() {
    let folder = tempfile::tempdir().unwrap();
    let more = "[learning]\nenabled = false\n[limits]\nmax_new_series_per_minute = 1000\nidle_series = \"5s\"\n";
    let service = Service::start(&write_config(folder.path(), "", "snapshot_every = \"1s\"", more));
    let known = |service: &Service| service.write(&body(vec![Series::new("load", "known", [(now_ms(), 1.0)])]));
    known(&service);
    let before = service.memory();
    let begun = Instant::now();
    for part in 0..10 {
        let names = (0..5_000).map(|i| Series::new("burst", &format!("{part}-{i:040}"), [(now_ms(), 1.0)]));
        service.write(&body(names.collect()));
        known(&service);
    }
    let taken = begun.elapsed();
    service.wait("the count of series", |service| service.metric("rlad_series").is_some_and(|n| n > 900.0));
    let (n_series, too_many) = (service.metric("rlad_series").unwrap() as u64, dropped(&service, "too_many_series"));
    let grown = service.memory().saturating_sub(before) >> 20;
    println!("50,000 new names in {taken:?}: {n_series} series, {too_many} samples left out, {grown} MiB more memory");
    // The minute may have turned once or twice meanwhile.
    assert!((1_000..=3_000).contains(&n_series) && too_many >= 47_000, "{n_series} {too_many}");
    assert_eq!(n_series - 1 + too_many, 50_000);
    assert!(grown < 64, "{grown} MiB");
    // The known one goes on; the others are idle, and leave.
    service.wait("the end of idle series", |service| {
        known(service);
        service.metric("rlad_series") == Some(1.0)
    });
    assert!(service.get("/api/v1/series").1.contains("known"));
}
