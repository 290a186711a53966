//! The settings of a node. Each says what it means, and what more and less cost.

use std::{path::PathBuf, sync::Arc, time::Duration};

use nearcast_core::{
    atlas::Atlas,
    config::{Config, ConfigError},
    rates::Limits,
};

use crate::{address::Address, directory::DirectoryConfig, proxy::Proxies};

/// The settings of one node. [`NodeConfig::default`] suits one person's `get`.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where to listen; dials leave from the same IPs. Default: every interface, TCP and QUIC, any
    /// port.
    pub listen: Vec<Address>,
    /// If a port is taken, listen on any free port instead, and log it. For default ports only:
    /// others may have written down a port that the user chose. Default no.
    pub listen_may_move: bool,
    /// The file of our secret key. `None`: a fresh key, so that two runs cannot be linked.
    pub identity: Option<PathBuf>,
    /// This node is the operator's own server: it says so, and peers spare it.
    pub origin: bool,
    /// In bytes per second sent, over all contents. `None`: no limit.
    pub up: Option<u64>,
    /// In bytes per second received, over all contents. `None`: no limit.
    pub down: Option<u64>,
    /// The most established connections. Fewer if the system allows too few open files. More
    /// connect better and cost 100 KiB each. Default 256; a seeder wants thousands.
    pub connections_max: u32,
    /// Finer limits.
    pub caps: Caps,
    /// The most contents open at once. Each costs file handles only while it is read. Default
    /// 65,536.
    pub contents_max: u32,
    /// Announce this node on local networks by multicast, and hear other nodes there, where we
    /// listen at a private address. Contents are never announced. Default yes. A node that listens
    /// on loopback only never does so.
    pub lan: bool,
    /// The atlas that places IPs in networks. `None`: nearness goes by address prefixes alone.
    pub atlas: Option<Arc<Atlas>>,
    /// Let nearness decide which peers to link to and, with an atlas, which peer of an AS imports a
    /// run. Off: random choice, to measure the benefit. Default on.
    pub nearness: bool,
    /// Answer directory questions about more contents than an origin serves: see
    /// [`DirectoryConfig`]. `None`: an origin is the directory of its own contents, and another
    /// node is no directory.
    pub directory: Option<DirectoryConfig>,
    /// Directories that are told what we share. Default none.
    pub trackers: Vec<Address>,
    /// Take part in the hash table among directories, if this node is a directory: others find the
    /// contents that it knows, and it finds theirs for its askers. Default no.
    pub dht: bool,
    /// Directories of that table to join. One that is reached is enough. Default none.
    pub join: Vec<Address>,
    /// The file in which directories of that table are remembered, for the next start. `None`: none
    /// are.
    pub known_directories: Option<PathBuf>,
    /// Ask directories for offers of newer atlases: see [`crate::node::Node::atlas_offers`].
    /// Default no.
    pub hear_of_atlases: bool,
    /// The proxies for web seeds. Default none. The caller reads the environment, if it wants to.
    pub proxies: Proxies,
    /// The seed of the policy's random choices. `None`: from the operating system.
    pub seed: Option<u64>,
    /// Write to this file what the policy was told and what it decided, so that a test can do it
    /// again: see [`nearcast_core::flight`]. A file that exists is replaced. `None`: nothing is
    /// written.
    pub flight: Option<PathBuf>,
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
            dht: false,
            join: Vec::new(),
            known_directories: None,
            hear_of_atlases: false,
            proxies: Proxies::none(),
            seed: None,
            flight: None,
        }
    }
}

/// Limits for one content or one network, so that no content or network crowds out the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// In bytes per second sent for each content. `None`: no limit.
    pub up_per_content: Option<u64>,
    /// In bytes per second sent to each /24 (IPv6: /48). `None`: no limit. A large NAT is many
    /// people.
    pub up_per_prefix: Option<u64>,
    /// The most connections from each /24 (IPv6: /48), not counting those we dial. `None`: a
    /// sixteenth of all connections, and at least 32. That is 32 for a client, 256 for a seeder,
    /// 512 for a tracker.
    pub connections_per_prefix_max: Option<u32>,
    /// The most neighbours of each content. More are told to come back later. `None`: 60; for an
    /// origin 1,000.
    pub links_per_content_max: Option<u16>,
    /// The most neighbours of each content served at a time. Fewer finish runs sooner and spread
    /// them faster; more serve more peers slowly. `None`: 16; for an origin 64.
    pub upload_slots_per_content: Option<u16>,
    /// The most neighbours served at a time, over all contents. Each holds up to three buffers of
    /// 256 KiB. `None`: 512; for an origin 4,096.
    pub upload_slots_total: Option<u32>,
}

/// The least default for connections from one network.
const CONNECTIONS_PER_PREFIX_DEFAULT_MIN: u32 = 32;
/// The default for connections from one network is one in this many. It takes sixteen networks to
/// hold every place, and an office or a school behind one address still gets in.
const CONNECTIONS_PER_PREFIX_DEFAULT_SHARE: u32 = 16;

impl NodeConfig {
    /// The policy that these settings give.
    ///
    /// # Errors
    /// The error names the setting that is out of range.
    pub fn policy(&self) -> Result<Config, ConfigError> {
        let mut policy = if self.origin { Config::origin() } else { Config::default() };
        policy.nearness.tiers = self.nearness;
        policy.nearness.one_copy_in = self.nearness;
        let caps = &self.caps;
        policy.links.most = caps.links_per_content_max.unwrap_or(policy.links.most);
        policy.links.wanted = policy.links.wanted.min(policy.links.most);
        policy.upload.slots = caps.upload_slots_per_content.unwrap_or(policy.upload.slots);
        // With a single slot there is none to give by turns.
        policy.upload.optimistic_slots =
            policy.upload.optimistic_slots.min(policy.upload.slots.saturating_sub(1));
        policy.upload.slots_total = caps.upload_slots_total.unwrap_or(policy.upload.slots_total);
        policy.validate()?;
        Ok(policy)
    }

    /// The most connections from one network.
    pub(crate) fn connections_per_prefix_max(&self) -> u32 {
        let share = (self.connections_max / CONNECTIONS_PER_PREFIX_DEFAULT_SHARE)
            .max(CONNECTIONS_PER_PREFIX_DEFAULT_MIN);
        self.caps.connections_per_prefix_max.unwrap_or(share)
    }

    /// The limits on what we send.
    pub(crate) fn limits_up(&self) -> Limits {
        let Caps { up_per_content: each_content, up_per_prefix: each_prefix, .. } = self.caps;
        Limits { all: self.up, each_content, each_prefix, each_peer: None }
    }

    /// The limits on what we receive.
    pub(crate) fn limits_down(&self) -> Limits {
        Limits { all: self.down, ..Limits::default() }
    }
}

/// Limits on one download, besides those of the node: the narrower limit holds.
/// The default has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DownloadLimits {
    /// In bytes per second received. `None`: no limit. 0: nothing new begins to come; to stop
    /// asking, pause the download.
    pub down: Option<u64>,
    /// In bytes per second sent. `None`: no limit.
    pub up: Option<u64>,
}

/// How long to go on seeding after the download is complete.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SeedGoal {
    /// Leave at once. Runs being sent are finished, for at most 2 s.
    None,
    /// Until this many times the content's size was sent.
    Ratio(f64),
    /// For this time.
    Time(Duration),
    /// Until the node is stopped.
    Forever,
}
