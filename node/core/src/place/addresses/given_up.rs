//! Places that were given up, so that the next word about them is not believed at once, if it is no better than the one
//! that failed.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use super::Rank;
use crate::{place::scope::Scope, time::Timestamp};

/// For how long a place that was given up is not learned again: whoever repeats it every few seconds gains three
/// dials in this time.
pub const GIVEN_UP_FOR: Duration = Duration::from_secs(600);
/// The same for a place that a directory told of which the user named: it may know better soon.
pub const GIVEN_UP_BY_DIRECTORY_FOR: Duration = Duration::from_secs(60);
/// Places remembered; then the oldest one is forgotten.
pub const GIVEN_UP_MAX: usize = 4_096;

/// A port of an address, whatever the transport.
pub(super) type Door = (IpAddr, u16);

/// Until when a door counts as given up, by the rank of the word that failed there: it says nothing about better ones.
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
    /// Words of this rank, and of lower ones, are not believed of this door until then.
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

    /// Whether a word of this rank is not believed of this door.
    pub(super) fn contains(&self, now: Timestamp, rank: Rank, (ip, port): Door) -> bool {
        self.until.get(&(Scope::reached(ip), port)).is_some_and(|until| match rank {
            Rank::Hearsay => now < until.hearsay,
            _ => now < until.directory,
        })
    }
}
