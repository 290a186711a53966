//! A full disk: we wait, try again now and then, and give up after the owner's limit.
//!
//! Invariant: `retry` is set exactly while no write is tried. `since` is set from the first refusal
//! until a write succeeds.

use std::time::Duration;

use tokio::time::Instant;

/// How long a full disk is left alone before writing is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Tries before the owner's limit ends, if that limit is short.
const TRIES_MIN: u32 = 4;

/// The state of one disk.
#[derive(Debug, Default)]
pub(super) struct FullDisk {
    since: Option<Instant>,
    retry: Option<Instant>,
}

impl FullDisk {
    /// A write was refused for want of room. `wait`: how long this may go on; `None`: for ever.
    /// Returns false if the disk was known to be full.
    pub(super) fn on_full(&mut self, now: Instant, wait: Option<Duration>) -> bool {
        self.since.get_or_insert(now);
        let pause = wait.map_or(RETRY, |wait| RETRY.min(wait / TRIES_MIN));
        self.retry.replace(now + pause).is_none()
    }

    /// A write succeeded: there is room again.
    pub(super) fn on_written(&mut self) {
        *self = FullDisk::default();
    }

    /// Whether the disk counts as full, so that nothing is written to it.
    pub(super) fn is_full(&self) -> bool {
        self.retry.is_some()
    }

    /// Whether the last try found the disk full, and no write has succeeded since.
    pub(super) fn is_doubtful(&self) -> bool {
        self.since.is_some()
    }

    /// Whether it is time to try again. If so, the disk counts as being tried from now on.
    pub(super) fn take_retry(&mut self, now: Instant) -> bool {
        self.retry.take_if(|retry| *retry <= now).is_some()
    }

    /// Whether the disk has been full for as long as the owner waits.
    pub(super) fn is_given_up(&self, now: Instant, wait: Option<Duration>) -> bool {
        let waited = self.since.map(|since| now.saturating_duration_since(since));
        self.is_full() && wait.zip(waited).is_some_and(|(wait, waited)| waited >= wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_full_disk_is_tried_every_five_seconds_for_ever() {
        let (mut disk, mut now) = (FullDisk::default(), Instant::now());
        assert!(disk.on_full(now, None) && disk.is_full());
        for _ in 0..1_000 {
            assert!(!disk.take_retry(now + 4 * SECOND));
            now += 5 * SECOND;
            assert!(disk.take_retry(now) && !disk.is_full() && disk.is_doubtful());
            assert!(disk.on_full(now, None), "told anew after each try");
            assert!(!disk.on_full(now, None), "told once");
            assert!(!disk.is_given_up(now, None));
        }
    }

    #[test]
    fn the_wait_is_counted_from_the_first_refusal_until_something_was_written() {
        let (mut disk, start) = (FullDisk::default(), Instant::now());
        let wait = Some(12 * SECOND);
        disk.on_full(start, wait);
        assert!(disk.take_retry(start + 3 * SECOND), "tried several times also within a short wait");
        disk.on_full(start + 6 * SECOND, wait);
        assert!(!disk.is_given_up(start + 11 * SECOND, wait));
        assert!(disk.is_given_up(start + 12 * SECOND, wait));
        assert!(disk.take_retry(start + 12 * SECOND));
        assert!(!disk.is_given_up(start + 13 * SECOND, wait), "not while it is being tried");
        disk.on_written();
        assert!(!disk.is_doubtful());
        disk.on_full(start + 20 * SECOND, wait);
        assert!(!disk.is_given_up(start + 31 * SECOND, wait));
    }

    #[test]
    fn whoever_waits_for_nothing_gives_up_at_once() {
        let (mut disk, now) = (FullDisk::default(), Instant::now());
        assert!(!disk.is_given_up(now, Some(Duration::ZERO)));
        disk.on_full(now, Some(Duration::ZERO));
        assert!(disk.is_given_up(now, Some(Duration::ZERO)));
    }
}
