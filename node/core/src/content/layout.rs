//! Where bytes lie: files cut into pieces (BEP 52), pieces into runs, runs into blocks.
//!
//! Invariants: every run lies in one piece, every piece in one file; runs are numbered through the
//! whole content in file order without gaps; an index that exists was checked against its layout.

use std::{num::NonZeroU32, num::NonZeroU64, ops::Range};

use serde::{Deserialize, Serialize};

use crate::saturate::to_u32;

/// A leaf of the Merkle tree (BEP 52): 16 KiB.
pub const BLOCK_BYTES: u32 = 16 * 1024;
/// The most bytes that one request moves.
pub const RUN_BYTES_MAX: u32 = 256 * 1024;
const RUN_MAX: NonZeroU32 = NonZeroU32::new(RUN_BYTES_MAX).expect("runs have bytes");
/// Bounds have-maps at 1 MiB a neighbour (2 TiB of 256 KiB runs).
pub const RUNS_MAX: u64 = 1 << 23;
/// Bounds piece layers at 64 MiB.
pub const PIECES_MAX: u64 = 1 << 21;
/// Larger pieces than this help nobody and make proofs long.
pub const PIECE_BYTES_MAX: u32 = 1 << 28;

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(u32);

        impl $name {
            pub(crate) const fn new(index: u32) -> Self {
                $name(index)
            }

            /// The number, for the wire and for indexing.
            pub const fn get(self) -> u32 {
                self.0
            }
        }
    };
}

index! {
    /// A run that exists in its layout: only [`Layout`] and sets sized by it hand these out.
    RunIndex
}
index! {
    /// A piece that exists in its layout.
    PieceIndex
}
index! {
    /// A file that exists in its layout.
    FileIndex
}

/// Why a content cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// BEP 52 wants a power of two of at least 16 KiB.
    #[error("piece length {0} is not a power of two between 16 KiB and 256 MiB")]
    PieceLength(u64),
    /// More pieces than [`PIECES_MAX`].
    #[error("the content has {0} pieces; at most {PIECES_MAX} are supported: use larger pieces")]
    TooManyPieces(u64),
    /// More runs than [`RUNS_MAX`].
    #[error("the content has {0} runs; at most {RUNS_MAX} are supported")]
    TooManyRuns(u64),
    /// The lengths of the files add up to more than 64 bits hold.
    #[error("the files are larger together than 2^64 bytes")]
    TooLarge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileSpan {
    length: u64,
    first_piece: u32,
    first_run: u32,
}

/// The place of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunSpan {
    /// The file it lies in.
    pub file: FileIndex,
    /// First byte, counted from the start of the file.
    pub offset: u64,
    /// Length in bytes, 1 to [`RUN_BYTES_MAX`].
    pub bytes: u32,
    /// The piece it lies in.
    pub piece: PieceIndex,
    /// Which run of its piece, from 0.
    pub index_in_piece: u32,
}

/// The place of one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceSpan {
    /// The file it lies in.
    pub file: FileIndex,
    /// First byte, counted from the start of the file.
    pub offset: u64,
    /// Length in bytes; only the last piece of a file is shorter than the piece length.
    pub bytes: u32,
    /// Leaves its tree covers, a power of two: those of a whole piece, or, in a file of at most
    /// one piece, the next power of two of the file's blocks.
    pub leaves: u32,
}

/// The arithmetic of one content. Shared, never copied per engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Lengths", into = "Lengths")]
pub struct Layout {
    piece_bytes: NonZeroU32,
    run_bytes: NonZeroU32,
    files: Vec<FileSpan>,
    pieces: u32,
    runs: u32,
    bytes: u64,
}

/// The values that a layout follows from.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Lengths {
    piece_bytes: u64,
    files: Vec<u64>,
}

impl From<Layout> for Lengths {
    fn from(layout: Layout) -> Lengths {
        let files = layout.files.iter().map(|file| file.length).collect();
        Lengths { piece_bytes: layout.piece_bytes.get().into(), files }
    }
}

impl TryFrom<Lengths> for Layout {
    type Error = LayoutError;

    fn try_from(lengths: Lengths) -> Result<Layout, LayoutError> {
        Layout::new(lengths.piece_bytes, lengths.files)
    }
}

impl Layout {
    /// Lays out files of the given lengths in bytes, in order. Files may be empty; they have no
    /// piece.
    ///
    /// # Errors
    /// See [`LayoutError`]; nothing larger than the list of files is allocated before all is
    /// checked.
    pub fn new(piece_bytes: u64, lengths: impl IntoIterator<Item = u64>) -> Result<Layout, LayoutError> {
        let valid = |bytes: &NonZeroU32| {
            bytes.is_power_of_two() && (BLOCK_BYTES..=PIECE_BYTES_MAX).contains(&bytes.get())
        };
        let number = u32::try_from(piece_bytes).ok().and_then(NonZeroU32::new);
        let piece_bytes = number.filter(valid).ok_or(LayoutError::PieceLength(piece_bytes))?;
        let run_bytes = piece_bytes.min(RUN_MAX);
        let (mut files, mut pieces, mut runs, mut bytes) = (Vec::new(), 0_u32, 0_u32, 0_u64);
        for length in lengths {
            files.push(FileSpan { length, first_piece: pieces, first_run: runs });
            bytes = bytes.checked_add(length).ok_or(LayoutError::TooLarge)?;
            let parts = |bytes: NonZeroU32| length.div_ceil(bytes.get().into());
            pieces = sum(pieces, parts(piece_bytes), PIECES_MAX).map_err(LayoutError::TooManyPieces)?;
            runs = sum(runs, parts(run_bytes), RUNS_MAX).map_err(LayoutError::TooManyRuns)?;
        }
        Ok(Layout { piece_bytes, run_bytes, files, pieces, runs, bytes })
    }

    /// Bytes of a whole piece.
    pub fn piece_bytes(&self) -> u32 {
        self.piece_bytes.get()
    }

    /// Bytes of a whole run: the piece's, at most [`RUN_BYTES_MAX`].
    pub fn run_bytes(&self) -> u32 {
        self.run_bytes.get()
    }

    /// Number of files, empty ones included.
    pub fn files(&self) -> u32 {
        to_u32(self.files.len())
    }

    /// Number of pieces of all files.
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Number of runs of all files.
    pub fn runs(&self) -> u32 {
        self.runs
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Checks a run number from outside. `None`: there is no such run.
    pub fn run_index(&self, index: u32) -> Option<RunIndex> {
        (index < self.runs).then_some(RunIndex(index))
    }

    /// Checks a piece number from outside. `None`: there is no such piece.
    pub fn piece_index(&self, index: u32) -> Option<PieceIndex> {
        (index < self.pieces).then_some(PieceIndex(index))
    }

    /// Checks a file number from outside. `None`: there is no such file.
    pub fn file_index(&self, index: u32) -> Option<FileIndex> {
        (index < self.files()).then_some(FileIndex(index))
    }

    /// Length of a file in bytes.
    pub fn file_bytes(&self, file: FileIndex) -> u64 {
        self.files[file.0 as usize].length
    }

    /// The runs of a file, as numbers; empty for an empty file.
    pub fn file_runs(&self, file: FileIndex) -> Range<u32> {
        let span = self.files[file.0 as usize];
        places(span.first_run, span.length.div_ceil(self.run_bytes.get().into()))
    }

    /// The pieces of a file, as numbers; empty for an empty file.
    pub fn file_pieces(&self, file: FileIndex) -> Range<u32> {
        let span = self.files[file.0 as usize];
        places(span.first_piece, span.length.div_ceil(self.piece_bytes.get().into()))
    }

    /// The runs of a piece, as numbers.
    pub fn piece_runs(&self, piece: PieceIndex) -> Range<u32> {
        let span = self.piece(piece);
        let file = self.files[span.file.0 as usize];
        let first = file.first_run.saturating_add(to_u32(span.offset / NonZeroU64::from(self.run_bytes)));
        places(first, span.bytes.div_ceil(self.run_bytes.get()).into())
    }

    /// The place of a run.
    pub fn run(&self, run: RunIndex) -> RunSpan {
        let index = self.files.partition_point(|file| file.first_run <= run.0).saturating_sub(1);
        let file = self.files[index];
        let (offset, bytes) = stretch(file.length, run.0.saturating_sub(file.first_run), self.run_bytes);
        let pieces = NonZeroU64::from(self.piece_bytes);
        RunSpan {
            file: FileIndex(to_u32(index)),
            offset,
            bytes,
            piece: PieceIndex(file.first_piece.saturating_add(to_u32(offset / pieces))),
            index_in_piece: to_u32(offset % pieces) / self.run_bytes,
        }
    }

    /// Length of a run in bytes.
    pub fn run_length(&self, run: RunIndex) -> u32 {
        self.run(run).bytes
    }

    /// The place of a piece.
    pub fn piece(&self, piece: PieceIndex) -> PieceSpan {
        let index = self.files.partition_point(|file| file.first_piece <= piece.0).saturating_sub(1);
        let file = self.files[index];
        let (offset, bytes) =
            stretch(file.length, piece.0.saturating_sub(file.first_piece), self.piece_bytes);
        let leaves = if file.length <= u64::from(self.piece_bytes.get()) {
            bytes.div_ceil(BLOCK_BYTES).next_power_of_two()
        } else {
            self.piece_bytes.get() / BLOCK_BYTES
        };
        PieceSpan { file: FileIndex(to_u32(index)), offset, bytes, leaves }
    }
}

/// The sum of `before` and `more`; as the error, if it is more than `most`.
fn sum(before: u32, more: u64, most: u64) -> Result<u32, u64> {
    let sum = u64::from(before).saturating_add(more);
    u32::try_from(sum).ok().filter(|_| sum <= most).ok_or(sum)
}

/// `count` numbers from `first` on.
fn places(first: u32, count: u64) -> Range<u32> {
    first..first.saturating_add(to_u32(count))
}

/// The offset and the length of part number `at` of a file. All parts have `bytes`, except the
/// last.
fn stretch(file_bytes: u64, at: u32, bytes: NonZeroU32) -> (u64, u32) {
    let offset = u64::from(at).saturating_mul(bytes.get().into());
    (offset, to_u32(file_bytes.saturating_sub(offset).min(bytes.get().into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    #[test]
    fn runs_tile_every_file_exactly_once() {
        let lengths = [0, 1, 16 * KIB, 16 * KIB + 1, 0, 300 * KIB + 7, 2048 * KIB, 5 * 1024 * KIB + 1, 0];
        for piece_bytes in [16 * KIB, 64 * KIB, 256 * KIB, 1024 * KIB] {
            let layout = Layout::new(piece_bytes, lengths).unwrap();
            let mut next = 0;
            for (file, &length) in lengths.iter().enumerate() {
                let file = layout.file_index(file as u32).unwrap();
                let mut covered = 0;
                for run in layout.file_runs(file) {
                    assert_eq!(run, next, "runs are numbered without gaps");
                    next += 1;
                    let run = layout.run_index(run).unwrap();
                    let span = layout.run(run);
                    assert_eq!((span.file, span.offset), (file, covered));
                    assert!(span.bytes > 0 && span.bytes <= layout.run_bytes());
                    let piece = layout.piece(span.piece);
                    let in_piece = u64::from(span.index_in_piece * layout.run_bytes());
                    assert_eq!(span.offset, piece.offset + in_piece);
                    assert!(layout.piece_runs(span.piece).contains(&run.get()));
                    covered += u64::from(span.bytes);
                }
                assert_eq!(covered, length);
            }
            assert_eq!(next, layout.runs());
        }
    }

    #[test]
    fn small_files_have_small_trees_and_large_ones_whole_piece_trees() {
        let layout = Layout::new(256 * KIB, [1, 33 * KIB, 257 * KIB]).unwrap();
        let leaves: Vec<u32> = (0..layout.pieces()).map(|i| layout.piece(PieceIndex(i)).leaves).collect();
        assert_eq!(leaves, [1, 4, 16, 16]);
    }

    #[test]
    fn hostile_sizes_are_refused_before_anything_is_allocated() {
        assert_eq!(Layout::new(20_000, [1]), Err(LayoutError::PieceLength(20_000)));
        assert_eq!(Layout::new(8 * KIB, [1]), Err(LayoutError::PieceLength(8 * KIB)));
        assert!(matches!(Layout::new(16 * KIB, [u64::MAX]), Err(LayoutError::TooManyPieces(_))));
        assert!(matches!(Layout::new(1 << 28, [1 << 48]), Err(LayoutError::TooManyRuns(_))));
        assert_eq!(Layout::new(1 << 28, [u64::MAX, 1]), Err(LayoutError::TooManyPieces(1 << 36)));
    }
}
