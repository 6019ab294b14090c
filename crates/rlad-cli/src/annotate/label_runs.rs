//! What every series is labelled as, for people to look at, and how often experts agree.

use rlad::Answer;
use rlad::active::{Agreement, Opinion, agreements, resolve};
use rlad::config::{AnswerKind, Conflict};

use super::runs::{Mark, Runs};
use super::{Desk, State};
use crate::log::{Said, SaidLabel, Saying, allowed};

/// What stands at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Marks {
    /// Of each series.
    pub(crate) series: Vec<Runs>,
    /// The points with a mark.
    pub(crate) n_points: usize,
    /// Those of them that are anomalies.
    pub(crate) n_anomalies: usize,
    /// How often an expert says the same twice.
    pub(crate) within: Agreement,
    /// How often two experts say the same.
    pub(crate) between: Agreement,
}

type Paint = (usize, usize, Option<Mark>);

impl Desk {
    /// What stands; worked out anew where something was said since.
    pub(super) fn marks(&self, state: &mut State) -> std::sync::Arc<Marks> {
        if let Some(marks) = &state.marks {
            return std::sync::Arc::clone(marks);
        }
        let marks = std::sync::Arc::new(self.work_out_marks(state));
        state.marks = Some(std::sync::Arc::clone(&marks));
        marks
    }

    fn work_out_marks(&self, state: &State) -> Marks {
        let mut marks = Marks { series: vec![Runs::default(); self.data.series.len()], ..Marks::default() };
        // (order, series, what is painted), in the order in which a round learns from it.
        let mut painted: Vec<(i64, usize, Vec<Paint>)> = Vec::new();
        for asked in state.questions.values() {
            let shown = (&asked.query, asked.shown.clone());
            let Ok((opinions, last)) = self.reading().opinions(&state.standing, &shown) else { continue };
            let opinions: Vec<Opinion<'_>> = opinions.iter().map(|(who, answer)| Opinion { who, answer }).collect();
            let point = asked.query.point;
            let (within, between) = agreements(&opinions, point);
            for (sum, of) in [(&mut marks.within, within), (&mut marks.between, between)] {
                sum.same += of.same;
                sum.asked += of.asked;
            }
            let Some(answer) = resolve(&opinions, point, self.settings.experts.conflict) else { continue };
            let alone = opinions.iter().all(|opinion| opinion.who == opinions[0].who);
            let latest = state.standing.answers_to(asked.query.id).last();
            let of = match latest {
                Some((.., saying)) if alone || self.settings.experts.conflict == Conflict::Latest => {
                    let allowed = allowed(point, asked.shown.clone(), self.settings.kind);
                    paint_of(saying, point, &allowed, self.settings.kind)
                }
                _ => paint_of_answer(&answer, point),
            };
            painted.push((last, asked.query.series, of));
        }
        for (number, _, saying) in state.standing.sayings().filter(|(_, _, saying)| saying.asked.is_none()) {
            if let Some(&series) = self.data.index.get(&saying.series) {
                let spans = saying.said.spans().into_iter();
                painted.push((
                    number,
                    series,
                    spans.map(|(first, last, label)| (first, last, mark_of(label))).collect(),
                ));
            }
        }
        painted.sort_by_key(|(number, ..)| *number);
        for (_, series, paints) in painted {
            let end = self.data.series[series].len() - 1;
            for (first, last, mark) in paints {
                marks.series[series].paint(first, last.min(end), mark);
            }
        }
        for runs in &marks.series {
            let (points, anomalies) = runs.counts();
            marks.n_points += points;
            marks.n_anomalies += anomalies;
        }
        marks
    }
}

/// The mark of a label; that of an expected event where there is none.
const fn mark_of(label: Option<SaidLabel>) -> Option<Mark> {
    match label {
        None => Some(Mark::Expected),
        Some(SaidLabel::Normal) => Some(Mark::Normal),
        Some(SaidLabel::Anomaly) => Some(Mark::Anomaly),
        Some(SaidLabel::Unknown) => None,
    }
}

fn paint_of(saying: &Saying, point: usize, allowed: &std::ops::Range<usize>, kind: AnswerKind) -> Vec<Paint> {
    let spans = saying.said.spans().into_iter().map(|(first, last, label)| (first, last, mark_of(label)));
    match saying.said {
        Said::Unsure | Said::Skip => vec![(point, point, None)],
        Said::Expected { .. } if kind == AnswerKind::Range => {
            std::iter::once((allowed.start, allowed.end - 1, Some(Mark::Normal))).chain(spans).collect()
        }
        _ => spans.collect(),
    }
}

fn paint_of_answer(answer: &Answer, point: usize) -> Vec<Paint> {
    match answer {
        Answer::Unsure | Answer::Skip => vec![(point, point, None)],
        Answer::Spans(spans) => {
            spans.iter().map(|span| (span.first, span.last, mark_of(Some(SaidLabel::from(span.label))))).collect()
        }
    }
}
