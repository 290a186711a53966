//! When the keeper looks at its root. A *look* reads everything below the root. A *glance* costs a
//! fraction of that: it compares the folders' stamps, and looks at what was not finished.
//!
//! Invariants: while nothing changes, looks take at most one part in [`LOOK_SHARE_IDLE`] of the time
//! and glances one in [`GLANCE_SHARE_IDLE`], unless that would take longer than [`IDLE_MAX`]. While
//! everything changes, looks take at most a fifth.

use std::time::Duration;

use tokio::time::Instant;

use crate::ingest::QUIET;

/// The shortest time between two looks, however many changes are reported. What changes together is
/// so seen together.
const INTERVAL_MIN: Duration = Duration::from_millis(500);
/// After a look, the next one waits at least this many times as long as the look took. In a root of
/// a hundred thousand files that change all the time, looks take a fifth of a core.
const LOOK_SHARE: u32 = 4;
/// The same for a change that is reported after a look that found nothing: somebody may be writing
/// all the time to something that is not served. The wait is never longer than the time between two
/// looks that the operator has set.
const LOOK_SHARE_IN_VAIN: u32 = 20;
/// The same for looks that nothing has caused but time.
const LOOK_SHARE_IDLE: u32 = 500;
/// The same for glances. They find what the system does not tell, such as new names on a network
/// file system, so they should come as often as looks are wanted; only a root of some ten thousand
/// folders makes them rarer.
const GLANCE_SHARE_IDLE: u32 = 1_000;
/// The longest pause that those two make of what the operator has set. It bounds how long a file
/// that is written to in place, unnoticed by the system, may go unnoticed by us.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// When the last look and the last glance were, and what they took.
#[derive(Debug)]
pub(crate) struct Pace {
    looked_at: Instant,
    look_took: Duration,
    /// The last look found nothing new.
    in_vain: bool,
    glanced_at: Instant,
    glance_took: Duration,
}

impl Pace {
    /// The pace after a first look that has ended `now`, and of which nothing else is known.
    pub(crate) fn after_first_look(now: Instant) -> Pace {
        let nothing = Duration::ZERO;
        Pace { looked_at: now, look_took: nothing, in_vain: false, glanced_at: now, glance_took: nothing }
    }

    /// Notes a look. `in_vain`: it found nothing new.
    pub(crate) fn on_look(&mut self, began: Instant, ended: Instant, in_vain: bool) {
        self.looked_at = ended;
        self.look_took = ended.saturating_duration_since(began);
        self.in_vain = in_vain;
    }

    /// Notes a glance.
    pub(crate) fn on_glance(&mut self, began: Instant, ended: Instant) {
        self.glanced_at = ended;
        self.glance_took = ended.saturating_duration_since(began);
    }

    /// When a look may follow a reported change. `rescan`: the time between two looks as set.
    pub(crate) fn told_look_at(&self, rescan: Duration) -> Instant {
        let wait = match self.in_vain {
            true => self.look_took.saturating_mul(LOOK_SHARE_IN_VAIN).min(rescan),
            false => Duration::ZERO,
        };
        (self.looked_at + wait).max(self.next_at_the_earliest())
    }

    /// When a look is due although no change was reported.
    pub(crate) fn look_at(&self, rescan: Duration) -> Instant {
        let wait = rescan.max(idle(self.look_took, LOOK_SHARE_IDLE));
        (self.looked_at + wait).max(self.next_at_the_earliest())
    }

    /// When a glance is due. `settling`: something may soon be finished, and its publisher waits.
    pub(crate) fn glance_at(&self, rescan: Duration, settling: bool) -> Instant {
        let wait = match settling {
            true => rescan.min(QUIET).max(self.glance_took.saturating_mul(LOOK_SHARE)),
            false => rescan.max(idle(self.glance_took, GLANCE_SHARE_IDLE)),
        };
        // A look follows at once if the glance finds a change.
        (self.looked_at.max(self.glanced_at) + wait.max(INTERVAL_MIN)).max(self.next_at_the_earliest())
    }

    fn next_at_the_earliest(&self) -> Instant {
        self.looked_at + INTERVAL_MIN.max(self.look_took.saturating_mul(LOOK_SHARE))
    }
}

/// The pause after something that took this long.
fn idle(took: Duration, share: u32) -> Duration {
    took.saturating_mul(share).min(IDLE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESCAN: Duration = Duration::from_secs(10);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A pace after a look and a glance that have both ended now, and took so long.
    fn pace(look: Duration, glance: Duration, in_vain: bool) -> (Instant, Pace) {
        let (began, now) = (Instant::now(), Instant::now() + Duration::from_secs(3600));
        let mut pace = Pace::after_first_look(began);
        pace.on_look(now - look, now, in_vain);
        pace.on_glance(now - glance, now);
        (now, pace)
    }

    #[test]
    fn looks_of_an_idle_root_take_a_five_hundredth_of_the_time_and_come_within_five_minutes() {
        for (took, expected) in [(0, 10_000), (20, 10_000), (170, 85_000), (3_000, 300_000)] {
            let (now, pace) = pace(millis(took), Duration::ZERO, true);
            assert_eq!(pace.look_at(RESCAN) - now, millis(expected), "after {took} ms");
        }
        let hour = Duration::from_secs(3600);
        let (now, pace) = pace(millis(3_000), Duration::ZERO, true);
        assert_eq!(pace.look_at(hour) - now, hour, "more seldom only if that is wanted");
    }

    #[test]
    fn glances_come_as_often_as_looks_are_wanted_however_long_a_look_takes() {
        for (took, expected) in [(0, 10_000), (10, 10_000), (30, 30_000), (3_000, 300_000)] {
            let (now, pace) = pace(millis(170), millis(took), true);
            assert_eq!(pace.glance_at(RESCAN, false) - now, millis(expected), "after {took} ms");
        }
    }

    #[test]
    fn what_settles_is_glanced_at_often_and_never_for_more_than_a_fifth_of_the_time() {
        for (look, glance, expected) in
            [(0, 0, 2_000), (170, 10, 2_000), (5, 1_000, 4_000), (2_000, 5, 8_000)]
        {
            let (now, pace) = pace(millis(look), millis(glance), true);
            assert_eq!(pace.glance_at(RESCAN, true) - now, millis(expected), "after {look} and {glance} ms");
        }
        let (now, pace) = pace(Duration::ZERO, Duration::ZERO, false);
        assert_eq!(pace.glance_at(millis(200), true) - now, INTERVAL_MIN);
        assert_eq!(pace.glance_at(millis(200), false) - now, INTERVAL_MIN);
    }

    #[test]
    fn a_reported_change_is_looked_at_soon_and_later_if_the_last_ones_were_of_no_use() {
        for (took, in_vain, expected) in [
            (1, false, 500),
            (1, true, 500),
            (170, false, 680),
            (170, true, 3_400),
            // Never later than looks by time were wanted, nor for more than a fifth of the time.
            (1_000, true, 10_000),
            (5_000, true, 20_000),
        ] {
            let (now, pace) = pace(millis(took), Duration::ZERO, in_vain);
            assert_eq!(pace.told_look_at(RESCAN) - now, millis(expected), "after {took} ms");
        }
    }
}
