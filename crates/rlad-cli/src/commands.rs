//! The commands, one a module.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod detect;
mod ending;
pub(crate) mod evaluate;
pub(crate) mod features;
pub(crate) mod import;
pub(crate) mod label;
pub(crate) mod labels;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod train;
pub(crate) mod train_method;
