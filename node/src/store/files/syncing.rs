//! Makes what was written durable: the data of files, the names in folders, and the list of the
//! files we made.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use nearcast_core::layout::FileIndex;

use super::{
    super::{folder::Folder, locked, made::Made, medium::Medium},
    Base, Files,
};

/// With more files than this to make durable, one sync of the whole file system is cheaper.
const SYNCED_ALONE_MAX: usize = 64;

impl Files {
    /// See [`Medium::sync`].
    pub(super) fn make_durable(&self, files: &[FileIndex]) -> Vec<(FileIndex, io::Error)> {
        let all = |error: &io::Error| {
            let same = || io::Error::new(error.kind(), error.to_string());
            files.iter().map(|&file| (file, same())).collect()
        };
        let mut failed = Vec::new();
        if files.len() > SYNCED_ALONE_MAX {
            if let Err(error) = self.sync_all() {
                return all(&error);
            }
        } else {
            for &file in files {
                // A complete file may be read-only; it is synced all the same.
                let writable = !self.is_complete(file);
                let synced = self.handle(file, writable).and_then(|handle| handle.sync_data());
                failed.extend(synced.err().map(|error| (file, error)));
            }
        }
        match self.sync_made().and_then(|()| self.sync_folders()) {
            Ok(()) => failed,
            Err(error) => all(&error),
        }
    }

    pub(super) fn note_changed(&self, folder: &Folder) {
        locked(&self.changed_folders).insert(folder.path().to_owned());
    }

    /// The folders from the base down to `changed`, base first. Each may be new in the folder above
    /// it.
    fn chain(&self, changed: &Path) -> Vec<Vec<String>> {
        let inside = changed.strip_prefix(self.base()).unwrap_or(Path::new(""));
        let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        (0..=parts.len()).map(|depth| parts[..depth].to_vec()).collect()
    }

    pub(super) fn sync_folders(&self) -> io::Result<()> {
        let changed = std::mem::take(&mut *locked(&self.changed_folders));
        let result = self.sync_each_folder(&changed);
        if result.is_err() {
            // The open handles may not lie there any more.
            self.open.forget();
            locked(&self.changed_folders).extend(changed);
        }
        result
    }

    fn sync_each_folder(&self, changed: &BTreeSet<PathBuf>) -> io::Result<()> {
        let Base::Held(base) = &self.base else {
            return Ok(());
        };
        if changed.len() > SYNCED_ALONE_MAX {
            return base.sync_file_system();
        }
        let folders: BTreeSet<_> = changed.iter().flat_map(|path| self.chain(path)).collect();
        for inside in folders {
            let inside: Vec<&str> = inside.iter().map(String::as_str).collect();
            base.folder(&inside)?.sync()?;
        }
        Ok(())
    }

    fn sync_made(&self) -> io::Result<()> {
        locked(&self.made).as_ref().map_or(Ok(()), Made::sync)
    }

    fn sync_all(&self) -> io::Result<()> {
        match &self.base {
            Base::Held(base) => base.sync_file_system(),
            Base::Named(_) => Ok(()),
        }
    }
}
