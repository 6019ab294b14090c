//! What a session's detector rests on, in words: for the end of `rlad train`, and for the page.

use rlad::active::Grounds;
use serde_json::Value;

use crate::figures::count;

/// What somebody should know of the detector before they use it, a sentence each; none where its answers decide in every series.
pub(crate) fn sentences(grounds: &Grounds) -> Vec<String> {
    let Grounds { answers, anomalies, normal, evidence, series, series_without_answer, .. } = *grounds;
    let mut said = Vec::new();
    match (answers, anomalies, normal) {
        (0, ..) => {
            said.push("no question was answered: a point is an alarm where it is rare in its own series".to_owned());
        }
        (_, 0, _) => said.push(format!(
            "{}: alarms are still those of what is rare in each series; ask more questions, or of other series",
            none_of(answers, "an anomaly")
        )),
        (_, _, 0) => {
            said.push(format!("{}: what is normal is still what is usual in each series", none_of(answers, "normal")))
        }
        _ => {}
    }
    if answers > 0 && evidence < 0.5 {
        said.push(format!(
            "{} {} {:.0} %, what is rare in each series for the rest; from {} answers on, theirs is the larger part",
            count(answers, "answer"),
            if answers == 1 { "counts for" } else { "count for" },
            evidence * 100.0,
            grounds.answers_for_half
        ));
    }
    if answers > 0 && series_without_answer > 0 {
        said.push(format!(
            "{series_without_answer} of {} {} no answer: the answers about the others decide there",
            count(series, "series"),
            if series_without_answer == 1 { "has" } else { "have" }
        ));
    }
    said
}

/// Why no quality is expected; `None` where there are random answers enough for one.
pub(crate) fn no_quality(grounds: &Grounds) -> Option<String> {
    let Grounds { random_answers, random_answers_needed, .. } = *grounds;
    (random_answers < random_answers_needed).then(|| {
        format!(
            "expected quality: cannot be told yet; it takes {random_answers_needed} answers about points drawn at random, and there {} {random_answers}",
            if random_answers == 1 { "is" } else { "are" }
        )
    })
}

/// The expected quality of a round of the history in one line.
pub(crate) fn expected_line(expected: &Value) -> Option<String> {
    let n = expected["random_questions"].as_u64()?;
    let of = |name: &str| {
        let end = |end: &str| expected[name][end].as_f64();
        Some(format!("{:.2} ({:.2} to {:.2})", end("expected")?, end("low")?, end("high")?))
    };
    let (precision, recall, f1) = (of("precision")?, of("recall")?, of("f1")?);
    Some(format!(
        "expected of the next data, from {n} random questions: precision {precision}, recall {recall}, F1 {f1}"
    ))
}

fn none_of(answers: usize, what: &str) -> String {
    if answers == 1 { format!("the answer was not {what}") } else { format!("none of {answers} answers was {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(grounds: Grounds) -> String {
        sentences(&grounds).into_iter().chain(no_quality(&grounds)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_few_answers_are_worth_is_said() {
        let none = Grounds {
            answers: 0,
            anomalies: 0,
            normal: 0,
            evidence: 0.0,
            answers_for_half: 12,
            series: 2,
            series_without_answer: 2,
            random_answers: 0,
            random_answers_needed: 20,
        };
        let five =
            Grounds { answers: 5, normal: 125, evidence: 0.148, series_without_answer: 1, random_answers: 1, ..none };
        let only_anomalies = Grounds { answers: 1, anomalies: 3, normal: 0, evidence: 0.01, ..five };
        let both =
            Grounds { answers: 20, anomalies: 9, evidence: 0.74, series_without_answer: 0, random_answers: 5, ..five };
        let many = Grounds { answers: 60, evidence: 0.96, random_answers: 20, ..both };
        insta::assert_snapshot!([none, five, only_anomalies, both, many].map(said).join("

"), @r"
        no question was answered: a point is an alarm where it is rare in its own series
        expected quality: cannot be told yet; it takes 20 answers about points drawn at random, and there are 0

        none of 5 answers was an anomaly: alarms are still those of what is rare in each series; ask more questions, or of other series
        5 answers count for 15 %, what is rare in each series for the rest; from 12 answers on, theirs is the larger part
        1 of 2 series has no answer: the answers about the others decide there
        expected quality: cannot be told yet; it takes 20 answers about points drawn at random, and there is 1

        the answer was not normal: what is normal is still what is usual in each series
        1 answer counts for 1 %, what is rare in each series for the rest; from 12 answers on, theirs is the larger part
        1 of 2 series has no answer: the answers about the others decide there
        expected quality: cannot be told yet; it takes 20 answers about points drawn at random, and there is 1

        expected quality: cannot be told yet; it takes 20 answers about points drawn at random, and there are 5
        ");
    }
}
