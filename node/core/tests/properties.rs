//! What must hold for every content, whoever made it and whatever happened to it on the way.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::LazyLock;

use nearcast_core::{
    id::Hash,
    layout::{Layout, RunIndex},
    manifest::{Info, Manifest, NewFile},
    merkle::{CorruptRun, PieceTree, proof_length, run_leaves, subtree_root, verify},
    paths::{RelativePath, SafeName},
};
use proptest::prelude::*;

const KIB: u64 = 1024;

/// A content in memory.
struct Content {
    manifest: Manifest,
    data: Vec<Vec<u8>>,
    /// The full tree of every piece.
    trees: Vec<PieceTree>,
}

impl Content {
    fn new(piece_bytes: u64, files: &[(String, u64)]) -> Content {
        let lengths: Vec<u64> = files.iter().map(|file| file.1).collect();
        let layout = Layout::new(piece_bytes, lengths.iter().copied()).unwrap();
        let byte = |file: usize, at: u64| (at.wrapping_mul(at + 7) >> 3) as u8 ^ file as u8;
        let data: Vec<Vec<u8>> =
            (0..files.len()).map(|file| (0..lengths[file]).map(|at| byte(file, at)).collect()).collect();
        let mut trees = Vec::new();
        let mut hashes = Vec::new();
        for piece in (0..layout.pieces()).filter_map(|piece| layout.piece_index(piece)) {
            let runs = layout.piece_runs(piece).filter_map(|run| layout.run_index(run));
            let roots: Vec<Hash> =
                runs.map(|run| subtree_root(slice(&layout, &data, run), run_leaves(&layout, run))).collect();
            let mut tree = PieceTree::new(&layout, piece);
            hashes.push(tree.fill(&roots));
            trees.push(tree);
        }
        let mut rest = hashes.into_iter();
        let mut new_file = |(path, length): &(String, u64)| NewFile {
            path: RelativePath::parse(path).unwrap(),
            length: *length,
            piece_hashes: rest.by_ref().take(length.div_ceil(piece_bytes) as usize).collect(),
        };
        let files = files.iter().map(&mut new_file).collect();
        let seeds = vec!["https://a.example/".to_owned()];
        let name = SafeName::parse("cöntent".as_bytes()).unwrap();
        let manifest = Manifest::build(&name, piece_bytes, files, seeds).unwrap();
        Content { manifest, data, trees }
    }

    fn run(&self, run: u32) -> (RunIndex, Vec<u8>, Vec<Hash>) {
        let layout = self.manifest.layout();
        let run = layout.run_index(run).unwrap();
        let span = layout.run(run);
        let proof = self.trees[span.piece.get() as usize].proof(span.index_in_piece);
        (run, slice(layout, &self.data, run).to_vec(), proof.unwrap())
    }
}

fn slice<'a>(layout: &Layout, data: &'a [Vec<u8>], run: RunIndex) -> &'a [u8] {
    let span = layout.run(run);
    &data[span.file.get() as usize][span.offset as usize..][..span.bytes as usize]
}

/// Pieces of several runs, files of one piece and of many, with short ends.
static SAMPLE: LazyLock<Content> = LazyLock::new(|| {
    let lengths = [0, 1, 700 * KIB, 1024 * KIB, 2 * 1024 * KIB + 300 * KIB + 5, 64, 16 * KIB + 1];
    let files: Vec<(String, u64)> = (0..).zip(lengths).map(|(i, length)| (format!("f{i}"), length)).collect();
    Content::new(1024 * KIB, &files)
});

fn any_run() -> impl Strategy<Value = u32> {
    0..SAMPLE.manifest.layout().runs()
}

#[test]
fn every_run_verifies_alone_and_proves_what_it_came_with() {
    let layout = SAMPLE.manifest.layout();
    for index in 0..layout.runs() {
        let (run, bytes, proof) = SAMPLE.run(index);
        assert_eq!(proof.len(), proof_length(layout, run));
        let verified = verify(&SAMPLE.manifest, run, bytes.clone(), proof.clone()).unwrap();
        assert_eq!((verified.run(), verified.bytes()), (run, &bytes[..]));
        assert_eq!(verified.proof(), proof);
        assert_eq!(*verified.root(), subtree_root(&bytes, run_leaves(layout, run)));
        let span = layout.run(run);
        let mut tree = PieceTree::new(layout, span.piece);
        tree.learn(span.index_in_piece, *verified.root(), verified.proof());
        assert_eq!(tree.proof(span.index_in_piece), Some(proof));
    }
}

/// SHA-256(left || right) is also the leaf of a 64-byte block; only the length tells them apart.
#[test]
fn a_node_does_not_pass_for_a_block() {
    let blocks = [vec![1; 16 * KIB as usize], vec![2; 16 * KIB as usize]];
    let leaves: Vec<u8> = blocks.iter().flat_map(|block| subtree_root(block, 1)).collect();
    assert_eq!(subtree_root(&leaves, 1), subtree_root(&blocks.concat(), 2));
    let file = NewFile {
        path: RelativePath::parse("f").unwrap(),
        length: 32 * KIB,
        piece_hashes: vec![subtree_root(&leaves, 1)],
    };
    let name = SafeName::parse(b"f").unwrap();
    let manifest = Manifest::build(&name, 64 * KIB, vec![file], vec![]).unwrap();
    let run = manifest.layout().run_index(0).unwrap();
    assert!(verify(&manifest, run, blocks.concat(), vec![]).is_ok());
    let refused = verify(&manifest, run, leaves, vec![]);
    assert!(matches!(refused, Err(CorruptRun::Length { expected: 32_768, found: 64 })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_flipped_bit_of_data_is_found(index in any_run(), at in any::<prop::sample::Index>(), bit in 0u32..8) {
        let (run, mut bytes, proof) = SAMPLE.run(index);
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        prop_assert_eq!(verify(&SAMPLE.manifest, run, bytes, proof), Err(CorruptRun::Hash));
    }

    #[test]
    fn one_flipped_bit_of_proof_is_found(index in any_run(), at in any::<prop::sample::Index>(), bit in 0u32..8) {
        let (run, bytes, mut proof) = SAMPLE.run(index);
        prop_assume!(!proof.is_empty());
        let at = at.index(32 * proof.len());
        proof[at / 32][at % 32] ^= 1u8 << bit;
        prop_assert_eq!(verify(&SAMPLE.manifest, run, bytes, proof), Err(CorruptRun::Hash));
    }

    #[test]
    fn another_length_is_refused(index in any_run(), length in 0..300 * KIB as usize) {
        let (run, mut bytes, proof) = SAMPLE.run(index);
        prop_assume!(length != bytes.len());
        bytes.resize(length, 0);
        let expected = SAMPLE.manifest.layout().run_length(run);
        let refused = verify(&SAMPLE.manifest, run, bytes, proof);
        prop_assert_eq!(refused, Err(CorruptRun::Length { expected, found: length }));
    }

    #[test]
    fn a_proof_of_another_length_is_refused(index in any_run(), length in 0usize..20) {
        let (run, bytes, mut proof) = SAMPLE.run(index);
        let expected = proof.len();
        prop_assume!(length != expected);
        proof.resize(length, [0; 32]);
        let refused = verify(&SAMPLE.manifest, run, bytes, proof);
        prop_assert_eq!(refused, Err(CorruptRun::ProofLength { expected, found: length }));
    }

    #[test]
    fn another_run_of_the_same_length_is_refused(a in any_run(), b in any_run()) {
        let ((run, bytes, proof), (other, other_bytes, other_proof)) = (SAMPLE.run(a), SAMPLE.run(b));
        prop_assume!(run != other && bytes.len() == other_bytes.len() && bytes != other_bytes);
        prop_assert!(verify(&SAMPLE.manifest, run, other_bytes.clone(), other_proof).is_err());
        prop_assert!(verify(&SAMPLE.manifest, run, other_bytes, proof).is_err());
    }
}

fn contents() -> impl Strategy<Value = (u64, Vec<(String, u64)>)> {
    let path = "[a-e]{1,2}(/[a-e]{1,2}){0,3}x";
    let length = prop_oneof![Just(0), 1..5u64, 0..200 * KIB, Just(16 * KIB), Just(64 * KIB)];
    let files = prop::collection::btree_map(path, length, 1..8);
    let piece_bytes = prop::sample::select(vec![16 * KIB, 32 * KIB, 64 * KIB, 512 * KIB]);
    (piece_bytes, files).prop_map(|(piece_bytes, files)| {
        // A component that ends with x is never a folder, so no path is both a file and a folder.
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_by_key(|(path, _)| RelativePath::parse(path).unwrap());
        (piece_bytes, files)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_torrent_that_was_written_reads_the_same((piece_bytes, files) in contents()) {
        let content = Content::new(piece_bytes, &files);
        let torrent = content.manifest.to_torrent();
        let parsed = Manifest::parse(&torrent).unwrap();
        prop_assert_eq!(&parsed, &content.manifest);
        prop_assert_eq!(parsed.to_torrent(), torrent);
        let read: Vec<_> = parsed.files().iter().map(|f| (f.path.to_string(), f.length)).collect();
        prop_assert_eq!(read, files);
        for index in 0..parsed.layout().runs() {
            let (run, bytes, proof) = content.run(index);
            prop_assert!(verify(&parsed, run, bytes, proof).is_ok());
        }
    }

    #[test]
    fn a_magnet_download_ends_with_the_same_manifest((piece_bytes, files) in contents()) {
        let manifest = Content::new(piece_bytes, &files).manifest;
        let info = Info::parse(manifest.content(), manifest.info_bytes()).unwrap();
        let layers: Vec<Hash> = manifest.layers().copied().collect();
        prop_assert_eq!(info.layers_bytes(), 32 * layers.len() as u64);
        let seeds = manifest.web_seeds().to_vec();
        prop_assert_eq!(info.clone().assemble(layers.clone()).unwrap().with_web_seeds(seeds), manifest);
        for at in 0..layers.len() {
            let mut wrong = layers.clone();
            wrong[at][31] ^= 1;
            prop_assert!(info.clone().assemble(wrong).is_err());
        }
        prop_assert!(info.clone().assemble([&layers[..], &[[0; 32]]].concat()).is_err());
        if let Some((_, fewer)) = layers.split_last() {
            prop_assert!(info.assemble(fewer.to_vec()).is_err());
        }
    }
}

static TORRENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let files = ["a", "b/c", "b/d", "e/f/g"].map(|path| (path.to_owned(), 40 * KIB));
    Content::new(16 * KIB, &files).manifest.to_torrent()
});

/// A torrent changed on the way is refused, is another content, or changed only where no hash
/// covers it (web seeds).
fn is_harmless(torrent: &[u8]) -> bool {
    let original = Manifest::parse(&TORRENT).unwrap();
    match Manifest::parse(torrent) {
        Err(_) => true,
        Ok(parsed) if parsed.content() != original.content() => true,
        Ok(parsed) => parsed.info() == original.info() && parsed.layers().eq(original.layers()),
    }
}

#[test]
fn every_truncation_is_refused() {
    for length in 0..TORRENT.len() {
        assert!(Manifest::parse(&TORRENT[..length]).is_err(), "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn mutated_torrents_neither_panic_nor_deceive(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.2, (any::<prop::sample::Index>(), 0usize..40)),
    ) {
        let mut torrent = TORRENT.clone();
        for (at, mask) in &flips {
            let at = at.index(torrent.len());
            torrent[at] ^= mask;
        }
        if let Some((at, length)) = cut {
            let at = at.index(torrent.len());
            torrent.drain(at..(at + length).min(torrent.len()));
        }
        prop_assert!(is_harmless(&torrent));
    }

    #[test]
    fn soup_of_bencoding_neither_panics_nor_parses(
        words in prop::collection::vec(prop::sample::select(vec![
            "d", "l", "e", "i1e", "i-1e", "0:", "4:info", "9:file tree", "6:length", "11:pieces root", "1:a", "2:..",
            "12:meta version", "i2e", "4:name", "12:piece length", "i16384e", "12:piece layers", "8:url-list", "99:",
        ]), 0..40),
    ) {
        let soup = words.concat();
        prop_assert!(Manifest::parse(soup.as_bytes()).is_err());
        let framed = ["d4:info", &soup, "e"].concat();
        prop_assert!(Manifest::parse(framed.as_bytes()).is_err());
    }
}
