//! Knows which partial files are ours. Other programs also call their files `NAME.part` and give
//! them their full length from the start, so neither name nor length tells who made a file. We tell
//! by the file's device and inode numbers, which are noted in the state's folder when the file is
//! made.
//!
//! The list is one file, `made`, with an entry for each partial file. It only grows while a
//! download runs. The first entry is the state's own folder: it shows the disk's old device number,
//! which may change at a restart. A torn or damaged entry makes a file of ours look like another
//! program's. Such a file is continued if a run in it is right. The reverse never happens.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::{FileExt, MetadataExt},
};

use nearcast_core::layout::{FileIndex, Layout};

use super::{
    folder::{FileStamp, Folder},
    resume::{read_bounded, write_durably},
};

pub(super) const MADE: &str = "made";
/// File index, device, inode.
const ENTRY_BYTES: usize = 4 + 8 + 8;
/// In place of a file index: the entry is the state's folder.
const OF_STATE: u32 = u32::MAX;
/// A download of more files than this does not wait for each entry to be durable: with thousands of
/// small files that would take minutes. The next checkpoint makes the entries durable.
const SYNCED_ALONE_MAX: u32 = 64;

/// Tells a file from all other files that exist at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Identity {
    pub(super) fn of(stamp: &FileStamp) -> Identity {
        Identity { device: stamp.device, inode: stamp.inode }
    }

    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    fn of_file(file: &File) -> io::Result<Identity> {
        let seen = file.metadata()?;
        Ok(Identity { device: seen.dev(), inode: seen.ino() })
    }
}

/// Partial files that are ours, as an earlier run noted them.
pub(crate) type Noted = BTreeMap<FileIndex, Identity>;

/// The list, open for adding entries.
#[derive(Debug)]
pub(crate) struct Made {
    file: File,
    bytes: u64,
    /// Each entry is made durable before anything is written to its file.
    strict: bool,
}

impl Made {
    /// What an earlier run noted. `None`: there is no list, as an earlier version of the program
    /// noted nothing.
    pub(super) fn read(state: &Folder, layout: &Layout) -> io::Result<Option<Noted>> {
        // A file may be made again; then it is noted again.
        let entries_max = u64::from(layout.files()).saturating_add(1).saturating_mul(8);
        let bytes_max = entries_max.saturating_mul(ENTRY_BYTES as u64);
        let Some(bytes) = read_bounded(state, MADE, bytes_max)? else { return Ok(None) };
        let mut noted = Noted::new();
        let mut entries = bytes.as_chunks::<ENTRY_BYTES>().0.iter().map(decode);
        let Some((OF_STATE, old)) = entries.next() else { return Ok(Some(noted)) };
        let here = state.identity()?;
        for (file, mut identity) in entries {
            let Some(file) = layout.file_index(file) else { break };
            if identity.device == old.device {
                identity.device = here.device;
            }
            noted.insert(file, identity);
        }
        Ok(Some(noted))
    }

    /// Starts the list anew with the files that are continued.
    pub(super) fn start(state: &Folder, files: u32, noted: &Noted) -> io::Result<Made> {
        let mut bytes = encode(OF_STATE, state.identity()?).to_vec();
        for (file, &identity) in noted {
            bytes.extend(encode(file.get(), identity));
        }
        write_durably(state, MADE, &bytes)?;
        let file = state.open_file(MADE, true)?;
        Ok(Made { file, bytes: bytes.len() as u64, strict: files <= SYNCED_ALONE_MAX })
    }

    /// Notes a file that was just made, before anything is written to it.
    pub(super) fn add(&mut self, index: FileIndex, file: &File) -> io::Result<()> {
        self.file.write_all_at(&encode(index.get(), Identity::of_file(file)?), self.bytes)?;
        if self.strict {
            self.file.sync_data()?;
        }
        self.bytes = self.bytes.saturating_add(ENTRY_BYTES as u64);
        Ok(())
    }

    /// Makes the list durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        if self.strict { Ok(()) } else { self.file.sync_data() }
    }
}

fn encode(file: u32, identity: Identity) -> [u8; ENTRY_BYTES] {
    let mut entry = [0; ENTRY_BYTES];
    entry[..4].copy_from_slice(&file.to_le_bytes());
    entry[4..12].copy_from_slice(&identity.device.to_le_bytes());
    entry[12..].copy_from_slice(&identity.inode.to_le_bytes());
    entry
}

fn decode(entry: &[u8; ENTRY_BYTES]) -> (u32, Identity) {
    let [a, b, c, d, ids @ ..] = *entry;
    let ids = ids.as_chunks().0;
    let number = |at: usize| ids.get(at).copied().map_or(0, u64::from_le_bytes);
    (u32::from_le_bytes([a, b, c, d]), Identity { device: number(0), inode: number(1) })
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn what_was_noted_is_known_and_a_torn_end_costs_itself_only() {
        let (manifest, _) = testing::content(1 << 20, &[1 << 20, 1 << 20]);
        let layout = manifest.layout();
        let temp = tempfile::tempdir().unwrap();
        let state = Folder::open(temp.path()).unwrap();
        assert_eq!(Made::read(&state, layout).unwrap(), None, "an earlier version noted nothing");
        let mut made = Made::start(&state, 2, &Noted::new()).unwrap();
        assert_eq!(Made::read(&state, layout).unwrap(), Some(Noted::new()));
        let [one, other] = [0, 1].map(|file| layout.file_index(file).unwrap());
        let [a, b] = ["a", "b"].map(|name| state.create_new_file(name).unwrap());
        made.add(one, &a).unwrap();
        made.add(other, &b).unwrap();
        let all = Made::read(&state, layout).unwrap().unwrap();
        assert_eq!(
            (all[&one], all[&other]),
            (Identity::of_file(&a).unwrap(), Identity::of_file(&b).unwrap())
        );
        made.file.set_len(made.bytes - 1).unwrap();
        let rest = Made::read(&state, layout).unwrap().unwrap();
        assert_eq!((rest.len(), rest[&one]), (1, all[&one]));
        Made::start(&state, 2, &all).unwrap();
        assert_eq!(Made::read(&state, layout).unwrap(), Some(all));
    }

    #[test]
    fn a_disk_may_have_another_number_after_a_restart() {
        let (manifest, _) = testing::content(1 << 20, &[1 << 20]);
        let temp = tempfile::tempdir().unwrap();
        let state = Folder::open(temp.path()).unwrap();
        let file = manifest.layout().file_index(0).unwrap();
        let before = [
            encode(OF_STATE, Identity { device: 77, inode: 1 }),
            encode(0, Identity { device: 77, inode: 5 }),
        ];
        write_durably(&state, MADE, &before.concat()).unwrap();
        let noted = Made::read(&state, manifest.layout()).unwrap().unwrap();
        assert_eq!(noted[&file], Identity { device: state.identity().unwrap().device, inode: 5 });
    }
}
