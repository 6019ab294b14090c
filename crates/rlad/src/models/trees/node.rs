//! The nodes of boosted trees, and the way of a row down one tree.

/// An inner node, or a leaf where `left` is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) feature: u32,
    pub(super) left: u32,
    /// The threshold of an inner node; the addition of a leaf to the log-odds.
    pub(super) value: f32,
}

/// The value of the leaf that a row reaches in the tree whose root stands at `root`.
pub(super) fn leaf(nodes: &[Node], root: u32, row: &[f32]) -> f32 {
    let mut node = nodes[root as usize];
    while node.left != 0 {
        let right = row[node.feature as usize] > node.value;
        node = nodes[node.left as usize + usize::from(right)];
    }
    node.value
}
