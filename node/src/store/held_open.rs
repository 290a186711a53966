//! What the stores of this process hold open, all together: what runs out is the process's file descriptors,
//! however many contents share them.

use std::{
    fs::File,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
};

use nearcast_core::layout::FileIndex;

use super::{folder::Folder, locked, lru::Lru};

/// Open files at most; a quarter of the descriptor limit when that is less.
const FILES_MAX: usize = 1024;
/// Open folders at most, one a store: the next file is mostly in the folder of the last one.
const FOLDERS_MAX: usize = 64;

/// Store, file, writable.
type FileKey = (u64, u32, bool);

fn files() -> &'static Mutex<Lru<FileKey, Arc<File>>> {
    static FILES: OnceLock<Mutex<Lru<FileKey, Arc<File>>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let allowed = limit.current.map_or(usize::MAX, |count| count as usize);
        Mutex::new(Lru::new((allowed / 4).clamp(8, FILES_MAX)))
    })
}

fn folders() -> &'static Mutex<Lru<u64, Arc<Folder>>> {
    static FOLDERS: Mutex<Lru<u64, Arc<Folder>>> = Mutex::new(Lru::new(FOLDERS_MAX));
    &FOLDERS
}

/// What one store holds open. Dropped with the store, and then nothing is.
#[derive(Debug)]
pub(super) struct HeldOpen {
    store: u64,
}

impl HeldOpen {
    /// For a store of this number.
    pub(super) fn of(store: u64) -> HeldOpen {
        HeldOpen { store }
    }

    /// An open file.
    pub(super) fn file(&self, file: FileIndex, writable: bool) -> Option<Arc<File>> {
        locked(files()).get((self.store, file.get(), writable))
    }

    /// Holds a file open; others may be closed for it.
    pub(super) fn keep_file(&self, file: FileIndex, writable: bool, handle: Arc<File>) {
        locked(files()).insert((self.store, file.get(), writable), handle, 1);
    }

    /// The folder used last, if it is this one.
    pub(super) fn folder(&self, path: &Path) -> Option<Arc<Folder>> {
        locked(folders()).get(self.store).filter(|folder| folder.path() == path)
    }

    /// Holds a folder open in the place of the last one; another store's may be closed for it.
    pub(super) fn keep_folder(&self, folder: Arc<Folder>) {
        locked(folders()).insert(self.store, folder, 1);
    }

    /// Lets go of everything.
    pub(super) fn forget(&self) {
        locked(files()).remove_range((self.store, 0, false), (self.store, u32::MAX, true));
        self.forget_folder();
    }

    /// Lets go of the folder: it may be gone.
    pub(super) fn forget_folder(&self) {
        locked(folders()).remove(self.store);
    }
}

impl Drop for HeldOpen {
    fn drop(&mut self) {
        self.forget();
    }
}
