//! Annotations that nobody asked for, and answers that change earlier ones.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::BTreeSet;
use std::path::Path;

use rlad::active::Feedback;
use rlad::data::{NANOS_PER_SECOND, TimeFormat};
use rlad::{Answer, Config, Label, Query, Series, Session, Span};

/// A daily wave with a spike at every 97th point.
fn series(name: &str) -> Series {
    let times = (0..900_i64).map(|i| i * 1800 * NANOS_PER_SECOND).collect();
    let value = |i: usize| (i as f64 / 48.0 * std::f64::consts::TAU).sin() + if is_spike(i) { 4.0 } else { 0.0 };
    Series::new(name, vec!["v".into()], TimeFormat::Seconds, times, (0..900).map(value).collect(), None).unwrap()
}

const fn is_spike(point: usize) -> bool {
    point % 97 == 31
}

fn session(series: &[Series]) -> Session {
    let mut config = Config { questions: 40, ..Config::default() };
    config.warm_up.n_highest = 2;
    config.warm_up.n_lowest = 2;
    config.warm_up.n_middle = 2;
    config.query.per_round = 8;
    config.query.pool = 300;
    config.query.min_distance = 8;
    config.query.shown = 7;
    config.agent.n_members = 2;
    config.agent.n_units = 8;
    config.agent.head_units = 8;
    config.agent.batch = 64;
    config.agent.final_steps = 40;
    Session::new(config, series.to_vec()).unwrap()
}

fn truth(session: &Session, query: &Query) -> Answer {
    let span = |point: usize| {
        let label = if is_spike(point) { Label::Anomaly } else { Label::Normal };
        Span { first: point, last: point, label }
    };
    Answer::Spans(session.shown(query).map(span).collect())
}

fn answers(session: &mut Session) -> Vec<(u64, Answer)> {
    let queries = session.query().to_vec();
    queries.iter().map(|query| (query.id, truth(session, query))).collect()
}

fn as_feedback(answers: &[(u64, Answer)]) -> Vec<Feedback> {
    answers.iter().map(|(question, answer)| Feedback::Answer { question: *question, answer: answer.clone() }).collect()
}

fn unprompted(first: usize, last: usize, label: Option<Label>) -> Feedback {
    Feedback::Unprompted { series: 0, spans: vec![Span { first, last, label }] }
}

#[test]
fn answers_alone_come_to_the_same_bytes_however_they_are_taught() {
    let series = [series("a"), series("b")];
    let (mut one, mut other) = (session(&series), session(&series));
    let mut said = Vec::new();
    loop {
        let of_round = answers(&mut one);
        if of_round.is_empty() {
            break;
        }
        assert_eq!(answers(&mut other), of_round);
        // The order in which several experts answer does not matter where their answers do not overlap.
        let mut feedback = as_feedback(&of_round);
        feedback.reverse();
        said.extend(feedback);
        let summary = one.teach(&of_round).unwrap();
        assert_eq!(other.teach_all(&said).unwrap(), summary);
        assert!(one.checkpoint() == other.checkpoint());
    }
    assert!(one.finish().unwrap().to_bytes() == other.finish().unwrap().to_bytes());
}

#[test]
fn unprompted_labels_count_as_points_and_survive_a_checkpoint() {
    let series = [series("a"), series("b")];
    let mut session = session(&series);
    let asked = session.query().to_vec();
    let mut said = as_feedback(&answers(&mut session));
    said.push(unprompted(500, 520, Some(Label::Normal)));
    said.push(unprompted(510, 515, Some(Label::Anomaly)));
    said.push(unprompted(520, 2_000, None));
    let summary = session.teach_all(&said).unwrap();
    let shown = asked.iter().flat_map(|query| session.shown(query).map(|point| (query.series, point)));
    let mut points: BTreeSet<(usize, usize)> = shown.collect();
    points.extend((500..=520).map(|point| (0, point)));
    points.retain(|(series, point)| *series != 0 || *point < 520);
    assert_eq!((summary.questions, summary.labelled_points), (asked.len(), points.len()));
    assert!(summary.labelled_anomalies >= 6);
    let checkpoint = session.checkpoint();
    let mut resumed = Session::resume(Path::new("c"), &checkpoint, series.to_vec(), None).unwrap();
    assert!(resumed.checkpoint() == checkpoint);
    // Both go on alike, by either call.
    let of_round = answers(&mut session);
    assert_eq!(answers(&mut resumed), of_round);
    said.extend(as_feedback(&of_round));
    let of_session = session.teach_all(&said).unwrap();
    assert_eq!(resumed.teach(&of_round).unwrap(), of_session);
    assert!(resumed.checkpoint() == session.checkpoint());
    // Once they are taken back, nothing of them is left.
    said.retain(|item| matches!(item, Feedback::Answer { .. }));
    let of_round = answers(&mut session);
    said.extend(as_feedback(&of_round));
    session.teach_all(&said).unwrap();
    assert!(!String::from_utf8_lossy(&session.checkpoint()).contains("\"unprompted\""));
}

#[test]
fn answers_to_earlier_questions_can_be_changed_and_withdrawn() {
    let series = [series("a"), series("b")];
    let mut session = session(&series);
    let mut said = as_feedback(&answers(&mut session));
    session.teach_all(&said).unwrap();
    let before = session.answered().to_vec();
    let (changed, withdrawn) = (before[0].0.clone(), before[1].0.clone());
    let turned = Answer::Spans(vec![Span { first: changed.point, last: changed.point, label: Label::Anomaly }]);
    said[0] = Feedback::Answer { question: changed.id, answer: turned.clone() };
    said.remove(1);
    let of_round = answers(&mut session);
    said.extend(as_feedback(&of_round));
    session.teach_all(&said).unwrap();
    assert_eq!((&session.answered()[0].1, &session.answered()[1].1), (&turned, &Answer::Skip));
    assert_eq!(session.answered()[1].0, withdrawn);
    assert_eq!(session.answered().len(), before.len() + of_round.len());
    // A round without questions learns from what was said since.
    let round = session.round();
    session.set_questions(session.answered().len());
    assert!(session.query().is_empty());
    said.push(unprompted(600, 610, Some(Label::Normal)));
    assert_eq!(session.teach_all(&said).unwrap().round, round);
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_lost() {
    let series = [series("a")];
    let mut session = session(&series);
    let of_round = as_feedback(&answers(&mut session));
    let twice = [of_round[0].clone(), of_round[0].clone()];
    let unknown = [Feedback::Answer { question: 999, answer: Answer::Skip }];
    let nowhere = [Feedback::Unprompted { series: 7, spans: Vec::new() }];
    let before = session.checkpoint();
    for (feedback, problem) in
        [(&twice[..], "is not the only one"), (&unknown[..], "was not asked"), (&nowhere[..], "series 7 is not in")]
    {
        let error = session.teach_all(feedback).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
        assert!(session.checkpoint() == before);
    }
}

#[test]
fn similar_windows_are_open_ones_that_do_not_overlap() {
    let series = [series("a"), series("b")];
    let similar = session(&series).similar_windows();
    let spike = 97 * 4 + 31;
    let is_open = |of: usize, point: usize| !(of == 1 && point < 450);
    let found = similar.nearest(0, spike, 6, is_open);
    assert_eq!(found.len(), 6);
    assert!(found.windows(2).all(|pair| pair[0].distance <= pair[1].distance));
    for (i, a) in found.iter().enumerate() {
        assert!(is_open(a.series, a.point) && (a.series != 0 || a.point.abs_diff(spike) >= 25));
        assert!(found[..i].iter().all(|b| a.series != b.series || a.point.abs_diff(b.point) >= 25));
    }
    assert!((found[0].point + 97 - 31).is_multiple_of(97), "the nearest to a spike is a spike: {found:?}");
    assert!(found.windows(2).all(|pair| pair[0].likeness >= pair[1].likeness));
    assert!(found.iter().all(|of| (0.4..=1.0).contains(&of.likeness)), "{found:?}");
    assert!(similar.nearest(0, 900, 6, is_open).is_empty() && similar.nearest(0, spike, 0, is_open).is_empty());
}

#[test]
fn nothing_is_like_a_window_that_is_like_no_other() {
    let mut values: Vec<f64> = (0..500).map(|i| f64::from(i % 7) + f64::from(i * 31 % 11) / 11.0).collect();
    // A shape of its own: a wild swing, once.
    (200..225).for_each(|i| values[i] = if i % 2 == 0 { 400.0 } else { -300.0 });
    let times = (0..500).map(|i| i * 60_000_000_000).collect();
    let alone = Series::new("a", vec!["value".to_owned()], TimeFormat::Rfc3339, times, values, None).unwrap();
    let similar = session(&[alone]).similar_windows();
    assert_eq!(similar.nearest(0, 224, 6, |_, _| true), []);
    let usual = similar.nearest(0, 150, 6, |_, _| true);
    assert!(!usual.is_empty() && usual[0].likeness > 0.4, "{usual:?}");
}
