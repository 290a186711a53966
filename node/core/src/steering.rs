//! The origin rule, an origin's half: what it answers. When it is asked is in [`crate::origin`].
//!
//! It sends each run once before any twice, trusting peers to pass runs on.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    config::Config, id::PeerKey, layout::RunIndex, picker::Availability, run_set::RunSet, time::Timestamp,
};

/// A neighbour that holds a run from an origin for so long without anybody having got it from there has more to pass on
/// than its uplink takes: what it is given beyond that reaches the others late, however early it was sent.
const RELAY_TIME: Duration = Duration::from_secs(1);

/// Such a neighbour waits only while others, who pass on what they get, have taken something within this time: an uplink
/// that would else be idle serves anybody.
const QUICK_WINDOW: Duration = Duration::from_millis(300);

/// And who takes so many times longer for that than most is served last, once slots are short.
const LAGGARD_RATIO: u32 = 3;

/// Runs given first to somebody of whom nothing has come to others yet, while more ask than are served at a time and others
/// pass theirs on.
const TRIAL_RUNS: usize = 2;

/// Who does not pass on what it gets is not trusted with first copies for so long; each further time twice as long, up to
/// 2^4 times.
const DISTRUST: Duration = Duration::from_secs(4);
const DISTRUST_DOUBLINGS_MAX: u8 = 4;

/// Runs weighed to find one in place of one that was sent a moment ago.
const WEIGHED_MAX: u32 = 1_024;

/// What a neighbour asks an origin for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) peer: PeerKey,
    pub(crate) run: RunIndex,
    /// It wants this run and no other: what origins chose for it, it held too often.
    pub(crate) exact: bool,
}

/// What an origin does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Send this run: the one asked for, or one that was never sent yet.
    Serve(RunIndex),
    /// Refuse: the run was sent to somebody a moment ago, who will pass it on.
    Elsewhere,
}

/// An origin's half of the rule, for one content: what was sent when.
#[derive(Debug)]
pub(crate) struct Steering {
    /// When each run was last sent, in tenths of a second after `since`, plus one; 0 = never.
    sent: Box<[u16]>,
    since: Timestamp,
    /// Where this origin begins: each elsewhere, so that of two that know nothing of each other not both send the same.
    first: u32,
    /// So many runs from there on were sent, or are held by a neighbour.
    passed: u32,
    /// By neighbour: runs it was given first, as far as nobody else is known to hold them yet.
    to_relay: BTreeMap<PeerKey, Relay>,
    /// When somebody who passes on what it gets was last given something new.
    quick_at: Option<Timestamp>,
    /// More want something than are served at a time.
    is_contended: bool,
}

/// What a neighbour is to pass on.
#[derive(Debug, Default)]
struct Relay {
    waiting: Vec<Relayed>,
    /// It passed something on, since it was last distrusted.
    is_proven: bool,
    /// How often it was distrusted, less one for each time since then that something it got had spread.
    failures: u8,
    /// It is not trusted until then: what it holds does not count.
    distrusted_until: Option<Timestamp>,
}

/// A run that a neighbour is to pass on.
#[derive(Clone, Copy, Debug)]
struct Relayed {
    run: RunIndex,
    /// When it was given, as in [`Steering::sent`]: if that differs, it was sent again since.
    given: u16,
    /// When it had been sent whole; 0 = not yet.
    delivered: u16,
}

impl Steering {
    /// `tag` tells this origin from others.
    pub(crate) fn new(now: Timestamp, runs: u32, tag: u32) -> Steering {
        Steering {
            sent: vec![0; runs as usize].into(),
            since: now,
            first: tag.checked_rem(runs).unwrap_or(0),
            passed: 0,
            to_relay: BTreeMap::new(),
            quick_at: None,
            is_contended: false,
        }
    }

    /// Decides what to send to somebody who lacks what is not in `theirs`; `crowd` = others could pass it on.
    pub(crate) fn answer(
        &mut self,
        now: Timestamp,
        Wish { peer, run: asked, exact }: Wish,
        theirs: Option<&RunSet>,
        availability: &Availability,
        crowd: bool,
        config: &Config,
    ) -> Answer {
        let out_there = availability.of(asked) > 0;
        let sent_lately = self.age(now, asked).is_some_and(|age| age < config.relay_window);
        let answer = if !crowd {
            Answer::Serve(asked)
        } else if !self.is_trusted(peer) {
            // It gets what it asks for, if nobody else would; that is as good as not sent.
            return self.unless_it_waits(now, peer, asked, availability);
        } else if !out_there && !sent_lately {
            self.give_first(now, peer, asked, availability)
        } else if let Some(unsent) = self.next_unsent(theirs, availability).filter(|_| !exact) {
            self.give_first(now, peer, unsent, availability)
        } else if out_there {
            // Its peers are silent or late, else it would not ask: what it wants goes out, in its turn. What went out a
            // moment ago is about to spread: it gets another run meanwhile, if there is one that it lacks.
            let other = match sent_lately && !exact {
                true => self.rarest_stale(now, asked, theirs, availability, config),
                false => None,
            };
            self.unless_it_waits(now, peer, other.unwrap_or(asked), availability)
        } else if self.is_relayed(asked) {
            Answer::Elsewhere
        } else {
            // Whoever got it is gone, or got it while there was nobody to pass it on to.
            self.give_first(now, peer, asked, availability)
        };
        if let Answer::Serve(run) = answer {
            self.note_sent(now, run);
        }
        answer
    }

    /// Whether a neighbour that is there was given this run to pass on.
    fn is_relayed(&self, run: RunIndex) -> bool {
        self.to_relay.values().any(|relay| relay.waiting.iter().any(|it| it.run == run))
    }

    /// Gives a run that nobody has, unless this neighbour lags behind with what it has to pass on, and others do not.
    fn give_first(
        &mut self,
        now: Timestamp,
        peer: PeerKey,
        run: RunIndex,
        availability: &Availability,
    ) -> Answer {
        let answer = self.unless_it_waits(now, peer, run, availability);
        if answer == Answer::Serve(run) {
            let given = self.tenths(now);
            self.to_relay.entry(peer).or_default().waiting.push(Relayed { run, given, delivered: 0 });
        }
        answer
    }

    /// Serves a run, unless this neighbour lags behind and others, who do not, were served a moment ago.
    fn unless_it_waits(
        &mut self,
        now: Timestamp,
        peer: PeerKey,
        run: RunIndex,
        availability: &Availability,
    ) -> Answer {
        let lags = !self.is_trusted(peer)
            || self.lag(now, peer, availability) > RELAY_TIME
            || self.is_on_trial(peer);
        if !lags {
            self.quick_at = Some(now);
        } else if self.quick_at.is_some_and(|at| now.since(at) < QUICK_WINDOW) {
            return Answer::Elsewhere;
        }
        Answer::Serve(run)
    }

    /// How long ago a neighbour got what it still holds alone. Who got it and does not say so holds it too.
    fn lag(&mut self, now: Timestamp, peer: PeerKey, availability: &Availability) -> Duration {
        let Some(mut relay) = self.to_relay.remove(&peer) else { return Duration::ZERO };
        let sent = |it: &Relayed| self.sent[it.run.get() as usize];
        if relay.waiting.iter().any(|it| availability.of(it.run) >= 2 && sent(it) == it.given) {
            relay.is_proven = true;
            relay.failures = relay.failures.saturating_sub(1);
        }
        relay.waiting.retain(|it| availability.of(it.run) < 2 && sent(it) != 0);
        let age = |it: &Relayed| match availability.of(it.run) {
            1 if it.delivered == 0 => self.age(now, it.run),
            _ => self.age_of(now, it.delivered),
        };
        let oldest = relay.waiting.iter().filter_map(age).max();
        self.to_relay.insert(peer, relay);
        oldest.unwrap_or_default()
    }

    /// Whether a neighbour of whom nothing has come to anybody yet has as much as it may have until something does.
    fn is_on_trial(&self, peer: PeerKey) -> bool {
        let relay = self.to_relay.get(&peer).filter(|relay| self.is_contended || relay.failures > 0);
        relay.is_some_and(|relay| !relay.is_proven && relay.waiting.len() >= TRIAL_RUNS)
    }

    /// Whether a neighbour is trusted to pass on what it gets.
    pub(crate) fn is_trusted(&self, peer: PeerKey) -> bool {
        self.to_relay.get(&peer).is_none_or(|relay| relay.distrusted_until.is_none())
    }

    /// Of these, who passes on what it gets far later than the others, or not at all, and so is not trusted, sorted. Also
    /// tells of whom that has changed.
    pub(crate) fn judge(
        &mut self,
        now: Timestamp,
        peers: &[PeerKey],
        slots: usize,
        availability: &Availability,
        config: &Config,
    ) -> (Vec<PeerKey>, Vec<PeerKey>) {
        let mut lags: Vec<(Duration, PeerKey)> = Vec::new();
        for &peer in peers {
            if self.is_trusted(peer) {
                lags.push((self.lag(now, peer, availability), peer));
            }
        }
        self.is_contended = peers.len() > slots;
        lags.sort_unstable();
        let median = lags.get(lags.len() / 2).map_or(Duration::ZERO, |&(median, _)| median);
        let most = median.saturating_mul(LAGGARD_RATIO);
        let mut changed = Vec::new();
        for (&peer, relay) in &mut self.to_relay {
            if relay.distrusted_until.is_some_and(|until| now >= until) {
                relay.distrusted_until = None;
                changed.push(peer);
            }
        }
        let mut last: Vec<PeerKey> = peers.iter().copied().filter(|&peer| !self.is_trusted(peer)).collect();
        for (lag, peer) in lags.into_iter().filter(|&(lag, _)| lag > most.max(RELAY_TIME)) {
            last.push(peer);
            if lag > most.max(config.relay_window) {
                self.distrust(now, peer);
                changed.push(peer);
            }
        }
        last.sort_unstable();
        (last, changed)
    }

    /// What a neighbour was to pass on is as good as not sent.
    fn distrust(&mut self, now: Timestamp, peer: PeerKey) {
        let Some(relay) = self.to_relay.get_mut(&peer) else { return };
        relay.distrusted_until =
            Some(now + DISTRUST.saturating_mul(1 << relay.failures.min(DISTRUST_DOUBLINGS_MAX)));
        relay.failures = relay.failures.saturating_add(1);
        relay.is_proven = false;
        for it in std::mem::take(&mut relay.waiting) {
            if it.delivered != 0 && self.sent[it.run.get() as usize] == it.given {
                self.on_unsent(it.run);
            }
        }
    }

    /// A run has been sent whole.
    pub(crate) fn on_delivered(&mut self, now: Timestamp, peer: PeerKey, run: RunIndex) {
        let tenths = self.tenths(now);
        let given = self.to_relay.get_mut(&peer).into_iter().flat_map(|relay| &mut relay.waiting);
        given.filter(|it| it.run == run).for_each(|it| it.delivered = tenths);
    }

    /// A neighbour is gone, with what it had to pass on. What no other neighbour holds counts as never sent: nobody will
    /// pass it on, and whoever asks for it would wait in vain.
    pub(crate) fn on_unlinked(&mut self, peer: PeerKey, availability: &Availability) {
        let Some(relay) = self.to_relay.remove(&peer) else { return };
        for it in relay.waiting {
            if availability.of(it.run) == 0 {
                self.on_unsent(it.run);
            }
        }
    }

    /// A run did not go out after all.
    pub(crate) fn on_unsent(&mut self, run: RunIndex) {
        self.sent[run.get() as usize] = 0;
        self.passed = self.passed.min(self.place(run));
    }

    /// How many runs come before this one, in the order that they are given out in.
    fn place(&self, run: RunIndex) -> u32 {
        let runs = crate::saturate::to_u32(self.sent.len());
        run.get()
            .checked_sub(self.first)
            .unwrap_or_else(|| run.get().saturating_add(runs).saturating_sub(self.first))
    }

    /// The run that so many come before.
    fn at_place(&self, place: u32) -> RunIndex {
        let to_the_end = crate::saturate::to_u32(self.sent.len()).saturating_sub(self.first);
        RunIndex::new(place.checked_sub(to_the_end).unwrap_or_else(|| self.first.saturating_add(place)))
    }

    fn age(&self, now: Timestamp, run: RunIndex) -> Option<Duration> {
        self.age_of(now, self.sent[run.get() as usize])
    }

    fn age_of(&self, now: Timestamp, sent: u16) -> Option<Duration> {
        let at = self.since + Duration::from_millis(u64::from(sent.checked_sub(1)?).saturating_mul(100));
        Some(now.since(at))
    }

    fn note_sent(&mut self, now: Timestamp, run: RunIndex) {
        self.sent[run.get() as usize] = self.tenths(now);
    }

    /// This moment, as kept for runs.
    fn tenths(&mut self, now: Timestamp) -> u16 {
        let tenths = now.since(self.since).as_millis() / 100;
        if tenths >= u128::from(u16::MAX - 1) {
            // Nearly two hours on: start the clock anew. All that was sent counts as sent long ago.
            self.sent.iter_mut().for_each(|sent| *sent = u16::from(*sent > 0));
            let given = self.to_relay.values_mut().flat_map(|relay| &mut relay.waiting);
            given.for_each(|it| (it.given, it.delivered) = (1, u16::from(it.delivered > 0)));
            self.since = now - Duration::from_secs(60);
        }
        let tenths = now.since(self.since).as_millis() / 100;
        crate::saturate::to_u16(tenths).saturating_add(1)
    }

    /// The next run that was never sent, that no neighbour holds and the asker lacks.
    fn next_unsent(&mut self, theirs: Option<&RunSet>, availability: &Availability) -> Option<RunIndex> {
        let runs = crate::saturate::to_u32(self.sent.len());
        while self.passed < runs {
            let run = self.at_place(self.passed);
            let lacks = theirs.is_none_or(|theirs| !theirs.contains(run));
            if self.sent[run.get() as usize] == 0 && availability.of(run) == 0 && lacks {
                return Some(run);
            }
            self.passed = self.passed.saturating_add(1);
        }
        None
    }

    /// The run that fewest hold of those that were not sent lately and that the asker lacks, looking from a run on.
    fn rarest_stale(
        &self,
        now: Timestamp,
        from: RunIndex,
        theirs: Option<&RunSet>,
        availability: &Availability,
        config: &Config,
    ) -> Option<RunIndex> {
        let (theirs, runs) = (theirs?, std::num::NonZeroU32::new(crate::saturate::to_u32(self.sent.len()))?);
        let after = |step| RunIndex::new(from.get().saturating_add(step) % runs);
        let all = (0..runs.get().min(WEIGHED_MAX)).map(after);
        let is_stale = |&run: &RunIndex| {
            !theirs.contains(run) && self.age(now, run).is_none_or(|age| age >= config.relay_window)
        };
        all.filter(is_stale).min_by_key(|&run| availability.of(run))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let relayed = |it: &Relay| it.waiting.capacity().saturating_mul(size_of::<Relayed>());
        let to_relay = self.to_relay.values().flat_map(|it| [relayed(it), 40]);
        to_relay.chain([self.sent.len().saturating_mul(2)]).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(index: u32) -> RunIndex {
        RunIndex::new(index)
    }

    fn wish(peer: PeerKey, index: u32) -> Wish {
        Wish { peer, run: run(index), exact: false }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn each_run_is_sent_once_before_any_twice() {
        let config = Config::origin();
        let (mut steering, availability) = (Steering::new(at(0), 4, 0), Availability::new(4));
        let nobody = RunSet::empty(4);
        let mut ask = |now, index| {
            steering.answer(at(now), wish(PeerKey(1), index), Some(&nobody), &availability, true, &config)
        };
        assert_eq!(ask(0, 2), Answer::Serve(run(2)));
        assert_eq!(ask(1, 2), Answer::Serve(run(0)), "2 was sent: an unsent one in its place");
        assert_eq!(ask(2, 2), Answer::Serve(run(1)));
        assert_eq!(ask(3, 0), Answer::Serve(run(3)));
        assert_eq!(ask(4, 0), Answer::Elsewhere, "all were sent a moment ago");
        assert_eq!(ask(9_000, 0), Answer::Serve(run(0)), "nobody passed it on");
    }

    #[test]
    fn what_went_to_somebody_who_is_gone_is_not_said_to_be_elsewhere() {
        let config = Config::origin();
        let (mut steering, availability) = (Steering::new(at(0), 2, 0), Availability::new(2));
        let nobody = RunSet::empty(2);
        let ask = |steering: &mut Steering, peer, index, crowd| {
            steering.answer(at(1), wish(PeerKey(peer), index), Some(&nobody), &availability, crowd, &config)
        };
        for index in 0..2 {
            assert_eq!(ask(&mut steering, 1, index, false), Answer::Serve(run(index)), "alone");
        }
        steering.on_unlinked(PeerKey(1), &availability);
        assert_eq!(ask(&mut steering, 2, 0, true), Answer::Serve(run(0)));
        assert_eq!(ask(&mut steering, 3, 0, true), Answer::Elsewhere, "2 passes it on");
    }

    #[test]
    fn who_wants_one_run_and_no_other_gets_that_or_none() {
        let config = Config::origin();
        let (mut steering, mut availability) = (Steering::new(at(0), 8, 0), Availability::new(8));
        let mut ask = |now, index, availability: &Availability| {
            let exact = Wish { exact: true, ..wish(PeerKey(1), index) };
            steering.answer(at(now), exact, Some(&RunSet::empty(8)), availability, true, &config)
        };
        assert_eq!(ask(0, 2, &availability), Answer::Serve(run(2)));
        assert_eq!(ask(1, 2, &availability), Answer::Elsewhere, "2 was sent a moment ago");
        availability.add(run(2));
        assert_eq!(
            ask(2, 2, &availability),
            Answer::Serve(run(2)),
            "its peers are silent, else it would not ask"
        );
    }

    #[test]
    fn each_origin_begins_elsewhere_and_leaves_nothing_out() {
        let config = Config::origin();
        let (mut steering, availability) = (Steering::new(at(0), 4, 3), Availability::new(4));
        let mut ask = |index| {
            let wish = wish(PeerKey(1), index);
            steering.answer(at(0), wish, Some(&RunSet::empty(4)), &availability, true, &config)
        };
        assert_eq!([2, 2, 2, 2].map(&mut ask), [2, 3, 0, 1].map(|index| Answer::Serve(run(index))));
        steering.on_unsent(run(3));
        steering.on_unsent(run(1));
        let mut ask = |index| {
            let wish = wish(PeerKey(1), index);
            steering.answer(at(0), wish, Some(&RunSet::empty(4)), &availability, true, &config)
        };
        assert_eq!([2, 2].map(&mut ask), [3, 1].map(|index| Answer::Serve(run(index))));
    }

    #[test]
    fn a_run_that_did_not_go_out_is_unsent_again() {
        let config = Config::origin();
        let (mut steering, availability) = (Steering::new(at(0), 2, 0), Availability::new(2));
        let ask = |steering: &mut Steering| {
            steering.answer(at(0), wish(PeerKey(1), 0), None, &availability, true, &config)
        };
        assert_eq!(ask(&mut steering), Answer::Serve(run(0)));
        assert_eq!(ask(&mut steering), Answer::Serve(run(1)));
        steering.on_unsent(run(1));
        assert_eq!(ask(&mut steering), Answer::Serve(run(1)));
        assert_eq!(ask(&mut steering), Answer::Elsewhere);
    }

    #[test]
    fn what_went_away_with_a_neighbour_is_given_to_the_next_one_at_once() {
        let config = Config::origin();
        let (mut steering, mut availability) = (Steering::new(at(0), 2, 0), Availability::new(2));
        let (gone, next) = (PeerKey(1), PeerKey(2));
        let ask = |steering: &mut Steering, peer, index, availability: &Availability| {
            steering.answer(at(100), wish(peer, index), None, availability, true, &config)
        };
        assert_eq!(ask(&mut steering, gone, 0, &availability), Answer::Serve(run(0)));
        assert_eq!(ask(&mut steering, gone, 1, &availability), Answer::Serve(run(1)));
        assert_eq!(ask(&mut steering, next, 0, &availability), Answer::Elsewhere, "it will be passed on");
        // Somebody else has the second one already.
        availability.add(run(1));
        steering.on_unlinked(gone, &availability);
        assert_eq!(ask(&mut steering, next, 0, &availability), Answer::Serve(run(0)));
        assert_eq!(steering.next_unsent(None, &availability), None, "the other run has not gone away");
    }

    #[test]
    fn what_only_somebody_holds_who_passes_nothing_on_is_given_to_somebody_else() {
        let config = Config::origin();
        let (mut steering, mut availability) = (Steering::new(at(0), 64, 0), Availability::new(64));
        let [rider, quick, other] = [1, 2, 3].map(PeerKey);
        let peers = [rider, quick, other];
        let ask = |steering: &mut Steering, now, peer, index, availability: &Availability| {
            steering.answer(at(now), wish(peer, index), None, availability, true, &config)
        };
        assert_eq!(ask(&mut steering, 0, rider, 0, &availability), Answer::Serve(run(0)));
        steering.on_delivered(at(500), rider, run(0));
        availability.add(run(0));
        assert_eq!(steering.judge(at(2_000), &peers, 16, &availability, &config).1, [], "it may be slow");
        assert!(steering.is_trusted(rider));
        let (last, changed) = steering.judge(at(4_000), &peers, 16, &availability, &config);
        assert_eq!((last, changed), (vec![rider], vec![rider]));
        // Its word does not count any more.
        availability.subtract(run(0));
        assert!(!steering.is_trusted(rider) && steering.is_trusted(quick));
        assert_eq!(ask(&mut steering, 4_000, quick, 0, &availability), Answer::Serve(run(0)), "as if unsent");
        assert_eq!(
            ask(&mut steering, 4_100, rider, 9, &availability),
            Answer::Elsewhere,
            "others are served"
        );
        assert_eq!(ask(&mut steering, 4_500, rider, 9, &availability), Answer::Serve(run(9)), "it is idle");
        assert_eq!(ask(&mut steering, 4_600, other, 9, &availability), Answer::Serve(run(9)), "as if unsent");
        // It has another chance, and after the second time a later one.
        let has_chance = |steering: &mut Steering, from: u64| {
            let trusted = |&second: &u64| {
                steering.judge(at(second * 1_000), &peers, 16, &availability, &config);
                steering.is_trusted(rider)
            };
            (from..100).find(trusted)
        };
        assert_eq!(has_chance(&mut steering, 5), Some(8));
        assert_eq!(ask(&mut steering, 9_000, rider, 20, &availability), Answer::Serve(run(20)));
        steering.on_delivered(at(9_100), rider, run(20));
        assert_eq!(has_chance(&mut steering, 13), Some(21));
    }

    #[test]
    fn what_went_out_a_moment_ago_is_not_sent_again_while_the_asker_lacks_something_else() {
        let config = Config::origin();
        let (mut steering, mut availability) = (Steering::new(at(0), 3, 0), Availability::new(3));
        // All three runs are out there; fewest hold the last one.
        for index in [0, 0, 0, 1, 1, 2] {
            availability.add(run(index));
        }
        let mut theirs = RunSet::empty(3);
        let mut ask = |now, peer, theirs: &RunSet| {
            steering.answer(at(now), wish(PeerKey(peer), 0), Some(theirs), &availability, true, &config)
        };
        assert_eq!(ask(0, 1, &theirs), Answer::Serve(run(0)));
        assert_eq!(ask(100, 2, &theirs), Answer::Serve(run(2)), "it lacks that, too");
        assert_eq!(ask(200, 3, &theirs), Answer::Serve(run(1)));
        assert_eq!(ask(300, 4, &theirs), Answer::Serve(run(0)), "there is nothing else");
        assert_eq!(ask(3_250, 5, &theirs), Answer::Serve(run(2)), "that was sent long ago");
        theirs.insert(run(1));
        assert_eq!(ask(3_260, 6, &theirs), Answer::Serve(run(0)), "it has the other one");
    }

    #[test]
    fn a_lone_leecher_gets_what_it_asks_for() {
        let config = Config::origin();
        let (mut steering, availability) = (Steering::new(at(0), 4, 0), Availability::new(4));
        for _ in 0..3 {
            let answer = steering.answer(at(0), wish(PeerKey(1), 1), None, &availability, false, &config);
            assert_eq!(answer, Answer::Serve(run(1)));
        }
    }

    #[test]
    fn a_run_that_peers_hold_is_served_only_when_nothing_is_unsent() {
        let config = Config::origin();
        let (mut steering, mut availability) = (Steering::new(at(0), 2, 0), Availability::new(2));
        availability.add(run(0));
        let mut ask = |now, index| {
            steering.answer(at(now), wish(PeerKey(1), index), None, &availability, true, &config)
        };
        assert_eq!(ask(0, 0), Answer::Serve(run(1)));
        assert_eq!(ask(1, 0), Answer::Serve(run(0)));
    }

    #[test]
    fn who_holds_runs_alone_for_long_waits_while_others_pass_theirs_on() {
        let config = Config::origin();
        let (mut steering, mut availability) = (Steering::new(at(0), 64, 0), Availability::new(64));
        let (slow, quick) = (PeerKey(1), PeerKey(2));
        let mut ask = |now, peer, availability: &Availability| {
            let answer = steering.answer(at(now), wish(peer, 0), None, availability, true, &config);
            matches!(answer, Answer::Serve(_))
        };
        assert!(ask(0, slow, &availability));
        availability.add(run(0));
        assert!(ask(900, slow, &availability), "it may yet pass it on");
        assert!(ask(1_900, quick, &availability));
        assert!(!ask(2_000, slow, &availability), "it alone has run 0, since two seconds");
        assert!(ask(2_300, slow, &availability), "the uplink would be idle else");
        assert!(ask(2_400, quick, &availability));
        availability.add(run(0));
        assert!(ask(2_500, slow, &availability), "it has passed run 0 on");
    }

    #[test]
    fn who_got_runs_and_says_nothing_waits_as_if_it_held_them_alone() {
        let config = Config::origin();
        let (mut steering, availability) = (Steering::new(at(0), 64, 0), Availability::new(64));
        let (silent, quick) = (PeerKey(1), PeerKey(2));
        let ask = |steering: &mut Steering, now, peer| {
            steering.answer(at(now), wish(peer, 0), None, &availability, true, &config)
        };
        assert_eq!(ask(&mut steering, 0, silent), Answer::Serve(run(0)));
        assert!(matches!(ask(&mut steering, 1_900, quick), Answer::Serve(_)));
        assert!(matches!(ask(&mut steering, 2_000, silent), Answer::Serve(_)), "run 0 is still on its way");
        steering.on_delivered(at(2_100), silent, run(0));
        assert!(matches!(ask(&mut steering, 2_900, quick), Answer::Serve(_)));
        assert!(
            matches!(ask(&mut steering, 3_000, silent), Answer::Serve(_)),
            "the news may be on their way"
        );
        assert!(matches!(ask(&mut steering, 3_200, quick), Answer::Serve(_)));
        assert_eq!(ask(&mut steering, 3_300, silent), Answer::Elsewhere);
        assert!(
            matches!(ask(&mut steering, 3_900, silent), Answer::Serve(_)),
            "the uplink would be idle else"
        );
    }

    #[test]
    fn the_clock_of_sent_runs_starts_anew_after_two_hours() {
        let config = Config::origin();
        let (mut steering, availability) = (Steering::new(at(0), 2, 0), Availability::new(2));
        let mut ask = |now, index| {
            steering.answer(at(now), wish(PeerKey(1), index), None, &availability, true, &config)
        };
        assert_eq!(ask(0, 0), Answer::Serve(run(0)));
        assert_eq!(ask(7_000_000, 1), Answer::Serve(run(1)));
        assert_eq!(ask(7_000_100, 1), Answer::Elsewhere, "sent a tenth of a second ago");
        assert_eq!(ask(7_000_200, 0), Answer::Serve(run(0)), "sent long ago");
    }
}
