//! Runs with proofs, against a fixed content: only the true run passes, and trees learn nothing
//! else.

use std::sync::LazyLock;

use nearcast_core::{
    id::Hash,
    layout::RunIndex,
    manifest::{Manifest, NewFile},
    merkle::{PieceTree, run_leaves, subtree_root, verify},
    paths::{RelativePath, SafeName},
};

/// Pieces of 512 KiB have two runs each, so a proof has one step. The last piece has 16 KiB + 9
/// bytes.
const PIECE_BYTES: u64 = 512 << 10;

struct Content {
    manifest: Manifest,
    data: Vec<u8>,
    proofs: Vec<Vec<Hash>>,
}

static CONTENT: LazyLock<Content> = LazyLock::new(|| {
    let data: Vec<u8> = (0..(PIECE_BYTES as u32 + (16 << 10) + 9)).map(|at| (at / 5) as u8).collect();
    let piece_hashes = data.chunks(PIECE_BYTES as usize).map(|piece| subtree_root(piece, 32)).collect();
    let path = RelativePath::parse("film").expect("a good path");
    let file = NewFile { path, length: data.len() as u64, piece_hashes };
    let name = SafeName::parse(b"film").expect("a good name");
    let manifest = Manifest::build(&name, PIECE_BYTES, vec![file], Vec::new()).expect("a good content");
    let proofs = (0..manifest.layout().runs()).map(|run| proof(&manifest, &data, run)).collect();
    Content { manifest, data, proofs }
});

fn index(manifest: &Manifest, run: u32) -> RunIndex {
    manifest.layout().run_index(run).expect("a run of the content")
}

fn bytes<'a>(manifest: &Manifest, data: &'a [u8], run: u32) -> &'a [u8] {
    let span = manifest.layout().run(index(manifest, run));
    &data[span.offset as usize..][..span.bytes as usize]
}

fn proof(manifest: &Manifest, data: &[u8], run: u32) -> Vec<Hash> {
    let layout = manifest.layout();
    let span = layout.run(index(manifest, run));
    let root = |other| subtree_root(bytes(manifest, data, other), run_leaves(layout, index(manifest, other)));
    let roots: Vec<Hash> = layout.piece_runs(span.piece).map(root).collect();
    let mut tree = PieceTree::new(layout, span.piece);
    tree.fill(&roots);
    tree.proof(span.index_in_piece).expect("a full tree proves every run")
}

/// Input: which byte of the last run changes and how, and a proof. The last run is short, so that
/// hashing is cheap.
pub(crate) fn run(input: &[u8]) {
    let Content { manifest, data, proofs } = &*CONTENT;
    let Some((&[at, change], rest)) = input.split_first_chunk() else { return };
    let last = manifest.layout().runs() - 1;
    let run = index(manifest, last);
    let mut claimed = bytes(manifest, data, last).to_vec();
    let place = usize::from(at) * 64 % claimed.len();
    claimed[place] ^= change;
    let (hashes, tail) = rest.as_chunks::<32>();
    // The proof is the input byte for byte, or the true proof with the input XORed over it.
    let mut proof = proofs[last as usize].clone();
    match tail {
        [] => proof = hashes.to_vec(),
        _ => proof.as_flattened_mut().iter_mut().zip(tail).for_each(|(byte, change)| *byte ^= change),
    }
    let truth = change == 0 && proof == proofs[last as usize];
    assert_eq!(verify(manifest, run, &claimed[..], proof).is_ok(), truth);
    tree(manifest, proofs, input);
}

/// A tree read from bytes proves what the bytes say, and nothing of another size.
fn tree(manifest: &Manifest, proofs: &[Vec<Hash>], input: &[u8]) {
    let layout = manifest.layout();
    let piece = layout.piece_index(0).expect("the first piece");
    if let Ok(tree) = PieceTree::from_bytes(layout, piece, input) {
        assert_eq!(tree.to_bytes(), input);
        for run in 0..2 {
            assert!(tree.proof(run).is_none_or(|proof| proof.len() == proofs[0].len()));
        }
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let Content { manifest, proofs, .. } = &*CONTENT;
    let last = proofs.last().expect("a content has runs");
    let piece = manifest.layout().piece_index(0).expect("the first piece");
    let mut tree = PieceTree::new(manifest.layout(), piece);
    tree.fill(&[[1; 32], [2; 32]]);
    let truth = [&[0, 0], last.as_flattened()].concat();
    vec![truth.clone(), [&truth[..], &[0]].concat(), tree.to_bytes()]
}
