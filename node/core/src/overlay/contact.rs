//! Another node, as the overlay remembers it: small enough that each of three million leaves remembers twenty.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    id::PeerKey,
    place::{asn::Asn, prefix::Network},
    saturate::to_u16,
};

/// A node that may be a parent or a sibling: 8 bytes. Its addresses are the shell's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Contact {
    /// Who.
    pub peer: PeerKey,
    /// Its /16 (IPv6: a hash of its /32).
    wide: u16,
    /// Its AS in 16 bits; 0 if it is not known. ASes with larger numbers may share one, which only makes us choose
    /// another node than needed.
    asn: u16,
}

impl Contact {
    /// Fills a place in which nobody is remembered.
    pub(super) const NOBODY: Contact = Contact { peer: PeerKey(u32::MAX), wide: 0, asn: 0 };

    /// The node at an address, which was seen on a connection or is about to be dialled.
    pub fn new(peer: PeerKey, ip: IpAddr, asn: Option<Asn>) -> Contact {
        Contact { peer, wide: Network::of(ip).wide(), asn: asn.map_or(0, fold) }
    }

    /// Whether somebody is remembered here.
    pub(super) fn is_somebody(self) -> bool {
        self != Contact::NOBODY
    }

    /// Whether both lie in different /16s and, as far as that is known, in different ASes: one failure or one owner
    /// seldom takes both.
    pub fn is_apart(self, other: Contact) -> bool {
        self.wide != other.wide && (self.asn == 0 || self.asn != other.asn)
    }

    /// Whether both lie in one /16.
    pub(super) fn shares_network(self, other: Contact) -> bool {
        self.wide == other.wide
    }

    /// Whether both lie in one AS that is known.
    pub(super) fn shares_as(self, other: Contact) -> bool {
        self.asn != 0 && self.asn == other.asn
    }
}

/// Numbers below 65,536 stay; none becomes 0.
fn fold(asn: Asn) -> u16 {
    to_u16((asn.0 >> 16 ^ asn.0) & 0xffff).max(1)
}

/// A node that asks to become a child, as its connection shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub peer: PeerKey,
    /// The AS of the address that the connection comes from. `None`: it is not known.
    pub asn: Option<Asn>,
    /// The network of that address.
    pub network: Network,
    /// The version of its program, as it says. A false one is of use only to be elected, and then counts as that
    /// version.
    pub version: u32,
}

/// What a child uses a parent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its directory.
    Primary,
    /// In reserve, for when the primary parent is lost.
    Warm,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(ip: &str, asn: u32) -> Contact {
        Contact::new(PeerKey(1), ip.parse().unwrap(), Some(Asn(asn)).filter(|asn| asn.0 != 0))
    }

    #[test]
    fn nodes_are_apart_in_other_16s_and_other_ases() {
        let one = contact("198.18.7.1", 64_500);
        assert!(one.is_apart(contact("198.19.7.1", 64_501)));
        assert!(!one.is_apart(contact("198.18.9.1", 64_501)), "one /16");
        assert!(!one.is_apart(contact("198.19.7.1", 64_500)), "one AS");
        assert!(
            contact("198.18.7.1", 0).is_apart(contact("198.19.7.1", 0)),
            "ASes that nobody knows do not count"
        );
    }

    #[test]
    fn an_as_never_folds_to_the_unknown_one() {
        assert_eq!((fold(Asn(3_356)), fold(Asn(0x1_0001)), fold(Asn(0))), (3_356, 1, 1));
    }
}
