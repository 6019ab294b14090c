//! Links that open a point.

use super::*;

fn at(series: &str, at: &str) -> String {
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    format!("/api/point?series={}&at={}", encode(series), encode(at))
}

#[test]
fn a_link_leads_to_the_alarm_that_covers_its_time() {
    let fixture = Fixture::usual();
    {
        let mut state = fixture.server.lock();
        for (id, alarm) in [(0, 18..23), (2, 18..25)] {
            state.questions.get_mut(&id).unwrap().alarm = Some(alarm);
        }
    }
    let found = |time: &str| fixture.read(&at("db/cpu", time));
    // 22 hours: in both alarms, of which the last one is asked first; then the one that is open.
    assert_eq!(found("79200")["question"], json!(2));
    fixture.answer("ada", 2, "anomaly");
    assert_eq!(found("79200")["question"], json!(0));
    assert_eq!(
        (&found("1970-01-02T00:59:59Z")["question"], &found("1970-01-02T01:00:00Z")["question"]),
        (&json!(2), &Value::Null)
    );
    assert_eq!(fixture.read(&at("db/Memory", "79200"))["question"], Value::Null, "an alarm is of one series");
}

#[test]
fn without_an_alarm_it_leads_to_the_series_and_what_stands_out_there() {
    let fixture = Fixture::usual();
    let found = fixture.read(&at("db/cpu", "1970-01-05T00:30:00Z"));
    assert_eq!((&found["point"], &found["time"]), (&json!(96), &json!("1970-01-05T00:00:00Z")));
    assert_eq!((&found["series"]["index"], &found["series"]["n_points"]), (&json!(0), &json!(600)));
    let (first, last) = (found["first"].as_u64().unwrap(), found["last"].as_u64().unwrap());
    assert!(first <= 96 && 96 <= last && last - first < 7, "{found}");
}

#[test]
fn a_link_that_leads_nowhere_says_why() {
    let fixture = Fixture::usual();
    let (status, reply) = fixture.get(&at("http_requests_total{code=\"500\"}", "0"));
    assert_eq!(
        (status, reply["error"].as_str().unwrap()),
        (404, "there is no series http_requests_total{code=\"500\"} in the data")
    );
    let (status, reply) = fixture.get(&at("web", "1970-01-03T03:00:01Z"));
    let told = "web has no data at 1970-01-03T03:00:01Z: they go from 1970-01-01T00:00:00Z to 1970-01-03T01:00:00Z";
    assert_eq!((status, reply["error"].as_str().unwrap()), (404, told));
    // The last point's step is still its own.
    assert_eq!(fixture.read(&at("web", "1970-01-03T02:00:00Z"))["point"], json!(49));
    assert_eq!(fixture.get(&at("web", "yesterday")).0, 400);
    assert_eq!(fixture.get("/api/point?series=web").0, 400);
}
