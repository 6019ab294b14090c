//! How the data of a session grew, in sentences.

use rlad::Series;
use rlad::active::{ChangedAnswer, Growth};

use crate::figures::{count, stretch};

/// The most series and answers that are named.
const MAX_NAMED: usize = 5;

/// What a user is told when a session goes on over data that grew.
pub(crate) fn sentences(growth: &Growth, series: &[Series]) -> Vec<String> {
    let mut all = Vec::new();
    let mut grown = vec![count(growth.new_points, "new point")];
    if !growth.new_series.is_empty() {
        grown.push(format!("{}: {}", count(growth.new_series.len(), "new series"), named(&growth.new_series)));
    }
    all.push(format!(
        "the data have grown by {}; the next questions are about what is new",
        grown.join(", among them ")
    ));
    if !growth.ended_series.is_empty() {
        let ended = &growth.ended_series;
        let are = if ended.len() == 1 { "is" } else { "are" };
        all.push(format!("{} {are} not there any more: {}", count(ended.len(), "series"), named(ended)));
    }
    if !growth.out_of_range.is_empty() {
        let left = &growth.out_of_range;
        let what =
            if left.len() == 1 { "series left the range that it was" } else { "series left the range that they were" };
        all.push(format!("{} {what} trained on: {}", left.len(), named(left)));
    }
    if growth.past_answers > 0 {
        let answers = count(growth.past_answers, "answer");
        let is = if growth.past_answers == 1 { "is" } else { "are" };
        all.push(format!(
            "{answers} {is} about points that are not there any more; the detector still learns from what was said"
        ));
    }
    if !growth.changed.is_empty() {
        let of = |changed: &ChangedAnswer| {
            let series = &series[changed.series];
            let times = series.timestamps();
            format!("`{}` {}", series.name(), stretch(series.time_format(), times[changed.first], times[changed.last]))
        };
        let some: Vec<String> = growth.changed.iter().take(MAX_NAMED).map(of).collect();
        let answers = count(growth.changed.len(), "answer");
        let more = if growth.changed.len() > MAX_NAMED { ", …" } else { "" };
        all.push(format!(
            "the values under {answers} are others now: {}{more}; the answers stand, look at them again",
            some.join("; ")
        ));
    }
    all
}

/// The first names of a list.
fn named(names: &[String]) -> String {
    let mut some: Vec<String> = names.iter().take(MAX_NAMED).map(|name| format!("`{name}`")).collect();
    if names.len() > MAX_NAMED {
        some.push("…".to_owned());
    }
    some.join(", ")
}

#[cfg(test)]
mod tests {
    use rlad::data::{NANOS_PER_SECOND, TimeFormat};

    use super::*;

    #[test]
    fn what_grew_is_told() {
        let times = (0..100).map(|i| i * 3_600 * NANOS_PER_SECOND).collect();
        let series = Series::new("cpu", vec!["v".into()], TimeFormat::Seconds, times, vec![1.0; 100], None).unwrap();
        let growth = Growth { new_points: 24, ..Growth::default() };
        let all = Growth {
            new_points: 1_440,
            new_series: (1..8).map(|i| format!("host-{i}")).collect(),
            ended_series: vec!["old".into()],
            out_of_range: vec!["db".into()],
            past_answers: 3,
            changed: vec![ChangedAnswer { question: Some(4), series: 0, first: 10, last: 13 }],
        };
        let lines: Vec<String> =
            [&growth, &all].into_iter().flat_map(|growth| sentences(growth, std::slice::from_ref(&series))).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        the data have grown by 24 new points; the next questions are about what is new
        the data have grown by 1,440 new points, among them 7 new series: `host-1`, `host-2`, `host-3`, `host-4`, `host-5`, …; the next questions are about what is new
        1 series is not there any more: `old`
        1 series left the range that it was trained on: `db`
        3 answers are about points that are not there any more; the detector still learns from what was said
        the values under 1 answer are others now: `cpu` 1970-01-01 10:00 to 13:00; the answers stand, look at them again
        ");
    }
}
