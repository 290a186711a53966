//! Sockets and files are what a node needs most of; systems allow few by default and more on request.
//!
//! Invariant: connections never take what the disks need. Each kind has its share of the limit that was
//! found, so that somebody who connects a lot runs into a cap of ours, which costs nothing, and not into
//! the system's, which would hit whoever opens something next.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than this no node needs: connections, and a bounded number of open files.
const WANTED: u64 = 65_536;
/// Files of contents open at a time, all together.
const DISK_MAX: usize = 1024;
/// And at least: one that is read and one that is written, for each of a few worker threads.
const DISK_MIN: usize = 8;
/// Folders of contents open at a time, one a content.
const FOLDERS_MAX: usize = 64;
/// What is neither content nor connection: standard streams, the runtime's own, listeners, an admin
/// listener with its clients, journals, a scan.
const OTHER_MAX: u64 = 96;
/// Connections being made by others: see `budget/plan.rs`, which has the same number.
const PENDING_INBOUND_MAX: u32 = 512;
/// Those waiting to be made: see there, too.
const WAITING_INBOUND_MAX: u32 = 2_048;
const PENDING_OUTBOUND_MAX: u32 = 64;

/// Who may have how many files open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// All together.
    pub(crate) limit: u64,
    /// Files of contents.
    pub(crate) disk: usize,
    /// Folders of contents.
    pub(crate) folders: usize,
    /// Connections being made, by others and by us.
    pub(crate) pending_inbound_max: u32,
    pub(crate) waiting_inbound_max: u32,
    pub(crate) pending_outbound_max: u32,
    /// Connections that are up.
    connections: u32,
}

impl Budget {
    /// Divides `limit`.
    pub(crate) fn of(limit: u64) -> Budget {
        let limit = limit.min(WANTED);
        let disk = (limit as usize / 4).clamp(DISK_MIN, DISK_MAX);
        let folders = (limit as usize / 16).clamp(1, FOLDERS_MAX);
        let other = (limit / 4).min(OTHER_MAX);
        let sockets = limit.saturating_sub((disk + folders) as u64 + other) as u32;
        let pending_inbound_max = (sockets / 8).clamp(1, PENDING_INBOUND_MAX);
        let waiting_inbound_max = (sockets / 8).clamp(1, WAITING_INBOUND_MAX);
        let pending_outbound_max = (sockets / 8).clamp(1, PENDING_OUTBOUND_MAX);
        let pending = pending_inbound_max + waiting_inbound_max + pending_outbound_max;
        let connections = sockets.saturating_sub(pending).max(1);
        Budget {
            limit,
            disk,
            folders,
            pending_inbound_max,
            waiting_inbound_max,
            pending_outbound_max,
            connections,
        }
    }

    /// As many of the wanted connections as fit.
    pub(crate) fn connections_max(&self, wanted: u32) -> u32 {
        wanted.min(self.connections)
    }
}

/// Raises the soft limit on open files as far as the hard limit lets it, and says so when even then fewer
/// connections fit than are wanted.
pub(crate) fn claim(connections_wanted: u32) -> Budget {
    raise_limit();
    let budget = Budget::current();
    let connections = budget.connections_max(connections_wanted);
    if connections < connections_wanted {
        tracing::warn!(
            "only {} files may be open at a time, so {connections} connections at most and not \
             {connections_wanted}; raise the limit (ulimit -Hn, LimitNOFILE=) for more",
            budget.limit
        );
    } else {
        tracing::info!("at most {connections} connections; {} files may be open at a time", budget.limit);
    }
    budget
}

impl Budget {
    /// By the limit as it is.
    pub(crate) fn current() -> Budget {
        Budget::of(getrlimit(Resource::Nofile).current.unwrap_or(WANTED))
    }
}

/// What is refused stays as it was: everything is bounded by the limit found.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(WANTED).min(WANTED);
    if limit.current.is_none_or(|current| current >= allowed) {
        return;
    }
    let raised = Rlimit { current: Some(allowed), maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit on open files could not be raised");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_never_exceed_the_limit_and_disks_always_have_theirs() {
        for limit in [64, 128, 256, 1024, 4096, 20_000, 65_536, 1 << 30] {
            let budget = Budget::of(limit);
            let pending =
                budget.pending_inbound_max + budget.waiting_inbound_max + budget.pending_outbound_max;
            let sockets = u64::from(pending + budget.connections_max(u32::MAX));
            assert!(budget.disk >= DISK_MIN);
            assert!(sockets + (budget.disk + budget.folders) as u64 <= limit, "{budget:?}");
            assert!(budget.connections_max(10) <= 10);
        }
    }

    #[test]
    fn a_small_limit_still_connects_and_a_usual_one_suits_a_server() {
        assert!(Budget::of(256).connections_max(4096) >= 64);
        assert_eq!(Budget::of(65_536).connections_max(4096), 4096);
    }
}
