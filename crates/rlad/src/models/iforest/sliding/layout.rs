//! One tree laid out whole, and the walk of a block of windows down it in plain code.

use std::array;

use crate::models::iforest::tree::Tree;

/// The deepest tree that is laid out.
pub(super) const MAX_HEIGHT: usize = 8;
/// The leaves of the deepest.
pub(super) const N_LEAVES: usize = 1 << MAX_HEIGHT;
/// Windows that go down a tree side by side.
pub(super) const BLOCK: usize = 64;
/// The bytes that a block of windows reaches: the longest window has one more than `BLOCK`.
pub(super) const REACH: usize = 2 * BLOCK;
/// The rank that no value is above.
const NEVER: u8 = u8::MAX;

/// One tree. The nodes at depth d stand from `2^d` on.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) height: usize,
    pub(super) features: [u8; N_LEAVES],
    /// A value goes right where its rank in this tree is above this one.
    pub(super) ranks: [u8; N_LEAVES],
    /// By the leaf's place at depth `height`.
    pub(super) path_lengths: [f64; N_LEAVES],
    /// From a rank among the thresholds of the group to the rank among those of this tree.
    pub(super) rank_of: Vec<u8>,
}

/// The thresholds of the inner nodes of trees, rising, each once.
pub(super) fn thresholds(trees: &[Tree]) -> Vec<f32> {
    let nodes = trees.iter().flat_map(|tree| &tree.nodes);
    let mut thresholds: Vec<f32> = nodes.map(|node| node.threshold).filter(|threshold| threshold.is_finite()).collect();
    thresholds.sort_by(f32::total_cmp);
    // 0 and -0 are one threshold.
    thresholds.dedup_by(|a, b| a <= b);
    thresholds
}

impl Layout {
    pub(super) fn of(tree: &Tree, of_group: &[f32]) -> Self {
        let own = thresholds(std::slice::from_ref(tree));
        let byte = |rank: usize| u8::try_from(rank).expect("a tree has at most 255 inner nodes");
        let mut n_below = 0;
        let mut rank_of = vec![0];
        for threshold in of_group {
            n_below += usize::from(own.get(n_below).is_some_and(|own| own <= threshold));
            rank_of.push(byte(n_below));
        }
        let mut layout = Self {
            height: tree.height,
            features: [0; N_LEAVES],
            ranks: [NEVER; N_LEAVES],
            path_lengths: [0.0; N_LEAVES],
            rank_of,
        };
        // Node, depth, and place at that depth.
        let mut open = vec![(0, 0, 0)];
        while let Some((at, depth, place)) = open.pop() {
            let node = &tree.nodes[at];
            if depth == tree.height {
                layout.path_lengths[place] = tree.path_lengths[at];
                continue;
            }
            // A leaf is its own left child.
            open.push((node.left as usize, depth + 1, 2 * place));
            if node.threshold.is_finite() {
                let in_level = (1 << depth) + place;
                layout.features[in_level] = u8::try_from(node.feature).expect("a window has at most 65 steps");
                layout.ranks[in_level] = byte(own.partition_point(|threshold| *threshold < node.threshold));
                open.push((node.left as usize + 1, depth + 1, 2 * place + 1));
            }
        }
        layout
    }

    /// The leaf of each window of a block, from the ranks of its values.
    pub(super) fn leaves_one_by_one(&self, ranks: &[u8; REACH]) -> [u8; BLOCK] {
        let mut at = [1; BLOCK];
        for _ in 0..self.height {
            for (window, at) in at.iter_mut().enumerate() {
                let rank = ranks[window + usize::from(self.features[*at])];
                *at = 2 * *at + usize::from(rank > self.ranks[*at]);
            }
        }
        array::from_fn(|window| (at[window] - (1 << self.height)) as u8)
    }
}
