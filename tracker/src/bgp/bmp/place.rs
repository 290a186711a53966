//! A router's place among the sessions there may be. Who tells of peers keeps it; who does not gives it up when it is
//! needed.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use nearcast_core::budget::Claim;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bgp::rib::SessionId;

/// The place of one session. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) id: SessionId,
    pub(super) ip: IpAddr,
    /// It is a router that the operator named.
    pub(super) named: bool,
    since: Instant,
    kept: Arc<AtomicBool>,
    taken: CancellationToken,
}

impl Place {
    pub(super) fn new(id: SessionId, ip: IpAddr, named: bool) -> Place {
        let (kept, taken) = (Arc::default(), CancellationToken::new());
        Place { id, ip, named, since: Instant::now(), kept, taken }
    }

    /// Its router has something to say.
    pub(super) fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Gives it to somebody else.
    pub(super) fn take(&self) {
        self.taken.cancel();
    }

    /// Until it is given to somebody else.
    pub(super) async fn taken(&self) {
        self.taken.cancelled().await;
    }

    /// Whether it still counts: it was not given to somebody else.
    pub(super) fn counts(&self) -> bool {
        !self.taken.is_cancelled()
    }

    /// What is held to no purpose; none if there is one.
    pub(super) fn claim<T>(&self, who: T) -> Option<Claim<T>> {
        let idle = self.counts() && !self.kept.load(Ordering::Relaxed);
        idle.then(|| Claim { who, ip: self.ip, held: self.since.elapsed(), amount: 1 })
    }
}
