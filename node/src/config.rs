//! What a node is told before it starts. Every knob says what it means and what more and less cost.

use std::{path::PathBuf, time::Duration};

use crate::address::Address;

/// Settings of one node. [`NodeConfig::default`] suits a person's `get`.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where to listen; dials leave from the same IPs. Default: every interface, TCP and QUIC, any port.
    pub listen: Vec<Address>,
    /// Our secret key; none = a fresh one, so that two runs cannot be linked.
    pub identity: Option<PathBuf>,
    /// We are the operator's own server: we say so, and peers spare us.
    pub origin: bool,
    /// Bytes per second sent, all contents together; none = no limit.
    pub up: Option<u64>,
    /// Bytes per second received, all contents together; none = no limit.
    pub down: Option<u64>,
    /// Established connections at most. More = better connected, 100 KiB each. Default 256; a seeder wants thousands.
    pub connections_max: u32,
    /// Contents open at once; each costs file handles only while it is read. Default 65,536.
    pub contents_max: u32,
    /// Seeds the policy's random choices; none = from the operating system.
    pub seed: Option<u64>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        let everywhere =
            ["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1", "/ip6/::/tcp/0", "/ip6/::/udp/0/quic-v1"];
        NodeConfig {
            listen: everywhere.iter().filter_map(|text| text.parse().ok()).collect(),
            identity: None,
            origin: false,
            up: None,
            down: None,
            connections_max: 256,
            contents_max: 65_536,
            seed: None,
        }
    }
}

/// How long to go on giving after everything was received.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SeedGoal {
    /// Leave at once (the runs being sent are finished, at most 2 s).
    None,
    /// Until this many times the content's size was given.
    Ratio(f64),
    /// For this long.
    Time(Duration),
    /// Until stopped.
    Forever,
}
