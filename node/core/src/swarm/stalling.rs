//! Why a download gets nothing, for people. Nothing decides by it.

use super::Swarm;
use crate::{
    content::{held::Held, run_set::RunSet},
    download::Download,
    id::PeerKey,
    links::peers::Link,
    reasons::{Stall, Unasked},
    time::Timestamp,
};

impl Swarm {
    /// Why nothing comes at this moment. `None`: everything is here.
    pub fn stall(&self, now: Timestamp, tick: std::time::Duration) -> Option<Stall> {
        let Some(download) = &self.download else {
            return self.content.is_none().then_some(Stall::NotBegun);
        };
        let gives = |link: &&Link| link.interests_us() && !link.is_choking_us();
        let starves = || self.pursuit.as_ref().is_some_and(|pursuit| pursuit.hunger.is_starving(tick));
        Some(match () {
            () if self.paused => Stall::NotBegun,
            () if download.is_disk_full() => Stall::DiskFull,
            () if download.is_coming() => Stall::Coming,
            () if download.has_requests() => Stall::Asked,
            () if self.links.is_empty() => Stall::Alone,
            () if !self.links.iter().any(Link::interests_us) && starves() => Stall::Starving,
            () if !self.links.iter().any(Link::interests_us) => Stall::Lacking,
            () if !self.links.iter().any(|link| gives(&link)) => Stall::Choked,
            () => barred(now, download, self.links.iter().filter(gives)),
        })
    }

    /// Why a neighbour that holds `theirs` is not asked, although we hold only `have`. `None`: it is
    /// no neighbour.
    pub fn unasked(&self, now: Timestamp, peer: PeerKey, theirs: Held<'_>, have: &RunSet) -> Option<Unasked> {
        let link = self.links.get(peer)?;
        let Some(download) = self.download.as_ref().filter(|_| !self.paused) else {
            return Some(Unasked::Idle);
        };
        Some(download.unasked(now, link, theirs, have))
    }
}

/// Why none of the neighbours that would give something is asked.
fn barred<'a>(now: Timestamp, download: &Download, givers: impl Iterator<Item = &'a Link>) -> Stall {
    let (mut all_refuse, mut is_gated, mut all_origins) = (true, false, true);
    for link in givers {
        all_refuse &= download.is_refused(now, link);
        is_gated |= download.is_gated(link);
        all_origins &= link.is_origin();
    }
    match () {
        () if all_refuse => Stall::Refused,
        () if is_gated => Stall::Turn,
        () if all_origins => Stall::Spared,
        () => Stall::Between,
    }
}
