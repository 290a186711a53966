//! The engine's time: the time this process lived through.
//!
//! A process that was stopped, or a machine that slept, heard nothing meanwhile, and neither did anybody keep silent: such
//! time does not count. Otherwise all patience would be over the moment it goes on.

use std::time::Duration;

use nearcast_core::time::Timestamp;
use tokio::time::Instant;

/// The loop comes round several times a second. Where it did not for so long, it could not.
const GAP: Duration = Duration::from_secs(3);

/// A clock that stands still while nobody looks at it.
#[derive(Debug)]
pub(super) struct Clock {
    /// The start of the engine's time, later by all that did not count.
    origin: Instant,
    seen: Instant,
}

impl Clock {
    pub(super) fn new(now: Instant) -> Clock {
        Clock { origin: now, seen: now }
    }

    /// The loop comes round. How long it could not, if that was long.
    pub(super) fn look(&mut self, now: Instant) -> Option<Duration> {
        let gap = now.duration_since(std::mem::replace(&mut self.seen, now));
        let lost = Some(gap).filter(|gap| *gap > GAP);
        self.origin += lost.unwrap_or_default();
        lost
    }

    /// What that moment is called.
    pub(super) fn timestamp(&self, at: Instant) -> Timestamp {
        Timestamp::ZERO + at.saturating_duration_since(self.origin)
    }

    /// When that is.
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
