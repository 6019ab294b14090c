use super::*;

/// A rising ramp: every bin of the lower half holds what its edges say.
fn ramp(n: u16) -> Vec<f32> {
    (0..n).map(f32::from).collect()
}

#[test]
fn the_tail_of_a_point_by_hand() {
    // Four points of one feature, each in a bin of its own: edges at every quantile of four values.
    let edges = Arc::new(Edges::fit(&ramp(4), 1, 1));
    let ecdfs = Ecdfs::fit(edges, &ramp(4));
    let mut got = Vec::new();
    (0..4_u8).for_each(|value| ecdfs.push(&[f32::from(value)], &mut got));
    // k = 1, 2, 2, 1 of n = 4 are as far out: 2 (k + 1) / 5, at most 1.
    let want = [-(4.0_f32 / 5.0).ln(), 0.0, 0.0, -(4.0_f32 / 5.0).ln()];
    assert!(got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-6), "{got:?}");
}

#[test]
fn what_is_further_out_is_rarer_and_nothing_is_rarer_than_once() {
    let rows = ramp(10_000);
    let ecdfs = Ecdfs::fit(Arc::new(Edges::fit(&rows, 1, 1)), &rows);
    let surprisal = |value: f32| {
        let mut out = Vec::new();
        ecdfs.push(&[value], &mut out);
        out[0]
    };
    let high: Vec<f32> = [5_000.0, 7_600.0, 9_000.0, 9_900.0, 9_990.0, 1e9].map(surprisal).to_vec();
    assert!(high.is_sorted() && high[0] < 0.1, "{high:?}");
    assert!((surprisal(1e9) - surprisal(-1e9)).abs() < 1.0, "both sides count");
    // One point in a thousand on one side, doubled.
    assert!((surprisal(9_990.0) - 500.0_f32.ln()).abs() < 0.5, "{}", surprisal(9_990.0));
    assert!(surprisal(1e9) <= (10_001.0_f32 / 2.0).ln());
}

#[test]
fn one_channel_of_many_is_not_lost_by_hand() {
    let of = mean_of_channels;
    assert!((of(&[3.0, 1.0, 2.0, 2.0], 1) - 2.0).abs() < 1e-9, "one channel: the mean");
    assert!((of(&[3.0, 1.0, 2.0, 2.0], 2) - 2.0).abs() < 1e-9, "channels that agree");
    // ½ ln((e¹⁰ + 3) / 4): one of four channels has a surprisal of 5, the others none.
    let want = ((10.0_f64.exp() + 3.0) / 4.0).ln() / 2.0;
    assert!((of(&[0.0, 0.0, 5.0, 5.0, 0.0, 0.0, 0.0, 0.0], 4) - want).abs() < 1e-6);
    let weights = channel_weights(&[0.0, 5.0], 2);
    assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9 && weights[1] > 0.99, "{weights:?}");
    assert!(of(&[], 0).abs() < 1e-9);
}

#[test]
fn another_series_goes_from_the_average_to_its_own() {
    let rows = ramp(2_000);
    let edges = Arc::new(Edges::fit(&rows, 1, 1));
    let (a, b) = (Ecdfs::fit(edges.clone(), &rows[..1_000]), Ecdfs::fit(edges.clone(), &rows[1_000..]));
    let known = EcdfsBySeries::new(edges, [("b", &b), ("a", &a)]);
    assert_eq!(known.of("a"), a);
    let surprisal = |ecdfs: &mut Ecdfs, value: f32| {
        let mut out = Vec::new();
        ecdfs.push_next(&[value], &mut out);
        out[0]
    };
    let mut unseen = known.of("c");
    let first = surprisal(&mut unseen, 1_990.0);
    (0..200_000).for_each(|_| _ = surprisal(&mut unseen, 1_990.0));
    assert!(first > 3.0 && surprisal(&mut unseen, 1_990.0) < 0.1, "{first}");
    assert!(surprisal(&mut known.of("a"), 1_990.0) > 5.0, "a fitted series learns nothing more");
}

#[test]
fn they_survive_tensors() {
    let rows = ramp(300);
    let edges = Arc::new(Edges::fit(&rows, 3, 1));
    let known = EcdfsBySeries::new(edges.clone(), [("a", &Ecdfs::fit(edges, &rows))]);
    let read = |n_features, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        EcdfsBySeries::from_tensors(n_features, 1, names, &known.tensors())
    };
    assert_eq!(read(3, &["a"]).as_ref(), Ok(&known));
    assert!(read(2, &["a"]).is_err() && read(3, &["a", "b"]).is_err());
}

/// Those of a thousand points from 0 to 9, learning on.
fn learning_on(n_remembered: u32, n_to_absorb: u32, rare: f64) -> Ecdfs {
    let rows: Vec<f32> = (0..1_000_u16).map(|i| f32::from(i % 10)).collect();
    let edges = Arc::new(Edges { values: (0..31_u8).map(f32::from).collect(), n_channels: 1 });
    Ecdfs::fit(edges, &rows).that_learn_on(LearningOn { n_remembered, n_to_absorb }, rare)
}

fn surprisal_of(ecdfs: &Ecdfs, value: f32) -> f32 {
    let mut out = Vec::new();
    ecdfs.push(&[value], &mut out);
    out[0]
}

#[test]
fn a_level_that_stays_is_learned_and_an_old_one_fades() {
    let mut ecdfs = learning_on(1_000, 0, f64::INFINITY);
    let before = surprisal_of(&ecdfs, 20.0);
    // 1 of 1001 at the end of the tail, twice.
    assert!((before + (2.0_f32 / 1_001.0).ln()).abs() < 1e-4, "{before}");
    let mut out = Vec::new();
    let mut after = |n: usize, ecdfs: &mut Ecdfs| {
        (0..n).for_each(|_| ecdfs.push_next(&[20.0], &mut out));
        (surprisal_of(ecdfs, 20.0), surprisal_of(ecdfs, 5.0))
    };
    // As many points as are remembered: half of all, so neither level is rare.
    let (new, old) = after(1_000, &mut ecdfs);
    assert!(new < 0.01 && old < 1.0, "{new} and {old}");
    // Ten times as many: the old level is forgotten.
    let (new, old) = after(9_000, &mut ecdfs);
    assert!(new < 0.01 && old > 5.0, "{new} and {old}");
}

#[test]
fn what_is_rare_counts_once_it_has_stayed() {
    let mut ecdfs = learning_on(1_000, 300, 4.0);
    let before = surprisal_of(&ecdfs, 20.0);
    let mut out = Vec::new();
    (0..299).for_each(|_| ecdfs.push_next(&[20.0], &mut out));
    assert!((surprisal_of(&ecdfs, 20.0) - before).abs() < 1e-6, "an event is not learned");
    // Usual points between them count at once, and put it off.
    (0..100).for_each(|_| ecdfs.push_next(&[5.0], &mut out));
    (0..100).for_each(|_| ecdfs.push_next(&[20.0], &mut out));
    assert!(surprisal_of(&ecdfs, 20.0) >= before, "nor one that was interrupted");
    (0..400).for_each(|_| ecdfs.push_next(&[20.0], &mut out));
    assert!(surprisal_of(&ecdfs, 20.0) < 2.0, "a level that stays is");
}
