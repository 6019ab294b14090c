//! Which series of the data a name in a file means.

use std::collections::HashMap;

use crate::data::series::Series;

/// The series of the data by name.
#[derive(Debug)]
pub(super) struct Names<'a> {
    by_name: HashMap<&'a str, usize>,
    by_last_part: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(series: &'a [Series]) -> Self {
        let mut by_last_part = HashMap::<_, Vec<&str>>::new();
        for one in series {
            by_last_part.entry(last_part(one.name())).or_default().push(one.name());
        }
        Self { by_name: series.iter().enumerate().map(|(index, one)| (one.name(), index)).collect(), by_last_part }
    }

    /// The series of that name.
    pub(super) fn get(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The series that a file of data is: its path without the extension, or its path.
    pub(super) fn of_file(&self, path: &str) -> Option<usize> {
        self.get(without_extension(path)).or_else(|| self.get(path))
    }

    /// The series of each file, of which several may be given as they are written in a list: those of [`Names::of_file`], and
    /// for the others the one series of which more or fewer folders are named, unless another file is that series.
    pub(super) fn of_files(&self, paths: &[&str]) -> Vec<Option<usize>> {
        let mut found: Vec<Option<usize>> = paths.iter().map(|path| self.of_file(path)).collect();
        let similar: Vec<Option<usize>> = (0..paths.len())
            .map(|at| if found[at].is_none() { self.similar(without_extension(paths[at])) } else { None })
            .collect();
        let mut claims = HashMap::<usize, usize>::new();
        for index in found.iter().chain(&similar).flatten() {
            *claims.entry(*index).or_default() += 1;
        }
        for (found, similar) in found.iter_mut().zip(similar) {
            *found = found.or(similar.filter(|index| claims[index] == 1));
        }
        found
    }

    fn similar(&self, path: &str) -> Option<usize> {
        let candidates = self.by_last_part.get(last_part(path))?;
        let mut fitting = candidates.iter().filter(|name| is_tail(name, path) || is_tail(path, name));
        let one = fitting.next()?;
        if fitting.next().is_some() { None } else { self.get(one) }
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether `tail` is the last parts of a path.
fn is_tail(tail: &str, path: &str) -> bool {
    path.strip_suffix(tail).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

fn without_extension(path: &str) -> &str {
    let extensions = [".csv", ".tsv", ".txt", ".parquet", ".pq"];
    extensions.iter().find_map(|extension| path.strip_suffix(extension)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::series::TimeFormat;

    fn series(names: &[&str]) -> Vec<Series> {
        let one =
            |name: &&str| Series::new(*name, vec!["v".into()], TimeFormat::Index, vec![0], vec![0.0], None).unwrap();
        names.iter().map(one).collect()
    }

    #[test]
    fn a_file_is_the_series_of_its_name_with_more_or_fewer_folders() {
        let data = series(&["real/x", "y", "z.csv"]);
        let names = Names::new(&data);
        assert_eq!(
            names.of_files(&["real/x.csv", "real/y.csv", "z.csv.csv", "w.csv"]),
            [Some(0), Some(1), Some(2), None]
        );
        assert_eq!(names.of_files(&["x.csv", "data/real/x.csv"]), [None, None], "two files would be one series");
        assert_eq!(names.of_files(&["real/x.csv", "x.csv"]), [Some(0), None]);
        let data = series(&["a/x", "b/x"]);
        assert_eq!(Names::new(&data).of_files(&["x.csv"]), [None], "two series could be meant");
    }
}
