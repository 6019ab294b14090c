//! The consensus of several experts' answers to one question, and how often experts agree.

use std::collections::BTreeMap;

use crate::config::Conflict;
use crate::data::label::{Answer, Label, Span};

/// An expert's answer to a question.
#[derive(Clone, Copy, Debug)]
pub struct Opinion<'a> {
    /// The expert.
    pub who: &'a str,
    /// Their answer.
    pub answer: &'a Answer,
}

/// The answer that is learned from, of those that experts gave to a question about `point`, in the order in which they
/// gave them; of each expert the last one counts. `None` without answers.
///
/// An expert alone is taken at their word. Of several, those who skipped do not count, and:
/// [`Conflict::Latest`] takes the last answer. [`Conflict::Majority`] gives each point the label that most of those have who
/// labelled it, and none where as many say the other; where half of the experts or more are unsure, or the point that was
/// asked about is left without a label, the answer is *unsure*. [`Conflict::Unsure`] does so where any two differ about a
/// point: it is left without a label.
#[must_use]
pub fn resolve(opinions: &[Opinion<'_>], point: usize, rule: Conflict) -> Option<Answer> {
    let mut last: Vec<Opinion<'_>> = Vec::new();
    for opinion in opinions {
        last.retain(|other| other.who != opinion.who);
        last.push(*opinion);
    }
    let latest = last.last()?.answer;
    let telling: Vec<&Answer> = last.iter().map(|of| of.answer).filter(|answer| **answer != Answer::Skip).collect();
    match (telling.as_slice(), rule) {
        ([], _) => Some(latest.clone()),
        ([.., one], Conflict::Latest) | ([one], _) => Some((*one).clone()),
        (several, rule) => Some(vote(several, point, rule)),
    }
}

fn vote(answers: &[&Answer], point: usize, rule: Conflict) -> Answer {
    let n_unsure = answers.iter().filter(|answer| ***answer == Answer::Unsure).count();
    let too_many = match rule {
        Conflict::Unsure => n_unsure > 0,
        _ => 2 * n_unsure >= answers.len(),
    };
    if too_many {
        return Answer::Unsure;
    }
    let mut votes: BTreeMap<usize, [usize; 2]> = BTreeMap::new();
    for answer in answers {
        let Answer::Spans(spans) = answer else { continue };
        for (point, label) in spans.iter().flat_map(|span| (span.first..=span.last).map(|point| (point, span.label))) {
            votes.entry(point).or_default()[label.action()] += 1;
        }
    }
    let decided = |votes: &[usize; 2]| match (votes, rule) {
        ([_, 0], _) => Some(Label::Normal),
        ([0, _], _) => Some(Label::Anomaly),
        (_, Conflict::Unsure) => None,
        ([normal, anomaly], _) if normal > anomaly => Some(Label::Normal),
        ([normal, anomaly], _) if normal < anomaly => Some(Label::Anomaly),
        _ => None,
    };
    let mut spans: Vec<Span> = Vec::new();
    for (point, label) in votes.iter().filter_map(|(point, votes)| Some((*point, decided(votes)?))) {
        match spans.last_mut() {
            Some(span) if span.label == label && span.last + 1 == point => span.last = point,
            _ => spans.push(Span { first: point, last: point, label }),
        }
    }
    let answer = Answer::Spans(spans);
    if answer.label_at(point).is_some() { answer } else { Answer::Unsure }
}

/// How often two answers to the same question were the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Agreement {
    /// The pairs of answers that say the same of the point that was asked about.
    pub same: usize,
    /// All pairs.
    pub asked: usize,
}

/// The agreement within experts (pairs of answers by one of them, one after the other) and between them (of each two
/// experts, their last answers) on a question about `point`. Who skips has not answered.
#[must_use]
pub fn agreements(opinions: &[Opinion<'_>], point: usize) -> (Agreement, Agreement) {
    let mut last: Vec<Opinion<'_>> = Vec::new();
    let (mut within, mut between) = (Agreement::default(), Agreement::default());
    let count = |agreement: &mut Agreement, a: &Answer, b: &Answer| {
        agreement.asked += 1;
        agreement.same += usize::from(a.label_at(point) == b.label_at(point));
    };
    for opinion in opinions.iter().filter(|opinion| *opinion.answer != Answer::Skip) {
        if let Some(before) = last.iter().find(|other| other.who == opinion.who) {
            count(&mut within, before.answer, opinion.answer);
        }
        last.retain(|other| other.who != opinion.who);
        last.push(*opinion);
    }
    for (i, a) in last.iter().enumerate() {
        last[..i].iter().for_each(|b| count(&mut between, a.answer, b.answer));
    }
    (within, between)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(of: &[(usize, usize, Label)]) -> Answer {
        Answer::Spans(of.iter().map(|&(first, last, label)| Span { first, last, label }).collect())
    }

    fn resolved(answers: &[(&str, Answer)], rule: Conflict) -> Option<Answer> {
        let opinions: Vec<Opinion<'_>> = answers.iter().map(|(who, answer)| Opinion { who, answer }).collect();
        resolve(&opinions, 5, rule)
    }

    use Label::{Anomaly, Normal};

    #[test]
    fn an_expert_alone_is_taken_at_their_word() {
        let odd = spans(&[(5, 5, Normal), (2, 4, Normal)]);
        for rule in [Conflict::Latest, Conflict::Majority, Conflict::Unsure] {
            assert_eq!(resolved(&[], rule), None);
            assert_eq!(resolved(&[("a", odd.clone())], rule), Some(odd.clone()));
            let changed = [("a", Answer::Unsure), ("b", Answer::Skip), ("a", odd.clone())];
            assert_eq!(resolved(&changed, rule), Some(odd.clone()), "{rule:?}");
            assert_eq!(resolved(&[("a", odd.clone()), ("b", Answer::Skip)], rule), Some(odd.clone()), "{rule:?}");
            assert_eq!(resolved(&[("a", Answer::Skip), ("b", Answer::Skip)], rule), Some(Answer::Skip));
        }
    }

    #[test]
    fn rules_by_hand() {
        let (yes, no) = (spans(&[(4, 4, Normal), (5, 6, Anomaly)]), spans(&[(4, 6, Normal)]));
        let two = [("a", yes.clone()), ("b", no.clone())];
        assert_eq!(resolved(&two, Conflict::Latest), Some(no.clone()));
        assert_eq!(resolved(&two, Conflict::Majority), Some(Answer::Unsure), "one against one");
        assert_eq!(resolved(&two, Conflict::Unsure), Some(Answer::Unsure));
        let three = [two[0].clone(), two[1].clone(), ("c", spans(&[(5, 5, Anomaly)]))];
        let most = spans(&[(4, 4, Normal), (5, 5, Anomaly)]);
        assert_eq!(resolved(&three, Conflict::Majority), Some(most), "of point 6 one says so and one not");
        let near = [("a", yes), ("b", spans(&[(4, 5, Anomaly)]))];
        assert_eq!(resolved(&near, Conflict::Unsure), Some(spans(&[(5, 6, Anomaly)])));
        let unsure = [("a", no.clone()), ("b", Answer::Unsure)];
        assert_eq!(resolved(&unsure, Conflict::Majority), Some(Answer::Unsure));
        let unsure = [("a", no.clone()), ("b", Answer::Unsure), ("c", no.clone())];
        assert_eq!(resolved(&unsure, Conflict::Majority), Some(no));
        assert_eq!(resolved(&unsure, Conflict::Unsure), Some(Answer::Unsure));
    }

    #[test]
    fn agreement_by_hand() {
        let (yes, no) = (spans(&[(5, 6, Anomaly)]), spans(&[(4, 6, Normal)]));
        let (skip, unsure) = (Answer::Skip, Answer::Unsure);
        let of = |answers: &[(&'static str, &Answer)]| {
            let opinions: Vec<_> = answers.iter().map(|&(who, answer)| Opinion { who, answer }).collect();
            let (within, between) = agreements(&opinions, 5);
            [within.same, within.asked, between.same, between.asked]
        };
        assert_eq!(of(&[("a", &yes)]), [0; 4]);
        assert_eq!(of(&[("a", &yes), ("a", &no), ("a", &no)]), [1, 2, 0, 0]);
        assert_eq!(of(&[("a", &yes), ("b", &no), ("c", &no), ("d", &skip)]), [0, 0, 1, 3]);
        assert_eq!(of(&[("a", &unsure), ("b", &unsure), ("b", &no)]), [0, 1, 0, 1]);
    }
}
