//! Somebody reads a content while it comes.

use std::time::Duration;

use super::Swarm;
use crate::{
    context::Context,
    id::{PeerKey, ReaderId},
    input::Reading,
    stats::Streaming,
    time::Timestamp,
};

impl Swarm {
    pub(super) fn handle_reader(
        &mut self,
        ctx: &mut Context<'_>,
        reader: ReaderId,
        reading: Option<Reading>,
    ) {
        let (Some(download), Some(held)) = (&mut self.download, &self.content) else { return };
        if download.on_reader(ctx, &mut self.links, &held.have, reader, reading) && !self.paused {
            self.fill_all(ctx);
        }
    }

    pub(super) fn handle_rtt(&mut self, peer: PeerKey, rtt: Duration) {
        if let Some(download) = self.download.as_mut().filter(|_| self.links.get(peer).is_some()) {
            download.on_trip(peer, rtt);
        }
    }

    /// How reading goes. `None`: nobody reads, or everything is here.
    pub fn streaming(&self, now: Timestamp) -> Option<Streaming> {
        self.download.as_ref()?.streaming(now)
    }
}
