//! The status of a tracker for people. It names no content, as the tracker knows no names, and no
//! peer.

use std::{collections::BTreeMap, time::Duration};

use nearcast_node::{
    Totals,
    directory::{DirectoryRefusals, DirectoryStats},
};
use nearcast_service::status::{
    AtlasStatus, DirectoryStatus, FEEDS_LISTED_MAX, Feed, Feeds, Status, Timing, by_tier,
};

use crate::{
    feeds::live::{FeedStats, LiveStats},
    health::Health,
};

/// Adds everything that a tracker reports to a status.
pub(crate) fn fill(health: &Health, status: Status) -> Status {
    let status = Status { atlas: atlas(health), feeds: health.live_stats().as_ref().map(feeds), ..status };
    let Some(node) = health.node() else { return status };
    let totals = node.totals().borrow().clone();
    let directory = health.directory().map(|stats| directory(health, &stats, &totals));
    Status { directory, ..status.with_node(node) }
}

fn directory(health: &Health, stats: &DirectoryStats, totals: &Totals) -> DirectoryStatus {
    let saves = health.saves();
    DirectoryStatus {
        contents: stats.contents,
        peers: stats.peers,
        entries: stats.entries,
        questions_per_second: totals.questions_per_second,
        answers_per_second: totals.answers_per_second,
        questions: stats.questions,
        answers: stats.answers,
        announcements: stats.announced,
        refused: refused(&stats.refused),
        told_by_tier: by_tier(&stats.told_by_tier),
        answering: Timing::of(&health.answering()),
        saved_entries: saves.last.members,
        saved_age_seconds: saves.at.map(|at| at.elapsed().as_secs()),
        saves_failed: saves.failed,
    }
}

fn refused(refused: &DirectoryRefusals) -> BTreeMap<&'static str, u64> {
    refused.by_reason().into_iter().collect()
}

fn feeds(live: &LiveStats) -> Feeds {
    let seconds = |age: Option<Duration>| age.map(|age| age.as_secs());
    Feeds {
        sessions: live.feeds.iter().take(FEEDS_LISTED_MAX).map(feed).collect(),
        not_listed: live.feeds.len().saturating_sub(FEEDS_LISTED_MAX),
        last_change_age_seconds: seconds(live.last_change_age),
        last_rebuild_age_seconds: seconds(live.last_rebuild_age),
        bmp_refused: live.bmp_refused,
        bmp_faults: live.bmp_faults,
        broken: live.is_broken,
    }
}

fn feed(stats: &FeedStats) -> Feed {
    let address = stats.feed.address.map(|address| format!(" at {address}")).unwrap_or_default();
    Feed {
        kind: stats.feed.kind.name(),
        name: format!("{}{address}", stats.feed.name),
        phase: stats.phase.name(),
        routes: stats.routes as u64,
        announced: stats.tally.announced,
        withdrawn: stats.tally.withdrawn,
        damaged: stats.tally.damaged,
        age_seconds: stats.age.as_secs(),
        last_change_age_seconds: stats.last_change_age.map(|age| age.as_secs()),
    }
}

fn atlas(health: &Health) -> Option<AtlasStatus> {
    let about = health.atlas_about()?;
    let counts = about.counts;
    let published = health.atlas_published();
    Some(AtlasStatus {
        version: about.version,
        prefixes_v4: Some(counts.prefixes_v4),
        prefixes_v6: Some(counts.prefixes_v6),
        ases: Some(counts.ases),
        links: Some(counts.links_transit + counts.links_peering + counts.links_unknown),
        published_version: (published > 0).then_some(published),
        ..AtlasStatus::of(about.version).unwrap_or_default()
    })
}
