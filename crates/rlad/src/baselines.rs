//! The systems that the paper compares with, and the classic detectors that a user would try first.

mod esd;
mod luminol;
mod spectral_residual;
mod spot;
mod windows;

pub use esd::EsdConfig;
pub use spectral_residual::SpectralResidualConfig;
pub use spot::{SpotConfig, TailFit};
