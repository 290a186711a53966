//! Contents for tests, made by formula.

use std::sync::Arc;

use nearcast_core::{
    id::Hash,
    layout::{Layout, RunIndex},
    manifest::{Manifest, NewFile},
    merkle::{PieceTree, VerifiedRun, run_leaves, subtree_root, verify},
    paths::{RelativePath, SafeName},
};

/// The bytes of a content, by file.
pub(crate) struct Data {
    pub(crate) files: Vec<Vec<u8>>,
}

/// A content of files of these lengths: one file named `film`, or several in a folder named `things`.
pub(crate) fn content(piece_bytes: u64, lengths: &[u64]) -> (Arc<Manifest>, Data) {
    let files = (0..)
        .zip(lengths)
        .map(|(seed, &length)| bytes(seed, length))
        .collect();
    let data = Data { files };
    let layout = Layout::new(piece_bytes, lengths.iter().copied()).unwrap();
    let new_files = (0..lengths.len()).map(|file| NewFile {
        path: RelativePath::parse(&path(file, lengths.len())).unwrap(),
        length: lengths[file],
        piece_hashes: data.piece_hashes(&layout, file),
    });
    let name = if lengths.len() == 1 { "film" } else { "things" };
    let name = SafeName::parse(name.as_bytes()).unwrap();
    let manifest = Manifest::build(&name, piece_bytes, new_files.collect(), Vec::new()).unwrap();
    (Arc::new(manifest), data)
}

fn path(file: usize, files: usize) -> String {
    match files {
        1 => "film".to_owned(),
        _ => format!("part{:03}/file{file:05}", file / 100),
    }
}

/// A xorshift sequence: different for each file, and not compressible.
fn bytes(seed: u64, length: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length as usize + 8);
    while (bytes.len() as u64) < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length as usize);
    bytes
}

impl Data {
    fn piece_hashes(&self, layout: &Layout, file: usize) -> Vec<Hash> {
        let pieces = layout.file_pieces(layout.file_index(file as u32).unwrap());
        pieces
            .map(|piece| {
                let piece = layout.piece_index(piece).unwrap();
                let span = layout.piece(piece);
                let start = span.offset as usize;
                subtree_root(&self.files[file][start..start + span.bytes as usize], span.leaves)
            })
            .collect()
    }

    /// The bytes of a run.
    pub(crate) fn run(&self, layout: &Layout, run: RunIndex) -> &[u8] {
        let span = layout.run(run);
        let start = span.offset as usize;
        &self.files[span.file.get() as usize][start..start + span.bytes as usize]
    }

    /// A run as it comes from a peer, verified.
    pub(crate) fn verified(&self, manifest: &Manifest, run: RunIndex) -> VerifiedRun<Vec<u8>> {
        let layout = manifest.layout();
        let span = layout.run(run);
        let roots: Vec<Hash> = layout
            .piece_runs(span.piece)
            .map(|other| {
                let other = layout.run_index(other).unwrap();
                subtree_root(self.run(layout, other), run_leaves(layout, other))
            })
            .collect();
        let mut tree = PieceTree::new(layout, span.piece);
        tree.fill(&roots);
        let proof = tree.proof(span.index_in_piece).unwrap();
        verify(manifest, run, self.run(layout, run).to_vec(), proof).unwrap()
    }

    /// Writes everything where a complete download would lie.
    pub(crate) fn write_to(&self, manifest: &Manifest, folder: &std::path::Path) {
        for (file, bytes) in (0..).zip(&self.files) {
            let file = manifest.layout().file_index(file).unwrap();
            let path = folder.join(manifest.target(file).to_path_buf());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// Whether everything lies there, byte for byte.
    pub(crate) fn is_in(&self, manifest: &Manifest, folder: &std::path::Path) -> bool {
        (0..).zip(&self.files).all(|(file, bytes)| {
            let file = manifest.layout().file_index(file).unwrap();
            let path = folder.join(manifest.target(file).to_path_buf());
            std::fs::read(path).is_ok_and(|found| found == *bytes)
        })
    }
}
