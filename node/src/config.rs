//! What a node is told before it starts. Every knob says what it means and what more and less cost.

use std::{path::PathBuf, sync::Arc, time::Duration};

use nearcast_core::{
    atlas::Atlas,
    config::{Config, ConfigError},
    rates::Limits,
};

use crate::{address::Address, directory::DirectoryConfig, proxy::Proxies};

/// Settings of one node. [`NodeConfig::default`] suits a person's `get`.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where to listen; dials leave from the same IPs. Default: every interface, TCP and QUIC, any port.
    pub listen: Vec<Address>,
    /// Where a port is taken, listen on any free one instead, and say so. For ports that nobody chose: others may have
    /// written down one that somebody did. Default no.
    pub listen_may_move: bool,
    /// Our secret key; none = a fresh one, so that two runs cannot be linked.
    pub identity: Option<PathBuf>,
    /// We are the operator's own server: we say so, and peers spare us.
    pub origin: bool,
    /// Bytes per second sent, all contents together; none = no limit.
    pub up: Option<u64>,
    /// Bytes per second received, all contents together; none = no limit.
    pub down: Option<u64>,
    /// Established connections at most; fewer if the system allows too few open files. More = better
    /// connected, 100 KiB each. Default 256; a seeder wants thousands.
    pub connections_max: u32,
    /// Finer limits.
    pub caps: Caps,
    /// Contents open at once; each costs file handles only while it is read. Default 65,536.
    pub contents_max: u32,
    /// Say on local networks that we are there, and hear who else is: by multicast, where we listen at a private
    /// address. Never what is downloaded. Default yes; a node that listens on loopback only never does.
    pub lan: bool,
    /// Where everybody is. None = nearness goes by address prefixes alone.
    pub atlas: Option<Arc<Atlas>>,
    /// Let nearness decide: whom to link to, and, with an atlas, who of an AS brings a run into it. Off = random choice, to
    /// measure what it is good for. Default on.
    pub nearness: bool,
    /// Answer directory questions, beside those about what an origin serves: see [`DirectoryConfig`]. None = an origin is the
    /// directory of its own contents, and others are none.
    pub directory: Option<DirectoryConfig>,
    /// Directories that are told of everything we share. Default none.
    pub trackers: Vec<Address>,
    /// Have directories tell where newer atlases are to be had: see [`crate::handle::Node::atlas_offers`]. Default no.
    pub hear_of_atlases: bool,
    /// Whom to go through for web seeds. Default nobody; the environment is for the caller to read.
    pub proxies: Proxies,
    /// Seeds the policy's random choices; none = from the operating system.
    pub seed: Option<u64>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        NodeConfig {
            listen: Address::everywhere(0),
            listen_may_move: false,
            identity: None,
            origin: false,
            up: None,
            down: None,
            connections_max: 256,
            caps: Caps::default(),
            contents_max: 65_536,
            lan: true,
            atlas: None,
            nearness: true,
            directory: None,
            trackers: Vec::new(),
            hear_of_atlases: false,
            proxies: Proxies::none(),
            seed: None,
        }
    }
}

/// Limits for one content or one network, so that none of them crowds out the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Bytes per second sent for each content; none = no limit.
    pub up_per_content: Option<u64>,
    /// Bytes per second sent to each /24 (IPv6: /48); none = no limit. Large NATs are many people.
    pub up_per_prefix: Option<u64>,
    /// Connections from each /24 (IPv6: /48) at most, those we dial ourselves apart. None = a sixteenth of
    /// all, and 32 at least: 32 of a client, 256 of a seeder, 512 of a tracker.
    pub connections_per_prefix_max: Option<u32>,
    /// Neighbours of each content at most; the rest are told to come back later. None = 60, of an origin
    /// 1,000.
    pub links_per_content_max: Option<u16>,
    /// Neighbours of each content served at a time. Fewer finish runs sooner and spread them faster, more
    /// serve more peers slowly. None = 16, of an origin 64.
    pub upload_slots_per_content: Option<u16>,
    /// Neighbours served at a time, all contents together: each holds up to three buffers of 256 KiB.
    /// None = 512, of an origin 4,096.
    pub upload_slots_total: Option<u32>,
}

/// Connections from one network at least, whatever the share of all is.
const CONNECTIONS_PER_PREFIX_DEFAULT_MIN: u32 = 32;
/// And this part of all. It takes sixteen networks to hold every place; an office or a school behind one still gets in.
const CONNECTIONS_PER_PREFIX_DEFAULT_SHARE: u32 = 16;

impl NodeConfig {
    /// The policy these settings ask for.
    ///
    /// # Errors
    /// Names the setting that is out of range.
    pub fn policy(&self) -> Result<Config, ConfigError> {
        let mut policy = if self.origin { Config::origin() } else { Config::default() };
        policy.nearness = self.nearness;
        let caps = &self.caps;
        policy.neighbours_max = caps.links_per_content_max.unwrap_or(policy.neighbours_max);
        policy.neighbours_wanted = policy.neighbours_wanted.min(policy.neighbours_max);
        policy.upload_slots = caps.upload_slots_per_content.unwrap_or(policy.upload_slots);
        // With one slot nobody can be given another by turns.
        policy.optimistic_slots = policy.optimistic_slots.min(policy.upload_slots.saturating_sub(1));
        policy.upload_slots_total = caps.upload_slots_total.unwrap_or(policy.upload_slots_total);
        policy.validate()?;
        Ok(policy)
    }

    /// Connections from one network at most.
    pub(crate) fn connections_per_prefix_max(&self) -> u32 {
        let share = (self.connections_max / CONNECTIONS_PER_PREFIX_DEFAULT_SHARE)
            .max(CONNECTIONS_PER_PREFIX_DEFAULT_MIN);
        self.caps.connections_per_prefix_max.unwrap_or(share)
    }

    /// Limits on what is sent.
    pub(crate) fn limits_up(&self) -> Limits {
        let Caps { up_per_content: each_content, up_per_prefix: each_prefix, .. } = self.caps;
        Limits { all: self.up, each_content, each_prefix, each_peer: None }
    }

    /// Limits on what is received.
    pub(crate) fn limits_down(&self) -> Limits {
        Limits { all: self.down, ..Limits::default() }
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
