//! Copies the right runs of a user's file into the new file that is to replace it. The new file is
//! made beside the old one, which is only read.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicBool, Ordering},
};

use nearcast_core::{
    layout::{FileIndex, RunIndex},
    manifest::Manifest,
    run_set::RunSet,
};

use super::{
    files::Files,
    folder::{FileStamp, Found},
    medium::Medium,
    open::{refused, storage},
    standing::Place,
};
use crate::error::DownloadError;

/// One file to be replaced.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) file: FileIndex,
    /// How the file looked when it was judged.
    pub(super) original: FileStamp,
    /// The new file is there already, begun by an earlier run of ours.
    pub(super) begun: bool,
    /// Right runs of the old file that the new file lacks.
    pub(super) right: Vec<RunIndex>,
}

/// Fills new files with runs of the old ones.
pub(super) struct Salvage<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) files: &'a Files,
    pub(super) cancelled: &'a AtomicBool,
}

/// A new file that has to be filled by copying.
struct ToCopy<'a> {
    replaced: &'a Replaced,
    original: File,
}

impl Salvage<'_> {
    /// Makes the new files and fills them with the right runs of the old ones. Adds these runs to
    /// `good`. `missing_bytes` is what has to be received as well.
    ///
    /// # Errors
    /// [`DownloadError::NoRoom`] before anything is copied, if old and new files do not fit side by
    /// side.
    pub(super) fn run(
        &self,
        replaced: &[Replaced],
        missing_bytes: u64,
        good: &mut RunSet,
    ) -> Result<(), DownloadError> {
        let mut to_copy = Vec::new();
        for one in replaced {
            let path = self.files.path(one.file);
            to_copy.extend(self.make(one).map_err(storage(&path))?);
        }
        self.check_room(&to_copy, missing_bytes)?;
        for ToCopy { replaced, original } in &to_copy {
            self.copy(replaced, original)?;
        }
        for one in replaced {
            // If the old file changed since it was hashed, the copied runs may not be right.
            let now = self.files.find(one.file, Place::Own).map_err(refused(&self.files.path(one.file)))?;
            if now != Found::File(one.original) {
                return Err(DownloadError::Exists(self.files.path(one.file)));
            }
            for &run in &one.right {
                good.insert(run);
            }
        }
        Ok(())
    }

    /// Makes the new file, sharing the old one's blocks if possible. `None`: nothing is left to
    /// copy.
    fn make<'a>(&self, replaced: &'a Replaced) -> io::Result<Option<ToCopy<'a>>> {
        if !replaced.begun {
            self.files.make(replaced.file)?;
            self.files.take_rights(replaced.file)?;
        }
        if replaced.right.is_empty() {
            return Ok(None);
        }
        let original = self.files.open_original(replaced.file)?;
        let shared = !replaced.begun && self.files.share_blocks(replaced.file, &original)?;
        Ok((!shared).then_some(ToCopy { replaced, original }))
    }

    fn check_room(&self, to_copy: &[ToCopy<'_>], missing_bytes: u64) -> Result<(), DownloadError> {
        let Some(first) = to_copy.first() else { return Ok(()) };
        let layout = self.manifest.layout();
        let runs = to_copy.iter().flat_map(|one| &one.replaced.right);
        let copied: u64 = runs.map(|&run| u64::from(layout.run_length(run))).sum();
        let path = self.files.path(first.replaced.file);
        let room = self.files.room_bytes().map_err(refused(&path))?;
        let bytes = copied.saturating_add(missing_bytes);
        match room.filter(|&room| room < bytes) {
            Some(room) => Err(DownloadError::NoRoom { path, bytes, room }),
            None => Ok(()),
        }
    }

    fn copy(&self, replaced: &Replaced, original: &File) -> Result<(), DownloadError> {
        let layout = self.manifest.layout();
        let path = self.files.path(replaced.file);
        let mut buffer = Vec::new();
        for &run in &replaced.right {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(DownloadError::Stopped);
            }
            let span = layout.run(run);
            buffer.resize(span.bytes as usize, 0);
            original.read_exact_at(&mut buffer, span.offset).map_err(refused(&path))?;
            self.files.write_at(span.file, span.offset, &buffer).map_err(storage(&path))?;
        }
        Ok(())
    }
}
