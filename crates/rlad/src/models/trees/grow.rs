//! One tree: from all rows in one leaf to the leaves that gain most.

use super::bins::{Bins, MAX_BINS};
use super::config::TreesConfig;
use super::node::Node;

/// The derivatives of the loss at one row, or their sums over rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Gradient {
    /// The first derivative by the log-odds.
    pub(super) slope: f64,
    /// The second.
    pub(super) curvature: f64,
}

/// Sums over the rows of a bin or a leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    slope: f64,
    curvature: f64,
    n_rows: f64,
}

/// The data that a tree is grown from.
#[derive(Debug)]
pub(super) struct Growth<'a> {
    bins: &'a Bins,
    gradients: &'a [Gradient],
    features: &'a [usize],
    config: &'a TreesConfig,
}

/// A tree whose inner nodes hold bins.
#[derive(Debug)]
pub(super) struct Grown {
    nodes: Vec<Node>,
    /// Of each inner node, the highest bin that goes left.
    split_bins: Vec<u8>,
}

#[derive(Debug)]
struct Leaf {
    node: usize,
    rows: Vec<usize>,
    sums: Sums,
    /// Shape `[features, MAX_BINS]`.
    histogram: Vec<Sums>,
    best: Option<Split>,
}

#[derive(Clone, Copy, Debug)]
struct Split {
    gain: f64,
    /// The index among the features in use.
    slot: usize,
    bin: u8,
    left: Sums,
}

/// No side of a split has less curvature than this: its rows are told apart already.
const MIN_CURVATURE: f64 = 1e-3;

impl<'a> Growth<'a> {
    pub(super) const fn new(
        bins: &'a Bins,
        gradients: &'a [Gradient],
        features: &'a [usize],
        config: &'a TreesConfig,
    ) -> Self {
        Self { bins, gradients, features, config }
    }

    /// The tree of some rows.
    pub(super) fn grow(&self, rows: Vec<usize>) -> Grown {
        let histogram = self.histogram(&rows);
        // Every feature's bins hold all rows.
        let sums = histogram[..MAX_BINS].iter().copied().fold(Sums::default(), Sums::plus);
        let best = self.best_split(&histogram, sums);
        let mut leaves = vec![Leaf { node: 0, rows, sums, histogram, best }];
        let mut nodes = vec![self.leaf_node(sums)];
        let mut split_bins = vec![0];
        while leaves.len() < self.config.n_leaves {
            let gain = |leaf: &Leaf| leaf.best.map_or(0.0, |split| split.gain);
            // The first of equal gains.
            let chosen = (0..leaves.len()).rev().max_by(|&a, &b| gain(&leaves[a]).total_cmp(&gain(&leaves[b])));
            let Some((chosen, split)) = chosen.and_then(|at| Some((at, leaves[at].best?))) else { break };
            let leaf = leaves.swap_remove(chosen);
            let feature = self.features[split.slot];
            let left = nodes.len();
            nodes[leaf.node] = Node {
                feature: u32::try_from(feature).expect("the number of features fits"),
                left: u32::try_from(left).expect("the number of nodes fits"),
                value: 0.0,
            };
            split_bins[leaf.node] = split.bin;
            for child in self.split(&leaf, split, left) {
                nodes.push(self.leaf_node(child.sums));
                split_bins.push(0);
                leaves.push(child);
            }
        }
        Grown { nodes, split_bins }
    }

    fn split(&self, leaf: &Leaf, split: Split, node: usize) -> [Leaf; 2] {
        let feature = self.features[split.slot];
        let (left, right): (Vec<usize>, Vec<usize>) =
            leaf.rows.iter().partition(|&&row| self.bins.row(row)[feature] <= split.bin);
        let sums = [split.left, leaf.sums.minus(split.left)];
        // The larger side is what the smaller one leaves.
        let left_is_smaller = left.len() <= right.len();
        let smaller = self.histogram(if left_is_smaller { &left } else { &right });
        let larger = leaf.histogram.iter().zip(&smaller).map(|(all, part)| all.minus(*part)).collect();
        let histograms = if left_is_smaller { [smaller, larger] } else { [larger, smaller] };
        let mut node = node;
        let mut children = [left, right].into_iter().zip(sums).zip(histograms).map(|((rows, sums), histogram)| {
            let best = self.best_split(&histogram, sums);
            node += 1;
            Leaf { node: node - 1, rows, sums, histogram, best }
        });
        [children.next(), children.next()].map(|child| child.expect("a split has two sides"))
    }

    fn histogram(&self, rows: &[usize]) -> Vec<Sums> {
        let mut histogram = vec![Sums::default(); self.features.len() * MAX_BINS];
        for &row in rows {
            let (bins, Gradient { slope, curvature }) = (self.bins.row(row), self.gradients[row]);
            for (&feature, of_feature) in self.features.iter().zip(histogram.as_chunks_mut::<MAX_BINS>().0) {
                let sums = &mut of_feature[usize::from(bins[feature])];
                sums.slope += slope;
                sums.curvature += curvature;
                sums.n_rows += 1.0;
            }
        }
        histogram
    }

    fn best_split(&self, histogram: &[Sums], all: Sums) -> Option<Split> {
        let least = self.config.min_rows as f64;
        if all.n_rows < 2.0 * least {
            return None;
        }
        let mut best: Option<Split> = None;
        for (slot, &feature) in self.features.iter().enumerate() {
            let bins = &histogram[slot * MAX_BINS..][..self.bins.n_bins(feature)];
            let mut left = Sums::default();
            for (bin, sums) in (0_u8..).zip(&bins[..bins.len() - 1]) {
                // Behind an empty bin stands what stood before it.
                if sums.n_rows < 0.5 {
                    continue;
                }
                left = left.plus(*sums);
                let right = all.minus(left);
                if right.n_rows < least || right.curvature < MIN_CURVATURE {
                    break;
                }
                if left.n_rows < least || left.curvature < MIN_CURVATURE {
                    continue;
                }
                let gain = self.worth(left) + self.worth(right) - self.worth(all);
                if gain > best.map_or(0.0, |split| split.gain) {
                    best = Some(Split { gain, slot, bin, left });
                }
            }
        }
        best
    }

    /// Twice what a leaf of these rows takes off the loss.
    fn worth(&self, sums: Sums) -> f64 {
        sums.slope * sums.slope / (sums.curvature + self.config.l2)
    }

    fn leaf_node(&self, sums: Sums) -> Node {
        let step = -sums.slope / (sums.curvature + self.config.l2);
        Node { feature: 0, left: 0, value: (self.config.learning_rate * step) as f32 }
    }
}

impl Sums {
    fn plus(self, other: Self) -> Self {
        Self {
            slope: self.slope + other.slope,
            curvature: self.curvature + other.curvature,
            n_rows: self.n_rows + other.n_rows,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            slope: self.slope - other.slope,
            curvature: self.curvature - other.curvature,
            n_rows: self.n_rows - other.n_rows,
        }
    }
}

impl Grown {
    /// Its nodes, with thresholds in place of bins.
    pub(super) fn with_thresholds(mut self, bins: &Bins) -> Vec<Node> {
        for (node, bin) in self.nodes.iter_mut().zip(self.split_bins) {
            if node.left != 0 {
                node.value = bins.threshold(node.feature as usize, bin);
            }
        }
        self.nodes
    }
}
