//! Dial-back: a directory tests whether peers that announce themselves take connections.
//!
//! Invariants: only the IP of the announcing connection is dialled, at the port that the
//! announcement claims, and only when the registry says so. Few are dialled at once, each for a
//! short time. Nothing is sent over the connection.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use nearcast_core::registry::PeerName;
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::directory::Directory;

/// The most dials at once. A peer that announces itself meanwhile is dialled at a later
/// announcement.
const TRIES_MAX: usize = 32;
/// A peer that takes connections does so within this time.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);

/// Dials back. Clones share the bounds.
#[derive(Clone, Debug)]
pub(crate) struct DialBack {
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl DialBack {
    /// The dials run among `tasks`, and end when `stop` is cancelled.
    pub(crate) fn new(tasks: TaskTracker, stop: CancellationToken) -> DialBack {
        DialBack { permits: Arc::new(Semaphore::new(TRIES_MAX)), tasks, stop }
    }

    /// Tests whether a peer takes connections at an address, and tells the directory the result.
    pub(crate) fn begin(&self, directory: &Directory, name: PeerName, at: SocketAddr) {
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            return directory.tried(&name, at, None);
        };
        let (directory, stop) = (directory.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let tried = stop.run_until_cancelled(timeout(TRY_TIMEOUT, TcpStream::connect(at))).await;
            let took = tried.and_then(|dialled| match dialled {
                Ok(Ok(_)) => Some(true),
                Ok(Err(error)) => is_its_own(&error).then_some(false),
                Err(_) => Some(false),
            });
            tracing::trace!(%at, ?took, "dialled back");
            directory.tried(&name, at, took);
            drop(permit);
        });
    }
}

/// Whether an error says something about the peer, rather than about our own network or limits.
fn is_its_own(error: &io::Error) -> bool {
    use io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
    )
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn what_our_own_machine_lacks_says_nothing_of_a_peer() {
        let of = |errno: Errno| is_its_own(&errno.into());
        assert!([Errno::CONNREFUSED, Errno::HOSTUNREACH, Errno::TIMEDOUT].into_iter().all(of));
        let ours = [Errno::MFILE, Errno::PERM, Errno::NETUNREACH, Errno::ADDRNOTAVAIL];
        assert!(!ours.into_iter().any(of));
    }
}
