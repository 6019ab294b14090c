//! Data in and out: series, labels, files of both, scores.
//!
//! [`read()`] and [`Catalogue`] take CSV and Parquet files to [`Series`] and their [`Truth`]; [`write_scores`] and [`ScoresWriter`] take
//! scores back to files; [`import()`] reads published data sets, [`import_labels`] and [`export_labels`] other tools' labels; a
//! [`Calendar`] says which events are expected.

pub(crate) mod alarm;
pub(crate) mod calendar;
pub(crate) mod dataset;
pub(crate) mod exchange;
pub(crate) mod explanation;
pub(crate) mod import;
pub(crate) mod label;
pub(crate) mod label_overrides;
pub(crate) mod read;
pub(crate) mod scores;
pub(crate) mod series;
pub(crate) mod write;

pub use alarm::Alarm;
pub use calendar::{Calendar, SeriesCalendar};
pub use dataset::DataSet;
pub use exchange::{Imported, LabelFormat, SeriesLabels, Uncovered, export_labels, import_labels, write_labels};
pub use explanation::{Departure, Explanation, Likeness, Reason, Side};
pub use import::{Source, import};
pub use label::{Annotation, Answer, Label, Labels, Span, Truth, events};
pub use read::{Catalogue, Columns, DecimalMark, Duplicates, FileForm, ListedSeries, ReadOptions, TimeUnit, read};
pub use scores::{Event, ScoresWriter, SeriesScores, read_scores, write_events, write_scores};
pub use series::{Clock, NANOS_PER_DAY, NANOS_PER_SECOND, NANOS_PER_WEEK, Part, Series, TimeFormat, is_named};
pub use write::{write_dataset, write_file};
