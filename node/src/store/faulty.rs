//! A disk that misbehaves as told. It fills up, fails to sync, rots, or keeps writes in a cache. A
//! power cut loses that cache, in part and in any order.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
};

use nearcast_core::layout::FileIndex;

use super::{DiskStore, folder::FileStamp, locked, medium::Medium};

/// A disk that keeps its word writes a sector whole or not at all.
const SECTOR_BYTES: usize = 4096;

/// What is wrong with the disk.
#[derive(Default)]
pub(crate) struct Plan {
    /// Bytes that may still be written before the disk is full. The write that reaches the end is
    /// torn.
    pub(crate) room_bytes: Option<u64>,
    /// The next sync fails, once, and loses the writes that it should have synced.
    pub(crate) fail_next_sync: bool,
    /// Every read returns one flipped bit.
    pub(crate) flip_reads: bool,
    /// Every read fails.
    pub(crate) fail_reads: bool,
    /// Every write fails.
    pub(crate) fail_writes: bool,
    /// Writes stay in `cache` until they are synced.
    pub(crate) caching: bool,
    cache: Vec<(FileIndex, u64, Vec<u8>)>,
}

/// The disk.
#[derive(Default)]
pub(crate) struct Faulty {
    inner: OnceLock<Box<dyn Medium>>,
    pub(crate) plan: Mutex<Plan>,
}

impl Faulty {
    /// Puts the faulty disk between a store and its files.
    pub(crate) fn under(store: Arc<DiskStore>) -> (Arc<DiskStore>, Arc<Faulty>) {
        let faulty = Arc::new(Faulty::default());
        let mut store = Arc::into_inner(store).expect("nobody else uses the store yet");
        let inner = std::mem::replace(&mut store.medium, Box::new(faulty.clone()));
        assert!(faulty.inner.set(inner).is_ok());
        (Arc::new(store), faulty)
    }

    fn inner(&self) -> &dyn Medium {
        self.inner.get().expect("set when it was made").as_ref()
    }

    /// The power fails. `choose` decides which sectors of each cached write reached the disk (the
    /// last of them in part), and in which order.
    pub(crate) fn cut_power(&self, mut choose: impl FnMut(usize) -> usize) {
        let mut cache = std::mem::take(&mut locked(&self.plan).cache);
        while !cache.is_empty() {
            let (file, offset, bytes) = cache.swap_remove(choose(cache.len()));
            let reached = choose(bytes.len() + 1);
            let keeps_order = choose(2) == 0;
            for (at, sector) in (offset..).step_by(SECTOR_BYTES).zip(bytes[..reached].chunks(SECTOR_BYTES)) {
                if keeps_order || choose(4) > 0 {
                    self.inner().write_at(file, at, sector).unwrap();
                }
            }
        }
    }
}

impl Medium for Arc<Faulty> {
    fn read_at(&self, file: FileIndex, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let plan = locked(&self.plan);
        if plan.fail_reads {
            return Err(io::Error::other("the disk failed to read"));
        }
        self.inner().read_at(file, offset, into)?;
        for (_, at, bytes) in plan.cache.iter().filter(|(of, at, _)| (*of, *at) == (file, offset)) {
            assert_eq!((*at, bytes.len()), (offset, into.len()), "stores read what they wrote");
            into.copy_from_slice(bytes);
        }
        if plan.flip_reads {
            into[0] ^= 0x10;
        }
        Ok(())
    }

    fn write_at(&self, file: FileIndex, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut plan = locked(&self.plan);
        if plan.fail_writes {
            return Err(io::Error::other("the disk failed to write"));
        }
        let room = plan.room_bytes.unwrap_or(u64::MAX);
        if (bytes.len() as u64) > room {
            plan.room_bytes = Some(0);
            self.inner().write_at(file, offset, &bytes[..room as usize])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        plan.room_bytes = plan.room_bytes.map(|room| room - bytes.len() as u64);
        if plan.caching {
            // The file must exist, as it would in the system's own cache.
            self.inner().write_at(file, offset, &[])?;
            plan.cache.push((file, offset, bytes.to_vec()));
            return Ok(());
        }
        self.inner().write_at(file, offset, bytes)
    }

    fn sync(&self, files: &[FileIndex]) -> Vec<(FileIndex, io::Error)> {
        let mut plan = locked(&self.plan);
        let cache = std::mem::take(&mut plan.cache);
        let (synced, rest): (Vec<_>, _) = cache.into_iter().partition(|(file, ..)| files.contains(file));
        plan.cache = rest;
        if std::mem::take(&mut plan.fail_next_sync) {
            let error = || io::Error::other("the disk failed to sync");
            return files.iter().map(|&file| (file, error())).collect();
        }
        for (file, offset, bytes) in synced {
            self.inner().write_at(file, offset, &bytes).unwrap();
        }
        self.inner().sync(files)
    }

    fn fit(&self, file: FileIndex) -> io::Result<()> {
        self.inner().fit(file)
    }

    fn complete(&self, file: FileIndex) -> io::Result<()> {
        self.inner().complete(file)
    }

    fn is_complete(&self, file: FileIndex) -> bool {
        self.inner().is_complete(file)
    }

    fn discard(&self) -> io::Result<bool> {
        self.inner().discard()
    }

    fn settle(&self) -> io::Result<()> {
        self.inner().settle()
    }

    fn stamp(&self, file: FileIndex) -> io::Result<FileStamp> {
        self.inner().stamp(file)
    }

    fn path(&self, file: FileIndex) -> PathBuf {
        self.inner().path(file)
    }

    fn partial_path(&self, file: FileIndex) -> PathBuf {
        self.inner().partial_path(file)
    }
}
