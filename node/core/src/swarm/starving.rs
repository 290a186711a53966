//! What we do while no neighbour has anything that we lack: we look further.
//!
//! Enough neighbours are no use if all lack what we lack. So a starving peer dials beyond the wanted number. In a full
//! table it gives up, one at a time, a neighbour that is of no use to it and to which it is of none. And it asks its
//! directories again: they know who has everything.

use super::Swarm;
use crate::{
    context::Context,
    links::peers::Link,
    output::UnlinkReason,
    swarm::ranking::{self, Scene},
};

/// Whether a neighbour has something for us and is not late with it. An origin may have us wait: its turns go round.
fn feeds(link: &Link) -> bool {
    link.interests_us() && (link.is_origin() || !link.is_late())
}

impl Swarm {
    /// Whether no neighbour has had anything for us for some time.
    pub(super) fn is_starving(&self, ctx: &Context<'_>) -> bool {
        let tick = ctx.config.requests.tick;
        self.pursuit.as_ref().is_some_and(|pursuit| pursuit.hunger.is_starving(tick))
    }

    /// Looks further if we starve. To be called once a tick, when it is known who is late and who interests us.
    pub(super) fn look_further(&mut self, ctx: &mut Context<'_>) {
        let Some(download) = &self.download else { return };
        // Who has hardly any neighbour looks for some anyway.
        let fed = download.is_disk_full() || self.links.is_empty() || self.links.iter().any(feeds);
        let pace = (ctx.config.requests.tick, ctx.config.finding.ask_interval);
        let Some(pursuit) = &mut self.pursuit else { return };
        let turn = pursuit.hunger.pass_tick(fed, pace);
        if let Some(within) = turn {
            self.discovery.ask_soon(ctx.now, within, ctx.random);
        }
        if (self.is_starving(ctx) && self.give_up_useless(ctx)) || turn.is_some() {
            self.seek(ctx);
        }
    }

    /// In a full table, a neighbour that is of no use gives way to a candidate that was never tried, once in a window.
    /// Returns whether one did.
    fn give_up_useless(&mut self, ctx: &mut Context<'_>) -> bool {
        let is_full = self.links.len() >= usize::from(ctx.config.links.most);
        let may = is_full && self.upload.may_give_way() && self.discovery.is_quiet();
        if !may || !self.discovery.has_untried(ctx.now) {
            return false;
        }
        let scene = Scene {
            links: &self.links,
            view: ctx.maps,
            locality: ctx.locality,
            config: ctx.config,
            starving: true,
        };
        let Some(peer) = ranking::most_useless(&scene) else { return false };
        self.upload.note_way_given();
        self.drop_link(ctx, peer, UnlinkReason::Full);
        true
    }
}
