//! The publishing part of a keeper: the queue for hashing, the outcomes, and their log lines.

use std::{
    collections::VecDeque,
    io,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use nearcast_core::{magnet::Magnet, paths::printable};
use nearcast_node::{
    key::SecretKey,
    publish::{Folder, Include, LeftOut, Reason},
};
use nearcast_service::links::link_addresses;

use super::{Keeper, Published, Told};
use crate::{
    health::Health,
    ingest::{
        Due, Ingest,
        hashing::{Batch, Hashed, Hashing, New, Outcome, Terms},
    },
    root::Root,
};

/// Pause before publishing to a full or read-only root is tried again. A try costs one small file,
/// and no hashing.
const BLOCKED_RETRY: Duration = Duration::from_secs(60);
/// Time between two searches for leftovers of a killed process.
const LEFTOVERS_INTERVAL: Duration = Duration::from_secs(3600);

/// What to publish, and when.
#[derive(Debug)]
pub(crate) struct Publishing {
    ingest: Ingest,
    terms: Terms,
    due: VecDeque<Due>,
    /// Until when publishing is blocked, and the reported reason.
    blocked: Option<(Instant, String)>,
    /// The last line logged about entries left out in the root.
    said_left_out: String,
    said_truncated: bool,
    leftovers_removed: Option<Instant>,
}

impl Publishing {
    /// Starts without knowledge of any entry. `hidden`: also publish hidden entries. `key`: sign
    /// everything with it.
    pub(crate) fn new(hidden: bool, key: Option<Arc<SecretKey>>) -> Publishing {
        let include = Include { hidden, unfinished: false };
        Publishing {
            ingest: Ingest::new(include),
            terms: Terms { include, key },
            due: VecDeque::new(),
            blocked: None,
            said_left_out: String::new(),
            said_truncated: false,
            leftovers_removed: None,
        }
    }

    /// Whether an entry may be due soon.
    pub(super) fn is_settling(&self) -> bool {
        self.ingest.is_settling(Instant::now())
    }

    /// Entries that wait to be hashed.
    pub(super) fn waiting(&self) -> usize {
        self.due.len()
    }

    /// Looks at the root. Blocks.
    ///
    /// # Errors
    /// If the root cannot be read.
    pub(super) fn look(
        &mut self,
        root: &Folder,
        covered: &std::collections::BTreeMap<String, std::ffi::OsString>,
    ) -> io::Result<Vec<Due>> {
        let now = Instant::now();
        if self.leftovers_removed.is_none_or(|at| now.duration_since(at) >= LEFTOVERS_INTERVAL) {
            self.leftovers_removed = Some(now);
            match root.remove_leftovers(SystemTime::now()) {
                Ok(0) => {}
                Ok(removed) => tracing::info!("removed {removed} temporary files of an earlier run"),
                Err(error) => tracing::debug!("cannot look for temporary files: {error}"),
            }
        }
        self.ingest.look(root, now, covered)
    }

    /// Looks only at the entries that were not finished at the last look, in a root that still has
    /// the names it had then. `covered` is asked for only if there are any. Blocks.
    pub(super) fn look_at_settling(
        &mut self,
        root: &Folder,
        covered: impl FnOnce() -> std::collections::BTreeMap<String, std::ffi::OsString>,
    ) -> Vec<Due> {
        match self.ingest.has_settling() {
            true => self.ingest.look_at_settling(root, Instant::now(), &covered()),
            false => Vec::new(),
        }
    }

    /// Takes the findings of a look.
    pub(super) fn take(&mut self, due: Vec<Due>) {
        self.due.extend(due);
        let left_out = self.ingest.left_out_in_root().to_string();
        if left_out != self.said_left_out && !left_out.is_empty() {
            let hint = hint(self.terms.include, self.ingest.left_out_in_root());
            tracing::info!("left out, directly in the root: {left_out}{hint}");
        }
        self.said_left_out = left_out;
        if self.ingest.is_truncated && !self.said_truncated {
            tracing::warn!("there is more in the root than can be published; the rest is ignored");
        }
        self.said_truncated = self.ingest.is_truncated;
    }

    /// Starts hashing the longest-waiting entries, unless publishing is blocked.
    pub(super) fn next(&mut self, root: &Root, health: &Arc<Health>) -> Option<Hashing> {
        if self.blocked.as_ref().is_some_and(|(until, _)| Instant::now() < *until) {
            return None;
        }
        let batch = Batch::next(&mut self.due, root, self.terms.clone())?;
        Some(Hashing::start(batch, health.clone()))
    }

    /// Updates the counters of `health`.
    pub(super) fn count(&self, health: &Health) {
        let blocked = if self.blocked.is_some() { self.due.len() } else { 0 };
        health.publish_failures.store((self.ingest.failures() + blocked) as u64, Relaxed);
        health.left_out.store(self.ingest.left_out(), Relaxed);
    }

    fn on_blocked(&mut self, reason: String, due: Vec<Due>) {
        if self.blocked.as_ref().is_none_or(|(_, said)| *said != reason) {
            tracing::warn!("cannot publish for now: {reason}; it is tried again every minute");
        }
        for due in due.into_iter().rev() {
            self.due.push_front(due);
        }
        self.blocked = Some((Instant::now() + BLOCKED_RETRY, reason));
    }

    /// Handles the outcomes of a batch. Returns the published entries.
    fn on_done(&mut self, done: Vec<(Due, Outcome)>) -> Vec<(Due, New)> {
        if self.blocked.take().is_some() {
            tracing::info!("publishing goes on");
        }
        let (now, mut published) = (Instant::now(), Vec::new());
        for (due, outcome) in done {
            let name = printable(&due.name.to_string_lossy());
            match outcome {
                Outcome::Published(new) => {
                    self.ingest.on_published(&due);
                    published.push((due, *new));
                }
                Outcome::Changed => {
                    tracing::info!("{name} changed while it was read; it is published when it is quiet");
                    self.ingest.on_changed(&due, now);
                }
                Outcome::Failed(reason) => {
                    if self.ingest.on_failed(&due, now, &reason) {
                        tracing::warn!(
                            "cannot publish {name}: {reason}; it is tried again when it changes, or after hours"
                        );
                    }
                }
                Outcome::Cancelled => self.ingest.put_back(&due, now),
            }
        }
        published
    }
}

impl Keeper {
    /// Serves what was hashed, and logs it. Only the new `.torrent` files are examined: a full look
    /// for each of thousands of files would take longer than hashing them.
    pub(super) async fn on_hashed(mut self, hashed: Hashed) -> Keeper {
        let Some(publishing) = &mut self.publishing else { return self };
        let published = match hashed {
            Hashed::Done(done) => publishing.on_done(done),
            Hashed::Blocked(reason, due) => {
                publishing.on_blocked(reason, due);
                Vec::new()
            }
        };
        let looking = tokio::task::spawn_blocking(move || {
            let root = self.root.open();
            let look = |(due, new): (Due, New)| {
                let changes = root.as_ref().map_or_else(
                    |_| Vec::new(),
                    |root| self.catalogue.take_written(root, Path::new(&due.torrent), new.manifest.clone()),
                );
                (changes, new)
            };
            let found: Vec<_> = published.into_iter().map(look).collect();
            (self, found)
        });
        let (mut keeper, found) = looking.await.expect("a look neither panics nor is cancelled");
        for (changes, new) in found {
            for change in changes {
                // The line about publishing says enough. If the content was published before,
                // nobody needs to know that it was not served for a moment.
                keeper.apply(change, Told::Otherwise).await;
            }
            keeper.tell(&new);
        }
        keeper.count();
        keeper
    }

    fn tell(&self, new: &New) {
        let manifest = &new.manifest;
        let name = printable(manifest.name());
        if new.same {
            tracing::info!("{name} was touched, but is the same; its .torrent stays, and it is served");
            return;
        }
        self.health.published.fetch_add(1, Relaxed);
        let link = Magnet {
            name: Some(manifest.name().to_owned()),
            web_seeds: manifest.web_seeds().to_vec(),
            addresses: self.link_addresses(),
            ..Magnet::new(manifest.content())
        };
        let bytes = manifest.layout().bytes();
        let how = if new.again { "published anew, as it has changed" } else { "published" };
        tracing::info!("{how}: {name}, {bytes} bytes: {link}");
        if new.left_out.total() > 0 {
            let include = self.publishing.as_ref().map(|publishing| publishing.terms.include);
            tracing::info!(
                "left out of {name}: {}{}",
                new.left_out,
                hint(include.unwrap_or_default(), &new.left_out)
            );
        }
        if !new.elsewhere.is_empty() {
            tracing::warn!("{name}: {}", new.elsewhere);
        }
        if new.secrets.total() > 0 {
            tracing::warn!("{name} holds {}, which whoever has the link can read", new.secrets);
        }
        if !new.signers_lost.is_empty() {
            let keys: Vec<String> = new.signers_lost.iter().map(ToString::to_string).collect();
            tracing::warn!(
                "{name} was signed by {} until it changed, and is not any more: whoever demands that signature refuses it. \
                 Sign it with nearcast publish --sign, or give this seeder the key with --sign",
                keys.join(", ")
            );
        }
        let published = Published { content: manifest.content(), name: manifest.name().to_owned(), link };
        // If nobody reads the news, the log still has them.
        let _ = self.news.try_send(published);
    }

    /// The configured addresses, else those listened on.
    fn link_addresses(&self) -> Vec<String> {
        let named = self.orders.borrow().link_addresses.clone();
        link_addresses(&if named.is_empty() { self.node.addresses() } else { named })
    }
}

/// A hint on how to include what was left out, if possible.
fn hint(include: Include, left_out: &LeftOut) -> &'static str {
    let can_be =
        [Reason::Hidden, Reason::Backup, Reason::Private].iter().any(|&reason| left_out.of(reason) > 0);
    match can_be && !include.hidden {
        true => " (--hidden includes what is hidden, a backup or private)",
        false => "",
    }
}
