//! How a seeder is: what probes, metrics and the service manager are told. Written by those who do the work,
//! read by anybody.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nearcast_node::handle::{Node, Totals};

/// The node's loop goes round ten times a second; who is this late hangs.
const PULSE_AGE_MAX: Duration = Duration::from_secs(10);

/// The state of one seeder.
#[derive(Default)]
pub struct Health {
    node: OnceLock<Node>,
    /// The first scan is done and its contents are served.
    pub(crate) scanned: AtomicBool,
    /// The end was asked for.
    pub(crate) draining: AtomicBool,
    /// The root could not be read at the last look.
    pub(crate) root_unreadable: AtomicBool,
    /// `.torrent` files that are not served.
    pub(crate) refused_contents: AtomicU64,
    /// Contents published by ourselves.
    pub(crate) published: AtomicU64,
    /// What could not be published, at the last try.
    pub(crate) publish_failures: AtomicU64,
    /// Bytes hashed to be published.
    pub(crate) hashed_bytes: AtomicU64,
    /// Contents that wait to be hashed or are being hashed.
    pub(crate) hashing: AtomicU64,
    reload_failed: AtomicBool,
    /// Seconds of Unix time.
    reloaded_at: AtomicI64,
}

/// One thing a probe looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What it is called.
    pub name: &'static str,
    /// Whether it holds.
    pub holds: bool,
}

impl Health {
    /// The node listens.
    pub(crate) fn set_node(&self, node: Node) {
        // There is one node for each health; a second would be a mistake without consequence.
        let _ = self.node.set(node);
    }

    /// The end was asked for: nobody new should be sent here.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// The configuration was read again, and taken or not.
    pub fn on_reload(&self, taken: bool) {
        self.reload_failed.store(!taken, Relaxed);
        if taken {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.reloaded_at.store(now.as_secs() as i64, Relaxed);
        }
    }

    /// The configuration was good when it was read last.
    pub fn last_reload_successful(&self) -> bool {
        !self.reload_failed.load(Relaxed)
    }

    /// When it was taken last, in seconds of Unix time.
    pub fn reloaded_at(&self) -> i64 {
        self.reloaded_at.load(Relaxed)
    }

    /// What must hold for the process to be worth keeping.
    pub fn live(&self) -> [Condition; 1] {
        let hangs = self.node.get().is_some_and(|node| node.pulse_age() > PULSE_AGE_MAX);
        [Condition { name: "loop", holds: !hangs }]
    }

    /// What must hold for clients to be sent here.
    pub fn ready(&self) -> [Condition; 5] {
        let [alive] = self.live();
        [
            alive,
            Condition { name: "listening", holds: self.node.get().is_some() },
            Condition { name: "catalogue", holds: self.scanned.load(Relaxed) },
            Condition { name: "root", holds: !self.root_unreadable.load(Relaxed) },
            Condition { name: "not-draining", holds: !self.draining.load(Relaxed) },
        ]
    }

    /// The node's counters; none before it listens.
    pub fn totals(&self) -> Option<Totals> {
        Some(self.node.get()?.totals().borrow().clone())
    }

    /// A sentence for the service manager.
    pub fn status(&self) -> String {
        let Some(totals) = self.totals() else { return "starting".to_owned() };
        if self.draining.load(Relaxed) {
            return format!("finishing what is being sent to {} clients", totals.unchoked);
        }
        format!("{} contents, {} connections, {} links", totals.contents, totals.connections, totals.links)
    }
}

#[cfg(test)]
mod tests {
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
        health.root_unreadable.store(true, Relaxed);
        health.drain();
        assert_eq!(missing(&health), ["root", "not-draining"]);
        node.shutdown(Duration::ZERO).await;
    }

    #[test]
    fn a_reload_that_failed_is_remembered_until_one_succeeds() {
        let health = Health::default();
        assert!(health.last_reload_successful());
        health.on_reload(false);
        assert!(!health.last_reload_successful());
        health.on_reload(true);
        assert!(health.last_reload_successful() && health.reloaded_at() > 1_600_000_000);
    }
}
