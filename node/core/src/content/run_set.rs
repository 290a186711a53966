//! A have-map: which runs of one content a peer holds.

use serde::{Deserialize, Serialize};

use crate::{content::layout::RunIndex, saturate::to_u32};

/// A set of runs of one content, one bit a run.
///
/// Invariant: bits beyond `runs` are zero, so counting and comparing words needs no mask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Words", into = "Words")]
pub struct RunSet {
    words: Box<[u64]>,
    runs: u32,
    count: u32,
}

/// Bytes that do not describe a set of the expected size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a have-map of {expected} bits came in {bytes} bytes, or with bits set past its end")]
pub struct RunSetError {
    /// Runs the content has.
    pub expected: u32,
    /// Bytes that came.
    pub bytes: usize,
}

/// A set as it is serialized.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Words {
    runs: u32,
    words: Vec<u64>,
}

impl From<RunSet> for Words {
    fn from(set: RunSet) -> Words {
        Words { runs: set.runs, words: set.words.into() }
    }
}

impl TryFrom<Words> for RunSet {
    type Error = RunSetError;

    fn try_from(written: Words) -> Result<RunSet, RunSetError> {
        let mut bytes: Vec<u8> = written.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(written.runs.div_ceil(8) as usize);
        let set = RunSet::from_bytes(written.runs, &bytes)?;
        let bytes = bytes.len();
        if *set.words == *written.words { Ok(set) } else { Err(RunSetError { expected: set.runs, bytes }) }
    }
}

impl RunSet {
    /// The empty set of a content of `runs` runs.
    pub fn empty(runs: u32) -> RunSet {
        RunSet { words: vec![0; runs.div_ceil(64) as usize].into(), runs, count: 0 }
    }

    /// The full set of a content of `runs` runs.
    pub fn full(runs: u32) -> RunSet {
        let mut words = vec![u64::MAX; runs.div_ceil(64) as usize];
        if let (Some(last), tail @ 1..) = (words.last_mut(), runs % 64) {
            *last = !(u64::MAX << tail);
        }
        RunSet { words: words.into(), runs, count: runs }
    }

    /// Reads a bitmap: run 0 is the lowest bit of the first byte.
    ///
    /// # Errors
    /// If the length is not exactly that of `runs` bits, or a bit past the end is set.
    pub fn from_bytes(runs: u32, bytes: &[u8]) -> Result<RunSet, RunSetError> {
        let error = RunSetError { expected: runs, bytes: bytes.len() };
        if bytes.len() != runs.div_ceil(8) as usize {
            return Err(error);
        }
        let word = |chunk: &[u8]| chunk.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        let words: Box<[u64]> = bytes.chunks(8).map(word).collect();
        let tail = runs % 64;
        if tail != 0 && words.last().is_some_and(|last| last >> tail != 0) {
            return Err(error);
        }
        let count = words.iter().map(|word| word.count_ones()).sum();
        Ok(RunSet { words, runs, count })
    }

    /// The bitmap as [`RunSet::from_bytes`] reads it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(self.runs.div_ceil(8) as usize);
        bytes
    }

    /// Number of runs the content has.
    pub fn runs(&self) -> u32 {
        self.runs
    }

    /// Number of runs in the set.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether no run is in the set.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether every run is in the set.
    pub fn is_full(&self) -> bool {
        self.count == self.runs
    }

    /// Whether `run` is in the set.
    pub fn contains(&self, run: RunIndex) -> bool {
        let index = run.get();
        self.words.get((index / 64) as usize).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Puts `run` in; true if it was not there.
    pub fn insert(&mut self, run: RunIndex) -> bool {
        let index = run.get();
        assert!(index < self.runs, "a run index of another content");
        let (word, bit) = (&mut self.words[(index / 64) as usize], 1 << (index % 64));
        let new = *word & bit == 0;
        *word |= bit;
        self.count = self.count.saturating_add(new.into());
        new
    }

    /// Puts in all runs of `other`, a set of the same content.
    pub fn insert_all(&mut self, other: &RunSet) {
        self.words.iter_mut().zip(&other.words).for_each(|(mine, theirs)| *mine |= theirs);
        self.count = self.words.iter().map(|word| word.count_ones()).sum();
    }

    /// Puts in all runs of the words that `word` returns, of 64 runs each and of the same content.
    pub(crate) fn insert_words(&mut self, word: impl Fn(usize) -> u64) {
        self.words.iter_mut().enumerate().for_each(|(at, mine)| *mine |= word(at));
        self.count = self.words.iter().map(|word| word.count_ones()).sum();
    }

    /// Takes out all runs of `other`, a set of the same content.
    pub fn remove_all(&mut self, other: &RunSet) {
        self.words.iter_mut().zip(&other.words).for_each(|(mine, theirs)| *mine &= !theirs);
        self.count = self.words.iter().map(|word| word.count_ones()).sum();
    }

    /// Takes `run` out; true if it was there.
    pub fn remove(&mut self, run: RunIndex) -> bool {
        let index = run.get();
        let Some(word) = self.words.get_mut((index / 64) as usize) else {
            return false;
        };
        let bit = 1 << (index % 64);
        let old = *word & bit != 0;
        *word &= !bit;
        self.count = self.count.saturating_sub(old.into());
        old
    }

    /// Replaces 64 runs. No bit past the end may be set.
    pub(crate) fn set_word(&mut self, at: usize, word: u64) {
        let old = std::mem::replace(&mut self.words[at], word);
        self.count = self.count.saturating_sub(old.count_ones()).saturating_add(word.count_ones());
    }

    /// Puts `run` in if it was not there, and takes it out if it was.
    pub(crate) fn toggle(&mut self, run: RunIndex) {
        if !self.remove(run) && run.get() < self.runs {
            self.insert(run);
        }
    }

    /// The runs in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = RunIndex> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| bits(first_of(at), word))
    }

    /// The bits, 64 runs a word, for the picker's scans.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Number of runs of `self` that are not in `other`. Both are sets of one content.
    pub fn count_beyond(&self, other: &RunSet) -> u32 {
        let pairs = self.words.iter().zip(&other.words);
        pairs.map(|(mine, theirs)| (mine & !theirs).count_ones()).sum()
    }

    /// Whether `self` has a run that `other` lacks. Both are sets of one content.
    pub fn has_beyond(&self, other: &RunSet) -> bool {
        self.words.iter().zip(&other.words).any(|(mine, theirs)| mine & !theirs != 0)
    }
}

/// The run of the lowest bit of word number `word`.
pub(crate) fn first_of(word: usize) -> u32 {
    to_u32(word).saturating_mul(64)
}

/// The runs that `word` stands for when its lowest bit is run `base`.
pub(crate) fn bits(base: u32, mut word: u64) -> impl Iterator<Item = RunIndex> {
    std::iter::from_fn(move || {
        (word != 0).then(|| {
            let bit = word.trailing_zeros();
            word &= word.wrapping_sub(1);
            RunIndex::new(base.saturating_add(bit))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_set_has_no_bit_past_its_end() {
        for runs in [0, 1, 63, 64, 65, 200] {
            let full = RunSet::full(runs);
            assert_eq!(full.iter().count() as u32, runs);
            assert_eq!(RunSet::from_bytes(runs, &full.to_bytes()), Ok(full));
        }
    }

    #[test]
    fn a_bitmap_of_another_size_or_with_stray_bits_is_refused() {
        assert!(RunSet::from_bytes(9, &[0xff]).is_err());
        assert!(RunSet::from_bytes(9, &[0xff, 0x02]).is_err());
        assert!(RunSet::from_bytes(9, &[0xff, 0x01]).unwrap().is_full());
        assert!(RunSet::from_bytes(64, &[0xff; 9]).is_err());
    }

    #[test]
    fn counts_follow_inserts_and_removes() {
        let mut set = RunSet::empty(100);
        assert!(set.insert(RunIndex::new(99)) && !set.insert(RunIndex::new(99)));
        assert!(set.insert(RunIndex::new(3)));
        assert_eq!((set.count(), set.iter().count()), (2, 2));
        assert!(set.remove(RunIndex::new(3)) && !set.remove(RunIndex::new(3)));
        assert_eq!(RunSet::full(100).count_beyond(&set), 99);
        assert!(!set.has_beyond(&RunSet::full(100)));
    }
}
