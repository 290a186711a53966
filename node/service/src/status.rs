//! How a service is, for people and for programs: one model, told as a page at `/` and as JSON at `/status.json`.
//!
//! Invariants: no peer is named; every list has a bound; names of contents are a stranger's words, as they are, and whoever
//! shows them makes them harmless.

mod desk;
mod json;
mod page;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nearcast_core::{message::Refusal, tier::Tier};
use nearcast_node::{
    durations::Durations,
    giving::{Giving, Givings},
    handle::{BudgetUse, Node, Totals},
};
use serde::Serialize;

pub(crate) use self::{
    desk::Desk,
    json::json,
    page::{CONTENT_SECURITY_POLICY, page},
};
use crate::{
    admin::{Condition, Vitals},
    atlas::atlas_age,
    reloaded::Reloaded,
};

/// Contents that are listed; more are counted.
pub const CONTENTS_LISTED_MAX: usize = 100;
/// Feeds that are listed; more are counted.
pub const FEEDS_LISTED_MAX: usize = 100;

/// A service at one moment. What a service has not is `None`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// The program.
    pub service: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its peer id; none before it listens.
    pub peer: Option<String>,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// When this was looked up, in seconds of Unix time.
    pub at_seconds: u64,
    /// When it started, in seconds of Unix time.
    pub started_at_seconds: u64,
    /// So long it has run, in seconds.
    pub uptime_seconds: u64,
    /// Worth keeping.
    pub live: bool,
    /// Clients may be sent here.
    pub ready: bool,
    /// What must hold for that.
    pub conditions: Vec<Condition>,
    /// The configuration.
    pub reload: Reload,
    /// Connections and what goes over them.
    pub network: Option<Network>,
    /// What disks do.
    pub disks: Option<Disks>,
    /// What is served: a seeder's.
    pub contents: Option<Contents>,
    /// Who is known: a tracker's.
    pub directory: Option<DirectoryStatus>,
    /// Who tells of routes: a tracker's.
    pub feeds: Option<Feeds>,
    /// The map of the Internet in use; none if there is none.
    pub atlas: Option<AtlasStatus>,
    /// What strangers hold or cause, of what they may.
    pub budget: Vec<Budget>,
}

/// What became of the last reload.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Reload {
    /// The configuration was good when it was read last.
    pub successful: bool,
    /// When it was taken last by a reload, in seconds of Unix time; none if never.
    pub at_seconds: Option<u64>,
}

/// Connections and what goes over them. All sums are since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Network {
    /// Peers connected.
    pub connections: u32,
    /// Links that are up: one content with one peer.
    pub links: u32,
    /// Of those, links that are served.
    pub links_served: u32,
    /// Payload sent now; none as long as nothing was.
    pub up_bytes_per_second: Option<f64>,
    /// Payload received now; none as long as nothing was.
    pub down_bytes_per_second: Option<f64>,
    /// Payload sent.
    pub sent_bytes: u64,
    /// Payload sent, by how near the receiver is.
    pub sent_by_tier_bytes: BTreeMap<&'static str, u64>,
    /// Payload received.
    pub received_bytes: u64,
    /// The AS we are in; none if no atlas says which.
    pub asn: Option<u32>,
    /// Payload sent over the border of that AS.
    pub exported_bytes: Option<u64>,
    /// Payload received over the border of that AS.
    pub imported_bytes: Option<u64>,
    /// Runs sent.
    pub requests_served: u64,
    /// Requests answered with a no, by reason.
    pub requests_refused: BTreeMap<&'static str, u64>,
    /// Connections refused because a cap was reached.
    pub connections_refused: u64,
    /// Peers banned for corrupt data.
    pub peers_banned: u32,
    /// How long peers waited until they were served.
    pub slot_waits: Timing,
}

/// How long something took since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Timing {
    /// How often.
    pub count: u64,
    /// On average; none if never.
    pub mean_seconds: Option<f64>,
    /// Nineteen of twenty took at most so long, rounded up to the next bound of the histogram. None if never, or longer than the last
    /// bound.
    pub p95_seconds: Option<f64>,
}

/// What disks do, since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Disks {
    /// Everything that is to be served is there.
    pub root_present: bool,
    /// Runs that could not be read.
    pub errors: u64,
    /// Runs that did not match their hash. None was sent.
    pub rotten_runs: u64,
    /// How long reading and verifying took.
    pub reads: Timing,
}

/// What a seeder serves.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Contents {
    /// Contents served.
    pub served: u64,
    /// `.torrent` files that cannot be served.
    pub refused: u64,
    /// The watched folder: contents published since the start.
    pub published: u64,
    /// Contents that wait to be hashed, or are being hashed.
    pub hashing: u64,
    /// What could not be published at the last try.
    pub publish_failures: u64,
    /// Hidden, private and other things that are not published.
    pub left_out: u64,
    /// The busiest first.
    pub busiest: Vec<ContentStatus>,
    /// How many more there are.
    pub not_listed: usize,
}

/// One content of a seeder. All sums are since the seeder began to serve it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ContentStatus {
    /// Its id: 64 hexadecimal digits.
    pub content: String,
    /// Its name, as its publisher wrote it.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Peers linked now that lack something of it.
    pub fetching: u32,
    /// Peers linked now that say they hold all of it.
    pub complete: u32,
    /// Peers that took something.
    pub takers: u64,
    /// Peers that said they hold all of it, and did not when they came.
    pub completed: u64,
    /// Payload sent.
    pub sent_bytes: u64,
    /// Payload sent, by how near the receiver is.
    pub sent_by_tier_bytes: BTreeMap<&'static str, u64>,
    /// Payload sent over the border of our AS; none if no atlas says which that is.
    pub exported_bytes: Option<u64>,
}

/// Whom a tracker knows. All sums are since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DirectoryStatus {
    /// Contents known.
    pub contents: u64,
    /// Peers known.
    pub peers: u64,
    /// Peers known, each counted once for each content.
    pub entries: u64,
    /// Questions read now; none as long as nothing was.
    pub questions_per_second: Option<f64>,
    /// Questions answered with peers now; none as long as none was.
    pub answers_per_second: Option<f64>,
    /// Questions read.
    pub questions: u64,
    /// Questions answered with peers.
    pub answers: u64,
    /// Announcements taken, renewals included.
    pub announcements: u64,
    /// Questions refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Peers named in answers, by how near they are to the asker.
    pub told_by_tier: BTreeMap<&'static str, u64>,
    /// How long answering took.
    pub answering: Timing,
    /// Entries written down last.
    pub saved_entries: u64,
    /// How long ago that was, in seconds; none if not since the start.
    pub saved_age_seconds: Option<u64>,
    /// Times that it could not be done.
    pub saves_failed: u64,
}

/// Who tells a tracker of routes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Feeds {
    /// Sessions, the oldest first.
    pub sessions: Vec<Feed>,
    /// How many more there are.
    pub not_listed: usize,
    /// How long ago a route changed, in seconds.
    pub last_change_age_seconds: Option<u64>,
    /// How long ago an atlas was made of them, in seconds.
    pub last_rebuild_age_seconds: Option<u64>,
    /// Routers refused.
    pub bmp_refused: u64,
    /// Sessions of routers that were ended because of what they sent.
    pub bmp_faults: u64,
    /// The table is lost by a mistake of the program, and the last atlas stays.
    pub broken: bool,
}

/// One session of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Feed {
    /// `bmp`, `ris_live` or `updates`.
    pub kind: &'static str,
    /// Who it is: a stranger's words in part.
    pub name: String,
    /// `syncing`, `synced` or `held`.
    pub phase: &'static str,
    /// Its routes in the table.
    pub routes: u64,
    /// Announcements taken.
    pub announced: u64,
    /// Withdrawals taken.
    pub withdrawn: u64,
    /// Messages that could not be read.
    pub damaged: u64,
    /// How long ago it began, in seconds.
    pub age_seconds: u64,
    /// How long ago it changed something, in seconds.
    pub last_change_age_seconds: Option<u64>,
}

/// The atlas in use. What a service does not count is `None`.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct AtlasStatus {
    /// Its version: mostly the time of its data, in seconds of Unix time.
    pub version: u64,
    /// How old its data is, in seconds; none if that cannot be told.
    pub age_seconds: Option<u64>,
    /// Prefixes of IPv4.
    pub prefixes_v4: Option<u64>,
    /// Prefixes of IPv6.
    pub prefixes_v6: Option<u64>,
    /// Autonomous systems.
    pub ases: Option<u64>,
    /// Links between them.
    pub links: Option<u64>,
    /// The version that is published; none if none is.
    pub published_version: Option<u64>,
}

/// One kind of what strangers hold or cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// As in the metrics.
    pub kind: &'static str,
    /// Taken now.
    pub used: u64,
    /// To be had.
    pub limit: u64,
    /// Refused or taken back since the start.
    pub refused: u64,
}

impl Status {
    /// What every service tells.
    pub fn of(
        service: &'static str,
        version: &'static str,
        vitals: &dyn Vitals,
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
            live: vitals.is_live(),
            ready: vitals.is_ready(),
            conditions: vitals.ready(),
            reload: Reload {
                successful: reloaded.successful(),
                at_seconds: u64::try_from(at).ok().filter(|at| *at > 0),
            },
            ..Status::default()
        }
    }

    /// What every node tells, beside that.
    pub fn with_node(self, node: &Node) -> Status {
        let totals = node.totals().borrow().clone();
        Status {
            peer: Some(node.peer_id()),
            addresses: node.addresses().iter().map(ToString::to_string).collect(),
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

/// Numbers by the name of their tier.
pub fn by_tier(numbers: &[u64; Tier::COUNT]) -> BTreeMap<&'static str, u64> {
    Tier::ALL.map(|tier| (tier.name(), numbers[tier as usize])).into_iter().collect()
}

impl Timing {
    /// Of all that was measured.
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
    /// The list, with all that else is told of contents still to be filled in. `knows_as`: an atlas says which AS we are in.
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
    /// Of an atlas of which only the version is known; none if there is none.
    pub fn of(version: u64) -> Option<AtlasStatus> {
        let age_seconds = atlas_age(version).as_ref().map(Duration::as_secs);
        (version > 0).then_some(AtlasStatus { version, age_seconds, ..AtlasStatus::default() })
    }
}

#[cfg(test)]
mod tests;
