//! The task that keeps a seeder serving what its root holds: it looks, serves what is new, drops what is gone,
//! and has published what has no `.torrent`.

use std::{
    collections::VecDeque,
    io,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use nearcast_core::{id::ContentId, magnet::Magnet, manifest::Manifest, paths::printable};
use nearcast_node::{
    address::Address,
    handle::{Node, Share},
};
use nearcast_service::links::link_addresses;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use crate::{
    catalogue::{Catalogue, Change},
    health::Health,
    ingest::{
        Due, Ingest, QUIET,
        hashing::{Hashing, Outcome},
    },
    watch::Watch,
};

/// Between two looks, however much is told of changes.
const LOOK_INTERVAL_MIN: Duration = Duration::from_millis(500);

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
    pub(crate) catalogue: Catalogue,
    /// None: nothing is published.
    pub(crate) ingest: Option<Ingest>,
    pub(crate) health: Arc<Health>,
    pub(crate) orders: watch::Receiver<Orders>,
    pub(crate) news: mpsc::Sender<Published>,
    pub(crate) due: VecDeque<Due>,
    /// Published, and not yet served: nobody is told of it before. True = not for the first time.
    pub(crate) untold: Vec<(Arc<Manifest>, bool)>,
}

/// What a look found.
type Looked = io::Result<(Vec<Change>, Vec<Due>)>;

enum Woken {
    Look,
    Hashed(Outcome),
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
        let watch = match Watch::on(self.catalogue.root()) {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::info!("the system does not tell of changes ({error}); they are found by looking");
                None
            }
        };
        let mut hashing: Option<(Due, Hashing)> = None;
        let mut looked_at = Instant::now();
        loop {
            if hashing.is_none() {
                hashing =
                    self.due.pop_front().map(|due| (due.clone(), Hashing::start(due, self.health.clone())));
            }
            self.health.hashing.store((self.due.len() + usize::from(hashing.is_some())) as u64, Relaxed);
            match self.woken(&mut hashing, watch.as_ref(), looked_at).await {
                Woken::Stop => return,
                Woken::Hashed(outcome) => {
                    if let Some((due, _)) = hashing.take() {
                        self.on_hashed(&due, outcome);
                    }
                }
                Woken::Look => {}
            }
            let (keeper, looked) = self.look().await;
            self = keeper;
            looked_at = Instant::now();
            self.on_looked(looked).await;
            for (manifest, again) in std::mem::take(&mut self.untold) {
                self.tell(&manifest, again);
            }
        }
    }

    async fn woken(
        &mut self,
        hashing: &mut Option<(Due, Hashing)>,
        watch: Option<&Watch>,
        looked_at: Instant,
    ) -> Woken {
        let settling =
            self.ingest.as_ref().is_some_and(|ingest| ingest.is_settling(std::time::Instant::now()));
        let rescan = self.orders.borrow_and_update().rescan;
        let wait = if settling { rescan.min(QUIET) } else { rescan };
        let told = async {
            sleep_until(looked_at + LOOK_INTERVAL_MIN).await;
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
            outcome = async {
                match hashing {
                    Some((_, hashing)) => hashing.outcome().await,
                    None => std::future::pending().await,
                }
            } => Woken::Hashed(outcome),
            () = sleep_until(looked_at + wait) => Woken::Look,
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
        let changes = self.catalogue.scan()?;
        let due = match &mut self.ingest {
            Some(ingest) => ingest.look(std::time::Instant::now(), &self.catalogue.covered())?,
            None => Vec::new(),
        };
        Ok((changes, due))
    }

    async fn on_looked(&mut self, looked: Looked) {
        let was_unreadable = self.health.root_unreadable.swap(looked.is_err(), Relaxed);
        match looked {
            Ok(found) => self.take(found).await,
            // An unmounted root must not unpublish everything, nor fill the log.
            Err(error) if !was_unreadable => {
                tracing::warn!("the root cannot be read, going on with what was found before: {error}");
            }
            Err(_) => {}
        }
    }

    async fn take(&mut self, (changes, due): (Vec<Change>, Vec<Due>)) {
        self.due.extend(due);
        for change in changes {
            self.apply(change).await;
        }
        self.health.refused_contents.store(self.catalogue.refused() as u64, Relaxed);
        let failures = self.ingest.as_ref().map_or(0, Ingest::failures);
        self.health.publish_failures.store(failures as u64, Relaxed);
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

    fn on_hashed(&mut self, due: &Due, outcome: Outcome) {
        let Some(ingest) = &mut self.ingest else { return };
        let name = printable(&due.path.file_name().unwrap_or_default().to_string_lossy());
        let now = std::time::Instant::now();
        match outcome {
            Outcome::Published(manifest) => {
                ingest.on_published(due);
                self.health.published.fetch_add(1, Relaxed);
                self.untold.push((manifest, due.again));
            }
            Outcome::Changed => {
                tracing::info!("{name} changed while it was read; it is published when it is quiet");
                ingest.on_changed(due, now);
            }
            Outcome::Failed(reason) => {
                tracing::warn!("cannot publish {name}: {reason}");
                ingest.on_failed(due, now);
            }
            Outcome::Cancelled => ingest.on_changed(due, now),
        }
    }

    fn tell(&self, manifest: &Manifest, again: bool) {
        let link = Magnet {
            name: Some(manifest.name().to_owned()),
            web_seeds: manifest.web_seeds().to_vec(),
            addresses: self.link_addresses(),
            ..Magnet::new(manifest.content())
        };
        let (name, bytes) = (printable(manifest.name()), manifest.layout().bytes());
        let how = if again { "published anew, as it has changed" } else { "published" };
        tracing::info!("{how}: {name}, {bytes} bytes: {link}");
        let published = Published { content: manifest.content(), name: manifest.name().to_owned(), link };
        // Who does not listen reads the log.
        let _ = self.news.try_send(published);
    }

    /// Addresses that were asked for, else those listened on.
    fn link_addresses(&self) -> Vec<String> {
        let named = self.orders.borrow().link_addresses.clone();
        link_addresses(if named.is_empty() { self.node.addresses() } else { named })
    }
}

fn say_refused(torrent: &Path, reason: &str) {
    tracing::warn!("not serving {}: {reason}", printable(&torrent.to_string_lossy()));
}
