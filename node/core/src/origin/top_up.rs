//! How much an origin tops up what peers bring for readers: a controller with a bucket.
//!
//! A reader at r bytes a second needs r, and what is here should last for a while. What peers bring
//! into the window of the readers is p. Origins are asked for the rest, and for a part of what the
//! buffer lacks:
//!
//! o = clamp(r - p + (B* - B) r / tau, 0, 1.5 r)
//!
//! This is the only place that decides it. The origin divides its uplink by itself.

use std::time::Duration;

/// B*: what should be here of what is read next.
pub(crate) const BUFFER_WANTED: Duration = Duration::from_secs(12);
/// With less than this, origins are asked whatever the bucket holds.
const BUFFER_LOW: Duration = Duration::from_secs(3);
/// tau: how fast a buffer that is too small is filled.
const FILLED_WITHIN_MS: u64 = 8_000;
/// What peers bring is the mean of about so long.
const MEMORY_MS: u64 = 5_000;
/// The bucket holds so many runs.
const BUCKET_RUNS: u64 = 2;

/// What may be asked of origins for readers.
#[derive(Debug, Default)]
pub(crate) struct TopUp {
    /// From peers into the window: a mean, in bytes a second, and bytes since the last look.
    peers: u64,
    came: u64,
    /// In bytes a second.
    rate: u64,
    /// In bytes; below 0 after an overdraft.
    bucket: i64,
    is_low: bool,
    /// Bytes asked of origins for readers.
    total: u64,
}

impl TopUp {
    /// Peers brought something that readers need.
    pub(crate) fn on_peer(&mut self, bytes: u32) {
        self.came = self.came.saturating_add(bytes.into());
    }

    /// Some time has passed. `buffer`: what is here for the reader who has least; none if all of
    /// them have all. `wanted`: what they read together, in bytes a second.
    pub(crate) fn pass(&mut self, passed: Duration, buffer: Option<Duration>, wanted: u64, run_bytes: u64) {
        let millis = millis(passed).max(1);
        let came = std::mem::take(&mut self.came).saturating_mul(1_000);
        let now = came.checked_div(millis).unwrap_or(0);
        let weight = millis.min(MEMORY_MS);
        let old = self.peers.saturating_mul(MEMORY_MS.saturating_sub(weight));
        self.peers = old.saturating_add(now.saturating_mul(weight)) / MEMORY_MS;
        self.is_low = buffer.is_some_and(|buffer| buffer < BUFFER_LOW);
        self.rate = buffer.map_or(0, |buffer| rate(wanted, self.peers, buffer));
        let earned = i64::try_from(self.rate.saturating_mul(millis) / 1_000).unwrap_or(i64::MAX);
        let full = i64::try_from(run_bytes.saturating_mul(BUCKET_RUNS)).unwrap_or(i64::MAX);
        self.bucket = self.bucket.saturating_add(earned).clamp(full.saturating_neg(), full);
    }

    /// Whether an origin may be asked for so much more. `urgent`: a reader needs it soon.
    pub(crate) fn may_ask(&self, bytes: u32, urgent: bool) -> bool {
        self.bucket >= i64::from(bytes) || urgent && self.is_low
    }

    /// An origin is asked for something in the window. `beyond`: peers have it, too.
    pub(crate) fn on_asked(&mut self, bytes: u32, beyond: bool) {
        self.bucket = self.bucket.saturating_sub(bytes.into());
        if beyond {
            self.total = self.total.saturating_add(bytes.into());
        }
    }

    /// What may be asked of origins, in bytes a second.
    pub(crate) fn rate(&self) -> u64 {
        self.rate
    }

    /// Bytes asked of origins although peers have them.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }
}

/// o, in bytes a second.
fn rate(wanted: u64, peers: u64, buffer: Duration) -> u64 {
    let (target, buffer) = (millis(BUFFER_WANTED), millis(buffer).min(u64::from(u32::MAX)));
    let part = |millis: u64| wanted.saturating_mul(millis) / FILLED_WITHIN_MS;
    let lacking = wanted.saturating_add(part(target.saturating_sub(buffer)));
    let had = peers.saturating_add(part(buffer.saturating_sub(target)));
    lacking.saturating_sub(had).min(wanted.saturating_add(wanted / 2))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u32 = 256 << 10;
    const FILM: u64 = 625_000;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_rate_is_what_peers_do_not_bring_and_a_part_of_what_the_buffer_lacks() {
        assert_eq!(rate(800, 0, seconds(12)), 800, "peers bring nothing");
        assert_eq!(rate(800, 800, seconds(12)), 0, "peers bring all");
        assert_eq!(rate(800, 600, seconds(12)), 200);
        assert_eq!(rate(800, 800, seconds(8)), 400, "four seconds are missing, to come in eight");
        assert_eq!(rate(800, 0, seconds(0)), 1_200, "no more than one and a half times");
        assert_eq!(rate(800, 0, seconds(20)), 0, "eight seconds too many");
        assert_eq!(rate(800, 0, seconds(u64::MAX)), 0);
    }

    #[test]
    fn a_buffer_that_is_full_asks_for_nothing_and_a_low_one_for_what_is_urgent_at_once() {
        let mut top_up = TopUp::default();
        top_up.pass(Duration::from_millis(250), Some(seconds(30)), FILM, RUN.into());
        assert!(!top_up.may_ask(RUN, true) && top_up.rate() == 0);
        top_up.pass(Duration::from_millis(250), Some(seconds(2)), FILM, RUN.into());
        assert!(top_up.may_ask(RUN, true) && !top_up.may_ask(RUN, false), "the bucket is not full yet");
        for _ in 0..100 {
            top_up.pass(Duration::from_millis(250), Some(seconds(5)), FILM, RUN.into());
        }
        let asked = (0..9).take_while(|_| {
            let may = top_up.may_ask(RUN, false);
            top_up.on_asked(RUN, true);
            may
        });
        assert_eq!(asked.count(), 2, "two runs, however long it was filled");
    }

    #[test]
    fn what_peers_bring_is_forgotten_within_some_seconds() {
        let mut top_up = TopUp::default();
        let mut pass = |bytes: u64| {
            top_up.on_peer(u32::try_from(bytes / 4).unwrap());
            top_up.pass(Duration::from_millis(250), Some(BUFFER_WANTED), FILM, RUN.into());
            top_up.rate()
        };
        let helped = (0..80).map(|_| pass(FILM)).last().unwrap();
        assert!(helped < FILM / 20, "{helped}");
        let alone = (0..60).map(|_| pass(0)).last().unwrap();
        assert!(alone > FILM * 9 / 10, "{alone}");
    }
}
