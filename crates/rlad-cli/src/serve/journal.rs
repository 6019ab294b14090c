//! The write-ahead journal: what changed the state, in numbered records, on disk before it is confirmed.
//!
//! A folder of segments, each named by the number of its first record. A record is its length (4 bytes, little-endian), the CRC-32 of
//! its content (4 bytes) and its content. A segment whose end was torn by a crash is cut at the last whole record.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::bytes::{Reader, Writer};
use super::fault::reach;

/// A segment that is larger is followed by another.
const SEGMENT_BYTES: u64 = 64 << 20;
/// The longest record that is believed.
const MAX_RECORD: usize = 256 << 20;
const EXTENSION: &str = "wal";

/// A change of the state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    /// A series is watched from here on; one of the same number is begun anew.
    Series {
        /// Its number.
        id: u32,
        /// Its name.
        name: String,
        /// Whether its points are the rate of a counter.
        is_rate: bool,
        /// The time between two points in milliseconds, where it is known.
        step: Option<i64>,
        /// Whether its points are kept to be learned from.
        is_kept: bool,
    },
    /// Samples that were taken in: series, time in milliseconds, value.
    Samples(Vec<(u32, i64, f64)>),
    /// The detector from here on.
    Model(String),
    /// A series that is no longer watched.
    Forget(u32),
}

impl Record {
    fn write(&self, to: &mut Writer) {
        match self {
            Self::Series { id, name, is_rate, step, is_kept } => {
                to.u8(1);
                to.u32(*id);
                to.u8(u8::from(*is_rate) | u8::from(*is_kept) << 1);
                to.i64(step.unwrap_or(0));
                to.text(name);
            }
            Self::Samples(samples) => {
                to.u8(2);
                to.u32(samples.len() as u32);
                for (id, at, value) in samples {
                    to.u32(*id);
                    to.i64(*at);
                    to.f64(*value);
                }
            }
            Self::Model(hash) => {
                to.u8(3);
                to.text(hash);
            }
            Self::Forget(id) => {
                to.u8(4);
                to.u32(*id);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(match from.u8()? {
            1 => {
                let (id, flags) = (from.u32()?, from.u8()?);
                let step = Some(from.i64()?).filter(|step| *step > 0);
                Self::Series { id, name: from.text()?, is_rate: flags & 1 > 0, step, is_kept: flags & 2 > 0 }
            }
            2 => {
                let n = from.u32()?;
                Self::Samples((0..n).map(|_| Some((from.u32()?, from.i64()?, from.f64()?))).collect::<Option<_>>()?)
            }
            3 => Self::Model(from.text()?),
            4 => Self::Forget(from.u32()?),
            _ => return None,
        })
    }
}

/// The journal, open at its end.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    file: Option<File>,
    /// The length of the segment as far as it was confirmed.
    length: u64,
    /// The number of the next record.
    next: u64,
    /// Records that are not on disk yet.
    waiting: Writer,
    n_waiting: u64,
    syncs: bool,
}

impl Journal {
    /// A journal in a folder that goes on with the record `next`. `syncs`: whether a commit waits for the disk.
    pub(crate) fn new(folder: &Path, next: u64, syncs: bool) -> Self {
        Self { folder: folder.to_owned(), file: None, length: 0, next, waiting: Writer::default(), n_waiting: 0, syncs }
    }

    /// The number of the next record.
    pub(crate) const fn next(&self) -> u64 {
        self.next + self.n_waiting
    }

    /// Adds a record, which [`Self::commit`] writes; returns its number.
    pub(crate) fn add(&mut self, record: &Record) -> u64 {
        let mut content = Writer::default();
        record.write(&mut content);
        frame(&mut self.waiting, content.as_bytes());
        self.n_waiting += 1;
        self.next() - 1
    }

    /// Writes what was added: once it returns, a crash does not lose it. After an error all of it waits for the next call.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn commit(&mut self) -> io::Result<()> {
        if self.n_waiting == 0 {
            return Ok(());
        }
        reach("journal-before");
        if self.file.is_none() || self.length >= SEGMENT_BYTES {
            let path = self.folder.join(format!("{:020}.{EXTENSION}", self.next));
            // One of this name holds nothing that was confirmed.
            self.file = Some(OpenOptions::new().write(true).create(true).truncate(true).open(path)?);
            self.length = 0;
            if self.syncs {
                File::open(&self.folder)?.sync_all()?;
            }
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let written =
            file.write_all(self.waiting.as_bytes()).and_then(|()| if self.syncs { file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // What was written in part must not stand before the next try.
            self.cut();
            return Err(error);
        }
        self.length += self.waiting.as_bytes().len() as u64;
        self.next += self.n_waiting;
        self.n_waiting = 0;
        self.waiting.clear();
        reach("journal-after");
        Ok(())
    }

    fn cut(&mut self) {
        use std::io::{Seek, SeekFrom};
        let Some(file) = &mut self.file else { return };
        if file.set_len(self.length).and_then(|()| file.seek(SeekFrom::Start(self.length))).is_err() {
            self.file = None;
        }
    }

    /// Removes the segments all of whose records are before `first`, and begins another one.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub(crate) fn forget_before(&mut self, first: u64) -> io::Result<()> {
        let segments = segments(&self.folder).map_err(io::Error::other)?;
        for pair in segments.windows(2) {
            if pair[1].0 <= first {
                fs::remove_file(&pair[0].1)?;
            }
        }
        Ok(())
    }

    /// Its size on disk in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let sizes = segments(&self.folder).unwrap_or_default();
        sizes.iter().filter_map(|(_, path)| fs::metadata(path).ok()).map(|file| file.len()).sum()
    }
}

/// Hands out each record of a folder from `first` on, with its number, and returns the number of the next one.
///
/// # Errors
/// If a file cannot be read or cut, a segment is damaged before its end, or `each` fails.
pub(crate) fn play_back(
    folder: &Path,
    first: u64,
    mut each: impl FnMut(u64, Record) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let segments = segments(folder)?;
    let mut next = segments.first().map_or(first, |(begin, _)| *begin);
    for (at, (begin, path)) in segments.iter().enumerate() {
        if *begin != next {
            anyhow::bail!("the journal lacks the records {next} to {begin} before `{}`", path.display());
        }
        // Whether all of its records are older than what is wanted.
        if let Some((after, _)) = segments.get(at + 1).filter(|(after, _)| *after <= first) {
            next = *after;
            continue;
        }
        let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let mut whole = 0;
        while let Some((record, end)) = record_at(&bytes, whole) {
            if next >= first {
                each(next, record)?;
            }
            next += 1;
            whole = end;
        }
        if whole < bytes.len() {
            if at + 1 < segments.len() {
                anyhow::bail!("`{}` is damaged at byte {whole}", path.display());
            }
            let file = OpenOptions::new().write(true).open(path);
            let cut = file.and_then(|file| file.set_len(whole as u64));
            cut.with_context(|| format!("cannot cut `{}`", path.display()))?;
        }
    }
    Ok(next.max(first))
}

/// Appends a content with its length and its checksum.
pub(crate) fn frame(to: &mut Writer, content: &[u8]) {
    to.u32(content.len() as u32);
    to.u32(crc32fast::hash(content));
    to.raw(content);
}

/// The content that begins at a byte, and where the next one begins; `None` where none is whole.
pub(crate) fn framed(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let mut head = Reader::new(bytes.get(at..at + 8)?);
    let (length, checksum) = (head.u32()? as usize, head.u32()?);
    let content = bytes.get(at + 8..(at + 8).checked_add(length)?)?;
    (crc32fast::hash(content) == checksum).then_some((content, at + 8 + length))
}

/// The content that is next in a file; `None` where none is whole.
pub(crate) fn framed_in(file: &mut impl Read) -> Option<Vec<u8>> {
    let mut head = [0; 8];
    file.read_exact(&mut head).ok()?;
    let mut of_head = Reader::new(&head);
    let (length, checksum) = (of_head.u32()? as usize, of_head.u32()?);
    if length > MAX_RECORD {
        return None;
    }
    let mut content = vec![0; length];
    file.read_exact(&mut content).ok()?;
    (crc32fast::hash(&content) == checksum).then_some(content)
}

fn record_at(bytes: &[u8], at: usize) -> Option<(Record, usize)> {
    let (content, end) = framed(bytes, at)?;
    Some((Record::read(&mut Reader::new(content))?, end))
}

/// The segments of a folder with the numbers of their first records, in order.
fn segments(folder: &Path) -> anyhow::Result<Vec<(u64, PathBuf)>> {
    let files = fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    let mut segments = Vec::new();
    for file in files {
        let path = file?.path();
        let first = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(first) = first.filter(|_| path.extension().is_some_and(|extension| extension == EXTENSION)) {
            segments.push((first, path));
        }
    }
    segments.sort();
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        vec![
            Record::Series { id: 7, name: "up{job=\"é\"}".into(), is_rate: true, step: Some(15_000), is_kept: true },
            Record::Samples(vec![(7, 1_000, 0.5), (7, 16_000, f64::NAN)]),
            Record::Model("abc".into()),
            Record::Forget(7),
            Record::Series { id: 8, name: String::new(), is_rate: false, step: None, is_kept: false },
        ]
    }

    fn read(folder: &Path, first: u64) -> (Vec<(u64, String)>, Journal) {
        let mut found = Vec::new();
        let next = play_back(folder, first, |number, record| {
            found.push((number, format!("{record:?}")));
            Ok(())
        });
        (found, Journal::new(folder, next.unwrap(), true))
    }

    #[test]
    fn records_are_read_as_they_were_written_and_the_journal_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (none, mut journal) = read(dir.path(), 0);
        assert!(none.is_empty());
        for (at, record) in records().iter().enumerate() {
            assert_eq!(journal.add(record), at as u64);
            if at != 1 {
                journal.commit().unwrap();
            }
        }
        let expected: Vec<(u64, String)> = (0..).zip(records().iter().map(|record| format!("{record:?}"))).collect();
        let (found, mut journal) = read(dir.path(), 0);
        assert_eq!((found, journal.next()), (expected.clone(), 5));
        journal.add(&Record::Forget(1));
        journal.commit().unwrap();
        drop(journal);
        let (found, mut journal) = read(dir.path(), 4);
        assert_eq!(found, [expected[4].clone(), (5, "Forget(1)".to_owned())]);
        // The first segment holds only older records.
        journal.forget_before(5).unwrap();
        let (found, journal) = read(dir.path(), 5);
        assert_eq!((found.len(), journal.next(), segments(dir.path()).unwrap().len()), (1, 6, 1));
    }

    #[test]
    fn a_torn_end_is_cut_and_damage_before_it_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (_, mut journal) = read(dir.path(), 0);
        records().iter().for_each(|record| _ = journal.add(record));
        journal.commit().unwrap();
        drop(journal);
        let path = segments(dir.path()).unwrap()[0].1.clone();
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (found, mut journal) = read(dir.path(), 0);
            let n = found.len();
            journal.add(&Record::Forget(99));
            journal.commit().unwrap();
            drop(journal);
            let (found, _) = read(dir.path(), 0);
            assert_eq!((found.len(), found[n].1.as_str()), (n + 1, "Forget(99)"), "{cut}");
            for (_, path) in segments(dir.path()).unwrap() {
                fs::remove_file(path).unwrap();
            }
        }
        fs::write(&path, &whole[..40]).unwrap();
        fs::write(dir.path().join(format!("{:020}.wal", 4)), []).unwrap();
        let error = play_back(dir.path(), 0, |_, _| Ok(())).unwrap_err();
        assert!(format!("{error:#}").contains("damaged at byte"), "{error:#}");
    }

    #[test]
    fn what_could_not_be_written_waits_for_the_next_try() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("wal");
        let (_, mut journal) = read(&folder, 0);
        journal.add(&Record::Forget(1));
        fs::remove_dir(&folder).unwrap();
        assert!(journal.commit().is_err());
        fs::create_dir(&folder).unwrap();
        assert_eq!(journal.add(&Record::Forget(2)), 1);
        journal.commit().unwrap();
        let (found, _) = read(&folder, 0);
        assert_eq!(found.len(), 2);
    }
}
