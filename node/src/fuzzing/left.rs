//! What a run of the program left on disk, and a crash or somebody else changed. Files that end in a
//! checksum are given a right one, else nothing behind it would ever be reached; as they came they are
//! tried too.

use std::sync::{Arc, LazyLock};

use nearcast_core::{id::ContentId, layout::RunIndex, manifest::Manifest, merkle::sha256, run_set::RunSet};

use super::content;
use crate::store::{
    folder::FileStamp,
    journal::{self, Record},
    receipt::{self, Receipt},
    resume,
    testing::Data,
};

const CONTENT: ContentId = ContentId([7; 32]);
const RUNS: u32 = 100;

static HERE: LazyLock<(Arc<Manifest>, Data)> = LazyLock::new(content);

fn with_checksum(bytes: &[u8]) -> Vec<u8> {
    [bytes, &sha256(bytes)].concat()
}

/// Without its checksum, which [`with_checksum`] puts back.
fn without_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 32);
    bytes
}

/// The have-map of an unfinished download: taken only as it was written.
pub(super) fn state(bytes: &[u8]) {
    assert_eq!(resume::decode(CONTENT, RUNS, bytes), None, "no checksum is guessed");
    let bytes = with_checksum(bytes);
    if let Some(have) = resume::decode(CONTENT, RUNS, &bytes) {
        assert_eq!(resume::encode(CONTENT, &have), bytes);
    }
}

pub(super) fn state_seeds() -> Vec<Vec<u8>> {
    let mut one = RunSet::empty(RUNS);
    one.insert(run(&HERE.0, 7));
    [RunSet::empty(RUNS), one, RunSet::full(RUNS)]
        .map(|have| without_checksum(resume::encode(CONTENT, &have)))
        .into()
}

fn run(manifest: &Manifest, index: u32) -> RunIndex {
    manifest.layout().run_index(index).expect("a run of the content")
}

/// Whatever a journal says, no proof it gives is false.
pub(super) fn journal(mut bytes: &[u8]) {
    let (manifest, _) = &*HERE;
    let layout = manifest.layout();
    let noted = journal::read(&mut bytes, manifest);
    for (&piece, tree) in &noted.trees {
        for (index, number) in layout.piece_runs(piece).enumerate() {
            let index = index as u32;
            let (Some(root), Some(proof)) = (tree.run_root(index), tree.proof(index)) else { continue };
            let run = run(manifest, number);
            assert!(journal::proves(manifest, run, root, &proof), "a false proof of {run:?}");
        }
    }
    assert!(noted.finished.len() <= layout.files() as usize);
}

pub(super) fn journal_seeds() -> Vec<Vec<u8>> {
    let (manifest, data) = &*HERE;
    let proofs = [0, 3, 5, 12].map(|index| {
        let verified = data.verified(manifest, run(manifest, index));
        Record::Proof { run: verified.run(), root: *verified.root(), proof: verified.proof().to_vec() }
    });
    let file = manifest.layout().file_index(1).expect("a file of the content");
    let finished = Record::Finished { file, modified_ns: i64::MIN };
    vec![journal::encode(&proofs), journal::encode(&[finished])]
}

/// Stamps of files that were whole; times may lie before 1970 or after every sensible year.
pub(super) fn receipt(bytes: &[u8]) {
    assert_eq!(receipt::decode(CONTENT, bytes), None, "no checksum is guessed");
    if let Some(receipt) = receipt::decode(CONTENT, &with_checksum(bytes)) {
        let again = receipt::encode(CONTENT, &receipt);
        assert!(again.len() <= bytes.len() + 32);
        assert_eq!(receipt::decode(CONTENT, &again), Some(receipt));
    }
}

pub(super) fn receipt_seeds() -> Vec<Vec<u8>> {
    let mut whole = Receipt::default();
    for (file, modified_ns) in HERE.0.layout().file_index(0).into_iter().zip([i64::MAX]) {
        whole.add(file, FileStamp { bytes: 1, modified_ns, changed_ns: 9, inode: 3, device: 4 });
    }
    [Receipt::default(), whole].map(|receipt| without_checksum(receipt::encode(CONTENT, &receipt))).into()
}
