//! The samples that are not yet sent, in files: appended, read in their order, and deleted when sent.
//!
//! A record is the length of its block, the number of its samples and the CRC-32 of both and the block, each 4 bytes
//! little-endian, and the block: a request of `remote_write` 1.0. A file of records is a segment. The file `position`
//! names the first record that is not sent; it is written anew and renamed.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Bytes before a record's block.
const HEADER: u64 = 12;
/// The longest block that is believed to be one.
const MAX_BLOCK: u64 = 64 << 20;
/// The largest segment.
const MAX_SEGMENT: u64 = 8 << 20;

/// The most bytes of a last segment that stays though all of it is sent.
const KEPT: u64 = 64 << 10;

/// A place in the spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    segment: u64,
    offset: u64,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    len: u64,
    /// Samples that are not yet sent.
    n_waiting: u64,
}

/// What a spool lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// Samples of segments deleted because the spool was full.
    pub full: u64,
    /// Samples of records that could not be read.
    pub broken: u64,
    /// Records cut off in the middle, as a kill or a full disk leaves them.
    pub torn: u64,
}

/// Blocks to be sent together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub blocks: Vec<Vec<u8>>,
    /// How many samples of each segment.
    n_samples: Vec<(u64, u64)>,
    end: Place,
}

/// The files.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    segments: VecDeque<Segment>,
    /// The last segment, when it has been written to.
    file: Option<File>,
    position: Place,
    max_bytes: u64,
    pub lost: Lost,
}

impl Spool {
    /// Opens a folder, or makes it. What was cut off at the end of a segment is deleted.
    pub(super) fn open(folder: &Path, max_bytes: u64) -> anyhow::Result<Self> {
        let failed = || format!("cannot open the spool `{}`", folder.display());
        std::fs::create_dir_all(folder).with_context(failed)?;
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(failed)? {
            let name = entry.with_context(failed)?.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_suffix(".spool")).and_then(|name| name.parse::<u64>().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        let position = std::fs::read_to_string(folder.join("position")).ok().and_then(|text| {
            let (segment, offset) = text.trim().split_once(' ')?;
            Some(Place { segment: segment.parse().ok()?, offset: offset.parse().ok()? })
        });
        let mut spool = Self {
            folder: folder.to_owned(),
            segments: VecDeque::new(),
            file: None,
            position: position.unwrap_or_default(),
            max_bytes,
            lost: Lost::default(),
        };
        for &number in &numbers {
            if number < spool.position.segment {
                std::fs::remove_file(spool.path(number)).with_context(failed)?;
            } else {
                let segment = spool.scan(number, numbers.last() == Some(&number)).with_context(failed)?;
                spool.segments.push_back(segment);
            }
        }
        Ok(spool)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:012}.spool"))
    }

    /// Finds the records of a segment and cuts off what is none; of the last one the blocks are checked too.
    fn scan(&mut self, number: u64, is_last: bool) -> io::Result<Segment> {
        let path = self.path(number);
        let file = File::open(&path)?;
        let size = file.metadata()?.len();
        let mut reader = BufReader::with_capacity(if is_last { 1 << 16 } else { HEADER as usize }, file);
        let mut segment = Segment { number, len: 0, n_waiting: 0 };
        while segment.len < size {
            let left = size - segment.len;
            let Some(header) = (left >= HEADER).then(|| Header::read(&mut reader)).transpose()?.flatten() else {
                break;
            };
            if header.len > left - HEADER {
                break;
            }
            if is_last {
                if header.block(&mut reader)?.is_none() {
                    break;
                }
            } else {
                reader.seek_relative(header.len as i64)?;
            }
            if (Place { segment: number, offset: segment.len }) >= self.position {
                segment.n_waiting += u64::from(header.n_samples);
            }
            segment.len += HEADER + header.len;
        }
        if segment.len < size {
            self.lost.torn += 1;
            OpenOptions::new().write(true).open(&path)?.set_len(segment.len)?;
        }
        Ok(segment)
    }

    /// Appends a block of so many samples; the oldest segments go when the spool is full.
    ///
    /// # Errors
    /// If it cannot be written. Nothing of it is in the spool then.
    pub(super) fn append(&mut self, block: &[u8], n_samples: u32) -> io::Result<()> {
        let record = Header::record(block, n_samples)?;
        let at_most = (self.max_bytes / 8).min(MAX_SEGMENT);
        if self.segments.back().is_none_or(|last| last.len > 0 && last.len + record.len() as u64 > at_most) {
            let number = self.segments.back().map_or(self.position.segment, |last| last.number) + 1;
            self.file = Some(OpenOptions::new().create(true).truncate(true).write(true).open(self.path(number))?);
            self.segments.push_back(Segment { number, len: 0, n_waiting: 0 });
        }
        let Some(last) = self.segments.back() else { return Ok(()) };
        let (number, len) = (last.number, last.len);
        let written = self.write(number, len, &record);
        if let Err(error) = written {
            // What was written of it is behind the end, and overwritten or cut off later.
            if let Some(file) = self.file.take() {
                _ = file.set_len(len);
            }
            return Err(error);
        }
        if let Some(last) = self.segments.back_mut() {
            last.len += record.len() as u64;
            last.n_waiting += u64::from(n_samples);
        }
        while self.n_bytes() > self.max_bytes && self.segments.len() > 1 {
            if let Some(first) = self.segments.pop_front() {
                self.lost.full += first.n_waiting;
                self.position = self.position.max(Place { segment: first.number + 1, offset: 0 });
                _ = std::fs::remove_file(self.path(first.number));
            }
        }
        Ok(())
    }

    fn write(&mut self, number: u64, len: u64, record: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            // The file may have been deleted under the program.
            None => {
                let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.path(number))?;
                self.file.insert(file)
            }
        };
        file.seek(SeekFrom::Start(len))?;
        file.write_all(record)
    }

    /// Waits until all that was appended is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.sync_data()?;
        File::open(&self.folder)?.sync_all()
    }

    /// The oldest blocks that are not sent, at least one if there is one, up to about so many samples.
    pub(super) fn read(&mut self, n_samples: u64) -> Option<Batch> {
        let mut batch = Batch::default();
        let mut n = 0;
        let position = self.position;
        for at in 0..self.segments.len() {
            let segment = &self.segments[at];
            let mut offset = if segment.number == position.segment { position.offset } else { 0 };
            if segment.number < position.segment || offset >= segment.len {
                continue;
            }
            let (mut taken, path) = (0, self.path(segment.number));
            let mut reader = File::open(&path).and_then(|mut file| {
                file.seek(SeekFrom::Start(offset))?;
                Ok(BufReader::with_capacity(1 << 16, file))
            });
            while offset < self.segments[at].len && n < n_samples {
                let record = reader.as_mut().ok().and_then(|reader| {
                    let header = Header::read(reader).ok()??;
                    Some((header.n_samples, header.block(reader).ok()??))
                });
                let segment = &mut self.segments[at];
                let Some((of_record, block)) = record else {
                    // Where the next record begins is not known: the rest of the segment is lost.
                    self.lost.broken += segment.n_waiting - taken;
                    segment.n_waiting = taken;
                    segment.len = offset;
                    self.file = None;
                    break;
                };
                offset += HEADER + block.len() as u64;
                taken += u64::from(of_record);
                n += u64::from(of_record);
                batch.blocks.push(block);
            }
            batch.n_samples.push((self.segments[at].number, taken));
            batch.end = Place { segment: self.segments[at].number, offset };
            if n >= n_samples {
                break;
            }
        }
        (!batch.blocks.is_empty()).then_some(batch)
    }

    /// Forgets a batch that was sent.
    pub(super) fn remove(&mut self, batch: &Batch) {
        for (number, n) in &batch.n_samples {
            if let Some(segment) = self.segments.iter_mut().find(|segment| segment.number == *number) {
                segment.n_waiting = segment.n_waiting.saturating_sub(*n);
            }
        }
        self.position = self.position.max(batch.end);
        let (text, new) =
            (format!("{} {}\n", self.position.segment, self.position.offset), self.folder.join("position.new"));
        // Where it cannot be written, the batch is sent again after a restart.
        _ = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, self.folder.join("position")));
        while self.segments.front().is_some_and(|first| {
            let is_sent = first.number < self.position.segment
                || (first.number == self.position.segment && first.len <= self.position.offset);
            is_sent && (self.segments.len() > 1 || first.len > KEPT)
        }) {
            if let Some(first) = self.segments.pop_front() {
                _ = std::fs::remove_file(self.path(first.number));
            }
        }
        if self.segments.is_empty() {
            self.file = None;
        }
    }

    /// Bytes of all segments.
    pub(super) fn n_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.len).sum()
    }

    /// Samples that are not sent.
    pub(super) fn n_waiting(&self) -> u64 {
        self.segments.iter().map(|segment| segment.n_waiting).sum()
    }
}

/// What stands before a block.
struct Header {
    len: u64,
    n_samples: u32,
    checksum: u32,
}

impl Header {
    /// A record: header and block.
    fn record(block: &[u8], n_samples: u32) -> io::Result<Vec<u8>> {
        let len = u32::try_from(block.len()).ok().filter(|len| u64::from(*len) <= MAX_BLOCK);
        let len = len.ok_or_else(|| io::Error::other("a block of the spool is too long"))?;
        let mut record = Vec::with_capacity(HEADER as usize + block.len());
        record.extend_from_slice(&len.to_le_bytes());
        record.extend_from_slice(&n_samples.to_le_bytes());
        record.extend_from_slice(&checksum(len, n_samples, block).to_le_bytes());
        record.extend_from_slice(block);
        Ok(record)
    }

    /// `None` if it cannot be one.
    fn read(reader: &mut impl Read) -> io::Result<Option<Self>> {
        let mut bytes = [[0; 4]; 3];
        for part in &mut bytes {
            reader.read_exact(part)?;
        }
        let [len, n_samples, checksum] = bytes.map(u32::from_le_bytes);
        let len = u64::from(len);
        Ok((len > 0 && len <= MAX_BLOCK).then_some(Self { len, n_samples, checksum }))
    }

    /// The block behind it; `None` if it is not the one that was written.
    fn block(&self, reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
        let mut block = vec![0; self.len as usize];
        reader.read_exact(&mut block)?;
        let is_right = checksum(self.len as u32, self.n_samples, &block) == self.checksum;
        Ok(is_right.then_some(block))
    }
}

fn checksum(len: u32, n_samples: u32, block: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&len.to_le_bytes());
    hasher.update(&n_samples.to_le_bytes());
    hasher.update(block);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn open(folder: &Path) -> Spool {
        Spool::open(folder, 1 << 20).unwrap()
    }

    /// All blocks that are left, as numbers.
    fn drain(spool: &mut Spool) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(batch) = spool.read(3) {
            all.extend(batch.blocks.iter().map(|block| block[0]));
            spool.remove(&batch);
        }
        all
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|of| of.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|of| of == "spool"));
        files.sort();
        files
    }

    #[test]
    fn blocks_come_out_in_their_order_and_once() {
        let folder = folder();
        let mut spool = open(folder.path());
        assert!(spool.read(1).is_none());
        for i in 0..10 {
            spool.append(&[i; 100], 2).unwrap();
        }
        assert_eq!((spool.n_waiting(), spool.n_bytes()), (20, 10 * 112));
        let batch = spool.read(3).unwrap();
        assert_eq!(batch.blocks, [vec![0; 100], vec![1; 100]]);
        assert_eq!(spool.read(1).unwrap().blocks.len(), 1);
        spool.remove(&batch);
        assert_eq!(spool.n_waiting(), 16);
        // Not closed: as after a kill.
        let mut spool = open(folder.path());
        assert_eq!((spool.n_waiting(), spool.lost), (16, Lost::default()));
        assert_eq!(drain(&mut spool), [2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(spool.n_waiting(), 0);
        spool.append(&[10], 1).unwrap();
        let mut spool = open(folder.path());
        assert_eq!(drain(&mut spool), [10]);
    }

    #[test]
    fn a_segment_that_is_sent_is_deleted() {
        let folder = folder();
        let mut spool = open(folder.path());
        for i in 0..41 {
            spool.append(&[i; 40_000], 1).unwrap();
        }
        // Three blocks of 40,012 bytes fill a segment of an eighth of 1 MiB.
        assert_eq!(files(folder.path()).len(), spool.segments.len());
        assert_eq!(spool.segments[0].len, 3 * 40_012);
        let held = 41 - spool.lost.full as u8;
        assert!(spool.n_bytes() <= 1 << 20 && u64::from(held) == spool.n_waiting(), "{spool:?}");
        assert_eq!(drain(&mut spool), (41 - held..41).collect::<Vec<_>>());
        assert_eq!((files(folder.path()).len(), spool.n_bytes()), (0, 0));
        spool.append(&[7; 10], 1).unwrap();
        assert_eq!(drain(&mut open(folder.path())), [7]);
    }

    #[test]
    fn a_torn_tail_is_cut_off_at_every_length() {
        let folder = folder();
        let mut spool = open(folder.path());
        spool.append(&[1; 20], 1).unwrap();
        spool.append(&[2; 20], 1).unwrap();
        let path = files(folder.path())[0].clone();
        let whole = std::fs::read(&path).unwrap();
        for len in 33..whole.len() {
            std::fs::write(&path, &whole[..len]).unwrap();
            let mut spool = open(folder.path());
            assert_eq!((spool.lost.torn, spool.n_waiting()), (1, 1), "{len}");
            spool.append(&[3; 20], 1).unwrap();
            let mut spool = open(folder.path());
            let batch = spool.read(9).unwrap();
            assert_eq!((spool.lost.torn, batch.blocks), (0, vec![vec![1; 20], vec![3; 20]]), "{len}");
        }
        // A tail of zeros, as a disk without power leaves it.
        std::fs::write(&path, [&whole[..32], &[0; 50]].concat()).unwrap();
        assert_eq!(drain(&mut open(folder.path())), [1]);
    }

    #[test]
    fn a_broken_record_costs_the_rest_of_its_segment() {
        let folder = folder();
        let mut spool = open(folder.path());
        for i in 0..9 {
            spool.append(&[i; 40_000], 1).unwrap();
        }
        let path = files(folder.path())[1].clone();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40_012 + 500] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let mut spool = open(folder.path());
        assert_eq!(drain(&mut spool), [0, 1, 2, 3, 6, 7, 8]);
        assert_eq!((spool.lost.broken, spool.n_waiting()), (2, 0));
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_what_is_appended_meanwhile() {
        let folder = folder();
        let inner = folder.path().join("spool");
        let mut spool = open(&inner);
        spool.append(&[1], 1).unwrap();
        assert_eq!(drain(&mut spool), [1]);
        std::fs::remove_dir_all(&inner).unwrap();
        std::fs::write(&inner, "in the way").unwrap();
        spool.file = None;
        assert!(spool.append(&[2], 1).is_err());
        std::fs::remove_file(&inner).unwrap();
        std::fs::create_dir(&inner).unwrap();
        spool.append(&[3], 1).unwrap();
        assert_eq!(spool.n_waiting(), 1);
    }

    #[test]
    fn a_position_that_cannot_be_read_sends_all_again() {
        let folder = folder();
        let mut spool = open(folder.path());
        spool.append(&[1], 1).unwrap();
        spool.append(&[2], 1).unwrap();
        let batch = spool.read(1).unwrap();
        spool.remove(&batch);
        assert_eq!(drain(&mut open(folder.path())), [2]);
        std::fs::write(folder.path().join("position"), "garbage").unwrap();
        assert_eq!(drain(&mut open(folder.path())), [1, 2]);
    }
}
