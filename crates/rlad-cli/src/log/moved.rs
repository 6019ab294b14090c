//! Entries of a log where their points are now: since they were written the data may have grown, or lost old points.

use std::collections::BTreeMap;

use rlad::Series;

use super::annotation::Annotated;
use super::entry::{Entry, LogAction, LoggedAnnotation, Presence};

/// Puts the annotations of entries where their series and their times are in the data.
pub(crate) fn move_to(entries: &mut [(i64, Entry)], series: &[Series], index: &BTreeMap<String, usize>) {
    for (_, entry) in entries {
        if let LogAction::Annotate(logged) = &mut entry.action {
            let series = index.get(&logged.series).and_then(|index| series.get(*index));
            logged.presence = series.map_or(Presence::Gone, |series| moved(logged, series));
        }
    }
}

/// Moves an annotation to where its times are in the series.
fn moved(logged: &mut LoggedAnnotation, series: &Series) -> Presence {
    let times = series.timestamps();
    let spans = logged.annotation.spans();
    let point = logged.question.as_ref().map_or(0, |question| question.point);
    let first = spans.iter().map(|span| span.first).min().unwrap_or(point);
    let last = spans.iter().map(|span| span.last).max().unwrap_or(point);
    let (from, to) = (times.binary_search(&logged.times.0).ok(), times.binary_search(&logged.times.1).ok());
    // A log may hold any numbers: none of them overflows here.
    let shift = |now: usize, then: usize| now as i128 - then as i128;
    let (shift, kept) = match (from, to) {
        (None, None) => return Presence::Gone,
        (Some(from), Some(to)) => (shift(from, first), from..to + 1),
        (Some(from), None) => (shift(from, first), from..times.partition_point(|time| *time <= logged.times.1)),
        (None, Some(to)) => (shift(to, last), times.partition_point(|time| *time < logged.times.0)..to + 1),
    };
    if let Some(question) = &mut logged.question {
        question.point = (question.point as i128 + shift).clamp(0, times.len() as i128 - 1) as usize;
    }
    if spans.is_empty() {
        return Presence::Whole;
    }
    let is_whole = kept.len() as i128 == last as i128 + 1 - first as i128;
    let mut n_left = 0;
    for span in spans_of(&mut logged.annotation) {
        let (first, last) = (span.first as i128 + shift, span.last as i128 + shift);
        let (first, last) = (first.max(kept.start as i128), last.min(kept.end as i128 - 1));
        // What lies outside is left as a span that ends before it begins, and taken out below.
        (span.first, span.last) = if first <= last { (first as usize, last as usize) } else { (1, 0) };
        n_left += usize::from(first <= last);
    }
    if n_left == 0 {
        return Presence::Gone;
    }
    if let Annotated::Spans { spans } = &mut logged.annotation {
        spans.retain(|span| span.first <= span.last);
    }
    if is_whole { Presence::Whole } else { Presence::Part }
}

fn spans_of(annotation: &mut Annotated) -> &mut [rlad::Span<rlad::data::Annotation>] {
    match annotation {
        Annotated::Spans { spans } => spans,
        Annotated::Marked { spans } | Annotated::Painted { spans } | Annotated::Late { spans } => spans,
        Annotated::Unsure | Annotated::Skip => &mut [],
    }
}

#[cfg(test)]
mod tests {
    use rlad::Span;
    use rlad::active::Reason;
    use rlad::data::{Annotation, TimeFormat};

    use super::super::annotation::times;
    use super::super::entry::{AnnotationSource, AnsweredQuestion};
    use super::*;

    /// A series with a point at each of these times.
    fn series(name: &str, times: Vec<i64>) -> Series {
        let values = times.iter().map(|time| *time as f64).collect();
        Series::new(name, vec!["v".into()], TimeFormat::Index, times, values, None).unwrap()
    }

    fn entry(series: &Series, point: usize, spans: &[(usize, usize)]) -> (i64, Entry) {
        let label = Annotation::Anomaly;
        let spans: Vec<Span<Annotation>> = spans.iter().map(|&(first, last)| Span { first, last, label }).collect();
        let annotation = if spans.is_empty() { Annotated::Unsure } else { Annotated::Spans { spans } };
        let reason = Reason::Strategy;
        let question = AnsweredQuestion { id: 0, round: 0, point, reason, score: 0.0, model: None, again: false };
        let logged = LoggedAnnotation {
            source: AnnotationSource::Question,
            question: Some(question),
            series: series.name().to_owned(),
            times: times(&annotation, series, point),
            annotation,
            comment: None,
            step: None,
            presence: Presence::Whole,
        };
        let action = LogAction::Annotate(Box::new(logged));
        (1, Entry { who: "a".into(), time: jiff::Timestamp::UNIX_EPOCH, taught: 0, seconds: 0.0, client: None, action })
    }

    /// The point, the spans and the presence of an entry over other data.
    fn over(mut entry: (i64, Entry), data: &Series) -> (usize, Vec<(usize, usize)>, Presence) {
        let data = std::slice::from_ref(data);
        move_to(std::slice::from_mut(&mut entry), data, &super::super::index_of(data));
        let LogAction::Annotate(logged) = entry.1.action else { unreachable!("it was made as one") };
        let spans = logged.annotation.spans().iter().map(|span| (span.first, span.last)).collect();
        (logged.question.unwrap().point, spans, logged.presence)
    }

    #[test]
    fn labels_stay_at_their_times() {
        let then = series("a", (100..200).collect());
        let answer = || entry(&then, 50, &[(48, 49), (52, 55)]);
        let all = (50, vec![(48, 49), (52, 55)]);
        assert_eq!(over(answer(), &then), (all.0, all.1.clone(), Presence::Whole));
        // Later points, and a window that moved on.
        assert_eq!(over(answer(), &series("a", (100..300).collect())), (all.0, all.1, Presence::Whole));
        let moved = series("a", (140..300).collect());
        assert_eq!(over(answer(), &moved), (10, vec![(8, 9), (12, 15)], Presence::Whole));
        // Part of it left.
        assert_eq!(over(answer(), &series("a", (149..300).collect())).2, Presence::Part);
        assert_eq!(over(answer(), &series("a", (153..300).collect())), (0, vec![(0, 2)], Presence::Part));
        // A point that came late, between two of its own.
        let late = (100..200).flat_map(|time| if time == 150 { vec![2 * time, 2 * time + 1] } else { vec![2 * time] });
        let then = series("a", (100..200).map(|time| 2 * time).collect());
        let (_, spans, presence) = over(entry(&then, 50, &[(48, 55)]), &series("a", late.collect()));
        assert_eq!((spans, presence), (vec![(48, 55)], Presence::Part));
    }

    #[test]
    fn what_is_not_there_is_gone() {
        let then = series("a", (100..200).collect());
        for data in [series("a", (156..300).collect()), series("b", (100..300).collect())] {
            assert_eq!(over(entry(&then, 50, &[(48, 55)]), &data).2, Presence::Gone);
        }
        assert_eq!(over(entry(&then, 50, &[]), &series("a", (160..300).collect())).2, Presence::Gone);
        assert_eq!(over(entry(&then, 50, &[]), &series("a", (140..300).collect())), (10, vec![], Presence::Whole));
    }

    #[test]
    fn a_window_that_moves_keeps_what_it_holds() {
        let then = series("a", (0..30).collect());
        for (begin, end) in (0..30_usize).flat_map(|begin| (begin + 1..45).map(move |end| (begin, end))) {
            let now = series("a", (begin as i64..end as i64).collect());
            for (first, last) in (0..30_usize).flat_map(|first| (first..30).map(move |last| (first, last))) {
                let (_, spans, presence) = over(entry(&then, first, &[(first, last)]), &now);
                let at_time = |point: usize| now.timestamps()[point] as usize;
                if presence == Presence::Gone {
                    // A span that reaches beyond the window on both sides has neither of its ends in it.
                    assert!(last < begin || first >= end || first < begin && last >= end);
                } else {
                    let (a, b) = spans[0];
                    assert_eq!((at_time(a), at_time(b)), (first.max(begin), last.min(end - 1)));
                    assert_eq!(presence == Presence::Whole, first >= begin && last < end);
                }
            }
        }
    }
}
