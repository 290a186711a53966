//! How fast a web seed may be asked: how many requests at a time, and how far apart.
//!
//! A server that is asked too much says so (429, 503), or breaks off, and rarely says what it would bear. So we ask one
//! thing at a time from then on, keep a distance that grows with each refusal after success and shrinks with each success,
//! and pause the longer, the more often in a row we are refused. A server that only asks for patience is never given up
//! here: whether there is still hope is for the download's own patience to say.
//!
//! Invariant: nothing is begun before `not_before`, and never more than `lanes` at a time.

use std::time::Duration;

use crate::{random::Random, time::Timestamp};

/// The first pause, and the least distance after a refusal.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest pause: a server that asks for more is tried again all the same.
pub const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Each pause in a row is twice as long, so many times.
const PAUSE_DOUBLINGS_MAX: u8 = 7;
/// Distances grow no further than this: a few megabytes come each time.
const DISTANCE_MAX: Duration = Duration::from_secs(8);
/// Less than this is no distance.
const DISTANCE_MIN: Duration = Duration::from_millis(100);
/// Pauses are up to this much longer, at random, so that a crowd does not come back together.
const SPREAD: f32 = 0.25;
/// After so many successes in a row one more request at a time is tried.
const SUCCESSES_FOR_A_LANE: u8 = 16;

/// The pace of one web seed.
#[derive(Clone, Debug)]
pub struct WebPace {
    lanes: usize,
    lanes_max: usize,
    distance: Duration,
    not_before: Timestamp,
    /// Refusals in a row.
    refusals: u8,
    /// Successes in a row.
    successes: u8,
}

impl WebPace {
    /// At most `lanes_max` requests at a time, and all of them at once until the server minds.
    pub fn new(lanes_max: usize) -> WebPace {
        WebPace {
            lanes: lanes_max,
            lanes_max,
            distance: Duration::ZERO,
            not_before: Timestamp::ZERO,
            refusals: 0,
            successes: 0,
        }
    }

    /// Requests that may run at a time.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// When the next request may begin.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// It was refused, or failed, when it was asked last.
    pub fn is_refused(&self) -> bool {
        self.refusals > 0
    }

    /// A request begins.
    pub fn on_begun(&mut self, now: Timestamp) {
        self.not_before = self.not_before.max(now + self.distance);
    }

    /// A request was answered as it should be.
    pub fn on_success(&mut self) {
        self.refusals = 0;
        self.distance = self.distance.saturating_mul(3).checked_div(4).unwrap_or_default();
        if self.distance < DISTANCE_MIN {
            self.distance = Duration::ZERO;
        }
        self.successes = self.successes.saturating_add(1);
        if self.successes >= SUCCESSES_FOR_A_LANE {
            self.successes = 0;
            self.lanes = self.lanes.saturating_add(1).min(self.lanes_max);
        }
    }

    /// The server refused a request, and perhaps said for how long it wants peace.
    pub fn on_refused(&mut self, now: Timestamp, after: Option<Duration>, random: &mut Random) {
        (self.lanes, self.successes) = (1, 0);
        if self.refusals == 0 {
            // It took what came before: a little further apart is enough.
            self.distance = self.distance.saturating_mul(2).clamp(PAUSE_FIRST, DISTANCE_MAX);
        }
        let after = after.unwrap_or_default().min(PAUSE_MAX);
        // Answers to requests made together count once.
        let pause = match now < self.not_before && self.refusals > 0 {
            true => after,
            false => {
                let doublings = self.refusals.min(PAUSE_DOUBLINGS_MAX);
                self.refusals = self.refusals.saturating_add(1);
                let grown = PAUSE_FIRST.saturating_mul(1 << doublings).min(PAUSE_MAX);
                random.stretch(grown.max(self.distance), SPREAD).max(after)
            }
        };
        self.not_before = self.not_before.max(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn refused(pace: &mut WebPace, now: Timestamp, after: Option<u64>) -> Duration {
        pace.on_refused(now, after.map(Duration::from_secs), &mut Random::new(7));
        pace.not_before().since(now)
    }

    #[test]
    fn a_server_that_does_not_mind_is_asked_without_a_pause() {
        let mut pace = WebPace::new(4);
        for moment in 0..100 {
            pace.on_begun(at(moment));
            pace.on_success();
            assert!(pace.not_before() <= at(moment));
            assert_eq!(pace.lanes(), 4);
        }
    }

    #[test]
    fn pauses_grow_with_refusals_in_a_row_up_to_a_minute_and_end_with_a_success() {
        let (mut pace, mut now, mut last) = (WebPace::new(4), at(0), Duration::ZERO);
        for _ in 0..7 {
            let pause = refused(&mut pace, now, None);
            assert!(pause > last, "{pause:?} after {last:?}");
            assert_eq!(pace.lanes(), 1);
            (now, last) = (pace.not_before(), pause);
        }
        for _ in 0..20 {
            last = refused(&mut pace, now, None);
            now = pace.not_before();
        }
        assert!(last >= PAUSE_MAX && last <= PAUSE_MAX.mul_f32(1.0 + SPREAD), "{last:?}");
        pace.on_success();
        assert!(!pace.is_refused());
        assert!(refused(&mut pace, now, None) < Duration::from_secs(2));
    }

    #[test]
    fn what_the_server_asks_for_is_kept_up_to_a_minute() {
        let mut pace = WebPace::new(4);
        assert_eq!(refused(&mut pace, at(0), Some(7)), Duration::from_secs(7));
        let mut pace = WebPace::new(4);
        assert_eq!(refused(&mut pace, at(0), Some(86_400)), PAUSE_MAX);
        assert_eq!(refused(&mut pace, at(100), Some(u64::MAX)), PAUSE_MAX, "and counted from the later word");
    }

    #[test]
    fn refusals_of_what_was_asked_together_count_once() {
        let mut pace = WebPace::new(4);
        let first = refused(&mut pace, at(0), None);
        for _ in 0..3 {
            refused(&mut pace, at(1), None);
        }
        assert_eq!(pace.not_before().since(at(0)), first);
        let later = pace.not_before();
        assert!(refused(&mut pace, later, None) < first * 4);
    }

    /// A server that takes one request in `gap` milliseconds, asked for `requests`: how many were refused.
    fn limited(gap: u64, requests: u32) -> (u32, Timestamp) {
        let (mut pace, mut random, mut now) = (WebPace::new(4), Random::new(3), at(0));
        let (mut refused, mut free, mut done) = (0, at(0), 0);
        while done < requests {
            now = now.max(pace.not_before());
            pace.on_begun(now);
            if now >= free {
                free = now + Duration::from_millis(gap);
                done += 1;
                pace.on_success();
            } else {
                refused += 1;
                pace.on_refused(now, None, &mut random);
            }
            now = now + Duration::from_millis(5);
        }
        (refused, now)
    }

    #[test]
    fn a_rate_limit_is_found_and_most_requests_keep_it() {
        for gap in [200, 500, 1_000, 3_000] {
            let (refused, now) = limited(gap, 100);
            assert!(refused <= 70, "{gap} ms: {refused} refused");
            let seconds = now.since(at(0)).as_millis() as u64;
            assert!(seconds <= 100 * (2 * gap + 1_000), "{gap} ms: {seconds} ms");
        }
    }

    #[test]
    fn more_at_a_time_is_tried_again_after_many_successes() {
        let mut pace = WebPace::new(3);
        refused(&mut pace, at(0), None);
        for _ in 0..SUCCESSES_FOR_A_LANE {
            assert_eq!(pace.lanes(), 1);
            pace.on_success();
        }
        assert_eq!(pace.lanes(), 2);
        (0..255).for_each(|_| pace.on_success());
        assert_eq!(pace.lanes(), 3);
    }
}
