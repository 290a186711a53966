//! Where we are, and so how near others are.

use std::net::IpAddr;

use libp2p::Multiaddr;
use nearcast_core::{
    scope::Scope,
    tier::{Near, Tier},
};

use crate::address::ip_of;

/// Our own place in the network.
#[derive(Clone, Debug)]
pub(crate) struct Nearness {
    /// IPs we listen on, those of every interface if we listen everywhere.
    ours: Vec<IpAddr>,
    /// IPs the user told us to listen on.
    told: Vec<IpAddr>,
    /// Networks our interfaces are on, loopback left out: it stands for distant ones.
    subnets: Vec<(IpAddr, u8)>,
}

impl Nearness {
    /// `told` are the addresses to listen on as configured, `listen` those really listened on.
    pub(crate) fn new(told: &[Multiaddr], listen: &[Multiaddr]) -> Nearness {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        let subnet = |interface: if_addrs::Interface| match interface.addr {
            if_addrs::IfAddr::V4(v4) => (IpAddr::V4(v4.ip), v4.prefixlen),
            if_addrs::IfAddr::V6(v6) => (IpAddr::V6(v6.ip), v6.prefixlen),
        };
        let wide_enough = |&(ip, bits): &(IpAddr, u8)| bits < if ip.is_ipv4() { 32 } else { 128 };
        Nearness {
            ours: listen.iter().filter_map(ip_of).collect(),
            told: told.iter().filter_map(ip_of).filter(|ip| !ip.is_unspecified()).collect(),
            subnets: interfaces
                .into_iter()
                .filter(|interface| !interface.is_loopback())
                .map(subnet)
                .filter(wide_enough)
                .collect(),
        }
    }

    /// How near an address is.
    pub(crate) fn near(&self, ip: IpAddr) -> Near {
        self.tier(ip).into()
    }

    fn tier(&self, ip: IpAddr) -> Tier {
        if self.subnets.iter().any(|&(ours, bits)| shares_prefix(ours, ip, bits)) {
            return Tier::Lan;
        }
        let by_prefix = self.ours.iter().map(|&ours| Tier::by_prefix(ours, ip));
        by_prefix.min().unwrap_or(Tier::Unknown)
    }

    /// Whether an address that somebody seen at `teller` told us may be dialled.
    pub(crate) fn may_dial(&self, ip: IpAddr, port: u16, teller: Option<IpAddr>) -> bool {
        Scope::may_dial(ip, port, teller, &self.told)
    }
}

fn shares_prefix(a: IpAddr, b: IpAddr, bits: u8) -> bool {
    let common = match (a.to_canonical(), b.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    common >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearness(listen: &str, subnets: Vec<(IpAddr, u8)>) -> Nearness {
        Nearness { subnets, ..Nearness::new(&[], &[listen.parse().unwrap()]) }
    }

    #[test]
    fn a_subnet_of_ours_is_the_lan_and_loopback_never_is() {
        let near = nearness("/ip4/192.168.7.5/tcp/1", vec![("192.168.7.5".parse().unwrap(), 22)]);
        assert_eq!(near.tier("192.168.5.9".parse().unwrap()), Tier::Lan);
        assert_eq!(near.tier("192.168.8.9".parse().unwrap()), Tier::Prefix16);
        let loopback = nearness("/ip4/127.1.0.5/tcp/1", Vec::new());
        assert_eq!(loopback.tier("127.1.0.6".parse().unwrap()), Tier::Prefix24);
        assert_eq!(loopback.tier("127.2.0.6".parse().unwrap()), Tier::Remote);
    }
}
