//! The systems that the paper compares with, and the classic detectors that a user would try first.

mod classic;
mod forest;
mod neighbors;
mod one_class_svm;
mod pca;
mod windows;

pub use forest::WindowForestConfig;
pub use neighbors::{LocalOutlierFactorConfig, NearestNeighborsConfig, NeighborDistance};
pub use one_class_svm::OneClassSvmConfig;
pub use pca::{PcaConfig, PcaScore};
