//! Path lengths of every window of a series of one channel, without making the windows.
//!
//! A value lies in as many windows as a window has steps. All that a tree asks of it is its place among the tree's thresholds, one
//! byte, which is looked up once a tree and value; the features of a window are then neighbouring bytes. Trees are laid out whole,
//! 2^d nodes at depth d, so that a node's number says where its children are, and a leaf goes on as nodes that always go left. With
//! AVX-512 VBMI the bytes of 64 windows and the nodes of a depth each stand in registers, and 64 windows go down a tree with three
//! byte permutations a depth.

mod layout;
#[cfg(target_arch = "x86_64")]
mod vbmi;

use super::tree::Tree;
use layout::{BLOCK, Layout, MAX_HEIGHT, REACH, thresholds};

/// Trees whose thresholds are ranked together, so that a rank among them fits in two bytes.
const GROUP: usize = 256;
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
                    let reach = ranks[block * BLOCK..].first_chunk().expect("there are bytes after the last block");
                    for (sum, leaf) in sums.iter_mut().zip(leaves(tree, reach)) {
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

/// The leaf of each window of a block, from the ranks of its values.
fn leaves(tree: &Layout, ranks: &[u8; REACH]) -> [u8; BLOCK] {
    #[cfg(target_arch = "x86_64")]
    if let Some(leaves) = vbmi::leaves(tree, ranks) {
        return leaves;
    }
    tree.leaves_one_by_one(ranks)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::layout::N_LEAVES;
    use super::*;

    /// Both ways down a tree end at the same leaves; where the processor lacks the instructions, there is one way only.
    #[test]
    fn both_ways_down_end_at_the_same_leaf() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for height in 0..=MAX_HEIGHT {
            let mut layout = Layout {
                height,
                features: [0; N_LEAVES],
                ranks: [0; N_LEAVES],
                path_lengths: [0.0; N_LEAVES],
                rank_of: Vec::new(),
            };
            layout.features.iter_mut().for_each(|feature| *feature = rng.random_range(0..=BLOCK as u8));
            rng.fill(&mut layout.ranks);
            let mut ranks = [0; REACH];
            rng.fill(&mut ranks);
            let one_by_one = layout.leaves_one_by_one(&ranks);
            assert_eq!(leaves(&layout, &ranks), one_by_one, "height {height}");
            assert!(height < MAX_HEIGHT || one_by_one.iter().any(|leaf| *leaf > 127));
        }
    }
}
