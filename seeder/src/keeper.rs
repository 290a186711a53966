//! The task that keeps a seeder in step with its root: it scans the root, serves new contents,
//! drops contents that are gone, and publishes entries that have no `.torrent`.

mod glance;
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
use nearcast_node::{Node, Share, address::Address};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use self::glance::Seen;
pub(crate) use self::publishing::Publishing;
use crate::{
    catalogue::{Catalogue, Change, Refusal},
    folders::Folders,
    health::Health,
    ingest::{
        Due,
        hashing::{Hashed, Hashing},
    },
    pace::Pace,
    root::{Root, RootError},
};

/// `.torrent` files without data that the log names; further ones are only counted.
const WITHOUT_DATA_NAMED_MAX: usize = 5;

/// A content that this seeder published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The content id.
    pub content: ContentId,
    /// The content's name.
    pub name: String,
    /// The link to share.
    pub link: Magnet,
}

/// Orders to the keeper while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    /// Time between two looks, if they take little of it. See [`Pace`].
    pub(crate) rescan: Duration,
    /// Addresses in links. Empty: the addresses listened on.
    pub(crate) link_addresses: Vec<Address>,
    /// Increased to request a look at once.
    pub(crate) looks_wanted: u64,
    /// Stop the keeper.
    pub(crate) stop: bool,
}

/// The state of the keeper task.
pub(crate) struct Keeper {
    pub(crate) node: Node,
    pub(crate) root: Root,
    /// The folders below the root, of which the system tells that they change.
    pub(crate) folders: Folders,
    pub(crate) catalogue: Catalogue,
    /// `None`: nothing is published.
    pub(crate) publishing: Option<Publishing>,
    pub(crate) health: Arc<Health>,
    pub(crate) orders: watch::Receiver<Orders>,
    pub(crate) news: mpsc::Sender<Published>,
    /// The value of `looks_wanted` that the last look has covered.
    pub(crate) looks_done: u64,
}

/// The findings of a look.
type Looked = Result<(Vec<Change>, Vec<Due>), RootError>;

/// What the keeper does next.
enum Woken {
    Look,
    Glance,
    Hashed(Hashed),
    Stop,
}

impl Keeper {
    /// Takes the first look, before the seeder is reported as ready.
    ///
    /// # Errors
    /// If the root cannot be read.
    pub(crate) async fn begin(self) -> io::Result<Keeper> {
        let (mut keeper, looked) = self.look().await;
        keeper.take(looked?).await;
        keeper.health.scanned.store(true, Relaxed);
        tracing::info!("contents served: {}", keeper.catalogue.len());
        keeper.say_what_to_do();
        Ok(keeper)
    }

    /// Warns about a root without any `.torrent`: usually somebody put files there and waits for
    /// them to be served.
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

    /// Runs until told to stop. Unfinished hashing is then given up, and starts over at the next
    /// start.
    pub(crate) async fn run(mut self) {
        let mut hashing: Option<Hashing> = None;
        let mut pace = Pace::after_first_look(Instant::now());
        loop {
            if let Some(publishing) = &mut self.publishing {
                if hashing.is_none() {
                    hashing = publishing.next(&self.root, &self.health);
                }
                let running = hashing.as_ref().map_or(0, Hashing::items);
                self.health.hashing.store((publishing.waiting() + running) as u64, Relaxed);
            }
            match self.woken(&mut hashing, &pace).await {
                Woken::Stop => return,
                Woken::Hashed(hashed) => {
                    hashing = None;
                    self = self.on_hashed(hashed).await;
                    continue;
                }
                Woken::Glance => {
                    let began = Instant::now();
                    let (keeper, seen) = self.glance().await;
                    self = keeper;
                    pace.on_glance(began, Instant::now());
                    if let Seen::Settled(due) = seen {
                        self.take((Vec::new(), due)).await;
                        continue;
                    }
                }
                Woken::Look => {}
            }
            let began = Instant::now();
            let (keeper, looked) = self.look().await;
            self = keeper;
            let in_vain = looked.as_ref().is_ok_and(|(changes, due)| changes.is_empty() && due.is_empty());
            pace.on_look(began, Instant::now(), in_vain);
            self.on_looked(looked).await;
        }
    }

    async fn woken(&mut self, hashing: &mut Option<Hashing>, pace: &Pace) -> Woken {
        let Keeper { orders, folders, publishing, .. } = self;
        let settling = publishing.as_ref().is_some_and(Publishing::is_settling);
        let rescan = orders.borrow_and_update().rescan;
        let told = async {
            sleep_until(pace.told_look_at(rescan)).await;
            folders.changed().await;
        };
        tokio::select! {
            changed = orders.changed() => match changed {
                Ok(()) if !orders.borrow().stop => Woken::Look,
                _ => Woken::Stop,
            },
            hashed = async {
                match hashing {
                    Some(hashing) => hashing.hashed().await,
                    None => std::future::pending().await,
                }
            } => Woken::Hashed(hashed),
            () = sleep_until(pace.look_at(rescan)) => Woken::Look,
            () = told => Woken::Look,
            () = sleep_until(pace.glance_at(rescan, settling)) => Woken::Glance,
        }
    }

    /// Takes one look on a blocking thread, and moves the keeper there and back.
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
            // The operator who requests a look has seen that the root is another folder. An empty
            // folder is what remains when a disk is gone.
            catalogue.is_empty() || catalogue.is_known_in(folder) || is_asked_for && !is_empty(folder)
        })?;
        let unreadable = |source| RootError::Unreadable { path: root.path().to_owned(), source };
        let folders = &mut self.folders;
        folders.begin_look();
        let scanned = self.catalogue.scan(&root, &mut |path, folder| folders.note(path, folder));
        folders.end_look();
        let changes = scanned.map_err(unreadable)?;
        let due = match &mut self.publishing {
            Some(publishing) => publishing.look(&root, &self.catalogue.covered()).map_err(unreadable)?,
            None => Vec::new(),
        };
        Ok((changes, due))
    }

    /// Handles the findings of a look.
    async fn on_looked(&mut self, looked: Looked) {
        let vanished = self.catalogue.vanished();
        let is_gone = looked.is_err() || vanished > 0;
        let was_gone = self.health.root_gone.swap(is_gone, Relaxed);
        match &looked {
            // An unmounted root must neither unpublish everything nor fill the log.
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

    /// Applies a change. `told`: whether to log it here, or whether another line covers it.
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

/// Where a change is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// In a line of its own.
    Here,
    /// In a line about something that includes the change, now or soon.
    Otherwise,
}

/// How the changes of one look belong together. A file that was replaced or removed causes several
/// changes, which the log tells in one line.
#[derive(Debug, Default)]
struct Stories {
    /// `.torrent` files whose contents were served until now.
    stopped: BTreeSet<PathBuf>,
    /// `.torrent` files whose data is all gone.
    gone: BTreeSet<PathBuf>,
    /// `.torrent` files whose data lies directly in the root and has changed.
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

    /// Where a change is logged. If this seeder publishes, changed data is logged when it is
    /// published again.
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

    /// Logs contents whose data was removed. The `.torrent` stays: its data may be on a disk that
    /// comes back, and nobody else may have the `.torrent`.
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
