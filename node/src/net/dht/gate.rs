//! What Kademlia may dial. It dials what others wrote, and all its dials pass through here.

use std::net::IpAddr;

use libp2p::Multiaddr;
use nearcast_core::{overlay::table::Aims, scope::Scope, time::Timestamp};

use super::places::endpoint_of;
use crate::{address::ip_of, net::dials::keeps_source};

/// The addresses of one directory that are dialled at most.
const ADDRESSES_MAX: usize = 4;

/// Judges addresses that others named.
#[derive(Debug)]
pub(super) struct Gate {
    /// The IPs that the user configured to listen on.
    told: Vec<IpAddr>,
    /// The addresses that we listen on. Dials must not leave from elsewhere.
    listen: Vec<Multiaddr>,
    aims: Aims,
    /// Addresses that were not dialled.
    pub(super) refused: u64,
}

impl Gate {
    pub(super) fn new(listen: &[Multiaddr]) -> Gate {
        Gate {
            told: listen.iter().filter_map(ip_of).filter(|ip| !ip.is_unspecified()).collect(),
            listen: listen.to_vec(),
            aims: Aims::default(),
            refused: 0,
        }
    }

    /// The addresses that may be dialled although only others name them, or that a peer has which
    /// is seen at `teller`.
    pub(super) fn vetted(&self, addresses: Vec<Multiaddr>, teller: Option<IpAddr>) -> Vec<Multiaddr> {
        let may = |address: &Multiaddr| {
            let Some(endpoint) = endpoint_of(address) else { return false };
            let Some(port) = endpoint.tcp.or(endpoint.udp) else { return false };
            Scope::may_dial(endpoint.ip, port, teller, &self.told) && keeps_source(&self.listen, address)
        };
        let mut vetted: Vec<Multiaddr> = addresses.into_iter().filter(may).collect();
        vetted.dedup();
        vetted
    }

    /// Of the addresses of one directory, those to dial now. Each dial counts against its target.
    pub(super) fn aim(&mut self, now: Timestamp, addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
        let named = addresses.len();
        let mut may: Vec<Multiaddr> = Vec::new();
        let mut judged: Vec<(IpAddr, bool)> = Vec::new();
        for address in self.vetted(addresses, None) {
            let Some(endpoint) = endpoint_of(&address).filter(|_| may.len() < ADDRESSES_MAX) else { break };
            let known = judged.iter().find(|(ip, _)| *ip == endpoint.ip).map(|(_, may)| *may);
            let allowed = known.unwrap_or_else(|| self.aims.take(now, endpoint.ip));
            judged.push((endpoint.ip, allowed));
            if allowed && !may.contains(&address) {
                may.push(address);
            }
        }
        self.refused = self.refused.saturating_add(named.saturating_sub(may.len()) as u64);
        may
    }

    /// A directory answered at this IP.
    pub(super) fn answered(&mut self, ip: IpAddr) {
        self.aims.succeeded(ip);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    const NAMED: [&str; 9] = [
        "/ip4/8.8.8.8/tcp/4810",
        "/ip4/8.8.8.8/tcp/22",
        "/ip4/10.0.0.1/tcp/4810",
        "/ip4/127.0.0.1/tcp/4810",
        "/ip4/169.254.1.1/tcp/4810",
        "/ip4/224.0.0.1/udp/4810/quic-v1",
        "/ip4/0.0.0.0/tcp/4810",
        "/dns4/example.org/tcp/4810",
        "/ip4/9.9.9.9/tcp/4810/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp/p2p-circuit",
    ];

    #[test]
    fn a_public_directory_dials_public_addresses_at_ports_of_no_other_service() {
        let mut gate = Gate::new(&addresses(&["/ip4/0.0.0.0/tcp/4810"]));
        let dialled = gate.aim(Timestamp::ZERO, addresses(&NAMED));
        assert_eq!(dialled, addresses(&["/ip4/8.8.8.8/tcp/4810"]));
        assert_eq!(gate.refused, 8);
    }

    #[test]
    fn private_addresses_are_dialled_where_we_were_told_to_listen_at_one() {
        let mut gate = Gate::new(&addresses(&["/ip4/10.0.0.9/tcp/4810"]));
        let dialled = gate.aim(Timestamp::ZERO, addresses(&NAMED));
        assert_eq!(dialled, addresses(&["/ip4/8.8.8.8/tcp/4810", "/ip4/10.0.0.1/tcp/4810"]));
    }

    #[test]
    fn a_record_with_a_hundred_victims_aims_at_four_and_a_victim_is_aimed_at_twice_a_minute() {
        let mut gate = Gate::new(&addresses(&["/ip4/0.0.0.0/tcp/4810"]));
        let many: Vec<String> = (1..=100).map(|n| format!("/ip4/8.8.{n}.8/tcp/4810")).collect();
        let many: Vec<Multiaddr> = many.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(gate.aim(Timestamp::ZERO, many).len(), ADDRESSES_MAX);
        let victim = addresses(&["/ip4/9.9.9.9/tcp/4810", "/ip4/9.9.9.9/udp/4810/quic-v1"]);
        let dials = (0..1_000).filter(|_| !gate.aim(Timestamp::ZERO, victim.clone()).is_empty());
        assert_eq!(dials.count(), 2);
    }
}
