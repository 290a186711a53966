//! The state of a service, for people and programs: one model, shown as a page at `/` and as JSON
//! at `/status.json`.
//!
//! Invariants: no peer is named; every list is bounded. Names of contents come from strangers and
//! are kept unchanged: the code that shows them makes them harmless.

mod json;
mod page;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nearcast_core::{message::Refusal, tier::Tier};
use nearcast_node::{
    BudgetUse, Node, Totals,
    dht::DhtStats,
    durations::Durations,
    giving::{Giving, Givings},
};
use serde::Serialize;

pub(crate) use self::{
    json::json,
    page::{CONTENT_SECURITY_POLICY, page},
};
use crate::{
    atlas::atlas_age,
    conditions::{Condition, Probes},
    reloaded::Reloaded,
};

/// Contents that are listed; the rest are only counted.
pub const CONTENTS_LISTED_MAX: usize = 100;
/// Feeds that are listed; the rest are only counted.
pub const FEEDS_LISTED_MAX: usize = 100;

/// A service at one moment. `None`: the service has no such part.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// The program's name.
    pub service: &'static str,
    /// The program's version.
    pub version: &'static str,
    /// The peer id. `None`: the service does not listen yet.
    pub peer: Option<String>,
    /// The addresses it listens on.
    pub addresses: Vec<String>,
    /// When this status was taken, in seconds of Unix time.
    pub at_seconds: u64,
    /// When the service started, in seconds of Unix time.
    pub started_at_seconds: u64,
    /// How long the service has run, in seconds.
    pub uptime_seconds: u64,
    /// The process is worth keeping.
    pub live: bool,
    /// Clients may be sent here.
    pub ready: bool,
    /// The conditions for `live` and `ready`.
    pub conditions: Vec<Condition>,
    /// The last reload of the configuration.
    pub reload: Reload,
    /// Connections and their traffic.
    pub network: Option<Network>,
    /// Disk activity.
    pub disks: Option<Disks>,
    /// Contents served, in a seeder.
    pub contents: Option<Contents>,
    /// Contents and peers known, in a tracker.
    pub directory: Option<DirectoryStatus>,
    /// The hash table among directories. `None`: the service takes no part in it.
    pub hash_table: Option<HashTable>,
    /// Sources of routes, in a tracker.
    pub feeds: Option<Feeds>,
    /// The atlas in use. `None`: no atlas.
    pub atlas: Option<AtlasStatus>,
    /// How much of each limit strangers use.
    pub budget: Vec<Budget>,
}

/// The result of the last reload.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Reload {
    /// The configuration was valid at the last reload.
    pub successful: bool,
    /// When a reload last succeeded, in seconds of Unix time. `None`: never.
    pub at_seconds: Option<u64>,
}

/// Connections and their traffic. All sums are since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Network {
    /// Connected peers.
    pub connections: u32,
    /// Open links. A link is one content with one peer.
    pub links: u32,
    /// Links that are being served.
    pub links_served: u32,
    /// Payload sent now. In bytes a second. `None`: none was sent yet.
    pub up_bytes_per_second: Option<f64>,
    /// Payload received now. In bytes a second. `None`: none was received yet.
    pub down_bytes_per_second: Option<f64>,
    /// Payload sent, in bytes.
    pub sent_bytes: u64,
    /// Payload sent, in bytes, by tier of the receiver.
    pub sent_by_tier_bytes: BTreeMap<&'static str, u64>,
    /// Payload received, in bytes.
    pub received_bytes: u64,
    /// Our AS. `None`: no atlas tells it.
    pub asn: Option<u32>,
    /// Payload sent out of our AS, in bytes. `None`: our AS is unknown.
    pub exported_bytes: Option<u64>,
    /// Payload received from outside our AS, in bytes. `None`: our AS is unknown.
    pub imported_bytes: Option<u64>,
    /// Runs sent.
    pub requests_served: u64,
    /// Refused requests, by reason.
    pub requests_refused: BTreeMap<&'static str, u64>,
    /// Connections refused because a limit was reached.
    pub connections_refused: u64,
    /// Peers banned for corrupt data.
    pub peers_banned: u32,
    /// How long peers waited to be served.
    pub slot_waits: Timing,
}

/// Durations of an operation since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Timing {
    /// Number of measurements.
    pub count: u64,
    /// The mean. `None`: no measurement.
    pub mean_seconds: Option<f64>,
    /// The 95th percentile, rounded up to the next bound of the histogram. `None`: no measurement,
    /// or beyond the last bound.
    pub p95_seconds: Option<f64>,
}

/// Disk activity since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Disks {
    /// The root, with everything to serve, is present.
    pub root_present: bool,
    /// Runs that could not be read.
    pub errors: u64,
    /// Runs that did not match their hash. None of them was sent.
    pub rotten_runs: u64,
    /// Durations of reading and verifying.
    pub reads: Timing,
}

/// What a seeder serves.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Contents {
    /// Contents served.
    pub served: u64,
    /// `.torrent` files that cannot be served.
    pub refused: u64,
    /// Contents published from the watched folder since the start.
    pub published: u64,
    /// Contents that wait to be hashed, or are being hashed.
    pub hashing: u64,
    /// Entries that could not be published at the last attempt.
    pub publish_failures: u64,
    /// Entries that are not published: hidden, private and others.
    pub left_out: u64,
    /// The contents, the busiest first.
    pub busiest: Vec<ContentStatus>,
    /// Number of contents that are not listed.
    pub not_listed: usize,
}

/// One content of a seeder. All sums are since the seeder began to serve it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ContentStatus {
    /// The content id: 64 hexadecimal digits.
    pub content: String,
    /// The name, as its publisher wrote it.
    pub name: String,
    /// The size, in bytes.
    pub bytes: u64,
    /// Linked peers that lack a part of it.
    pub fetching: u32,
    /// Linked peers that say they have all of it.
    pub complete: u32,
    /// Peers that fetched something.
    pub takers: u64,
    /// Peers that became complete after they connected, by their own word.
    pub completed: u64,
    /// Payload sent, in bytes.
    pub sent_bytes: u64,
    /// Payload sent, in bytes, by tier of the receiver.
    pub sent_by_tier_bytes: BTreeMap<&'static str, u64>,
    /// Payload sent out of our AS, in bytes. `None`: our AS is unknown.
    pub exported_bytes: Option<u64>,
}

/// What a tracker's directory knows. All sums are since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DirectoryStatus {
    /// Contents known.
    pub contents: u64,
    /// Peers known.
    pub peers: u64,
    /// Entries: a peer counts once for each of its contents.
    pub entries: u64,
    /// Questions read a second now. `None`: none was read yet.
    pub questions_per_second: Option<f64>,
    /// Questions answered with peers a second now. `None`: none was answered yet.
    pub answers_per_second: Option<f64>,
    /// Questions read.
    pub questions: u64,
    /// Questions answered with peers.
    pub answers: u64,
    /// Announcements accepted, including renewals.
    pub announcements: u64,
    /// Questions refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Peers named in answers, by tier as seen from the asker.
    pub told_by_tier: BTreeMap<&'static str, u64>,
    /// Durations of answering.
    pub answering: Timing,
    /// Entries in the last save.
    pub saved_entries: u64,
    /// Age of the last save, in seconds. `None`: none since the start.
    pub saved_age_seconds: Option<u64>,
    /// Saves that failed.
    pub saves_failed: u64,
}

/// The hash table among directories. All sums are since the start.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct HashTable {
    /// Directories in the routing table.
    pub nodes: u64,
    /// Whether others may ask this directory. No: nobody seems to reach it.
    pub serves: bool,
    /// Records of others that are kept.
    pub records: u64,
    /// Records of others that were refused.
    pub records_refused: u64,
    /// Questions of others.
    pub asked: u64,
    /// Look-ups that have ended.
    pub lookups: u64,
    /// Look-ups that found a directory.
    pub lookups_found: u64,
    /// Keys that this directory wants to stand under.
    pub keys: u64,
    /// Of these, keys under which neither it nor enough others stand.
    pub keys_lapsed: u64,
}

impl HashTable {
    fn of(stats: &DhtStats) -> HashTable {
        HashTable {
            nodes: stats.nodes,
            serves: stats.serves,
            records: stats.records,
            records_refused: stats.refused,
            asked: stats.asked,
            lookups: stats.look_ups,
            lookups_found: stats.found,
            keys: stats.keys,
            keys_lapsed: stats.lapsed,
        }
    }
}

/// A tracker's sources of routes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Feeds {
    /// Sessions, the oldest first.
    pub sessions: Vec<Feed>,
    /// Number of sessions that are not listed.
    pub not_listed: usize,
    /// How long ago a route changed, in seconds. `None`: no route changed yet.
    pub last_change_age_seconds: Option<u64>,
    /// How long ago an atlas was built from the routes, in seconds. `None`: none was built yet.
    pub last_rebuild_age_seconds: Option<u64>,
    /// Refused routers.
    pub bmp_refused: u64,
    /// Router sessions ended because of what the router sent.
    pub bmp_faults: u64,
    /// The table was lost through a bug of the program; the last atlas stays.
    pub broken: bool,
}

/// One session of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Feed {
    /// `bmp`, `ris_live` or `updates`.
    pub kind: &'static str,
    /// The name of the source, partly a stranger's words.
    pub name: String,
    /// `syncing`, `synced` or `held`.
    pub phase: &'static str,
    /// Routes of this session in the table.
    pub routes: u64,
    /// Announcements accepted.
    pub announced: u64,
    /// Withdrawals accepted.
    pub withdrawn: u64,
    /// Messages that could not be read.
    pub damaged: u64,
    /// Age of the session, in seconds.
    pub age_seconds: u64,
    /// How long ago the session changed a route, in seconds. `None`: never.
    pub last_change_age_seconds: Option<u64>,
}

/// The atlas in use. `None`: the service does not count this.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct AtlasStatus {
    /// The version: usually the time of its data, in seconds of Unix time.
    pub version: u64,
    /// The age of its data, in seconds. `None`: unknown.
    pub age_seconds: Option<u64>,
    /// Number of IPv4 prefixes.
    pub prefixes_v4: Option<u64>,
    /// Number of IPv6 prefixes.
    pub prefixes_v6: Option<u64>,
    /// Number of autonomous systems.
    pub ases: Option<u64>,
    /// Number of links between autonomous systems.
    pub links: Option<u64>,
    /// The published version. `None`: none is published.
    pub published_version: Option<u64>,
}

/// One kind of resource that strangers use, with its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// The name, as in the metrics.
    pub kind: &'static str,
    /// In use now.
    pub used: u64,
    /// The limit.
    pub limit: u64,
    /// Refused or taken back since the start.
    pub refused: u64,
}

impl Status {
    /// The status of any service.
    pub fn of(
        service: &'static str,
        version: &'static str,
        probes: &dyn Probes,
        reloaded: &Reloaded,
    ) -> Status {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = reloaded.at();
        Status {
            service,
            version,
            at_seconds: now.as_secs(),
            started_at_seconds: reloaded.started().as_secs(),
            uptime_seconds: reloaded.uptime().as_secs(),
            live: probes.is_live(),
            ready: probes.is_ready(),
            conditions: probes.ready(),
            reload: Reload {
                successful: reloaded.successful(),
                at_seconds: u64::try_from(at).ok().filter(|at| *at > 0),
            },
            ..Status::default()
        }
    }

    /// Adds the status of the node.
    pub fn with_node(self, node: &Node) -> Status {
        let totals = node.totals().borrow().clone();
        Status {
            peer: Some(node.peer_id()),
            addresses: node.addresses().iter().map(ToString::to_string).collect(),
            hash_table: node.dht().as_ref().map(HashTable::of),
            network: Some(Network::of(&totals, &node.slot_waits())),
            budget: totals.budget.iter().filter(|of| !of.kind.is_empty()).map(Budget::of).collect(),
            ..self
        }
    }
}

impl Network {
    fn of(totals: &Totals, slot_waits: &Durations) -> Network {
        let refused = Refusal::ALL.map(|why| (why.name(), totals.requests_refused[why as usize]));
        let if_known = |bytes| totals.asn.map(|_| bytes);
        Network {
            connections: totals.connections,
            links: totals.links,
            links_served: totals.unchoked,
            up_bytes_per_second: totals.rate_up,
            down_bytes_per_second: totals.rate_down,
            sent_bytes: totals.uploaded,
            sent_by_tier_bytes: by_tier(&totals.uploaded_by_tier),
            received_bytes: totals.received.total(),
            asn: totals.asn.map(|asn| asn.0),
            exported_bytes: if_known(totals.exported),
            imported_bytes: if_known(totals.received.imported),
            requests_served: totals.requests_served,
            requests_refused: refused.into_iter().collect(),
            connections_refused: totals.refused_connections,
            peers_banned: totals.banned,
            slot_waits: Timing::of(slot_waits),
        }
    }
}

/// Numbers keyed by the name of their tier.
pub fn by_tier(numbers: &[u64; Tier::COUNT]) -> BTreeMap<&'static str, u64> {
    Tier::ALL.map(|tier| (tier.name(), numbers[tier as usize])).into_iter().collect()
}

impl Timing {
    /// A summary of all measurements.
    pub fn of(durations: &Durations) -> Timing {
        Timing {
            count: durations.count(),
            mean_seconds: durations.mean_seconds(),
            p95_seconds: durations.share_seconds(0.95),
        }
    }
}

impl Budget {
    fn of(of: &BudgetUse) -> Budget {
        Budget { kind: of.kind, used: of.used, limit: of.limit, refused: of.refused }
    }
}

impl Contents {
    /// The list of contents; the other fields are still to be filled in. `knows_as`: an atlas tells
    /// our AS.
    pub fn of(givings: &Givings, knows_as: bool) -> Contents {
        let busiest = givings.busiest.iter().map(|giving| ContentStatus::of(giving, knows_as)).collect();
        Contents { busiest, not_listed: givings.left_out, ..Contents::default() }
    }
}

impl ContentStatus {
    fn of(giving: &Giving, knows_as: bool) -> ContentStatus {
        ContentStatus {
            content: giving.content.to_string(),
            name: giving.name.clone(),
            bytes: giving.bytes,
            fetching: giving.fetching,
            complete: giving.complete,
            takers: giving.given.takers,
            completed: giving.given.completed,
            sent_bytes: giving.given.sent,
            sent_by_tier_bytes: by_tier(&giving.given.by_tier),
            exported_bytes: knows_as.then_some(giving.given.exported),
        }
    }
}

impl AtlasStatus {
    /// The status of an atlas of which only the version is known. `None`: no atlas.
    pub fn of(version: u64) -> Option<AtlasStatus> {
        let age_seconds = atlas_age(version).as_ref().map(Duration::as_secs);
        (version > 0).then_some(AtlasStatus { version, age_seconds, ..AtlasStatus::default() })
    }
}

#[cfg(test)]
mod tests;
