mod by_hand;
mod others;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::quality::fraction;
use super::*;
use crate::data::label::Label;

const A: Option<Label> = Some(Label::Anomaly);
const N: Option<Label> = Some(Label::Normal);

/// Truth written as `.` normal, `#` anomaly, `?` unknown.
fn truth(text: &str) -> Vec<Option<Label>> {
    text.chars()
        .map(|c| match c {
            '#' => A,
            '.' => N,
            _ => None,
        })
        .collect()
}

/// Scores written as digits, `-` where there is none.
fn scores(text: &str) -> Vec<f64> {
    text.chars().map(|c| c.to_digit(10).map_or(f64::NAN, f64::from)).collect()
}

/// The evaluation of one series whose points with a score above 0 are alarms.
fn one(truth_text: &str, scores_text: &str, delay: usize) -> Evaluation {
    at_delay(
        &[ScoredSeries { truth: &truth(truth_text), scores: &scores(scores_text), threshold: 0.0, alarms: None }],
        delay,
    )
}

/// Every metric with a largest delay.
fn at_delay(scored: &[ScoredSeries<'_>], delay: usize) -> Evaluation {
    evaluate(scored, &EvaluateOptions { delay, ..EvaluateOptions::default() })
}

fn counted(hits: usize, false_alarms: usize, misses: usize) -> Quality {
    Counts { hits, false_alarms, misses }.quality()
}

/// The same numbers to 1e-12, the same keys, where `want` has them.
fn assert_close(got: &Value, want: &Value, path: &str) {
    match (got, want) {
        (_, Value::Object(want)) => {
            for (key, want) in want {
                assert_close(&got[key], want, &format!("{path}.{key}"));
            }
        }
        (Value::Number(got), Value::Number(want)) => {
            let (got, want) = (got.as_f64().unwrap(), want.as_f64().unwrap());
            assert!((got - want).abs() <= 1e-12, "{path}: got {got}, want {want}");
        }
        _ => assert_eq!(got, want, "{path}"),
    }
}

fn reference() -> Value {
    serde_json::from_str(include_str!("../../tests/reference/metrics.json")).unwrap()
}

#[test]
fn random_layouts_are_scored_as_by_scikit_learn_and_by_definition() {
    for (number, case) in reference()["cases"].as_array().unwrap().iter().enumerate() {
        let values = |series: &Value, key: &str| -> Vec<Option<f64>> {
            series[key].as_array().unwrap().iter().map(Value::as_f64).collect()
        };
        let label = |value: Option<f64>| value.map(|value| if value > 0.5 { Label::Anomaly } else { Label::Normal });
        let series: Vec<_> = case["series"]
            .as_array()
            .unwrap()
            .iter()
            .map(|series| {
                let truth: Vec<_> = values(series, "truth").into_iter().map(label).collect();
                let scores: Vec<_> =
                    values(series, "scores").into_iter().map(|score| score.unwrap_or(f64::NAN)).collect();
                (truth, scores, series["threshold"].as_f64().unwrap())
            })
            .collect();
        let scored: Vec<_> = series
            .iter()
            .map(|(truth, scores, threshold)| ScoredSeries { truth, scores, threshold: *threshold, alarms: None })
            .collect();
        let delay = usize::try_from(case["evaluation"]["delay"]["k"].as_u64().unwrap()).unwrap();
        let got = at_delay(&scored, delay);
        assert_close(&serde_json::to_value(got).unwrap(), &case["evaluation"], &format!("case {number}"));

        // The oracle thresholds are thresholds: set to them, the series are scored as was said.
        for best in [got.best.strict, got.best.delay] {
            let threshold = best.threshold.unwrap();
            let scored: Vec<_> = scored.iter().map(|scored| ScoredSeries { threshold, ..*scored }).collect();
            let got = at_delay(&scored, delay);
            assert!(got.strict == best.quality || got.delay.quality == best.quality, "case {number}, {best:?}");
        }
    }
}

#[test]
fn layouts_are_scored_as_by_the_released_code() {
    let reference = reference();
    let n = usize::try_from(reference["n_points_of_a_layout"].as_u64().unwrap()).unwrap();
    for case in reference["layouts"].as_array().unwrap() {
        let points = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        let mut truth = vec![N; n];
        for segment in case["segments"].as_array().unwrap() {
            truth[points(&segment[0])..points(&segment[1])].fill(A);
        }
        let mut scores = vec![0.0; n];
        for alarm in case["alarms"].as_array().unwrap() {
            scores[points(alarm)] = 1.0;
        }
        let got = serde_json::to_value(at_delay(
            &[ScoredSeries { truth: &truth, scores: &scores, threshold: 0.5, alarms: None }],
            7,
        ))
        .unwrap();
        for metric in ["official", "strict", "point_adjusted"] {
            assert_close(&got[metric], &case[metric], &format!("{}, {metric}", case["name"]));
        }
    }
}

#[test]
fn json_has_the_documented_form() {
    // Alarms at all but the first point and the last; the highest score is a false alarm.
    let got = one("..##..", "031202", 7);
    let json = serde_json::to_value(got).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let want = "points anomalies strict delay point_adjusted event range affiliation official auc_pr auc_roc vus_pr \
                vus_roc nab per_series_mean best";
    assert_eq!(keys(&json), want);
    let quality = json!({"precision": 0.5, "recall": 1.0, "f1": 0.666_666_666_666_666_6});
    for key in ["strict", "point_adjusted"] {
        assert_eq!(json[key], quality);
    }
    assert_eq!(keys(&json["delay"]), "k precision recall f1");
    assert_eq!(keys(&json["best"]["strict"]), "threshold precision recall f1");
    assert_eq!(keys(&json["vus_pr"]), "value buffer");
    assert_eq!(keys(&json["nab"]), "probation standard reward_low_FP_rate reward_low_FN_rate");
    assert_eq!(keys(&json["nab"]["standard"]), "score best");
    assert_eq!(keys(&json["nab"]["standard"]["best"]), "threshold score");
    let means = "series strict_f1 delay_f1 event_f1 range_f1 affiliation_f1 auc_pr";
    assert_eq!(keys(&json["per_series_mean"]), means);

    let back: Evaluation = serde_json::from_str(&json.to_string()).unwrap();
    assert_eq!(back, got);
}

#[test]
fn what_is_not_asked_for_is_left_out_and_the_rest_stays() {
    let (truth, scores) = (truth("..##..#..."), scores("0132-21031"));
    let scored = [ScoredSeries { truth: &truth, scores: &scores, threshold: 1.5, alarms: None }];
    let (quick, all) = (evaluate(&scored, &EvaluateOptions::quick(7)), evaluate(&scored, &EvaluateOptions::default()));
    assert!(all.vus_pr.is_some() && all.vus_roc.is_some() && all.nab.is_some());
    assert_eq!(quick, Evaluation { vus_pr: None, vus_roc: None, nab: None, ..all });
}

#[test]
fn strict_counts_by_hand() {
    let got = one("..####..#?", "1010011001", 0);
    assert_eq!((got.points, got.anomalies), (9, 5));
    assert_eq!(got.strict, counted(2, 2, 3));
}

#[test]
fn a_segment_is_found_only_within_its_delay() {
    // A segment of four, its third point the first alarm; a false alarm before it; a single point that is missed.
    let judge = |delay| one(".1####.#".replace('1', ".").as_str(), "01001100", delay).delay.quality;
    assert_eq!(judge(1), counted(0, 1, 5), "too late: missed whole, and its alarms are not false");
    assert_eq!(judge(2), counted(4, 1, 1), "in time: found whole");
    assert_eq!(judge(usize::MAX), counted(4, 1, 1));
    assert_eq!(one("..####.#", "01000100", 0).point_adjusted, counted(4, 1, 1));
}

#[test]
fn unknown_points_end_segments_and_runs() {
    // One run of alarms over `#?#.?.`: the segments are two, the runs are `#`, `#.` and `.`, the last one wrong.
    let got = one("#?#.?.", "111111", 0);
    assert_eq!(got.event.precision, fraction(2, 3));
    assert_eq!(got.event.recall, Some(1.0));
    // The second half of the segment is a segment of its own, whose first point is no alarm.
    assert_eq!(one("##?##", "10001", 0).delay.quality, counted(2, 0, 2));
}

#[test]
fn events_by_hand() {
    // Two segments, one hit by two runs; a run outside; a run that touches a segment only with its end.
    let got = one("..###..##...", "001010010010", 0).event;
    assert_eq!((got.precision, got.recall), (fraction(3, 4), Some(1.0)));
    let got = one("..###..##...", "011000000010", 0).event;
    assert_eq!((got.precision, got.recall, got.f1.to_bits()), (fraction(1, 2), fraction(1, 2), 0.5_f64.to_bits()));
}

#[test]
fn official_repairs_far_to_the_right_and_little_to_the_left() {
    let segment = |hit: usize| {
        let truth = [vec![N; 20], vec![A; 25], vec![N; 20]].concat();
        let mut scores = vec![0.0; 65];
        scores[20 + hit] = 1.0;
        at_delay(&[ScoredSeries { truth: &truth, scores: &scores, threshold: 0.5, alarms: None }], 7).official
    };
    assert_eq!(segment(0).recall, Some(1.0), "the first point alone finds all 25");
    // The last point alone repairs 5 before it: R = (6 + 1) / (25 + 1).
    assert_eq!(segment(24).recall, Some(7.0 / 26.0));
    // Add-one smoothing: 1 missed point of 1 is R = 1/2, P = 1, and no anomaly at all is 1.
    assert_eq!(one("...#...", "0000000", 7).official.recall, Some(0.5));
    assert_eq!(one("...", "000", 7).official.f1.to_bits(), 1.0_f64.to_bits());
}

#[test]
fn official_is_a_mean_over_series_that_can_be_scored() {
    let (quiet, missed, unknown) = (truth("...."), truth("#..."), truth("????"));
    let series = [&quiet, &missed, &unknown].map(|truth| ScoredSeries {
        truth,
        scores: &[0.0; 4],
        threshold: 0.5,
        alarms: None,
    });
    let got = at_delay(&series, 7).official;
    assert_eq!((got.precision, got.recall), (Some(1.0), Some(0.75)));
    assert!((got.f1 - f64::midpoint(1.0, 2.0 / 3.0)).abs() < 1e-15);
}

#[test]
fn empty_cases_are_defined() {
    let silent = Quality { precision: None, recall: Some(0.0), f1: 0.0 };
    let no_anomaly = Quality { precision: Some(0.0), recall: None, f1: 0.0 };
    let nothing = Quality::default();

    let got = one(".##.", "0000", 1);
    let counted = [got.strict, got.delay.quality, got.point_adjusted, got.event, got.range, got.affiliation];
    assert_eq!(counted, [silent; 6]);
    let got = one("....", "0100", 1);
    assert_eq!([got.strict, got.delay.quality, got.point_adjusted, got.event, got.range], [no_anomaly; 5]);
    assert_eq!(got.affiliation, nothing, "without a segment there is no zone that an alarm lies in");
    assert_eq!((got.auc_pr, got.auc_roc, got.per_series_mean), (None, None, None));
    assert_eq!((got.vus_pr, got.vus_roc, got.nab), (None, None, None));
    assert_eq!(got.best.strict, BestQuality { threshold: Some(1.0), quality: nothing });
    for got in [at_delay(&[], 1), one("", "", 1), one("???", "111", 1)] {
        assert_eq!((got.points, got.anomalies, got.official), (0, 0, nothing));
        let counted = [got.strict, got.delay.quality, got.point_adjusted, got.event, got.range, got.affiliation];
        assert_eq!(counted, [nothing; 6]);
        assert_eq!((got.auc_roc, got.vus_pr, got.nab, got.per_series_mean), (None, None, None, None));
        assert_eq!(got.best.delay, BestQuality { threshold: None, quality: nothing });
    }
    let got = one(".##.", "----", 1);
    assert_eq!((got.auc_pr, got.best.strict), (Some(0.0), BestQuality { threshold: None, quality: silent }));
}

#[test]
fn a_point_without_a_score_is_never_an_alarm() {
    let got = at_delay(
        &[ScoredSeries { truth: &[A, A, N], scores: &[f64::NAN, 1.0, f64::NAN], threshold: -1e300, alarms: None }],
        0,
    );
    assert_eq!(got.strict, counted(1, 0, 1));
    assert_eq!(got.auc_pr, Some(0.5));
    let got = at_delay(
        &[ScoredSeries { truth: &[A, N], scores: &[f64::NEG_INFINITY, f64::INFINITY], threshold: 0.0, alarms: None }],
        0,
    );
    assert_eq!((got.auc_pr, got.best.strict.threshold), (Some(0.0), Some(f64::INFINITY)));
}

#[test]
fn the_best_threshold_of_a_delay_sees_only_the_first_points_of_a_segment() {
    // The segment's later 9 is of no use: it is found below its first point's 3, together with the false 5.
    let got = one("..##.", "05391", 0).best.delay;
    assert_eq!(got, BestQuality { threshold: Some(1.0), quality: counted(2, 1, 0) });
}

proptest! {
    #[test]
    fn laws_hold_on_any_layout(
        points in prop::collection::vec((0_u8..5, 0_u8..7), 1..120),
        delay in 0_usize..10,
        threshold in 0_u8..7,
    ) {
        let truth: Vec<_> = points.iter().map(|point| [N, N, A, A, None][usize::from(point.0)]).collect();
        let scores: Vec<_> = points.iter().map(|point| if point.1 == 6 { f64::NAN } else { f64::from(point.1) }).collect();
        let threshold = f64::from(threshold) - 0.5;
        let scored = ScoredSeries { truth: &truth, scores: &scores, threshold, alarms: None };
        let got = at_delay(&[scored], delay);

        // Bounds.
        for Quality { precision, recall, f1 } in [
            got.strict, got.delay.quality, got.point_adjusted, got.event, got.range, got.affiliation, got.official,
            got.best.strict.quality, got.best.delay.quality,
        ] {
            for fraction in [precision, recall, Some(f1)].into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&fraction), "{:?}", got);
            }
        }
        for area in [got.auc_pr, got.auc_roc, got.vus_pr.map(|volume| volume.value)].into_iter().flatten() {
            prop_assert!((0.0..=1.0 + 1e-12).contains(&area), "{:?}", got);
        }
        for profile in got.nab.iter().flat_map(|nab| [nab.standard, nab.reward_low_fp_rate, nab.reward_low_fn_rate]) {
            prop_assert!(profile.score <= profile.best.score + 1e-9 && profile.best.score <= 100.0 + 1e-9);
            prop_assert!(profile.best.score >= 0.0);
        }
        prop_assert!(got.point_adjusted.f1 >= got.strict.f1.max(got.delay.quality.f1));
        prop_assert!(got.best.strict.quality.f1 >= got.strict.f1 && got.best.delay.quality.f1 >= got.delay.quality.f1);

        // Truth and alarms swapped: precision and recall swap.
        let alarms: Vec<_> = truth
            .iter()
            .zip(&scores)
            .map(|(label, score)| label.map(|_| if *score > threshold { Label::Anomaly } else { Label::Normal }))
            .collect();
        let as_scores: Vec<_> = truth.iter().map(|label| if *label == A { 1.0 } else { 0.0 }).collect();
        let swapped = at_delay(&[ScoredSeries { truth: &alarms, scores: &as_scores, threshold: 0.5 , alarms: None }], delay);
        for (one, other) in [(got.strict, swapped.strict), (got.event, swapped.event)] {
            prop_assert_eq!((one.precision, one.recall), (other.recall, other.precision));
            prop_assert!((one.f1 - other.f1).abs() < 1e-15);
        }

        // Silence finds nothing; all alarms find all, as precise as anomalies are common.
        let silent = at_delay(&[ScoredSeries { threshold: f64::INFINITY, ..scored }], delay);
        for quality in [silent.strict, silent.delay.quality, silent.point_adjusted, silent.event] {
            prop_assert!(quality.precision.is_none() && quality.recall.unwrap_or(0.0) <= 0.0);
        }
        let loud = at_delay(&[ScoredSeries { scores: &vec![1.0; truth.len()], threshold: 0.0, ..scored }], delay);
        for quality in [loud.strict, loud.delay.quality, loud.point_adjusted] {
            prop_assert_eq!(quality.precision, fraction(got.anomalies, got.points));
            prop_assert_eq!(quality.recall, (got.anomalies > 0).then_some(1.0));
        }
        // All scores equal: the average precision is the fraction of anomalies.
        let want = fraction(got.anomalies, got.points).filter(|fraction| *fraction > 0.0);
        prop_assert_eq!(loud.auc_pr.is_some(), want.is_some());
        prop_assert!((loud.auc_pr.unwrap_or(0.0) - want.unwrap_or(0.0)).abs() < 1e-12);

        // A series twice is as the series once, for everything that is pooled.
        let twice = at_delay(&[scored, scored], delay);
        prop_assert_eq!(
            (twice.strict, twice.delay, twice.point_adjusted, twice.event, twice.best, twice.auc_roc),
            (got.strict, got.delay, got.point_adjusted, got.event, got.best, got.auc_roc)
        );
        prop_assert!((twice.range.f1 - got.range.f1).abs() < 1e-12);
        prop_assert!((twice.affiliation.f1 - got.affiliation.f1).abs() < 1e-12);
        prop_assert_eq!(affiliation(&[scored, scored]), twice.affiliation);
    }

    #[test]
    fn no_other_threshold_does_better(
        points in prop::collection::vec((0_u8..3, 0_u8..9), 1..60),
        split in 0_usize..60,
        k in 0_usize..5,
        other in -1.0_f64..10.0,
    ) {
        let truth: Vec<_> = points.iter().map(|point| [N, A, None][usize::from(point.0)]).collect();
        let scores: Vec<_> = points.iter().map(|point| if point.1 == 8 { f64::NAN } else { f64::from(point.1) }).collect();
        let split = split.min(truth.len());
        let scored = |threshold| {
            [0..split, split..truth.len()].map(|part| ScoredSeries { truth: &truth[part.clone()], scores: &scores[part], threshold, alarms: None })
        };
        // All thresholds that differ: each score, the number below it, those between two scores, and any other.
        let between = (0..=8).flat_map(|score| [f64::from(score), f64::from(score).next_down(), f64::from(score) + 0.5]);
        for threshold in between.chain([other, f64::NEG_INFINITY]) {
            let got = evaluate(&scored(threshold), &EvaluateOptions::quick(k));
            for (goal, f1) in [(Goal::Strict, got.strict.f1), (Goal::Delay { k }, got.delay.quality.f1)] {
                prop_assert!(best_threshold(&scored(f64::NAN), goal).quality.f1 >= f1, "{goal:?}, {threshold}");
            }
        }
        for goal in [Goal::Strict, Goal::Delay { k }] {
            let best = best_threshold(&scored(0.0), goal);
            let got = evaluate(&scored(best.threshold.unwrap_or(0.0)), &EvaluateOptions::quick(k));
            let reached = if goal == Goal::Strict { got.strict } else { got.delay.quality };
            prop_assert_eq!(reached.f1.to_bits(), best.quality.f1.to_bits());
        }
    }
}

#[test]
fn a_shift_of_all_scores_and_thresholds_changes_only_the_best_threshold() {
    let (truth, scores) = (truth("..###..?#..#"), scores("132320-11204"));
    let shifted: Vec<f64> = scores.iter().map(|score| score + 16.0).collect();
    let one = at_delay(&[ScoredSeries { truth: &truth, scores: &scores, threshold: 2.0, alarms: None }], 1);
    let other = at_delay(&[ScoredSeries { truth: &truth, scores: &shifted, threshold: 18.0, alarms: None }], 1);
    let mut want = json!(one);
    let nab = ["standard", "reward_low_FP_rate", "reward_low_FN_rate"].map(|profile| format!("/nab/{profile}/best"));
    for best in ["/best/strict", "/best/delay"].into_iter().chain(nab.iter().map(String::as_str)) {
        let best = want.pointer_mut(best).unwrap();
        best["threshold"] = json!(best["threshold"].as_f64().unwrap() + 16.0);
    }
    assert_eq!(json!(other), want);
}
