//! How near a peer is. Cheapest first, so tiers compare as costs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::place::asn::{Asn, Relation};

/// Nearness classes, nearest first: the order is the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Tier {
    /// On a local interface's subnet, or found by mDNS.
    Lan,
    /// Same /24 (IPv6: /48).
    Prefix24,
    /// Same /16 (IPv6: /32).
    Prefix16,
    /// Same origin AS.
    SameAs,
    /// An AS that ours exchanges traffic with directly.
    AdjacentAs,
    /// Further away.
    Remote,
    /// Nothing is known about the address.
    Unknown,
}

impl Tier {
    /// Number of tiers.
    pub const COUNT: usize = 7;
    /// All tiers, nearest first.
    pub const ALL: [Tier; Tier::COUNT] = [
        Tier::Lan,
        Tier::Prefix24,
        Tier::Prefix16,
        Tier::SameAs,
        Tier::AdjacentAs,
        Tier::Remote,
        Tier::Unknown,
    ];

    /// The name in JSON, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Lan => "lan",
            Tier::Prefix24 => "prefix24",
            Tier::Prefix16 => "prefix16",
            Tier::SameAs => "same_as",
            Tier::AdjacentAs => "adjacent_as",
            Tier::Remote => "remote",
            Tier::Unknown => "unknown",
        }
    }

    /// Nearness of two addresses by prefix alone. Addresses of different families, and unspecified
    /// addresses, give [`Tier::Unknown`]. Loopback is treated as any other network, so that
    /// 127.0.0.0/8 can stand for distant addresses.
    pub fn by_prefix(ours: IpAddr, theirs: IpAddr) -> Tier {
        let (ours, theirs) = (ours.to_canonical(), theirs.to_canonical());
        if ours.is_unspecified() || theirs.is_unspecified() {
            return Tier::Unknown;
        }
        let common = match (ours, theirs) {
            (IpAddr::V4(a), IpAddr::V4(b)) => common_v4(a, b),
            (IpAddr::V6(a), IpAddr::V6(b)) => common_v6(a, b),
            _ => return Tier::Unknown,
        };
        let (near, middle) = if ours.is_ipv4() { (24, 16) } else { (48, 32) };
        match common {
            bits if bits >= near => Tier::Prefix24,
            bits if bits >= middle => Tier::Prefix16,
            _ => Tier::Remote,
        }
    }
}

/// A tier and a step inside it, in one byte: smaller is cheaper.
///
/// Steps order the peers of one tier. Adjacent ASes are ordered by what passing bytes to them
/// costs: a customer pays for it, between peers nobody pays, and we pay a provider. Distant ASes
/// are ordered by AS hops.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Proximity(u8);

impl Proximity {
    /// Nothing is known about the address.
    pub const UNKNOWN: Proximity = Proximity::new(Tier::Unknown, 0);
    const STEP_BITS: u32 = 5;
    const STEP_MAX: u8 = (1 << Proximity::STEP_BITS) - 1;

    const fn new(tier: Tier, step: u8) -> Proximity {
        Proximity((tier as u8) << Proximity::STEP_BITS | step)
    }

    /// In an AS that ours exchanges traffic with directly; `relation` is what that AS is to ours.
    pub fn adjacent(relation: Relation) -> Proximity {
        let step = match relation {
            Relation::Customer => 0,
            Relation::Peer => 1,
            Relation::Provider => 2,
            Relation::Unknown => 3,
        };
        Proximity::new(Tier::AdjacentAs, step)
    }

    /// In an AS this many links from ours, as routes go. `None`: not known, and counted as
    /// furthest.
    pub fn remote(hops: Option<u8>) -> Proximity {
        Proximity::new(Tier::Remote, hops.unwrap_or(Proximity::STEP_MAX).min(Proximity::STEP_MAX))
    }

    /// The tier.
    pub fn tier(self) -> Tier {
        Tier::ALL[usize::from(self.0 >> Proximity::STEP_BITS)]
    }

    /// The step inside the tier, from 0 to 31.
    pub fn step(self) -> u8 {
        self.0 & Proximity::STEP_MAX
    }
}

impl From<Tier> for Proximity {
    /// The nearest step of the tier; for [`Tier::Remote`] the furthest, as nothing is known of the
    /// hops.
    fn from(tier: Tier) -> Proximity {
        if tier == Tier::Remote { Proximity::remote(None) } else { Proximity::new(tier, 0) }
    }
}

impl std::fmt::Debug for Proximity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}+{}", self.tier(), self.step())
    }
}

/// Where a peer is, seen from us. Made from the address on its connection, never from its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Near {
    /// How near.
    pub proximity: Proximity,
    /// Its AS. `None`: no atlas knows it.
    pub asn: Option<Asn>,
}

impl Near {
    /// Nothing is known.
    pub const UNKNOWN: Near = Near { proximity: Proximity::UNKNOWN, asn: None };

    /// The tier.
    pub fn tier(self) -> Tier {
        self.proximity.tier()
    }
}

impl From<Tier> for Near {
    fn from(tier: Tier) -> Near {
        Near { proximity: tier.into(), asn: None }
    }
}

fn common_v4(a: Ipv4Addr, b: Ipv4Addr) -> u32 {
    (a.to_bits() ^ b.to_bits()).leading_zeros()
}

fn common_v6(a: Ipv6Addr, b: Ipv6Addr) -> u32 {
    (a.to_bits() ^ b.to_bits()).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(ours: &str, theirs: &str) -> Tier {
        Tier::by_prefix(ours.parse().unwrap(), theirs.parse().unwrap())
    }

    #[test]
    fn prefixes_decide_nearness() {
        assert_eq!(tier("127.1.0.7", "127.1.0.9"), Tier::Prefix24);
        assert_eq!(tier("127.1.0.7", "127.1.9.9"), Tier::Prefix16);
        assert_eq!(tier("127.1.0.7", "127.2.0.7"), Tier::Remote);
        assert_eq!(tier("2001:db8:1::1", "2001:db8:1:ff::2"), Tier::Prefix24);
        assert_eq!(tier("2001:db8:1::1", "2001:db8:2::1"), Tier::Prefix16);
        assert_eq!(tier("2001:db8::1", "2001:db9::1"), Tier::Remote);
    }

    #[test]
    fn a_mapped_address_is_the_v4_address_it_maps() {
        assert_eq!(tier("::ffff:10.0.0.1", "10.0.0.2"), Tier::Prefix24);
        assert_eq!(tier("2001:db8::1", "10.0.0.2"), Tier::Unknown);
        assert_eq!(tier("0.0.0.0", "10.0.0.2"), Tier::Unknown);
    }

    #[test]
    fn steps_order_a_tier_and_never_leave_it() {
        use Relation::{Customer, Peer, Provider, Unknown};
        let adjacent = [Customer, Peer, Provider, Unknown].map(Proximity::adjacent);
        let remote = [Some(2), Some(3), Some(200), None].map(Proximity::remote);
        assert!(adjacent.is_sorted() && remote.is_sorted());
        assert!(Proximity::from(Tier::SameAs) < adjacent[0] && adjacent[3] < remote[0]);
        assert!(remote[3] < Proximity::UNKNOWN);
        assert!(adjacent.iter().all(|near| near.tier() == Tier::AdjacentAs));
        assert!(remote.iter().all(|near| near.tier() == Tier::Remote));
        assert!(Tier::ALL.into_iter().all(|tier| Proximity::from(tier).tier() == tier));
    }

    #[test]
    fn tiers_are_ordered_by_cost() {
        assert!(Tier::ALL.is_sorted());
        assert_eq!(Tier::ALL.map(|tier| tier as usize), [0, 1, 2, 3, 4, 5, 6]);
    }
}
