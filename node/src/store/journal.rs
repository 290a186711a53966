//! The part of the resume state that only grows: a list of records. A record is trusted only as far
//! as it can be checked.
//!
//! - *Proof*: the root of a run and its siblings, for runs of pieces that are not whole. Without it
//!   a run of such a piece could not be served after a restart. The proof is checked against the
//!   manifest.
//! - *Finished*: the time of a file's last change when all of it was durable. If the file later has
//!   another time, another program wrote to it, and it is hashed.
//!
//! Reading stops at the first record that makes no sense, so a torn tail costs only what it held.
//! Each start writes the journal anew, so it does not grow from start to start.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
};

use nearcast_core::{
    id::Hash,
    layout::{FileIndex, Layout, PieceIndex, RunIndex},
    manifest::Manifest,
    merkle::{PieceTree, parent, proof_length},
};

use super::{folder::Folder, resume};

const PROOF: u8 = 1;
const FINISHED: u8 = 2;
/// How many bytes one read takes from the file.
const READ_BYTES: usize = 64 * 1024;

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The proof of a run.
    Proof { run: RunIndex, root: Hash, proof: Vec<Hash> },
    /// A file that is durable as a whole.
    Finished { file: FileIndex, modified_ns: i64 },
}

/// Everything in a journal that could be checked.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// Trees of pieces that are not whole.
    pub(crate) trees: BTreeMap<PieceIndex, PieceTree>,
    /// Time of last change of finished files, in nanoseconds since 1970.
    pub(crate) finished: BTreeMap<FileIndex, i64>,
}

/// The open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    bytes: u64,
}

impl Journal {
    /// Replaces the journal by one that holds `records`.
    pub(crate) fn start(folder: &Folder, name: &str, records: &[Record]) -> io::Result<Journal> {
        let bytes = encode(records);
        resume::write_durably(folder, name, &bytes)?;
        Ok(Journal { file: folder.open_file(name, true)?, bytes: bytes.len() as u64 })
    }

    /// Adds records. They are durable when this returns. On an error the journal stays as it was.
    pub(crate) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let bytes = encode(records);
        let written = self.file.write_all_at(&bytes, self.bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // If this fails too, the next append overwrites the tail, or the next reader ignores
            // it.
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Reads up to the first record that makes no sense. Reads in small parts, so that memory is
    /// bounded by what can be checked, not by the size of the file.
    pub(crate) fn read(folder: &Folder, name: &str, manifest: &Manifest) -> io::Result<Noted> {
        let Some(file) = resume::open_if_there(folder, name)? else {
            return Ok(Noted::default());
        };
        Ok(read(&mut BufReader::with_capacity(READ_BYTES, file), manifest))
    }
}

impl Noted {
    fn add(&mut self, layout: &Layout, record: Record) {
        match record {
            Record::Proof { run, root, proof } => {
                let span = layout.run(run);
                let new = || PieceTree::new(layout, span.piece);
                let tree = self.trees.entry(span.piece).or_insert_with(new);
                tree.learn(span.index_in_piece, root, &proof);
            }
            Record::Finished { file, modified_ns } => {
                self.finished.insert(file, modified_ns);
            }
        }
    }
}

pub(crate) fn encode(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        match record {
            Record::Proof { run, root, proof } => {
                bytes.push(PROOF);
                bytes.extend(run.get().to_le_bytes());
                bytes.extend(root);
                bytes.extend(proof.as_flattened());
            }
            Record::Finished { file, modified_ns } => {
                bytes.push(FINISHED);
                bytes.extend(file.get().to_le_bytes());
                bytes.extend(modified_ns.to_le_bytes());
            }
        }
    }
    bytes
}

/// Reads up to the first record that makes no sense.
pub(crate) fn read(reader: &mut impl Read, manifest: &Manifest) -> Noted {
    let mut noted = Noted::default();
    while let Some(record) = decode(reader, manifest) {
        noted.add(manifest.layout(), record);
    }
    noted
}

/// The next record. `None`: there is none, it makes no sense, or its proof is false.
fn decode(reader: &mut impl Read, manifest: &Manifest) -> Option<Record> {
    let layout = manifest.layout();
    let [kind] = take(reader)?;
    let index = u32::from_le_bytes(take(reader)?);
    match kind {
        PROOF => {
            let run = layout.run_index(index)?;
            let root = take(reader)?;
            let proof: Option<Vec<Hash>> = (0..proof_length(layout, run)).map(|_| take(reader)).collect();
            let proof = proof?;
            proves(manifest, run, root, &proof).then_some(Record::Proof { run, root, proof })
        }
        FINISHED => Some(Record::Finished {
            file: layout.file_index(index)?,
            modified_ns: i64::from_le_bytes(take(reader)?),
        }),
        _ => None,
    }
}

fn take<const N: usize>(reader: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// Whether a run with this root belongs to the content.
pub(crate) fn proves(manifest: &Manifest, run: RunIndex, root: Hash, proof: &[Hash]) -> bool {
    let span = manifest.layout().run(run);
    let (mut node, mut index) = (root, span.index_in_piece);
    for sibling in proof {
        node = match index % 2 {
            0 => parent(&node, sibling),
            _ => parent(sibling, &node),
        };
        index /= 2;
    }
    node == *manifest.piece_hash(span.piece)
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    fn records(manifest: &Manifest, data: &testing::Data) -> Vec<Record> {
        let layout = manifest.layout();
        let proofs = [0, 3, 5].map(|run| {
            let verified = data.verified(manifest, layout.run_index(run).unwrap());
            Record::Proof { run: verified.run(), root: *verified.root(), proof: verified.proof().to_vec() }
        });
        let file = layout.file_index(0).unwrap();
        let finished = Record::Finished { file, modified_ns: -5 };
        proofs.into_iter().chain([finished]).collect()
    }

    #[test]
    fn a_journal_tells_what_was_noted_and_goes_on_growing() {
        let (manifest, data) = testing::content(1 << 20, &[3 << 20]);
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        let records = records(&manifest, &data);
        let mut journal = Journal::start(&folder, "j", &records[..1]).unwrap();
        journal.append(&records[1..]).unwrap();
        let noted = Journal::read(&folder, "j", &manifest).unwrap();
        assert_eq!(noted.finished.values().collect::<Vec<_>>(), [&-5]);
        assert_eq!(noted.trees.len(), 2);
        for record in &records {
            let Record::Proof { run, root, proof } = record else {
                continue;
            };
            let span = manifest.layout().run(*run);
            let tree = &noted.trees[&span.piece];
            assert_eq!(tree.run_root(span.index_in_piece).as_ref(), Some(root));
            assert_eq!(tree.proof(span.index_in_piece).as_ref(), Some(proof));
        }
    }

    #[test]
    fn no_damage_to_a_journal_makes_a_false_proof() {
        let (manifest, data) = testing::content(1 << 20, &[3 << 20]);
        let bytes = encode(&records(&manifest, &data));
        let truth = |noted: &Noted| {
            noted.trees.iter().all(|(&piece, tree)| {
                let runs = manifest.layout().piece_runs(piece).len() as u32;
                (0..runs).filter_map(|index| Some((tree.run_root(index)?, tree.proof(index)?, index))).all(
                    |(root, proof, index)| {
                        let run = manifest.layout().piece_runs(piece).start + index;
                        proves(&manifest, manifest.layout().run_index(run).unwrap(), root, &proof)
                    },
                )
            })
        };
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x41;
            assert!(truth(&read(&mut &damaged[..], &manifest)), "byte {at}");
        }
        assert!(decode(&mut &bytes[..20], &manifest).is_none());
    }
}
