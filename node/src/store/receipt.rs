//! A note in the user's state directory that a content was completed at a place. It holds size,
//! times and identity of every file. While all are the same, a second `get` returns at once. If
//! anything differs, everything is hashed. Losing a receipt costs only time.
//!
//! `STATE/complete/<content id>-<hash of the absolute path of the target>`

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use nearcast_core::{id::ContentId, layout::FileIndex, manifest::Manifest, merkle::sha256};

use super::{
    folder::{FileStamp, Folder},
    resume,
};

const MAGIC: &[u8; 8] = b"ncdone2\n";
const ENTRY_BYTES: usize = 4 + 5 * 8;
/// Receipts kept, at most. Beyond that the oldest are removed.
const RECEIPTS_MAX: usize = 4096;

/// The files of one completed content, as they looked when last known to be right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Receipt {
    files: BTreeMap<u32, FileStamp>,
}

/// The place of one receipt.
#[derive(Clone, Debug)]
pub(crate) struct ReceiptPlace {
    folder: PathBuf,
    name: String,
    content: ContentId,
    files: u32,
}

impl ReceiptPlace {
    /// The place for a content whose file or folder is `target`. `state_dir` is nearcast's own
    /// state directory.
    pub(crate) fn new(state_dir: &Path, manifest: &Manifest, target: &Path) -> io::Result<ReceiptPlace> {
        let target = std::path::absolute(target)?;
        let hash = sha256(target.as_os_str().as_encoded_bytes());
        let short: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(ReceiptPlace {
            folder: state_dir.join("complete"),
            name: format!("{}-{short}", manifest.content()),
            content: manifest.content(),
            files: manifest.layout().files(),
        })
    }

    /// Reads the receipt. `None`: there is none, or it is damaged.
    pub(crate) fn read(&self) -> Option<Receipt> {
        let folder = Folder::open(&self.folder).ok()?;
        let entries = u64::from(self.files).saturating_mul(ENTRY_BYTES as u64);
        let bytes_max = entries.saturating_add(MAGIC.len() as u64).saturating_add(32 + 32);
        let bytes = resume::read_bounded(&folder, &self.name, bytes_max).ok()??;
        decode(self.content, &bytes)
    }

    /// Adds `receipt` to the stored one: an earlier `get` may have selected other files.
    pub(crate) fn write(&self, receipt: Receipt) -> io::Result<()> {
        let mut all = self.read().unwrap_or_default();
        all.files.extend(receipt.files);
        let folder = Folder::create(&self.folder)?;
        // The temporary name is our own: another process may be writing the same receipt.
        let temporary = format!("{}.{}", self.name, std::process::id());
        resume::write_durably(&folder, &temporary, &encode(self.content, &all))?;
        folder.rename_over(&temporary, &self.name)?;
        folder.sync()?;
        self.prune()
    }

    /// Removes the receipt, because something was found wrong. If that fails, the failure is
    /// logged.
    pub(crate) fn remove(&self) {
        let path = self.folder.join(&self.name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "cannot remove a receipt that is wrong");
            }
            _ => {}
        }
    }

    fn prune(&self) -> io::Result<()> {
        let mut receipts: Vec<(SystemTime, PathBuf)> = std::fs::read_dir(&self.folder)?
            .filter_map(|entry| {
                let entry = entry.ok()?;
                Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
            })
            .collect();
        if receipts.len() > RECEIPTS_MAX {
            receipts.sort();
            for (_, path) in &receipts[..receipts.len().saturating_sub(RECEIPTS_MAX)] {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

impl Receipt {
    /// Notes a file and how it looks.
    pub(crate) fn add(&mut self, file: FileIndex, stamp: FileStamp) {
        self.files.insert(file.get(), stamp);
    }

    /// Whether the file was noted with exactly this stamp.
    pub(crate) fn knows(&self, file: FileIndex, stamp: &FileStamp) -> bool {
        self.files.get(&file.get()) == Some(stamp)
    }
}

pub(crate) fn encode(content: ContentId, receipt: &Receipt) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(content.0);
    for (file, stamp) in &receipt.files {
        bytes.extend(file.to_le_bytes());
        bytes.extend(stamp.bytes.to_le_bytes());
        bytes.extend(stamp.modified_ns.to_le_bytes());
        bytes.extend(stamp.changed_ns.to_le_bytes());
        bytes.extend(stamp.inode.to_le_bytes());
        bytes.extend(stamp.device.to_le_bytes());
    }
    bytes.extend(sha256(&bytes));
    bytes
}

pub(crate) fn decode(content: ContentId, bytes: &[u8]) -> Option<Receipt> {
    let (body, sum) = bytes.split_last_chunk::<32>()?;
    if sha256(body) != *sum {
        return None;
    }
    let entries = body.strip_prefix(MAGIC)?.strip_prefix(content.0.as_slice())?;
    let (entries, []) = entries.as_chunks::<ENTRY_BYTES>() else {
        return None;
    };
    Some(Receipt { files: entries.iter().filter_map(decode_entry).collect() })
}

fn decode_entry(entry: &[u8; ENTRY_BYTES]) -> Option<(u32, FileStamp)> {
    let (file, rest) = entry.split_first_chunk::<4>()?;
    let (words, _) = rest.as_chunks::<8>();
    let stamp = FileStamp {
        bytes: u64::from_le_bytes(*words.first()?),
        modified_ns: i64::from_le_bytes(*words.get(1)?),
        changed_ns: i64::from_le_bytes(*words.get(2)?),
        inode: u64::from_le_bytes(*words.get(3)?),
        device: u64::from_le_bytes(*words.get(4)?),
    };
    Some((u32::from_le_bytes(*file), stamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_receipt_is_none() {
        let content = ContentId([3; 32]);
        let stamp = FileStamp { bytes: 1, modified_ns: -2, changed_ns: 7, inode: 3, device: 4 };
        let receipt = Receipt { files: [(0, stamp), (9, stamp)].into() };
        let bytes = encode(content, &receipt);
        assert_eq!(decode(content, &bytes), Some(receipt));
        assert_eq!(decode(ContentId([4; 32]), &bytes), None);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(content, &damaged), None, "byte {at}");
            assert_eq!(decode(content, &bytes[..at]), None, "cut at {at}");
        }
    }
}
