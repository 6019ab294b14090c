use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::*;

/// Every row and feature, one split a tree, whole steps.
const STUMPS: TreesConfig = TreesConfig {
    weight: 1.0,
    n_trees: 1,
    n_leaves: 2,
    learning_rate: 1.0,
    row_fraction: 1.0,
    feature_fraction: 1.0,
    min_rows: 1,
    l2: 0.0,
};

/// The trees of all rows.
fn fit(
    rows: &[f32],
    n_features: usize,
    labels: &[bool],
    weights: &[f32],
    config: &TreesConfig,
    rng: &mut ChaCha8Rng,
) -> BoostedTrees {
    let own: Vec<usize> = (0..labels.len()).collect();
    BoostedTrees::fit(&LabelledRows::new(rows, n_features, labels, weights), &own, config, rng).0
}

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn singles(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|number| number as f32).collect()
}

#[test]
fn the_log_odds_are_lightgbm_s() {
    let file: Value = serde_json::from_str(include_str!("../../../tests/reference/trees.json")).unwrap();
    let rows = singles(&file["rows"]);
    let labels: Vec<bool> = numbers(&file["labels"]).into_iter().map(|label| label > 0.5).collect();
    for (number, case) in file["cases"].as_array().unwrap().iter().enumerate() {
        let whole = |name: &str| usize::try_from(case[name].as_u64().unwrap()).unwrap();
        let config = TreesConfig {
            n_trees: whole("n_trees"),
            n_leaves: whole("n_leaves"),
            learning_rate: case["learning_rate"].as_f64().unwrap(),
            l2: case["l2"].as_f64().unwrap(),
            ..STUMPS
        };
        let is_weighted = case["weighted"].as_bool().unwrap();
        let weights = if is_weighted { singles(&file["weights"]) } else { vec![1.0; labels.len()] };
        let trees = fit(&rows, 3, &labels, &weights, &config, &mut rng(0));
        for (got, want) in trees.log_odds(&rows).into_iter().zip(numbers(&case["log_odds"])) {
            // LightGBM keeps its gradients in single precision.
            assert!((got - want).abs() < 2e-5, "case {number}: got {got}, want {want}");
        }
    }
}

/// Six rows, half of them anomalies: p = 1/2, slopes ∓1/2, curvatures 1/4; three rows a leaf, so a leaf adds ±1.5 / .75.
#[test]
fn one_split_by_hand() {
    let rows = [1.0, 2.0, 3.0, 5.0, 6.0, 7.0];
    let labels = [false, false, false, true, true, true];
    let trees = fit(&rows, 1, &labels, &[1.0; 6], &STUMPS, &mut rng(0));
    let got = trees.log_odds(&[0.0, 3.9, 4.1, f32::INFINITY, f32::NAN]);
    assert_eq!(got, [-2.0, -2.0, 2.0, 2.0, -2.0]);
}

/// The same six rows from offsets that say all: an offset of ln 3 is p = 3/4, so slopes are 3/4 or −1/4, curvatures 3/16; three rows a leaf:
/// −2.25 / .5625 = −4 for the normal ones, +.75 / .5625 = 4/3 for the anomalies. Then a half of it counts.
#[test]
fn a_split_from_offsets_and_its_half_by_hand() {
    let rows = [1.0, 2.0, 3.0, 5.0, 6.0, 7.0];
    let labels = [false, false, false, true, true, true];
    let offsets = [3.0_f32.ln(); 6];
    let data = LabelledRows::new(&rows, 1, &labels, &[1.0; 6]).with_offsets(&offsets);
    let trees = BoostedTrees::fit(&data, &[0, 1, 2, 3, 4, 5], &STUMPS, &mut rng(0)).0;
    let close = |got: Vec<f64>, want: [f64; 2]| {
        assert!(got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-5), "{got:?} and {want:?}");
    };
    close(trees.log_odds(&[0.0, 9.0]), [-4.0, 4.0 / 3.0]);
    close(trees.shrunk(0.5).log_odds(&[0.0, 9.0]), [-2.0, 2.0 / 3.0]);
    // One kind of label teaches too, where there is something to begin at: p = 3/4 in all rows, a leaf of six.
    let all_normal = [false; 6];
    let data = LabelledRows::new(&rows, 1, &all_normal, &[1.0; 6]).with_offsets(&offsets);
    let trees = BoostedTrees::fit(&data, &[0, 1, 2, 3, 4, 5], &STUMPS, &mut rng(0)).0;
    close(trees.log_odds(&[0.0, 9.0]), [-4.0, -4.0]);
}

/// The best split by far parts off the one anomaly, which is too few rows.
#[test]
fn a_leaf_has_its_least_rows() {
    let rows = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let labels = [false, false, false, false, false, true];
    let config = TreesConfig { min_rows: 2, ..STUMPS };
    let got = fit(&rows, 1, &labels, &[1.0; 6], &config, &mut rng(0)).log_odds(&rows);
    assert!(got[3] < got[4] && got[4].to_bits() == got[5].to_bits(), "{got:?}");
}

#[test]
fn labels_of_one_kind_grow_no_tree() {
    let trees = fit(&[1.0, 2.0], 1, &[true, true], &[1.0; 2], &STUMPS, &mut rng(0));
    assert!(trees.roots.is_empty());
    assert!((trees.log_odds(&[9.0])[0] - 5.0_f64.ln()).abs() < 1e-6);
}

#[test]
fn trees_learn_an_interaction_that_no_feature_tells_alone() {
    let mut rng = rng(3);
    let rows: Vec<f32> = (0..4_000).map(|_| rng.random_range(-1.0..1.0)).collect();
    let is_anomaly = |row: &[f32]| row[0] * row[1] > 0.0;
    let labels: Vec<bool> = rows.chunks_exact(4).map(is_anomaly).collect();
    let config = TreesConfig { n_trees: 100, ..crate::Config::default().agent.trees };
    let trees = fit(&rows, 4, &labels, &[1.0; 1_000], &config, &mut rng);
    let unseen: Vec<f32> = (0..4_000).map(|_| rng.random_range(-1.0..1.0)).collect();
    let right = trees
        .log_odds(&unseen)
        .into_iter()
        .zip(unseen.chunks_exact(4))
        .filter(|(odds, row)| (*odds > 0.0) == is_anomaly(row));
    let right = right.count();
    assert!(right > 930, "{right} of 1000");
}

#[test]
fn broken_tensors_are_refused() {
    let rows = [1.0, 2.0, 3.0, 5.0, 6.0, 7.0];
    let trees = fit(&rows, 1, &[false, false, false, true, true, true], &[1.0; 6], &STUMPS, &mut rng(0));
    let whole = trees.tensors();
    assert_eq!(BoostedTrees::from_tensors(1, &whole).unwrap(), trees);
    let breaks: [fn(&mut Vec<Tensor>); 5] = [
        |t| t[0].data.clear(),
        |t| t[1].data[0] = f32::from_bits(9),
        |t| t[2].data[0] = f32::from_bits(1),
        |t| t[2].data[1] = f32::from_bits(2),
        |t| _ = t.pop(),
    ];
    for (number, broken) in breaks.into_iter().enumerate() {
        let mut tensors = whole.clone();
        broken(&mut tensors);
        assert!(BoostedTrees::from_tensors(1, &tensors).is_err(), "break {number}");
    }
}

proptest! {
    /// A tree asks only whether a value is above another: what keeps the order keeps the trees.
    #[test]
    fn a_change_of_scale_changes_no_row_s_odds(seed in any::<u64>(), scale in 0.5_f32..100.0) {
        let mut rng = rng(seed);
        let rows: Vec<f32> = (0..120).map(|_| rng.random_range(0_u8..20)).map(f32::from).collect();
        let labels: Vec<bool> = rows.chunks_exact(2).map(|row| row[0] + row[1] + rng.random_range(-5.0..5.0) > 20.0).collect();
        let config = TreesConfig { n_trees: 5, n_leaves: 6, row_fraction: 0.7, feature_fraction: 0.5, ..STUMPS };
        let scaled: Vec<f32> = rows.iter().map(|value| value * scale).collect();
        let odds = |rows: &[f32]| fit(rows, 2, &labels, &[1.0; 60], &config, &mut self::rng(seed)).log_odds(rows);
        prop_assert_eq!(odds(&rows), odds(&scaled));
    }

    #[test]
    fn odds_are_finite(values in prop::collection::vec(any::<f32>(), 40), labels in prop::collection::vec(any::<bool>(), 20)) {
        let config = TreesConfig { n_trees: 10, n_leaves: 8, ..STUMPS };
        let trees = fit(&values, 2, &labels, &[1.0; 20], &config, &mut rng(1));
        prop_assert_eq!(BoostedTrees::from_tensors(2, &trees.tensors()).unwrap(), trees.clone());
        prop_assert!(trees.log_odds(&values).iter().all(|odds| odds.is_finite()));
    }
}

/// Values from a small set, so that thresholds are hit, and NaN among them.
fn coarse_rows(n: usize, n_features: usize, seed: u64) -> Vec<f32> {
    let mut rng = rng(seed);
    let value = |_| match rng.random_range(0..9_u8) {
        8 => f32::NAN,
        value => f32::from(value),
    };
    (0..n * n_features).map(value).collect()
}

#[test]
fn the_leaf_that_is_left_is_the_one_that_a_walk_reaches() {
    // Blocks of 256 rows: the last one is not whole.
    for (seed, n_leaves, has_paths) in [(0, 2, true), (1, 7, true), (2, 31, true), (3, 32, true), (4, 60, false)] {
        let rows = coarse_rows(700, 5, seed);
        let mut rng = rng(seed + 10);
        let labels: Vec<bool> = (0..700).map(|_| rng.random_bool(0.4)).collect();
        let config = TreesConfig { n_trees: 9, n_leaves, feature_fraction: 0.6, ..STUMPS };
        let trees = fit(&rows, 5, &labels, &[1.0; 700], &config, &mut rng);
        assert_eq!(trees.paths.is_some(), has_paths, "{n_leaves} leaves");
        let walked = BoostedTrees { paths: None, ..trees.clone() };
        for rows in [rows, coarse_rows(513, 5, seed + 20)] {
            assert_eq!(trees.log_odds(&rows), walked.log_odds(&rows), "{n_leaves} leaves");
        }
    }
}

#[test]
fn a_tree_as_deep_as_a_file_may_have_it_is_gone_down() {
    let n = 50_000_u32;
    let inner = |i: u32| Node { feature: 0, left: 2 * i + 1, value: 0.5 };
    let mut nodes = vec![inner(0)];
    for i in 1..n {
        // The left child goes on, the right one is a leaf.
        nodes.push(inner(i));
        nodes.push(Node { feature: 0, left: 0, value: 1.0 });
    }
    nodes.push(Node { feature: 0, left: 0, value: 2.0 });
    nodes.push(Node { feature: 0, left: 0, value: 1.0 });
    let trees = BoostedTrees::new(1, 0.0, vec![0], nodes);
    assert!(trees.paths.is_none());
    assert_eq!(trees.log_odds(&[0.0, 1.0]), [2.0, 1.0]);
}
