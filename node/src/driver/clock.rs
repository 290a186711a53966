//! The engine's time: the time this process lived through.
//!
//! A stopped process or a sleeping machine hears nothing, and that does not mean that its peers
//! were silent. Such time does not count. Otherwise every patience timer would expire the moment
//! the process goes on.

use std::time::Duration;

use nearcast_core::time::Timestamp;
use tokio::time::Instant;

/// The loop runs several times a second. A longer gap means that the process was stopped.
const GAP: Duration = Duration::from_secs(3);

/// A clock that stands still while the loop does not run.
#[derive(Debug)]
pub(super) struct Clock {
    /// The start of the engine's time, moved later by all time that does not count.
    origin: Instant,
    seen: Instant,
}

impl Clock {
    pub(super) fn new(now: Instant) -> Clock {
        Clock { origin: now, seen: now }
    }

    /// Called on each turn of the loop. Returns the gap since the last call if it exceeds [`GAP`].
    pub(super) fn look(&mut self, now: Instant) -> Option<Duration> {
        let gap = now.duration_since(std::mem::replace(&mut self.seen, now));
        let lost = Some(gap).filter(|gap| *gap > GAP);
        self.origin += lost.unwrap_or_default();
        lost
    }

    /// The engine's timestamp of an instant.
    pub(super) fn timestamp(&self, at: Instant) -> Timestamp {
        Timestamp::ZERO + at.saturating_duration_since(self.origin)
    }

    /// The instant of an engine's timestamp.
    pub(super) fn instant(&self, time: Timestamp) -> Instant {
        self.origin + Duration::from_nanos(time.as_nanos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_was_not_lived_through_does_not_count() {
        let mut now = Instant::now();
        let mut clock = Clock::new(now);
        for _ in 0..100 {
            now += Duration::from_millis(250);
            assert_eq!(clock.look(now), None);
        }
        let before = clock.timestamp(now);
        assert_eq!(before, Timestamp::from_millis(25_000));
        now += Duration::from_secs(3_600);
        assert_eq!(clock.look(now), Some(Duration::from_secs(3_600)));
        assert_eq!(clock.timestamp(now), before);
        now += Duration::from_millis(250);
        assert_eq!(clock.timestamp(now), Timestamp::from_millis(25_250));
        assert_eq!(clock.instant(clock.timestamp(now)), now);
    }
}
