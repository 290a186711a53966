//! The task that keeps a seeder serving what its root holds: it looks, serves what is new, drops what is gone,
//! and has published what has no `.torrent`.

mod publishing;

use std::{
    io,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use nearcast_core::{id::ContentId, magnet::Magnet, paths::printable};
use nearcast_node::publish::Folder;
use nearcast_node::{
    address::Address,
    handle::{Node, Share},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

pub(crate) use self::publishing::Publishing;
use crate::{
    catalogue::{Catalogue, Change},
    health::Health,
    ingest::{
        Due, QUIET,
        hashing::{Hashed, Hashing},
    },
    root::{Root, RootError},
    watch::Watch,
};

/// Between two looks, however much is told of changes.
const LOOK_INTERVAL_MIN: Duration = Duration::from_millis(500);
/// As many times as long as a look takes, the next one waits at least: in a root of a hundred thousand files that is
/// being written to all the time, looks take a fifth of a core.
const LOOK_SHARE: u32 = 4;

/// A content that was published by the seeder itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its id.
    pub content: ContentId,
    /// Its name.
    pub name: String,
    /// The link.
    pub link: Magnet,
}

/// What the keeper is told while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    /// How often to look.
    pub(crate) rescan: Duration,
    /// Addresses in links; empty = those listened on.
    pub(crate) link_addresses: Vec<Address>,
    /// Grows when a look is wanted at once.
    pub(crate) looks_wanted: u64,
    /// The end.
    pub(crate) stop: bool,
}

/// The task's state.
pub(crate) struct Keeper {
    pub(crate) node: Node,
    pub(crate) root: Root,
    pub(crate) catalogue: Catalogue,
    /// None: nothing is published.
    pub(crate) publishing: Option<Publishing>,
    pub(crate) health: Arc<Health>,
    pub(crate) orders: watch::Receiver<Orders>,
    pub(crate) news: mpsc::Sender<Published>,
    /// What was asked for until the last look.
    pub(crate) looks_done: u64,
}

/// What a look found.
type Looked = Result<(Vec<Change>, Vec<Due>), RootError>;

enum Woken {
    Look,
    Hashed(Hashed),
    Stop,
}

impl Keeper {
    /// The first look, before anybody is told that the seeder is ready.
    ///
    /// # Errors
    /// When the root cannot be read.
    pub(crate) async fn begin(self) -> io::Result<Keeper> {
        let (mut keeper, looked) = self.look().await;
        keeper.take(looked?).await;
        keeper.health.scanned.store(true, Relaxed);
        tracing::info!("contents served: {}", keeper.catalogue.len());
        Ok(keeper)
    }

    /// Until told to stop. What is being hashed is given up then, and hashed anew at the next start.
    pub(crate) async fn run(mut self) {
        let mut watch = self.watch();
        let mut hashing: Option<Hashing> = None;
        let (mut looked_at, mut next_look) = (Instant::now(), Instant::now() + LOOK_INTERVAL_MIN);
        loop {
            if let Some(publishing) = &mut self.publishing {
                if hashing.is_none() {
                    hashing = publishing.next(&self.root, &self.health);
                }
                let running = hashing.as_ref().map_or(0, Hashing::items);
                self.health.hashing.store((publishing.waiting() + running) as u64, Relaxed);
            }
            match self.woken(&mut hashing, watch.as_ref(), looked_at, next_look).await {
                Woken::Stop => return,
                Woken::Hashed(hashed) => {
                    hashing = None;
                    self = self.on_hashed(hashed).await;
                    continue;
                }
                Woken::Look => {}
            }
            let began = Instant::now();
            let (keeper, looked) = self.look().await;
            self = keeper;
            looked_at = Instant::now();
            next_look = looked_at + LOOK_INTERVAL_MIN.max((looked_at - began) * LOOK_SHARE);
            if self.on_looked(looked).await {
                // Another folder or mount is not watched yet.
                watch = self.watch();
            }
        }
    }

    fn watch(&self) -> Option<Watch> {
        let told = |error| {
            tracing::info!("the system does not tell of changes ({error}); they are found by looking");
        };
        Watch::on(self.root.path()).map_err(told).ok()
    }

    async fn woken(
        &mut self,
        hashing: &mut Option<Hashing>,
        watch: Option<&Watch>,
        looked_at: Instant,
        next_look: Instant,
    ) -> Woken {
        let settling = self.publishing.as_ref().is_some_and(Publishing::is_settling);
        let rescan = self.orders.borrow_and_update().rescan;
        let wait = if settling { rescan.min(QUIET) } else { rescan };
        let told = async {
            sleep_until(next_look).await;
            match watch {
                Some(watch) if watch.changed().await.is_ok() => {}
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.orders.changed() => match changed {
                Ok(()) if !self.orders.borrow().stop => Woken::Look,
                _ => Woken::Stop,
            },
            hashed = async {
                match hashing {
                    Some(hashing) => hashing.hashed().await,
                    None => std::future::pending().await,
                }
            } => Woken::Hashed(hashed),
            () = sleep_until((looked_at + wait).max(next_look)) => Woken::Look,
            () = told => Woken::Look,
        }
    }

    /// One look on a blocking thread; the keeper travels there and back.
    async fn look(mut self) -> (Keeper, Looked) {
        let looked = tokio::task::spawn_blocking(move || {
            let looked = self.look_now();
            (self, looked)
        });
        looked.await.expect("a look neither panics nor is cancelled")
    }

    fn look_now(&mut self) -> Looked {
        let asked_for = self.orders.borrow().looks_wanted;
        let is_asked_for = asked_for != self.looks_done;
        self.looks_done = asked_for;
        let catalogue = &self.catalogue;
        let root = self.root.open_or_accept(|folder| {
            // The operator who has the root looked at has seen that it is another one; an empty one is what is left
            // when a disk is gone.
            catalogue.is_empty() || catalogue.is_known_in(folder) || is_asked_for && !is_empty(folder)
        })?;
        let unreadable = |source| RootError::Unreadable { path: root.path().to_owned(), source };
        let changes = self.catalogue.scan(&root).map_err(unreadable)?;
        let due = match &mut self.publishing {
            Some(publishing) => publishing.look(&root, &self.catalogue.covered()).map_err(unreadable)?,
            None => Vec::new(),
        };
        Ok((changes, due))
    }

    /// Whether everything is there that was not there before.
    async fn on_looked(&mut self, looked: Looked) -> bool {
        let vanished = self.catalogue.vanished();
        let is_gone = looked.is_err() || vanished > 0;
        let was_gone = self.health.root_gone.swap(is_gone, Relaxed);
        match &looked {
            // An unmounted root must not unpublish everything, nor fill the log.
            Err(error) if !was_gone => tracing::warn!(
                "{}; its {} contents are kept, and we are not ready until it is back. To have another folder taken \
                 as it is, send SIGHUP; an empty one, restart",
                printable(&error.to_string()),
                self.catalogue.len()
            ),
            Ok(_) if is_gone && !was_gone => tracing::warn!(
                "a file system below the root is gone; {vanished} contents on it are kept, and we are not ready until \
                 it is back or we are restarted"
            ),
            Ok(_) if was_gone && !is_gone => tracing::info!("the root is back"),
            _ => {}
        }
        if let Ok(found) = looked {
            self.take(found).await;
        }
        was_gone && !is_gone
    }

    async fn take(&mut self, (changes, due): (Vec<Change>, Vec<Due>)) {
        for change in changes {
            self.apply(change).await;
        }
        if let Some(publishing) = &mut self.publishing {
            publishing.take(due);
        }
        self.count();
    }

    fn count(&self) {
        self.health.refused_contents.store(self.catalogue.refused() as u64, Relaxed);
        if let Some(publishing) = &self.publishing {
            publishing.count(&self.health);
        }
    }

    async fn apply(&mut self, change: Change) {
        match change {
            Change::Serve { torrent, manifest, root } => {
                let (name, content) = (printable(manifest.name()), manifest.content());
                match self.node.share(Share { manifest, root }).await {
                    Ok(_) => tracing::info!("serving {name} {content}"),
                    Err(error) => {
                        let reason = printable(&error.to_string());
                        if self.catalogue.on_refused(&torrent, &reason) {
                            say_refused(&torrent, &reason);
                        }
                    }
                }
            }
            Change::Stop { torrent, content } => {
                self.node.unshare(content).await;
                let torrent = printable(&torrent.to_string_lossy());
                tracing::info!("no longer serving {torrent} {content}");
            }
            Change::Refuse { torrent, reason } => say_refused(&torrent, &reason),
        }
    }
}

fn is_empty(folder: &Folder) -> bool {
    folder.entries().is_ok_and(|mut entries| entries.next().is_none())
}

fn say_refused(torrent: &Path, reason: &str) {
    tracing::warn!("not serving {}: {reason}", printable(&torrent.to_string_lossy()));
}
