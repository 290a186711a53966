//! The least rate at which bytes must arrive: a byte now and then does not count as life.

use std::time::{Duration, Instant};

use nearcast_core::input::COMING_AFTER;

/// The time over which the rate is checked. Long enough for a lost packet or two on a slow link.
pub(crate) const WINDOW: Duration = Duration::from_secs(20);
/// The least bytes of each window; with fewer the exchange ends. 100 bytes a second, so that even a
/// slow uplink shared by many survives.
const WINDOW_BYTES_MIN: usize = 2 * 1024;
/// How often it is reported that bytes arrive slowly.
const TOLD_EVERY: Duration = Duration::from_secs(3);
/// The least rate that is reported: a quarter of the rate of the slowest useful links. Bytes that
/// come more slowly do not prolong a download's patience.
const TOLD_BYTES_PER_S_MIN: f64 = 512.0;

/// The result of a check of the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Enough bytes arrive.
    Enough,
    /// Enough bytes arrive, and it is time to report this.
    Told,
    /// Too few bytes arrived for too long.
    TooLittle,
}

/// Checks the rate of one answer.
#[derive(Debug)]
pub(crate) struct LeastRate {
    waited: Duration,
    bytes: usize,
    begun: bool,
    told: Instant,
    told_bytes: usize,
    /// The request whose run comes, and since when. `None`: it is no run, or the run was reported as
    /// coming.
    run: Option<(u32, Instant)>,
}

impl LeastRate {
    pub(crate) fn new() -> LeastRate {
        LeastRate {
            waited: Duration::ZERO,
            bytes: 0,
            begun: false,
            told: Instant::now(),
            told_bytes: 0,
            run: None,
        }
    }

    /// Of an answer whose header has come: the run of this request is next.
    pub(crate) fn of_run(request: u32) -> LeastRate {
        LeastRate { run: Some((request, Instant::now())), ..LeastRate::new() }
    }

    /// The request whose run is coming and takes so long that the engine should know. It is told
    /// once for each run. Bytes must have come, since a header alone shows nothing.
    pub(crate) fn take_coming(&mut self) -> Option<u32> {
        let (request, since) = self.run.filter(|_| self.begun)?;
        (since.elapsed() >= COMING_AFTER).then(|| {
            self.run = None;
            request
        })
    }

    /// The longest to wait for the next bytes.
    pub(crate) fn patience(&self) -> Duration {
        WINDOW.saturating_sub(self.waited).max(Duration::from_millis(1))
    }

    /// Whether any bytes arrived.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Notes bytes that arrived after a wait.
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

    /// After how many seconds a peer that sends `bytes` each second is too slow. `None`: not within
    /// two minutes.
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
    fn a_run_that_takes_long_is_told_of_once_and_a_header_alone_never() {
        let mut rate = LeastRate { run: Some((7, Instant::now() - COMING_AFTER)), ..LeastRate::new() };
        assert_eq!(rate.take_coming(), None, "no byte has come");
        rate.note(Duration::ZERO, 1);
        assert_eq!(rate.take_coming(), Some(7));
        assert_eq!(rate.take_coming(), None);
        let mut quick = LeastRate::of_run(8);
        quick.note(Duration::ZERO, 1);
        assert_eq!(quick.take_coming(), None, "it is too soon");
    }

    #[test]
    fn who_sent_much_at_first_must_go_on() {
        let mut rate = LeastRate::new();
        assert_eq!(rate.note(Duration::from_secs(1), 200_000), Progress::Enough);
        let end = (1..=120).find(|_| rate.note(Duration::from_secs(1), 1) == Progress::TooLittle);
        assert_eq!(end, Some(39), "the second window");
    }
}
