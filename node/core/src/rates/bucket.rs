//! Byte rates: a token bucket that can go into debt.
//!
//! Invariant: what a bucket admits in any interval of `t` seconds is at most `rate * t + burst`
//! bytes; a take larger than the burst replaces the burst in this sum. All arithmetic is exact (one
//! byte per second for one nanosecond is one "nanobyte"), so no rate drifts.

use std::time::Duration;

use crate::time::Timestamp;

/// One byte, in the unit of levels.
const NANOBYTES: i128 = 1_000_000_000;
/// The longest wait that is ever answered: a waiting caller asks again at least this often.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// `bytes` in the unit of levels. No number of bytes is too large for it.
fn nanobytes(bytes: u64) -> i128 {
    i128::from(bytes).saturating_mul(NANOBYTES)
}

/// A token bucket.
///
/// It admits a take if it holds enough for it. It admits a take larger than the burst if it is
/// full: its level then goes below zero, and it pays the debt off before it admits anything else.
/// So nothing starves, whatever its size.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: Option<u64>,
    burst: u64,
    level: i128,
    filled_at: Timestamp,
}

impl Bucket {
    /// A full bucket. `rate`: in bytes a second. `None`: no limit; zero: nothing passes after the
    /// first burst. `burst`: in bytes, how much may pass at once after a pause; at least one byte.
    pub fn new(rate: Option<u64>, burst: u64) -> Bucket {
        let burst = burst.max(1);
        Bucket { rate, burst, level: nanobytes(burst), filled_at: Timestamp::ZERO }
    }

    /// In bytes a second. `None`: no limit.
    pub fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// Changes rate and burst from now on. Debt stays, and so do tokens that still fit, so that
    /// switching back and forth gains nothing.
    pub fn set(&mut self, now: Timestamp, rate: Option<u64>, burst: u64) {
        self.fill(now);
        (self.rate, self.burst) = (rate, burst.max(1));
        self.fill(now);
    }

    /// Whether it holds all it can. Then it says no more than a new bucket would.
    pub fn is_full(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        self.level == nanobytes(self.burst)
    }

    /// Takes `bytes`. `None`: they are admitted and spent. Otherwise nothing is spent, and the
    /// answer is how long to wait before asking again (at most an hour).
    #[must_use]
    pub fn take(&mut self, now: Timestamp, bytes: u64) -> Option<Duration> {
        let wait = self.wait(now, bytes);
        if wait.is_none() {
            self.spend(bytes);
        }
        wait
    }

    /// What [`Bucket::take`] would answer, without spending.
    pub fn wait(&mut self, now: Timestamp, bytes: u64) -> Option<Duration> {
        self.fill(now);
        let rate = self.rate?;
        let lacking = nanobytes(bytes.min(self.burst)).saturating_sub(self.level);
        if lacking <= 0 {
            return None;
        }
        if rate == 0 {
            return Some(WAIT_MAX);
        }
        let rate = i128::from(rate);
        // Rounded up, so that enough is there then.
        let nanos = lacking.saturating_add(rate.saturating_sub(1)).checked_div(rate);
        let nanos = nanos.and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or(u64::MAX);
        Some(Duration::from_nanos(nanos).min(WAIT_MAX))
    }

    pub(crate) fn spend(&mut self, bytes: u64) {
        if self.rate.is_some() {
            self.level = self.level.saturating_sub(nanobytes(bytes));
        }
    }

    fn fill(&mut self, now: Timestamp) {
        let elapsed = now.since(self.filled_at).as_nanos();
        self.filled_at = self.filled_at.max(now);
        let elapsed = i128::try_from(elapsed).unwrap_or(i128::MAX);
        let gained = i128::from(self.rate.unwrap_or(0)).saturating_mul(elapsed);
        self.level = self.level.saturating_add(gained).min(nanobytes(self.burst));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RUN: u64 = 256 * 1024;
    const MIB: u64 = 1024 * 1024;

    /// Takes as fast as the bucket allows, for `seconds`. Returns when each take was admitted, and
    /// its size.
    fn drain(bucket: &mut Bucket, sizes: &[u64], seconds: u64) -> Vec<(Timestamp, u64)> {
        let (mut now, mut taken) = (Timestamp::ZERO, Vec::new());
        let end = Timestamp::from_millis(seconds * 1000);
        for &bytes in sizes.iter().cycle() {
            while let Some(wait) = bucket.take(now, bytes) {
                now = now + wait;
            }
            if now > end {
                break;
            }
            taken.push((now, bytes));
        }
        taken
    }

    #[test]
    fn the_rate_is_met_within_two_percent_for_whole_runs() {
        for mib in [1, 3, 10, 40, 100] {
            let rate = mib * MIB;
            let taken = drain(&mut Bucket::new(Some(rate), RUN), &[RUN], 20);
            let bytes: u64 = taken.iter().map(|&(_, bytes)| bytes).sum();
            let error = (bytes as f64 - (rate * 20) as f64).abs() / (rate * 20) as f64;
            assert!(error < 0.02, "{mib} MiB/s is off by {error}");
        }
    }

    #[test]
    fn a_take_larger_than_the_burst_passes_and_is_paid_off() {
        let mut bucket = Bucket::new(Some(1000), 100);
        assert_eq!(bucket.take(Timestamp::ZERO, 1100), None);
        let wait = bucket.take(Timestamp::ZERO, 1).unwrap();
        assert_eq!(wait, Duration::from_millis(1001));
        assert_eq!(bucket.take(Timestamp::ZERO + wait, 1), None);
    }

    #[test]
    fn no_limit_never_waits_and_a_limit_of_zero_admits_nothing_after_the_burst() {
        let mut open = Bucket::new(None, 1);
        assert!((0..1000).all(|_| open.take(Timestamp::ZERO, u64::MAX).is_none()));
        let mut shut = Bucket::new(Some(0), 10);
        assert_eq!(shut.take(Timestamp::ZERO, 10), None);
        assert_eq!(shut.take(Timestamp::NEVER, 1), Some(WAIT_MAX));
    }

    #[test]
    fn a_changed_rate_holds_at_once_and_keeps_the_debt() {
        let mut bucket = Bucket::new(Some(100), 10);
        assert_eq!(bucket.take(Timestamp::ZERO, 1010), None);
        bucket.set(Timestamp::ZERO, Some(10_000), 10);
        assert_eq!(bucket.take(Timestamp::ZERO, 10), Some(Duration::from_millis(101)));
        bucket.set(Timestamp::from_millis(50), Some(100), 10);
        assert_eq!(bucket.take(Timestamp::from_millis(50), 10), Some(Duration::from_millis(5100)));
    }

    proptest! {
        #[test]
        fn no_interval_carries_more_than_rate_times_time_plus_burst(
            rate in 1_000u64..200_000_000,
            burst in 1u64..4_000_000,
            sizes in prop::collection::vec(1u64..2_000_000, 1..20),
        ) {
            let largest = sizes.iter().copied().max().unwrap_or(0);
            let mut bucket = Bucket::new(Some(rate), burst);
            let (mut now, mut taken) = (Timestamp::ZERO, Vec::new());
            for &bytes in sizes.iter().cycle().take(200) {
                while let Some(wait) = bucket.take(now, bytes) {
                    prop_assert!(wait > Duration::ZERO);
                    now = now + wait;
                }
                taken.push((now, bytes));
            }
            for first in 0..taken.len() {
                let mut sum = 0u128;
                for &(at, bytes) in &taken[first..] {
                    sum += u128::from(bytes);
                    let nanos = at.since(taken[first].0).as_nanos();
                    let allowed = u128::from(rate) * nanos / 1_000_000_000 + u128::from(burst.max(largest));
                    prop_assert!(sum <= allowed + 1, "{sum} > {allowed} after {nanos} ns");
                }
            }
        }

        #[test]
        fn waiting_as_long_as_told_is_always_enough(
            rate in 1u64..1_000_000_000,
            burst in 1u64..10_000_000,
            sizes in prop::collection::vec(1u64..3_000_000, 1..50),
        ) {
            let mut bucket = Bucket::new(Some(rate), burst);
            let mut now = Timestamp::ZERO;
            for bytes in sizes {
                let mut waits = 0;
                while let Some(wait) = bucket.take(now, bytes) {
                    prop_assert!(waits < 10_000, "it starves");
                    if wait < WAIT_MAX {
                        prop_assert_eq!(bucket.clone().take(now + wait, bytes), None);
                    }
                    now = now + wait;
                    waits += 1;
                }
            }
        }
    }
}
