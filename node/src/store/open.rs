//! Opens a content. What is on disk already decides how: from the start, from where it was left, as
//! complete, or not at all. Nothing on disk changes before that is decided.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use nearcast_core::{layout::FileIndex, manifest::Manifest, run_set::RunSet};

use super::{
    DiskStore, StoreError,
    disk::Ledger,
    files::Files,
    folder::{Folder, Found},
    held::Held,
    medium::Medium,
    opening::{Opening, Watch},
    receipt::ReceiptPlace,
    standing::Place,
};
use crate::error::{DownloadError, ShareError};

/// Where a download goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The folder for the content's file or folder. Made if it is not there.
    pub(crate) folder: PathBuf,
    /// Replace existing files that differ, each once its new version is whole.
    pub(crate) overwrite: bool,
    /// The wanted files. `None`: all. Other files are not made.
    pub(crate) selected: Option<BTreeSet<FileIndex>>,
    /// Nearcast's own state directory (`$XDG_STATE_HOME/nearcast`), for receipts. `None`: no
    /// receipts.
    pub(crate) state_dir: Option<PathBuf>,
    /// Wait while the disk is full. If not set, a download that does not fit is not begun.
    pub(crate) wait_for_room: bool,
}

/// A content ready to be downloaded or served.
pub(crate) struct Opened {
    /// The store.
    pub(crate) store: Arc<DiskStore>,
    /// Runs that are there.
    pub(crate) have: RunSet,
    /// Everything wanted is there under its own name. Nothing is left to download or to finish.
    pub(crate) complete: bool,
}

impl DiskStore {
    /// Opens a content for download. Hashes only what no state or receipt vouches for. `progress`
    /// gets the bytes hashed and the bytes to hash.
    ///
    /// # Errors
    /// [`DownloadError::Exists`] if a wanted file is there, differs, and may not be overwritten;
    /// [`DownloadError::Blocked`] if something that is no file lies where a wanted file belongs;
    /// [`DownloadError::InTheWay`] if something else lies under the name of a partial file;
    /// [`DownloadError::Unfinished`] if another content of the same name was left unfinished there,
    /// and may not be overwritten;
    /// [`DownloadError::ReadOnly`] if a file to replace may not be written to;
    /// [`DownloadError::NoRoom`] if old and new files do not fit on the disk side by side, or if
    /// the missing data does not fit and `target.wait_for_room` is not set;
    /// [`DownloadError::Busy`] if another process has it open;
    /// [`DownloadError::Stopped`] if `cancelled` was set. After these errors nothing has changed.
    pub(crate) fn open(
        manifest: Arc<Manifest>,
        target: Target,
        progress: &dyn Fn(u64, u64),
        cancelled: &AtomicBool,
    ) -> Result<Opened, DownloadError> {
        let folder = Folder::create(&target.folder).map_err(storage(&target.folder))?;
        let opening = Opening {
            receipt: receipt_place(&target, &manifest),
            files: Files::of_download(manifest.clone(), folder).map_err(refused(&target.folder))?,
            manifest,
            target,
            rivals: Vec::new(),
        };
        opening.open(&Watch { progress, cancelled })
    }

    /// Opens complete data to share it. `data_root` is the folder that holds the content's file or
    /// folder; it is never written to. Sizes are checked now, bytes only when they are read.
    ///
    /// # Errors
    /// [`ShareError::Incomplete`] names the first file that is missing or of another size.
    pub(crate) fn open_seed(
        manifest: Arc<Manifest>,
        data_root: PathBuf,
    ) -> Result<Arc<DiskStore>, ShareError> {
        let files = Files::of_seed(manifest.clone(), data_root.clone());
        // A download to a disk that cannot have some names may have left stand-in names.
        let found = files.find_renamed();
        found.map_err(|source| ShareError::Io { path: data_root, source })?;
        let layout = manifest.layout();
        for file in (0..layout.files()).filter_map(|file| layout.file_index(file)) {
            let path = || files.path(file);
            match files.find(file, Place::Own) {
                Ok(Found::File(stamp)) if stamp.bytes == layout.file_bytes(file) => {}
                Ok(_) => return Err(ShareError::Incomplete(path())),
                Err(source) => return Err(ShareError::Io { path: path(), source }),
            }
        }
        let runs = layout.runs();
        let ledger = Ledger::new(Held::All(runs), Held::All(runs));
        let mut store = DiskStore::new(manifest, Box::new(files), ledger);
        store.read_only = true;
        Ok(Arc::new(store))
    }
}

fn receipt_place(target: &Target, manifest: &Manifest) -> Option<ReceiptPlace> {
    let state_dir = target.state_dir.as_ref()?;
    ReceiptPlace::new(state_dir, manifest, &target.folder.join(manifest.name())).ok()
}

/// Wraps an error of the file system from before anything was written.
pub(super) fn refused(path: &Path) -> impl Fn(io::Error) -> DownloadError + use<> {
    let path = path.to_owned();
    move |source| DownloadError::Io { path: path.clone(), source: source.into() }
}

/// Wraps an error of the file system from writing.
pub(super) fn storage(path: &Path) -> impl Fn(io::Error) -> DownloadError + use<> {
    let path = path.to_owned();
    move |source| StoreError::from_io(path.clone(), source).into()
}

impl From<StoreError> for DownloadError {
    fn from(error: StoreError) -> DownloadError {
        match error {
            StoreError::Full { path, .. } => DownloadError::DiskFull(path),
            StoreError::Io { path, source } => DownloadError::Io { path, source: source.into() },
            StoreError::Edited { path, .. } => DownloadError::Edited(path),
            StoreError::InTheWay { path, new } => DownloadError::Kept { path, new },
            StoreError::Rotten { path, .. } => DownloadError::Io {
                path,
                source: io::Error::new(io::ErrorKind::InvalidData, "its data has changed on disk").into(),
            },
            StoreError::Missing => DownloadError::Io {
                path: PathBuf::new(),
                source: io::Error::new(io::ErrorKind::NotFound, "a part that was there is gone").into(),
            },
        }
    }
}
