//! The scores file: a detector's score of every point, in a form that people and programs read; and the events in it.

mod events;
mod writer;

use std::ops::Range;
use std::path::Path;

pub use events::write_events;
pub use writer::{ScoresWriter, write_scores};

use crate::data::alarm::Alarm;
use crate::data::explanation::Explanation;
use crate::data::label::Label;
use crate::data::read::{Find, Table, Wanted, read_table};
use crate::data::series::TimeFormat;
use crate::data::write::number;
use crate::error::{Error, Result};

/// The scores of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesScores {
    /// The series.
    pub series: String,
    /// How its timestamps are written.
    pub time_format: TimeFormat,
    /// The timestamps of the scored points, strictly increasing: nanoseconds since 1970, or indices.
    pub timestamps: Vec<i64>,
    /// The score of each point, higher is more anomalous; NaN for a point that is not scored.
    pub scores: Vec<f64>,
    /// What was decided about each point: alarms are where the score is above the threshold, unless the detector has a finer rule.
    pub alarms: Vec<Alarm>,
    /// The score above which a point may be an alarm.
    pub threshold: f64,
    /// The name of the model that scored.
    pub model: String,
}

/// An event: a run of alarms, or several that the detector's decision merged.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The series.
    pub series: String,
    /// How its timestamps are written.
    pub time_format: TimeFormat,
    /// The timestamp of its first point.
    pub start: i64,
    /// The timestamp of its last point.
    pub end: i64,
    /// The number of its alarms, at least 1; with merged runs there are other points between them.
    pub n_points: usize,
    /// The highest score in it.
    pub peak: f64,
    /// The timestamp of the first point with that score.
    pub peak_timestamp: i64,
    /// Why it was called; `None` where that was not worked out.
    pub explanation: Option<Explanation>,
    /// The same in words, for people; empty where nobody put it into words.
    pub why: String,
}

impl SeriesScores {
    /// Refuses other than one score and one decision a timestamp.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub(crate) fn check(&self) -> Result<()> {
        let n_timestamps = self.timestamps.len();
        for (found, what) in [(self.scores.len(), "scores"), (self.alarms.len(), "alarms")] {
            if found != n_timestamps {
                let of = format!("the scores of series `{}`", self.series);
                return Err(Error::shape(of, format!("{n_timestamps} {what}, one a timestamp"), found.to_string()));
            }
        }
        Ok(())
    }

    /// Whether each point is an alarm.
    #[must_use]
    pub fn anomalies(&self) -> Vec<bool> {
        self.alarms.iter().map(|alarm| alarm.is_raised()).collect()
    }

    /// The points of each event, in time order, from the first alarm to the last.
    #[must_use]
    pub fn event_points(&self) -> Vec<Range<usize>> {
        Alarm::events(&self.alarms)
    }

    /// The events in time order; of points that have a score, a decision and a timestamp.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        let n_points = self.scores.len().min(self.timestamps.len()).min(self.alarms.len());
        let event = |points: Range<usize>| {
            let raised = || points.clone().filter(|&point| self.alarms[point].is_raised());
            let peak = raised()
                .reduce(|best, point| if self.scores[point] > self.scores[best] { point } else { best })
                .unwrap_or(points.start);
            Event {
                series: self.series.clone(),
                time_format: self.time_format,
                start: self.timestamps[points.start],
                end: self.timestamps[points.end - 1],
                n_points: raised().count(),
                peak: self.scores[peak],
                peak_timestamp: self.timestamps[peak],
                explanation: None,
                why: String::new(),
            }
        };
        Alarm::events(&self.alarms[..n_points]).into_iter().map(event).collect()
    }
}

/// Reads a file that [`write_scores`] wrote: the series in the order of the file.
///
/// A CSV file or a Parquet file with integers tells seconds, milliseconds, microseconds and nanoseconds apart by magnitude,
/// as [`read`](crate::data::read()) does, so that both agree on the timestamps of one series. Alarms are those of the column `anomaly`,
/// each run of them an event; in a file without it they are where the score is above the threshold.
///
/// # Errors
/// [`Error::Read`], [`Error::Format`] and [`Error::Cell`] as in [`read`](crate::data::read()), [`Error::Format`] too without one of the
/// columns,
/// [`Error::Cell`] too if the threshold or the model changes within a series; [`Error::DuplicateTimestamp`].
pub fn read_scores(path: &Path) -> Result<Vec<SeriesScores>> {
    let wanted = |is_timed: bool, has_alarms: bool| {
        let values = ["score", "threshold"].into_iter().chain((!is_timed).then_some("index"));
        Wanted {
            series: Find::Named(vec!["series".to_owned()]),
            time: if is_timed { Find::Named(vec!["timestamp".to_owned()]) } else { Find::Absent },
            values: values.map(str::to_owned).collect(),
            label: if has_alarms { Find::Named(vec!["anomaly".to_owned()]) } else { Find::Absent },
            tag: Some("model".to_owned()),
            ..Wanted::default()
        }
    };
    let read = match read_table(path, &wanted(true, true)) {
        Err(Error::Columns { found, .. }) => {
            let has = |column: &str| found.iter().any(|name| name == column);
            read_table(path, &wanted(has("timestamp") || !has("index"), has("anomaly")))
        }
        read => read,
    };
    match read {
        // A header without rows is what no series at all are written as.
        Err(Error::Empty { .. }) if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0) => Ok(Vec::new()),
        read => part(&read.map_err(|error| error.unlike("a scores file"))?),
    }
}

/// Parts the rows of a scores file into its series.
fn part(table: &Table) -> Result<Vec<SeriesScores>> {
    let (series, models) = (table.series.as_ref(), table.tags.as_ref());
    let (series, models) = (series.expect("a column of series"), models.expect("a column of models"));
    let n_columns = table.channels.len();
    let cell = |row: usize, column: usize| table.values[row * n_columns + column];
    let wrong = |row: usize, column: &str, expected: String, found: String| {
        Error::cell(&table.path, row + 1, column, expected, found)
    };

    let mut rows: Vec<Vec<(i64, usize)>> = vec![Vec::new(); series.texts.len()];
    for (row, &id) in series.of_row.iter().enumerate() {
        let timestamp = match &table.timestamps {
            Some(timestamps) => timestamps[row],
            None => match crate::data::read::integral(cell(row, 2)) {
                Some(index) => index,
                None => return Err(wrong(row, "index", "the number of a row".to_owned(), number(cell(row, 2)))),
            },
        };
        rows[id as usize].push((timestamp, row));
    }
    let one = |(id, mut rows): (usize, Vec<(i64, usize)>)| {
        let name = &series.texts[id];
        let time_format = if table.timestamps.is_some() { table.formats[id] } else { TimeFormat::Index };
        rows.sort_unstable();
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::DuplicateTimestamp {
                path: table.path.clone(),
                series: name.clone(),
                timestamp: time_format.format(pair[0].0),
                first: pair[0].1 + 1,
                second: pair[1].1 + 1,
            });
        }
        let first = rows[0].1;
        let (threshold, model) = (cell(first, 1), models.get(first));
        for &(_, row) in &rows {
            if cell(row, 1).to_bits() != threshold.to_bits() || threshold.is_nan() {
                let expected = format!("one threshold in all rows of series `{name}`, which is {}", number(threshold));
                return Err(wrong(row, "threshold", expected, number(cell(row, 1))));
            }
            if models.get(row) != model {
                let expected = format!("one model in all rows of series `{name}`, which is `{model}`");
                return Err(wrong(row, "model", expected, models.get(row).to_owned()));
            }
        }
        let scores: Vec<f64> = rows.iter().map(|&(_, row)| cell(row, 0)).collect();
        let alarms = match &table.labels {
            Some(labels) => Alarm::of_runs(rows.iter().map(|&(_, row)| labels[row] == Some(Label::Anomaly))),
            None => Alarm::above(&scores, threshold),
        };
        Ok(SeriesScores {
            series: name.clone(),
            time_format,
            timestamps: rows.iter().map(|&(timestamp, _)| timestamp).collect(),
            scores,
            alarms,
            threshold,
            model: model.to_owned(),
        })
    };
    rows.into_iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::series::NANOS_PER_SECOND;

    fn scores(series: &str, time_format: TimeFormat, scores: &[f64]) -> SeriesScores {
        let step = if time_format == TimeFormat::Index { 1 } else { 60 * NANOS_PER_SECOND };
        let first = if time_format == TimeFormat::Index { 7 } else { 1_491_041_280 * NANOS_PER_SECOND };
        let timestamps = (0..).map(|point| first + point * step).take(scores.len()).collect();
        let (series, model) = (series.to_owned(), "default, 435 questions".to_owned());
        let alarms = Alarm::above(scores, 0.5);
        SeriesScores { series, time_format, timestamps, scores: scores.to_vec(), alarms, threshold: 0.5, model }
    }

    #[test]
    fn an_event_is_a_run_above_the_threshold() {
        let found = scores("s", TimeFormat::Index, &[0.5, 0.6, 0.9, 0.9, f64::NAN, 0.7]).events();
        let bounds: Vec<_> = found.iter().map(|event| (event.start, event.end, event.n_points)).collect();
        assert_eq!(bounds, [(8, 10, 3), (12, 12, 1)]);
        assert_eq!((found[0].peak.to_bits(), found[0].peak_timestamp), (0.9_f64.to_bits(), 9));
    }

    #[test]
    fn runs_that_were_merged_are_one_event_of_its_alarms_alone() {
        let mut scores = scores("s", TimeFormat::Index, &[0.6, 0.4, 0.7, 0.2, 0.6]);
        scores.alarms[2] = Alarm::Continues;
        let found = scores.events();
        let bounds: Vec<_> = found.iter().map(|event| (event.start, event.end, event.n_points)).collect();
        assert_eq!(bounds, [(7, 9, 2), (11, 11, 1)]);
        assert_eq!(found[0].peak_timestamp, 9);
        assert_eq!(scores.event_points(), [0..3, 4..5]);
    }

    #[test]
    fn alarms_are_those_of_the_file_where_it_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        let mut held = scores("a", TimeFormat::Seconds, &[0.6, 0.7, 0.8, 0.1]);
        held.alarms = Alarm::of_runs([false, true, true, false].into_iter());
        for path in [&path, &path.with_extension("parquet")] {
            write_scores(path, std::slice::from_ref(&held)).unwrap();
            assert_eq!(read_scores(path).unwrap(), [held.clone()]);
        }
        for time in ["timestamp", "index"] {
            let text = format!("series,{time},score,threshold,model\na,60,1,0.5,m\na,120,0.5,0.5,m\n");
            std::fs::write(&path, text).unwrap();
            assert_eq!(read_scores(&path).unwrap()[0].alarms, [Alarm::Opens, Alarm::None], "{time}");
        }
    }

    #[test]
    fn a_scores_file_reads_as_a_person_would_write_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        write_scores(&path, &[scores("a", TimeFormat::Civil, &[0.25, f64::NAN, 2.0])]).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "series,timestamp,score,threshold,anomaly,model\n\
             a,2017-04-01 10:08:00,0.25,0.5,false,\"default, 435 questions\"\n\
             a,2017-04-01 10:09:00,,0.5,false,\"default, 435 questions\"\n\
             a,2017-04-01 10:10:00,2,0.5,true,\"default, 435 questions\"\n"
        );
    }

    #[test]
    fn series_of_different_forms_share_a_file_but_not_with_series_without_time() {
        let folder = tempfile::tempdir().unwrap();
        let mixed = [
            scores("a", TimeFormat::Seconds, &[0.1]),
            scores("b", TimeFormat::Civil, &[0.2, 0.3]),
            scores("c", TimeFormat::Milliseconds, &[0.4]),
        ];
        for name in ["x.csv", "x.parquet"] {
            let path = folder.path().join(name);
            write_scores(&path, &mixed).unwrap();
            assert_eq!(read_scores(&path).unwrap(), mixed);
            let none = [scores("a", TimeFormat::Seconds, &[0.1]), scores("d", TimeFormat::Index, &[0.4])];
            assert!(write_scores(&path, &none).unwrap_err().to_string().contains("with and without timestamps"));
            write_scores(&path, &[]).unwrap();
            assert!(read_scores(&path).unwrap().is_empty());
        }
    }

    #[test]
    fn a_series_has_one_threshold() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "series,timestamp,score,threshold,anomaly,model\na,60,1,0,1,m\na,120,1,0.5,1,m\n")
            .unwrap();
        assert!(read_scores(&path).unwrap_err().to_string().contains("row 2, column `threshold`"));
    }
}
