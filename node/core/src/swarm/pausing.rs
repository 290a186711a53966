//! Pausing: we leave the swarm and keep what we know, to come back later.
//!
//! Invariant: while paused there is no neighbour, and nobody is asked or dialled.

use std::time::Duration;

use super::Swarm;
use crate::{
    context::Context,
    download::Download,
    id::PeerKey,
    input::{Material, Via},
    output::{Action, UnlinkReason},
    swarm::candidate::Teller,
    timers::Wake,
};

impl Swarm {
    /// Tells everybody that we are gone, as on leaving. Candidates and directories are remembered,
    /// and runs that are on their way still count when they come.
    pub(super) fn handle_pause(&mut self, ctx: &mut Context<'_>) {
        if self.paused {
            return;
        }
        self.paused = true;
        for peer in self.links.keys() {
            ctx.put(Action::Unlink { peer, why: UnlinkReason::Leaving });
            let Some(link) = self.remove_link(ctx, peer) else { continue };
            // That we left is no failure of the peer's. We do not know where a peer listens that
            // came to us: it comes again.
            if link.via() != Via::Inbound {
                let teller = Teller::of(ctx.maps, peer);
                self.discovery.on_relink((&link, teller), ctx.config, ctx.locality);
            }
        }
        self.discovery.told().for_each(|directory| ctx.put(Action::Withdraw { directory }));
        self.discovery.on_left(ctx.now);
        for wake in [Wake::Tick, Wake::Have, Wake::Discovery, Wake::Patience] {
            self.timers.stop(wake);
        }
        self.fresh = Vec::new();
    }

    /// Comes back with what is here. Patience, and the time in which near peers come first, begin
    /// anew.
    pub(super) fn handle_resume(&mut self, ctx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.paused, false) {
            return;
        }
        if let Some(pursuit) = &mut self.pursuit {
            pursuit.on_resumed(ctx.now);
        }
        if let (Some(before), Some(held)) = (&self.download, &self.content) {
            let wanted = held.wanted.as_deref().cloned();
            let material = Material { layout: held.layout.clone(), have: held.have.clone(), wanted };
            // What it held against neighbours that we left ourselves is forgotten.
            let mut download = Download::new(ctx, &material, before.next_request());
            download.set_disk_full(before.is_disk_full());
            self.download = Some(Box::new(download));
        }
        if !self.is_complete() {
            self.timers.set(Wake::Tick, ctx.now + ctx.config.requests.tick);
        }
        self.seek(ctx);
    }

    /// A link came up while we are away: it was being made when we left, or the peer has not heard
    /// that we did.
    pub(super) fn part_while_paused(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        self.discovery.on_dial_later(ctx.now, peer, Duration::ZERO, ctx.random);
        ctx.put(Action::Unlink { peer, why: UnlinkReason::Leaving });
    }
}
