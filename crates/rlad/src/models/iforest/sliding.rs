//! Path lengths of every window of a series of one channel, without making the windows.
//!
//! A value lies in as many windows as a window has steps. All that a tree asks of it is its place among the tree's thresholds, one
//! byte, which is looked up once a tree and value; the features of a window are then neighbouring bytes. Trees are laid out whole,
//! 2^d nodes at depth d, so that a node's number says where its children are, and a leaf goes on as nodes that always go left. With
//! AVX-512 VBMI the bytes of 64 windows and the nodes of a depth each stand in registers, and 64 windows go down a tree with three
//! byte permutations a depth.

#[cfg(target_arch = "x86_64")]
mod vbmi;

use std::array;

use super::Tree;

/// The deepest tree that is laid out.
const MAX_HEIGHT: usize = 8;
/// The leaves of the deepest.
const N_LEAVES: usize = 1 << MAX_HEIGHT;
/// Windows that go down a tree side by side.
const BLOCK: usize = 64;
/// The bytes that a block of windows reaches: the longest window has one more than `BLOCK`.
const REACH: usize = 2 * BLOCK;
/// Trees whose thresholds are ranked together, so that a rank among them fits in two bytes.
const GROUP: usize = 256;
/// The rank that no value is above.
const NEVER: u8 = u8::MAX;

/// The trees of a forest laid out whole.
#[derive(Clone, Debug)]
pub(super) struct Layouts(Vec<Group>);

/// Trees whose thresholds are ranked together.
#[derive(Clone, Debug)]
struct Group {
    /// All of their thresholds, rising, each once.
    thresholds: Vec<f32>,
    trees: Vec<Layout>,
}

/// One tree. The nodes at depth d stand from `2^d` on.
#[derive(Clone, Debug)]
struct Layout {
    height: usize,
    features: [u8; N_LEAVES],
    /// A value goes right where its rank in this tree is above this one.
    ranks: [u8; N_LEAVES],
    /// By the leaf's place at depth `height`.
    path_lengths: [f64; N_LEAVES],
    /// From a rank among the thresholds of the group to the rank among those of this tree.
    rank_of: Vec<u8>,
}

impl Layouts {
    /// The layouts; `None` where a tree is too deep for them or a window too long.
    pub(super) fn of(trees: &[Tree], n_features: usize) -> Option<Self> {
        let fits = n_features <= BLOCK + 1 && trees.iter().all(|tree| tree.height <= MAX_HEIGHT);
        fits.then(|| Self(trees.chunks(GROUP).map(Group::of).collect()))
    }

    /// Adds to each window's sum its path length in every tree, tree after tree. `values`: shape `[sums.len() + n_features - 1]`.
    pub(super) fn add_path_lengths(&self, values: &[f32], sums: &mut [f64]) {
        let mut ranks = vec![0; sums.len().next_multiple_of(BLOCK) + REACH];
        for group in &self.0 {
            let among_all: Vec<u16> = values.iter().map(|value| group.rank(*value)).collect();
            for tree in &group.trees {
                ranks.iter_mut().zip(&among_all).for_each(|(rank, among)| *rank = tree.rank_of[usize::from(*among)]);
                for (block, sums) in sums.chunks_mut(BLOCK).enumerate() {
                    let reach = ranks[block * BLOCK..].first_chunk().expect("there are bytes behind the last block");
                    for (sum, leaf) in sums.iter_mut().zip(tree.leaves(reach)) {
                        *sum += tree.path_lengths[usize::from(leaf)];
                    }
                }
            }
        }
    }
}

impl Group {
    fn of(trees: &[Tree]) -> Self {
        let thresholds = thresholds(trees);
        let trees = trees.iter().map(|tree| Layout::of(tree, &thresholds)).collect();
        Self { thresholds, trees }
    }

    /// How many thresholds are below a value: none for NaN.
    fn rank(&self, value: f32) -> u16 {
        let rank = self.thresholds.partition_point(|threshold| *threshold < value);
        u16::try_from(rank).expect("256 trees have at most 256 * 255 thresholds")
    }
}

/// The thresholds of the inner nodes of trees, rising, each once.
fn thresholds(trees: &[Tree]) -> Vec<f32> {
    let nodes = trees.iter().flat_map(|tree| &tree.nodes);
    let mut thresholds: Vec<f32> = nodes.map(|node| node.threshold).filter(|threshold| threshold.is_finite()).collect();
    thresholds.sort_by(f32::total_cmp);
    // 0 and -0 are one threshold.
    thresholds.dedup_by(|a, b| a <= b);
    thresholds
}

impl Layout {
    fn of(tree: &Tree, of_group: &[f32]) -> Self {
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
    fn leaves(&self, ranks: &[u8; REACH]) -> [u8; BLOCK] {
        #[cfg(target_arch = "x86_64")]
        if let Some(leaves) = vbmi::leaves(self, ranks) {
            return leaves;
        }
        self.leaves_one_by_one(ranks)
    }

    fn leaves_one_by_one(&self, ranks: &[u8; REACH]) -> [u8; BLOCK] {
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

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Both ways down a tree end at the same leaves; where the processor lacks the instructions, there is one way only.
    #[test]
    fn both_ways_down_end_at_the_same_leaf() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for height in 0..=MAX_HEIGHT {
            let mut layout = Layout {
                height,
                features: [0; N_LEAVES],
                ranks: [NEVER; N_LEAVES],
                path_lengths: [0.0; N_LEAVES],
                rank_of: Vec::new(),
            };
            layout.features.iter_mut().for_each(|feature| *feature = rng.random_range(0..=BLOCK as u8));
            rng.fill(&mut layout.ranks);
            let mut ranks = [0; REACH];
            rng.fill(&mut ranks);
            let one_by_one = layout.leaves_one_by_one(&ranks);
            assert_eq!(layout.leaves(&ranks), one_by_one, "height {height}");
            assert!(height < MAX_HEIGHT || one_by_one.iter().any(|leaf| *leaf > 127));
        }
    }
}
