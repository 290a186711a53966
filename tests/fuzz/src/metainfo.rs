//! Torrents from strangers. An accepted torrent has one meaning: written and read again it is the
//! same.

use std::path::Component;

use nearcast_core::{
    id::{ContentId, Hash},
    layout::{BLOCK_BYTES, PIECES_MAX, RUNS_MAX},
    manifest::{FILES_MAX, Info, Manifest, NewFile, WEB_SEEDS_MAX},
    merkle::{layer_root, sha256, subtree_root},
    paths::{RelativePath, SafeName},
};

pub(crate) fn torrent(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    check(manifest.info());
    assert!(manifest.web_seeds().len() <= WEB_SEEDS_MAX);
    assert_eq!(manifest.pieces().count(), manifest.layout().pieces() as usize);
    assert_eq!(manifest.content().0, sha256(manifest.info_bytes()));
    let again = Manifest::parse(&manifest.to_torrent());
    assert_eq!(again.ok().as_ref(), Some(&manifest));
}

/// An info dictionary whose hash the link names, so that the hash stops nothing; then false layers
/// for it.
pub(crate) fn info(bytes: &[u8]) {
    let content = ContentId(sha256(bytes));
    assert!(Info::parse(ContentId([7; 32]), bytes).is_err(), "nothing but what the link names is taken");
    let Ok(info) = Info::parse(content, bytes) else { return };
    check(&info);
    assert_eq!(info.content(), content);
    let hashes = (info.layers_bytes() / 32) as usize;
    if hashes > 0 && hashes < 1 << 12 {
        assert!(info.assemble(vec![Hash::default(); hashes]).is_err(), "layers that hash to nothing");
    }
}

/// Limits hold, sums add up, and no name leads out of the folder.
fn check(info: &Info) {
    let layout = info.layout();
    assert!(layout.files() <= FILES_MAX && info.files().len() == layout.files() as usize);
    assert!(u64::from(layout.pieces()) <= PIECES_MAX && u64::from(layout.runs()) <= RUNS_MAX);
    let lengths = info.files().iter().map(|file| file.length);
    assert_eq!(lengths.sum::<u64>(), layout.bytes());
    let files = (0..layout.files().min(64)).filter_map(|file| layout.file_index(file));
    for file in files {
        let path = info.target(file).to_path_buf();
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
        let runs = layout.file_runs(file);
        let some = runs.clone().take(64).chain(runs.last());
        let spans = some.filter_map(|run| layout.run_index(run)).map(|run| layout.run(run));
        for span in spans {
            assert!(span.offset + u64::from(span.bytes) <= layout.file_bytes(file) && span.bytes > 0);
        }
    }
}

/// A folder of three files: one of three pieces, one smaller than a piece, and an empty one.
pub(crate) fn manifest() -> (Manifest, Vec<u8>) {
    const PIECE_BYTES: u64 = 4 * BLOCK_BYTES as u64;
    let data: Vec<u8> = (0..3 * PIECE_BYTES as u32 - 70).map(|at| (at / 3) as u8).collect();
    let hash = |piece: &[u8]| subtree_root(piece, 4);
    let layer: Vec<Hash> = data.chunks(PIECE_BYTES as usize).map(hash).collect();
    assert_ne!(layer_root(&layer, 4), layer[0]);
    let file = |path: &str, length: u64, piece_hashes: Vec<Hash>| NewFile {
        path: RelativePath::parse(path).expect("a good path"),
        length,
        piece_hashes,
    };
    let files = vec![
        file("a/empty", 0, vec![]),
        file("a/three pieces", data.len() as u64, layer),
        file("one block", 5, vec![subtree_root(&data[..5], 1)]),
    ];
    let name = SafeName::parse(b"things").expect("a good name");
    let seeds = vec!["http://seed.example/things/".to_owned()];
    (Manifest::build(&name, PIECE_BYTES, files, seeds).expect("a good content"), data)
}

pub(crate) fn torrent_seeds() -> Vec<Vec<u8>> {
    vec![manifest().0.to_torrent()]
}

pub(crate) fn info_seeds() -> Vec<Vec<u8>> {
    vec![manifest().0.info_bytes().to_vec()]
}
