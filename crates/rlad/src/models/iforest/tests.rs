use proptest::prelude::*;
use serde_json::Value;

use super::tree::{EULER_GAMMA, draw_split, goes_right, sample_without_replacement};
use super::*;

fn reference() -> Value {
    serde_json::from_str(include_str!("../../../tests/reference/iforest.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn rows(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|number| number as f32).collect()
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

/// The largest `f32` that is not above a scikit-learn threshold: the same `f32` values are `<=` both.
fn round_down(threshold: f64) -> f32 {
    let rounded = threshold as f32;
    if f64::from(rounded) > threshold { rounded.next_down() } else { rounded }
}

/// A forest of trees that scikit-learn grew, in its arrays `children_left`, `children_right`, `feature`, `threshold`
/// and `n_node_samples`.
fn forest_of(trees: &Value, n_features: usize, sample_size: usize) -> IsolationForest {
    let trees = trees.as_array().unwrap().iter().map(|arrays| {
        let at = |array: &str, node: i64| arrays[array][usize::try_from(node).unwrap()].clone();
        let mut tree = Tree::single_leaf();
        let mut open = vec![(0, 0, 0)];
        while let Some((theirs, ours, depth)) = open.pop() {
            let left = at("children_left", theirs).as_i64().unwrap();
            if left < 0 {
                let n_rows = usize::try_from(at("n_node_samples", theirs).as_u64().unwrap()).unwrap();
                tree.close(ours, depth, n_rows);
            } else {
                let right = at("children_right", theirs).as_i64().unwrap();
                let feature = usize::try_from(at("feature", theirs).as_u64().unwrap()).unwrap();
                let child = tree.split(ours, feature, round_down(at("threshold", theirs).as_f64().unwrap()));
                open.extend([(left, child, depth + 1), (right, child + 1, depth + 1)]);
            }
        }
        tree
    });
    IsolationForest { n_features, normalizer: average_path_length(sample_size), trees: trees.collect() }
}

/// Ranks from 0, the mean rank for equal values.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: f64| {
        let below = values.iter().filter(|other| **other < value).count();
        let equal = values.iter().filter(|other| other.total_cmp(&value).is_eq()).count();
        below as f64 + (equal as f64 - 1.0) / 2.0
    };
    values.iter().map(|&value| rank(value)).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let product =
        |f: &dyn Fn(f64, f64) -> f64| -> f64 { a.iter().zip(b).map(|(a, b)| f(a - mean_a, b - mean_b)).sum() };
    product(&|a, b| a * b) / (product(&|a, _| a * a) * product(&|_, b| b * b)).sqrt()
}

#[test]
fn average_path_length_is_scikit_learns() {
    for case in reference()["average_path_length"].as_array().unwrap() {
        let n = usize::try_from(case["n"].as_u64().unwrap()).unwrap();
        let want = case["c"].as_f64().unwrap();
        let got = average_path_length(n);
        assert!((got - want).abs() <= 1e-12 * want, "c({n}): got {got}, want {want}");
    }
}

#[test]
fn trees_of_scikit_learn_score_as_there() {
    let reference = reference();
    let case = &reference["trees"];
    let forest = forest_of(&case["trees"], 4, 64);
    let want = numbers(&case["scores"]);
    for (row, (got, want)) in forest.score(&rows(&reference["rows"])).into_iter().zip(&want).enumerate() {
        assert!((got - want).abs() < 1e-9, "row {row}: got {got}, want {want}");
    }
    assert_eq!(want.len(), 403, "a number that walks of eight do not divide");
}

#[test]
fn a_forest_ranks_as_scikit_learns() {
    let reference = reference();
    let rows = rows(&reference["rows"]);
    let got = IsolationForest::fit(&rows, 4, 500, 256, &mut rng()).score(&rows);
    let want = numbers(&reference["forest"]["scores"]);
    let spearman = correlation(&ranks(&got), &ranks(&want));
    let pearson = correlation(&got, &want);
    assert!(spearman > 0.98 && pearson > 0.99, "Spearman {spearman}, Pearson {pearson}");
    let difference = got.iter().zip(&want).map(|(got, want)| (got - want).abs()).fold(0.0, f64::max);
    assert!(difference < 0.03, "largest difference {difference}");
}

#[test]
fn two_different_rows_stand_at_depth_one() {
    // ψ = 2: height limit 1, c(2) = 1, each row alone at depth 1, so the score is 2^-1.
    let forest = IsolationForest::fit(&[0.0, 1.0], 1, 3, 2, &mut rng());
    assert!(forest.trees.iter().all(|tree| tree.nodes.len() == 3 && tree.path_lengths == [0.0, 1.0, 1.0]));
    assert_eq!(forest.score(&[0.0, 1.0]), [0.5, 0.5]);
}

#[test]
fn a_hand_made_tree_gives_the_score_of_equation_2() {
    // ψ = 4. Root: feature 0 above 10 is a leaf of one row at depth 1; the other three rows share a leaf at depth 1:
    // h = 1 and 1 + c(3); c(3) = 2 (ln 2 + γ) - 4/3, c(4) = 2 (ln 3 + γ) - 3/2.
    let mut tree = Tree::single_leaf();
    let left = tree.split(0, 0, 10.0);
    tree.close(left, 1, 3);
    tree.close(left + 1, 1, 1);
    let forest = IsolationForest { n_features: 1, normalizer: average_path_length(4), trees: vec![tree] };
    let c3 = 2.0 * (2.0_f64.ln() + EULER_GAMMA) - 4.0 / 3.0;
    let c4 = 2.0 * (3.0_f64.ln() + EULER_GAMMA) - 1.5;
    let scores = forest.score(&[10.0, 10.000_001, f32::NAN]);
    let want = [2.0_f64.powf(-(1.0 + c3) / c4), 2.0_f64.powf(-1.0 / c4), 2.0_f64.powf(-(1.0 + c3) / c4)];
    for (got, want) in scores.iter().zip(want) {
        assert!((got - want).abs() < 1e-15, "got {got}, want {want}");
    }
}

#[test]
fn an_outlier_scores_highest() {
    let mut rows: Vec<f32> = (0_u8..100).map(|i| f32::from(i % 10)).collect();
    rows.push(60.0);
    let scores = IsolationForest::fit(&rows, 1, 100, 64, &mut rng()).score(&rows);
    assert!(scores[..100].iter().all(|score| *score < scores[100]), "{scores:?}");
}

#[test]
fn what_cannot_be_told_apart_scores_a_half() {
    let half = |rows: &[f32], n_features| {
        let scores = IsolationForest::fit(rows, n_features, 10, 256, &mut rng()).score(rows);
        assert_eq!(scores.len(), rows.len() / n_features);
        assert!(scores.iter().all(|score| (score - 0.5).abs() < 1e-15), "{scores:?}");
    };
    half(&[3.0; 300], 3);
    half(&[1.0, 2.0], 2);
    half(&[], 2);
    half(&[f32::NAN; 40], 4);
    half(&[f32::INFINITY, 1.0, f32::NEG_INFINITY, 1.0], 1);
}

#[test]
fn constant_features_are_not_split_on() {
    let rows: Vec<f32> = (0_u8..64).flat_map(|i| [7.0, f32::from(i), f32::MAX]).collect();
    let forest = IsolationForest::fit(&rows, 3, 20, 32, &mut rng());
    let inner = forest.trees.iter().flat_map(|tree| &tree.nodes).filter(|node| node.threshold.is_finite());
    assert!(inner.clone().count() > 0 && inner.clone().all(|node| node.feature == 1));
}

#[test]
fn a_tree_is_no_deeper_than_its_limit() {
    // Powers of two: a split cuts off little more than the largest value, so only the limit ends the growth.
    let rows: Vec<f32> = (0_i16..100).map(|i| 2.0_f32.powi(i32::from(i))).collect();
    for (sample_size, limit) in [(2, 1), (3, 2), (4, 2), (5, 3), (64, 6), (65, 7)] {
        let forest = IsolationForest::fit(&rows, 1, 50, sample_size, &mut rng());
        let height = forest.trees.iter().map(|tree| tree.height).max();
        assert_eq!(height, Some(limit), "ψ = {sample_size}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let rows = rows(&reference()["rows"]);
    let run = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let forest = IsolationForest::fit(&rows, 4, 30, 128, &mut rng());
            let scores = forest.score(&rows);
            (forest, scores)
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn samples_are_drawn_without_replacement_and_evenly() {
    let mut rng = rng();
    let mut counts = [0_u32; 10];
    for _ in 0..10_000 {
        let sample = sample_without_replacement(10, 3, &mut rng);
        assert!(sample.len() == 3 && sample.is_sorted_by(|a, b| a < b));
        for number in sample {
            counts[number] += 1;
        }
    }
    // Binomial(10,000, .3): the deviation is 46.
    assert!(counts.iter().all(|count| count.abs_diff(3_000) < 230), "{counts:?}");
}

/// The scores of windows are those of the windows as rows, bit for bit, however deep the trees, long the windows and odd the values.
#[test]
fn windows_of_a_series_score_as_rows() {
    let mut rng = rng();
    // Values that stand in many windows, some of them equal, some not finite.
    let mut values: Vec<f32> = (0..5_000).map(|_| (rng.random::<f32>() * 40.0).round() / 8.0 - 1.0).collect();
    values[77] = f32::NAN;
    values[400] = f32::INFINITY;
    values[401] = f32::NEG_INFINITY;
    values[402] = -0.0;
    assert!(values.len() > FEW_WINDOWS + 66, "enough for the trees to be laid out");
    // 8 deep and shallower, one step, the longest window that is laid out and a longer one, and trees that are too deep.
    for (n_features, n_trees, sample_size) in
        [(25, 30, 256), (25, 300, 256), (1, 5, 256), (65, 20, 100), (66, 3, 256), (8, 5, 2), (8, 5, 1_000)]
    {
        let rows: Vec<f32> = values.windows(n_features).flatten().copied().collect();
        let forest = IsolationForest::fit(&rows, n_features, n_trees, sample_size, &mut rng);
        let want = forest.score(&rows);
        let got = forest.score_windows(&values);
        assert!(want.iter().map(|score| score.to_bits()).eq(got.iter().map(|score| score.to_bits())));
    }
    let forest = IsolationForest::fit(&[0.0; 50], 25, 3, 256, &mut rng);
    assert_eq!(forest.score_windows(&values[..24]), [] as [f64; 0]);
    assert_eq!(forest.score_windows(&[]), [] as [f64; 0]);
    assert_eq!(forest.score_windows(&values[..25]), [0.5]);
}

proptest! {
    #[test]
    fn a_split_sends_rows_both_ways_and_scores_lie_inside_0_and_1(
        rows in prop::collection::vec(prop_oneof![-3.0_f32..3.0, Just(f32::MAX), Just(f32::MIN), Just(0.0)], 1..200),
        seed: u64,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let sample: Vec<usize> = (0..rows.len()).collect();
        if let Some((feature, threshold)) = draw_split(&rows, &sample, &mut [0], &mut rng) {
            let n_right = rows.iter().filter(|value| goes_right(**value, threshold)).count();
            prop_assert!(feature == 0 && n_right > 0 && n_right < rows.len());
        } else {
            prop_assert!(rows.iter().all(|value| value.total_cmp(&rows[0]).is_eq()));
        }
        let scores = IsolationForest::fit(&rows, 1, 5, 32, &mut rng).score(&rows);
        prop_assert!(scores.iter().all(|score| *score > 0.0 && *score < 1.0), "{:?}", scores);
    }
}
