//! Open files: a node needs many sockets and files; systems allow few by default and more on
//! request.
//!
//! Invariant: connections never take what the disks need. Each kind has its share of the limit
//! found. A peer that opens many connections thus meets our own cap, which costs nothing, and not
//! the system's, which would hit whatever opens a file next.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most files a node needs: connections, and a bounded number of open files.
const WANTED: u64 = 65_536;
/// The most files of contents open at a time, in total.
const DISK_MAX: usize = 1024;
/// The least: one file read and one written, for each of a few worker threads.
const DISK_MIN: usize = 8;
/// The most folders of contents open at a time, one for each content.
const FOLDERS_MAX: usize = 64;
/// Files that are neither content nor connection: standard streams, the runtime's own, listeners,
/// an admin listener with its clients, journals, a scan.
const OTHER_MAX: u64 = 96;
/// Inbound connections being made: the same number as in `budget/plan.rs`.
const PENDING_INBOUND_MAX: u32 = 512;
/// Inbound connections waiting to be made: the same number as in `budget/plan.rs`.
const WAITING_INBOUND_MAX: u32 = 2_048;
const PENDING_OUTBOUND_MAX: u32 = 64;

/// How many files each kind may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// All kinds together.
    pub(crate) limit: u64,
    /// Files of contents.
    pub(crate) disk: usize,
    /// Folders of contents.
    pub(crate) folders: usize,
    /// Connections being made, inbound and outbound, and inbound ones waiting to be made.
    pub(crate) pending_inbound_max: u32,
    pub(crate) waiting_inbound_max: u32,
    pub(crate) pending_outbound_max: u32,
    /// Established connections.
    connections: u32,
}

impl Budget {
    /// Divides `limit` among the kinds.
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

    /// The wanted number of connections, reduced to what fits.
    pub(crate) fn connections_max(&self, wanted: u32) -> u32 {
        wanted.min(self.connections)
    }
}

/// Raises the soft limit on open files as far as the hard limit allows. Warns if even then fewer
/// connections fit than wanted.
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
    /// The budget by the present limit.
    pub(crate) fn current() -> Budget {
        Budget::of(getrlimit(Resource::Nofile).current.unwrap_or(WANTED))
    }
}

/// Raises the soft limit. If that is refused, the limit stays, and everything is bounded by it.
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
