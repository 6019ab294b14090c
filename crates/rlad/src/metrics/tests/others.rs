//! The metrics of other benchmarks, as their own code computes them.

use super::*;

/// The numbers in `want` are those in `got`, to a tolerance; other keys of `got` are not looked at.
fn assert_within(got: &Value, want: &Value, tolerance: f64, path: &str) {
    match want {
        Value::Object(want) => {
            for (key, want) in want {
                assert_within(&got[key], want, tolerance, &format!("{path}.{key}"));
            }
        }
        Value::Number(want) => {
            let (got, want) = (got.as_f64().unwrap_or_else(|| panic!("{path} is {got}")), want.as_f64().unwrap());
            assert!((got - want).abs() <= tolerance, "{path}: got {got}, want {want}");
        }
        _ => assert_eq!(got, want, "{path}"),
    }
}

#[test]
fn ranges_affiliations_and_volumes_are_those_of_tsb_ad() {
    let reference: Value = serde_json::from_str(include_str!("../../../tests/reference/metrics_tsb_ad.json")).unwrap();
    for (number, case) in reference["cases"].as_array().unwrap().iter().enumerate() {
        let buffer = usize::try_from(case["buffer"].as_u64().unwrap()).unwrap();
        let options = EvaluateOptions { vus_buffer: Some(buffer), ..EvaluateOptions::default() };
        let threshold = case["threshold"].as_f64().unwrap();
        let series = case["series"].as_array().unwrap();
        let values: Vec<(Vec<Option<Label>>, Vec<f64>)> = series
            .iter()
            .map(|series| {
                let labels = series["truth"].as_str().unwrap().chars().map(|c| if c == '1' { A } else { N }).collect();
                let scores = series["scores"].as_array().unwrap().iter().map(|score| score.as_f64().unwrap()).collect();
                (labels, scores)
            })
            .collect();
        let scored: Vec<_> =
            values.iter().map(|(truth, scores)| ScoredSeries { truth, scores, threshold, alarms: None }).collect();
        for (series, scored) in series.iter().zip(&scored) {
            let mut got = serde_json::to_value(evaluate(&[*scored], &options)).unwrap();
            for volume in ["vus_pr", "vus_roc"] {
                got[volume] = got[volume]["value"].take();
            }
            let mut want = series["alone"].clone();
            want.as_object_mut().unwrap().retain(|key, _| !key.starts_with("n_"));
            assert_within(&got, &want, 1e-12, &format!("case {number}"));
        }
        let pooled = serde_json::to_value(evaluate(&scored, &options)).unwrap();
        assert_within(&pooled, &case["pooled"], 1e-12, &format!("case {number}"));
    }
}

#[test]
fn nab_scores_are_those_of_nab() {
    let reference: Value = serde_json::from_str(include_str!("../../../tests/reference/metrics_nab.json")).unwrap();
    let index = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    for case in reference["cases"].as_array().unwrap() {
        let values: Vec<(Vec<Option<Label>>, Vec<f64>)> = case["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| {
                let n_points = index(&file["points"]);
                let (mut truth, mut scores) = (vec![N; n_points], vec![0.0; n_points]);
                for window in file["windows"].as_array().unwrap() {
                    truth[index(&window[0])..index(&window[1])].fill(A);
                }
                for score in file["scores"].as_array().unwrap() {
                    scores[index(&score[0])] = score[1].as_f64().unwrap();
                }
                (truth, scores)
            })
            .collect();
        let probation = case["probation"].as_bool().unwrap_or(true);
        // An alarm of NAB is at or above its threshold, one of ours is above.
        let nab = |threshold: f64| {
            let threshold = threshold.next_down();
            let scored: Vec<_> =
                values.iter().map(|(truth, scores)| ScoredSeries { truth, scores, threshold, alarms: None }).collect();
            let options = EvaluateOptions { nab: Some(NabOptions { probation }), ..EvaluateOptions::quick(7) };
            serde_json::to_value(evaluate(&scored, &options).nab.unwrap()).unwrap()
        };
        for (profile, want) in case["profiles"].as_object().unwrap() {
            let name = format!("{}, {profile}", case["detector"]);
            for at in want["at"].as_array().unwrap() {
                let got = nab(at["threshold"].as_f64().unwrap());
                assert_within(&got[profile]["score"], &at["score"], 1e-9, &name);
            }
            let best = &want["best"];
            let got = nab(best["threshold"].as_f64().unwrap());
            assert_within(&got[profile]["score"], &best["score"], 1e-9, &name);
            assert_within(&got[profile]["best"]["score"], &best["score"], 1e-9, &name);
            let threshold = got[profile]["best"]["threshold"].as_f64().unwrap();
            assert!(threshold < best["threshold"].as_f64().unwrap(), "{name}");
            let own = nab(threshold.next_up());
            assert_within(&own[profile]["score"], &best["score"], 1e-9, &name);
            if let Some(published) = case["published"].get(profile) {
                assert_within(&got[profile]["best"]["score"], published, 1e-9, &name);
            }
        }
    }
}
