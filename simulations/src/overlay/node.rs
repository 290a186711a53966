//! Who a node is: all of it follows from its number and the seed, so that it takes no memory.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use nearcast_core::{
    asn::Asn,
    id::PeerKey,
    overlay::{
        config::OverlayConfig,
        contact::{Caller, Contact},
        eligible::{ChildFacts, Consent, Facts},
        host::Host,
    },
    prefix::Network,
    random::mix,
};

use super::scenario::OverlayScenario;

/// /16s of an AS.
const WIDES_AN_AS: u64 = 4;
/// How long a node of a settled world has been up.
const SETTLED_UP: Duration = Duration::from_secs(7_200);
/// What a node that may serve has to spare.
const UPLINK_SPARE: u64 = 1 << 20;

/// What a number says of its node.
#[derive(Clone, Debug)]
pub(super) struct Census {
    seed: u64,
    ases: u64,
    eligible: u64,
    second: u64,
    cut: u64,
    latency_ms: (u64, u64),
}

/// Parts of a share.
const PARTS: u64 = 1_000_000;

fn parts(percent: f64) -> u64 {
    (percent / 100.0 * PARTS as f64) as u64
}

impl Census {
    pub(super) fn new(scenario: &OverlayScenario, seed: u64) -> Census {
        let network = &scenario.network;
        Census {
            seed: mix(seed),
            ases: network.ases.into(),
            eligible: parts(scenario.eligible_percent),
            second: parts(scenario.second_version_percent),
            cut: parts(scenario.partition.percent),
            latency_ms: (network.latency_min_ms.into(), network.latency_max_ms.into()),
        }
    }

    fn draw(&self, what: u64, number: u64) -> u64 {
        mix(self.seed ^ mix(what << 40 ^ number))
    }

    pub(super) fn asn(&self, node: u32) -> Asn {
        // A square makes some ASes larger than others: the largest have several times the mean.
        let unit = self.draw(1, node.into()) >> 32;
        let squared = (unit * unit) >> 32;
        Asn(1 + ((squared * self.ases) >> 32) as u32)
    }

    pub(super) fn ip(&self, node: u32) -> IpAddr {
        let wide = self.draw(2, node.into()) % WIDES_AN_AS;
        // Public addresses: 16.0.0.0 to 95.255.255.255.
        let wide = self.draw(3, u64::from(self.asn(node).0) * WIDES_AN_AS + wide) % (80 << 8) + (16 << 8);
        let low = self.draw(4, node.into()) & 0xffff;
        Ipv4Addr::from_bits((wide << 16 | low) as u32).into()
    }

    /// The AS is on the other side of a partition.
    pub(super) fn is_cut(&self, node: u32) -> bool {
        self.draw(5, self.asn(node).0.into()) % PARTS < self.cut
    }

    pub(super) fn is_eligible(&self, node: u32) -> bool {
        self.draw(6, node.into()) % PARTS < self.eligible
    }

    pub(super) fn version(&self, node: u32) -> u32 {
        1 + u32::from(self.draw(7, node.into()) % PARTS < self.second)
    }

    /// How long a message takes between two nodes.
    pub(super) fn latency(&self, a: u32, b: u32) -> Duration {
        let (least, most) = self.latency_ms;
        let pair = u64::from(a.min(b)) << 32 | u64::from(a.max(b));
        Duration::from_millis(least + mix(self.seed ^ mix(pair)) % (most - least + 1))
    }

    pub(super) fn contact(&self, node: u32) -> Contact {
        Contact::new(PeerKey(node), self.ip(node), Some(self.asn(node)))
    }

    pub(super) fn caller(&self, node: u32) -> Caller {
        let network = Network::of(self.ip(node));
        Caller { peer: PeerKey(node), asn: Some(self.asn(node)), network, version: self.version(node) }
    }

    pub(super) fn host<'a>(&self, config: &'a OverlayConfig, node: u32) -> Host<'a> {
        let identity = self.draw(8, node.into());
        Host { config, me: PeerKey(node), identity, version: self.version(node) }
    }

    pub(super) fn seed_of(&self, node: u32, epoch: u8) -> u64 {
        self.draw(9, u64::from(node) << 8 | u64::from(epoch))
    }

    /// What a node measures of itself when it starts.
    pub(super) fn facts(&self, node: u32, settled: bool) -> Facts {
        let of = |first: u8| Network::of(Ipv4Addr::new(first, 1, 1, 1).into());
        let witnesses = if self.is_eligible(node) { [of(31), of(32), of(33)] } else { [Network::UNKNOWN; 3] };
        Facts {
            consent: Consent::Auto,
            witnesses,
            up: if settled { SETTLED_UP } else { Duration::ZERO },
            uplink_spare: UPLINK_SPARE,
            memory_spare: 1 << 30,
            sockets_spare: 10_000,
        }
    }

    /// What a parent measured of a child.
    pub(super) fn child_facts(&self, node: u32, age: Duration) -> ChildFacts {
        ChildFacts {
            age,
            dialled_back: self.is_eligible(node),
            rate: UPLINK_SPARE,
            version: self.version(node),
        }
    }
}
