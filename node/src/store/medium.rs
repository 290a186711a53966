//! What a store needs from the files below it, as a trait, so that tests can put a disk there that
//! fails, fills up, tears writes, or loses power.

use std::{io, ops::Range, path::PathBuf};

use nearcast_core::layout::FileIndex;

use super::folder::FileStamp;

/// The files of one content. Shared by many threads; every call blocks until it is done.
pub(crate) trait Medium: Send + Sync {
    /// Fills `into` from `offset` on.
    fn read_at(&self, file: FileIndex, offset: u64, into: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`; makes the file first if it is not there. Not durable yet.
    fn write_at(&self, file: FileIndex, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written to `files` durable. Answers which of them failed: what was written to
    /// those since the last good call may be lost, whatever a later call says.
    fn sync(&self, files: &[FileIndex]) -> Vec<(FileIndex, io::Error)>;
    /// Cuts a file, all of which is durable, to its length, if it was adopted from somebody and is longer.
    fn fit(&self, file: FileIndex) -> io::Result<()>;
    /// Gives a file, all of which is durable, its own name; an empty one is made. What lies there is replaced only if
    /// that was decided when the content was opened, and if it is as it was then; else this is
    /// [`io::ErrorKind::AlreadyExists`], and both stay.
    fn complete(&self, file: FileIndex) -> io::Result<()>;
    /// Whether the file carries its own name.
    fn is_complete(&self, file: FileIndex) -> bool;
    /// Removes files that this process made and that are not complete. False if others are left that are not.
    fn discard(&self) -> io::Result<bool>;
    /// Makes the names given by [`Medium::complete`] durable.
    fn settle(&self) -> io::Result<()>;
    /// Closes everything, as what belongs to the state is about to be removed.
    fn let_go(&self) {}
    /// Where a file holds data rather than holes, as far as the system tells: in order, from the first byte to the one
    /// after the last.
    fn data_in(&self, file: FileIndex) -> io::Result<Vec<Range<u64>>> {
        let _ = file;
        Ok(std::iter::once(0..u64::MAX).collect())
    }
    /// The file's size, time and identity.
    fn stamp(&self, file: FileIndex) -> io::Result<FileStamp>;
    /// Where the file is, or will be when complete.
    fn path(&self, file: FileIndex) -> PathBuf;
    /// Where the file is as long as it is not complete.
    fn partial_path(&self, file: FileIndex) -> PathBuf;
}
