//! Made-up content to distribute: bytes that no layer can compress, the same in every run.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
    sync::atomic::Ordering,
};

use nearcast_service::signals::Signal;

use crate::{error::CommandError, hashing::Meter};

/// Name of the made-up file.
pub(super) const NAME: &str = "demo-content.bin";
/// Large enough to take seconds, small enough for thirteen copies on a laptop.
const BYTES: u64 = 128 << 20;
const CHUNK_BYTES: usize = 1 << 20;
const SEED: u64 = 0x6e65_6172_6361_7374;

/// Writes the file and returns its path. Blocking.
pub(super) fn make(path: PathBuf, meter: &Meter) -> Result<PathBuf, CommandError> {
    match write(&path, meter) {
        Ok(true) => Ok(path),
        Ok(false) => Err(CommandError::Signal(Signal::Interrupt)),
        Err(source) => Err(CommandError::Io { path, source }),
    }
}

/// Returns `false` if the work was cancelled.
fn write(path: &PathBuf, meter: &Meter) -> std::io::Result<bool> {
    let mut file = BufWriter::new(File::create(path)?);
    let (mut random, mut chunk) = (SplitMix(SEED), vec![0; CHUNK_BYTES]);
    for done in (0..BYTES).step_by(CHUNK_BYTES) {
        if meter.cancelled.load(Ordering::Relaxed) {
            return Ok(false);
        }
        random.fill(&mut chunk);
        file.write_all(&chunk)?;
        meter.set(done + CHUNK_BYTES as u64, BYTES);
    }
    file.flush()?;
    Ok(true)
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_exact_mut(8) {
            word.copy_from_slice(&self.next().to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // First outputs for seed 0 as the authors' reference code gives them.
        let mut random = SplitMix(0);
        assert_eq!(random.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn a_cancelled_file_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let meter = Meter::default();
        meter.cancelled.store(true, Ordering::Relaxed);
        let error = make(folder.path().join(NAME), &meter).unwrap_err();
        assert_eq!(error.exit().code(), 130);
    }
}
