//! A router's place among the limited number of sessions. A router that reports peers keeps its
//! place; one that does not gives it up when it is needed.

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

use nearcast_bgp::rib::SessionId;

/// The place of one session. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) id: SessionId,
    pub(super) ip: IpAddr,
    /// The operator named this router.
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

    /// Keeps the place: its router has reported something.
    pub(super) fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Takes the place away for another session.
    pub(super) fn take(&self) {
        self.taken.cancel();
    }

    /// Resolves when the place is taken away.
    pub(super) async fn taken(&self) {
        self.taken.cancelled().await;
    }

    /// Whether the place still counts, as it was not taken away.
    pub(super) fn counts(&self) -> bool {
        !self.taken.is_cancelled()
    }

    /// The claim on a place that is occupied without use. `None`: the place is in use.
    pub(super) fn claim<T>(&self, who: T) -> Option<Claim<T>> {
        let idle = self.counts() && !self.kept.load(Ordering::Relaxed);
        idle.then(|| Claim { who, ip: self.ip, held: self.since.elapsed(), amount: 1 })
    }
}
