//! The state of a seeder, for probes, metrics and the service manager. The tasks that do the work
//! write it; anybody reads it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use nearcast_node::{Node, Totals, durations::Durations};
use nearcast_service::{
    conditions::{Condition, Probes},
    reloaded::Reloaded,
};

/// The node's loop runs ten times a second. If it is this late, it hangs.
const PULSE_AGE_MAX: Duration = Duration::from_secs(10);

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

    /// The node. `None`: it does not listen yet.
    pub(crate) fn node(&self) -> Option<&Node> {
        self.node.get()
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
}

impl Probes for Health {
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
