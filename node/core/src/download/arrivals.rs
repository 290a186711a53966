//! What comes back on a request: a run, new to us or not, or nothing; and what follows for whoever was asked.

use super::Download;
use crate::{
    content::{layout::RunIndex, run_set::RunSet},
    context::Context,
    id::{PeerKey, RequestId},
    input::RunFailure,
    links::{
        conduct::Verdict,
        peers::{Link, Links},
    },
    message::Refusal,
    reasons::TakenBack,
};

/// A run that came and was stored: what the engine sees of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    pub(crate) peer: PeerKey,
    pub(crate) request: RequestId,
    pub(crate) run: RunIndex,
    pub(crate) bytes: u32,
}

/// What became of a run that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// New to us.
    New,
    /// We held it already: wasted.
    Duplicate,
}

/// What the answer to a request leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    /// The request was open; else it had been taken back, or its link was gone.
    pub(crate) was_open: bool,
    pub(crate) verdict: Verdict,
}

impl Download {
    /// Closes the request an answer names; a stale answer closes none.
    fn settle(&mut self, links: &mut Links, peer: PeerKey, request: RequestId) -> Option<RunIndex> {
        let asked = self.requests.close(peer, request)?.run;
        if let Some(link) = links.get_mut(peer) {
            link.in_flight = link.in_flight.saturating_sub(1);
        }
        Some(asked)
    }

    /// A run came and was stored; `have` is not changed here.
    pub(crate) fn on_stored(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        have: &RunSet,
        receipt: Receipt,
    ) -> (Arrival, Verdict) {
        let Receipt { peer, request, run, bytes } = receipt;
        let asked = self.settle(links, peer, request);
        let is_due = asked.is_some() || self.conduct.take_owed(peer);
        let steered = asked.filter(|&asked| asked != run && !have.contains(asked));
        if !steered.is_some_and(|asked| self.requests.relabel(peer, run, asked)) {
            // Asked of somebody else too: no longer needed there.
            self.withdraw(ctx, links, run, TakenBack::Come);
        }
        let is_origin = links.get(peer).is_none_or(Link::is_origin);
        // Only an origin knows better than we what we should have.
        let is_false_answer = !is_origin && asked.is_some_and(|asked| asked != run);
        if have.contains(run) {
            let verdict = match asked {
                Some(_) if is_false_answer => Verdict::Ban,
                // It was not what we asked for: that request would be closed.
                Some(_) => {
                    self.repeats = self.repeats.saturating_add(1);
                    self.conduct.on_repeat(peer);
                    Verdict::Bear
                }
                // Taken over from it, and come all the same: no fault of the sender's.
                None if is_due || links.get(peer).is_none() => Verdict::Bear,
                None => self.conduct.on_undue(peer),
            };
            return (Arrival::Duplicate, verdict);
        }
        if let Some(link) = links.get_mut(peer).filter(|_| is_due && !is_false_answer) {
            if link.is_stranger() && !link.is_web_seed() {
                link.depth = link.depth.max(self.depth_start(ctx.config.requests.start));
                ctx.strikes.on_good(ctx.now, ctx.maps, peer);
                self.let_down = self.let_down.saturating_sub(1);
            }
            link.inflow.note(bytes);
            ctx.strikes.on_run(ctx.now, ctx.maps, peer);
            self.conduct.on_new(peer);
            if !is_origin {
                self.origin.on_run_from_peer(ctx.now, ctx.config, ctx.random);
            }
        }
        self.groups.on_come(links.get(peer), run);
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.on_come(run, bytes, is_origin);
        }
        self.missing = self.missing.saturating_sub(self.wants(run).into());
        (Arrival::New, if is_false_answer { Verdict::Ban } else { Verdict::Bear })
    }

    /// A request brought nothing.
    pub(crate) fn on_failed(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        peer: PeerKey,
        request: RequestId,
        cause: RunFailure,
    ) -> Settled {
        if self.settle(links, peer, request).is_none() {
            self.conduct.take_owed(peer);
            return Settled { was_open: false, verdict: Verdict::Bear };
        }
        let mut settled = Settled { was_open: true, verdict: Verdict::Bear };
        let Some(link) = links.get_mut(peer) else { return settled };
        if matches!(
            cause,
            RunFailure::Refused(Refusal::Busy) | RunFailure::Silent | RunFailure::NotStored { .. }
        ) {
            // Asked again at the next tick, with a shorter queue. A server is asked seldom from now on; the task of the web
            // seed sees to that, and each time for much.
            if link.is_web_seed() {
                link.set_wants_few_requests(true);
                link.depth = self.depth_to_server();
            } else {
                link.depth = (link.depth / 2).max(ctx.config.requests.least);
            }
        }
        match cause {
            RunFailure::Refused(Refusal::Elsewhere) => {
                let who = (peer, link.is_origin());
                settled.verdict =
                    self.conduct.on_elsewhere(ctx.now, who, ctx.config.requests.tick, ctx.random);
            }
            RunFailure::Refused(_) => {
                self.conduct.on_fruitless(ctx.now, peer, ctx.config.requests.tick, link.is_stranger());
            }
            RunFailure::Corrupt { .. }
            | RunFailure::Unasked
            | RunFailure::NotStored { .. }
            | RunFailure::BrokenOff { .. }
            | RunFailure::Silent => {}
        }
        settled
    }
}
