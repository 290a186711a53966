//! What a neighbour did with our requests, for as long as we must remember it.
//!
//! What a neighbour does counts against that neighbour only: a neighbour that refuses is asked more
//! seldom, a neighbour that keeps us waiting no longer counts as a holder, and a neighbour that
//! sends runs which it knows we hold is banned. A run that is new to us ends its pauses and its
//! waiting.
//!
//! Invariant: a record exists only while something in it differs from a new record.

use std::time::Duration;

use crate::{id::PeerKey, random::Random, time::Timestamp};

/// How long a neighbour counts as a holder while we want something from it and it chokes or refuses
/// us.
const WAITED_FOR: Duration = Duration::from_secs(2);
/// The first pause after a refusal is a tick divided by this: at the next tick the neighbour may be
/// asked again.
const PAUSE_DIVISOR: u32 = 2;
/// Each further pause is twice as long, up to 2^6 times the first: 8 seconds.
const PAUSE_DOUBLINGS_MAX: u8 = 6;
/// A neighbour that never gave us anything waits up to 2^8 times the first: 32 seconds.
const STRANGER_DOUBLINGS_MAX: u8 = 8;
/// An origin that says "elsewhere" again and again is paused up to 2^3 times as long as after the
/// first time: two to four seconds. In a large crowd the answer may be true; if it is not, no other
/// neighbour waits for it.
const ELSEWHERE_DOUBLINGS_MAX: u8 = 3;
/// Only origins may say "elsewhere". Any other neighbour is banned when it says so the third time.
const ELSEWHERE_BY_PEER_MAX: u8 = 3;
/// An origin may send another run than the requested one, and may not have heard yet that we hold
/// it. After this many repeats beyond its share the origin may no longer choose: we request one run
/// and accept no other. That is no blame.
const REPEATS_BORNE: u32 = 2;
/// How many runs that we hold and that were not due are tolerated: a renewed link may have left
/// some on their way.
const UNDUE_MAX: u32 = 2;
/// One repeat in this many new runs is an origin's share: 1 % of what it gives.
pub(crate) const RUNS_PER_REPEAT: u32 = 100;

/// What is held against one neighbour.
#[derive(Clone, Copy, Debug)]
struct Record {
    peer: PeerKey,
    /// Runs that it sent although we held them, in hundredths, less the granted share.
    repeats: u16,
    /// Times in a row that it was asked and brought nothing new.
    fruitless: u8,
    /// Times that it said "elsewhere" without being an origin.
    elsewhere: u8,
    /// Requests that we took back and that it has not answered: those answers are due.
    owed: u8,
    /// It is not asked before this moment.
    not_before: Timestamp,
    /// Since when it keeps us waiting. [`Timestamp::NEVER`]: it does not.
    waiting: Timestamp,
}

impl Record {
    fn new(peer: PeerKey) -> Record {
        Record {
            peer,
            repeats: 0,
            fruitless: 0,
            elsewhere: 0,
            owed: 0,
            not_before: Timestamp::ZERO,
            waiting: Timestamp::NEVER,
        }
    }

    fn is_clean(&self) -> bool {
        let counts = [self.fruitless, self.elsewhere, self.owed];
        self.repeats == 0 && counts == [0; 3] && self.waiting == Timestamp::NEVER
    }

    /// Begins a pause of `first`, doubled with each time in a row.
    fn pause(&mut self, now: Timestamp, first: Duration, doublings_max: u8) {
        if now < self.not_before {
            // Answers to requests made together count once.
            return;
        }
        self.not_before = now + first.saturating_mul(1 << self.fruitless.min(doublings_max));
        self.fruitless = self.fruitless.saturating_add(1);
    }
}

/// What to do about a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Do nothing.
    Bear,
    /// Ban it.
    Ban,
}

/// Records of neighbours, sorted by peer. Most neighbours have no record.
#[derive(Debug, Default)]
pub(crate) struct Conduct(Vec<Record>);

impl Conduct {
    fn position(&self, peer: PeerKey) -> Result<usize, usize> {
        self.0.binary_search_by_key(&peer, |record| record.peer)
    }

    fn get(&self, peer: PeerKey) -> Option<&Record> {
        self.position(peer).ok().map(|at| &self.0[at])
    }

    fn record(&mut self, peer: PeerKey) -> &mut Record {
        let at = match self.position(peer) {
            Ok(at) => at,
            Err(at) => {
                if self.0.len() == self.0.capacity() {
                    self.0.reserve_exact(4);
                }
                self.0.insert(at, Record::new(peer));
                at
            }
        };
        &mut self.0[at]
    }

    /// Whether we must not ask it now.
    pub(crate) fn is_paused(&self, now: Timestamp, peer: PeerKey) -> bool {
        self.get(peer).is_some_and(|record| now < record.not_before)
    }

    /// The most requests that may be open to it: one, as long as it brings nothing new.
    pub(crate) fn in_flight_max(&self, peer: PeerKey) -> u8 {
        if self.is_fruitless(peer) { 1 } else { u8::MAX }
    }

    /// Whether it brought nothing new when it was last asked.
    pub(crate) fn is_fruitless(&self, peer: PeerKey) -> bool {
        self.get(peer).is_some_and(|record| record.fruitless > 0)
    }

    /// It refused, or we asked another neighbour instead because it was too slow.
    pub(crate) fn on_fruitless(&mut self, now: Timestamp, peer: PeerKey, tick: Duration, is_stranger: bool) {
        let doublings_max = if is_stranger { STRANGER_DOUBLINGS_MAX } else { PAUSE_DOUBLINGS_MAX };
        self.record(peer).pause(now, tick.checked_div(PAUSE_DIVISOR).unwrap_or(tick), doublings_max);
    }

    /// It said that the run is on its way among peers, which only an origin can know.
    pub(crate) fn on_elsewhere(
        &mut self,
        now: Timestamp,
        (peer, is_origin): (PeerKey, bool),
        tick: Duration,
        random: &mut Random,
    ) -> Verdict {
        let record = self.record(peer);
        if is_origin {
            record.pause(now, random.stretch(tick, 1.0), ELSEWHERE_DOUBLINGS_MAX);
            return Verdict::Bear;
        }
        record.elsewhere = record.elsewhere.saturating_add(1);
        record.pause(now, tick.checked_div(PAUSE_DIVISOR).unwrap_or(tick), STRANGER_DOUBLINGS_MAX);
        if record.elsewhere >= ELSEWHERE_BY_PEER_MAX { Verdict::Ban } else { Verdict::Bear }
    }

    /// An origin sent a run that we hold in place of one that we lack.
    pub(crate) fn on_repeat(&mut self, peer: PeerKey) {
        let record = self.record(peer);
        record.repeats = record.repeats.saturating_add(crate::saturate::to_u16(RUNS_PER_REPEAT));
    }

    /// Whether an origin may choose another run than the requested one.
    pub(crate) fn may_steer(&self, peer: PeerKey) -> bool {
        self.get(peer)
            .is_none_or(|record| u32::from(record.repeats) <= REPEATS_BORNE.saturating_mul(RUNS_PER_REPEAT))
    }

    /// We took back a request to it.
    pub(crate) fn on_withdrawn(&mut self, peer: PeerKey) {
        let record = self.record(peer);
        record.owed = record.owed.saturating_add(1);
    }

    /// An answer came to a request that is not open. Returns whether the answer was due all the
    /// same.
    pub(crate) fn take_owed(&mut self, peer: PeerKey) -> bool {
        let Ok(at) = self.position(peer) else { return false };
        let record = &mut self.0[at];
        let was_due = record.owed > 0;
        record.owed = record.owed.saturating_sub(1);
        if record.is_clean() {
            self.0.remove(at);
        }
        was_due
    }

    /// It sent a run that we hold and that was not due.
    pub(crate) fn on_undue(&mut self, peer: PeerKey) -> Verdict {
        let record = self.record(peer);
        record.repeats = record.repeats.saturating_add(crate::saturate::to_u16(RUNS_PER_REPEAT));
        match u32::from(record.repeats) / RUNS_PER_REPEAT > UNDUE_MAX {
            true => Verdict::Ban,
            false => Verdict::Bear,
        }
    }

    /// It brought a run that is new to us.
    pub(crate) fn on_new(&mut self, peer: PeerKey) {
        let Ok(at) = self.position(peer) else { return };
        let record = &mut self.0[at];
        record.repeats = record.repeats.saturating_sub(1);
        record.waiting = Timestamp::NEVER;
        (record.fruitless, record.not_before) = (0, Timestamp::ZERO);
        if record.is_clean() {
            self.0.remove(at);
        }
    }

    /// Notes whether the neighbour keeps us waiting. `serves`: it serves us. `wanted`: we want
    /// something from it. Returns whether it has kept us waiting for too long to count as a holder.
    pub(crate) fn keeps_waiting(
        &mut self,
        now: Timestamp,
        peer: PeerKey,
        serves: bool,
        wanted: bool,
    ) -> bool {
        let Ok(at) = self.position(peer) else {
            if wanted && !serves {
                self.record(peer).waiting = now;
            }
            return false;
        };
        let record = &mut self.0[at];
        let waited = record.waiting != Timestamp::NEVER;
        let too_long = waited && now.since(record.waiting) >= WAITED_FOR;
        if too_long {
            // It must bring something first.
            return true;
        }
        if serves && waited {
            record.waiting = Timestamp::NEVER;
            if record.is_clean() {
                self.0.remove(at);
            }
        } else if wanted && !serves && !waited {
            record.waiting = now;
        }
        // A neighbour that has nothing for us at the moment neither starts nor ends a wait: it may
        // claim now to have something, now not.
        false
    }

    /// Whether it sent runs that we hold more often than its share allows.
    pub(crate) fn repeats_itself(&self, peer: PeerKey) -> bool {
        self.get(peer).is_some_and(|record| u32::from(record.repeats) >= RUNS_PER_REPEAT)
    }

    /// A neighbour is gone.
    pub(crate) fn forget(&mut self, peer: PeerKey) {
        if let Ok(at) = self.position(peer) {
            self.0.remove(at);
        }
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<Record>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(250);
    const PEER: PeerKey = PeerKey(3);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn who_refuses_is_asked_ever_more_seldom_until_it_brings_something() {
        let mut conduct = Conduct::default();
        let mut now = at(0);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            conduct.on_fruitless(now, PEER, TICK, false);
            conduct.on_fruitless(now, PEER, TICK, false);
            let start = now;
            while conduct.is_paused(now, PEER) {
                now = now + Duration::from_millis(5);
            }
            pauses.push(now.since(start).as_millis());
        }
        assert_eq!(pauses, [125, 250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
        conduct.on_fruitless(now, PEER, TICK, false);
        conduct.on_new(PEER);
        assert!(!conduct.is_paused(now, PEER) && conduct.heap_bytes() > 0 && conduct.0.is_empty());
    }

    #[test]
    fn elsewhere_of_an_origin_is_borne_and_of_anybody_else_three_times() {
        let (mut conduct, mut random) = (Conduct::default(), Random::new(1));
        for second in 0..100 {
            let verdict = conduct.on_elsewhere(at(second * 10_000), (PEER, true), TICK, &mut random);
            assert_eq!(verdict, Verdict::Bear);
            assert!(!conduct.is_paused(at(second * 10_000 + 4_000), PEER), "four seconds at most");
        }
        let mut say = |peer| conduct.on_elsewhere(at(0), (PeerKey(peer), false), TICK, &mut random);
        assert_eq!(
            [say(1), say(1), say(2), say(1)],
            [Verdict::Bear, Verdict::Bear, Verdict::Bear, Verdict::Ban]
        );
    }

    #[test]
    fn an_origin_that_repeats_itself_more_than_once_in_a_hundred_runs_no_longer_chooses_until_it_made_up_for_it()
     {
        let mut conduct = Conduct::default();
        for _ in 0..REPEATS_BORNE {
            conduct.on_repeat(PEER);
            assert!(conduct.may_steer(PEER));
        }
        conduct.on_repeat(PEER);
        assert!(!conduct.may_steer(PEER) && !conduct.is_paused(at(0), PEER), "it is asked all the same");
        (0..RUNS_PER_REPEAT).for_each(|_| conduct.on_new(PEER));
        assert!(conduct.may_steer(PEER));
        for _ in 0..100 {
            (0..RUNS_PER_REPEAT).for_each(|_| conduct.on_new(PEER));
            conduct.on_repeat(PEER);
            assert!(conduct.may_steer(PEER));
        }
    }

    #[test]
    fn who_chokes_for_two_seconds_keeps_us_waiting_until_it_brings_something() {
        let mut conduct = Conduct::default();
        let look =
            |conduct: &mut Conduct, millis, serves| conduct.keeps_waiting(at(millis), PEER, serves, true);
        assert!(!look(&mut conduct, 0, false));
        assert!(!look(&mut conduct, 1_900, false));
        assert!(look(&mut conduct, 2_000, false));
        assert!(look(&mut conduct, 2_250, true), "its word that it serves again is not enough");
        conduct.on_new(PEER);
        assert!(!look(&mut conduct, 2_500, true));
        assert!(!look(&mut conduct, 3_000, false));
        assert!(!look(&mut conduct, 4_000, true), "it was a moment only");
        assert!(!look(&mut conduct, 5_500, false));
    }

    #[test]
    fn who_says_by_turns_that_it_has_something_keeps_us_waiting_all_the_same() {
        let mut conduct = Conduct::default();
        let late = (0..20).find(|&tick| conduct.keeps_waiting(at(tick * 250), PEER, false, tick % 2 == 0));
        assert_eq!(late, Some(8));
    }
}
