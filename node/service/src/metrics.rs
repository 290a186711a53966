//! `/metrics`: the counters of a service, in OpenMetrics text or Prometheus' older text. No label
//! names a peer or a content: there may be thousands of each, and who fetches what is private.
//! Moments are given as times and not as ages: a collector knows the time, and a value that does
//! not change shows that nothing happened.

mod format;
mod process;
pub mod strict;

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nearcast_node::{BudgetUse, dht::DhtStats, durations::Durations};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

pub use format::Format;
pub use process::Process;

use crate::reloaded::Reloaded;

/// All current metrics, in OpenMetrics text.
///
/// # Errors
/// If a metric has an invalid name. A test of each service shows that all names are valid.
pub fn text(process: Process, scrape: impl Collector + 'static) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(process));
    registry.sub_registry_with_prefix("nearcast").register_collector(Box::new(scrape));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// The metrics of every service: its version, whether it is ready, its last reload.
#[derive(Debug)]
pub struct Common {
    version: &'static str,
    ready: bool,
    reload_successful: bool,
    reloaded_at: i64,
}

impl Common {
    /// The current values.
    pub fn now(version: &'static str, ready: bool, reloaded: &Reloaded) -> Common {
        Common { version, ready, reload_successful: reloaded.successful(), reloaded_at: reloaded.at() }
    }

    /// Encodes the metrics.
    ///
    /// # Errors
    /// As [`text`].
    pub fn encode(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let version = [("version", self.version)];
        to.encode_descriptor("build", "What is running", None, MetricType::Info)?.encode_info(&version)?;
        gauge(to, "ready", "1 if clients may be sent here", None, self.ready.into())?;
        let good = self.reload_successful.into();
        gauge(to, "config_last_reload_successful", "0 after a reload that was refused", None, good)?;
        let help = "When the configuration was taken by a reload last, in Unix time; 0 = never";
        gauge(to, "config_last_reload_success_timestamp", help, Some(&Unit::Seconds), self.reloaded_at)
    }
}

/// Encodes one counter.
///
/// # Errors
/// As [`text`].
pub fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: u64,
) -> fmt::Result {
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(name, help, unit, MetricType::Counter)?)
}

/// Encodes a counter for each value of one label.
///
/// # Errors
/// As [`text`].
pub fn family(
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

/// Encodes one gauge.
///
/// # Errors
/// As [`text`].
pub fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: i64,
) -> fmt::Result {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?)
}

/// Encodes one gauge in seconds: a duration, or a moment in Unix time.
///
/// # Errors
/// As [`text`].
pub fn gauge_seconds(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?)
}

/// The Unix time of a moment, in whole seconds, from how long ago it was; 0: never. Rounded, so
/// that the same moment gives the same number each time.
pub fn timestamp(ago: Option<Duration>) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ago.map_or(0, |ago| now.saturating_sub(ago).as_secs_f64().round() as i64)
}

/// Encodes a gauge for each value of one label.
///
/// # Errors
/// As [`text`].
pub fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    rows: &[(&str, i64)],
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    rows.iter().try_for_each(|(value, count)| {
        let labels = [(label, *value)];
        ConstGauge::new(*count).encode(metric.encode_family(&labels)?)
    })
}

/// Encodes durations as a histogram in seconds. Encodes nothing if there are no buckets.
///
/// # Errors
/// As [`text`].
pub fn histogram(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    durations: &Durations,
) -> fmt::Result {
    if durations.counts.is_empty() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    metric.encode_histogram::<NoLabelSet>(durations.sum_seconds, durations.count(), &durations.counts, None)
}

/// Encodes how much of each limit strangers use: three metrics, by kind.
///
/// # Errors
/// As [`text`].
pub fn budget(encoder: &mut DescriptorEncoder<'_>, uses: &[BudgetUse]) -> fmt::Result {
    // Before the node runs, kinds have no names.
    let uses: Vec<&BudgetUse> = uses.iter().filter(|of| !of.kind.is_empty()).collect();
    if uses.is_empty() {
        return Ok(());
    }
    let rows = |value: fn(&BudgetUse) -> u64| -> Vec<(&str, i64)> {
        uses.iter().map(|of| (of.kind, i64::try_from(value(of)).unwrap_or(i64::MAX))).collect()
    };
    gauges(encoder, "budget_used", "What strangers hold or cause", "kind", &rows(|of| of.used))?;
    gauges(encoder, "budget_limit", "What they may hold or cause", "kind", &rows(|of| of.limit))?;
    let refused: Vec<_> = uses.iter().map(|of| (of.kind, of.refused)).collect();
    let help = "What they were refused, or had to give up, because there was no more";
    family(encoder, "budget_refused", help, None, "kind", &refused)
}

/// The hash table among directories. `None`: the service takes no part in it, and all is 0.
///
/// # Errors
/// If the encoder fails.
pub fn hash_table(encoder: &mut DescriptorEncoder<'_>, stats: Option<DhtStats>) -> fmt::Result {
    let takes_part = stats.is_some();
    let stats = stats.unwrap_or_default();
    let gauges = [
        ("dht_enabled", "1 if this directory takes part in the hash table", u64::from(takes_part)),
        ("dht_serves", "1 if other directories may ask this one", u64::from(stats.serves)),
        ("dht_nodes", "Directories in the routing table", stats.nodes),
        ("dht_records", "Records of other directories that are kept", stats.records),
        ("dht_keys", "Keys that this directory wants to stand under", stats.keys),
        ("dht_keys_lapsed", "Of these, keys under which neither it nor enough others stand", stats.lapsed),
    ];
    gauges.iter().try_for_each(|(name, help, value)| gauge(encoder, name, help, None, *value as i64))?;
    let counters = [
        ("dht_asked", "Questions of other directories", stats.asked),
        ("dht_records_written", "Records of other directories written or renewed", stats.written),
        ("dht_records_refused", "Records refused: beyond a quota, or without an address", stats.refused),
        ("dht_lookups", "Look-ups that have ended", stats.look_ups),
        ("dht_lookups_found", "Look-ups that found a directory", stats.found),
        ("dht_provided", "Times that this directory wrote itself under a key", stats.provided),
        ("dht_requests", "Requests sent for look-ups and writes", stats.requests),
        ("dht_dials_refused", "Addresses that others named and that were not dialled", stats.dials_refused),
        ("dht_crowded", "Directories kept out because their network has enough places", stats.crowded),
    ];
    counters.iter().try_for_each(|(name, help, value)| counter(encoder, name, help, None, *value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Everything;

    impl Collector for Everything {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let to = &mut encoder;
            Common::now("1.2.3 \"x\"", true, &Reloaded::default()).encode(to)?;
            counter(to, "sent", "What was \"sent\"", Some(&Unit::Bytes), 7)?;
            family(to, "refused", "What was refused", None, "reason", &[("full", 1), ("odd", 2)])?;
            gauges(to, "routes", "Routes", "feed", &[("bmp", -1)])?;
            budget(to, &[BudgetUse { kind: "places", used: 1, limit: 2, refused: 3 }])?;
            gauge_seconds(to, "took", "How long it took", 0.25)?;
            let counts = vec![(0.5, 2), (1.0, 0), (f64::INFINITY, 1)];
            histogram(to, "waited", "How long it waited", &Durations { counts, sum_seconds: 3.5 })
        }
    }

    #[test]
    fn both_texts_are_right_and_say_the_same() {
        let process = Process::now(Duration::from_secs(1_700_000_000));
        let open = text(process, Everything).unwrap();
        let old = Format::Text.of(open.clone());
        let (new, read) = (strict::samples(&open, Format::OpenMetrics), strict::samples(&old, Format::Text));
        let (new, read) = (new.unwrap(), read.unwrap());
        assert_eq!(new, read);
        for (name, value) in [
            ("nearcast_sent_bytes_total{}", 7.0),
            ("nearcast_refused_total{reason=\"odd\"}", 2.0),
            ("nearcast_took_seconds{}", 0.25),
            ("nearcast_waited_seconds_bucket{le=\"0.5\"}", 2.0),
            ("nearcast_waited_seconds_bucket{le=\"1.0\"}", 2.0),
            ("nearcast_waited_seconds_bucket{le=\"+Inf\"}", 3.0),
            ("nearcast_waited_seconds_sum{}", 3.5),
            ("nearcast_waited_seconds_count{}", 3.0),
            ("process_start_time_seconds{}", 1_700_000_000.0),
        ] {
            assert!((new[name] - value).abs() < 1e-9, "{name}");
        }
        assert!(
            new.contains_key("process_resident_memory_bytes{}")
                && new.contains_key("process_cpu_seconds_total{}")
        );
        assert!(old.contains("# TYPE nearcast_build_info gauge\n"), "{old}");
        match strict::promtool(&old) {
            Some(said) => assert_eq!(said, Ok(())),
            None => println!("skipped: there is no promtool here"),
        }
    }

    #[test]
    fn what_never_was_has_no_time_and_what_was_keeps_it() {
        assert_eq!(timestamp(None), 0);
        assert!(timestamp(Some(Duration::ZERO)) > timestamp(Some(Duration::from_secs(60))));
    }
}
