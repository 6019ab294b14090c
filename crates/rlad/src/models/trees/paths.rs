//! Which leaf many rows reach, without going down the tree: each inner node strikes out the leaves that a row can no longer reach.
//!
//! A tree's leaves are numbered from left to right, one bit each. A row that goes right at a node cannot reach the leaves on the
//! node's left, so their bits are cleared; of the bits that are left in the end, the lowest is the row's leaf. A node is then one
//! comparison and one `and` for a whole block of rows, in vector instructions, with no row waiting for its own path.
//!
//! Source: Lucchese et al., *QuickScorer: A Fast Algorithm to Rank Documents with Additive Ensembles of Regression Trees*, 2015.

use pulp::{Arch, Simd, WithSimd};

use super::node::Node;

/// Rows of a block.
const BLOCK: usize = 256;
/// The leaves that a word has bits for; a tree with more is gone down.
pub(super) const MAX_LEAVES: usize = 32;

/// One tree as comparisons.
#[derive(Clone, Debug, PartialEq)]
struct Paths {
    tests: Vec<Test>,
    /// The values of the leaves, from left to right.
    leaves: Vec<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Test {
    feature: usize,
    threshold: f32,
    /// The bits that are left where the value is above the threshold.
    kept: u32,
}

/// The trees of a forest as comparisons.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AllPaths(Vec<Paths>);

/// Rows in blocks, each block a column a feature.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    n_rows: usize,
    n_features: usize,
    /// Shape `[blocks, n_features, BLOCK]`; 0 after the last row.
    values: Vec<f32>,
}

impl Columns {
    /// The columns of rows, shape `[n, n_features]`.
    pub(super) fn of(rows: &[f32], n_features: usize) -> Self {
        let n_rows = rows.len() / n_features;
        let mut values = vec![0.0; n_rows.div_ceil(BLOCK) * n_features * BLOCK];
        let blocks = values.chunks_exact_mut(n_features * BLOCK).zip(rows.chunks(BLOCK * n_features));
        for (block, rows) in blocks {
            for (at, row) in rows.chunks_exact(n_features).enumerate() {
                row.iter().enumerate().for_each(|(feature, value)| block[feature * BLOCK + at] = *value);
            }
        }
        Self { n_rows, n_features, values }
    }
}

impl AllPaths {
    /// The paths of trees; `None` where one of them has more leaves than a word has bits.
    pub(super) fn of(roots: &[u32], nodes: &[Node]) -> Option<Self> {
        roots.iter().map(|root| Paths::of(*root as usize, nodes)).collect::<Option<_>>().map(Self)
    }

    /// Adds what all trees say of each row, tree by tree.
    pub(super) fn add(&self, rows: &Columns, log_odds: &mut [f64]) {
        debug_assert_eq!(rows.n_rows, log_odds.len(), "a number a row");
        let blocks = rows.values.chunks_exact(rows.n_features * BLOCK);
        for (odds, columns) in log_odds.chunks_mut(BLOCK).zip(blocks) {
            Arch::new().dispatch(Block { trees: &self.0, columns, odds });
        }
    }
}

impl Paths {
    fn of(root: usize, nodes: &[Node]) -> Option<Self> {
        let mut paths = Self { tests: Vec::new(), leaves: Vec::new() };
        paths.visit(root, nodes, 0)?;
        Some(paths)
    }

    /// Takes in the leaves below a node, from left to right.
    fn visit(&mut self, at: usize, nodes: &[Node], depth: usize) -> Option<()> {
        // A deeper node has more leaves beside it than there are bits.
        if depth >= MAX_LEAVES {
            return None;
        }
        let node = nodes[at];
        if node.left == 0 {
            self.leaves.push(node.value);
            return (self.leaves.len() <= MAX_LEAVES).then_some(());
        }
        let first = self.leaves.len();
        self.visit(node.left as usize, nodes, depth + 1)?;
        let left = bits_below(self.leaves.len()) & !bits_below(first);
        self.tests.push(Test { feature: node.feature as usize, threshold: node.value, kept: !left });
        self.visit(node.left as usize + 1, nodes, depth + 1)
    }
}

/// A word with its `n` lowest bits set.
fn bits_below(n: usize) -> u32 {
    if n >= MAX_LEAVES { u32::MAX } else { (1 << n) - 1 }
}

/// A block of rows, which all trees look at.
struct Block<'a> {
    trees: &'a [Paths],
    /// Shape `[n_features, BLOCK]`.
    columns: &'a [f32],
    odds: &'a mut [f64],
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for tree in self.trees {
            let mut reached = [u32::MAX; BLOCK];
            for test in &tree.tests {
                let column = &self.columns[test.feature * BLOCK..][..BLOCK];
                for (bits, value) in reached.iter_mut().zip(column) {
                    *bits &= if *value > test.threshold { test.kept } else { u32::MAX };
                }
            }
            for (odds, bits) in self.odds.iter_mut().zip(reached) {
                *odds += f64::from(tree.leaves[bits.trailing_zeros() as usize]);
            }
        }
    }
}
