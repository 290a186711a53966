//! Places that were given up. The next word about such a place is not believed at once, unless it
//! is better than the word that failed.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use super::Rank;
use crate::{place::scope::Scope, time::Timestamp};

/// How long a place that was given up is not learned again: a teller that repeats it every few
/// seconds gains three dials in this time.
pub const GIVEN_UP_FOR: Duration = Duration::from_secs(600);
/// The same for a place told of by a directory that the user named: the directory may know better
/// soon.
pub const GIVEN_UP_BY_DIRECTORY_FOR: Duration = Duration::from_secs(60);
/// The most places remembered; beyond that the oldest one is forgotten.
pub const GIVEN_UP_MAX: usize = 4_096;

/// A port of an address, whatever the transport.
pub(super) type Door = (IpAddr, u16);

/// Until when a door counts as given up, by the rank of the word that failed there. A failed word
/// says nothing about better ones.
#[derive(Clone, Copy, Debug)]
struct Until {
    hearsay: Timestamp,
    directory: Timestamp,
}

/// Places that were given up.
#[derive(Clone, Debug, Default)]
pub(super) struct GivenUp {
    until: BTreeMap<Door, Until>,
    order: VecDeque<Door>,
}

impl GivenUp {
    /// Until `until`, words of this rank and of lower ranks are not believed about this door.
    pub(super) fn add(&mut self, until: Timestamp, rank: Rank, (ip, port): Door) {
        let door = (Scope::reached(ip), port);
        let known = self.until.entry(door).or_insert_with(|| {
            self.order.push_back(door);
            Until { hearsay: Timestamp::ZERO, directory: Timestamp::ZERO }
        });
        known.hearsay = known.hearsay.max(until);
        if rank > Rank::Hearsay {
            known.directory = known.directory.max(until);
        }
        while self.order.len() > GIVEN_UP_MAX {
            self.order.pop_front().map(|oldest| self.until.remove(&oldest));
        }
    }

    /// Whether a word of this rank is not believed about this door.
    pub(super) fn contains(&self, now: Timestamp, rank: Rank, (ip, port): Door) -> bool {
        self.until.get(&(Scope::reached(ip), port)).is_some_and(|until| match rank {
            Rank::Hearsay => now < until.hearsay,
            _ => now < until.directory,
        })
    }
}
