//! What the system reports about this process, under the metric names that every program uses.

use std::{fmt, fs, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
    registry::Unit,
};

use super::{gauge, gauge_seconds};

/// The unit of processor times in /proc (`USER_HZ`), the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the system reports about this process; 0: unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Resident memory.
    pub resident_bytes: u64,
    /// Virtual memory.
    pub virtual_bytes: u64,
    /// Open files and sockets.
    pub open_files: u64,
    /// Limit of open files and sockets.
    pub open_files_max: u64,
    /// Processor time, in seconds.
    pub cpu_seconds: f64,
    /// When the process started, in seconds of Unix time.
    pub started_at: f64,
}

impl Process {
    /// The current values. `started_at` is when the process started, since 1970; /proc gives that
    /// time by another clock.
    pub fn now(started_at: Duration) -> Process {
        let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let (status, limits, stat) = (read("status"), read("limits"), read("stat"));
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
            line.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0).saturating_mul(1024)
        };
        Process {
            resident_bytes: bytes("VmRSS:"),
            virtual_bytes: bytes("VmSize:"),
            open_files: fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
            open_files_max: open_files_max(&limits).unwrap_or(0),
            cpu_seconds: cpu_seconds(&stat).unwrap_or(0.0),
            started_at: started_at.as_secs_f64(),
        }
    }
}

/// The soft limit. `None`: no limit.
fn open_files_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time, in seconds. Fields are counted after the process name, which may contain
/// anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        let help = "Time of processors that was used";
        let seconds = Some(&Unit::Seconds);
        let cpu = to.encode_descriptor("process_cpu", help, seconds, MetricType::Counter)?;
        ConstCounter::new(self.cpu_seconds).encode(cpu)?;
        gauge(to, "process_open_fds", "Files and sockets open", None, whole(self.open_files))?;
        let help = "Files and sockets that may be open";
        gauge(to, "process_max_fds", help, None, whole(self.open_files_max))?;
        let bytes = Some(&Unit::Bytes);
        gauge(to, "process_resident_memory", "Memory in use", bytes, whole(self.resident_bytes))?;
        gauge(to, "process_virtual_memory", "Addresses in use", bytes, whole(self.virtual_bytes))?;
        let help = "When the process started, in Unix time";
        gauge_seconds(to, "process_start_time", help, self.started_at)
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_knows_its_own_size() {
        let process = Process::now(Duration::from_secs(7));
        assert!(process.resident_bytes > 1 << 20 && process.open_files >= 3, "{process:?}");
        assert!(process.virtual_bytes >= process.resident_bytes, "{process:?}");
        assert!(process.open_files_max == 0 || process.open_files_max >= process.open_files, "{process:?}");
        assert!(process.cpu_seconds >= 0.0 && (process.started_at - 7.0).abs() < 1e-9, "{process:?}");
    }

    #[test]
    fn limits_and_times_are_read_whatever_the_program_is_called() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(open_files_max(limits), Some(1_024));
        assert_eq!(open_files_max("Max open files            unlimited  unlimited files\n"), None);
        let stat = "7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 250 50 13 14";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds(""), None);
    }
}
