//! Room on the disk. A part of every disk stays free. A system whose disk is full to the last byte
//! can write neither logs nor mails nor the state needed to continue.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{folder::Folder, locked};

/// The reserve that stays free on every disk: one part in this many of its size.
const RESERVE_PARTS: u64 = 100;
/// The reserve is never more than this, in bytes. It is enough for everything else that runs.
pub(crate) const RESERVE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The reserve is never more than one part in this many of what was free before we wrote. So a
/// small file still fits on a disk that is nearly full already.
const RESERVE_FREE_PARTS: u64 = 4;
/// After this many written bytes, we ask the disk again how much is free. Other programs write too.
const ASK_AGAIN_BYTES: u64 = 64 * 1024 * 1024;
/// Without asking again, we take at most one part in this many of what is free.
const ASK_AGAIN_PARTS: u64 = 4;

/// How much we may write to a disk, as far as we know.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Bytes that stay free, decided before anything was written.
    reserve_bytes: u64,
    /// Bytes that may be written before the disk is asked again.
    left: AtomicU64,
    /// Bytes of writes that were allowed and have not ended. The disk does not count them yet.
    in_flight: AtomicU64,
}

impl Room {
    /// The room of the disk that a folder lies on. All downloads to a disk share one room:
    /// otherwise each would take its part of the free bytes without asking.
    pub(crate) fn of_disk(folder: &Folder) -> io::Result<Arc<Room>> {
        static ROOMS: Mutex<BTreeMap<u64, Weak<Room>>> = Mutex::new(BTreeMap::new());
        let device = folder.identity()?.device;
        let mut rooms = locked(&ROOMS);
        if let Some(room) = rooms.get(&device).and_then(Weak::upgrade) {
            return Ok(room);
        }
        rooms.retain(|_, room| room.strong_count() > 0);
        let reserve_bytes = folder.free()?.map_or(0, Free::reserve);
        let room = Arc::new(Room { reserve_bytes, ..Room::default() });
        rooms.insert(device, Arc::downgrade(&room));
        Ok(room)
    }

    /// Takes room for a write, in bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] if the write would use the reserve. The message gives the
    /// numbers.
    pub(crate) fn take(&self, folder: &Folder, bytes: u64) -> io::Result<()> {
        let others = self.in_flight.fetch_add(bytes, Ordering::Relaxed);
        let taken = self.ask(folder, bytes, others);
        if taken.is_err() {
            self.written(bytes);
        }
        taken
    }

    /// Ends a write for which room was taken, whether it succeeded or not.
    pub(crate) fn written(&self, bytes: u64) {
        self.in_flight.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn ask(&self, folder: &Folder, bytes: u64, others: u64) -> io::Result<()> {
        let enough = |left: u64| left.checked_sub(bytes);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enough).is_ok() {
            return Ok(());
        }
        // A disk that does not say how much is free is written to until it refuses.
        let Some(free) = folder.free()? else { return Ok(()) };
        let room = self.beside(free).saturating_sub(others);
        if room < bytes {
            let (free, reserve) = (free.free_bytes, self.reserve_bytes);
            let why = format!("{free} bytes are free on this disk, and {reserve} are left to others");
            return Err(io::Error::new(io::ErrorKind::StorageFull, why));
        }
        self.left.store((room / ASK_AGAIN_PARTS).min(ASK_AGAIN_BYTES), Ordering::Relaxed);
        Ok(())
    }

    /// How many of the free bytes may be written.
    pub(crate) fn beside(&self, free: Free) -> u64 {
        free.free_bytes.saturating_sub(self.reserve_bytes)
    }
}

/// Size and free space of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Free {
    /// Size of the disk, in bytes.
    pub(crate) disk_bytes: u64,
    /// What we could still write, in bytes.
    pub(crate) free_bytes: u64,
}

impl Free {
    /// The part of it that stays free from now on, in bytes.
    fn reserve(self) -> u64 {
        (self.disk_bytes / RESERVE_PARTS).min(RESERVE_BYTES_MAX).min(self.free_bytes / RESERVE_FREE_PARTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_in_a_hundred_stays_free_and_never_more_than_256_mib() {
        let small = Free { disk_bytes: 1_000_000, free_bytes: 500_000 };
        assert_eq!(small.reserve(), 10_000);
        let large = Free { disk_bytes: 1 << 42, free_bytes: 1 << 41 };
        assert_eq!(large.reserve(), RESERVE_BYTES_MAX);
        let room = Room { reserve_bytes: large.reserve(), ..Room::default() };
        assert_eq!(room.beside(large), (1 << 41) - RESERVE_BYTES_MAX);
        assert_eq!(room.beside(Free { free_bytes: RESERVE_BYTES_MAX - 1, ..large }), 0);
    }

    #[test]
    fn a_disk_that_is_nearly_full_already_takes_a_small_file() {
        let full = Free { disk_bytes: 1 << 40, free_bytes: 1 << 20 };
        let room = Room { reserve_bytes: full.reserve(), ..Room::default() };
        assert_eq!(room.beside(full), 3 << 18);
    }

    #[test]
    fn all_who_write_to_a_disk_count_together() {
        let temp = tempfile::tempdir().unwrap();
        let (one, other) = (temp.path().join("one"), temp.path().join("other"));
        let [one, other] = [one, other].map(|path| Folder::create(&path).unwrap());
        let [first, second] = [&one, &other].map(|folder| Room::of_disk(folder).unwrap());
        let writing = 1 << 20;
        first.take(&one, writing).unwrap();
        assert!(second.in_flight.load(Ordering::Relaxed) >= writing);
        assert!(Arc::ptr_eq(&first, &second));
        first.written(writing);
    }

    #[test]
    fn what_the_disk_cannot_hold_is_refused_with_numbers() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        let room = Room::default();
        room.take(&folder, 1).unwrap();
        let error = room.take(&folder, u64::MAX / 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("bytes are free"), "{error}");
    }
}
