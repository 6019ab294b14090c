//! The join of scores with truth: by the names of series and by timestamps.

use std::collections::{HashMap, HashSet};

use super::points::ScoredSeries;
use crate::data::dataset::DataSet;
use crate::data::label::Label;
use crate::data::scores::SeriesScores;
use crate::data::series::{Part, Series, TimeFormat};
use crate::error::{Error, Result};

/// The names that one note lists.
const MAX_NAMES: usize = 5;

/// The series of a data set with their scores.
#[derive(Clone, Debug)]
pub struct Joined<'a> {
    /// The series that have a score at one of their points at least, in the order of the data.
    pub series: Vec<JoinedSeries<'a>>,
    /// The names of the series that have none: they are left out.
    pub without_scores: Vec<&'a str>,
    /// The names of the series that are scored and not in the data: they are left out.
    pub not_in_data: Vec<String>,
    /// The name under which the only series is scored, where it has another one in the data.
    pub other_name: Option<String>,
}

/// A part of one series with its scores.
#[derive(Clone, Debug)]
pub struct JoinedSeries<'a> {
    /// The series.
    pub series: &'a Series,
    /// The label of each point of the part, `None` where it is unknown; `None` for a series without a truth.
    pub truth: Option<&'a [Option<Label>]>,
    /// The score of each point of the part; NaN where there is none.
    pub scores: Vec<f64>,
    /// Whether each point of the part is an alarm by the scores; one that they do not hold is none.
    pub alarms: Vec<bool>,
    /// The score above which a point may be an alarm.
    pub threshold: f64,
    /// The points of the part that the scores do not hold.
    pub n_unscored: usize,
}

/// Joins scores with a part of each series of a data set: a score is that of the point with its timestamp.
///
/// Series are the same where their names are; one scored series and one in the data are the same whatever their names.
///
/// A point that the scores do not hold has the score NaN, so that it is never an alarm: a detector that scores half of the points does
/// not look better for it.
///
/// # Errors
/// [`Error::NotFound`] if no series has both a truth and a score at one of its points; [`Error::Shape`] if a truth has not the length
/// of its series, if timestamps have not one score each, or if one series is scored twice.
pub fn join<'a>(scores: &[SeriesScores], data: &'a DataSet, part: Part) -> Result<Joined<'a>> {
    data.check()?;
    let mut by_name = HashMap::<&str, &SeriesScores>::new();
    for of_series in scores {
        of_series.check()?;
        if by_name.insert(&of_series.series, of_series).is_some() {
            return Err(Error::shape("the scores", "each series once", format!("`{}` twice", of_series.series)));
        }
    }
    let mut joined =
        Joined { series: Vec::new(), without_scores: Vec::new(), not_in_data: Vec::new(), other_name: None };
    if let ([of_series], [series]) = (scores, &data.series[..])
        && of_series.series != series.name()
    {
        by_name.insert(series.name(), of_series);
        joined.other_name = Some(of_series.series.clone());
    }
    for (series, truth) in data.iter() {
        let points = series.part(part);
        if points.is_empty() {
            continue;
        }
        let Some(of_series) = by_name.get(series.name()) else {
            joined.without_scores.push(series.name());
            continue;
        };
        let at: HashMap<i64, usize> = of_series.timestamps.iter().copied().zip(0..).collect();
        let timestamps = &series.timestamps()[points.clone()];
        let n_unscored = timestamps.iter().filter(|timestamp| !at.contains_key(timestamp)).count();
        if n_unscored == timestamps.len() {
            joined.without_scores.push(series.name());
            continue;
        }
        joined.series.push(JoinedSeries {
            series,
            truth: truth.map(|truth| &truth.labels()[points]),
            scores: timestamps
                .iter()
                .map(|timestamp| at.get(timestamp).map_or(f64::NAN, |&row| of_series.scores[row]))
                .collect(),
            alarms: timestamps
                .iter()
                .map(|timestamp| at.get(timestamp).is_some_and(|&row| of_series.alarms[row].is_raised()))
                .collect(),
            threshold: of_series.threshold,
            n_unscored,
        });
    }
    if joined.series.iter().all(|one| one.truth.is_none()) {
        let what = "a series with labels and scores at the same timestamps".to_owned();
        return Err(Error::NotFound { what, place: format!("the scores and the truth: {}", difference(scores, data)) });
    }
    let in_data: HashSet<&str> = data.series.iter().map(Series::name).collect();
    let not_in_data = scores.iter().map(|of_series| &of_series.series).filter(|name| !in_data.contains(name.as_str()));
    if joined.other_name.is_none() {
        joined.not_in_data = not_in_data.cloned().collect();
    }
    Ok(joined)
}

/// What keeps scores and data apart, where no series of one is a labelled series of the other.
fn difference(scores: &[SeriesScores], data: &DataSet) -> String {
    if scores.is_empty() {
        return "there are no scores".to_owned();
    }
    if data.truths.iter().all(Option::is_none) {
        return "no series of the truth has labels".to_owned();
    }
    let same = |series: &&Series| {
        data.series.len() == 1 && scores.len() == 1 || scores.iter().any(|of| of.series == series.name())
    };
    let Some(series) = data.series.iter().find(same) else {
        let scored: Vec<&String> = scores.iter().map(|of_series| &of_series.series).collect();
        let known: Vec<&str> = data.series.iter().map(Series::name).collect();
        return format!("scored are {}, labelled are {}", names(&scored), names(&known));
    };
    let of_series = scores.iter().find(|of| of.series == series.name()).unwrap_or(&scores[0]);
    let span = |timestamps: &[i64], format: TimeFormat| match timestamps {
        [] => "nowhere".to_owned(),
        [first, .., last] => format!("from {} to {}", format.format(*first), format.format(*last)),
        [one] => format!("at {}", format.format(*one)),
    };
    format!(
        "`{}` is scored {}, and the truth has it {}",
        series.name(),
        span(&of_series.timestamps, of_series.time_format),
        span(series.timestamps(), series.time_format())
    )
}

impl Joined<'_> {
    /// The series with a truth and the alarms of the scores, as [`evaluate`](super::evaluate()) takes them.
    #[must_use]
    pub fn scored(&self) -> Vec<ScoredSeries<'_>> {
        let mut scored = Vec::new();
        for (one, truth) in self.labelled() {
            let alarms = Some(&*one.alarms);
            scored.push(ScoredSeries { truth, scores: &one.scores, threshold: one.threshold, alarms });
        }
        scored
    }

    /// The series with a truth, and for alarms the points above a threshold, one for all series.
    #[must_use]
    pub fn at_threshold(&self, threshold: f64) -> Vec<ScoredSeries<'_>> {
        self.labelled()
            .map(|(one, truth)| ScoredSeries { truth, scores: &one.scores, threshold, alarms: None })
            .collect()
    }

    /// The series with a truth, with it.
    fn labelled(&self) -> impl Iterator<Item = (&JoinedSeries<'_>, &[Option<Label>])> {
        self.series.iter().filter_map(|one| Some((one, one.truth?)))
    }

    /// [`usual_delay`] of the series with a truth.
    #[must_use]
    pub fn usual_delay(&self) -> usize {
        usual_delay(self.labelled().map(|(one, _)| one.series))
    }

    /// The points and series that did not match, a few sentences for people.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let n_unscored: usize = self.labelled().map(|(one, _)| one.n_unscored).sum();
        let points =
            (n_unscored > 0).then(|| format!("{n_unscored} points have no row in the scores; they count as no alarm"));
        let without_scores = list("series without scores, left out", &self.without_scores);
        let not_in_data = list("scored series that are not in the data, left out", &self.not_in_data);
        let other_name = self.other_name.as_ref().zip(self.series.first()).map(|(scored, one)| {
            format!("the only scored series, `{scored}`, is taken for the only labelled one, `{}`", one.series.name())
        });
        other_name.into_iter().chain(points).chain(without_scores).chain(not_in_data).collect()
    }
}

/// A note on some names; `None` on none.
fn list(note: &str, of: &[impl AsRef<str>]) -> Option<String> {
    (!of.is_empty()).then(|| format!("{note}: {}", names(of)))
}

/// The first of some names.
fn names(names: &[impl AsRef<str>]) -> String {
    let listed: Vec<String> = names.iter().take(MAX_NAMES).map(|name| format!("`{}`", name.as_ref())).collect();
    let more = names.len().saturating_sub(MAX_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", listed.join(", "))
}

/// The usual largest delay of the delay-adjusted metric for some series: 7 points, or 3 where every step is an hour or longer.
#[must_use]
pub fn usual_delay<'a>(series: impl IntoIterator<Item = &'a Series>) -> usize {
    series.into_iter().map(|series| series.clock().default_delay()).max().unwrap_or(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::label::Truth;

    fn series(name: &str, n_points: i64) -> Series {
        let values = vec![0.0; usize::try_from(n_points).unwrap()];
        Series::new(name, vec!["v".into()], TimeFormat::Index, (0..n_points).collect(), values, None).unwrap()
    }

    fn truth(text: &str) -> Option<Truth> {
        let label = |c| if c == '#' { Label::Anomaly } else { Label::Normal };
        Some(Truth::new(text.chars().map(|c| Some(label(c))).collect()))
    }

    fn scores(name: &str, timestamps: &[i64], scores: &[f64]) -> SeriesScores {
        SeriesScores {
            series: name.to_owned(),
            time_format: TimeFormat::Index,
            timestamps: timestamps.to_vec(),
            scores: scores.to_vec(),
            alarms: crate::data::alarm::Alarm::above(scores, 0.5),
            threshold: 0.5,
            model: String::new(),
        }
    }

    #[test]
    fn scores_meet_the_points_of_their_timestamps() {
        let data: DataSet = [
            (series("a", 4), truth("..##")),
            (series("b", 2), None),
            (series("c", 2), truth("..")),
            (series("d", 2), truth("..")),
        ]
        .into_iter()
        .collect();
        let of = [
            scores("x", &[0], &[1.0]),
            scores("a", &[0, 1, 3], &[0.0, 1.0, 2.0]),
            scores("b", &[0, 1], &[0.0, 0.0]),
            scores("c", &[7], &[1.0]),
        ];
        let joined = join(&of, &data, "0.25..".parse().unwrap()).unwrap();
        let names: Vec<&str> = joined.series.iter().map(|one| one.series.name()).collect();
        assert_eq!(
            (names, &joined.without_scores[..], &joined.not_in_data[..]),
            (vec!["a", "b"], &["c", "d"][..], &["x".to_owned()][..])
        );
        let [one] = joined.scored()[..] else { panic!("one series has labels and scores") };
        assert!(one.scores[0] > 0.5 && one.scores[1].is_nan() && one.scores[2] > 0.5);
        assert_eq!(one.truth, &data.truths[0].as_ref().unwrap().labels()[1..]);
        assert_eq!(
            joined.notes(),
            [
                "1 points have no row in the scores; they count as no alarm",
                "series without scores, left out: `c`, `d`",
                "scored series that are not in the data, left out: `x`",
            ]
        );
    }

    #[test]
    fn one_scored_series_is_the_one_of_the_data_whatever_its_name() {
        let data: DataSet = [(series("cpu", 4), truth("..##"))].into_iter().collect();
        let of = [scores("scores", &[0, 1, 2, 3], &[0.0, 0.0, 1.0, 1.0])];
        let joined = join(&of, &data, Part::ALL).unwrap();
        assert_eq!(joined.scored()[0].scores, [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(joined.notes(), ["the only scored series, `scores`, is taken for the only labelled one, `cpu`"]);
        let two = [of[0].clone(), scores("cpu", &[0], &[1.0])];
        assert_eq!(join(&two, &data, Part::ALL).unwrap().notes().len(), 2, "by name where there are several");
    }

    #[test]
    fn an_error_names_what_keeps_scores_and_labels_apart() {
        let data: DataSet = [(series("a", 4), truth("..##")), (series("b", 4), truth("...."))].into_iter().collect();
        let unlabelled: DataSet = [(series("a", 4), None)].into_iter().collect();
        let message = |of: &[SeriesScores], data| join(of, data, Part::ALL).unwrap_err().to_string();
        let ends = |of: &[SeriesScores], data, end: &str| {
            let message = message(of, data);
            assert!(message.ends_with(end), "{message}");
        };
        let some = [scores("x", &[0], &[0.0]), scores("y", &[0], &[0.0])];
        ends(&some, &data, ": scored are `x`, `y`, labelled are `a`, `b`");
        ends(
            &[scores("a", &[10, 11], &[0.0, 0.0])],
            &data,
            ": `a` is scored from 10 to 11, and the truth has it from 0 to 3",
        );
        ends(&[scores("a", &[0], &[0.0])], &unlabelled, ": no series of the truth has labels");
        ends(&[], &data, ": there are no scores");
    }

    #[test]
    fn what_cannot_be_joined_is_an_error() {
        let message = |of: &[SeriesScores], truth| {
            let data: DataSet = [(series("a", 2), truth)].into_iter().collect();
            join(of, &data, Part::ALL).unwrap_err().to_string()
        };
        let good = scores("a", &[0, 1], &[0.0, 1.0]);
        assert!(message(&[], truth("..")).starts_with("a series with labels and scores"));
        assert!(message(std::slice::from_ref(&good), None).starts_with("a series with labels and scores"));
        assert_eq!(
            message(std::slice::from_ref(&good), truth("...")),
            "the truth of series `a` must have 2 labels, one a point, found 3"
        );
        assert_eq!(
            message(&[scores("a", &[0, 1], &[0.0])], truth("..")),
            "the scores of series `a` must have 2 scores, one a timestamp, found 1"
        );
        assert_eq!(
            message(&[good.clone(), good], truth("..")),
            "the scores must have each series once, found `a` twice"
        );
    }
}
