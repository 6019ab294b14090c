//! Why an event was called, in words: for the terminal, the report, the file of events and its pictures.

use rlad::Label;
use rlad::data::{Departure, Event, Explanation, Likeness, Reason, Side};
use rlad::features::{Feature, Trailing};

use crate::figures::{figure, moment, rough};

/// What answers added is told from this many log-odds on.
const TOLD: f64 = 0.5;

/// The value against what was usual, in a few words: `94.2, usually 31 to 52`. `named`: whether to name the channel.
pub(crate) fn against_usual(departure: &Departure, named: bool) -> String {
    let usual = if departure.side().is_some() { "usually" } else { "within the usual" };
    format!("{}, {usual} {}", value_of(departure, named), range_of(departure))
}

fn value_of(Departure { channel, value, .. }: &Departure, named: bool) -> String {
    if named { format!("`{channel}` {}", figure(*value)) } else { figure(*value) }
}

fn range_of(Departure { low, high, .. }: &Departure) -> String {
    if low < high { format!("{} to {}", rough(*low), rough(*high)) } else { figure(*low) }
}

/// Why an event was called, in a sentence without its full stop, whose first part is of the value; empty where nothing is known. `n_channels`: of the series.
pub(crate) fn why(event: &Event, n_channels: usize) -> String {
    let Some(Explanation { departure, reasons, learned, likeness }) = &event.explanation else { return String::new() };
    let named = n_channels > 1;
    let mut parts = Vec::new();
    if let Some(departure) = departure {
        let (side, but) = match departure.side() {
            Some(Side::Above) => ("above", ""),
            Some(Side::Below) => ("below", ""),
            None => ("within", ", so that what is odd is how it moves"),
        };
        parts.push(format!("{} is {side} the usual {}{but}", value_of(departure, named), range_of(departure)));
    }
    if !reasons.is_empty() {
        let reason = |Reason { channel, feature, share }: &Reason| {
            let of = if named { format!("in `{channel}` ") } else { String::new() };
            format!("{of}{} ({:.0} %)", of_feature(feature), share * 100.0)
        };
        parts.push(format!("rare: {}", reasons.iter().map(reason).collect::<Vec<_>>().join(", ")));
    }
    match learned {
        Some(learned) if *learned >= TOLD => parts.push(format!("answers speak for it ({learned:+.1})")),
        Some(learned) if *learned <= -TOLD => parts.push(format!("answers speak against it ({learned:+.1})")),
        _ => {}
    }
    parts.extend(likeness.map(|likeness| of_likeness(event, likeness)));
    parts.join("; ")
}

fn of_likeness(event: &Event, Likeness { timestamp, label, is_within }: Likeness) -> String {
    let at = moment(event.time_format, timestamp);
    match (is_within, label) {
        (true, _) => "you marked it as an anomaly".to_owned(),
        (false, Label::Anomaly) => format!("like the anomaly that you marked at {at}"),
        (false, Label::Normal) => format!("like {at}, which you marked as normal"),
    }
}

/// What a feature looks at, in words.
fn of_feature(name: &str) -> String {
    let Ok(feature) = name.parse::<Feature>() else { return format!("`{name}`") };
    let last = |window: Trailing| match window {
        Trailing::Points(n) => format!("the last {n} values"),
        Trailing::Day => "the last day".to_owned(),
    };
    match feature {
        Feature::MinMax => "its place between the lowest and the highest value".to_owned(),
        Feature::Value => "its distance from the level of the last week".to_owned(),
        Feature::Difference(1) => "the change from the value before".to_owned(),
        Feature::Difference(n) => format!("the change over {n} values"),
        Feature::Median(window) => format!("its distance from the median of {}", last(window)),
        Feature::ZScore(window) => format!("its distance from the mean of {}", last(window)),
        Feature::Deviation(window) => format!("how far {} spread", last(window)),
        Feature::Range(window) => format!("how far it is beyond {}", last(window)),
        Feature::Season | Feature::SeasonScore => "its distance from what is usual at this time of the day".to_owned(),
        Feature::SeasonStep => "the change for this time of the day".to_owned(),
        Feature::Week => "its distance from what is usual at this hour of the week".to_owned(),
        Feature::Residual(n) => format!("the distance of the last {n} values from the usual day"),
        Feature::Unchanged => "how long it has not changed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rlad::data::{NANOS_PER_SECOND, TimeFormat};

    use super::*;

    #[test]
    fn an_explanation_is_a_sentence() {
        let at = 1_470_346_800 * NANOS_PER_SECOND;
        let departure =
            |value| Departure { channel: "cpu".into(), timestamp: at, value, expected: 40.0, low: 31.0, high: 49.0 };
        let reason = |feature: &str, share| Reason { channel: "cpu".into(), feature: feature.into(), share };
        let likeness = |label, is_within| Likeness { timestamp: at - 86_400 * NANOS_PER_SECOND, label, is_within };
        let event = |explanation| Event {
            series: "host".into(),
            time_format: TimeFormat::Seconds,
            start: at,
            end: at,
            n_points: 1,
            peak: 5.0,
            peak_timestamp: at,
            explanation: Some(explanation),
            why: String::new(),
        };
        let full = Explanation {
            departure: Some(departure(94.23)),
            reasons: vec![reason("difference:1", 0.41), reason("season-score", 0.3), reason("deviation:1d", 0.12)],
            learned: Some(1.3),
            likeness: Some(likeness(Label::Anomaly, false)),
        };
        let within = Explanation {
            departure: Some(departure(41.0)),
            reasons: vec![reason("unchanged", 0.6)],
            learned: Some(-0.8),
            likeness: Some(likeness(Label::Normal, false)),
        };
        let below = Explanation {
            departure: Some(departure(3.0)),
            learned: Some(0.1),
            likeness: Some(likeness(Label::Anomaly, true)),
            ..Explanation::default()
        };
        let all = [(full.clone(), 1), (full, 2), (within, 1), (below, 1), (Explanation::default(), 1)];
        let told = all.map(|(explanation, n_channels)| why(&event(explanation), n_channels));
        insta::assert_snapshot!(told.join("\n"), @r"
        94.23 is above the usual 31 to 49; rare: the change from the value before (41 %), its distance from what is usual at this time of the day (30 %), how far the last day spread (12 %); answers speak for it (+1.3); like the anomaly that you marked at 2016-08-03 21:40
        `cpu` 94.23 is above the usual 31 to 49; rare: in `cpu` the change from the value before (41 %), in `cpu` its distance from what is usual at this time of the day (30 %), in `cpu` how far the last day spread (12 %); answers speak for it (+1.3); like the anomaly that you marked at 2016-08-03 21:40
        41 is within the usual 31 to 49, so that what is odd is how it moves; rare: how long it has not changed (60 %); answers speak against it (-0.8); like 2016-08-03 21:40, which you marked as normal
        3 is below the usual 31 to 49; you marked it as an anomaly
        ");
    }

    #[test]
    fn every_feature_of_the_default_preset_has_words() {
        for feature in Feature::DEFAULT {
            assert!(!of_feature(&feature.to_string()).contains('`'), "{feature}");
        }
        assert_eq!(of_feature("of-a-later-version"), "`of-a-later-version`");
    }
}
