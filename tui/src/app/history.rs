//! What came in each of the last seconds, from peers and from servers.

use std::collections::VecDeque;

use nearcast_core::stats::Traffic;

/// Seconds that are kept: as many as the widest graph shows.
const SECONDS_MAX: usize = 480;

/// Bytes that came in each second, the newest last.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    seconds: VecDeque<Second>,
    seen: Option<Traffic>,
}

/// Bytes of one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Second {
    /// From peers.
    pub(crate) peers: u32,
    /// From the origin and from web seeds.
    pub(crate) servers: u32,
}

impl Second {
    fn is_empty(self) -> bool {
        self.peers == 0 && self.servers == 0
    }
}

impl History {
    /// Takes the count after another second. The first count is what came before.
    pub(crate) fn note(&mut self, received: &Traffic) {
        let came = received.since(self.seen.as_ref().unwrap_or(received));
        self.seen = Some(*received);
        let bytes = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
        self.push(Second {
            peers: bytes(came.from_peers()),
            servers: bytes(came.origin.saturating_add(came.web_seed)),
        });
    }

    /// Adds a second.
    pub(crate) fn push(&mut self, second: Second) {
        // Nothing is kept of a download that has never received anything: there may be thousands.
        if self.seconds.is_empty() && second.is_empty() {
            return;
        }
        if self.seconds.len() == SECONDS_MAX {
            self.seconds.pop_front();
        }
        self.seconds.push_back(second);
    }

    /// The last second. Empty: nothing came yet.
    pub(crate) fn last(&self) -> Second {
        self.seconds.back().copied().unwrap_or_default()
    }

    /// The newest `count` values of a source, the newest last.
    pub(crate) fn newest(&self, count: usize, of: impl Fn(&Second) -> u32) -> Vec<f64> {
        let from = self.seconds.len().saturating_sub(count);
        self.seconds.range(from..).map(|second| f64::from(of(second))).collect()
    }

    /// Whether the last seconds on record are all without bytes.
    pub(crate) fn is_quiet(&self, seconds: usize) -> bool {
        self.seconds.iter().rev().take(seconds).all(|second| second.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use nearcast_core::{stats::Giver, tier::Tier};

    use super::*;

    #[test]
    fn each_second_holds_what_came_since_the_one_before() {
        let (mut history, mut received) = (History::default(), Traffic::default());
        received.add(Giver::Origin, 500);
        history.note(&received);
        assert!(history.newest(9, |second| second.servers).is_empty(), "that came earlier");
        received.add(Giver::Peer(Tier::Lan), 30);
        received.add(Giver::WebSeed, 7);
        history.note(&received);
        assert_eq!(history.last(), Second { peers: 30, servers: 7 });
        history.note(&received);
        assert_eq!(history.newest(2, |second| second.peers), [30.0, 0.0]);
        assert!(!history.is_quiet(2) && history.is_quiet(1));
    }

    #[test]
    fn old_seconds_go() {
        let mut history = History::default();
        for at in 0..2_000 {
            history.push(Second { peers: at, servers: 0 });
        }
        assert_eq!(history.seconds.len(), SECONDS_MAX);
        assert_eq!(history.last().peers, 1_999);
    }
}
