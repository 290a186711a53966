//! Where a reader is most likely to be in what it was given, and how often it had to wait.
//!
//! A player takes more than it shows: it fills a buffer of its own. What it shows follows from how
//! fast it shows it. So nobody has to hurry for a player that has just filled its buffer, and a wait
//! of ours is a stall of the film only once that buffer is empty.

use std::time::{Duration, Instant};

/// How a reader fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// From the first read at this place to its first byte. `None`: nothing has come yet.
    pub first: Option<Duration>,
    /// How often it had read all it was given, and had to wait for more.
    pub stalls: u32,
    /// For how long, all together.
    pub stalled: Duration,
}

/// Where a reader is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Playhead {
    /// In bytes a second. 0: as fast as it is given.
    rate: u64,
    /// Where it began, and when it would have read everything up to `at`.
    base: u64,
    since: Option<Instant>,
    pub(super) pace: Pace,
}

impl Playhead {
    pub(super) fn new(rate: u64) -> Playhead {
        Playhead { rate, base: 0, since: None, pace: Pace::default() }
    }

    pub(super) fn set_rate(&mut self, rate: u64) {
        self.rate = rate;
    }

    /// It goes elsewhere.
    pub(super) fn jump(&mut self, to: u64) {
        (self.base, self.since, self.pace.first) = (to, None, None);
    }

    /// Where it is, when it was given everything up to `given`.
    pub(super) fn at(&self, now: Instant, given: u64) -> u64 {
        let Some(since) = self.since.filter(|_| self.rate > 0) else {
            return if self.since.is_some() { given } else { self.base };
        };
        let read = now.saturating_duration_since(since).as_micros() * u128::from(self.rate) / 1_000_000;
        given.min(self.base.saturating_add(u64::try_from(read).unwrap_or(u64::MAX)))
    }

    /// It got more, after it was given everything up to `given` and waited since `asked`.
    pub(super) fn on_given(&mut self, asked: Instant, now: Instant, given: u64) {
        let waited = now.saturating_duration_since(asked);
        let Some(since) = self.since else {
            self.since = Some(now);
            self.pace.first = Some(waited);
            return;
        };
        let lasts = |bytes: u64| match self.rate {
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64(bytes as f64 / rate as f64),
        };
        let empty_at = since + lasts(given.saturating_sub(self.base));
        let stalled = now.saturating_duration_since(empty_at.max(asked));
        if self.rate > 0 && !stalled.is_zero() && now > empty_at {
            self.pace.stalls += 1;
            self.pace.stalled += stalled;
            (self.base, self.since) = (given, Some(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_player_that_fills_its_buffer_shows_it_at_its_own_rate() {
        let start = Instant::now();
        let mut head = Playhead::new(100);
        head.on_given(start, start + seconds(0.5), 0);
        assert_eq!(head.pace.first, Some(seconds(0.5)));
        assert_eq!(head.at(start + seconds(2.5), 10_000), 200);
        assert_eq!(head.at(start + seconds(2.5), 50), 50, "not more than it was given");
        // It took a thousand bytes at once, asks for more, and gets that before it has shown what it has.
        head.on_given(start + seconds(1.0), start + seconds(9.0), 1_000);
        assert_eq!((head.pace.stalls, head.at(start + seconds(9.5), 2_000)), (0, 900));
    }

    #[test]
    fn a_wait_is_a_stall_from_when_everything_was_shown() {
        let start = Instant::now();
        let mut head = Playhead::new(100);
        head.on_given(start, start, 0);
        head.on_given(start + seconds(1.0), start + seconds(12.0), 1_000);
        assert_eq!((head.pace.stalls, head.pace.stalled), (1, seconds(2.0)));
        assert_eq!(head.at(start + seconds(13.0), 5_000), 1_100, "it goes on from there");
    }

    #[test]
    fn a_jump_begins_anew_and_who_has_no_rate_is_where_it_was_given() {
        let start = Instant::now();
        let mut head = Playhead::new(100);
        head.on_given(start, start, 0);
        head.jump(70_000);
        assert_eq!((head.at(start + seconds(5.0), 70_000), head.pace.first), (70_000, None));
        let mut eager = Playhead::new(0);
        eager.on_given(start, start, 0);
        eager.on_given(start, start + seconds(9.0), 400);
        assert_eq!((eager.at(start, 400), eager.pace.stalls), (400, 0));
    }
}
