//! Settings of the overlay, with what more and less of each cost.

use std::time::Duration;

/// Settings of the overlay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverlayConfig {
    /// Who may serve.
    pub eligible: EligibleConfig,
    /// How supernodes split, merge and refuse.
    pub governor: GovernorConfig,
    /// How leaves hold on to supernodes.
    pub leaf: LeafConfig,
    /// How supernodes keep in touch.
    pub gossip: GossipConfig,
}

/// Who may serve as a supernode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EligibleConfig {
    /// How long a node must have been up. Longer = supernodes stay longer, and a young network has fewer of them.
    /// Default 1 h.
    pub up_min: Duration,
    /// Bytes a second that its uplink must have spare. Default 64 KiB/s: five hundred children cost a tenth of it.
    pub uplink_spare_min: u64,
    /// Bytes of memory that it must have spare. Default 64 MiB.
    pub memory_spare_min: u64,
    /// Connections that it must have spare. Default 1,600: all children and siblings there may be.
    pub sockets_spare_min: u32,
    /// How long a child's connection must have stood before its parent elects it. Longer = an attacker waits longer
    /// before it can be elected, and a network that lost nearly everybody grows again more slowly. Default 5 min.
    pub child_age_min: Duration,
    /// Bytes a second that a parent must have seen from a child. Default 0: it may have had no reason to send.
    pub child_rate_min: u64,
}

/// How supernodes split, merge and refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GovernorConfig {
    /// Above so many children a supernode elects one of them and hands half over. Default 500.
    pub split_above: u16,
    /// Below so many children it steps down, if siblings have room. Default 75. Far below half of `split_above`, or
    /// supernodes would split and merge in turn.
    pub merge_below: u16,
    /// So many children it takes at most, when nobody else has room. Default 680; each costs 12 bytes here, and a
    /// connection.
    pub children_max: u16,
    /// So many keep it in reserve. Default 850; each costs 4 bytes here, and a connection.
    pub warm_max: u16,
    /// Children of one /24 (IPv6: /48) at most. Default 125: a quarter of `split_above`.
    pub children_per_network_max: u16,
    /// Attachments a second. More than that are refused, with alternatives. Default 50.
    pub attaches_per_second: u16,
    /// Of these, those of one /24 (IPv6: /48). Default 10.
    pub attaches_per_network: u8,
    /// How long a supernode serves before it may step down. Default 30 min.
    pub tenure: Duration,
    /// How long a supernode that never had a child serves. Default 2 min: it elected itself in vain.
    pub tenure_unused: Duration,
    /// A supernode with few children waits for up to so long before it steps down, so that not all of them do at once.
    /// Default 5 min.
    pub step_down_jitter: Duration,
    /// How often it looks whether to split or merge. Default 5 s.
    pub look_every: Duration,
    /// Supernodes of one version, in per cent of those that are known, rounded up. Beyond it nobody of that version is
    /// elected, unless there is no other version. Default 60.
    pub version_share_max: u8,
}

/// How leaves hold on to supernodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafConfig {
    /// The pause between two tries to attach. Default 500 ms: two a second.
    pub try_every: Duration,
    /// A leaf that lost its parent waits for up to so long before its first try. Default 1 s.
    pub first_jitter: Duration,
    /// After everybody refused, it waits for up to so long: at first `first_jitter`, then twice as long each time.
    /// Default 30 s.
    pub round_jitter_max: Duration,
    /// How often it asks a parent for a new ticket. Default 5 min. Sooner = it remembers fresher supernodes, and costs
    /// some 500 bytes each time.
    pub renew_every: Duration,
    /// How soon it looks for another warm parent. Default 30 s: after a loss, those that have no parent come first.
    pub warm_every: Duration,
}

/// How supernodes keep in touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GossipConfig {
    /// The pause between two exchanges of tickets, made up to half as long again at random. Default 10 s.
    pub every: Duration,
    /// The same while two networks become one. Default 1 s.
    pub every_merging: Duration,
    /// How long that lasts. Default 60 s.
    pub merging: Duration,
    /// How often a supernode looks for others that it does not know: anchors, and what the DHT has. Default 60 s. A small
    /// group that lost sight of all others finds them so, and each anchor hears of each supernode as often.
    pub look_up_every: Duration,
    /// How long a ticket says how much room there is. Default 60 s: a few exchanges.
    pub ticket_life: Duration,
    /// How long a supernode of which nothing new was heard stays in sketches. Default 5 min. An exchange reaches ten
    /// thousand supernodes in two minutes. Longer = an island is seen later.
    pub sketch_life: Duration,
    /// For how long a sibling that was lost is tried again. Default 1 h: as long as a split network should heal by
    /// itself.
    pub lost_life: Duration,
}

impl Default for EligibleConfig {
    fn default() -> EligibleConfig {
        EligibleConfig {
            up_min: Duration::from_secs(3_600),
            uplink_spare_min: 64 << 10,
            memory_spare_min: 64 << 20,
            sockets_spare_min: 1_600,
            child_age_min: Duration::from_secs(300),
            child_rate_min: 0,
        }
    }
}

impl Default for GovernorConfig {
    fn default() -> GovernorConfig {
        GovernorConfig {
            split_above: 500,
            merge_below: 75,
            children_max: 680,
            warm_max: 850,
            children_per_network_max: 125,
            attaches_per_second: 50,
            attaches_per_network: 10,
            tenure: Duration::from_secs(1_800),
            tenure_unused: Duration::from_secs(120),
            step_down_jitter: Duration::from_secs(300),
            look_every: Duration::from_secs(5),
            version_share_max: 60,
        }
    }
}

impl Default for LeafConfig {
    fn default() -> LeafConfig {
        LeafConfig {
            try_every: Duration::from_millis(500),
            first_jitter: Duration::from_secs(1),
            round_jitter_max: Duration::from_secs(30),
            renew_every: Duration::from_secs(300),
            warm_every: Duration::from_secs(30),
        }
    }
}

impl Default for GossipConfig {
    fn default() -> GossipConfig {
        GossipConfig {
            every: Duration::from_secs(10),
            every_merging: Duration::from_secs(1),
            merging: Duration::from_secs(60),
            look_up_every: Duration::from_secs(60),
            ticket_life: Duration::from_secs(60),
            sketch_life: Duration::from_secs(300),
            lost_life: Duration::from_secs(3_600),
        }
    }
}
