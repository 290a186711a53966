//! Whether we serve the hash table, or only use it: nobody should be told of a directory that takes
//! no connections.

use std::time::Duration;

use crate::time::Timestamp;

/// A directory that reached others, and that nobody reached for this long, takes no connections.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// Directories that must have been reached before it means anything that nobody comes.
const REACHED_MIN: usize = 3;

/// Whether others seem to reach us.
///
/// A new directory serves. It stops when it has reached several others and nobody came in half an
/// hour, although those others try everybody who comes to them. It serves again as soon as
/// somebody comes.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    came: Timestamp,
    serves: bool,
}

impl Standing {
    /// A directory that has just begun.
    pub fn new(now: Timestamp) -> Standing {
        Standing { came: now, serves: true }
    }

    /// Somebody made a connection to us.
    pub fn on_inbound(&mut self, now: Timestamp) {
        self.came = now;
        self.serves = true;
    }

    /// Time has passed. `reached`: directories that we have in our table.
    pub fn look(&mut self, now: Timestamp, reached: usize) {
        if reached >= REACHED_MIN && now.since(self.came) >= PATIENCE {
            self.serves = false;
        }
    }

    /// Whether to serve.
    pub fn serves(&self) -> bool {
        self.serves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds.saturating_mul(1000))
    }

    #[test]
    fn who_reaches_others_and_is_never_reached_only_uses_the_table() {
        let mut standing = Standing::new(at(0));
        standing.look(at(10_000), 2);
        assert!(standing.serves(), "too few others to mean anything");
        standing.look(at(1_799), 3);
        assert!(standing.serves());
        standing.look(at(1_800), 3);
        assert!(!standing.serves());
        standing.on_inbound(at(1_900));
        assert!(standing.serves());
        standing.look(at(3_699), 9);
        assert!(standing.serves());
    }
}
