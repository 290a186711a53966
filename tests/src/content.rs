//! The content to transfer: files of random bytes, the same for the same seed.

use std::{
    fs::{self, File},
    io::{BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// One MiB.
pub const MIB: u64 = 1 << 20;

/// A small random generator (SplitMix64: Steele, Lea and Flood, OOPSLA 2014). Its output does not
/// compress.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next random number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random number from `low` up to, but not including, `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.number() % (high - low)
    }
}

/// A seed that differs in each call. Print it, so that a failure can be repeated.
/// `NEARCAST_TEST_SEED` overrides it.
pub fn fresh_seed() -> u64 {
    if let Ok(text) = std::env::var("NEARCAST_TEST_SEED") {
        return text.parse().expect("NEARCAST_TEST_SEED is a number");
    }
    let mut bytes = [0; 8];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .expect("the system gives random bytes");
    u64::from_le_bytes(bytes)
}

/// Writes a file of `bytes` random bytes, and creates its parent folders.
pub fn write_random(path: &Path, bytes: u64, seed: u64) {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).expect("a folder can be made in a temporary folder");
    }
    let mut random = Random::new(seed);
    let mut file = BufWriter::new(File::create(path).expect("a file can be made in a temporary folder"));
    let mut left = bytes as usize;
    while left > 0 {
        let word = random.number().to_le_bytes();
        let part = &word[..left.min(word.len())];
        file.write_all(part).expect("there is room for a test's file");
        left -= part.len();
    }
    file.flush().expect("there is room for a test's file");
}

/// Writes a folder like those that people share: files with sizes near the bounds of blocks, runs
/// and pieces, an empty file, names that are not ASCII. Returns its path, `parent/name`.
pub fn write_folder(parent: &Path, name: &str, seed: u64) -> PathBuf {
    let folder = parent.join(name);
    let files = [
        ("empty", 0),
        ("one byte", 1),
        ("block.bin", 16 * 1024),
        ("block and a byte.bin", 16 * 1024 + 1),
        ("deep/er/still/run.bin", 256 * 1024),
        ("deep/run and a bit.bin", 300 * 1024 + 7),
        ("películas/日本.mkv", 5 * MIB + 12_345),
    ];
    for (number, (path, bytes)) in (0..).zip(files) {
        write_random(&folder.join(path), bytes, seed + number);
    }
    folder
}

/// SHA-256 of a file.
pub fn digest(path: &Path) -> [u8; 32] {
    let mut file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; MIB as usize];
    loop {
        match file.read(&mut buffer).expect("a test's file can be read") {
            0 => return hasher.finalize().into(),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Asserts that both are files with the same bytes, or folders with the same entries.
pub fn assert_same(theirs: &Path, ours: &Path) {
    if theirs.is_file() {
        assert!(ours.is_file(), "{} is missing", ours.display());
        assert_eq!(digest(theirs), digest(ours), "{} differs from its source", ours.display());
        return;
    }
    let expected = crate::place::listing(theirs);
    assert_eq!(expected, crate::place::listing(ours), "the folders hold different things");
    for path in expected.iter().filter(|path| theirs.join(path).is_file()) {
        assert_same(&theirs.join(path), &ours.join(path));
    }
}
