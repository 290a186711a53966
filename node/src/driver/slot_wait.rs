//! Measures how long a neighbour waits until it is served, from the moment it is interested.

use std::time::Duration;

use tokio::time::Instant;

/// Whether a neighbour is interested, and whether it is served.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SlotWait {
    wants: bool,
    served: bool,
    /// Since when the neighbour is interested and not served.
    since: Option<Instant>,
}

impl SlotWait {
    /// The neighbour becomes interested, or stops being so.
    pub(super) fn on_wish(&mut self, now: Instant, wants: bool) {
        self.wants = wants;
        self.begin_or_end(now);
    }

    /// The neighbour is served, or no longer. Returns how long it waited, if the wait is over.
    pub(super) fn on_slot(&mut self, now: Instant, served: bool) -> Option<Duration> {
        self.served = served;
        let since = self.since;
        self.begin_or_end(now);
        since.filter(|_| served).map(|since| now.saturating_duration_since(since))
    }

    fn begin_or_end(&mut self, now: Instant) {
        let waits = self.wants && !self.served;
        self.since = waits.then(|| self.since.unwrap_or(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_from_the_wish_to_the_slot_and_a_lost_slot_begins_another() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let waited = |seconds| Some(Duration::from_secs(seconds));
        let mut wait = SlotWait::default();
        assert_eq!(wait.on_slot(at(0), true), None, "it wanted nothing");
        assert_eq!(wait.on_slot(at(1), false), None);
        wait.on_wish(at(2), true);
        wait.on_wish(at(3), true);
        assert_eq!(wait.on_slot(at(5), true), waited(3));
        assert_eq!(wait.on_slot(at(6), true), None, "it is served already");
        assert_eq!(wait.on_slot(at(7), false), None);
        assert_eq!(wait.on_slot(at(9), true), waited(2));
        assert_eq!(wait.on_slot(at(10), false), None);
        wait.on_wish(at(11), false);
        wait.on_wish(at(20), true);
        assert_eq!(wait.on_slot(at(21), true), waited(1), "what it did not want it did not wait for");
    }
}
