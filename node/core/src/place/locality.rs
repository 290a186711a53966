//! Our own place, which the places of others are compared with.

use serde::{Deserialize, Serialize};

use crate::place::{
    asn::Asn,
    tier::{Near, Tier},
};

/// Our own place in the network, told by the shell and the same for all contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locality {
    /// The AS we are in, by our own atlas. `None`: there is no atlas, or it does not know; then no
    /// peer counts as outside.
    pub asn: Option<Asn>,
    /// Our own [`crate::Location::tag`], as others see it.
    pub tag: u32,
}

impl Locality {
    /// Whether a peer at `near` is outside of our group: neither on our local network nor in our
    /// AS, as far as is known. False while our own AS is unknown.
    pub(crate) fn is_outside(self, near: Near) -> bool {
        self.asn.is_some() && near.tier() != Tier::Lan && near.asn != self.asn
    }

    /// Whether bytes from `near` cross the border of our AS: the peer is outside, and its AS is
    /// known.
    pub fn is_foreign(self, near: Near) -> bool {
        self.is_outside(near) && near.asn.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_border_can_be_crossed() {
        let there = |tier: Tier, asn: Option<u32>| Near { asn: asn.map(Asn), ..tier.into() };
        let here = Locality { asn: Some(Asn(7)), tag: 1 };
        assert!(!here.is_outside(there(Tier::SameAs, Some(7))));
        assert!(!here.is_outside(there(Tier::Lan, None)), "private addresses are in no AS");
        assert!(here.is_foreign(there(Tier::Prefix24, Some(8))), "a /24 may be divided");
        let unknown = there(Tier::Unknown, None);
        assert!(here.is_outside(unknown) && !here.is_foreign(unknown));
        assert!(!Locality::default().is_outside(there(Tier::Remote, Some(8))), "no atlas, no group");
    }
}
