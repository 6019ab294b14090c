//! The present labels of every series, and how often experts agree, worked out from the log.

use std::ops::Range;
use std::sync::Arc;

use rlad::active::{Opinion, agreements, resolve};
use rlad::config::{AnswerKind, Conflict};
use rlad::data::Annotation;
use rlad::{Answer, Span};

use super::runs::{LabelRuns, Runs};
use super::server::{LabellingServer, State};
use crate::log::{Annotated, LoggedAnnotation, allowed};

impl LabellingServer {
    /// The present labels.
    pub(crate) fn current_labels(&self) -> Arc<LabelRuns> {
        let mut state = self.lock();
        self.label_runs(&mut state)
    }

    /// The present labels; worked out anew where something was logged since.
    pub(super) fn label_runs(&self, state: &mut State) -> Arc<LabelRuns> {
        if let Some(label_runs) = &state.label_runs {
            return Arc::clone(label_runs);
        }
        let label_runs = Arc::new(self.work_out_label_runs(state));
        state.label_runs = Some(Arc::clone(&label_runs));
        label_runs
    }

    fn work_out_label_runs(&self, state: &State) -> LabelRuns {
        let mut all = LabelRuns { series: vec![Runs::default(); self.data.series.len()], ..LabelRuns::default() };
        // (order, series, what is painted), in the order in which a round learns from it.
        let mut painted: Vec<(i64, usize, Vec<Span<Annotation>>)> = Vec::new();
        for question in state.questions.values() {
            let shown = (&question.query, question.shown.clone());
            let Ok((opinions, last)) = self.reading().opinions(&state.annotations, &shown) else { continue };
            let opinions: Vec<Opinion<'_>> = opinions.iter().map(|(who, answer)| Opinion { who, answer }).collect();
            let point = question.query.point;
            let (within, between) = agreements(&opinions, point);
            for (sum, of) in [(&mut all.within, within), (&mut all.between, between)] {
                sum.same += of.same;
                sum.asked += of.asked;
            }
            let Some(answer) = resolve(&opinions, point, self.settings.experts.conflict) else { continue };
            let alone = opinions.iter().all(|opinion| opinion.who == opinions[0].who);
            let latest = state.annotations.answers_to(question.query.id).last();
            let of = match latest {
                Some((.., logged))
                    if (alone || self.settings.experts.conflict == Conflict::Latest)
                        && logged.annotation.mark(point).is_none() =>
                {
                    let allowed = allowed(point, question.shown.clone(), self.settings.kind);
                    spans_of(logged, point, &allowed, self.settings.kind)
                }
                _ => spans_of_answer(&answer, point),
            };
            painted.push((last, question.query.series, of));
        }
        for (number, _, logged) in state.annotations.iter().filter(|(_, _, logged)| logged.question.is_none()) {
            if let Some(&series) = self.data.index.get(&logged.series) {
                painted.push((number, series, logged.annotation.spans().to_vec()));
            }
        }
        painted.sort_by_key(|(number, ..)| *number);
        for (_, series, spans) in painted {
            let end = self.data.series[series].len() - 1;
            for span in spans {
                all.series[series].paint(Span { last: span.last.min(end), ..span });
            }
        }
        for runs in &all.series {
            let (points, anomalies) = runs.counts();
            all.n_points += points;
            all.n_anomalies += anomalies;
        }
        all
    }
}

fn spans_of(
    logged: &LoggedAnnotation,
    point: usize,
    allowed: &Range<usize>,
    kind: AnswerKind,
) -> Vec<Span<Annotation>> {
    let spans = logged.annotation.spans().iter().copied();
    match logged.annotation {
        Annotated::Unsure | Annotated::Skip => vec![Span { first: point, last: point, label: Annotation::Unknown }],
        // Around an expected event all that is shown is normal.
        _ if kind == AnswerKind::Range && logged.annotation.has_expected() => {
            let around = Span { first: allowed.start, last: allowed.end - 1, label: Annotation::Normal };
            std::iter::once(around).chain(spans).collect()
        }
        _ => spans.collect(),
    }
}

fn spans_of_answer(answer: &Answer, point: usize) -> Vec<Span<Annotation>> {
    let span = |span: &Span| Span { first: span.first, last: span.last, label: span.label.into() };
    match answer {
        Answer::Unsure | Answer::Skip => vec![Span { first: point, last: point, label: Annotation::Unknown }],
        Answer::Spans(spans) => spans.iter().map(span).collect(),
    }
}
