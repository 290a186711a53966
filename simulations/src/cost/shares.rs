//! Who carries which share of the bytes.

use nearcast_core::tier::Tier;

/// Who carries bytes, as money sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// The receiver's own network.
    Internal,
    /// A customer of that network.
    Customer,
    /// A network with which it peers.
    Peer,
    /// Those whom it pays for the rest of the Internet.
    Transit,
    /// A CDN, or another host that serves for money.
    Cdn,
}

impl Carrier {
    /// Number of carriers.
    pub const COUNT: usize = 5;
    /// All of them.
    pub const ALL: [Carrier; Carrier::COUNT] =
        [Carrier::Internal, Carrier::Customer, Carrier::Peer, Carrier::Transit, Carrier::Cdn];

    /// The name in bills, and in files of prices.
    pub fn name(self) -> &'static str {
        match self {
            Carrier::Internal => "internal",
            Carrier::Customer => "customer",
            Carrier::Peer => "peer",
            Carrier::Transit => "transit",
            Carrier::Cdn => "cdn",
        }
    }
}

/// The share of all bytes that each carrier has. They add up to 1, or are all 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares([f64; Carrier::COUNT]);

impl Shares {
    /// One carrier has everything.
    pub fn all(carrier: Carrier) -> Shares {
        let mut weights = [0; Carrier::COUNT];
        weights[carrier as usize] = 1;
        Shares::of_weights(weights)
    }

    /// Shares in proportion to `weights`, such as bytes that a run counted, in the order of
    /// [`Carrier::ALL`].
    pub fn of_weights(weights: [u64; Carrier::COUNT]) -> Shares {
        let all: u128 = weights.into_iter().map(u128::from).sum();
        Shares(weights.map(|weight| weight as f64 / all.max(1) as f64))
    }

    /// Shares of bytes by tier, and from origins, as a run counts them.
    ///
    /// A tier does not say who pays whom: `adjacent` says what directly linked networks are.
    /// Whatever comes from further away, or from nobody knows where, is transit. `origins` says who
    /// carries what origins send.
    pub fn of_tiers(
        by_tier: &[u64; Tier::COUNT],
        origin: u64,
        adjacent: Carrier,
        origins: Carrier,
    ) -> Shares {
        let mut weights = [0; Carrier::COUNT];
        for (tier, bytes) in Tier::ALL.into_iter().zip(by_tier) {
            let carrier = match tier {
                Tier::Lan | Tier::Prefix24 | Tier::Prefix16 | Tier::SameAs => Carrier::Internal,
                Tier::AdjacentAs => adjacent,
                Tier::Remote | Tier::Unknown => Carrier::Transit,
            };
            weights[carrier as usize] += bytes;
        }
        weights[origins as usize] += origin;
        Shares::of_weights(weights)
    }

    /// The share of one carrier, 0 to 1.
    pub fn of(&self, carrier: Carrier) -> f64 {
        self.0[carrier as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_become_carriers() {
        let shares = Shares::of_tiers(&[1, 2, 3, 4, 20, 30, 10], 30, Carrier::Peer, Carrier::Cdn);
        let parts = Carrier::ALL.map(|carrier| shares.of(carrier));
        assert_eq!(parts, [0.1, 0.0, 0.2, 0.4, 0.3]);
    }

    #[test]
    fn shares_of_nothing_are_nothing() {
        assert_eq!(Shares::of_weights([0; 5]), Shares([0.0; 5]));
        assert_eq!(Shares::all(Carrier::Transit).of(Carrier::Transit), 1.0);
    }
}
