//! Brings a new file to its place: what it takes over from a file that lies there, and how it gets
//! its own name once it is whole.

use std::{fs::File, io};

use nearcast_core::layout::FileIndex;

use super::{
    super::{
        folder::{FileStamp, Folder, Found},
        standing::Place,
    },
    Files,
};

impl Files {
    /// Puts the new file under the partial name that only we use. Once whole, it replaces
    /// `original`.
    pub(crate) fn build_beside(&self, file: FileIndex, original: Option<FileStamp>) {
        self.mark(file, |unusual| {
            unusual.beside = true;
            unusual.original = original;
        });
        self.open.forget_file(file);
    }

    /// Lets the file replace `original` once it is whole.
    pub(crate) fn replace(&self, file: FileIndex, original: FileStamp) {
        self.mark(file, |unusual| unusual.original = Some(original));
    }

    /// Takes over a partial file as it is. A file that is too short gets its full length; one that
    /// is too long keeps its length for now.
    pub(crate) fn adopt(&self, file: FileIndex) -> io::Result<()> {
        let length = self.manifest.layout().file_bytes(file);
        let handle = self.handle(file, true)?;
        let found = handle.metadata()?.len();
        if found < length {
            handle.set_len(length)?;
        }
        self.mark(file, |unusual| unusual.longer = found > length);
        Ok(())
    }

    /// Fills a new file with all that its original holds by sharing blocks. Returns whether the
    /// file system can do that.
    pub(crate) fn share_blocks(&self, file: FileIndex, original: &File) -> io::Result<bool> {
        let handle = self.handle(file, true)?;
        let shared = rustix::fs::ioctl_ficlone(&handle, original).is_ok();
        handle.set_len(self.manifest.layout().file_bytes(file))?;
        Ok(shared)
    }

    /// Gives a new file the owner and the rights of its original, so that nobody gets more access
    /// than before.
    pub(crate) fn take_rights(&self, file: FileIndex) -> io::Result<()> {
        let rights = self.folder_of(file, false)?.rights(&self.name_at(file, Place::Own))?;
        rights.give_to(&*self.handle(file, true)?)
    }

    /// Opens the file under its own name, for reading.
    pub(crate) fn open_original(&self, file: FileIndex) -> io::Result<File> {
        self.folder_of(file, false)?.open_file(&self.name_at(file, Place::Own), false)
    }

    /// Whether the file could be replaced, or made in a folder that is there. This check touches
    /// nothing.
    pub(crate) fn may_write(&self, file: FileIndex, original: bool) -> io::Result<bool> {
        let folder = match self.folder_of(file, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            other => other?,
        };
        Ok(folder.takes_files()? && (!original || folder.is_writable(&self.name_at(file, Place::Own))?))
    }

    /// Gives a whole file its own name.
    pub(super) fn put_in_place(&self, file: FileIndex, folder: &Folder) -> io::Result<()> {
        let (partial, own) = (self.name(file, true), self.name(file, false));
        if let (Some(original), Found::File(now)) = (self.unusual(file).original, folder.find(&own)?) {
            if now != original {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            return folder.swap(&partial, &own, &original);
        }
        folder.rename_new(&partial, &own)
    }
}
