//! Sockets and files are what a node needs most of; systems allow few by default and more on request.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than this no node needs: connections, and a bounded number of open files.
const WANTED: u64 = 65_536;

/// Raises the soft limit on open files as far as the hard limit lets it. What is refused stays as it was:
/// connections and file handles are bounded by the limit found.
pub(crate) fn raise_limit() {
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
