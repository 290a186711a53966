//! Getting one content: which run from whom, and what to do when it does not come.
//!
//! Invariant: a link's `in_flight` is the number of requests to it.

pub(crate) mod arrivals;
mod check;
mod deadline;
mod filling;
mod haste;
pub(crate) mod picker;
mod rating;
pub(crate) mod requests;
mod stealing;
mod waiting;
pub mod web_pace;
pub(crate) mod whole_pieces;

use std::{sync::Arc, time::Duration};

use crate::{
    content::{
        held::Held,
        layout::{Layout, RunIndex},
        run_set::RunSet,
    },
    context::Context,
    download::{deadline::Deadlines, requests::Requests, whole_pieces::WholePieces},
    id::PeerKey,
    input::{Material, Via},
    links::{
        availability::Availability,
        conduct::Conduct,
        groups::{Groups, Standing},
        peers::{Link, Links},
        trips::Trips,
    },
    origin::rule::{LATE_SECONDS, OriginRule},
    reasons::TakenBack,
    time::Timestamp,
};

/// The last of so many runs is the endgame, in which nobody waits for a turn; but no more than so many.
const ENDGAME_SHARE: u32 = 64;
const ENDGAME_RUNS_MAX: u32 = 16;

/// After so many newcomers who said that they hold runs and gave none, no newcomer counts as a holder before it has given
/// one: else fresh names without end would keep us from asking the origin.
const LET_DOWN_MAX: u8 = 4;

/// What is still to be got, and how it goes.
#[derive(Debug)]
pub(crate) struct Download {
    wanted: Option<RunSet>,
    missing: u32,
    availability: Availability,
    requests: Requests,
    origin: OriginRule,
    /// Where the next look for runs begins.
    cursor: u32,
    /// What to ask of web seeds.
    pieces: WholePieces,
    layout: Arc<Layout>,
    /// Bytes of an average run, for rates and depths.
    run_bytes: u32,
    disk_full: bool,
    /// Newcomers that said what they hold and gave none of it.
    let_down: u8,
    /// Runs that origins sent in place of others, and that we held. Two bytes, as the size of a leecher counts.
    repeats: u16,
    rated: Timestamp,
    /// Who takes so many seconds for a run is late, by the rates of this tick.
    late_after: f32,
    groups: Groups,
    conduct: Conduct,
    /// Who reads while it comes. `None`: nobody did.
    deadlines: Option<Box<Deadlines>>,
    trips: Trips,
}

impl Download {
    /// `first_request` is the number of the first request.
    pub(crate) fn new(ctx: &mut Context<'_>, material: &Material, first_request: u32) -> Download {
        let runs = material.layout.runs();
        let missing = match &material.wanted {
            Some(wanted) => wanted.count_beyond(&material.have),
            None => runs.saturating_sub(material.have.count()),
        };
        let cursor = ctx.random.below(runs);
        Download {
            wanted: material.wanted.clone(),
            missing,
            availability: Availability::new(runs),
            requests: Requests::new(runs, first_request),
            origin: OriginRule::new(ctx.now, ctx.config),
            cursor,
            pieces: WholePieces::from(cursor),
            layout: material.layout.clone(),
            run_bytes: mean_run_bytes(&material.layout),
            disk_full: false,
            let_down: 0,
            repeats: 0,
            rated: ctx.now,
            late_after: LATE_SECONDS,
            groups: Groups::default(),
            conduct: Conduct::default(),
            deadlines: None,
            trips: Trips::default(),
        }
    }

    /// The groups we are in.
    pub(crate) fn groups(&mut self) -> &mut Groups {
        &mut self.groups
    }

    /// Looks at where the groups stand; once a tick, after [`Download::judge`].
    pub(crate) fn survey(&mut self, ctx: &Context<'_>, links: &Links, have: &RunSet, standing: Standing) {
        self.groups.survey(ctx, links, have, &self.layout, standing);
    }

    /// The number after that of the last request.
    pub(crate) fn next_request(&self) -> u32 {
        self.requests.next()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    pub(crate) fn is_disk_full(&self) -> bool {
        self.disk_full
    }

    pub(crate) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// So little is missing that it is not worth waiting for.
    fn is_endgame(&self) -> bool {
        self.missing <= (self.layout.runs() / ENDGAME_SHARE).clamp(1, ENDGAME_RUNS_MAX)
    }

    fn wants(&self, run: RunIndex) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.contains(run))
    }

    /// Until when origins, and those far away, wait for peers that are being dialled.
    pub(crate) fn waits_for_dials_until(&self) -> Timestamp {
        self.origin.early_until()
    }

    /// A neighbour takes so long to answer a message.
    pub(crate) fn on_trip(&mut self, peer: PeerKey, rtt: Duration) {
        self.trips.note(peer, rtt);
    }

    /// A neighbour is new.
    pub(crate) fn on_linked(&mut self, ctx: &Context<'_>, link: &mut Link, theirs: Held<'_>) {
        // Whom we would not ask now is no holder before it brings something, nor is anybody new after too many let us down.
        let waits = link.via() != Via::Named && ctx.strikes.has_to_wait(ctx.now, ctx.maps, link.peer);
        if !link.is_web_seed() && (waits || self.let_down >= LET_DOWN_MAX) {
            link.set_late(true);
        }
        self.groups.on_linked(ctx, link, theirs);
        if link.is_counted() {
            self.availability.add_all(theirs);
        }
    }

    /// A neighbour holds more.
    pub(crate) fn on_have(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        have: &RunSet,
        peer: PeerKey,
        runs: &[RunIndex],
    ) {
        self.groups.on_have(ctx, links, have, (peer, runs), &self.layout);
        let Some(link) = links.get(peer) else { return };
        self.pieces.on_have(runs, self.requests.busy());
        if link.is_counted() {
            self.spare_origins(ctx, links, runs);
            runs.iter().for_each(|&run| self.availability.add(run));
        }
    }

    /// A neighbour is gone; what it was asked for is free again.
    pub(crate) fn on_unlinked(&mut self, ctx: &mut Context<'_>, link: &Link, theirs: Option<Held<'_>>) {
        // Else it would repeat itself, hang up and come again, for ever.
        if link.is_stranger() && self.conduct.repeats_itself(link.peer) {
            ctx.strikes.note(ctx.now, ctx.maps, link.peer);
        }
        self.requests.close_peer(link.peer);
        self.groups.on_idle(link.peer, false);
        self.conduct.forget(link.peer);
        self.trips.forget(link.peer);
        if link.is_stranger()
            && !link.is_web_seed()
            && !link.is_late()
            && theirs.is_some_and(|it| !it.is_empty())
        {
            self.let_down = self.let_down.saturating_add(1);
        }
        if let Some(theirs) = theirs.filter(|_| link.is_counted()) {
            self.availability.subtract_all(theirs);
        }
    }

    /// A neighbour lost runs: what it was asked for of those is free again.
    pub(crate) fn on_lost_by(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        peer: PeerKey,
        runs: &[RunIndex],
    ) {
        for &run in runs {
            if links.get(peer).is_some_and(Link::is_counted) {
                self.availability.subtract(run);
            }
            if self.requests.iter().any(|request| request.run == run && request.peer == peer) {
                self.withdraw(ctx, links, run, TakenBack::Lost);
                let is_stranger = links.get(peer).is_some_and(Link::is_stranger);
                self.conduct.on_fruitless(ctx.now, peer, ctx.config.requests.tick, is_stranger);
            }
        }
    }

    /// A run of ours is gone.
    pub(crate) fn on_run_lost(&mut self, run: RunIndex) {
        self.missing = self.missing.saturating_add(self.wants(run).into());
    }

    /// This run is not wanted any more. `was_held` says whether it was here.
    pub(crate) fn give_up(&mut self, run: RunIndex, was_held: bool) {
        if !was_held {
            self.missing = self.missing.saturating_sub(self.wants(run).into());
        }
        self.wanted.get_or_insert_with(|| RunSet::full(self.layout.runs())).remove(run);
    }

    /// The disk has no room, or has again. What is in flight will fail by itself.
    pub(crate) fn set_disk_full(&mut self, full: bool) {
        self.disk_full = full;
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let wanted = self.wanted.as_ref().map_or(0, |wanted| size_of_val(wanted.words()));
        let parts = [
            self.groups.heap_bytes(),
            self.availability.heap_bytes(),
            self.requests.heap_bytes(),
            self.conduct.heap_bytes(),
            self.deadlines.as_ref().map_or(0, |deadlines| deadlines.heap_bytes()),
            self.trips.heap_bytes(),
        ];
        parts.into_iter().chain([size_of::<Download>(), wanted]).sum()
    }
}

fn mean_run_bytes(layout: &Layout) -> u32 {
    crate::saturate::to_u32(layout.bytes().div_ceil(u64::from(layout.runs().max(1))).max(1))
}
