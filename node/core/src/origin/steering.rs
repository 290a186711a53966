//! The origin's half of the origin rule: what it answers. When it is asked is in
//! [`crate::origin::rule`].
//!
//! An origin sends each run once before it sends any run twice, and trusts peers to pass runs on.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    config::Config,
    content::{held::Held, layout::RunIndex},
    id::PeerKey,
    links::availability::Availability,
    time::Timestamp,
};

/// A neighbour may hold a run from an origin for this long without another neighbour having got it
/// from there. After that it has more to pass on than its uplink takes: what it is given beyond
/// that reaches the others late, however early it was sent.
const RELAY_TIME: Duration = Duration::from_secs(1);

/// Such a neighbour waits only while other neighbours, which pass on what they get, have taken
/// something within this time: an uplink that would else be idle serves anybody.
const QUICK_WINDOW: Duration = Duration::from_millis(300);

/// A neighbour that takes this many times longer for that than the median is served last, once
/// slots are short.
const LAGGARD_RATIO: u32 = 3;

/// First copies given to a neighbour that has passed nothing on yet, while more neighbours ask than
/// are served at a time and others pass their runs on.
const TRIAL_RUNS: usize = 2;

/// How long a neighbour that does not pass on what it gets is not trusted with first copies. Each
/// further time is twice as long, up to 2^4 times.
const DISTRUST: Duration = Duration::from_secs(4);
const DISTRUST_DOUBLINGS_MAX: u8 = 4;

/// The most runs weighed to find one in place of one that was sent a moment ago.
const WEIGHED_MAX: u32 = 1_024;

/// What a neighbour asks an origin for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) peer: PeerKey,
    pub(crate) run: RunIndex,
    /// It wants this run and no other: too often it held the runs that origins chose for it.
    pub(crate) exact: bool,
}

/// What an origin does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Send this run: the one asked for, one that was never sent yet, or one not sent lately.
    Serve(RunIndex),
    /// Refuse: the run was sent a moment ago to a neighbour that will pass it on, or the asker must
    /// wait because it does not pass on what it got.
    Elsewhere,
}

/// The origin's half of the rule, for one content: when each run was sent.
#[derive(Debug)]
pub(crate) struct Steering {
    /// When each run was last sent, in tenths of a second after `since`, plus one. 0: never.
    sent: Box<[u16]>,
    since: Timestamp,
    /// The run at which this origin begins. Each origin begins elsewhere, so that two that know
    /// nothing of each other do not both send the same runs.
    first: u32,
    /// This many runs from `first` on were sent, or are held by a neighbour.
    passed: u32,
    /// By neighbour: the runs it was given first, as long as no other neighbour is known to hold
    /// them.
    to_relay: BTreeMap<PeerKey, Relay>,
    /// When a neighbour that passes on what it gets was last given a run.
    quick_at: Option<Timestamp>,
    /// More neighbours want something than are served at a time.
    is_contended: bool,
}

/// What a neighbour is to pass on.
#[derive(Debug, Default)]
struct Relay {
    waiting: Vec<Relayed>,
    /// It has passed something on since it was last distrusted.
    is_proven: bool,
    /// How often it was distrusted, less one for each time since then that a run it got had spread.
    failures: u8,
    /// It is not trusted until then: what it holds does not count. `None`: it is trusted.
    distrusted_until: Option<Timestamp>,
}

/// A run that a neighbour is to pass on.
#[derive(Clone, Copy, Debug)]
struct Relayed {
    run: RunIndex,
    /// When it was given, as in [`Steering::sent`]. If that differs, the run was sent again since.
    given: u16,
    /// When it had been sent completely. 0: not yet.
    delivered: u16,
}

impl Steering {
    /// `tag` distinguishes this origin from others.
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

    /// Decides what to send to a neighbour that lacks what is not in `theirs`. `crowd`: other
    /// neighbours could pass it on.
    pub(crate) fn answer(
        &mut self,
        now: Timestamp,
        Wish { peer, run: asked, exact }: Wish,
        theirs: Option<Held<'_>>,
        availability: &Availability,
        crowd: bool,
        config: &Config,
    ) -> Answer {
        let out_there = availability.of(asked) > 0;
        let sent_lately = self.age(now, asked).is_some_and(|age| age < config.origin.relay_window);
        let answer = if !crowd {
            Answer::Serve(asked)
        } else if !self.is_trusted(peer) {
            // It gets what it asks for if no trusted neighbour was served a moment ago. That is as
            // good as not sent.
            return self.unless_it_waits(now, peer, asked, availability);
        } else if !out_there && !sent_lately {
            self.give_first(now, peer, asked, availability)
        } else if let Some(unsent) = self.next_unsent(theirs, availability).filter(|_| !exact) {
            self.give_first(now, peer, unsent, availability)
        } else if out_there {
            // The asker's peers are silent or late, else it would not ask: what it wants goes out,
            // in its turn. A run that went out a moment ago is about to spread: meanwhile the asker
            // gets another run, if there is one that it lacks.
            let other = match sent_lately && !exact {
                true => self.rarest_stale(now, asked, theirs, availability, config),
                false => None,
            };
            self.unless_it_waits(now, peer, other.unwrap_or(asked), availability)
        } else if self.is_relayed(asked) {
            Answer::Elsewhere
        } else {
            // The neighbour that got it is gone, or got it while nobody was there to pass it on to.
            self.give_first(now, peer, asked, availability)
        };
        if let Answer::Serve(run) = answer {
            self.note_sent(now, run);
        }
        answer
    }

    /// Whether a present neighbour was given this run to pass on.
    fn is_relayed(&self, run: RunIndex) -> bool {
        self.to_relay.values().any(|relay| relay.waiting.iter().any(|it| it.run == run))
    }

    /// Gives a run that no neighbour has, unless this neighbour lags behind with what it has to
    /// pass on, and others do not.
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

    /// Serves a run, unless this neighbour lags behind, and others that do not were served a moment
    /// ago.
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

    /// How long ago a neighbour got the oldest run that it still holds alone. A neighbour that got
    /// a run and does not say so counts as a holder too.
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

    /// Whether a neighbour that has passed nothing on yet has as much as it may have until it does.
    fn is_on_trial(&self, peer: PeerKey) -> bool {
        let relay = self.to_relay.get(&peer).filter(|relay| self.is_contended || relay.failures > 0);
        relay.is_some_and(|relay| !relay.is_proven && relay.waiting.len() >= TRIAL_RUNS)
    }

    /// Whether a neighbour is trusted to pass on what it gets.
    pub(crate) fn is_trusted(&self, peer: PeerKey) -> bool {
        self.to_relay.get(&peer).is_none_or(|relay| relay.distrusted_until.is_none())
    }

    /// Judges these neighbours. Returns, sorted, those to serve last: they pass on what they get
    /// far later than the others, or not at all, and the latest of them are not trusted. Also
    /// returns the neighbours whose trust has changed.
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
            if lag > most.max(config.origin.relay_window) {
                self.distrust(now, peer);
                changed.push(peer);
            }
        }
        last.sort_unstable();
        (last, changed)
    }

    /// Distrusts a neighbour: what it was to pass on is as good as not sent.
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

    /// A run has been sent completely.
    pub(crate) fn on_delivered(&mut self, now: Timestamp, peer: PeerKey, run: RunIndex) {
        let tenths = self.tenths(now);
        let given = self.to_relay.get_mut(&peer).into_iter().flat_map(|relay| &mut relay.waiting);
        given.filter(|it| it.run == run).for_each(|it| it.delivered = tenths);
    }

    /// A neighbour is gone, with what it had to pass on. Runs that no other neighbour holds count
    /// as never sent: nobody will pass them on, and a neighbour that asks for them would wait in
    /// vain.
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

    /// How many runs come before this one, in the order in which runs are given out.
    fn place(&self, run: RunIndex) -> u32 {
        let runs = crate::saturate::to_u32(self.sent.len());
        run.get()
            .checked_sub(self.first)
            .unwrap_or_else(|| run.get().saturating_add(runs).saturating_sub(self.first))
    }

    /// The run that has this many before it.
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

    /// This moment, in the units of [`Steering::sent`].
    fn tenths(&mut self, now: Timestamp) -> u16 {
        let tenths = now.since(self.since).as_millis() / 100;
        if tenths >= u128::from(u16::MAX - 1) {
            // After nearly two hours the clock starts anew. All runs that were sent count as sent
            // long ago.
            self.sent.iter_mut().for_each(|sent| *sent = u16::from(*sent > 0));
            let given = self.to_relay.values_mut().flat_map(|relay| &mut relay.waiting);
            given.for_each(|it| (it.given, it.delivered) = (1, u16::from(it.delivered > 0)));
            self.since = now - Duration::from_secs(60);
        }
        let tenths = now.since(self.since).as_millis() / 100;
        crate::saturate::to_u16(tenths).saturating_add(1)
    }

    /// The next run that was never sent, that no neighbour holds, and that the asker lacks.
    fn next_unsent(&mut self, theirs: Option<Held<'_>>, availability: &Availability) -> Option<RunIndex> {
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

    /// The rarest run, of those that were not sent lately and that the asker lacks. Looks at
    /// [`WEIGHED_MAX`] runs, beginning with `from`.
    fn rarest_stale(
        &self,
        now: Timestamp,
        from: RunIndex,
        theirs: Option<Held<'_>>,
        availability: &Availability,
        config: &Config,
    ) -> Option<RunIndex> {
        let (theirs, runs) = (theirs?, std::num::NonZeroU32::new(crate::saturate::to_u32(self.sent.len()))?);
        let after = |step| RunIndex::new(from.get().saturating_add(step) % runs);
        let all = (0..runs.get().min(WEIGHED_MAX)).map(after);
        let is_stale = |&run: &RunIndex| {
            !theirs.contains(run) && self.age(now, run).is_none_or(|age| age >= config.origin.relay_window)
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
mod tests;
