//! `/metrics`: all counters, in OpenMetrics text. No label names a peer, a content or a router.

use std::{fmt, time::Instant};

use nearcast_core::tier::Tier;
use nearcast_node::{Node, Totals, dht::DhtStats, directory::DirectoryStats, durations::Durations};
use nearcast_service::{
    atlas::atlas_age,
    conditions::Probes as _,
    metrics::{self, Common, Process, counter, family, gauge, gauge_seconds, gauges, histogram, timestamp},
};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, registry::Unit};

use crate::{
    feeds::live::{LiveStats, Phase},
    health::{AtlasAbout, Health, Saves},
};
use nearcast_bgp::feed::{FeedKind, Tally};

const FEEDS: [FeedKind; 3] = [FeedKind::Bmp, FeedKind::RisLive, FeedKind::Updates];

/// All current metrics.
///
/// # Errors
/// If a metric has an invalid name. A test shows that all names are valid.
pub(crate) fn text(health: &Health) -> Result<String, fmt::Error> {
    metrics::text(Process::now(health.reloaded.started()), Scrape::of(health))
}

/// One snapshot of all values.
#[derive(Debug)]
struct Scrape {
    common: Common,
    totals: Totals,
    directory: DirectoryStats,
    answering: Durations,
    slot_waits: Durations,
    disk_reads: Durations,
    atlas: Option<AtlasAbout>,
    atlas_published: u64,
    saves: Saves,
    live: LiveStats,
    dht: Option<DhtStats>,
    now: Instant,
}

impl Scrape {
    fn of(health: &Health) -> Scrape {
        let (disk_reads, slot_waits) = health.durations();
        Scrape {
            common: Common::now(env!("CARGO_PKG_VERSION"), health.is_ready(), &health.reloaded),
            totals: health.totals().unwrap_or_default(),
            directory: health.directory().unwrap_or_default(),
            answering: health.answering(),
            slot_waits,
            disk_reads,
            atlas: health.atlas_about(),
            atlas_published: health.atlas_published(),
            saves: health.saves(),
            live: health.live_stats().unwrap_or_default(),
            dht: health.node().and_then(Node::dht),
            now: Instant::now(),
        }
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        self.common.encode(to)?;
        self.encode_node(to)?;
        self.encode_directory(to)?;
        self.encode_atlas(to)?;
        self.encode_live(to)?;
        self.encode_saves(to)
    }
}

impl Scrape {
    fn encode_node(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let totals = &self.totals;
        metrics::budget(to, &totals.budget)?;
        metrics::hash_table(to, self.dht)?;
        gauge(to, "connections", "Peers connected", None, totals.connections.into())?;
        let help = "Connections refused because a cap was reached";
        counter(to, "connections_refused", help, None, totals.refused_connections)?;
        let help = "Streams refused because too many waited";
        counter(to, "streams_refused", help, None, totals.refused_streams)?;
        counter(to, "uploaded", "Payload of atlases sent", Some(&Unit::Bytes), totals.uploaded)?;
        let help = "Time to read and verify what is sent of atlases, waiting for a disk thread included";
        histogram(to, "disk_read_duration", help, &self.disk_reads)?;
        let help = "Time that peers which wanted an atlas waited until they were served";
        histogram(to, "slot_wait_duration", help, &self.slot_waits)
    }

    fn encode_directory(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let DirectoryStats { refused, told_by_tier, .. } = self.directory;
        let counters = [
            ("questions", "Questions read", self.directory.questions),
            ("answers", "Questions answered with peers", self.directory.answers),
            ("announcements", "Announcements taken, renewals included", self.directory.announced),
            ("withdrawals", "Peers that said goodbye", self.directory.withdrawn),
        ];
        counters.iter().try_for_each(|(name, help, value)| counter(to, name, help, None, *value))?;
        let help = "Questions refused, by reason";
        family(to, "questions_refused", help, None, "reason", &refused.by_reason())?;
        let dialled = [("open", self.directory.reached), ("closed", self.directory.unreached)];
        let help = "Peers dialled back, by whether they took a connection";
        family(to, "dial_backs", help, None, "result", &dialled)?;
        let tiers = Tier::ALL.map(|tier| (tier.name(), told_by_tier[tier as usize]));
        family(to, "peers_told", "Peers named in answers, by how near the asker", None, "tier", &tiers)?;
        let help = "Time from a question's being read to its answer, which is not sent then";
        histogram(to, "answer_duration", help, &self.answering)?;
        let gauges = [
            ("contents", "Contents known", self.directory.contents),
            ("entries", "Peers known, each counted once for each content", self.directory.entries),
            ("peers", "Peers known", self.directory.peers),
        ];
        gauges.iter().try_for_each(|(name, help, value)| gauge(to, name, help, None, *value as i64))
    }

    fn encode_atlas(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let about = self.atlas.as_ref();
        let version = about.map_or(0, |about| about.version as i64);
        let help = "When the data of the atlas was collected, in Unix time; 0 = there is none";
        gauge(to, "atlas_version", help, Some(&Unit::Seconds), version)?;
        let help = "Version of the atlas that is published; 0 = none";
        gauge(to, "atlas_published_version", help, Some(&Unit::Seconds), self.atlas_published as i64)?;
        let since = about.map(|about| self.now.saturating_duration_since(about.since));
        let help = "When this atlas was put to use, in Unix time; 0 = there is none";
        gauge(to, "atlas_loaded_timestamp", help, Some(&Unit::Seconds), timestamp(since))?;
        let data =
            about.filter(|about| atlas_age(about.version).is_some()).map_or(0, |about| about.version as i64);
        let help =
            "When the data of the atlas was collected, in Unix time; 0 = that is not known, or there is none";
        gauge(to, "atlas_data_timestamp", help, Some(&Unit::Seconds), data)?;
        let bytes = about.map_or(0, |about| about.bytes as i64);
        gauge(to, "atlas_memory", "Memory the atlas takes", Some(&Unit::Bytes), bytes)?;
        let counts = about.map(|about| about.counts).unwrap_or_default();
        let families = [("v4", counts.prefixes_v4 as i64), ("v6", counts.prefixes_v6 as i64)];
        gauges(to, "atlas_prefixes", "Prefixes the atlas was made of", "family", &families)?;
        gauge(to, "atlas_ases", "ASes the atlas knows", None, counts.ases as i64)?;
        let links = [
            ("transit", counts.links_transit as i64),
            ("peering", counts.links_peering as i64),
            ("unknown", counts.links_unknown as i64),
        ];
        gauges(to, "atlas_links", "Links between ASes that the atlas knows", "relation", &links)
    }

    fn encode_live(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let live = &self.live;
        let routes = FEEDS.map(|kind| (kind.name(), live.routes(kind) as i64));
        gauges(to, "routes", "Routes in the live table, by who tells them", "feed", &routes)?;
        let phases = [Phase::Syncing, Phase::Synced, Phase::Held];
        let in_phase = |phase| FEEDS.iter().map(|&kind| live.sessions(kind, phase) as i64).sum::<i64>();
        let sessions = phases.map(|phase| (phase.name(), in_phase(phase)));
        gauges(
            to,
            "feed_sessions",
            "Sessions of feeds, by where they are in their life",
            "phase",
            &sessions,
        )?;
        let heard =
            |of: fn(&Tally) -> u64| FEEDS.map(|kind| (kind.name(), live.heard.get(&kind).map_or(0, of)));
        let announced = heard(|tally| tally.announced);
        family(to, "routes_announced", "Announcements taken from feeds", None, "feed", &announced)?;
        let withdrawn = heard(|tally| tally.withdrawn);
        family(to, "routes_withdrawn", "Withdrawals taken from feeds", None, "feed", &withdrawn)?;
        let damaged = heard(|tally| tally.damaged);
        family(to, "feed_damaged", "Messages of feeds that could not be read", None, "feed", &damaged)?;
        let help = "Announcements for which there was no room";
        counter(to, "routes_refused", help, None, live.rib.refused)?;
        counter(to, "bmp_refused", "Connections of routers that were refused", None, live.bmp_refused)?;
        let help = "Sessions of routers ended because of what they sent";
        counter(to, "bmp_faults", help, None, live.bmp_faults)?;
        counter(to, "atlas_rebuilds", "Atlases made of the live table", None, live.rebuilds)?;
        let help = "When a route changed last, in Unix time; 0 = none has";
        gauge(
            to,
            "routes_last_change_timestamp",
            help,
            Some(&Unit::Seconds),
            timestamp(live.last_change_age),
        )?;
        let help = "When an atlas was made of routes last, in Unix time; 0 = never";
        gauge(
            to,
            "atlas_last_rebuild_timestamp",
            help,
            Some(&Unit::Seconds),
            timestamp(live.last_rebuild_age),
        )
    }

    fn encode_saves(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let saves = &self.saves;
        counter(to, "saves", "Times that who is known was written down", None, saves.done)?;
        counter(to, "saves_failed", "Times that it could not be", None, saves.failed)?;
        let help = "Entries that were written down last";
        gauge(to, "saved_peers", help, None, saves.last.members as i64)?;
        let help = "How long writing it down took last";
        gauge_seconds(to, "save_duration", help, saves.took.as_secs_f64())?;
        let ago = saves.at.map(|at| self.now.saturating_duration_since(at));
        let help = "When it was written down last, in Unix time; 0 = not since the start";
        gauge(to, "save_last_success_timestamp", help, Some(&Unit::Seconds), timestamp(ago))?;
        gauge(to, "restored_peers", "Entries taken back at the start", None, saves.restored.members as i64)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nearcast_core::atlas::AtlasBuilder;
    use nearcast_service::metrics::{Format, strict};

    use super::*;

    #[test]
    fn every_metric_has_the_prefix_and_a_known_name() {
        let health = Health::default();
        health.set_atlas(&Arc::new(AtlasBuilder::new(1_700_000_000).build()));
        let text = text(&health).unwrap();
        for line in [
            "nearcast_atlas_version_seconds 1700000000",
            "nearcast_atlas_links{relation=\"peering\"} 0",
            "nearcast_save_last_success_timestamp_seconds 0",
            "nearcast_atlas_data_timestamp_seconds 1700000000",
            "nearcast_connections 0",
            "nearcast_ready 0",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        let ours = |line: &str| ["nearcast_", "process_"].iter().any(|prefix| line.starts_with(prefix));
        assert!(text.lines().filter(|line| !line.starts_with('#')).all(ours));
        let old = Format::Text.of(text.clone());
        let read = strict::samples(&text, Format::OpenMetrics).unwrap();
        assert_eq!(
            read.keys().collect::<Vec<_>>(),
            strict::samples(&old, Format::Text).unwrap().keys().collect::<Vec<_>>()
        );
        assert!(!text.contains("_age_") && !text.contains("milliseconds"), "{text}");
        match strict::promtool(&old) {
            Some(said) => assert_eq!(said, Ok(())),
            None => println!("skipped: there is no promtool here"),
        }
    }
}
