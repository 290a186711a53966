//! What a download leaves beside its data, so that the same command continues it. It is one hidden
//! folder, `DIR/.NAME.<first 8 hex digits of the content id>.nearcast`, removed when the download
//! is complete.
//!
//! It is a folder and not one file because its parts change at different rates, and rewriting
//! megabytes every two seconds would be wasteful:
//!
//! - `metainfo.torrent`, written once: resuming never needs the original link;
//! - `state`, replaced atomically at each checkpoint: magic, content id, have-map, SHA-256 of all
//!   that (10 KB for 20 GiB);
//! - `journal`, appended to: see [`journal`](super::journal);
//! - `made`, appended to: see [`made`](super::made).
//!
//! The folder itself carries the lock, so that two processes never write the same data.
//!
//! Invariant: the have-map in `state` holds only runs that were durable before it was written. A
//! damaged state counts as none; then what is on disk is hashed.

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
/// Changes with the format, so that an older program hashes instead of misreading.
const MAGIC: &[u8; 8] = b"ncstate1";
/// Bytes read of a metainfo file, at most. The manifest has the same limit.
const METAINFO_BYTES_MAX: u64 = 96 * 1024 * 1024;
/// Entries looked at in a folder when searching for saved state, at most.
const ENTRIES_MAX: usize = 100_000;
/// Tries to lock before giving up. Each failed try means that another process just finished the
/// same download.
const LOCK_TRIES_MAX: u32 = 8;

/// The resume folder of one download, locked as long as this value lives.
#[derive(Debug)]
pub(crate) struct Resume {
    parent: Folder,
    name: String,
    folder: Folder,
    journal: Option<Journal>,
    content: ContentId,
}

/// Status of a download of another content to the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rival {
    /// There is none.
    Gone,
    /// Another process is downloading it.
    Running,
    /// It was left unfinished, and may be continued.
    Left,
}

/// What an earlier run of the program left.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Runs that are durable. `None`: no trustworthy state was left.
    pub(crate) durable: Option<RunSet>,
    /// What the journal says.
    pub(crate) noted: Noted,
    /// Partial files that are ours. `None`: there is no list, as an earlier version of the program
    /// left the state.
    pub(crate) made: Option<made::Noted>,
    /// The disk once failed to make something durable. Data beyond the state may exist in memory
    /// only.
    pub(crate) sync_failed: bool,
}

impl Resume {
    /// Whether an earlier run left something for this content in `parent`.
    pub(crate) fn is_in(parent: &Folder, manifest: &Manifest) -> io::Result<bool> {
        Ok(parent.find(&folder_name(manifest))? != Found::Nothing)
    }

    /// Makes the folder if it is not there, and takes its lock. `None`: another process has the
    /// lock.
    pub(crate) fn lock(parent: &Folder, manifest: &Manifest) -> io::Result<Option<Resume>> {
        Resume::lock_named(parent, folder_name(manifest), manifest.content())
    }

    /// Names of the resume folders of other contents with the same target. They write to the same
    /// files.
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

    /// The current status of a rival. Makes no folder for it: the rival may have ended since it was
    /// seen. An empty folder holds nothing to continue, and is removed.
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
            // Whatever the reason, the folder is still there.
            Err(_) => Ok(Rival::Left),
        }
    }

    fn lock_named(parent: &Folder, name: String, content: ContentId) -> io::Result<Option<Resume>> {
        for _ in 0..LOCK_TRIES_MAX {
            let folder = parent.make_folder(&[&name])?;
            if !folder.try_lock()? {
                return Ok(None);
            }
            // Its last holder may have removed the folder after we opened it and before we locked
            // it.
            if folder.is_in(parent, &name)? {
                let parent = parent.folder(&[])?;
                return Ok(Some(Resume { parent, name, folder, journal: None, content }));
            }
        }
        Ok(None)
    }

    /// Reads what was left, and writes the metainfo if it is missing.
    pub(crate) fn load(&mut self, manifest: &Manifest) -> io::Result<Left> {
        self.save_metainfo(manifest)?;
        let noted = Journal::read(&self.folder, JOURNAL, manifest)?;
        let made = Made::read(&self.folder, manifest.layout())?;
        let sync_failed = open_if_there(&self.folder, SYNC_FAILED)?.is_some();
        Ok(Left { durable: self.read_state(manifest)?, noted, made, sync_failed })
    }

    /// Notes that the disk failed to make something durable. What was written then reads back
    /// correctly as long as it is in memory, so a look at it proves nothing.
    pub(crate) fn note_failed_sync(&self) {
        if let Err(error) = write_durably(&self.folder, SYNC_FAILED, &[]) {
            tracing::warn!(%error, folder = %self.folder.path().display(), "the disk takes no note of its failure");
        }
    }

    /// Starts the journal anew with the records that are still needed.
    pub(crate) fn start_journal(&mut self, records: &[Record]) -> io::Result<()> {
        self.journal = Some(Journal::start(&self.folder, JOURNAL, records)?);
        Ok(())
    }

    /// Starts the list of partial files anew with the files that are continued.
    pub(crate) fn start_made(&self, manifest: &Manifest, noted: &made::Noted) -> io::Result<Made> {
        Made::start(&self.folder, manifest.layout().files(), noted)
    }

    /// Adds records to the journal. They are durable when this returns.
    pub(crate) fn note(&mut self, records: &[Record]) -> io::Result<()> {
        match &mut self.journal {
            Some(journal) => journal.append(records),
            None => self.start_journal(records),
        }
    }

    /// Replaces the state. It is durable when this returns. On an error the old state stays.
    pub(crate) fn save(&self, durable: &RunSet) -> io::Result<()> {
        write_durably(&self.folder, STATE, &encode(self.content, durable))
    }

    /// Removes the resume state: the download is complete, or there is nothing to continue.
    ///
    /// The journal is closed first: if a file is removed while open, NFS and FUSE keep it under a
    /// hidden name in the same folder. The folder stays if it is not empty for such a reason, or
    /// because another program put something there. We ignore its content.
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

    /// The resume folder itself, for data that belongs to no file of the content.
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

/// The metainfo that an unfinished download of `content` left in `folder`, so that it need not be
/// fetched again.
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

/// Writes the data first, then the name. After a crash, `name` holds the old bytes or the new ones,
/// whole.
pub(crate) fn write_durably(folder: &Folder, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(name);
    let file = folder.create_file(&temporary)?;
    file.set_len(0)?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()?;
    folder.rename_over(&temporary, name)?;
    folder.sync()
}

/// Reads a whole file. `None`: it is not there. A file that is too long is cut, and so counts as
/// damaged.
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
