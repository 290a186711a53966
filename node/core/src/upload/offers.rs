//! Offers of an idle uplink: which neighbours outside of our group may ask us for any run.
//!
//! One copy in has members wait for each other, while uplinks outside that hold what they wait for
//! have nothing to do: those of small groups that are done, and of whoever is alone. Only their owners
//! know that they are idle, so they say it, to few at a time. Who is told decides by itself whether its
//! group needs help (see [`crate::links::group`]).
//!
//! Invariant: at most [`TOLD_MAX`] neighbours believe that our uplink is idle.

use std::time::Duration;

use crate::{
    context::Context,
    id::PeerKey,
    links::peers::{Link, Links},
    message::Message,
    time::Timestamp,
};

/// Neighbours that are told at a time: one may not need it.
const TOLD_MAX: usize = 2;
/// The shortest time between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// With so many requests of our own group our uplink is not idle any more, and offers are taken back.
const OWN_UPLOADS_MAX: u32 = 2;
/// Neighbours that hold about the same part of the content need help alike: parts are sixteenths.
const PARTS: u32 = 16;

/// A neighbour that was told.
#[derive(Clone, Copy, Debug)]
struct Told {
    peer: PeerKey,
    /// It has asked for something since.
    has_used: bool,
}

/// Who was told that our uplink is idle.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    told: Vec<Told>,
    /// When we look next.
    due: Timestamp,
}

impl Offers {
    pub(crate) fn heap_bytes(&self) -> usize {
        self.told.capacity().saturating_mul(size_of::<Told>())
    }

    /// A neighbour is gone.
    pub(crate) fn forget(&mut self, peer: PeerKey) {
        self.told.retain(|told| told.peer != peer);
    }

    /// A neighbour asks for a run.
    pub(crate) fn on_wanted(&mut self, peer: PeerKey) {
        self.told.iter_mut().filter(|told| told.peer == peer).for_each(|told| told.has_used = true);
    }

    /// Looks whether our uplink is idle. While it is, offers that nobody used go to others. `runs`: of
    /// the content.
    pub(crate) fn look(&mut self, ctx: &mut Context<'_>, links: &Links, runs: u32) {
        if ctx.now < self.due {
            return;
        }
        self.due = ctx.now + PAUSE;
        let uploads = |link: &Link| u32::from(link.uploads);
        if links.iter().any(|link| link.uploads > 0) {
            let own: u32 = links.iter().filter(|link| !link.is_outside()).map(uploads).sum();
            if own >= OWN_UPLOADS_MAX {
                self.take_back(ctx);
            }
            return;
        }
        let unused: Vec<PeerKey> =
            self.told.extract_if(.., |told| !told.has_used).map(|told| told.peer).collect();
        unused.iter().for_each(|&peer| ctx.send(peer, Message::Idle(false)));
        self.told.iter_mut().for_each(|told| told.has_used = false);
        for peer in self.neediest(ctx, links, (runs, &unused)) {
            ctx.send(peer, Message::Idle(true));
            self.told.push(Told { peer, has_used: false });
        }
    }

    fn take_back(&mut self, ctx: &mut Context<'_>) {
        self.told.drain(..).for_each(|told| ctx.send(told.peer, Message::Idle(false)));
    }

    /// The neighbours to tell: those outside that hold least, of equal ones any; not those that did not
    /// use the last offer.
    fn neediest(
        &self,
        ctx: &mut Context<'_>,
        links: &Links,
        (runs, unused): (u32, &[PeerKey]),
    ) -> Vec<PeerKey> {
        let room = TOLD_MAX.saturating_sub(self.told.len());
        let is_told =
            |peer: PeerKey| unused.contains(&peer) || self.told.iter().any(|told| told.peer == peer);
        let may = |link: &&Link| {
            let asks = link.is_interested() && !link.is_choked() && !link.is_origin();
            asks && link.is_outside() && !is_told(link.peer)
        };
        let mut ranked = Vec::new();
        for link in links.iter().filter(may) {
            let Some(theirs) = ctx.map(link.peer) else { continue };
            let part = theirs.count().saturating_mul(PARTS).checked_div(runs).unwrap_or(0);
            ranked.push((part, ctx.random.below(u32::MAX), link.peer));
        }
        ranked.sort_unstable();
        ranked.into_iter().take(room).map(|(.., peer)| peer).collect()
    }
}
