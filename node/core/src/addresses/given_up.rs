//! Places that were given up, so that the next word about them is not believed at once.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use crate::{scope::Scope, time::Timestamp};

/// For how long a place that was given up is not learned again: whoever repeats it every few seconds gains three
/// dials in this time.
pub const GIVEN_UP_FOR: Duration = Duration::from_secs(600);
/// The same for a place that a directory told of which the user named: it may know better soon.
pub const GIVEN_UP_BY_DIRECTORY_FOR: Duration = Duration::from_secs(60);
/// Places remembered; then the oldest one is forgotten.
pub const GIVEN_UP_MAX: usize = 4_096;

/// A port of an address, whatever the transport.
pub(super) type Door = (IpAddr, u16);

/// Places that were given up.
#[derive(Clone, Debug, Default)]
pub(super) struct GivenUp {
    until: BTreeMap<Door, Timestamp>,
    order: VecDeque<Door>,
}

impl GivenUp {
    pub(super) fn add(&mut self, until: Timestamp, (ip, port): Door) {
        let door = (Scope::reached(ip), port);
        if self.until.insert(door, until).is_none() {
            self.order.push_back(door);
        }
        while self.order.len() > GIVEN_UP_MAX {
            self.order.pop_front().map(|oldest| self.until.remove(&oldest));
        }
    }

    pub(super) fn contains(&self, now: Timestamp, (ip, port): Door) -> bool {
        self.until.get(&(Scope::reached(ip), port)).is_some_and(|&until| now < until)
    }
}
