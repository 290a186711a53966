//! What is known of one piece's tree, between its runs and its hash. That is enough to prove runs
//! to others that were proven to us, without hashing the piece again.

use super::{parent, piece_run_leaves, zero_root};
use crate::{
    content::layout::{Layout, PieceIndex},
    id::Hash,
    saturate::to_u32,
};

/// The nodes of one piece, from the roots of its runs up to the piece's hash, which is not included
/// (it is in the manifest). A piece of a single run has no nodes, and costs no memory.
///
/// Nodes are numbered as in a heap: 1 is the piece's hash, the children of n are 2n and 2n+1, and
/// the root of run i is `slots + i`. Invariant: every node past the end of the file is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceTree {
    /// Node n is at n - 2.
    nodes: Box<[Option<Hash>]>,
    /// Runs that a piece with a full tree would have, a power of two.
    slots: u32,
    /// Runs the piece has.
    runs: u32,
}

/// Bytes that are no saved tree of this piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes are not the saved tree of a piece of {runs} runs")]
pub struct PieceTreeError {
    /// Runs of the piece.
    pub runs: u32,
    /// Bytes that came.
    pub bytes: usize,
}

impl PieceTree {
    /// The tree of a piece of which nothing is known yet. At most 68 KB, for a piece of 256 MiB.
    pub fn new(layout: &Layout, piece: PieceIndex) -> PieceTree {
        let run_leaves = piece_run_leaves(layout, piece);
        // Both are powers of two, and a run has no more leaves than its piece.
        let slots = layout.piece(piece).leaves >> run_leaves.ilog2();
        let runs = to_u32(layout.piece_runs(piece).len());
        let mut tree = PieceTree { nodes: vec![None; place(slots << 1)].into(), slots, runs };
        tree.set_empty_nodes(run_leaves);
        tree
    }

    /// A node is empty when all runs below it lie past the end of the file.
    fn set_empty_nodes(&mut self, run_leaves: u32) {
        let (mut first, mut runs, mut empty) = (self.slots, self.runs, zero_root(run_leaves));
        while first > 1 {
            for node in first.saturating_add(runs)..first << 1 {
                self.set(node, empty);
            }
            (first, runs, empty) = (first / 2, runs.div_ceil(2), parent(&empty, &empty));
        }
    }

    /// The node of a run's root. The index is below `slots`, which is a power of two.
    fn of_run(&self, index_in_piece: u32) -> u32 {
        self.slots | index_in_piece
    }

    fn node(&self, node: u32) -> Option<&Hash> {
        self.nodes.get(place(node))?.as_ref()
    }

    fn set(&mut self, node: u32, hash: Hash) {
        self.nodes[place(node)] = Some(hash);
    }

    /// Remembers what one run proved: take root and proof from a
    /// [`VerifiedRun`](super::VerifiedRun), never from the wire.
    ///
    /// # Panics
    /// If the piece has no such run, or the proof another length.
    pub fn learn(&mut self, index_in_piece: u32, root: Hash, proof: &[Hash]) {
        assert!(index_in_piece < self.runs, "a run of another piece");
        assert_eq!(proof.len(), self.slots.ilog2() as usize, "a proof of another piece");
        let (mut node, mut hash) = (self.of_run(index_in_piece), root);
        for sibling in proof {
            self.set(node, hash);
            self.set(node ^ 1, *sibling);
            hash = match node % 2 {
                0 => parent(&hash, sibling),
                _ => parent(sibling, &hash),
            };
            node /= 2;
        }
    }

    /// Fills in every node from the roots of all runs of the piece, in order, and returns the hash
    /// the piece would have: compare it with the manifest's before using the tree.
    ///
    /// # Panics
    /// If there are more or fewer roots than runs.
    pub fn fill(&mut self, run_roots: &[Hash]) -> Hash {
        assert_eq!(run_roots.len(), self.runs as usize, "roots of another piece");
        if self.slots == 1 {
            return run_roots[0];
        }
        for (node, root) in (self.slots..).zip(run_roots) {
            self.set(node, *root);
        }
        for node in (2..self.slots).rev() {
            self.set(node, self.above(node));
        }
        self.above(1)
    }

    fn above(&self, node: u32) -> Hash {
        let child = |node| self.node(node).expect("lower nodes were filled in before");
        parent(child(node << 1), child(node << 1 | 1))
    }

    /// The siblings from a run's root up to the piece's hash, lowest first. `None`: one is unknown,
    /// or the piece has no such run.
    pub fn proof(&self, index_in_piece: u32) -> Option<Vec<Hash>> {
        if index_in_piece >= self.runs {
            return None;
        }
        let mut node = self.of_run(index_in_piece);
        let mut proof = Vec::with_capacity(self.slots.ilog2() as usize);
        while node > 1 {
            proof.push(*self.node(node ^ 1)?);
            node /= 2;
        }
        Some(proof)
    }

    /// The root of a run. `None`: unknown. A piece of a single run has none here: its root is the
    /// piece's hash.
    pub fn run_root(&self, index_in_piece: u32) -> Option<Hash> {
        if self.slots == 1 || index_in_piece >= self.runs {
            return None;
        }
        self.node(self.of_run(index_in_piece)).copied()
    }

    /// For a resume file: one bit for each node (lowest bit first), then the known nodes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.nodes.len().div_ceil(8)];
        for (at, _) in self.nodes.iter().enumerate().filter(|(_, node)| node.is_some()) {
            bytes[at / 8] |= 1 << (at % 8);
        }
        bytes.extend(self.nodes.iter().flatten().flatten());
        bytes
    }

    /// Reads what [`PieceTree::to_bytes`] wrote. The hashes are not checked here: a run is verified
    /// again, with the proof this tree gives, before it is sent to anybody.
    ///
    /// # Errors
    /// If the bytes cannot be a tree of this piece; nothing is allocated beyond such a tree.
    pub fn from_bytes(layout: &Layout, piece: PieceIndex, bytes: &[u8]) -> Result<PieceTree, PieceTreeError> {
        let mut tree = PieceTree::new(layout, piece);
        let error = PieceTreeError { runs: tree.runs, bytes: bytes.len() };
        let (bits, hashes) = bytes.split_at_checked(tree.nodes.len().div_ceil(8)).ok_or(error)?;
        let (hashes, rest) = hashes.as_chunks::<32>();
        let known = |at: usize| bits[at / 8] >> (at % 8) & 1 == 1;
        let stray = (tree.nodes.len()..bits.len().saturating_mul(8)).any(known);
        let set: usize = bits.iter().map(|byte| byte.count_ones() as usize).sum();
        if !rest.is_empty() || stray || set != hashes.len() {
            return Err(error);
        }
        let places = (0..tree.nodes.len()).filter(|&at| known(at));
        for (at, hash) in places.zip(hashes) {
            tree.nodes[at] = Some(*hash);
        }
        Ok(tree)
    }
}

/// The index of a node. The piece's hash has none: it gets an index that no list has.
fn place(node: u32) -> usize {
    (node as usize).wrapping_sub(2)
}

#[cfg(test)]
mod tests {
    use super::super::subtree_root;
    use super::*;

    const RUN: u64 = 256 * 1024;

    /// A piece of 2 MiB with `runs` runs of a larger file, and the roots of its runs.
    fn piece(runs: u64) -> (Layout, PieceIndex, Vec<Hash>) {
        let layout = Layout::new(8 * RUN, [8 * RUN + runs * RUN - 5]).unwrap();
        let roots = (0..runs).map(|run| subtree_root(&[run as u8; 9], 16)).collect();
        let piece = layout.piece_index(1).unwrap();
        (layout, piece, roots)
    }

    #[test]
    fn filling_gives_the_hash_of_the_padded_layer() {
        for runs in 1..=8 {
            let (layout, piece, roots) = piece(runs);
            let hash = PieceTree::new(&layout, piece).fill(&roots);
            let mut padded = roots.clone();
            padded.resize(8, zero_root(16));
            assert_eq!(hash, super::super::layer_root(&padded, 16), "{runs} runs");
        }
    }

    #[test]
    fn what_one_run_proved_is_proven_to_others() {
        for runs in 1..=8 {
            let (layout, piece, roots) = piece(runs);
            let mut full = PieceTree::new(&layout, piece);
            let hash = full.fill(&roots);
            for known in 0..runs as u32 {
                let mut tree = PieceTree::new(&layout, piece);
                let proof = full.proof(known).unwrap();
                tree.learn(known, roots[known as usize], &proof);
                assert_eq!(tree.proof(known), Some(proof.clone()));
                let top = super::super::climb(roots[known as usize], known, &proof);
                assert_eq!(top, hash);
                // Its neighbour's proof follows from it: the siblings are all there.
                let neighbour = known ^ 1;
                if u64::from(neighbour) < runs {
                    assert_eq!(tree.proof(neighbour), full.proof(neighbour));
                    assert_eq!(tree.run_root(neighbour), Some(roots[neighbour as usize]));
                }
            }
        }
    }

    #[test]
    fn an_unknown_proof_is_not_made_up() {
        let (layout, piece, roots) = piece(8);
        let mut tree = PieceTree::new(&layout, piece);
        assert_eq!(tree.proof(0), None);
        let mut full = tree.clone();
        full.fill(&roots);
        tree.learn(0, roots[0], &full.proof(0).unwrap());
        assert_eq!(tree.proof(2), None, "the root of run 3 was never seen");
        assert_eq!(tree.proof(8), None, "there is no run 8");
    }

    #[test]
    fn a_tree_survives_saving_at_any_stage() {
        let (layout, piece, roots) = piece(5);
        let mut full = PieceTree::new(&layout, piece);
        full.fill(&roots);
        let mut tree = PieceTree::new(&layout, piece);
        for run in 0..5 {
            let bytes = tree.to_bytes();
            assert_eq!(PieceTree::from_bytes(&layout, piece, &bytes), Ok(tree.clone()));
            tree.learn(run, roots[run as usize], &full.proof(run).unwrap());
        }
        assert_eq!(tree, full);
    }

    #[test]
    fn a_damaged_save_is_refused() {
        let (layout, piece, roots) = piece(8);
        let mut tree = PieceTree::new(&layout, piece);
        tree.fill(&roots);
        let bytes = tree.to_bytes();
        for length in 0..bytes.len() {
            assert!(PieceTree::from_bytes(&layout, piece, &bytes[..length]).is_err(), "{length}");
        }
        let mut stray = bytes.clone();
        stray[1] |= 0x80; // node 17 of 2..16
        stray.extend([0; 32]);
        assert!(PieceTree::from_bytes(&layout, piece, &stray).is_err());
        let longer = [&bytes[..], &[0; 32]].concat();
        assert!(PieceTree::from_bytes(&layout, piece, &longer).is_err());
    }

    #[test]
    fn a_piece_of_one_run_needs_no_tree() {
        let layout = Layout::new(RUN, [3 * RUN]).unwrap();
        let mut tree = PieceTree::new(&layout, layout.piece_index(0).unwrap());
        assert_eq!(tree.fill(&[[7; 32]]), [7; 32]);
        assert_eq!((tree.proof(0), tree.run_root(0), tree.to_bytes()), (Some(vec![]), None, vec![]));
    }
}
