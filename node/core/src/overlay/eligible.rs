//! Who may serve as a supernode: judged by measured facts only, never by what a node says of itself.
//!
//! Both sides judge, each by what it measured. A parent judges its children before it elects one of them
//! ([`ChildFacts`]). The node that is elected judges itself ([`Facts`]), and declines if it is not fit.

use std::time::Duration;

use super::config::EligibleConfig;
use crate::place::prefix::Network;

/// Whether the person who runs the node lets it serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// If it is fit.
    #[default]
    Auto,
    /// Never.
    Never,
}

/// What a node measured of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What its owner says.
    pub consent: Consent,
    /// Networks of nodes that dialled it back, and reached it. [`Network::UNKNOWN`] fills the places of those that are
    /// missing.
    pub witnesses: [Network; 3],
    /// How long it has been up.
    pub up: Duration,
    /// What its uplink carries beyond what it sends now, in bytes a second.
    pub uplink_spare: u64,
    /// Memory that it may still take, in bytes.
    pub memory_spare: u64,
    /// Connections that it may still hold.
    pub sockets_spare: u32,
}

/// Why a node may not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Its owner forbids it.
    Forbidden,
    /// Nodes of fewer than three /16s reached it: it may sit behind a NAT, or its witnesses may be one attacker.
    NotPublic,
    /// It has not been up for long enough: most nodes that leave do so soon.
    TooYoung,
    /// Its uplink is in use.
    NoUplink,
    /// Its memory is in use.
    NoMemory,
    /// It has too few connections left.
    NoSockets,
}

/// What a parent measured of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildFacts {
    /// How long the connection to it has stood.
    pub age: Duration,
    /// It took a connection when it was dialled back.
    pub dialled_back: bool,
    /// The rate that was seen from it, in bytes a second.
    pub rate: u64,
    /// The version of its program, as it says.
    pub version: u32,
}

impl Facts {
    /// Whether the node may serve, but for how long it has been up.
    pub fn judge(&self, config: &EligibleConfig) -> Result<(), Unfit> {
        let [a, b, c] = self.witnesses;
        let known = self.witnesses.iter().all(|&network| network != Network::UNKNOWN);
        let apart = a.wide() != b.wide() && b.wide() != c.wide() && a.wide() != c.wide();
        if self.consent == Consent::Never {
            Err(Unfit::Forbidden)
        } else if !(known && apart) {
            Err(Unfit::NotPublic)
        } else if self.uplink_spare < config.uplink_spare_min {
            Err(Unfit::NoUplink)
        } else if self.memory_spare < config.memory_spare_min {
            Err(Unfit::NoMemory)
        } else if self.sockets_spare < config.sockets_spare_min {
            Err(Unfit::NoSockets)
        } else {
            Ok(())
        }
    }

    /// Whether the node may serve now.
    pub fn judge_now(&self, config: &EligibleConfig) -> Result<(), Unfit> {
        self.judge(config)?;
        if self.up < config.up_min { Err(Unfit::TooYoung) } else { Ok(()) }
    }
}

impl ChildFacts {
    /// Whether a parent may elect the child.
    pub fn qualify(&self, config: &EligibleConfig) -> bool {
        self.dialled_back && self.age >= config.child_age_min && self.rate >= config.child_rate_min
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(ip: &str) -> Network {
        Network::of(ip.parse().unwrap())
    }

    fn fit() -> Facts {
        Facts {
            consent: Consent::Auto,
            witnesses: ["192.0.2.1", "198.51.100.1", "203.0.113.1"].map(network),
            up: Duration::from_secs(7_200),
            uplink_spare: 1 << 20,
            memory_spare: 1 << 30,
            sockets_spare: 10_000,
        }
    }

    #[test]
    fn each_fact_alone_keeps_a_node_from_serving() {
        let config = EligibleConfig::default();
        let judged = |change: fn(&mut Facts)| {
            let mut facts = fit();
            change(&mut facts);
            facts.judge_now(&config)
        };
        assert_eq!(judged(|_| {}), Ok(()));
        assert_eq!(judged(|facts| facts.consent = Consent::Never), Err(Unfit::Forbidden));
        assert_eq!(judged(|facts| facts.witnesses[2] = Network::UNKNOWN), Err(Unfit::NotPublic));
        assert_eq!(
            judged(|facts| facts.witnesses[2] = network("192.0.77.1")),
            Err(Unfit::NotPublic),
            "one /16"
        );
        assert_eq!(judged(|facts| facts.up = Duration::from_secs(3_599)), Err(Unfit::TooYoung));
        assert_eq!(judged(|facts| facts.uplink_spare = 0), Err(Unfit::NoUplink));
        assert_eq!(judged(|facts| facts.memory_spare = 0), Err(Unfit::NoMemory));
        assert_eq!(judged(|facts| facts.sockets_spare = 0), Err(Unfit::NoSockets));
    }

    #[test]
    fn a_child_is_elected_by_what_its_parent_saw() {
        let config = EligibleConfig::default();
        let good =
            ChildFacts { age: Duration::from_secs(600), dialled_back: true, rate: 1 << 20, version: 1 };
        assert!(good.qualify(&config));
        assert!(!ChildFacts { dialled_back: false, ..good }.qualify(&config));
        assert!(!ChildFacts { age: Duration::ZERO, ..good }.qualify(&config));
        let slow = EligibleConfig { child_rate_min: 1, ..config };
        assert!(good.qualify(&slow) && !ChildFacts { rate: 0, ..good }.qualify(&slow));
    }
}
