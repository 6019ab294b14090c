//! A file as bytes that can be read several times: as it lies there, or as a copy where it is compressed, a pipe, or of another encoding.
//!
//! A copy lies in the folder for temporary files, without a name in it where the system allows, and goes with the program.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// The path that stands for standard input.
const STDIN: &str = "-";
/// Bytes of a file's beginning that tell what it is.
const HEAD: usize = 65_536;
const GZIP: [u8; 2] = [0x1F, 0x8B];
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Compressed files within each other that are opened: one may hold itself.
const MAX_NESTED: usize = 3;
/// A compressed file may hold so many bytes, or so many times its own, whichever is more: what holds more was made to fill a disk.
const MAX_UNPACKED: u64 = 1 << 30;
const MAX_RATIO: u64 = 200;

/// The bytes of a file.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    /// The copy to read instead, where one is needed; found when the file is first opened.
    copy: OnceLock<Option<NamedTempFile>>,
}

/// How the text of a file is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16 {
        is_big_endian: bool,
    },
    /// One byte a character.
    Latin1,
}

impl Source {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), copy: OnceLock::new() }
    }

    /// The file, at its beginning.
    ///
    /// # Errors
    /// [`Error::Read`], also where a compressed file is damaged.
    pub(super) fn open(&self) -> Result<File> {
        let unreadable = |source| Error::Read { path: self.path.clone(), source };
        if let Some(copy) = self.copy.get() {
            return copy.as_ref().map_or_else(|| File::open(&self.path), NamedTempFile::reopen).map_err(unreadable);
        }
        let copy = self.copy_where_needed().map_err(unreadable)?;
        let opened = copy.as_ref().map_or_else(|| File::open(&self.path), NamedTempFile::reopen).map_err(unreadable)?;
        // Another thread may have made its own copy meanwhile; then this one goes when `opened` does.
        let _ = self.copy.set(copy);
        Ok(opened)
    }

    fn copy_where_needed(&self) -> io::Result<Option<NamedTempFile>> {
        let mut copy = None;
        if self.path == Path::new(STDIN) {
            copy = Some(copied(io::stdin().lock())?);
        } else if !std::fs::metadata(&self.path)?.is_file() {
            copy = Some(copied(File::open(&self.path)?)?);
        }
        let size = copy.as_ref().map_or_else(|| std::fs::metadata(&self.path), |copy| copy.as_file().metadata())?.len();
        let most = MAX_UNPACKED.max(size.saturating_mul(MAX_RATIO));
        let mut n_unpacked = 0;
        // A compressed file may hold a file of another encoding.
        loop {
            let mut file = match &copy {
                Some(copy) => copy.reopen()?,
                None => File::open(&self.path)?,
            };
            let mut head = Vec::new();
            Read::by_ref(&mut file).take(HEAD as u64).read_to_end(&mut head)?;
            file.rewind()?;
            let is_packed = head.starts_with(&GZIP) || head.starts_with(&ZSTD);
            n_unpacked += usize::from(is_packed);
            if n_unpacked > MAX_NESTED {
                let problem = format!("it holds more than {MAX_NESTED} compressed files within each other");
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
            copy = Some(if head.starts_with(&GZIP) {
                unpacked(flate2::read::MultiGzDecoder::new(BufReader::new(file)), most)?
            } else if head.starts_with(&ZSTD) {
                unpacked(zstd::stream::read::Decoder::new(file)?, most)?
            } else if head.starts_with(b"PAR1") {
                return Ok(copy);
            } else {
                match encoding(&head) {
                    Encoding::Utf8 if parts_by_spaces(&head) => spaces_to_tabs(file)?,
                    Encoding::Utf8 => return Ok(copy),
                    Encoding::Utf16 { is_big_endian } => from_utf16(file, is_big_endian)?,
                    Encoding::Latin1 => from_latin1(file)?,
                }
            });
        }
    }
}

/// Whether a file is a pipe or standard input, which has no name that tells its form.
pub(super) fn is_pipe(path: &Path) -> bool {
    path == Path::new(STDIN) || std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn copied(mut from: impl Read) -> io::Result<NamedTempFile> {
    let mut copy = NamedTempFile::new()?;
    io::copy(&mut from, copy.as_file_mut())?;
    Ok(copy)
}

/// A copy of what a compressed file holds, of at most so many bytes.
fn unpacked(from: impl Read, most: u64) -> io::Result<NamedTempFile> {
    let copy = copied(from.take(most.saturating_add(1)))?;
    if copy.as_file().metadata()?.len() <= most {
        return Ok(copy);
    }
    let problem = format!(
        "it holds more than {most} bytes, which is {MAX_RATIO} times its size or 1 GiB; unpack it yourself if it is what it should be"
    );
    Err(io::Error::new(io::ErrorKind::InvalidData, problem))
}

/// The encoding of a text by its beginning: its mark, the zeros that every other byte of a text in UTF-16 is, or bytes that are no UTF-8.
fn encoding(head: &[u8]) -> Encoding {
    match head {
        [0xFF, 0xFE, ..] => return Encoding::Utf16 { is_big_endian: false },
        [0xFE, 0xFF, ..] => return Encoding::Utf16 { is_big_endian: true },
        _ => {}
    }
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), head.len() / 2);
    if half > 1 && odd * 10 > half * 8 && even == 0 {
        return Encoding::Utf16 { is_big_endian: false };
    }
    if half > 1 && even * 10 > half * 8 && odd == 0 {
        return Encoding::Utf16 { is_big_endian: true };
    }
    match std::str::from_utf8(head) {
        Ok(_) => Encoding::Utf8,
        // A character that the end of the head cuts is none that is wrong.
        Err(error) if error.error_len().is_none() => Encoding::Utf8,
        // Zeros are in no text of one byte a character: it is no text.
        Err(_) if head.contains(&0) => Encoding::Utf8,
        Err(_) => Encoding::Latin1,
    }
}

fn from_utf16(file: File, is_big_endian: bool) -> io::Result<NamedTempFile> {
    let mut bytes = Vec::new();
    BufReader::new(file).read_to_end(&mut bytes)?;
    let unit = |pair: &[u8]| {
        let pair = [pair[0], pair[1]];
        if is_big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    };
    let text: String = char::decode_utf16(bytes.chunks_exact(2).map(unit))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    copied(text.trim_start_matches('\u{feff}').as_bytes())
}

fn from_latin1(file: File) -> io::Result<NamedTempFile> {
    let mut copy = NamedTempFile::new()?;
    let mut reader = BufReader::with_capacity(HEAD, file);
    {
        let mut writer = BufWriter::new(copy.as_file_mut());
        loop {
            let bytes = reader.fill_buf()?;
            if bytes.is_empty() {
                break;
            }
            let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
            writer.write_all(text.as_bytes())?;
            let n_read = bytes.len();
            reader.consume(n_read);
        }
        writer.flush()?;
    }
    Ok(copy)
}

/// Whether the lines of a text hold numbers that spaces part, as many in each: a form that programs for numbers write.
fn parts_by_spaces(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).take(20).peekable();
    let n_parts = lines.peek().map_or(0, |line| line.split_whitespace().count());
    let is_row = |line: &str| {
        line.split_whitespace().count() == n_parts && line.split_whitespace().all(|part| part.parse::<f64>().is_ok())
    };
    n_parts > 1 && !text.contains('\t') && lines.all(is_row)
}

fn spaces_to_tabs(file: File) -> io::Result<NamedTempFile> {
    let mut copy = NamedTempFile::new()?;
    {
        let mut writer = BufWriter::new(copy.as_file_mut());
        for line in BufReader::new(file).lines() {
            let parts: Vec<String> = line?.split_whitespace().map(str::to_owned).collect();
            writeln!(writer, "{}", parts.join("\t"))?;
        }
        writer.flush()?;
    }
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(name: &str, bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let source = Source::new(&path);
        let mut texts = [String::new(), String::new()];
        for text in &mut texts {
            source.open().unwrap().read_to_string(text).unwrap();
        }
        assert_eq!(texts[0], texts[1], "it can be read again");
        texts[0].clone()
    }

    #[test]
    fn whatever_the_encoding_the_text_is_the_same() {
        let text = "time,Temp °C\n2024-03-01,1.5\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let latin1: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let with_mark = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        for bytes in [
            text.as_bytes().to_vec(),
            little.clone(),
            big.clone(),
            with_mark(&[0xFF, 0xFE], &little),
            with_mark(&[0xFE, 0xFF], &big),
            latin1,
        ] {
            assert_eq!(text_of("x.csv", &bytes), text);
        }
    }

    #[test]
    fn a_compressed_file_is_its_content() {
        let text = "time,value\n1,2\n".repeat(100);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        assert_eq!(text_of("x.csv.gz", &gzip.finish().unwrap()), text);
        assert_eq!(text_of("x.csv.zst", &zstd::encode_all(text.as_bytes(), 1).unwrap()), text);
    }

    #[test]
    fn what_fills_a_disk_is_not_unpacked() {
        let bomb = zstd::encode_all(&[b'1'; 100_000][..], 1).unwrap();
        let decoder = || zstd::stream::read::Decoder::new(&bomb[..]).unwrap();
        assert_eq!(unpacked(decoder(), 100_000).unwrap().as_file().metadata().unwrap().len(), 100_000);
        let error = unpacked(decoder(), 99_999).unwrap_err().to_string();
        assert!(error.starts_with("it holds more than 99999 bytes"), "{error}");
    }

    #[test]
    fn files_within_each_other_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv.gz");
        let mut bytes = b"time,value\n1,2\n".to_vec();
        for n in 1..=MAX_NESTED + 1 {
            bytes = zstd::encode_all(&bytes[..], 1).unwrap();
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(Source::new(&path).open().is_ok(), n <= MAX_NESTED, "{n}");
        }
        let Err(Error::Read { source, .. }) = Source::new(&path).open() else { panic!("it is opened") };
        assert_eq!(source.to_string(), "it holds more than 3 compressed files within each other");
    }

    #[test]
    fn a_damaged_archive_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv.gz");
        std::fs::write(&path, [0x1F, 0x8B, 8, 0, 0]).unwrap();
        assert!(matches!(Source::new(&path).open(), Err(Error::Read { .. })));
    }

    #[test]
    fn numbers_parted_by_spaces_become_columns() {
        assert_eq!(text_of("x.txt", b"  1.0   2.0\n -3e1 4\n"), "1.0\t2.0\n-3e1\t4\n");
        assert_eq!(text_of("x.txt", b"1.0\n2.0\n"), "1.0\n2.0\n");
        assert_eq!(text_of("x.csv", b"a b\n1 2\n"), "a b\n1 2\n");
    }
}
