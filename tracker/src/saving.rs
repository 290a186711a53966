//! The task that saves the directory's entries, and their restoration at the start.
//!
//! Entries are read in parts, a few thousand under the directory's lock at a time, and written on a
//! blocking thread. A failed save, for example on a full disk, is logged once and tried again; the
//! tracker still answers everybody.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use nearcast_node::{
    directory::{Directory, Saved},
    vital::Vital,
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::{
    database::{Database, DatabaseError, Found, Tally},
    health::Health,
};

/// Limits how long writing keeps the disk busy: at most one part in this many of the time.
const TIME_BETWEEN_FACTOR: u32 = 20;

/// The directory as this task sees it.
pub(crate) trait Known: Clone + Send + 'static {
    /// Passes on every entry; all entries of one content come together.
    fn snapshot(&self, each: &mut dyn FnMut(Saved));

    /// Restores entries. Returns how many the directory took.
    fn restore(&self, saved: Vec<Saved>) -> usize;

    /// A counter that grows whenever a snapshot would change.
    fn changes(&self) -> u64;
}

impl Known for Directory {
    fn snapshot(&self, each: &mut dyn FnMut(Saved)) {
        Directory::snapshot(self, each);
    }

    fn restore(&self, saved: Vec<Saved>) -> usize {
        Directory::restore(self, saved)
    }

    fn changes(&self) -> u64 {
        let stats = self.stats();
        stats.announced + stats.withdrawn
    }
}

/// Restores the saved entries. Blocks.
///
/// # Errors
/// If the file can be neither read nor moved aside.
pub(crate) fn restore(database: &mut Database, known: &impl Known) -> Result<Tally, DatabaseError> {
    let mut taken = 0;
    let (tally, found) = database.read(|members| taken += known.restore(members) as u64)?;
    say(&found);
    if tally.bad > 0 {
        tracing::warn!("{} contents that were written down make no sense, and are forgotten", tally.bad);
    }
    Ok(Tally { members: taken, ..tally })
}

/// Warns the operator about a file that was found damaged.
pub(crate) fn say(found: &Found) {
    if let Found::MovedAside { reason, to } = found {
        tracing::warn!(
            "who was known is forgotten: the database cannot be used ({reason}); it is kept as {}, which may be \
             deleted; peers that are alive tell again within minutes",
            to.display()
        );
    }
}

/// The running task.
pub(crate) struct Saving {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Option<()>>,
}

impl Saving {
    /// Starts the task.
    pub(crate) fn start(
        database: Database,
        known: impl Known,
        health: Arc<Health>,
        interval: watch::Receiver<Duration>,
        vital: &Vital,
    ) -> Saving {
        let (stop, stopped) = oneshot::channel();
        let (database, vital_too) = (Some(database), vital.clone());
        let saver = Saver { database, known, health, interval, vital: vital_too, seen: None, failing: false };
        let task = tokio::spawn(vital.guard("What writes down who is known", saver.run(stopped)));
        Saving { stop, task }
    }

    /// Saves a last time, then ends the task.
    pub(crate) async fn stop(self) {
        // The task is gone only if it panicked; its result is then an error, too.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

struct Saver<K> {
    /// `None` while a thread uses it.
    database: Option<Database>,
    known: K,
    health: Arc<Health>,
    interval: watch::Receiver<Duration>,
    vital: Vital,
    /// The directory's change counter at the last save.
    seen: Option<u64>,
    /// The last save failed, and that was logged.
    failing: bool,
}

impl<K: Known> Saver<K> {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut took = Duration::ZERO;
        loop {
            let wait = (*self.interval.borrow_and_update()).max(took * TIME_BETWEEN_FACTOR);
            tokio::select! {
                _ = &mut stopped => break,
                Ok(()) = self.interval.changed() => {}
                () = tokio::time::sleep(wait) => took = self.save().await,
            }
        }
        self.save().await;
    }

    /// Saves if anything changed. Returns how long it took.
    async fn save(&mut self) -> Duration {
        let changes = self.known.changes();
        let Some(mut database) = self.database.take_if(|_| self.seen != Some(changes)) else {
            return Duration::ZERO;
        };
        let (known, began) = (self.known.clone(), Instant::now());
        let written = self.vital.blocking("What writes to the database", move || {
            let written = database.write(|take| known.snapshot(take));
            (database, written)
        });
        // There is no result only while the program or the runtime ends.
        let Some((database, written)) = written.await else { return Duration::ZERO };
        self.database = Some(database);
        let took = began.elapsed();
        self.health.on_saved(written.as_ref().ok().copied(), took);
        match written {
            Ok(_) => {
                self.seen = Some(changes);
                if std::mem::take(&mut self.failing) {
                    tracing::info!("who is known can be written down again");
                }
            }
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::warn!("who is known cannot be written down: {error}; it is tried again");
            }
            Err(_) => {}
        }
        took
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use nearcast_core::{
        id::ContentId,
        registry::{Admission, Announcement, Endpoint, Nowhere, PeerName, Registry, RegistryConfig},
        time::Timestamp,
    };

    use super::*;

    #[derive(Clone)]
    struct Plain(Arc<Mutex<Registry>>);

    impl Plain {
        fn empty() -> Plain {
            Plain(Arc::new(Mutex::new(Registry::new(RegistryConfig::default(), Admission::Open, 1))))
        }

        fn entries(&self) -> usize {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).entries()
        }
    }

    impl Known for Plain {
        fn snapshot(&self, each: &mut dyn FnMut(Saved)) {
            let (mut saved, mut from) = (Vec::new(), Some(0));
            while let Some(at) = from {
                from = self.0.lock().unwrap().snapshot(Timestamp::from_millis(0), at, &mut saved);
            }
            saved.into_iter().for_each(each);
        }

        fn restore(&self, saved: Vec<Saved>) -> usize {
            let mut registry = self.0.lock().unwrap();
            for one in &saved {
                registry.restore(Timestamp::from_millis(0), one, &Nowhere);
            }
            saved.len()
        }

        fn changes(&self) -> u64 {
            self.entries() as u64
        }
    }

    fn announce(known: &Plain, contents: u32, peers: u8) {
        for content in 0..contents {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&content.to_be_bytes());
            for peer in 0..peers {
                let ip = [10, 0, peer, 1].into();
                let said = Announcement {
                    content: ContentId(id),
                    name: PeerName([peer; 32]),
                    endpoint: Endpoint { ip, tcp: Some(4001), udp: None },
                    complete: false,
                };
                known.0.lock().unwrap().announce(Timestamp::from_millis(0), &said, &Nowhere);
            }
        }
    }

    #[tokio::test]
    async fn all_that_was_known_is_known_after_a_restart_however_much() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.redb");
        let before = Plain::empty();
        announce(&before, 3_000, 5);
        let health = Arc::new(Health::default());
        let (_interval, seen) = watch::channel(Duration::from_secs(3600));
        let saving = Saving::start(
            Database::open(&path).unwrap().0,
            before.clone(),
            health.clone(),
            seen,
            &Vital::default(),
        );
        saving.stop().await;
        assert_eq!(health.saves().last, Tally { contents: 3_000, members: before.entries() as u64, bad: 0 });
        let after = Plain::empty();
        let tally = restore(&mut Database::open(&path).unwrap().0, &after).unwrap();
        assert_eq!((tally.members, after.entries()), (before.entries() as u64, before.entries()));
    }

    #[tokio::test]
    async fn it_is_written_while_it_runs_and_only_when_something_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.redb");
        let known = Plain::empty();
        announce(&known, 1, 5);
        let health = Arc::new(Health::default());
        let (interval, seen) = watch::channel(Duration::from_millis(1));
        let saving = Saving::start(
            Database::open(&path).unwrap().0,
            known.clone(),
            health.clone(),
            seen,
            &Vital::default(),
        );
        let wait_for = async |done: u64| {
            while health.saves().done < done {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait_for(1)).await.unwrap();
        announce(&known, 2, 5);
        tokio::time::timeout(Duration::from_secs(60), wait_for(2)).await.unwrap();
        interval.send_replace(Duration::from_secs(3600));
        saving.stop().await;
        assert_eq!(health.saves().done, 2, "nothing was new at the end");
        assert_eq!(health.saves().last.contents, 2);
    }
}
