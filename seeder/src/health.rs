//! The state of a seeder, for probes, metrics and the service manager. The tasks that do the work
//! write it; anybody reads it.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use nearcast_node::{
    durations::Durations,
    handle::{Node, Totals},
};
use nearcast_service::{
    admin::{Condition, Overview, Vitals},
    reloaded::Reloaded,
    run,
    status::{AtlasStatus, CONTENTS_LISTED_MAX, Contents, Disks, Status, Timing},
};
use tokio::time::timeout;

use crate::metrics;

/// The node's loop runs ten times a second. If it is this late, it hangs.
const PULSE_AGE_MAX: Duration = Duration::from_secs(10);

/// A loop that does not answer in this time hangs, and the status goes on without it.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// The state of one seeder.
#[derive(Default)]
pub struct Health {
    node: OnceLock<Node>,
    /// The first scan is done, and its contents are served.
    pub(crate) scanned: AtomicBool,
    /// Shutdown has begun.
    pub(crate) draining: AtomicBool,
    /// The last scan found that the root, or a file system below it, is gone.
    pub(crate) root_gone: AtomicBool,
    /// `.torrent` files that are not served.
    pub(crate) refused_contents: AtomicU64,
    /// Contents that this seeder published.
    pub(crate) published: AtomicU64,
    /// Entries that could not be published at the last attempt. While publishing is blocked, all
    /// waiting entries count.
    pub(crate) publish_failures: AtomicU64,
    /// Entries that the last look did not publish because they are hidden, private and so on.
    pub(crate) left_out: AtomicU64,
    /// Bytes hashed for publishing.
    pub(crate) hashed_bytes: AtomicU64,
    /// Contents that wait to be hashed or are being hashed.
    pub(crate) hashing: AtomicU64,
    /// The version of the atlas in use; 0: none.
    pub(crate) atlas_version: AtomicU64,
    /// The results of reloads.
    pub(crate) reloaded: Reloaded,
}

impl Health {
    /// Notes that the node listens.
    pub(crate) fn set_node(&self, node: Node) {
        // Each health has one node. A second one would be a harmless mistake.
        let _ = self.node.set(node);
    }

    /// The node's counters. `None`: it does not listen yet.
    pub fn totals(&self) -> Option<Totals> {
        Some(self.node.get()?.totals().borrow().clone())
    }
}

impl Health {
    /// Durations of disk reads, and of peers' waits to be served. Empty before the node listens.
    pub(crate) fn durations(&self) -> (Durations, Durations) {
        self.node.get().map(|node| (node.disk_reads(), node.slot_waits())).unwrap_or_default()
    }

    async fn look(&self) -> Status {
        let status = Status::of("nearcast-seeder", env!("CARGO_PKG_VERSION"), self, &self.reloaded);
        let atlas = AtlasStatus::of(self.atlas_version.load(Relaxed));
        let Some(node) = self.node.get() else { return Status { atlas, ..status } };
        let givings = timeout(LOOK_MAX, node.givings(CONTENTS_LISTED_MAX)).await.ok().flatten();
        let totals = self.totals().unwrap_or_default();
        let contents = Contents {
            served: totals.contents.into(),
            refused: self.refused_contents.load(Relaxed),
            published: self.published.load(Relaxed),
            hashing: self.hashing.load(Relaxed),
            publish_failures: self.publish_failures.load(Relaxed),
            left_out: self.left_out.load(Relaxed),
            ..Contents::of(&givings.unwrap_or_default(), totals.asn.is_some())
        };
        let disks = Disks {
            root_present: !self.root_gone.load(Relaxed),
            errors: totals.disk_errors,
            rotten_runs: totals.rotten_runs,
            reads: Timing::of(&node.disk_reads()),
        };
        Status { atlas, contents: Some(contents), disks: Some(disks), ..status.with_node(node) }
    }
}

impl Vitals for Health {
    fn live(&self) -> Vec<Condition> {
        let hangs = self.node.get().is_some_and(|node| node.pulse_age() > PULSE_AGE_MAX);
        vec![Condition { name: "loop", holds: !hangs }]
    }

    fn ready(&self) -> Vec<Condition> {
        let mut conditions = self.live();
        conditions.extend([
            Condition { name: "listening", holds: self.node.get().is_some() },
            Condition { name: "catalogue", holds: self.scanned.load(Relaxed) },
            Condition { name: "root", holds: !self.root_gone.load(Relaxed) },
            Condition { name: "not-draining", holds: !self.draining.load(Relaxed) },
        ]);
        conditions
    }

    fn metrics(&self) -> Result<String, fmt::Error> {
        metrics::text(self)
    }

    fn overview(&self) -> Overview<'_> {
        Box::pin(self.look())
    }
}

impl run::Health for Health {
    fn status(&self) -> String {
        let Some(totals) = self.totals() else { return "starting".to_owned() };
        if self.draining.load(Relaxed) {
            return format!("finishing what is being sent to {} clients", totals.unchoked);
        }
        format!("{} contents, {} connections, {} links", totals.contents, totals.connections, totals.links)
    }

    fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    fn reloaded(&self) -> &Reloaded {
        &self.reloaded
    }
}

#[cfg(test)]
mod tests {
    use nearcast_service::run::Health as _;

    use super::*;

    fn missing(health: &Health) -> Vec<&'static str> {
        health.ready().iter().filter(|condition| !condition.holds).map(|condition| condition.name).collect()
    }

    #[tokio::test]
    async fn ready_means_listening_scanned_and_not_draining() {
        let health = Health::default();
        assert_eq!(missing(&health), ["listening", "catalogue"]);
        assert!(health.live()[0].holds, "a seeder that is starting is alive");
        let config = crate::config::SeederConfig {
            listen: vec!["/ip4/127.77.0.1/tcp/0".parse().unwrap()],
            ..Default::default()
        };
        let node = Node::start(config.node()).await.unwrap();
        health.set_node(node.clone());
        health.scanned.store(true, Relaxed);
        assert_eq!(missing(&health), Vec::<&str>::new());
        assert_eq!(health.status(), "0 contents, 0 connections, 0 links");
        health.root_gone.store(true, Relaxed);
        health.drain();
        assert_eq!(missing(&health), ["root", "not-draining"]);
        node.shutdown(Duration::ZERO).await;
    }
}
