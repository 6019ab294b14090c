//! Snapshots of all series: written piece by piece beside the work, so that no sample waits for one.
//!
//! Each series is written as it is when its turn comes, with the number of the first journal record that it does not know. What is played
//! back begins at the record that was next when the snapshot was begun. A file without its end is none.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context;

use super::bytes::{Reader, Writer};
use super::fault::reach;
use super::journal::{frame, framed_in};

const VERSION: u32 = 1;
const MAGIC: &str = "rlad serve";
const EXTENSION: &str = "snapshot";
/// What waits for the disk, at most.
const MOST_WAITING: usize = 8;

/// The head of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of the first journal record to be played back.
    pub(crate) first: u64,
    /// The hash of the detector, where there was one.
    pub(crate) model: Option<String>,
}

/// A snapshot that is being written, by a thread of its own.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Its head.
    pub(crate) head: Head,
    /// The number of the series that is next.
    pub(crate) next: usize,
    /// To the thread that writes; both are there until it is stopped.
    pieces: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<io::Result<()>>>,
    n: u64,
    has_ended: bool,
}

impl Snapshot {
    /// Begins one in a folder.
    ///
    /// # Errors
    /// If its file cannot be made.
    pub(crate) fn begin(folder: &Path, head: Head) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        let path = folder.join(format!("{:020}.{EXTENSION}", head.first));
        let beside = path.with_extension("part");
        let mut file = File::create(&beside).with_context(|| format!("cannot write `{}`", beside.display()))?;
        let mut content = Writer::default();
        content.text(MAGIC);
        content.u32(VERSION);
        content.u64(head.first);
        content.text(head.model.as_deref().unwrap_or_default());
        let mut framed = Writer::default();
        frame(&mut framed, content.as_bytes());
        file.write_all(framed.as_bytes()).with_context(|| format!("cannot write `{}`", beside.display()))?;
        let (pieces, received) = sync_channel(MOST_WAITING);
        let folder = folder.to_owned();
        let thread = std::thread::spawn(move || write(file, &received, &beside, &path, &folder));
        Ok(Self { head, next: 0, pieces: Some(pieces), thread: Some(thread), n: 0, has_ended: false })
    }

    fn send(&self, piece: Vec<u8>) -> bool {
        self.pieces.as_ref().is_some_and(|pieces| pieces.send(piece).is_ok())
    }

    /// Waits until the thread has ended: its file is there where its end was told, else gone.
    fn stop(&mut self) -> Option<std::thread::Result<io::Result<()>>> {
        self.pieces = None;
        self.thread.take().map(JoinHandle::join)
    }

    /// Hands series to the thread, which may have to wait for the disk; whether it takes them: not where it has failed.
    pub(crate) fn put(&mut self, contents: &[Vec<u8>]) -> bool {
        let mut piece = Writer::default();
        contents.iter().for_each(|content| frame(&mut piece, content));
        self.n += contents.len() as u64;
        self.send(piece.into_bytes())
    }

    /// Tells that all series were written.
    pub(crate) fn end(&mut self) {
        let mut content = Writer::default();
        content.u8(255);
        content.u64(self.n);
        let mut piece = Writer::default();
        frame(&mut piece, content.as_bytes());
        let _ = self.send(piece.into_bytes()) && self.send(Vec::new());
        self.has_ended = true;
    }

    /// Whether its end was told.
    pub(crate) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether its file is there or has failed.
    pub(crate) fn is_done(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Its head, once its file is there.
    ///
    /// # Errors
    /// If it could not be written.
    pub(crate) fn finish(mut self) -> anyhow::Result<Head> {
        let written = self.stop().context("it was stopped before")?;
        written.map_err(|_| anyhow::anyhow!("the thread failed"))?.context("cannot write a snapshot")?;
        Ok(self.head.clone())
    }
}

/// One that is given up leaves no file, and another one of its name may be begun: its thread has ended by then.
impl Drop for Snapshot {
    fn drop(&mut self) {
        drop(self.stop());
    }
}

fn write(file: File, pieces: &Receiver<Vec<u8>>, beside: &Path, path: &Path, folder: &Path) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, file);
    loop {
        match pieces.recv() {
            Ok(piece) if piece.is_empty() => break,
            Ok(piece) => {
                file.write_all(&piece)?;
                reach("snapshot-amid");
            }
            Err(_) => return fs::remove_file(beside),
        }
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    reach("snapshot-before-rename");
    fs::rename(beside, path)?;
    reach("snapshot-after-rename");
    File::open(folder)?.sync_all()
}

/// The newest whole snapshot of a folder: its head, and each series handed to `each`. The head is handed to `begin` first.
///
/// # Errors
/// If it cannot be read, is of another version, or `each` fails.
pub(crate) fn read(
    folder: &Path,
    mut begin: impl FnMut(&Head) -> anyhow::Result<()>,
    mut each: impl FnMut(&mut Reader<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Head>> {
    for path in files(folder)?.into_iter().rev() {
        let open = || File::open(&path).map(|file| BufReader::with_capacity(1 << 20, file));
        let failed = || format!("cannot read `{}`", path.display());
        let mut file = open().with_context(failed)?;
        let Some(head) = head_of(&mut file, &path)? else { continue };
        if !is_whole(file) {
            continue;
        }
        begin(&head)?;
        let mut file = open().with_context(failed)?;
        head_of(&mut file, &path)?;
        let mut next = framed_in(&mut file);
        while let Some(content) = next {
            next = framed_in(&mut file);
            // The last one is the end.
            if next.is_some() {
                each(&mut Reader::new(&content)).with_context(|| format!("cannot use `{}`", path.display()))?;
            }
        }
        return Ok(Some(head));
    }
    Ok(None)
}

fn head_of(file: &mut impl Read, path: &Path) -> anyhow::Result<Option<Head>> {
    let Some(content) = framed_in(file) else { return Ok(None) };
    let mut content = Reader::new(&content);
    let (magic, version) = (content.text(), content.u32());
    if magic.as_deref() != Some(MAGIC) {
        return Ok(None);
    }
    if version != Some(VERSION) {
        let found = version.unwrap_or(0);
        anyhow::bail!("`{}` is of version {found} of the state, this program reads version {VERSION}", path.display());
    }
    let (Some(first), Some(model)) = (content.u64(), content.text()) else { return Ok(None) };
    Ok(Some(Head { first, model: Some(model).filter(|model| !model.is_empty()) }))
}

/// Whether the contents of a file end with the right number of them.
fn is_whole(mut file: impl Read) -> bool {
    let (mut n, mut last) = (0_u64, Vec::new());
    while let Some(content) = framed_in(&mut file) {
        (n, last) = (n + 1, content);
    }
    let mut last = Reader::new(&last);
    n > 0 && last.u8() == Some(255) && last.u64() == Some(n - 1)
}

/// Removes the snapshots that are older than the one that begins at `first`, and what was left of broken ones.
///
/// # Errors
/// If one cannot be removed.
pub(crate) fn forget_before(folder: &Path, first: u64) -> anyhow::Result<()> {
    for path in files(folder)? {
        let number: Option<u64> = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if number.is_some_and(|number| number < first) {
            fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
        }
    }
    Ok(())
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let mut found = Vec::new();
    for file in fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(first: u64) -> Head {
        Head { first, model: Some("abc".to_owned()) }
    }

    fn written(folder: &Path, first: u64, contents: &[&[u8]]) {
        let mut snapshot = Snapshot::begin(folder, head(first)).unwrap();
        for content in contents {
            assert!(snapshot.put(&[content.to_vec()]));
        }
        snapshot.end();
        assert_eq!(snapshot.finish().unwrap(), head(first));
    }

    fn found(folder: &Path) -> Option<(u64, Vec<u8>)> {
        let mut contents = Vec::new();
        let each = |content: &mut Reader<'_>| {
            contents.extend(content.u8());
            Ok(())
        };
        let head = read(folder, |_| Ok(()), each).unwrap()?;
        Some((head.first, contents))
    }

    #[test]
    fn the_newest_whole_snapshot_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(found(dir.path()), None);
        written(dir.path(), 3, &[&[1], &[2]]);
        written(dir.path(), 12, &[&[3], &[4], &[5]]);
        assert_eq!(found(dir.path()), Some((12, vec![3, 4, 5])));
        let path = files(dir.path()).unwrap()[1].clone();
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(found(dir.path()), Some((3, vec![1, 2])), "{cut}");
        }
        fs::write(&path, &whole).unwrap();
        forget_before(dir.path(), 12).unwrap();
        assert_eq!(files(dir.path()).unwrap(), [path]);
        // One that was left amid is no snapshot.
        let mut snapshot = Snapshot::begin(dir.path(), head(20)).unwrap();
        snapshot.put(&[vec![9]]);
        assert!(snapshot.finish().is_ok());
        assert_eq!(found(dir.path()), Some((12, vec![3, 4, 5])));
    }
}
