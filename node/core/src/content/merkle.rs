//! The hash trees of BEP 52: leaves are SHA-256 of 16 KiB blocks (the last block of a file is
//! hashed short), leaves past the end of the file are 32 zero bytes, and a node is SHA-256(left ||
//! right).
//!
//! No prefix tells leaves and nodes apart, so depth must come from somewhere else: here it comes
//! from the layout, hence from lengths that the info hash covers. A proof of another length is
//! refused before anything is hashed.
//!
//! Invariant: a [`VerifiedRun`] exists only if its bytes hash to what its manifest promises.

mod piece_tree;
mod whole_piece;

pub use self::{
    piece_tree::{PieceTree, PieceTreeError},
    whole_piece::{HashedRun, Unproven, UnprovenPiece, hash_run, verify_piece},
};
pub use crate::content::tree_hash::{layer_root, parent, sha256, subtree_root, zero_root};
use crate::{
    content::{
        layout::{BLOCK_BYTES, Layout, PieceIndex, RunIndex},
        manifest::Manifest,
    },
    id::Hash,
};

/// Leaves that the subtree of a run covers: a power of two, at most those of its piece.
pub fn run_leaves(layout: &Layout, run: RunIndex) -> u32 {
    piece_run_leaves(layout, layout.run(run).piece)
}

/// [`run_leaves`] of every run of a piece.
pub(crate) fn piece_run_leaves(layout: &Layout, piece: PieceIndex) -> u32 {
    (layout.run_bytes() / BLOCK_BYTES).min(layout.piece(piece).leaves)
}

/// Number of hashes that lead from a run's root up to its piece's hash; 0 if the run is the piece.
pub fn proof_length(layout: &Layout, run: RunIndex) -> usize {
    let piece = layout.run(run).piece;
    let (of_piece, of_run) = (layout.piece(piece).leaves, piece_run_leaves(layout, piece));
    of_piece.ilog2().saturating_sub(of_run.ilog2()) as usize
}

/// Bytes of a run that were proven to belong to a manifest. Only [`verify`] and [`verify_piece`]
/// make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRun<B> {
    run: RunIndex,
    bytes: B,
    root: Hash,
    proof: Vec<Hash>,
}

impl<B: AsRef<[u8]>> VerifiedRun<B> {
    /// The run.
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

/// Bytes that are not the run they were said to be. Their sender is proven wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorruptRun {
    /// Too short or too long.
    #[error("a run of {expected} bytes came with {found}")]
    Length {
        /// Bytes the run has in the layout.
        expected: u32,
        /// Bytes that came.
        found: usize,
    },
    /// The proof is for a tree of another height.
    #[error("a run whose proof has {expected} hashes came with {found}")]
    ProofLength {
        /// Hashes the proof has by the layout.
        expected: usize,
        /// Hashes that came.
        found: usize,
    },
    /// The bytes or the proof are not what was published.
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

/// The node reached from `node`, number `index` of its level, along its siblings.
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
