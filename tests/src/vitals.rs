//! Resources of a process: memory, processor time and open files, as Linux reports them.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::process::Process;

/// Pause between two looks at a value whose changes are not reported.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Resources of a process at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Vitals {
    /// Anonymous resident memory, without mapped files.
    pub memory_bytes: u64,
    /// Processor time since its start.
    pub cpu: Duration,
    /// Open files and sockets.
    pub open_files: usize,
}

impl Vitals {
    /// The present values. Panics if the process has ended.
    pub fn of(process: &Process) -> Vitals {
        let folder = format!("/proc/{}", process.pid());
        let read = |name: &str| {
            let text = fs::read_to_string(format!("{folder}/{name}"));
            text.unwrap_or_else(|error| panic!("{folder}/{name}: {error}\n{}", process.tail()))
        };
        let open_files = fs::read_dir(format!("{folder}/fd")).expect("our own child shows its files").count();
        Vitals { memory_bytes: anonymous_bytes(&read("status")), cpu: cpu(&read("stat")), open_files }
    }

    /// Memory beyond that of `before`. In bytes.
    pub fn memory_since(&self, before: &Vitals) -> u64 {
        self.memory_bytes.saturating_sub(before.memory_bytes)
    }
}

/// Waits until `done` accepts the values. Panics if `limit` passes first.
pub fn wait_vitals(process: &Process, what: &str, limit: Duration, done: impl Fn(&Vitals) -> bool) -> Vitals {
    let started = Instant::now();
    loop {
        let vitals = Vitals::of(process);
        if done(&vitals) {
            return vitals;
        }
        assert!(
            started.elapsed() < limit,
            "{what} did not come within {limit:?}: {vitals:?}\n{}",
            process.tail()
        );
        std::thread::sleep(LOOK_EVERY);
    }
}

fn anonymous_bytes(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.expect("Linux tells a process's memory") * 1024
}

/// Fields 14 and 15, in hundredths of a second. The name before them may contain anything.
fn cpu(stat: &str) -> Duration {
    let (_, fields) = stat.rsplit_once(')').expect("a process has a name");
    let ticks =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number"));
    Duration::from_millis(ticks.sum::<u64>() * 10)
}
