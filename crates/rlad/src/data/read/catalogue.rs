//! Which series files hold, and reading some of them: for data that do not fit in memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use super::columns::Wanted;
use super::files::{self, DataFile, Form};
use super::listing::Listing;
use super::notes::{Note, Notes};
#[cfg(feature = "parquet")]
use super::parquet;
use super::pieces::{Piece, Repeated, by_channel, name_of_channel, pieces};
use super::{BadFiles, OneClock, ReadOptions, csv, data_set, read_rows, what_is_read};
use crate::data::dataset::DataSet;
use crate::data::series::TimeFormat;
use crate::error::{Error, Result};

/// The series in files and folders, and where in them they lie. It holds no values: [`Self::read`] reads some of the series,
/// so that data of any size can be worked on series by series.
///
/// Series whose rows follow each other in a file are read without the rest of the file; those whose rows are scattered cost
/// a pass over it each time. A pipe is copied to a temporary file, as it can be read once only.
#[derive(Debug)]
pub struct Catalogue {
    wanted: Wanted,
    step: Option<i64>,
    files: Vec<(DataFile, Listing)>,
    series: Vec<ListedSeries>,
    /// The index of each file that holds a series, and its place in the file's listing; by series.
    places: Vec<Vec<(usize, usize)>>,
    repeated: Repeated,
    notes: Notes,
}

/// A series that stands in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSeries {
    /// The name.
    pub name: String,
    /// The number of its points, in all files together.
    pub n_points: usize,
    /// The number of its value channels.
    pub n_channels: usize,
    /// How its timestamps are written.
    pub time_format: TimeFormat,
}

impl Catalogue {
    /// Lists the series of files and folders, which are found and named as [`read`](crate::data::read()) does.
    ///
    /// Only names and times are looked at: what is wrong with values, labels and all but the first time of a series is found
    /// when the series is read.
    ///
    /// # Errors
    /// Those of [`read`](crate::data::read()), as far as they can be found.
    pub fn of(paths: &[PathBuf], options: &ReadOptions) -> Result<Self> {
        let mut notes = Notes::default();
        let wanted = Wanted::of(&options.columns, &options.form)?;
        let mut bad = BadFiles::default();
        let mut clock = OneClock::default();
        let mut files = Vec::new();
        for file in files::find(paths, &mut notes)? {
            let listed = list(&file, &wanted).and_then(|listing| {
                clock.check(&file.path, listing.is_timed, &listing.columns)?;
                Ok(listing)
            });
            let listing = match listed {
                Err(Error::Empty { what }) => {
                    notes.add(Note::NoRows, what);
                    continue;
                }
                Err(error) => {
                    bad.leave_out(&file, error, &wanted, &mut notes)?;
                    continue;
                }
                Ok(listing) => listing,
            };
            notes.read_as(&file.path, &listing.roles, listing.is_timed, &wanted);
            files.push((file, listing));
        }
        let mut by_name = BTreeMap::<String, Vec<(usize, usize)>>::new();
        let is_one_file = files.len() == 1;
        for (file, (_, listing)) in files.iter().enumerate() {
            for (place, listed) in listing.series.iter().enumerate() {
                let rows = (listing.is_named || !is_one_file).then_some(listed.name.as_str());
                let names = if wanted.form.wide {
                    listing.channels.iter().map(|channel| name_of_channel(rows, channel)).collect()
                } else {
                    vec![listed.name.clone()]
                };
                names.into_iter().for_each(|name| by_name.entry(name).or_default().push((file, place)));
            }
        }
        if by_name.is_empty() {
            return Err(bad.first.unwrap_or_else(|| Error::Empty { what: what_is_read(paths) }));
        }
        let of_places = |(name, places): (&String, &Vec<(usize, usize)>)| {
            let (file, place) = places[0];
            let first: &Listing = &files[file].1;
            ListedSeries {
                name: name.clone(),
                n_points: places.iter().map(|&(file, place)| files[file].1.series[place].n_rows).sum(),
                n_channels: if wanted.form.wide { 1 } else { first.channels.len() },
                time_format: first.series[place].time_format,
            }
        };
        let series = by_name.iter().map(of_places).collect();
        let places = by_name.into_values().collect();
        let repeated = options.form.duplicates.into();
        Ok(Self { wanted, step: options.step, files, series, places, repeated, notes })
    }

    /// The series, sorted by name, at least one.
    #[must_use]
    pub fn series(&self) -> &[ListedSeries] {
        &self.series
    }

    /// Reads series by their names: the same series and truths, sorted by name, that [`read`](crate::data::read()) gives for them.
    /// [`Self::notes`] holds the notes, not the data set.
    ///
    /// # Errors
    /// Those of [`read`](crate::data::read()); [`Error::NotFound`] for a name that is not listed; [`Error::Format`] for a file that
    /// was changed since it was listed.
    pub fn read(&mut self, names: &[impl AsRef<str>]) -> Result<DataSet> {
        let mut of_files = BTreeMap::<usize, Vec<usize>>::new();
        let asked: HashSet<&str> = names.iter().map(AsRef::as_ref).collect();
        for name in names {
            let name = name.as_ref();
            let index = self.index(name).ok_or_else(|| Error::NotFound {
                what: format!("series `{name}`"),
                place: "the files that were listed".to_owned(),
            })?;
            for &(file, place) in &self.places[index] {
                of_files.entry(file).or_default().push(place);
            }
        }
        let mut notes = std::mem::take(&mut self.notes);
        let data = self.read_of_files(of_files, &asked, &mut notes);
        self.notes = notes;
        data
    }

    /// Notes on what was repaired or left out in the files and in the series that were read, a few sentences for people: when every
    /// series was read, those of [`read`](crate::data::read()).
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.notes.sentences()
    }

    /// What the columns of the files were taken for, a line for the files that are alike.
    #[must_use]
    pub fn roles(&self) -> Vec<String> {
        self.notes.roles()
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.series.binary_search_by(|listed| listed.name.as_str().cmp(name)).ok()
    }

    /// Reads the series at some places of some files.
    fn read_of_files(
        &self,
        of_files: BTreeMap<usize, Vec<usize>>,
        asked: &HashSet<&str>,
        notes: &mut Notes,
    ) -> Result<DataSet> {
        let mut all = Vec::new();
        for (index, mut places) in of_files {
            places.sort_unstable();
            places.dedup();
            let (file, listing) = &self.files[index];
            let table = read_rows(file, &self.wanted, Some((listing, &places)))?;
            let place_of: HashMap<&str, usize> =
                places.iter().map(|&place| (listing.series[place].name.as_str(), place)).collect();
            // A name that was not asked for is refused below, so its notes are never told.
            let place = |_, name: &str| (index, place_of.get(name).copied().unwrap_or_default());
            let found = pieces(&table, &file.name, self.repeated, place, notes)?;
            let is_as_listed = |piece: &Piece| {
                place_of.get(piece.series.as_str()).is_some_and(|&place| {
                    let listed = &listing.series[place];
                    (piece.n_rows, piece.format.is_like(listed.time_format)) == (listed.n_rows, true)
                })
            };
            if found.len() != places.len() || !found.iter().all(is_as_listed) {
                let expected = "the file that it was when its series were listed: it was changed meanwhile".to_owned();
                return Err(Error::Format { path: file.path.clone(), expected, source: None });
            }
            if self.wanted.form.wide {
                let has_name = listing.is_named || self.files.len() > 1;
                let of_channels = found.iter().flat_map(|piece| by_channel(piece, has_name));
                all.extend(of_channels.filter(|piece| asked.contains(piece.series.as_str())));
            } else {
                all.extend(found);
            }
        }
        data_set(all, &self.wanted.form, self.step, |_, name| self.index(name).expect("a listed series"), notes)
    }
}

/// Lists the series of one file.
///
/// # Errors
/// [`Error::Empty`] without rows.
fn list(file: &DataFile, wanted: &Wanted) -> Result<Listing> {
    let listing = match file.form()? {
        Form::Csv => csv::list(file, wanted)?,
        #[cfg(feature = "parquet")]
        Form::Parquet => parquet::list(file, wanted)?,
    };
    if listing.series.is_empty() {
        return Err(Error::Empty { what: format!("`{}`", file.path.display()) });
    }
    Ok(listing)
}
