//! How many runs a peer sends at once.
//!
//! Sockets share an uplink. If sixteen neighbours are sent a run each, each run takes sixteen times as
//! long as it would alone, nobody can pass it on until it is whole, and neighbours take the sender
//! for late. With two at a time the same bytes go out, and each run arrives eight times as soon. But
//! if the receivers are slow, or far away, two at a time leave the uplink unused. So the number is
//! found by trying: fewer, as long as that costs nothing; more, as long as that brings something.
//! Runs that take a moment only need no such care, and their number doubles at once.
//!
//! Owners tell when each run begins and ends, how many others wait, and how much was sent in all.
//!
//! Invariant: the number of places lies between the two bounds. More runs than places are on their
//! way only just after places were taken away.

use std::time::Duration;

use crate::time::Timestamp;

/// Places to begin with.
const PLACES_AT_FIRST: u16 = 4;
/// A run that takes no longer than this holds nobody up.
const QUICK: Duration = Duration::from_millis(250);
/// If runs take longer than this, fewer at once are tried.
const LONG: Duration = Duration::from_millis(500);
/// The least time over which what was sent is measured.
const EPOCH: Duration = Duration::from_secs(2);
/// More places are kept if they bring a quarter more.
const BETTER: (u64, u64) = (5, 4);
/// Fewer places are kept if they cost no more than a tenth.
const AS_GOOD: (u64, u64) = (9, 10);
/// Epochs to rest after a try that failed. Fewer places cost something while they are tried in vain.
const REST_FROM_MORE: u8 = 8;
const REST_FROM_FEWER: u8 = 32;
/// A run that has taken this many times as long as runs take usually no longer counts. Its receiver
/// may be one that takes next to nothing, in order to keep others waiting.
const OVERDUE_RATIO: u32 = 4;
/// And no run counts as overdue before it has taken so long.
const OVERDUE_MIN: Duration = Duration::from_secs(8);

/// A number of places that is being tried.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// The number before.
    from: u16,
    /// Bytes a second that went out then.
    rate: u64,
}

/// The number of runs that may be on their way at once, and how many are.
#[derive(Clone, Debug)]
pub struct Concurrency {
    least: u16,
    most: u16,
    places: u16,
    busy: u16,
    /// Quick runs in a row.
    quick: u16,
    /// How long runs have taken lately. Zero: none has ended.
    usual: Duration,
    /// When the epoch began, and how much had been sent by then.
    epoch: (Timestamp, u64),
    /// At some moment of this epoch a place was free, and nobody waited.
    had_room: bool,
    trial: Option<Trial>,
    /// Epochs until more, and until fewer, may be tried.
    rests: (u8, u8),
}

impl Default for Concurrency {
    fn default() -> Concurrency {
        Concurrency::new(2, u16::MAX)
    }
}

impl Concurrency {
    /// From `least` to `most` runs at once; at least one, and at most `most`.
    pub fn new(least: u16, most: u16) -> Concurrency {
        let most = most.max(1);
        let least = least.clamp(1, most);
        Concurrency {
            least,
            most,
            places: PLACES_AT_FIRST.clamp(least, most),
            busy: 0,
            quick: 0,
            usual: Duration::ZERO,
            epoch: (Timestamp::ZERO, 0),
            had_room: true,
            trial: None,
            rests: (0, 0),
        }
    }

    /// Whether another run may begin.
    pub fn has_room(&self) -> bool {
        self.busy < self.places
    }

    /// How many runs may be on their way at once.
    pub fn places(&self) -> u16 {
        self.places
    }

    /// A run begins.
    pub fn begin(&mut self) {
        self.busy = self.busy.saturating_add(1);
    }

    /// A run no longer counts, though it has not ended: see [`Concurrency::is_overdue`].
    pub fn give_up(&mut self) {
        self.busy = self.busy.saturating_sub(1);
    }

    /// Whether a run that began at `begun` has taken so long that it should hold up nobody.
    pub fn is_overdue(&self, now: Timestamp, begun: Timestamp) -> bool {
        now.since(begun) >= self.usual.saturating_mul(OVERDUE_RATIO).max(OVERDUE_MIN)
    }

    /// A run that counted has ended. `began`: when it did. `waiting`: whether anybody waits for a
    /// place. `sent`: all bytes that were ever sent.
    pub fn end(&mut self, now: Timestamp, began: Timestamp, waiting: bool, sent: u64) {
        self.busy = self.busy.saturating_sub(1);
        let took = self.end_late(now, began);
        self.had_room |= !waiting && self.has_room();
        self.note_quickness(took);
        self.look(now, sent);
    }

    /// A run that no longer counted is out after all. Else a peer whose runs all take long would give
    /// up every one of them, and never learn how long they take. Returns how long it took.
    pub fn end_late(&mut self, now: Timestamp, began: Timestamp) -> Duration {
        let took = now.since(began);
        self.usual = match self.usual {
            Duration::ZERO => took,
            usual => usual.saturating_mul(3).saturating_add(took).checked_div(4).unwrap_or(took),
        };
        took
    }

    /// As many quick runs in a row as there are places double the places.
    fn note_quickness(&mut self, took: Duration) {
        self.quick = if took <= QUICK { self.quick.saturating_add(1) } else { 0 };
        if self.quick >= self.places && self.places < self.most {
            self.quick = 0;
            self.places = self.places.saturating_mul(2).min(self.most);
            self.trial = None;
            self.had_room = true;
        }
    }

    /// At the end of an epoch, decides on a trial, or begins one.
    fn look(&mut self, now: Timestamp, sent: u64) {
        if self.busy > self.places {
            // The number of places takes effect only when those too many are out.
            return self.begin_epoch(now, sent);
        }
        let passed = now.since(self.epoch.0);
        if passed < EPOCH.max(self.usual) {
            return;
        }
        let rate = rate(sent.saturating_sub(self.epoch.1), passed);
        let was_full = !self.had_room;
        self.begin_epoch(now, sent);
        match (self.trial.take(), was_full) {
            // Whoever is asked for little learns nothing.
            (Some(trial), false) => self.places = trial.from,
            (None, false) => {}
            (Some(trial), true) => self.conclude(trial, rate),
            (None, true) => self.try_another(rate),
        }
    }

    fn begin_epoch(&mut self, now: Timestamp, sent: u64) {
        self.epoch = (now, sent);
        self.had_room = false;
    }

    fn conclude(&mut self, trial: Trial, rate: u64) {
        let is_more = self.places > trial.from;
        let (times, of) = if is_more { BETTER } else { AS_GOOD };
        let is_kept = rate.saturating_mul(of) >= trial.rate.saturating_mul(times);
        if !is_kept {
            self.places = trial.from;
        }
        // What was gained by one step is not tried to be lost by the next.
        match (is_more, is_kept) {
            (true, true) => self.rests.1 = REST_FROM_FEWER,
            (true, false) => self.rests.0 = REST_FROM_MORE,
            (false, true) => self.rests.0 = REST_FROM_MORE,
            (false, false) => self.rests.1 = REST_FROM_FEWER,
        }
    }

    fn try_another(&mut self, rate: u64) {
        let (more, fewer) = self.rests;
        self.rests = (more.saturating_sub(1), fewer.saturating_sub(1));
        let from = self.places;
        if self.usual > LONG && from > self.least && fewer == 0 {
            self.places = (from / 2).max(self.least);
        } else if from < self.most && more == 0 {
            self.places = from.saturating_mul(2).min(self.most);
        } else {
            return;
        }
        self.trial = Some(Trial { from, rate });
    }
}

/// Bytes a second.
fn rate(bytes: u64, time: Duration) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1_000).checked_div(millis).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u64 = 256 << 10;

    /// A sender whose neighbours always want something, seen in steps of ten milliseconds. `uplink`
    /// and `each`: what it sends, and what one neighbour takes at most, in bytes a second. Returns
    /// places, and bytes sent, at the end.
    fn send(concurrency: &mut Concurrency, seconds: u64, uplink: u64, each: u64) -> (u16, u64) {
        let (mut on_way, mut sent): (Vec<(Timestamp, u64)>, u64) = (Vec::new(), 0);
        for step in 0..seconds * 100 {
            let now = Timestamp::from_millis(step * 10);
            while concurrency.has_room() {
                concurrency.begin();
                on_way.push((now, 0));
            }
            let share = (uplink / on_way.len() as u64).min(each) / 100;
            on_way.iter_mut().for_each(|(_, got)| *got += share);
            sent += share * on_way.len() as u64;
            let (out, rest): (Vec<_>, Vec<_>) = on_way.into_iter().partition(|&(_, got)| got >= RUN);
            on_way = rest;
            out.into_iter().for_each(|(began, _)| concurrency.end(now, began, true, sent));
        }
        (concurrency.places(), sent)
    }

    #[test]
    fn a_slow_uplink_sends_two_at_a_time() {
        for uplink in [20_000, 50_000, 200_000, 500_000] {
            let mut concurrency = Concurrency::default();
            let (places, sent) = send(&mut concurrency, 300, uplink, u64::MAX);
            assert!(places <= 4, "{places} places at {uplink} bytes a second");
            assert!(sent * 100 >= uplink * 300 * 99, "nothing is lost");
            assert!(concurrency.usual < Duration::from_secs(2 * 4 * RUN / uplink), "{concurrency:?}");
        }
    }

    #[test]
    fn slow_receivers_get_as_many_places_as_fill_the_uplink() {
        for (uplink, each) in [(10 << 20, 50_000), (1 << 20, 100_000), (100 << 20, 1 << 20)] {
            let mut concurrency = Concurrency::new(2, 512);
            let (_, sent) = send(&mut concurrency, 600, uplink, each);
            assert!(
                sent * 100 >= uplink * 600 * 70,
                "{sent} bytes at {uplink}, {each} each: {concurrency:?}"
            );
        }
    }

    #[test]
    fn quick_runs_double_the_places_within_seconds() {
        let mut concurrency = Concurrency::new(2, 512);
        let (places, _) = send(&mut concurrency, 5, 1 << 30, u64::MAX);
        assert!(places >= 64, "{places} places");
    }

    #[test]
    fn bounds_hold() {
        for (least, most) in [(2, 1), (1, 1), (3, 8), (16, 16)] {
            for (uplink, each) in [(50_000, u64::MAX), (50_000_000, 50_000), (1 << 30, u64::MAX)] {
                let mut concurrency = Concurrency::new(least, most);
                let (places, _) = send(&mut concurrency, 60, uplink, each);
                assert!((least.min(most)..=most).contains(&places), "{places} of {least} to {most}");
            }
        }
    }

    #[test]
    fn who_is_asked_for_little_keeps_the_number() {
        let mut concurrency = Concurrency::new(2, 16);
        for second in 0..100 {
            let began = Timestamp::from_millis(second * 1_000);
            concurrency.begin();
            concurrency.end(began + Duration::from_millis(900), began, false, second * RUN);
        }
        assert_eq!(concurrency.places(), PLACES_AT_FIRST);
    }

    #[test]
    fn a_peer_whose_runs_all_take_long_learns_that_and_gives_up_no_more_of_them() {
        let mut concurrency = Concurrency::default();
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        concurrency.begin();
        assert!(concurrency.is_overdue(at(21), at(0)), "nothing is known yet");
        concurrency.give_up();
        concurrency.end_late(at(21), at(0));
        assert!(!concurrency.is_overdue(at(42), at(21)), "{concurrency:?}");
    }

    #[test]
    fn a_receiver_that_takes_next_to_nothing_holds_its_place_for_a_while_only() {
        let mut concurrency = Concurrency::new(1, 1);
        concurrency.begin();
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        assert!(!concurrency.is_overdue(at(7), at(0)) && concurrency.is_overdue(at(8), at(0)));
        concurrency.give_up();
        assert!(concurrency.has_room());
        concurrency.begin();
        concurrency.end(at(20), at(10), true, RUN);
        assert!(!concurrency.is_overdue(at(39), at(0)), "as runs take ten seconds here");
    }
}
