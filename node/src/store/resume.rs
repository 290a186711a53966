//! What a download leaves beside its data so that the same command continues it: one hidden folder,
//! `DIR/.NAME.<first 8 hex digits of the content id>.nearcast`, gone when the download is complete.
//!
//! A folder rather than one file, because its parts change at different speeds, and rewriting
//! megabytes every two seconds would be wrong:
//!
//! - `metainfo.torrent`, written once: resuming never needs the original link;
//! - `state`, replaced atomically at each checkpoint: magic, content id, have-map, SHA-256 of all that
//!   (10 KB for 20 GiB);
//! - `journal`, appended to: see [`journal`](super::journal);
//! - `made`, appended to: see [`made`](super::made).
//!
//! The folder itself carries the lock, so that two processes never write the same data.
//!
//! Invariant: the have-map in `state` holds only runs that were durable before it was written.
//! A damaged state counts as none; then what is on disk is hashed.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::Path,
};

use nearcast_core::{id::ContentId, manifest::Manifest, merkle::sha256, run_set::RunSet};

use super::{
    alike,
    folder::{Folder, Found},
    journal::{Journal, Noted, Record},
    made::{self, MADE, Made},
    names::digits,
};
use crate::unfinished::{STATE_DIGITS, STATE_ENDING, beginning};

const STATE: &str = "state";
const METAINFO: &str = "metainfo.torrent";
const SYNC_FAILED: &str = "sync-failed";
const JOURNAL: &str = "journal";
/// Changes with the format; an older program then hashes instead of misreading.
const MAGIC: &[u8; 8] = b"ncstate1";
/// What is read of a metainfo file at most; the manifest's own limit is the same.
const METAINFO_BYTES_MAX: u64 = 96 * 1024 * 1024;
/// Looked at when searching a folder for saved metainfo, at most.
const ENTRIES_MAX: usize = 100_000;
/// Before it is given up: each try means that another process just finished the same download.
const LOCK_TRIES_MAX: u32 = 8;

/// The resume folder of one download, locked as long as this lives.
#[derive(Debug)]
pub(crate) struct Resume {
    parent: Folder,
    name: String,
    folder: Folder,
    journal: Option<Journal>,
    content: ContentId,
}

/// What there is of a download of another content to the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rival {
    /// Nothing.
    Gone,
    /// It goes on in another process.
    Running,
    /// It was left, and may be continued.
    Left,
}

/// What an earlier run of the program left.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Runs that are durable; none if nothing trustworthy was left.
    pub(crate) durable: Option<RunSet>,
    /// What the journal says.
    pub(crate) noted: Noted,
    /// Partial files that are ours; none if an earlier version of the program left the state.
    pub(crate) made: Option<made::Noted>,
    /// The disk once failed to make something durable: what lies beyond the state may be in memory only.
    pub(crate) sync_failed: bool,
}

impl Resume {
    /// Whether an earlier run left something for this content in `parent`.
    pub(crate) fn is_in(parent: &Folder, manifest: &Manifest) -> io::Result<bool> {
        Ok(parent.find(&folder_name(manifest))? != Found::Nothing)
    }

    /// Makes the folder if it is not there, and takes its lock; none if another process has it.
    pub(crate) fn lock(parent: &Folder, manifest: &Manifest) -> io::Result<Option<Resume>> {
        Resume::lock_named(parent, folder_name(manifest), manifest.content())
    }

    /// Names of what downloads of other contents left for the same target: they write to the same files.
    pub(crate) fn rivals(parent: &Folder, manifest: &Manifest) -> io::Result<Vec<String>> {
        let ours = folder_name(manifest);
        let digits_end = ours.len().saturating_sub(STATE_ENDING.len());
        let digits = digits_end.saturating_sub(STATE_DIGITS)..digits_end;
        let is_rival = |name: &String| {
            name.len() == ours.len()
                && *name != ours
                && name.get(..digits.start) == ours.get(..digits.start)
                && name.get(digits.end..) == ours.get(digits.end..)
        };
        let entries = std::fs::read_dir(parent.path())?.take(ENTRIES_MAX);
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter(is_rival).collect())
    }

    /// What there is of a rival now. Nothing is made for it: it may have ended since it was seen. An empty folder holds
    /// nothing to continue, and is removed.
    pub(crate) fn find_rival(parent: &Folder, name: &str) -> io::Result<Rival> {
        let folder = match parent.folder(&[name]) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Rival::Gone),
            other => other?,
        };
        if !folder.try_lock()? {
            return Ok(Rival::Running);
        }
        if !folder.is_in(parent, name)? {
            return Ok(Rival::Gone);
        }
        match parent.remove_folder(name) {
            Ok(()) => Ok(Rival::Gone),
            // Whatever keeps it from being removed: it is there.
            Err(_) => Ok(Rival::Left),
        }
    }

    fn lock_named(parent: &Folder, name: String, content: ContentId) -> io::Result<Option<Resume>> {
        for _ in 0..LOCK_TRIES_MAX {
            let folder = parent.make_folder(&[&name])?;
            if !folder.try_lock()? {
                return Ok(None);
            }
            // Its last holder may have removed it between our opening and our locking.
            if folder.is_in(parent, &name)? {
                let parent = parent.folder(&[])?;
                return Ok(Some(Resume { parent, name, folder, journal: None, content }));
            }
        }
        Ok(None)
    }

    /// Reads what was left, and makes sure that the metainfo is there.
    pub(crate) fn load(&mut self, manifest: &Manifest) -> io::Result<Left> {
        self.save_metainfo(manifest)?;
        let noted = Journal::read(&self.folder, JOURNAL, manifest)?;
        let made = Made::read(&self.folder, manifest.layout())?;
        let sync_failed = open_if_there(&self.folder, SYNC_FAILED)?.is_some();
        Ok(Left { durable: self.read_state(manifest)?, noted, made, sync_failed })
    }

    /// The disk failed to make something durable. What was written then reads back right as long as it is in memory, so it
    /// is not believed by looking.
    pub(crate) fn note_failed_sync(&self) {
        if let Err(error) = write_durably(&self.folder, SYNC_FAILED, &[]) {
            tracing::warn!(%error, folder = %self.folder.path().display(), "the disk takes no note of its failure");
        }
    }

    /// Starts the journal anew with what is still worth knowing.
    pub(crate) fn start_journal(&mut self, records: &[Record]) -> io::Result<()> {
        self.journal = Some(Journal::start(&self.folder, JOURNAL, records)?);
        Ok(())
    }

    /// Starts the list of partial files anew with those that are gone on with.
    pub(crate) fn start_made(&self, manifest: &Manifest, noted: &made::Noted) -> io::Result<Made> {
        Made::start(&self.folder, manifest.layout().files(), noted)
    }

    /// Adds to the journal; durable when this returns.
    pub(crate) fn note(&mut self, records: &[Record]) -> io::Result<()> {
        match &mut self.journal {
            Some(journal) => journal.append(records),
            None => self.start_journal(records),
        }
    }

    /// Replaces the state; durable when this returns. What fails leaves the old one.
    pub(crate) fn save(&self, durable: &RunSet) -> io::Result<()> {
        write_durably(&self.folder, STATE, &encode(self.content, durable))
    }

    /// Removes everything: the download is complete, or there is nothing to continue.
    ///
    /// The journal is closed first. NFS and FUSE keep a file that is removed while it is open, under a hidden name in
    /// the same folder. A folder that is not empty for such a reason, or because somebody put something there, stays;
    /// what is in it means nothing to us.
    pub(crate) fn remove(self) -> io::Result<()> {
        let Resume { parent, name, folder, journal, .. } = self;
        drop(journal);
        alike::forget(&folder);
        for name in [STATE, METAINFO, JOURNAL, MADE, SYNC_FAILED] {
            folder.remove_file(name)?;
            folder.remove_file(&temporary(name))?;
        }
        match parent.remove_folder(&name) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                tracing::info!(folder = %folder.path().display(), "the folder of the state is not empty and stays");
            }
            other => other?,
        }
        parent.sync()
    }

    /// The folder itself, for what belongs to no file of the content.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    fn save_metainfo(&self, manifest: &Manifest) -> io::Result<()> {
        let torrent = manifest.to_torrent();
        if read_bounded(&self.folder, METAINFO, METAINFO_BYTES_MAX)?.is_some_and(|saved| saved == torrent) {
            return Ok(());
        }
        write_durably(&self.folder, METAINFO, &torrent)?;
        self.parent.sync()
    }

    fn read_state(&self, manifest: &Manifest) -> io::Result<Option<RunSet>> {
        let runs = manifest.layout().runs();
        let Some(bytes) = read_bounded(&self.folder, STATE, state_bytes(runs))? else {
            return Ok(None);
        };
        let decoded = decode(self.content, runs, &bytes);
        if decoded.is_none() {
            tracing::warn!(
                folder = %self.folder.path().display(),
                "the saved state is damaged; what is on disk is hashed instead"
            );
        }
        Ok(decoded)
    }
}

/// The metainfo an unfinished download of `content` left in `folder`, so that it need not be fetched again.
pub(crate) fn saved_manifest(folder: &Path, content: ContentId) -> Option<Manifest> {
    let ending = ending(content);
    let entries = std::fs::read_dir(folder).ok()?.take(ENTRIES_MAX);
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let parent = Folder::open(folder).ok()?;
    names.filter(|name| name.ends_with(&ending)).find_map(|name| {
        let inside = parent.folder(&[&name]).ok()?;
        let torrent = read_bounded(&inside, METAINFO, METAINFO_BYTES_MAX).ok()??;
        let manifest = Manifest::parse(&torrent).ok()?;
        (manifest.content() == content).then_some(manifest)
    })
}

fn ending(content: ContentId) -> String {
    format!(".{}{STATE_ENDING}", digits(content))
}

fn folder_name(manifest: &Manifest) -> String {
    let ending = ending(manifest.content());
    format!(".{}{ending}", beginning(manifest.name()))
}

fn temporary(name: &str) -> String {
    format!("{name}.new")
}

/// Data, then name: whoever reads `name` after a crash finds the old bytes or the new ones, whole.
pub(crate) fn write_durably(folder: &Folder, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(name);
    let file = folder.create_file(&temporary)?;
    file.set_len(0)?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()?;
    folder.rename_over(&temporary, name)?;
    folder.sync()
}

/// A whole file; none if it is not there. One that is too long is cut, and so damaged.
pub(crate) fn read_bounded(folder: &Folder, name: &str, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = open_if_there(folder, name)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

pub(crate) fn open_if_there(folder: &Folder, name: &str) -> io::Result<Option<File>> {
    match folder.open_file(name, false) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn state_bytes(runs: u32) -> u64 {
    u64::from(runs.div_ceil(8)).saturating_add(MAGIC.len() as u64).saturating_add(32 + 4 + 32)
}

pub(crate) fn encode(content: ContentId, durable: &RunSet) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(content.0);
    bytes.extend(durable.runs().to_le_bytes());
    bytes.extend(durable.to_bytes());
    bytes.extend(sha256(&bytes));
    bytes
}

pub(crate) fn decode(content: ContentId, runs: u32, bytes: &[u8]) -> Option<RunSet> {
    if bytes.len() as u64 != state_bytes(runs) {
        return None;
    }
    let (body, sum) = bytes.split_last_chunk::<32>()?;
    if sha256(body) != *sum {
        return None;
    }
    let body = body.strip_prefix(MAGIC)?.strip_prefix(content.0.as_slice())?;
    let bits = body.strip_prefix(runs.to_le_bytes().as_slice())?;
    RunSet::from_bytes(runs, bits).ok()
}

#[cfg(test)]
mod tests {
    use nearcast_core::layout::Layout;

    use super::*;

    fn set(runs: u32) -> RunSet {
        let layout = Layout::new(1 << 14, [u64::from(runs) << 14]).unwrap();
        let mut set = RunSet::empty(runs);
        for run in (0..runs).step_by(3) {
            set.insert(layout.run_index(run).unwrap());
        }
        set
    }

    #[test]
    fn a_state_round_trips_and_no_flipped_byte_passes() {
        let content = ContentId([7; 32]);
        for runs in [0, 1, 8, 100] {
            let bytes = encode(content, &set(runs));
            assert_eq!(decode(content, runs, &bytes), Some(set(runs)));
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut damaged = bytes.clone();
                    damaged[at] ^= 1 << bit;
                    assert_eq!(decode(content, runs, &damaged), None, "byte {at}, bit {bit}");
                }
            }
            for length in 0..bytes.len() {
                assert_eq!(decode(content, runs, &bytes[..length]), None, "cut at {length}");
            }
        }
    }

    #[test]
    fn a_state_of_another_content_or_size_is_not_taken() {
        let bytes = encode(ContentId([7; 32]), &set(9));
        assert_eq!(decode(ContentId([8; 32]), 9, &bytes), None);
        assert_eq!(decode(ContentId([7; 32]), 10, &bytes), None);
    }

    #[test]
    fn a_checkpoint_of_20_gib_in_256_kib_runs_writes_less_than_100_kb() {
        assert!(state_bytes(80 * 1024) < 100_000);
    }

    #[test]
    fn what_is_written_durably_replaces_what_was_there() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        write_durably(&folder, "x", b"a longer first text").unwrap();
        write_durably(&folder, "x", b"second").unwrap();
        assert_eq!(read_bounded(&folder, "x", 100).unwrap().unwrap(), b"second");
        assert_eq!(read_bounded(&folder, "x", 2).unwrap().unwrap().len(), 3);
        assert_eq!(read_bounded(&folder, "y", 2).unwrap(), None);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
    }
}
