//! Files as archives keep them: packed with gzip or bzip2, or plain. The first bytes of a file
//! decide its kind, never its name.

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;

/// The progress of reading, shared by the reader and the display. It also serves to cancel the
/// reader.
#[derive(Debug, Default)]
pub struct Meter {
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
}

impl Meter {
    /// Bytes read from disk, and bytes expected in total.
    pub fn progress(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// Adds to the expected bytes.
    pub fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Makes every reader fail soon, with [`io::ErrorKind::Other`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the reader was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Counts the bytes read from disk.
struct Metered<R> {
    inner: R,
    meter: Arc<Meter>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.meter.is_cancelled() {
            return Err(io::Error::other("stopped"));
        }
        let read = self.inner.read(buffer)?;
        self.meter.done.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// How much is read from disk at once, in bytes.
const CHUNK: usize = 1 << 17;

/// Opens a file and unpacks it while reading, in memory that does not depend on its size.
///
/// # Errors
/// If the file cannot be opened or its first bytes cannot be read.
pub fn open(path: &Path, meter: &Arc<Meter>) -> io::Result<Box<dyn Read + Send>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    unpack(Metered { inner: file, meter: Arc::clone(meter) })
}

/// Unpacks packed data. Several packed streams in a row, as parallel packers write them, count as
/// one.
///
/// # Errors
/// If the first bytes cannot be read.
pub fn unpack(reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut reader = BufReader::with_capacity(CHUNK, reader);
    let mut start = Vec::with_capacity(3);
    reader.by_ref().take(3).read_to_end(&mut start)?;
    let kind: [u8; 3] = start.as_slice().try_into().unwrap_or_default();
    let whole = Cursor::new(start).chain(reader);
    Ok(match &kind {
        [0x1f, 0x8b, _] => Box::new(BufReader::with_capacity(CHUNK, MultiGzDecoder::new(whole))),
        b"BZh" => Box::new(BufReader::with_capacity(CHUNK, MultiBzDecoder::new(whole))),
        _ => Box::new(whole),
    })
}

/// Whether reading failed because of the file's content and not because of the disk. What was read
/// before is then usable.
pub fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(packed: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        unpack(Cursor::new(packed))?.read_to_end(&mut all).map(|_| all)
    }

    #[test]
    fn every_packing_is_told_by_its_first_bytes() {
        for plain in [&b"plain as it is"[..], b"", b"ab", b"BZ"] {
            assert_eq!(read(plain.to_vec()).unwrap(), plain);
            assert_eq!(read(gzip(plain)).unwrap(), plain);
            assert_eq!(read(bzip(plain)).unwrap(), plain);
        }
    }

    #[test]
    fn streams_one_after_the_other_are_one() {
        assert_eq!(read([gzip(b"one "), gzip(b"two")].concat()).unwrap(), b"one two");
        assert_eq!(read([bzip(b"one "), bzip(b"two")].concat()).unwrap(), b"one two");
    }

    #[test]
    fn a_packed_file_that_ends_early_is_damage_and_no_failure_of_the_disk() {
        let noise: Vec<u8> = (0..4000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for packed in [gzip(&noise), bzip(&noise)] {
            let half = packed[..packed.len() / 2].to_vec();
            let error = read(half).unwrap_err();
            assert!(is_damage(&error), "{error:?}");
            let mut flipped = packed.clone();
            flipped[packed.len() / 2] ^= 0x55;
            assert!(is_damage(&read(flipped).unwrap_err()));
        }
        assert!(!is_damage(&io::Error::other("the disk is gone")));
    }

    #[test]
    fn reading_is_measured_and_can_be_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let meter = Arc::new(Meter::default());
        meter.expect(1 << 20);
        let mut reader = open(&path, &meter).unwrap();
        let mut some = [0; 10];
        reader.read_exact(&mut some).unwrap();
        meter.cancel();
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
        let (done, total) = meter.progress();
        assert!(done < total && total == 1 << 20, "{done} of {total}");
        assert_eq!(open(folder.path(), &meter).err().unwrap().kind(), io::ErrorKind::IsADirectory);
    }
}
