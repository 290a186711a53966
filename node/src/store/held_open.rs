//! The files and folders that the stores of this process hold open, for all stores together: the
//! limit on file descriptors is per process, however many contents share them.

use std::{
    fs::File,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
};

use nearcast_core::layout::FileIndex;

use super::{folder::Folder, locked, lru::Lru};
use crate::open_files::Budget;

/// Store, file, writable.
type FileKey = (u64, u32, bool);

fn files() -> &'static Mutex<Lru<FileKey, Arc<File>>> {
    static FILES: OnceLock<Mutex<Lru<FileKey, Arc<File>>>> = OnceLock::new();
    FILES.get_or_init(|| Mutex::new(Lru::new(Budget::current().disk)))
}

fn folders() -> &'static Mutex<Lru<u64, Arc<Folder>>> {
    static FOLDERS: OnceLock<Mutex<Lru<u64, Arc<Folder>>>> = OnceLock::new();
    // One folder a store: the next file is mostly in the same folder as the last one.
    FOLDERS.get_or_init(|| Mutex::new(Lru::new(Budget::current().folders)))
}

/// What one store holds open. Dropping it closes everything that it holds open.
#[derive(Debug)]
pub(super) struct HeldOpen {
    store: u64,
}

impl HeldOpen {
    /// For the store of this number.
    pub(super) fn of(store: u64) -> HeldOpen {
        HeldOpen { store }
    }

    /// The open file, if it is held.
    pub(super) fn file(&self, file: FileIndex, writable: bool) -> Option<Arc<File>> {
        locked(files()).get((self.store, file.get(), writable))
    }

    /// Holds a file open. Other files may be closed for it.
    pub(super) fn keep_file(&self, file: FileIndex, writable: bool, handle: Arc<File>) {
        locked(files()).insert((self.store, file.get(), writable), handle, 1);
    }

    /// The folder used last, if it has this path.
    pub(super) fn folder(&self, path: &Path) -> Option<Arc<Folder>> {
        locked(folders()).get(self.store).filter(|folder| folder.path() == path)
    }

    /// Holds a folder open in place of the last one. Another store's folder may be closed for it.
    pub(super) fn keep_folder(&self, folder: Arc<Folder>) {
        locked(folders()).insert(self.store, folder, 1);
    }

    /// Lets go of a file, because its index now means another file on disk.
    pub(super) fn forget_file(&self, file: FileIndex) {
        let mut files = locked(files());
        files.remove((self.store, file.get(), false));
        files.remove((self.store, file.get(), true));
    }

    /// Lets go of all files and the folder of this store.
    pub(super) fn forget(&self) {
        locked(files()).remove_range((self.store, 0, false), (self.store, u32::MAX, true));
        self.forget_folder();
    }

    /// Lets go of the folder, because it may be gone.
    pub(super) fn forget_folder(&self) {
        locked(folders()).remove(self.store);
    }
}

impl Drop for HeldOpen {
    fn drop(&mut self) {
        self.forget();
    }
}
