//! The task that keeps a seeder serving what its root holds: it looks, serves what is new, drops what is gone,
//! and has published what has no `.torrent`.

mod publishing;

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
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
    catalogue::{Catalogue, Change, Refusal},
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

/// `.torrent` files without data that are named; more are counted.
const WITHOUT_DATA_NAMED_MAX: usize = 5;

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
        keeper.say_what_to_do();
        Ok(keeper)
    }

    /// A root without any `.torrent` is mostly one that somebody put files into, and waits for them to be served.
    fn say_what_to_do(&self) {
        if self.publishing.is_some() || !self.catalogue.is_empty() || self.catalogue.refused() > 0 {
            return;
        }
        let root = printable(&self.root.path().to_string_lossy());
        tracing::warn!(
            "there is no .torrent in {root}, so there is nothing to serve. Make one beside a file or folder there, with \
             nearcast publish {root}/FILE -o {root}/FILE.torrent, or start with --publish, which makes them by itself"
        );
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
        let stories = Stories::of(&changes);
        stories.tell_of_data_gone();
        for change in changes {
            let told = stories.how(&change, self.publishing.is_some());
            self.apply(change, told).await;
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

    /// Does what a change asks for; what somebody hears of it otherwise is not said twice.
    async fn apply(&mut self, change: Change, told: Told) {
        match change {
            Change::Serve { torrent, manifest, root, changed } => {
                let (name, content) = (printable(manifest.name()), manifest.content());
                match (self.node.share(Share { manifest, root }).await, told) {
                    (Ok(_), Told::Otherwise) => tracing::debug!("serving {name} {content}"),
                    (Ok(_), Told::Here) => {
                        if changed {
                            tracing::warn!(
                                "{name} has changed since its .torrent was made; what no longer fits is not sent"
                            );
                        }
                        tracing::info!("serving {name} {content}");
                    }
                    (Err(error), _) => {
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
                match told {
                    Told::Here => tracing::info!("no longer serving {torrent} {content}"),
                    Told::Otherwise => tracing::debug!("no longer serving {torrent} {content}"),
                }
            }
            Change::Refuse { torrent, reason, .. } => match told {
                Told::Here => say_refused(&torrent, &reason),
                Told::Otherwise => tracing::debug!("not serving {}: {reason}", torrent.display()),
            },
        }
    }
}

/// Where somebody hears of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// In a line of its own.
    Here,
    /// In a line about something that includes it, now or soon.
    Otherwise,
}

/// What the changes of one look have to do with each other: a file that was replaced, or removed, is one story, and
/// told in one line.
#[derive(Debug, Default)]
struct Stories {
    /// They were served until now.
    stopped: BTreeSet<PathBuf>,
    /// None of their data is there any more.
    gone: BTreeSet<PathBuf>,
    /// Their data lies directly in the root, and is another now.
    changed: BTreeSet<PathBuf>,
}

impl Stories {
    fn of(changes: &[Change]) -> Stories {
        let mut stories = Stories::default();
        for change in changes {
            let (set, torrent) = match change {
                Change::Stop { torrent, .. } => (&mut stories.stopped, torrent),
                Change::Refuse { torrent, kind: Refusal::Gone, .. } => (&mut stories.gone, torrent),
                Change::Refuse { torrent, kind: Refusal::Changed, .. } => (&mut stories.changed, torrent),
                Change::Serve { torrent, changed: true, .. } => (&mut stories.changed, torrent),
                Change::Serve { .. } | Change::Refuse { .. } => continue,
            };
            set.insert(torrent.clone());
        }
        stories
    }

    /// How a change is told. While things are published here, what is changed is told when it is published anew.
    fn how(&self, change: &Change, publishes: bool) -> Told {
        match change {
            Change::Refuse { kind: Refusal::Gone, .. } => Told::Otherwise,
            Change::Refuse { kind: Refusal::Changed, .. } if publishes => Told::Otherwise,
            Change::Stop { torrent, .. } if publishes && self.changed.contains(torrent) => Told::Otherwise,
            Change::Stop { torrent, .. } if self.gone.contains(torrent) => Told::Otherwise,
            Change::Serve { changed: true, torrent, .. } if publishes && self.stopped.contains(torrent) => {
                Told::Otherwise
            }
            _ => Told::Here,
        }
    }

    /// A `.torrent` whose data was removed stays: it may be that of a disk that comes back, and nobody else may have it.
    fn tell_of_data_gone(&self) {
        for torrent in self.gone.intersection(&self.stopped) {
            let torrent = printable(&torrent.to_string_lossy());
            tracing::info!("no longer serving {torrent}: its data was removed; the .torrent stays");
        }
        let others: Vec<&PathBuf> = self.gone.difference(&self.stopped).collect();
        if others.is_empty() {
            return;
        }
        let named = others.iter().take(WITHOUT_DATA_NAMED_MAX).map(|path| printable(&path.to_string_lossy()));
        let named = named.collect::<Vec<_>>().join(", ");
        let more = match others.len().saturating_sub(WITHOUT_DATA_NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        tracing::info!(
            "not serving {named}{more}: the data is not there; put it beside its .torrent, or remove the .torrent"
        );
    }
}

fn is_empty(folder: &Folder) -> bool {
    folder.entries().is_ok_and(|mut entries| entries.next().is_none())
}

fn say_refused(torrent: &Path, reason: &str) {
    tracing::warn!("not serving {}: {reason}", printable(&torrent.to_string_lossy()));
}

#[cfg(test)]
mod tests {
    use nearcast_core::id::ContentId;

    use super::*;

    fn stop(name: &str) -> Change {
        Change::Stop { torrent: name.into(), content: ContentId([7; 32]) }
    }

    fn refuse(name: &str, kind: Refusal) -> Change {
        Change::Refuse { torrent: name.into(), reason: "x".to_owned(), kind }
    }

    #[test]
    fn a_file_that_is_replaced_is_told_when_it_is_published_anew_and_not_before() {
        let changes = [stop("film"), refuse("film", Refusal::Changed)];
        let stories = Stories::of(&changes);
        let told = |publishes| changes.each_ref().map(|change| stories.how(change, publishes));
        assert_eq!(told(true), [Told::Otherwise, Told::Otherwise]);
        assert_eq!(told(false), [Told::Here, Told::Here], "nobody else will tell");
    }

    #[test]
    fn a_file_that_is_removed_is_told_once_and_what_is_wrong_always() {
        let changes =
            [stop("film"), refuse("film", Refusal::Gone), stop("other"), refuse("odd", Refusal::Wrong)];
        let stories = Stories::of(&changes);
        let told = changes.each_ref().map(|change| stories.how(change, true));
        assert_eq!(told, [Told::Otherwise, Told::Otherwise, Told::Here, Told::Here]);
        assert!(stories.gone.contains(Path::new("film")) && stories.stopped.contains(Path::new("film")));
    }
}
