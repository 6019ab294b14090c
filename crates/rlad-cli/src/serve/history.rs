//! The points of the last weeks of the series that are learned from, on disk: a file a day and start of the program.
//!
//! A file is framed as the journal is: contents that name a series with its number in the file, and contents with points. What the
//! journal plays back once more after a crash stands twice; the later one counts.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::bytes::{Reader, Writer};
use super::intake::Point;
use super::journal::{frame, framed};

const DAY_MS: i64 = 86_400_000;
const EXTENSION: &str = "points";
/// Points that wait in memory are written when there are so many.
const MOST_WAITING: usize = 64 * 1024;

/// The points of series by name, each in time order.
pub(crate) type Points = BTreeMap<String, Vec<Point>>;

/// The history, open at its end.
#[derive(Debug)]
pub(crate) struct History {
    folder: PathBuf,
    /// How long points are kept, in milliseconds.
    window: i64,
    day: i64,
    file: Option<File>,
    /// The numbers of the series in the file.
    numbers: HashMap<u32, u32>,
    waiting: Writer,
    n_waiting: usize,
}

impl History {
    /// Opens a folder.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn open(folder: &Path, window_ms: i64) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            window: window_ms,
            day: i64::MIN,
            file: None,
            numbers: HashMap::new(),
            waiting: Writer::default(),
            n_waiting: 0,
        })
    }

    /// Keeps a point of a series, which is known by its number and its name.
    ///
    /// # Errors
    /// If a file cannot be written; its points are then lost to learning.
    pub(crate) fn add(&mut self, id: u32, name: &str, point: Point) -> anyhow::Result<()> {
        let day = point.at.div_euclid(DAY_MS);
        if day > self.day {
            self.flush()?;
            (self.day, self.file) = (day, None);
            self.numbers.clear();
        }
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(id).or_insert(next);
        if number == next {
            self.put_points()?;
            let mut content = Writer::default();
            content.u8(1);
            content.u32(number);
            content.text(name);
            self.put(content.as_bytes())?;
        }
        self.waiting.u32(number);
        self.waiting.i64(point.at);
        self.waiting.f64(point.value);
        self.n_waiting += 1;
        if self.n_waiting >= MOST_WAITING { self.put_points() } else { Ok(()) }
    }

    /// Hands what waits to the system.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        self.put_points()
    }

    /// Puts all points on the disk.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(crate) fn sync(&mut self) -> anyhow::Result<()> {
        self.flush()?;
        self.file.as_ref().map_or(Ok(()), |file| file.sync_data().context("cannot write the history"))
    }

    fn put_points(&mut self) -> anyhow::Result<()> {
        if self.n_waiting == 0 {
            return Ok(());
        }
        let mut content = Writer::default();
        content.u8(2);
        content.raw(self.waiting.as_bytes());
        self.waiting.clear();
        self.n_waiting = 0;
        self.put(content.as_bytes())
    }

    fn put(&mut self, content: &[u8]) -> anyhow::Result<()> {
        let mut framed = Writer::default();
        frame(&mut framed, content);
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(new_file(&self.folder, self.day)?),
        };
        let written = file.write_all(framed.as_bytes());
        if written.is_err() {
            // What was written in part is cut where it is read; what follows stands in another file.
            self.file = None;
            self.numbers.clear();
        }
        written.with_context(|| format!("cannot write to `{}`", self.folder.display()))
    }

    /// Removes the days all of whose points are older than the window before `now`.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub(crate) fn forget_old(&self, now: i64) -> anyhow::Result<()> {
        let first = (now - self.window).div_euclid(DAY_MS);
        for (day, path) in files(&self.folder)? {
            if day < first {
                fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
            }
        }
        Ok(())
    }
}

/// The points of a folder's history from `from` on, in milliseconds.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn read(folder: &Path, from: i64) -> anyhow::Result<Points> {
    let mut points = Points::new();
    for (day, path) in files(folder)? {
        if (day + 1) * DAY_MS <= from {
            continue;
        }
        let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let mut names: Vec<String> = Vec::new();
        let mut of_file: Vec<Vec<Point>> = Vec::new();
        let mut at = 0;
        while let Some((content, end)) = framed(&bytes, at) {
            at = end;
            let mut content = Reader::new(content);
            match content.u8() {
                Some(1) => {
                    if let (Some(_), Some(name)) = (content.u32(), content.text()) {
                        names.push(name);
                        of_file.push(Vec::new());
                    }
                }
                Some(2) => {
                    while let (Some(number), Some(at), Some(value)) = (content.u32(), content.i64(), content.f64()) {
                        let of_series = of_file.get_mut(number as usize).filter(|_| at >= from);
                        of_series.into_iter().for_each(|points| points.push(Point { at, value }));
                    }
                }
                _ => {}
            }
        }
        for (name, of_series) in names.into_iter().zip(of_file) {
            points.entry(name).or_default().extend(of_series);
        }
    }
    for points in points.values_mut() {
        // A sort that keeps the order of equals: of points of one time the last one counts.
        points.sort_by_key(|point| point.at);
        points.reverse();
        points.dedup_by_key(|point| point.at);
        points.reverse();
    }
    points.retain(|_, points| !points.is_empty());
    Ok(points)
}

/// A new file of a day.
fn new_file(folder: &Path, day: i64) -> anyhow::Result<File> {
    let n = files(folder)?.iter().filter(|(of, _)| *of == day).count();
    for number in n.. {
        let path = folder.join(format!("{day}-{number:06}.{EXTENSION}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            opened => return opened.with_context(|| format!("cannot write `{}`", path.display())),
        }
    }
    anyhow::bail!("`{}` has no room for another file", folder.display())
}

/// The files of a folder with their days since 1970, in the order in which they were written.
fn files(folder: &Path) -> anyhow::Result<Vec<(i64, PathBuf)>> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
        let path = file?.path();
        let day = path.file_stem().and_then(|stem| stem.to_str()?.rsplit_once('-')?.0.parse().ok());
        if let Some(day) = day.filter(|_| path.extension().is_some_and(|extension| extension == EXTENSION)) {
            found.push((day, path));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: i64, value: f64) -> Point {
        Point { at, value }
    }

    #[test]
    fn points_of_several_days_and_starts_are_read_once_each_in_time_order() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = History::open(dir.path(), 2 * DAY_MS).unwrap();
        first.add(5, "a", point(10, 1.0)).unwrap();
        first.add(9, "b", point(20, 2.0)).unwrap();
        first.add(5, "a", point(30, 3.0)).unwrap();
        first.flush().unwrap();
        first.add(5, "a", point(DAY_MS + 1, 4.0)).unwrap();
        first.sync().unwrap();
        // After a crash the journal plays the last points back.
        let mut second = History::open(dir.path(), 2 * DAY_MS).unwrap();
        second.add(5, "a", point(30, 3.5)).unwrap();
        second.add(5, "a", point(DAY_MS + 2, 5.0)).unwrap();
        second.sync().unwrap();
        let found = read(dir.path(), 0).unwrap();
        let a = [point(10, 1.0), point(30, 3.5), point(DAY_MS + 1, 4.0), point(DAY_MS + 2, 5.0)];
        assert_eq!(found["a"], a);
        assert_eq!(found["b"], [point(20, 2.0)]);
        assert_eq!(read(dir.path(), DAY_MS + 2).unwrap()["a"], a[3..]);
        second.forget_old(3 * DAY_MS).unwrap();
        assert_eq!(read(dir.path(), 0).unwrap()["a"], a[2..]);
    }

    #[test]
    fn a_torn_end_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let mut history = History::open(dir.path(), DAY_MS).unwrap();
        for at in 0..3 {
            history.add(0, "a", point(at, at as f64)).unwrap();
            history.flush().unwrap();
        }
        let path = files(dir.path()).unwrap()[0].1.clone();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(read(dir.path(), 0).unwrap()["a"], [point(0, 0.0), point(1, 1.0)]);
    }
}
