//! Hashes that libtorrent 2.0.8 computed for data made by a formula. They compare ours with an
//! implementation that we did not write, on machines without libtorrent.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use nearcast_core::{
    id::Hash,
    layout::{BLOCK_BYTES, Layout},
    manifest::{Manifest, NewFile},
    merkle::{PieceTree, run_leaves, subtree_root},
    paths::{RelativePath, SafeName},
};

/// Path, length, and the root from libtorrent, in the order of the file tree.
const FILES: [(&str, usize, &str); 7] = [
    ("a/block", 16_384, "efdcf1336208a638d2078952507a24d6ac6b5ad74e19aab345cc41407b8664a5"),
    ("a/blocks", 16_385, "96630a70bb72a5ca98cd5648bbf75e1908cebd5f6987988b233a2ebfc9d8d14c"),
    ("a.b", 1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("b/c/empty", 0, ""),
    ("b/c/large", 300_007, "b8f5fd2c32d54164f64e0a1fc76b66297079600bf75b2d30550706791b261721"),
    ("b/c/whole", 131_072, "595a079db3d60b1884522c8055e1349ca0fd083a5c6b765c6cd8be56a84c7373"),
    ("z", 65_537, "6f6b569d2f1e697866c9a73143f2a437c8c395e2b50f2cb0e6161451bfabd2d9"),
];

/// Piece length in bytes, and the info hash of a torrent without v1 keys.
const INFO_HASHES: [(u64, &str); 3] = [
    (16_384, "606f8d664178733e2009ac27d9e17a1ea02254a2774a975aa7f37a4725d8fa1f"),
    (65_536, "5f905d2c4d9922a1d99f1aef0da35602ab7da6848d210ffc4bbc8f4d788b9ec5"),
    (1_048_576, "3ff18d4122e8cd34d6164457193812414a89c90f69a6b94c98e8e6d2acfefaad"),
];

const HYBRID: &[u8] = include_bytes!("data/hybrid.torrent");
const HYBRID_INFO_HASH: &str = "c4927d8d86315917df714f880020a59247cb7744393f5da569f0c1512169f826";

/// The bytes of a file. `seed` is the file's number in the order of `order`.
fn data(path: &str, length: usize) -> Vec<u8> {
    let order = ["a.b", "a/block", "a/blocks", "b/c/empty", "b/c/large", "b/c/whole", "z"];
    let seed = order.iter().position(|name| *name == path).unwrap();
    (0..length as u64).map(|i| (i * i + 31 * i + (i >> 8) * 7 + seed as u64) as u8).collect()
}

fn hex(hash: Option<&Hash>) -> String {
    hash.into_iter().flatten().map(|byte| format!("{byte:02x}")).collect()
}

fn piece_hashes(piece_bytes: u64, data: &[u8]) -> Vec<Hash> {
    let layout = Layout::new(piece_bytes, [data.len() as u64]).unwrap();
    let piece_hash = |piece| {
        let piece = layout.piece_index(piece).unwrap();
        let roots: Vec<Hash> = layout
            .piece_runs(piece)
            .map(|run| {
                let run = layout.run_index(run).unwrap();
                let span = layout.run(run);
                let bytes = &data[span.offset as usize..][..span.bytes as usize];
                subtree_root(bytes, run_leaves(&layout, run))
            })
            .collect();
        PieceTree::new(&layout, piece).fill(&roots)
    };
    (0..layout.pieces()).map(piece_hash).collect()
}

fn build(piece_bytes: u64) -> Manifest {
    let files = FILES.map(|(path, length, _)| NewFile {
        path: RelativePath::parse(path).unwrap(),
        length: length as u64,
        piece_hashes: piece_hashes(piece_bytes, &data(path, length)),
    });
    let name = SafeName::parse(b"vectors").unwrap();
    Manifest::build(&name, piece_bytes, files.into(), vec![]).unwrap()
}

#[test]
fn roots_of_whole_files_are_those_of_libtorrent() {
    for (path, length, root) in FILES.into_iter().filter(|file| file.1 > 0) {
        let leaves = length.div_ceil(BLOCK_BYTES as usize).next_power_of_two();
        let ours = subtree_root(&data(path, length), leaves as u32);
        assert_eq!(hex(Some(&ours)), root, "{path}");
    }
}

#[test]
fn contents_we_build_have_the_info_hash_that_libtorrent_gives_them() {
    for (piece_bytes, info_hash) in INFO_HASHES {
        let manifest = build(piece_bytes);
        assert_eq!(manifest.content().to_string(), info_hash, "{piece_bytes}");
        for (file, (path, length, root)) in manifest.files().iter().zip(FILES) {
            assert_eq!((file.path.as_str(), file.length), (path, length as u64));
            assert_eq!(hex(file.pieces_root.as_ref()), root, "{path}");
        }
    }
}

#[test]
fn a_hybrid_torrent_is_read_by_its_v2_part() {
    let manifest = Manifest::parse(HYBRID).unwrap();
    assert_eq!(manifest.content().to_string(), HYBRID_INFO_HASH);
    let ours = build(1_048_576);
    assert_eq!(manifest.files(), ours.files());
    assert_eq!(manifest.layout(), ours.layout());
    // The v1 keys stay part of the id when we write the torrent again.
    assert_eq!(Manifest::parse(&manifest.to_torrent()).unwrap(), manifest);
}

#[test]
fn a_hybrid_torrent_without_its_v2_part_is_refused_with_a_sentence() {
    let text = b"12:meta versioni2e";
    let at = HYBRID.windows(text.len()).position(|window| window == text).unwrap();
    let v1 = [&HYBRID[..at], &HYBRID[at + text.len()..]].concat();
    let error = Manifest::parse(&v1).unwrap_err().to_string();
    assert!(error.contains("v1"), "{error}");
}
