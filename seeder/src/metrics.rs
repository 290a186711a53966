//! `/metrics`: every counter there is, in OpenMetrics text. No label names a peer or a content: there may be
//! thousands of each, and who fetches what is nobody's business.

use std::{fmt, fs, sync::atomic::Ordering::Relaxed};

use nearcast_core::{message::Refusal, tier::Tier};
use nearcast_node::handle::Totals;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use crate::health::Health;

/// What the text is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics as they are now.
///
/// # Errors
/// When a name is none; a test shows that all are.
pub fn text(health: &Health) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("nearcast");
    registry.register_collector(Box::new(Scrape::of(health)));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// One look at everything.
#[derive(Debug)]
struct Scrape {
    totals: Totals,
    ready: bool,
    refused_contents: u64,
    published: u64,
    publish_failures: u64,
    hashing: u64,
    hashed_bytes: u64,
    reload_successful: bool,
    reloaded_at: i64,
    process: Process,
}

impl Scrape {
    fn of(health: &Health) -> Scrape {
        Scrape {
            totals: health.totals().unwrap_or_default(),
            ready: health.ready().iter().all(|condition| condition.holds),
            refused_contents: health.refused_contents.load(Relaxed),
            published: health.published.load(Relaxed),
            publish_failures: health.publish_failures.load(Relaxed),
            hashing: health.hashing.load(Relaxed),
            hashed_bytes: health.hashed_bytes.load(Relaxed),
            reload_successful: health.last_reload_successful(),
            reloaded_at: health.reloaded_at(),
            process: Process::now(),
        }
    }
}

/// What the system knows of this process; 0 where it does not say.
#[derive(Debug)]
struct Process {
    resident_bytes: u64,
    open_files: u64,
}

impl Process {
    fn now() -> Process {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Process {
            resident_bytes: resident.and_then(|number| number.parse().ok()).unwrap_or(0) * 1024,
            open_files: fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
        }
    }
}

/// Name, help, value.
type Row = (&'static str, &'static str, u64);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        to.encode_descriptor("build", "What is running", None, MetricType::Info)?.encode_info(&version)?;
        let tiers = Tier::ALL.map(|tier| (tier.name(), self.totals.uploaded_by_tier[tier as usize]));
        family(to, "uploaded", "Payload sent", Some(&Unit::Bytes), "tier", &tiers)?;
        let reasons = Refusal::ALL.map(|why| (why.name(), self.totals.requests_refused[why as usize]));
        family(to, "requests_refused", "Requests answered with a no", None, "reason", &reasons)?;
        for (name, help, value) in self.counters() {
            let counter = ConstCounter::new(value);
            let unit = if name == "hashed" { Some(&Unit::Bytes) } else { None };
            counter.encode(to.encode_descriptor(name, help, unit, MetricType::Counter)?)?;
        }
        for (name, help, value) in self.gauges() {
            gauge(to, name, help, None, value as i64)?;
        }
        let resident = self.process.resident_bytes as i64;
        gauge(to, "process_resident_memory", "Memory in use", Some(&Unit::Bytes), resident)?;
        let help = "When the configuration was taken by a reload last, in Unix time; 0 = never";
        gauge(to, "config_last_reload_success_timestamp", help, Some(&Unit::Seconds), self.reloaded_at)
    }
}

impl Scrape {
    fn counters(&self) -> [Row; 8] {
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
        ]
    }

    fn gauges(&self) -> [Row; 10] {
        let totals = &self.totals;
        [
            ("contents", "Contents served", u64::from(totals.contents)),
            ("contents_refused", "Torrents found that cannot be served", self.refused_contents),
            ("connections", "Peers connected", u64::from(totals.connections)),
            ("links", "Links that are up, all contents together", u64::from(totals.links)),
            ("unchoked", "Links served at the moment", u64::from(totals.unchoked)),
            ("hashing_contents", "Contents that wait to be hashed or are being hashed", self.hashing),
            ("publish_failures", "What could not be published at the last try", self.publish_failures),
            ("ready", "1 if clients may be sent here", u64::from(self.ready)),
            (
                "config_last_reload_successful",
                "0 after a reload that was refused",
                u64::from(self.reload_successful),
            ),
            ("process_open_fds", "Files and sockets open", self.process.open_files),
        ]
    }
}

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    label: &str,
    rows: &[(&str, u64)],
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
    rows.iter().try_for_each(|(value, count)| {
        let labels = [(label, *value)];
        ConstCounter::new(*count).encode(metric.encode_family(&labels)?)
    })
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: i64,
) -> fmt::Result {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_the_prefix_its_unit_and_a_known_name() {
        let text = text(&Health::default()).unwrap();
        let mut names: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        names.sort_unstable();
        let expected = [
            "nearcast_build",
            "nearcast_config_last_reload_success_timestamp_seconds",
            "nearcast_config_last_reload_successful",
            "nearcast_connections",
            "nearcast_connections_refused",
            "nearcast_contents",
            "nearcast_contents_published",
            "nearcast_contents_refused",
            "nearcast_disk_errors",
            "nearcast_hashed_bytes",
            "nearcast_hashing_contents",
            "nearcast_links",
            "nearcast_peers_banned",
            "nearcast_process_open_fds",
            "nearcast_process_resident_memory_bytes",
            "nearcast_publish_failures",
            "nearcast_ready",
            "nearcast_requests_refused",
            "nearcast_requests_served",
            "nearcast_rotten_runs",
            "nearcast_streams_refused",
            "nearcast_unchoked",
            "nearcast_uploaded_bytes",
        ];
        assert_eq!(names, expected);
        assert!(text.contains("nearcast_build_info{version=\""), "{text}");
        assert!(text.contains("nearcast_uploaded_bytes_total{tier=\"prefix24\"} 0\n"), "{text}");
        assert!(text.contains("nearcast_requests_refused_total{reason=\"choked\"} 0\n"), "{text}");
        assert!(text.contains("nearcast_config_last_reload_successful 1\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn the_process_knows_its_own_size() {
        let process = Process::now();
        assert!(process.resident_bytes > 1 << 20 && process.open_files >= 3, "{process:?}");
    }
}
