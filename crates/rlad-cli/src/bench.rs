//! `rlad bench`: suites of runs whose results anyone can make again.
//!
//! A suite (`suite`) names data, splits, detectors, seeds and budgets. Each detector with each seed is a **run** (`run`), a
//! program of its own, so that time and memory are its own; it writes scores to disk and says what it read to get them.
//! Metrics are computed from the scores (`row`), so that a new metric needs no new run, and become tables (`table`) and a
//! page (`page`). `schedule` runs what is not there yet.
//!
//! A suite may take some of the series only (`selection`), and may run each by itself: figures are means over series then
//! (`per_series`, `alone_table`). In a live suite the measured part comes week by week, and answers with it (`live`, `weeks`,
//! `live_table`).

pub(crate) mod alone_table;
pub(crate) mod live;
pub(crate) mod live_table;
pub(crate) mod page;
mod per_series;
pub(crate) mod problem;
mod process;
pub(crate) mod row;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod script;
pub(crate) mod selection;
pub(crate) mod suite;
pub(crate) mod table;
mod weeks;

#[cfg(test)]
mod tests;
