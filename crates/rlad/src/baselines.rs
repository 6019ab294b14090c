//! The systems that the paper compares with, and the classic detectors that a user would try first.

mod autoencoder;
mod dagmm;
mod deep_sad;
mod gaussian;
mod network;
mod scoring;
mod sr_cnn;
mod training;
mod windows;

pub use autoencoder::{AutoencoderConfig, CodeUnits};
pub use dagmm::DagmmConfig;
pub use deep_sad::DeepSadConfig;
pub use sr_cnn::SrCnnConfig;
