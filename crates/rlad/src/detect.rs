//! Detectors: a trained [`Model`], whole series and streams scored with it, and the scores that are there before any question.

mod budget;
pub(crate) mod decision;
mod departure;
pub(crate) mod detector;
mod explain;
mod label_shift;
pub(crate) mod lineage;
pub(crate) mod model;
pub(crate) mod scoring;
pub(crate) mod stream;
mod transfer;
mod walk;
pub(crate) mod warm_up;

pub use departure::{departures, usual_range};
pub use detector::Detector;
pub use lineage::LineageEntry;
pub use model::Model;
pub use stream::{Arrival, Stream, push_all};
pub use warm_up::WarmUpDetector;
