//! The trait of the methods that are fitted on windows, which each of them implements and [`Fitted`](super::fitted::Fitted)
//! holds one of.

use super::windows::Scaled;

/// A fitted method that compares windows.
pub(super) trait WindowDetector {
    /// The points on which a score depends, its own included.
    fn context(&self) -> usize;

    /// The score of each point of a series; higher is more anomalous. Missing points have scores, too.
    fn score(&self, series: &Scaled) -> Vec<f64>;

    /// The arrays that are stored beside the record, which leaves them out.
    fn arrays(&self) -> Vec<(&'static str, &[f32])>;
}
