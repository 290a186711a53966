//! `/metrics`: all counters, in OpenMetrics text. No label names a peer or a content: there may be
//! thousands of each, and who fetches what is private.

use std::{fmt, sync::atomic::Ordering::Relaxed};

use nearcast_core::{message::Refusal, tier::Tier};
use nearcast_node::{Node, Totals, dht::DhtStats, durations::Durations};
use nearcast_service::{
    atlas::atlas_age,
    conditions::Probes as _,
    metrics::{self, Common, Process, counter, family, gauge, histogram},
};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, registry::Unit};

use crate::health::Health;

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
    totals: Totals,
    disk_reads: Durations,
    slot_waits: Durations,
    common: Common,
    refused_contents: u64,
    published: u64,
    publish_failures: u64,
    left_out: u64,
    hashing: u64,
    hashed_bytes: u64,
    atlas_version: u64,
    dht: Option<DhtStats>,
}

impl Scrape {
    fn of(health: &Health) -> Scrape {
        let (disk_reads, slot_waits) = health.durations();
        Scrape {
            totals: health.totals().unwrap_or_default(),
            disk_reads,
            slot_waits,
            common: Common::now(env!("CARGO_PKG_VERSION"), health.is_ready(), &health.reloaded),
            refused_contents: health.refused_contents.load(Relaxed),
            published: health.published.load(Relaxed),
            publish_failures: health.publish_failures.load(Relaxed),
            left_out: health.left_out.load(Relaxed),
            hashing: health.hashing.load(Relaxed),
            hashed_bytes: health.hashed_bytes.load(Relaxed),
            atlas_version: health.atlas_version.load(Relaxed),
            dht: health.node().and_then(Node::dht),
        }
    }
}

/// Name, help, value.
type Row = (&'static str, &'static str, u64);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        self.common.encode(to)?;
        metrics::budget(to, &self.totals.budget)?;
        metrics::hash_table(to, self.dht)?;
        let tiers = Tier::ALL.map(|tier| (tier.name(), self.totals.uploaded_by_tier[tier as usize]));
        family(to, "uploaded", "Payload sent", Some(&Unit::Bytes), "tier", &tiers)?;
        let reasons = Refusal::ALL.map(|why| (why.name(), self.totals.requests_refused[why as usize]));
        family(to, "requests_refused", "Requests answered with a no", None, "reason", &reasons)?;
        for (name, help, value) in self.counters() {
            let unit = if matches!(name, "hashed" | "exported") { Some(&Unit::Bytes) } else { None };
            counter(to, name, help, unit, value)?;
        }
        let help = "Time to read and verify what is sent, waiting for a disk thread included";
        histogram(to, "disk_read_duration", help, &self.disk_reads)?;
        let help = "Time that peers which wanted something waited until they were served";
        histogram(to, "slot_wait_duration", help, &self.slot_waits)?;
        let data = atlas_age(self.atlas_version).map_or(0, |_| self.atlas_version as i64);
        let help =
            "When the data of the atlas was collected, in Unix time; 0 = that is not known, or there is none";
        gauge(to, "atlas_data_timestamp", help, Some(&Unit::Seconds), data)?;
        self.gauges().iter().try_for_each(|(name, help, value)| gauge(to, name, help, None, *value as i64))
    }
}

impl Scrape {
    fn counters(&self) -> [Row; 9] {
        let totals = &self.totals;
        [
            ("requests_served", "Runs sent", totals.requests_served),
            ("rotten_runs", "Runs on disk that did not match their hash; none was sent", totals.rotten_runs),
            ("disk_errors", "Runs that could not be read to be sent", totals.disk_errors),
            (
                "connections_refused",
                "Connections refused because a cap was reached",
                totals.refused_connections,
            ),
            ("streams_refused", "Streams refused because too many waited", totals.refused_streams),
            ("peers_banned", "Peers banned for sending corrupt data", u64::from(totals.banned)),
            ("contents_published", "Contents published by this process", self.published),
            ("hashed", "Data hashed to be published", self.hashed_bytes),
            (
                "exported",
                "Payload sent over the border of our own AS, if an atlas is loaded",
                totals.exported,
            ),
        ]
    }

    fn gauges(&self) -> [Row; 8] {
        let totals = &self.totals;
        [
            ("contents", "Contents served", u64::from(totals.contents)),
            ("contents_refused", "Torrents found that cannot be served", self.refused_contents),
            ("connections", "Peers connected", u64::from(totals.connections)),
            ("links", "Links that are up, all contents together", u64::from(totals.links)),
            ("unchoked", "Links served at the moment", u64::from(totals.unchoked)),
            ("hashing_contents", "Contents that wait to be hashed or are being hashed", self.hashing),
            ("publish_failures", "What could not be published at the last try", self.publish_failures),
            ("publish_left_out", "Hidden, private and other things that are not published", self.left_out),
        ]
    }
}

#[cfg(test)]
mod tests {
    use nearcast_service::metrics::{Format, strict};

    use super::*;

    #[test]
    fn every_metric_has_the_prefix_its_unit_and_a_known_name() {
        let text = text(&Health::default()).unwrap();
        let mut names: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        names.sort_unstable();
        let expected = [
            "nearcast_atlas_data_timestamp_seconds",
            "nearcast_build",
            "nearcast_config_last_reload_success_timestamp_seconds",
            "nearcast_config_last_reload_successful",
            "nearcast_connections",
            "nearcast_connections_refused",
            "nearcast_contents",
            "nearcast_contents_published",
            "nearcast_contents_refused",
            "nearcast_dht_asked",
            "nearcast_dht_crowded",
            "nearcast_dht_dials_refused",
            "nearcast_dht_enabled",
            "nearcast_dht_keys",
            "nearcast_dht_keys_lapsed",
            "nearcast_dht_lookups",
            "nearcast_dht_lookups_found",
            "nearcast_dht_nodes",
            "nearcast_dht_provided",
            "nearcast_dht_records",
            "nearcast_dht_records_refused",
            "nearcast_dht_records_written",
            "nearcast_dht_requests",
            "nearcast_dht_serves",
            "nearcast_disk_errors",
            "nearcast_exported_bytes",
            "nearcast_hashed_bytes",
            "nearcast_hashing_contents",
            "nearcast_links",
            "nearcast_peers_banned",
            "nearcast_publish_failures",
            "nearcast_publish_left_out",
            "nearcast_ready",
            "nearcast_requests_refused",
            "nearcast_requests_served",
            "nearcast_rotten_runs",
            "nearcast_streams_refused",
            "nearcast_unchoked",
            "nearcast_uploaded_bytes",
            "process_cpu_seconds",
            "process_max_fds",
            "process_open_fds",
            "process_resident_memory_bytes",
            "process_start_time_seconds",
            "process_virtual_memory_bytes",
        ];
        assert_eq!(names, expected);
        assert!(text.contains("nearcast_build_info{version=\""), "{text}");
        assert!(text.contains("nearcast_uploaded_bytes_total{tier=\"prefix24\"} 0\n"), "{text}");
        assert!(text.contains("nearcast_requests_refused_total{reason=\"choked\"} 0\n"), "{text}");
        assert!(text.contains("nearcast_config_last_reload_successful 1\n"), "{text}");
        let old = Format::Text.of(text.clone());
        assert!(
            strict::samples(&text, Format::OpenMetrics).is_ok()
                && strict::samples(&old, Format::Text).is_ok(),
            "{text}"
        );
    }
}
