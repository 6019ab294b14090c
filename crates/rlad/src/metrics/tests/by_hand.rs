//! Range-based, affiliation, volume and NAB metrics on values that can be checked in the head.

use super::*;

#[test]
fn alarms_and_segments_that_fill_a_series_are_one_range() {
    let got = one("####", "1111", 0);
    assert_eq!(got.range, Quality { precision: Some(1.0), recall: Some(1.0), f1: 1.0 });
    assert_eq!(got.affiliation, Quality { precision: Some(1.0), recall: Some(1.0), f1: 1.0 });
    assert_eq!((got.auc_roc, got.vus_pr, got.vus_roc), (None, None, None), "there is no normal point to tell apart");
    assert_eq!(got.auc_pr, Some(1.0));
}

#[test]
fn ranges_by_hand() {
    // A segment of 4 of which two runs cover 2 points: .2 + .8 (2/4) / 2; one that is missed. Runs: 1, 1/2, 0.
    let got = one("..####..##..", "001001100001", 0).range;
    assert_eq!(got.recall, Some((0.2 + 0.8 * 0.5 / 2.0) / 2.0));
    assert_eq!(got.precision, fraction(1, 2));
}

#[test]
fn affiliation_by_hand() {
    // One segment [4, 6) in the zone [0, 10), one alarm [7, 8): a random time of the zone is within d of the segment with
    // probability (2 + 2 d) / 10, and d is 1.5 in the mean.
    let got = one("....##....", "0000000100", 0).affiliation;
    assert!((got.precision.unwrap() - 0.5).abs() < 1e-15);
    // Times of the segment are 1.5 before the alarm in the middle of the halves at distance 2.5 and 1.5: within that distance
    // of them lie 5 and 3 of 10 times.
    assert!((got.recall.unwrap() - 0.6).abs() < 1e-15);
    // An alarm in the zone of the other segment is no alarm of this one.
    let got = one("..#......#..", "001000000000", 0).affiliation;
    assert_eq!((got.precision, got.recall), (Some(1.0), Some(0.5)));
}

#[test]
fn alarms_everywhere_are_affiliated_half() {
    // A segment [20, 21) in the zone [0, 40): 1 inside, 1 - (1 + 2 d) / 40 up to 19 on either side, 1 - (20 + d) / 40 beyond.
    let got = one("....................#...................", &"1".repeat(40), 0).affiliation;
    assert!((got.precision.unwrap() - (1.0 + 9.5 + 9.5 + 0.0125) / 40.0).abs() < 1e-15);
    assert_eq!(got.recall, Some(1.0));
}

#[test]
fn volumes_by_hand() {
    // Five points, a segment of one, no buffer: at its own score of 3 it is found alone; recall, precision and area are 1.
    let judge = |truth_text: &str, scores_text: &str, buffer| {
        let scored =
            [ScoredSeries { truth: &truth(truth_text), scores: &scores(scores_text), threshold: 0.0, alarms: None }];
        let got = evaluate(&scored, &EvaluateOptions { vus_buffer: Some(buffer), ..EvaluateOptions::default() });
        (got.vus_pr.unwrap().value, got.vus_roc.unwrap().value)
    };
    let close = |got: (f64, f64), want: (f64, f64)| (got.0 - want.0).abs() < 1e-14 && (got.1 - want.1).abs() < 1e-14;
    assert!(close(judge("..#..", "01312", 0), (1.0, 1.0)));
    // The alarm comes one point late: found second, so at recall 1 precision is 1/2; one of four normal points is before it.
    assert!(close(judge("..#..", "01230", 0), (0.5, 0.75)));
    // With a buffer of 2, the late point weighs √½. At the first threshold TP = √½ and P = 1 + √½ / 2; at the second TP = 1 + √½
    // exceeds P, so that recall is 1, precision TP / 2.
    let (late, without) = (0.5_f64.sqrt(), judge("..#..", "01230", 1));
    let recall = late / (1.0 + late / 2.0);
    let area = recall * late + (1.0 - recall) * f64::midpoint(1.0, late);
    assert!((judge("..#..", "01230", 2).0 - (2.0 * without.0 + area) / 3.0).abs() < 1e-14);
}

#[test]
fn a_series_without_scores_has_the_volumes_of_silence() {
    let got = one("..##..", "------", 0);
    assert_eq!((got.auc_roc, got.auc_pr), (Some(0.5), Some(0.0)));
    assert_eq!((got.vus_pr.unwrap().value.to_bits(), got.vus_roc.unwrap().value.to_bits()), (0, 0.5_f64.to_bits()));
    let nab = got.nab.unwrap().standard;
    assert_eq!(nab, NabScore { score: 0.0, best: NabBest { threshold: None, score: 0.0 } });
}

#[test]
fn points_of_unknown_truth_at_the_ends_change_nothing() {
    let inner = one("..###..?#....#.", "0413-2010203001", 1);
    let outer = one("????..###..?#....#.??", "99990413-201020300199", 1);
    assert_eq!(inner, outer);
}

#[test]
fn nab_by_hand() {
    // A window of five found at its third point, at y = -3/5; a false alarm 2 points after its end, at y = 2/4.
    let got = one("..#####....", "00001000200", 0).nab.unwrap();
    let sigmoid = |y: f64| 2.0 / (1.0 + (5.0 * y).exp()) - 1.0;
    let sum = sigmoid(-0.6) / sigmoid(-1.0) + 0.11 * sigmoid(0.5);
    assert!((got.standard.score - 100.0 * (sum + 1.0) / 2.0).abs() < 1e-12);
    let sum = sigmoid(-0.6) / sigmoid(-1.0) + 0.22 * sigmoid(0.5);
    assert!((got.reward_low_fp_rate.score - 100.0 * (sum + 1.0) / 2.0).abs() < 1e-12);
    assert_eq!(got.standard.best.threshold, Some(0.0), "the false alarm scores higher than the hit");
    // An alarm at the first point of each window is perfect; a window of one point has one place; alarms after it cost in full.
    assert!((one("#..###", "100100", 0).nab.unwrap().standard.score - 100.0).abs() < 1e-12);
    assert!((one("#..", "110", 0).nab.unwrap().standard.score - 94.5).abs() < 1e-12);
}

#[test]
fn nothing_counts_in_the_probation() {
    // 20 points: the first three are the probation, with a false alarm and a window; a window that reaches out of it counts.
    let judge = |truth_text: &str, scores_text: &str| {
        let scored =
            [ScoredSeries { truth: &truth(truth_text), scores: &scores(scores_text), threshold: 0.0, alarms: None }];
        let options = EvaluateOptions { nab: Some(NabOptions { probation: true }), ..EvaluateOptions::default() };
        evaluate(&scored, &options).nab.map(|nab| nab.standard.score)
    };
    assert_eq!(judge(".#..................", "11000000000000000000"), None);
    assert_eq!(judge(".#.........##.......", "10000000000100000000"), Some(100.0));
    assert_eq!(judge("..##................", "10100000000000000000"), Some(0.0));
    assert!(judge("..##................", "00010000000000000000").unwrap() > 50.0);
}
