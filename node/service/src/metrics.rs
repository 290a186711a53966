//! `/metrics`: what a service counts, in OpenMetrics text. No label names a peer or a content: there may be
//! thousands of each, and who fetches what is nobody's business.

use std::{fmt, fs};

use nearcast_node::handle::BudgetUse;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use crate::reloaded::Reloaded;

/// What the text is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics as they are now.
///
/// # Errors
/// When a name is none; a test of each service shows that all are.
pub fn text(scrape: impl Collector + 'static) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("nearcast");
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// What the system knows of this process; 0 where it does not say.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Memory in use.
    pub resident_bytes: u64,
    /// Files and sockets open.
    pub open_files: u64,
}

impl Process {
    /// As it is now.
    pub fn now() -> Process {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Process {
            resident_bytes: resident.and_then(|number| number.parse().ok()).unwrap_or(0) * 1024,
            open_files: fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
        }
    }
}

/// What every service tells: which version runs, whether it is ready, its last reload, its process.
#[derive(Debug)]
pub struct Common {
    version: &'static str,
    ready: bool,
    reload_successful: bool,
    reloaded_at: i64,
    process: Process,
}

impl Common {
    /// As it is now.
    pub fn now(version: &'static str, ready: bool, reloaded: &Reloaded) -> Common {
        Common {
            version,
            ready,
            reload_successful: reloaded.successful(),
            reloaded_at: reloaded.at(),
            process: Process::now(),
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// As [`text`].
    pub fn encode(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let version = [("version", self.version)];
        to.encode_descriptor("build", "What is running", None, MetricType::Info)?.encode_info(&version)?;
        gauge(to, "ready", "1 if clients may be sent here", None, self.ready.into())?;
        let good = self.reload_successful.into();
        gauge(to, "config_last_reload_successful", "0 after a reload that was refused", None, good)?;
        let open = self.process.open_files as i64;
        gauge(to, "process_open_fds", "Files and sockets open", None, open)?;
        let resident = self.process.resident_bytes as i64;
        gauge(to, "process_resident_memory", "Memory in use", Some(&Unit::Bytes), resident)?;
        let help = "When the configuration was taken by a reload last, in Unix time; 0 = never";
        gauge(to, "config_last_reload_success_timestamp", help, Some(&Unit::Seconds), self.reloaded_at)
    }
}

/// One counter.
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

/// A counter for each value of one label.
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

/// One gauge.
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

/// A gauge for each value of one label.
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

/// What strangers hold or cause, of what they may: three metrics, by kind.
///
/// # Errors
/// As [`text`].
pub fn budget(encoder: &mut DescriptorEncoder<'_>, uses: &[BudgetUse]) -> fmt::Result {
    let rows = |value: fn(&BudgetUse) -> u64| -> Vec<(&str, i64)> {
        uses.iter().map(|of| (of.kind, i64::try_from(value(of)).unwrap_or(i64::MAX))).collect()
    };
    gauges(encoder, "budget_used", "What strangers hold or cause", "kind", &rows(|of| of.used))?;
    gauges(encoder, "budget_limit", "What they may hold or cause", "kind", &rows(|of| of.limit))?;
    let refused: Vec<_> = uses.iter().map(|of| (of.kind, of.refused)).collect();
    let help = "What they were refused, or had to give up, because there was no more";
    family(encoder, "budget_refused", help, None, "kind", &refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_knows_its_own_size() {
        let process = Process::now();
        assert!(process.resident_bytes > 1 << 20 && process.open_files >= 3, "{process:?}");
    }
}
