//! The least rate at which bytes must come: a byte now and then is not life.

use std::time::{Duration, Instant};

/// The time over which a rate is looked at. Long enough for a lost packet or two on a slow link.
pub(crate) const WINDOW: Duration = Duration::from_secs(20);
/// In each window so many bytes must come, or the exchange ends: 100 bytes a second, so that even a slow uplink that is
/// shared by many lives.
const WINDOW_BYTES_MIN: usize = 2 * 1024;
/// How often it is told that bytes come, if slowly.
const TOLD_EVERY: Duration = Duration::from_secs(3);
/// And only if they come at this rate: a quarter of what the slowest links that are worth having bring. What comes more
/// slowly does not keep a download waiting.
const TOLD_BYTES_PER_S_MIN: f64 = 512.0;

/// What a look at the rate shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Go on.
    Enough,
    /// Go on, and it is time to tell that bytes come.
    Told,
    /// Too little came for too long.
    TooLittle,
}

/// Looks at the rate of one answer.
#[derive(Debug)]
pub(crate) struct LeastRate {
    waited: Duration,
    bytes: usize,
    begun: bool,
    told: Instant,
    told_bytes: usize,
}

impl LeastRate {
    pub(crate) fn new() -> LeastRate {
        LeastRate { waited: Duration::ZERO, bytes: 0, begun: false, told: Instant::now(), told_bytes: 0 }
    }

    /// How long to wait for the next bytes at most.
    pub(crate) fn patience(&self) -> Duration {
        WINDOW.saturating_sub(self.waited).max(Duration::from_millis(1))
    }

    /// Whether anything came.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// So many bytes came after a wait.
    pub(crate) fn note(&mut self, waited: Duration, bytes: usize) -> Progress {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes);
        self.told_bytes = self.told_bytes.saturating_add(bytes);
        self.begun |= bytes > 0;
        if self.waited >= WINDOW {
            let enough = self.bytes >= WINDOW_BYTES_MIN;
            (self.waited, self.bytes) = (Duration::ZERO, 0);
            if !enough {
                return Progress::TooLittle;
            }
        }
        if self.told.elapsed() < TOLD_EVERY {
            return Progress::Enough;
        }
        let tells = self.told_bytes as f64 >= TOLD_BYTES_PER_S_MIN * self.told.elapsed().as_secs_f64();
        (self.told, self.told_bytes) = (Instant::now(), 0);
        if tells { Progress::Told } else { Progress::Enough }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many seconds somebody who sends `bytes` each second is found too slow, within two minutes.
    fn ends(bytes: usize) -> Option<u32> {
        let mut rate = LeastRate::new();
        (1..=120).find(|_| rate.note(Duration::from_secs(1), bytes) == Progress::TooLittle)
    }

    #[test]
    fn two_kilobytes_a_second_live_and_a_byte_now_and_then_does_not() {
        assert_eq!(ends(2_000), None);
        assert_eq!(ends(110), None);
        assert_eq!(ends(1), Some(20));
        assert_eq!(ends(100), Some(20));
    }

    #[test]
    fn who_sent_much_at_first_must_go_on() {
        let mut rate = LeastRate::new();
        assert_eq!(rate.note(Duration::from_secs(1), 200_000), Progress::Enough);
        let end = (1..=120).find(|_| rate.note(Duration::from_secs(1), 1) == Progress::TooLittle);
        assert_eq!(end, Some(39), "the second window");
    }
}
