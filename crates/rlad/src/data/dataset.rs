//! A data set: series, and the truth of each where it is known.

use crate::data::label::Truth;
use crate::data::series::Series;
use crate::error::{Error, Result};

/// Series with different names, and their truth.
///
/// `series` and `truths` are parallel: `truths[i]` is the truth of `series[i]`, so that the series are at hand as a slice.
/// [`Self::push`], [`Self::extend`] and collecting keep them of one length; where `truths` is shorter, the truth of the rest is
/// unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataSet {
    /// The series, sorted by name, at least one where the data set was read.
    pub series: Vec<Series>,
    /// The truth of each series, one label a point; `None` where no point has a label.
    pub truths: Vec<Option<Truth>>,
    /// The repairs that were made and what was left out, a few sentences for people.
    pub notes: Vec<String>,
    /// What the columns of the files were taken for, a line for the files that are alike; none where the data were not read by what their
    /// columns hold.
    pub roles: Vec<String>,
}

impl DataSet {
    /// Appends a series and its truth.
    pub fn push(&mut self, series: Series, truth: Option<Truth>) {
        self.truths.resize(self.series.len(), None);
        self.series.push(series);
        self.truths.push(truth);
    }

    /// Each series with its truth.
    pub fn iter(&self) -> impl Iterator<Item = (&Series, Option<&Truth>)> {
        let truth = |at: usize| self.truths.get(at)?.as_ref();
        self.series.iter().enumerate().map(move |(at, series)| (series, truth(at)))
    }

    /// The number of points of all series.
    #[must_use]
    pub fn n_points(&self) -> usize {
        self.series.iter().map(Series::len).sum()
    }

    /// Whether any series has a truth.
    #[must_use]
    pub fn has_truth(&self) -> bool {
        self.iter().any(|(_, truth)| truth.is_some())
    }
}

impl DataSet {
    /// Refuses truths that are not of the series.
    ///
    /// # Errors
    /// [`Error::Shape`] where there are more truths than series, or one has not as many labels as its series has points.
    pub(crate) fn check(&self) -> Result<()> {
        let (n_series, n_truths) = (self.series.len(), self.truths.len());
        if n_truths > n_series {
            let expected = format!("at most {n_series} truths, one a series");
            return Err(Error::shape("the data set", expected, n_truths.to_string()));
        }
        self.iter().try_for_each(|(series, truth)| truth.map_or(Ok(()), |truth| truth.check(series)))
    }
}

impl Extend<(Series, Option<Truth>)> for DataSet {
    fn extend<I: IntoIterator<Item = (Series, Option<Truth>)>>(&mut self, members: I) {
        members.into_iter().for_each(|(series, truth)| self.push(series, truth));
    }
}

impl FromIterator<(Series, Option<Truth>)> for DataSet {
    fn from_iter<I: IntoIterator<Item = (Series, Option<Truth>)>>(members: I) -> Self {
        let mut data = Self::default();
        data.extend(members);
        data
    }
}

impl IntoIterator for DataSet {
    type Item = (Series, Option<Truth>);
    type IntoIter = std::iter::Zip<std::vec::IntoIter<Series>, std::vec::IntoIter<Option<Truth>>>;

    fn into_iter(mut self) -> Self::IntoIter {
        self.truths.resize(self.series.len(), None);
        self.series.into_iter().zip(self.truths)
    }
}
