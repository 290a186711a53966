//! The cap on inbound connections from one /24 (IPv6: /48), so that no network crowds out the
//! others.
//!
//! The addresses inside one such prefix usually belong to one owner, and are cheap for that owner.
//! Connections still in their handshake do not count here: the budget has places for them, and
//! half-open ones would keep a whole network out.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
        behaviour::{ConnectionClosed, ListenFailure},
        dummy,
    },
};
use nearcast_core::prefix::Prefix;

use crate::address::ip_of;

/// The behaviour. Only inbound connections count, since we choose the peers we dial.
pub(crate) struct PrefixCap {
    per_prefix_max: u32,
    counts_loopback: bool,
    /// Invariant: `counts` has for each prefix how often it occurs in `held`. No count is zero.
    held: BTreeMap<ConnectionId, Prefix>,
    counts: BTreeMap<Prefix, u32>,
}

/// A connection was refused because its network has too many.
#[derive(Debug, thiserror::Error)]
#[error("{per_prefix_max} connections from {prefix} are there already")]
pub(crate) struct PrefixFull {
    prefix: Prefix,
    per_prefix_max: u32,
}

impl PrefixCap {
    /// `counts_loopback`: 127.0.0.0/8 counts too, because it stands for real networks.
    pub(crate) fn new(per_prefix_max: u32, counts_loopback: bool) -> Self {
        PrefixCap { per_prefix_max, counts_loopback, held: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// Replaces the cap. Existing connections stay.
    pub(crate) fn set_max(&mut self, per_prefix_max: u32) {
        self.per_prefix_max = per_prefix_max;
    }

    fn take(&mut self, connection: ConnectionId, remote: &Multiaddr) -> Result<(), PrefixFull> {
        let Some(ip) = ip_of(remote) else {
            return Ok(());
        };
        if ip.is_loopback() && !self.counts_loopback {
            return Ok(());
        }
        let prefix = Prefix::of(ip);
        if self.counts.get(&prefix).is_some_and(|count| *count >= self.per_prefix_max) {
            return Err(PrefixFull { prefix, per_prefix_max: self.per_prefix_max });
        }
        let count = self.counts.entry(prefix).or_default();
        *count = count.saturating_add(1);
        self.held.insert(connection, prefix);
        Ok(())
    }

    fn give_back(&mut self, connection: ConnectionId) {
        let Some(prefix) = self.held.remove(&connection) else {
            return;
        };
        if let Some(count) = self.counts.get_mut(&prefix) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&prefix);
            }
        }
    }
}

impl NetworkBehaviour for PrefixCap {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.take(connection, remote).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
            | FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => self.give_back(connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn from(ip: &str) -> Multiaddr {
        Multiaddr::from(ip.parse::<IpAddr>().unwrap())
    }

    fn take(cap: &mut PrefixCap, id: usize, ip: &str) -> bool {
        cap.take(ConnectionId::new_unchecked(id), &from(ip)).is_ok()
    }

    #[test]
    fn one_prefix_is_full_while_its_neighbour_is_not() {
        let mut cap = PrefixCap::new(2, false);
        assert!(take(&mut cap, 1, "192.0.2.1"));
        assert!(take(&mut cap, 2, "192.0.2.200"));
        assert!(!take(&mut cap, 3, "192.0.2.77"));
        assert!(take(&mut cap, 4, "192.0.3.77"));
        assert!(take(&mut cap, 5, "2001:db8:1::1"));
        assert!(take(&mut cap, 6, "2001:db8:1:ffff::1"));
        assert!(!take(&mut cap, 7, "2001:db8:1:abcd::1"));
        assert!(take(&mut cap, 8, "2001:db8:2::1"));
    }

    #[test]
    fn a_closed_connection_makes_room_and_leaves_no_trace() {
        let mut cap = PrefixCap::new(1, false);
        assert!(take(&mut cap, 1, "192.0.2.1"));
        assert!(!take(&mut cap, 2, "192.0.2.2"));
        cap.give_back(ConnectionId::new_unchecked(2));
        assert!(!take(&mut cap, 3, "192.0.2.2"), "a refused connection held nothing to give back");
        cap.give_back(ConnectionId::new_unchecked(1));
        assert!(cap.counts.is_empty() && cap.held.is_empty());
        assert!(take(&mut cap, 4, "192.0.2.2"));
    }

    #[test]
    fn loopback_counts_only_when_told_and_mapped_addresses_are_seen_through() {
        let mut cap = PrefixCap::new(1, false);
        assert!(take(&mut cap, 1, "127.0.0.1"));
        assert!(take(&mut cap, 2, "127.0.0.1"));
        let mut cap = PrefixCap::new(1, true);
        assert!(take(&mut cap, 1, "127.0.0.1"));
        assert!(!take(&mut cap, 2, "127.0.0.2"));
        assert!(take(&mut cap, 3, "192.0.2.1"));
        assert!(!take(&mut cap, 4, "::ffff:192.0.2.9"));
    }
}
