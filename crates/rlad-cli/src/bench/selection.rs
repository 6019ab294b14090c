//! The series of a suite: some of a data set by name, and each as a data set of its own.

use rlad::data::{DataSet, is_named};

use super::suite::SuiteData;
use crate::advice::Advice;

/// The series that a suite takes, in the order of the data.
///
/// # Errors
/// If a pattern is the name of none, or if there are fewer than the suite takes.
pub(crate) fn select(data: DataSet, suite: &SuiteData) -> anyhow::Result<DataSet> {
    if suite.series.is_empty() && suite.n_series.is_none() {
        return Ok(data);
    }
    let names: Vec<&str> = data.series.iter().map(|series| series.name()).collect();
    if let Some(pattern) = suite.series.iter().find(|pattern| !names.iter().any(|name| is_named(pattern, name))) {
        return Err(Advice::error(
            format!("no series of the data is named `{pattern}`, which the suite takes"),
            "give the data that the suite is made for, or change its `data.series`".to_owned(),
        ));
    }
    let is_taken = |name: &str| suite.series.is_empty() || suite.series.iter().any(|pattern| is_named(pattern, name));
    let mut named: Vec<&str> = names.into_iter().filter(|name| is_taken(name)).collect();
    named.sort_unstable();
    let n = suite.n_series.unwrap_or(named.len());
    if n > named.len() {
        return Err(Advice::error(
            format!("the suite takes {n} series, and the data have {}", named.len()),
            "give the data that the suite is made for, or change its `data.n_series`".to_owned(),
        ));
    }
    let taken: Vec<String> = (0..n).map(|i| named[i * named.len() / n].to_owned()).collect();
    let mut selected = DataSet { notes: data.notes.clone(), ..DataSet::default() };
    for (series, truth) in data.iter().filter(|(series, _)| taken.iter().any(|name| name == series.name())) {
        selected.push(series.clone(), truth.cloned());
    }
    Ok(selected)
}

/// Each series as a data set of its own.
pub(crate) fn each_alone(data: &DataSet) -> Vec<DataSet> {
    let alone = |(series, truth): (&rlad::Series, Option<&rlad::data::Truth>)| {
        let mut one = DataSet::default();
        one.push(series.clone(), truth.cloned());
        one
    };
    data.iter().map(alone).collect()
}

/// Whether any point of the data is labelled as an anomaly.
pub(crate) fn has_anomalies(data: &DataSet) -> bool {
    data.truths.iter().flatten().any(|truth| truth.n_anomalies() > 0)
}

#[cfg(test)]
mod tests {
    use rlad::Series;
    use rlad::data::TimeFormat;

    use super::*;

    fn data(names: &[&str]) -> DataSet {
        let mut data = DataSet::default();
        for name in names {
            let series = Series::new(*name, vec!["v".into()], TimeFormat::Index, vec![0], vec![0.0], None).unwrap();
            data.push(series, None);
        }
        data
    }

    fn suite(series: &[&str], n_series: Option<usize>) -> SuiteData {
        let series = series.iter().map(|name| (*name).to_owned()).collect();
        SuiteData { paths: Vec::new(), source: None, series, n_series, hint: String::new() }
    }

    fn taken(names: &[&str], series: &[&str], n_series: Option<usize>) -> Result<Vec<String>, String> {
        let selected = select(data(names), &suite(series, n_series)).map_err(|error| error.to_string())?;
        assert!(each_alone(&selected).iter().all(|one| one.series.len() == 1 && one.truths.len() == 1));
        Ok(selected.series.iter().map(|series| series.name().to_owned()).collect())
    }

    #[test]
    fn patterns_take_names_whole() {
        for (pattern, name, means) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*é*", "caféx", true),
            ("**", "", true),
            ("real/*", "unreal/x", false),
        ] {
            assert_eq!(is_named(pattern, name), means, "{pattern} {name}");
        }
    }

    #[test]
    fn series_are_spread_evenly_over_names_in_order() {
        let names = ["b", "d", "a", "c", "e", "g", "f"];
        assert_eq!(taken(&names, &[], None).unwrap(), names);
        // Of the sorted names those at 0, 7 / 3 and 14 / 3: a, c, e, in the order of the data.
        assert_eq!(taken(&names, &[], Some(3)).unwrap(), ["a", "c", "e"]);
        assert_eq!(taken(&names, &["f", "b*"], None).unwrap(), ["b", "f"]);
        assert_eq!(taken(&names, &["f", "b"], Some(1)).unwrap(), ["b"]);
        assert!(taken(&names, &["x*"], None).unwrap_err().contains("no series of the data is named `x*`"));
        assert!(taken(&names, &[], Some(8)).unwrap_err().contains("takes 8 series, and the data have 7"));
    }
}
