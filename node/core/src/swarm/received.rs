//! What came from a swarm, and what follows from that: whoever got something gives something, also to
//! other networks while its uplink is idle.

use super::Swarm;
use crate::{context::Context, id::PeerKey, place::tier::Tier, stats::Traffic, upload::offers::Offers};

/// Traffic of a swarm that has received nothing.
pub(super) static NO_TRAFFIC: Traffic =
    Traffic { by_tier: [0; Tier::COUNT], origin: 0, web_seed: 0, imported: 0, imported_late: 0 };

/// What there is once something came.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) traffic: Traffic,
    pub(super) offers: Offers,
}

impl Received {
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Received>().saturating_add(self.offers.heap_bytes())
    }
}

impl Swarm {
    /// Says to neighbours outside of our group whether our uplink is idle. Who has brought everything
    /// along has nothing to catch up with: others take their turns at it.
    pub(super) fn offer_uplink(&mut self, ctx: &mut Context<'_>) {
        let in_group = ctx.locality.asn.is_some() && ctx.config.nearness.one_copy_in;
        let may = in_group && !ctx.config.is_origin;
        if let (Some(received), Some(held)) = (self.received.as_mut().filter(|_| may), &self.content) {
            received.offers.look(ctx, &self.links, held.layout.runs());
        }
    }

    /// A neighbour says whether its uplink is idle.
    pub(super) fn handle_idle(&mut self, ctx: &mut Context<'_>, peer: PeerKey, is_idle: bool) {
        if let Some(download) = &mut self.download {
            download.groups().on_idle(peer, is_idle);
            self.fill(ctx, peer);
        }
    }
}
