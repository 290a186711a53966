//! Verifying a piece as a whole, for sources that send bytes without proofs.

use super::{CorruptRun, PieceTree, VerifiedRun, run_leaves, subtree_root};
use crate::{
    content::{
        layout::{Layout, PieceIndex, RunIndex},
        manifest::Manifest,
    },
    id::Hash,
    saturate::to_u32,
};

/// Bytes of a run with their root: hashed, but not proven yet. Only [`hash_run`] makes one.
#[derive(Debug)]
pub struct HashedRun<B> {
    run: RunIndex,
    bytes: B,
    root: Hash,
}

impl<B> HashedRun<B> {
    /// Gives the buffer back.
    pub fn into_bytes(self) -> B {
        self.bytes
    }
}

/// The costly half of the verification, run by run: one SHA-256 of the bytes.
///
/// # Errors
/// If there are more or fewer bytes than the layout says.
pub fn hash_run<B: AsRef<[u8]>>(
    layout: &Layout,
    run: RunIndex,
    bytes: B,
) -> Result<HashedRun<B>, CorruptRun> {
    let (expected, found) = (layout.run_length(run), bytes.as_ref().len());
    if found != expected as usize {
        return Err(CorruptRun::Length { expected, found });
    }
    let root = subtree_root(bytes.as_ref(), run_leaves(layout, run));
    Ok(HashedRun { run, bytes, root })
}

/// Why a piece could not be verified.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnprovenPiece {
    /// The runs and the known roots do not cover it: nothing is proven, of any sender.
    #[error("run {} of its piece is missing", .0)]
    Incomplete(u32),
    /// The bytes that came are false.
    #[error(transparent)]
    Corrupt(#[from] CorruptRun),
}

/// Runs that were not proven, and why.
pub type Unproven<B> = (UnprovenPiece, Vec<HashedRun<B>>);

/// The other half: proves runs of one piece together. `known` has the roots of the runs that are
/// not among them.
///
/// # Errors
/// See [`UnprovenPiece`]; the runs are handed back with it, so that their buffers can be used
/// again.
pub fn verify_piece<B: AsRef<[u8]>>(
    manifest: &Manifest,
    piece: PieceIndex,
    known: &PieceTree,
    runs: Vec<HashedRun<B>>,
) -> Result<Vec<VerifiedRun<B>>, Unproven<B>> {
    let layout = manifest.layout();
    let numbers = layout.piece_runs(piece);
    let mut roots: Vec<Option<Hash>> = (0..to_u32(numbers.len())).map(|run| known.run_root(run)).collect();
    for run in &runs {
        let at = run.run.get().wrapping_sub(numbers.start) as usize;
        match roots.get_mut(at) {
            Some(root) => *root = Some(run.root),
            None => return Err((CorruptRun::Hash.into(), runs)),
        }
    }
    if let Some(missing) = roots.iter().position(Option::is_none) {
        return Err((UnprovenPiece::Incomplete(to_u32(missing)), runs));
    }
    let roots: Vec<Hash> = roots.into_iter().flatten().collect();
    let mut tree = PieceTree::new(layout, piece);
    if tree.fill(&roots) != *manifest.piece_hash(piece) {
        return Err((CorruptRun::Hash.into(), runs));
    }
    let proven = |HashedRun { run, bytes, root }| {
        let at = run.get().wrapping_sub(numbers.start);
        let proof = tree.proof(at).expect("a filled tree proves every run of its piece");
        VerifiedRun { run, bytes, root, proof }
    };
    Ok(runs.into_iter().map(proven).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{
        manifest::NewFile,
        merkle::verify,
        paths::{RelativePath, SafeName},
    };

    const PIECE: usize = 1 << 20;
    const RUN: usize = 256 << 10;

    /// Two pieces, the second of two runs and a bit.
    fn content() -> (Vec<u8>, Manifest) {
        let data: Vec<u8> = (0..PIECE as u32 + 2 * RUN as u32 + 5).map(|i| (i ^ (i >> 9)) as u8).collect();
        let name = SafeName::parse(b"a.bin").unwrap();
        let file = NewFile {
            path: RelativePath::parse("a.bin").unwrap(),
            length: data.len() as u64,
            piece_hashes: data.chunks(PIECE).map(|piece| subtree_root(piece, 64)).collect(),
        };
        let manifest = Manifest::build(&name, PIECE as u64, vec![file], Vec::new()).unwrap();
        (data, manifest)
    }

    fn hashed(data: &[u8], manifest: &Manifest, runs: std::ops::Range<u32>) -> Vec<HashedRun<Vec<u8>>> {
        let layout = manifest.layout();
        let hash = |number: u32| {
            let run = layout.run_index(number).unwrap();
            let at = number as usize * RUN;
            let bytes = data[at..data.len().min(at + RUN)].to_vec();
            hash_run(layout, run, bytes).unwrap()
        };
        runs.map(hash).collect()
    }

    fn piece(manifest: &Manifest, index: u32) -> (PieceIndex, PieceTree) {
        let piece = manifest.layout().piece_index(index).unwrap();
        (piece, PieceTree::new(manifest.layout(), piece))
    }

    #[test]
    fn a_whole_piece_proves_each_of_its_runs_to_others() {
        let (data, manifest) = content();
        for (index, runs) in [(0, 0..4), (1, 4..7)] {
            let (piece, tree) = piece(&manifest, index);
            let verified = verify_piece(&manifest, piece, &tree, hashed(&data, &manifest, runs)).unwrap();
            for run in verified {
                let proof = run.proof().to_vec();
                assert_eq!(verify(&manifest, run.run(), run.bytes(), proof).unwrap().root(), run.root());
            }
        }
    }

    #[test]
    fn what_is_held_of_a_piece_need_not_come_again() {
        let (data, manifest) = content();
        let (piece, mut tree) = piece(&manifest, 0);
        let runs = hashed(&data, &manifest, 0..4);
        let all = verify_piece(&manifest, piece, &tree, runs).unwrap();
        tree.learn(2, *all[2].root(), all[2].proof());
        let missing = || {
            let mut runs = hashed(&data, &manifest, 0..4);
            runs.remove(2);
            runs
        };
        assert_eq!(verify_piece(&manifest, piece, &tree, missing()).unwrap().len(), 3);
    }

    #[test]
    fn a_false_byte_spoils_the_piece_and_a_missing_run_blames_nobody() {
        let (mut data, manifest) = content();
        let (piece, tree) = piece(&manifest, 0);
        let (why, runs) = verify_piece(&manifest, piece, &tree, hashed(&data, &manifest, 0..3)).unwrap_err();
        assert_eq!((why, runs.len()), (UnprovenPiece::Incomplete(3), 3));
        data[PIECE - 1] ^= 1;
        let (why, _) = verify_piece(&manifest, piece, &tree, hashed(&data, &manifest, 0..4)).unwrap_err();
        assert_eq!(why, UnprovenPiece::Corrupt(CorruptRun::Hash));
        let (why, _) = verify_piece(&manifest, piece, &tree, hashed(&data, &manifest, 3..5)).unwrap_err();
        assert_eq!(why, UnprovenPiece::Corrupt(CorruptRun::Hash), "a run of another piece");
    }

    #[test]
    fn a_run_of_another_length_is_refused_before_it_is_hashed() {
        let (data, manifest) = content();
        let run = manifest.layout().run_index(6).unwrap();
        let refused = hash_run(manifest.layout(), run, &data[..6]).unwrap_err();
        assert_eq!(refused, CorruptRun::Length { expected: 5, found: 6 });
    }
}
