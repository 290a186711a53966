//! Our own part of the network: the addresses and subnets of our interfaces, and the addresses at
//! which we are seen.
//!
//! A stranger's URL must not lead there, though it may look public: to a router, a printer, or a
//! service that only this machine reaches. Interfaces come and go (a laptop moves, a VPN starts),
//! so they are read again.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nearcast_core::{
    prefix::Prefix,
    scope::{Ours, Scope},
};
use tokio::time::Instant;

/// How long the list of interfaces is used before it is read again. Reading it takes the kernel
/// some ten microseconds.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// The most addresses remembered at which others say they see us.
const SEEN_AT_MAX: usize = 16;
/// How many networks must have a directory that reports the same address before it is believed, if
/// the user named none of these directories. Otherwise one stranger could keep us from a web seed
/// by saying that its address is ours.
const TELLERS_MIN: usize = 2;

/// Our own part of the network. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    looked_at: Option<Instant>,
    ours: Arc<Ours>,
    /// The networks of the directories that report an address as ours.
    seen_at: BTreeMap<IpAddr, BTreeSet<Prefix>>,
    believed: BTreeSet<IpAddr>,
}

impl Surroundings {
    /// What is ours at the moment.
    pub(crate) fn ours(&self) -> Arc<Ours> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.looked_at.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK_AGAIN) {
            state.looked_at = Some(now);
            state.ours = Arc::new(Ours::new(interfaces(), state.believed.iter().copied()));
        }
        state.ours.clone()
    }

    /// Notes that a directory at `teller` sees us at `ip`. The report is believed if the user named
    /// that directory, or if directories in different networks agree.
    pub(crate) fn on_seen_at(&self, ip: IpAddr, teller: IpAddr, named: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = state.seen_at.contains_key(&ip);
        if Scope::of(ip) != Scope::Public || (!known && state.seen_at.len() >= SEEN_AT_MAX && !named) {
            return;
        }
        let tellers = state.seen_at.entry(ip).or_default();
        if tellers.len() < TELLERS_MIN {
            tellers.insert(Prefix::of(teller));
        }
        let believed = named || tellers.len() >= TELLERS_MIN;
        if believed && state.believed.len() < SEEN_AT_MAX && state.believed.insert(ip) {
            state.looked_at = None;
        }
    }

    /// Fixed values in place of this machine's.
    #[cfg(test)]
    pub(crate) fn fixed(ours: Ours) -> Surroundings {
        let state = State { looked_at: Some(Instant::now()), ours: Arc::new(ours), ..State::default() };
        Surroundings(Arc::new(Mutex::new(state)))
    }
}

/// The IPs of our interfaces, with the prefix lengths of their networks. Without loopback.
pub(crate) fn interfaces() -> Vec<(IpAddr, u8)> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    let subnet = |interface: if_addrs::Interface| match interface.addr {
        if_addrs::IfAddr::V4(v4) => (IpAddr::V4(v4.ip), v4.prefixlen),
        if_addrs::IfAddr::V6(v6) => (IpAddr::V6(v6.ip), v6.prefixlen),
    };
    found.into_iter().filter(|interface| !interface.is_loopback()).map(subnet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn where_we_are_seen_counts_when_the_user_named_the_directory_or_two_networks_agree() {
        let surroundings = Surroundings::default();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let is_ours = |text: &str| surroundings.ours().contains(ip(text));
        surroundings.on_seen_at(ip("8.8.8.8"), ip("9.9.9.9"), false);
        surroundings.on_seen_at(ip("8.8.8.8"), ip("9.9.9.10"), false);
        assert!(!is_ours("8.8.8.8"), "one stranger's network cannot keep us from a web seed");
        surroundings.on_seen_at(ip("8.8.8.8"), ip("1.1.1.1"), false);
        assert!(is_ours("8.8.8.8"));
        surroundings.on_seen_at(ip("8.8.4.4"), ip("9.9.9.9"), true);
        assert!(is_ours("8.8.4.4"), "the user named it");
        surroundings.on_seen_at(ip("10.0.0.1"), ip("9.9.9.9"), true);
        assert!(!is_ours("10.0.0.1"));
    }

    #[test]
    fn memory_is_bounded_whatever_is_said() {
        let surroundings = Surroundings::default();
        for number in 0..10_000u32 {
            surroundings.on_seen_at(
                (0x0800_0000 + number).to_be_bytes().into(),
                number.to_be_bytes().into(),
                number % 2 == 0,
            );
        }
        let state = surroundings.0.lock().unwrap();
        assert!(state.believed.len() <= SEEN_AT_MAX, "{}", state.believed.len());
    }
}
