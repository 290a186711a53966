//! When to dial the directories that the user named, and those that we remember.

use std::time::Duration;

use crate::time::Timestamp;

/// With fewer directories in the table, others are dialled.
pub const JOIN_BELOW: usize = 3;
/// The pause after the first attempt; it doubles with each one that follows.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(120);

/// Attempts to join.
#[derive(Clone, Copy, Debug)]
pub struct Joining {
    next: Timestamp,
    pause: Duration,
}

impl Joining {
    /// Nothing was tried yet.
    pub fn new() -> Joining {
        Joining { next: Timestamp::ZERO, pause: PAUSE_MIN }
    }

    /// Whether to dial now. `nodes`: directories in the table. The first time always: the user
    /// wants these directories to know each other.
    pub fn is_due(&mut self, now: Timestamp, nodes: usize) -> bool {
        if nodes >= JOIN_BELOW && self.next > Timestamp::ZERO {
            self.pause = PAUSE_MIN;
            return false;
        }
        let is_due = now >= self.next;
        if is_due {
            self.next = now + self.pause;
            self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
        }
        is_due
    }
}

impl Default for Joining {
    fn default() -> Joining {
        Joining::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_others_tries_ever_more_rarely_and_one_with_others_only_once() {
        let at = |seconds: u64| Timestamp::from_millis(seconds.saturating_mul(1000));
        let mut alone = Joining::new();
        let tried: Vec<u64> = (1..=600).filter(|&second| alone.is_due(at(second), 2)).collect();
        assert_eq!(tried, [1, 6, 16, 36, 76, 156, 276, 396, 516]);
        let mut among = Joining::new();
        assert!(among.is_due(at(1), 5));
        assert!(!(2..600).any(|second| among.is_due(at(second), 5)));
        assert!(among.is_due(at(600), 0), "when they are gone it tries at once");
        assert!(among.is_due(at(605), 0));
    }
}
