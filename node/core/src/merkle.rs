//! The hash trees of BEP 52: leaves are SHA-256 of 16 KiB blocks (the last block of a file is hashed
//! short), leaves past the end of the file are 32 zero bytes, and a node is SHA-256(left || right).
//!
//! Leaves and nodes are not told apart by a prefix, so depth must come from somewhere else: here it
//! comes from the layout, hence from lengths that the info hash covers. A proof of another length is
//! refused before anything is hashed.
//!
//! Invariant: a [`VerifiedRun`] exists only if its bytes hash to what its manifest promises.

mod lanes;
mod piece_tree;
mod whole_piece;

use sha2::{Digest, Sha256};

pub use self::{
    piece_tree::{PieceTree, PieceTreeError},
    whole_piece::{HashedRun, Unproven, UnprovenPiece, hash_run, verify_piece},
};
use crate::{
    id::Hash,
    layout::{BLOCK_BYTES, Layout, PieceIndex, RunIndex},
    manifest::Manifest,
};

/// SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The node above two others.
pub fn parent(left: &Hash, right: &Hash) -> Hash {
    let mut both = [0; 64];
    both[..32].copy_from_slice(left);
    both[32..].copy_from_slice(right);
    sha256(&both)
}

/// The root over `leaves` leaves that all lie past the end of the file.
///
/// # Panics
/// If `leaves` is no power of two.
pub fn zero_root(leaves: u32) -> Hash {
    assert!(leaves.is_power_of_two(), "trees have 2^k leaves");
    (0..leaves.ilog2()).fold([0; 32], |node, _| parent(&node, &node))
}

/// The root over `leaves` leaves, the first of which hold `data`.
///
/// # Panics
/// If `leaves` is no power of two, or `data` is longer than `leaves` blocks.
pub fn subtree_root(data: &[u8], leaves: u32) -> Hash {
    assert!(leaves.is_power_of_two(), "trees have 2^k leaves");
    assert!(data.len() <= bytes_of(leaves));
    if data.is_empty() {
        return zero_root(leaves);
    }
    if leaves == 1 {
        return sha256(data);
    }
    if leaves as usize == lanes::LANES
        && let Some(row) = data.try_into().ok().and_then(lanes::hash_leaves)
    {
        return layer_root(&row, 1);
    }
    let half = leaves / 2;
    let (left, right) = data.split_at(data.len().min(bytes_of(half)));
    parent(&subtree_root(left, half), &subtree_root(right, half))
}

/// Bytes that so many leaves stand for.
fn bytes_of(leaves: u32) -> usize {
    (leaves as usize).saturating_mul(BLOCK_BYTES as usize)
}

/// The root over a row of equal subtrees of `leaves_each` leaves, padded to the next power of two
/// with empty ones: the `pieces root` of a file from its piece layer, or a piece's hash from the
/// roots of its runs when those are a layer of its tree. No hashes at all give the empty subtree.
///
/// # Panics
/// If `leaves_each` is no power of two.
pub fn layer_root(layer: &[Hash], leaves_each: u32) -> Hash {
    let mut empty = zero_root(leaves_each);
    let above = |row: &[Hash], empty: &Hash| -> Vec<Hash> {
        let pair = |pair: &[Hash]| parent(&pair[0], pair.get(1).unwrap_or(empty));
        row.chunks(2).map(pair).collect()
    };
    let mut row = match layer {
        [] => return empty,
        [root] => return *root,
        _ => above(layer, &empty),
    };
    while row.len() > 1 {
        empty = parent(&empty, &empty);
        row = above(&row, &empty);
    }
    row[0]
}

/// Leaves that the subtree of a run covers: a power of two, at most those of its piece.
pub fn run_leaves(layout: &Layout, run: RunIndex) -> u32 {
    piece_run_leaves(layout, layout.run(run).piece)
}

/// [`run_leaves`] of every run of a piece.
pub(crate) fn piece_run_leaves(layout: &Layout, piece: PieceIndex) -> u32 {
    (layout.run_bytes() / BLOCK_BYTES).min(layout.piece(piece).leaves)
}

/// Hashes that lead from a run's root up to its piece's hash; none when the run is the piece.
pub fn proof_length(layout: &Layout, run: RunIndex) -> usize {
    let piece = layout.run(run).piece;
    let (of_piece, of_run) = (layout.piece(piece).leaves, piece_run_leaves(layout, piece));
    of_piece.ilog2().saturating_sub(of_run.ilog2()) as usize
}

/// Bytes of a run that were proven to belong to a manifest. Only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRun<B> {
    run: RunIndex,
    bytes: B,
    root: Hash,
    proof: Vec<Hash>,
}

impl<B: AsRef<[u8]>> VerifiedRun<B> {
    /// Which run.
    pub fn run(&self) -> RunIndex {
        self.run
    }

    /// Its bytes, exactly as long as the layout says.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// The root of its subtree.
    pub fn root(&self) -> &Hash {
        &self.root
    }

    /// The siblings from its root up to the piece's hash, lowest first.
    pub fn proof(&self) -> &[Hash] {
        &self.proof
    }

    /// Gives the buffer back.
    pub fn into_bytes(self) -> B {
        self.bytes
    }
}

/// Bytes that are not the run they were said to be. Whoever sent them is proven wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorruptRun {
    /// Too short or too long.
    #[error("a run of {expected} bytes came with {found}")]
    Length {
        /// What the layout says.
        expected: u32,
        /// What came.
        found: usize,
    },
    /// The tree has another height.
    #[error("a run whose proof has {expected} hashes came with {found}")]
    ProofLength {
        /// What the layout says.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// Bytes or proof are not what was published.
    #[error("a run does not match its hash")]
    Hash,
}

/// Checks untrusted bytes of one run, with `proof` the siblings from the run's root up to its
/// piece's hash, lowest first. Costs one SHA-256 of the bytes.
///
/// # Errors
/// See [`CorruptRun`]; the bytes are dropped.
pub fn verify<B: AsRef<[u8]>>(
    manifest: &Manifest,
    run: RunIndex,
    bytes: B,
    proof: Vec<Hash>,
) -> Result<VerifiedRun<B>, CorruptRun> {
    let layout = manifest.layout();
    let (span, length) = (layout.run(run), proof_length(layout, run));
    if bytes.as_ref().len() != span.bytes as usize {
        return Err(CorruptRun::Length { expected: span.bytes, found: bytes.as_ref().len() });
    }
    if proof.len() != length {
        return Err(CorruptRun::ProofLength { expected: length, found: proof.len() });
    }
    let root = subtree_root(bytes.as_ref(), run_leaves(layout, run));
    if climb(root, span.index_in_piece, &proof) != *manifest.piece_hash(span.piece) {
        return Err(CorruptRun::Hash);
    }
    Ok(VerifiedRun { run, bytes, root, proof })
}

/// The node reached from `node`, the `index`th of its level, along its siblings.
fn climb(node: Hash, index: u32, siblings: &[Hash]) -> Hash {
    let step = |(node, index): (Hash, u32), sibling: &Hash| {
        let above = match index % 2 {
            0 => parent(&node, sibling),
            _ => parent(sibling, &node),
        };
        (above, index / 2)
    };
    siblings.iter().fold((node, index), step).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_subtree_is_made_of_zero_leaves() {
        assert_eq!(zero_root(1), [0; 32]);
        assert_eq!(zero_root(2), parent(&[0; 32], &[0; 32]));
        assert_eq!(subtree_root(&[], 8), zero_root(8));
    }

    #[test]
    fn sixteen_leaves_at_once_hash_to_what_each_hashes_to_alone() {
        let data: Vec<u8> = (0..lanes::LANES_BYTES as u32).map(|i| ((i / 5) ^ (i >> 9)) as u8).collect();
        let alone: Vec<Hash> = data.chunks(BLOCK_BYTES as usize).map(sha256).collect();
        // Where the processor cannot, the leaves are hashed alone anyway.
        if let Some(row) = lanes::hash_leaves(data[..].try_into().unwrap()) {
            assert_eq!(row.as_slice(), alone);
        }
        assert_eq!(subtree_root(&data, 16), layer_root(&alone, 1));
    }

    #[test]
    fn a_layer_of_any_length_gives_the_root_over_its_blocks() {
        let data: Vec<u8> = (0..9 * 65_536u32 - 20_000).map(|i| (i / 7) as u8).collect();
        for pieces in 1..=9 {
            let data = &data[..data.len().min(pieces * 65_536)];
            let layer: Vec<Hash> = data.chunks(65_536).map(|piece| subtree_root(piece, 4)).collect();
            let leaves = 4 * pieces.next_power_of_two() as u32;
            assert_eq!(layer_root(&layer, 4), subtree_root(data, leaves), "{pieces}");
        }
    }
}
