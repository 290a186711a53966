//! What a store needs from the files below it. It is a trait so that tests can use a disk that
//! fails, fills up, tears writes, or loses power.

use std::{io, ops::Range, path::PathBuf};

use nearcast_core::layout::FileIndex;

use super::folder::FileStamp;

/// The files of one content. Shared by many threads; every call blocks until it is done.
pub(crate) trait Medium: Send + Sync {
    /// Fills `into` with the bytes from `offset` on.
    fn read_at(&self, file: FileIndex, offset: u64, into: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`. Makes the file first if it is not there. The bytes are
    /// not durable yet.
    fn write_at(&self, file: FileIndex, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written to `files` durable. Returns the files that failed. What was written
    /// to a failed file since its last good sync may be lost, whatever a later call says.
    fn sync(&self, files: &[FileIndex]) -> Vec<(FileIndex, io::Error)>;
    /// Cuts an adopted file that is too long to its proper length. All of the file is durable.
    fn fit(&self, file: FileIndex) -> io::Result<()>;
    /// Gives a file, all of which is durable, its own name. A file that is not there is made. An
    /// existing file under that name is replaced only if that was decided when the content was
    /// opened, and if the file did not change since. Otherwise this fails with
    /// [`io::ErrorKind::AlreadyExists`], and both files stay.
    fn complete(&self, file: FileIndex) -> io::Result<()>;
    /// Whether the file carries its own name.
    fn is_complete(&self, file: FileIndex) -> bool;
    /// Removes the incomplete files that this process made. False: other partial files remain.
    fn discard(&self) -> io::Result<bool>;
    /// Makes the names given by [`Medium::complete`] durable.
    fn settle(&self) -> io::Result<()>;
    /// Closes everything, because the files of the state are about to be removed.
    fn let_go(&self) {}
    /// The ranges of a file that hold data rather than holes, as far as the system tells, in order.
    /// A range starts at its first byte and ends after its last.
    fn data_in(&self, file: FileIndex) -> io::Result<Vec<Range<u64>>> {
        let _ = file;
        Ok(std::iter::once(0..u64::MAX).collect())
    }
    /// The file's size, time and identity.
    fn stamp(&self, file: FileIndex) -> io::Result<FileStamp>;
    /// The path of the file when complete.
    fn path(&self, file: FileIndex) -> PathBuf;
    /// The path of the file while it is not complete.
    fn partial_path(&self, file: FileIndex) -> PathBuf;
}
