//! The leecher's half of the origin rule: when it asks the operator's servers. What the servers
//! answer is in [`crate::origin::steering`].
//!
//! Peers come first. The origin is asked for runs that no peer holds, for runs that come too late,
//! and when peers fall silent.

use std::time::Duration;

use crate::{config::Config, random::Random, time::Timestamp};

/// A run requested from a peer this many seconds ago is late: an origin may take it over, and what
/// that peer holds no longer counts as held by peers.
pub(crate) const LATE_SECONDS: f32 = 2.0;

/// A run from a peer is late only after this many times what the fastest neighbour needs for a run,
/// if an origin's rate is known. All peers together are too slow if origins are this many times
/// faster.
pub(crate) const LATE_RATIO: f32 = 3.0;

/// Seconds over which the rates of peers and origins are smoothed.
const RATE_MEMORY_SECONDS: f32 = 2.0;

/// Time beyond [`Config`] `origin.peers_first` that peers have to begin, before their rate is compared with
/// that of origins.
const PEERS_HAVE: Duration = Duration::from_secs(1);

/// While an origin was not tried yet, peers are too slow if they would need this many seconds for
/// the rest. A first run then shows how fast the origin is.
const PEERS_SECONDS_MAX: f32 = 20.0;

/// What a leecher may ask an origin for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Allowance {
    /// Nothing for now: peers are being dialled.
    Nothing,
    /// Runs that no neighbour except origins holds.
    Unshared,
    /// Any run: peers are silent, or much too slow.
    All,
}

impl Allowance {
    /// The smaller of two.
    pub(crate) fn at_most(self, most: Allowance) -> Allowance {
        self.min(most)
    }
}

/// The leecher's half of the rule.
#[derive(Debug)]
pub(crate) struct OriginRule {
    /// Peers count as silent from this moment on.
    silent_from: Timestamp,
    /// Peers come first until this moment, while some are being dialled.
    peers_first_until: Timestamp,
    /// In bytes a second: what all peers together bring, and what origins bring while they are
    /// asked. 0: not known.
    peers_rate: f32,
    origins_rate: f32,
    /// Peers are much slower than origins would be.
    is_slow: bool,
}

impl OriginRule {
    pub(crate) fn new(now: Timestamp, config: &Config) -> OriginRule {
        OriginRule {
            silent_from: now + config.origin.after,
            peers_first_until: now + config.origin.peers_first,
            peers_rate: 0.0,
            origins_rate: 0.0,
            is_slow: false,
        }
    }

    /// What an origin may be asked for now.
    pub(crate) fn allowance(&self, now: Timestamp, dialing: bool) -> Allowance {
        if self.is_early(now, dialing) {
            Allowance::Nothing
        } else if now < self.silent_from && !self.is_slow {
            Allowance::Unshared
        } else {
            Allowance::All
        }
    }

    /// Whether it is too early to ask where bytes cost something: nearer peers are being dialled.
    pub(crate) fn is_early(&self, now: Timestamp, dialing: bool) -> bool {
        dialing && now < self.peers_first_until
    }

    /// Until when it may be too early.
    pub(crate) fn early_until(&self) -> Timestamp {
        self.peers_first_until
    }

    /// Takes in what came within `seconds`, in bytes: from peers, and from origins if any was
    /// asked. `shown` is what the linked origins have brought, in bytes a second, if all of them
    /// were tried. `left` bytes are still missing. A peer that has everything and sends a run now
    /// and then must not keep us from an idle origin.
    pub(crate) fn on_rates(
        &mut self,
        now: Timestamp,
        seconds: f32,
        (peers, origins): (f32, Option<f32>),
        shown: Option<f32>,
        left: f32,
    ) {
        if now < self.peers_first_until + PEERS_HAVE {
            return;
        }
        let weight = (seconds / RATE_MEMORY_SECONDS).min(1.0);
        let smooth = |rate: f32, bytes: f32| rate + (bytes / seconds - rate) * weight;
        self.peers_rate = smooth(self.peers_rate, peers);
        self.origins_rate = origins.map_or(self.origins_rate, |bytes| smooth(self.origins_rate, bytes));
        let known = shown.map(|shown| match origins {
            // An origin that is being tried has hardly begun to count among the others.
            Some(_) => shown,
            None => shown.min(self.origins_rate),
        });
        self.is_slow = match known.filter(|&rate| rate > 1.0) {
            Some(rate) => self.peers_rate * LATE_RATIO < rate,
            None => self.peers_rate * PEERS_SECONDS_MAX < left,
        };
    }

    /// A peer sent a run. The margin is drawn anew each time, so that a crowd that loses its
    /// peers does not turn to the origin in one instant.
    pub(crate) fn on_run_from_peer(&mut self, now: Timestamp, config: &Config, random: &mut Random) {
        self.silent_from = now + random.stretch(config.origin.after, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// What may be asked after four seconds in which peers and origins brought this much a second.
    fn after(peers: f32, origins: Option<f32>, shown: Option<f32>, left: f32) -> Allowance {
        let config = Config::default();
        let mut rule = OriginRule::new(at(0), &config);
        for tick in 8..24 {
            let origins = origins.map(|rate| rate / 4.0);
            rule.on_rates(
                at(tick * 250),
                0.25,
                (peers / 4.0, origins),
                Some(origins.unwrap_or(0.0) * 4.0),
                left,
            );
        }
        // Origins are not asked at the moment.
        rule.on_rates(at(6_000), 0.25, (peers / 4.0, None), shown, left);
        rule.silent_from = at(9_000);
        rule.allowance(at(6_000), false)
    }

    #[test]
    fn an_origin_that_was_fast_and_is_gone_makes_no_peers_look_slow() {
        assert_eq!(after(10.0, Some(100.0), Some(100.0), 1e3), Allowance::All, "it is there");
        assert_eq!(after(10.0, Some(100.0), Some(0.0), 100.0), Allowance::Unshared, "it is gone");
        assert_eq!(after(10.0, Some(100.0), Some(20.0), 1e3), Allowance::Unshared, "the others bring less");
    }

    #[test]
    fn a_slow_origin_says_nothing_about_one_that_was_not_tried() {
        assert_eq!(
            after(10.0, Some(10.0), Some(10.0), 1e3),
            Allowance::Unshared,
            "all were tried, and are slow"
        );
        assert_eq!(after(10.0, Some(10.0), None, 1e3), Allowance::All, "one was not");
        assert_eq!(after(100.0, Some(10.0), None, 1e3), Allowance::Unshared, "peers are done soon enough");
    }

    #[test]
    fn peers_come_first_and_the_origin_when_they_are_silent() {
        let config = Config::default();
        let mut random = Random::new(1);
        let mut rule = OriginRule::new(at(0), &config);
        assert_eq!(rule.allowance(at(0), true), Allowance::Nothing, "peers are being dialled");
        assert_eq!(rule.allowance(at(0), false), Allowance::Unshared, "there is nobody else");
        assert_eq!(rule.allowance(at(301), true), Allowance::Unshared, "the window is bounded");
        rule.on_run_from_peer(at(900), &config, &mut random);
        assert_eq!(rule.allowance(at(1_899), false), Allowance::Unshared);
        assert_eq!(rule.allowance(at(2_900), false), Allowance::All);
    }
}
