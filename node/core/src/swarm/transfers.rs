//! Runs: how we request, receive, give and lose them.

use std::time::Duration;

use super::Swarm;
use crate::{
    content::{layout::RunIndex, run_set::RunSet},
    context::Context,
    download::{
        Download,
        arrivals::{Arrival, Receipt},
    },
    id::{PeerKey, RequestId, UploadId},
    input::{Material, RunFailure},
    links::{conduct::Verdict, groups::Standing, peers::Link},
    message::Message,
    output::UnlinkReason,
    place::tier::Tier,
    reasons::Wasted,
    stats::Giver,
    swarm::pursuit::Pursuit,
    timers::Wake,
};

/// In bytes: payload to receive from peers before we compare our uplink with that of others.
const SHARE_BYTES_MIN: u64 = 8 << 20;

/// With this many runs to tell of, neighbours are told at once rather than after the delay.
const FRESH_MAX: usize = 64;

impl Swarm {
    pub(super) fn handle_wanted(
        &mut self,
        ctx: &mut Context<'_>,
        peer: PeerKey,
        upload: UploadId,
        wanted: (RunIndex, bool),
    ) {
        let Some(held) = &self.content else { return };
        self.upload.on_wanted(ctx, &mut self.links, &held.have, (peer, upload), wanted);
        self.received.iter_mut().for_each(|received| received.offers.on_wanted(peer));
    }

    pub(super) fn handle_upload_ended(
        &mut self,
        ctx: &mut Context<'_>,
        peer: PeerKey,
        run: RunIndex,
        bytes: u32,
    ) {
        self.upload.on_ended(ctx.now, &mut self.links, peer, run, bytes);
        self.offer_uplink(ctx);
        // While we download, we have a better measure of a neighbour than that it takes something
        // now and then.
        if bytes > 0 && self.is_complete() {
            ctx.strikes.note_use(ctx.now, ctx.maps, peer);
        }
        self.check_goal(ctx);
    }

    pub(super) fn handle_coming(&mut self, ctx: &Context<'_>, peer: PeerKey, request: RequestId) {
        if let Some(download) = &mut self.download {
            download.on_coming(ctx, peer, request);
        }
    }

    pub(super) fn handle_stored(
        &mut self,
        ctx: &mut Context<'_>,
        peer: PeerKey,
        request: RequestId,
        run: RunIndex,
    ) {
        let Some(held) = &mut self.content else { return };
        let bytes = held.layout.run_length(run);
        let receipt = Receipt { peer, request, run, bytes };
        let (arrival, verdict) = match &mut self.download {
            Some(download) => download.on_stored(ctx, &mut self.links, &held.have, receipt),
            None if held.have.contains(run) => (Arrival::Duplicate, Verdict::Bear),
            None => (Arrival::New, Verdict::Bear),
        };
        let link = self.links.get(peer);
        let giver = match link {
            Some(link) => link.giver(),
            None if ctx.maps.is_web_seed(peer) => Giver::WebSeed,
            None => Giver::Peer(Tier::Unknown),
        };
        let imported = if link.is_some_and(Link::is_foreign) { bytes } else { 0 };
        let is_late = self.download.as_mut().is_some_and(|download| download.take_late_import(run));
        let traffic = &mut self.received.get_or_insert_default().traffic;
        traffic.add(giver, u64::from(bytes));
        traffic.imported = traffic.imported.saturating_add(imported.into());
        let late = if is_late { imported } else { 0 };
        traffic.imported_late = traffic.imported_late.saturating_add(late.into());
        if arrival == Arrival::Duplicate {
            let otherwise = match link {
                _ if self.download.is_none() => Wasted::Complete,
                None => Wasted::Unlinked,
                Some(link) if link.is_origin() => Wasted::Steered,
                Some(_) => Wasted::Unasked,
            };
            ctx.reasons.on_twice(peer, request, otherwise, bytes);
            self.wasted = self.wasted.saturating_add(bytes.into());
        } else {
            held.have.insert(run);
            self.fresh.push(run);
            if let Some(link) = self.links.get_mut(peer) {
                link.note_given(bytes);
            }
            let delay =
                if self.fresh.len() < FRESH_MAX { ctx.config.requests.have_delay } else { Duration::ZERO };
            self.timers.hasten(Wake::Have, ctx.now + delay);
            if let Some(pursuit) = &mut self.pursuit {
                pursuit.on_progress(ctx.now);
                pursuit.has_begun = true;
            }
        }
        if verdict == Verdict::Ban {
            ctx.ban(peer);
        }
        if self.download.as_ref().is_some_and(|download| download.is_complete()) {
            self.on_complete(ctx);
        } else if verdict == Verdict::Bear {
            self.fill(ctx, peer);
        }
    }

    pub(super) fn handle_failed(
        &mut self,
        ctx: &mut Context<'_>,
        peer: PeerKey,
        request: RequestId,
        cause: RunFailure,
    ) {
        if let RunFailure::Corrupt { bytes }
        | RunFailure::NotStored { bytes }
        | RunFailure::BrokenOff { bytes } = cause
        {
            self.wasted = self.wasted.saturating_add(bytes.into());
            ctx.reasons.on_spoilt(bytes);
        }
        if matches!(cause, RunFailure::BrokenOff { .. }) {
            ctx.strikes.on_broken_off(ctx.now, ctx.maps, peer);
        }
        let download = self.download.as_mut();
        let settled = download.map(|it| it.on_failed(ctx, &mut self.links, peer, request, cause));
        let was_open = settled.is_some_and(|settled| settled.was_open);
        if settled.is_some_and(|settled| settled.verdict == Verdict::Ban) {
            return ctx.ban(peer);
        }
        match cause {
            // Proof of bad faith: false data, however late, and an answer that nobody asked for.
            RunFailure::Corrupt { .. } | RunFailure::Unasked => ctx.ban(peer),
            RunFailure::Silent | RunFailure::BrokenOff { .. } if was_open => {
                self.drop_link(ctx, peer, UnlinkReason::Useless);
                self.fill_all(ctx);
                self.seek(ctx);
            }
            // The peer is not asked again at once: it would be asked for the same run again and
            // again.
            RunFailure::Silent
            | RunFailure::BrokenOff { .. }
            | RunFailure::Refused(_)
            | RunFailure::NotStored { .. } => {}
        }
    }

    pub(super) fn handle_runs_lost(&mut self, ctx: &mut Context<'_>, runs: Vec<RunIndex>) {
        let Some(held) = &mut self.content else { return };
        let lost: Vec<RunIndex> = runs.into_iter().filter(|&run| held.have.remove(run)).collect();
        if lost.is_empty() {
            return;
        }
        self.fresh.retain(|run| !lost.contains(run));
        match &mut self.download {
            Some(download) => lost.iter().for_each(|&run| download.on_run_lost(run)),
            // An origin does not repair itself: its operator does.
            None if ctx.config.is_origin => {}
            None => self.resume(ctx),
        }
        for peer in self.links.keys() {
            if self.links.get(peer).is_some_and(|link| !link.is_web_seed()) {
                ctx.send(peer, Message::Lost(lost.clone()));
            }
            self.update_interest(ctx, peer);
        }
        self.fill_all(ctx);
        self.seek(ctx);
    }

    /// These runs are never requested again: their owner has something else in their place. Other
    /// missing runs are still downloaded.
    pub(super) fn handle_runs_withdrawn(&mut self, ctx: &mut Context<'_>, runs: Vec<RunIndex>) {
        let Some(held) = &mut self.content else { return };
        let all = || Box::new(RunSet::full(held.layout.runs()));
        let wanted = held.wanted.get_or_insert_with(all);
        let mut lost = Vec::new();
        for run in runs {
            let was_held = held.have.remove(run);
            if let Some(download) = &mut self.download {
                download.give_up(run, was_held);
            }
            wanted.remove(run);
            lost.extend(was_held.then_some(run));
        }
        self.fresh.retain(|run| !lost.contains(run));
        for peer in self.links.keys() {
            if !lost.is_empty() && self.links.get(peer).is_some_and(|link| !link.is_web_seed()) {
                ctx.send(peer, Message::Lost(lost.clone()));
            }
            self.update_interest(ctx, peer);
        }
        if self.download.as_ref().is_some_and(|download| download.is_complete()) {
            self.on_complete(ctx);
        }
    }

    /// Something is missing again after completion.
    pub(super) fn resume(&mut self, ctx: &mut Context<'_>) {
        let Some(held) = &self.content else { return };
        let wanted = held.wanted.as_deref().cloned();
        let material = Material { layout: held.layout.clone(), have: held.have.clone(), wanted };
        let mut download = Download::new(ctx, &material, self.next_request);
        for link in self.links.iter_mut() {
            link.set_late(false);
            ctx.map(link.peer).into_iter().for_each(|theirs| download.on_linked(ctx, link, theirs));
        }
        self.pursuit = Some(Box::new(Pursuit::of_repair(ctx.now)));
        self.timers.hasten(Wake::Tick, ctx.now + ctx.config.requests.tick);
        self.download = Some(Box::new(download));
    }

    pub(super) fn handle_disk_full(&mut self, ctx: &mut Context<'_>, full: bool) {
        if let Some(download) = &mut self.download {
            download.set_disk_full(full);
        }
        if !full {
            // One request to each neighbour shows whether there is room; more in flight would be
            // thrown away.
            self.links.iter_mut().for_each(|link| link.depth = 1);
        }
        self.note_progress(ctx.now);
        self.fill_all(ctx);
    }

    pub(super) fn update_interest(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        let (Some(download), Some(held)) = (&self.download, &self.content) else {
            return;
        };
        if let Some(link) = self.links.get_mut(peer) {
            download.update_interest(ctx, link, &held.have);
        }
    }

    /// Asks a neighbour for as much as it should have in flight.
    pub(super) fn fill(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        let (Some(download), Some(held)) = (&mut self.download, &self.content) else {
            return;
        };
        if self.links.get(peer).is_some_and(Link::has_room) {
            let dialing = self.discovery.dialing(ctx.now) > 0;
            download.fill(ctx, &mut self.links, &held.have, peer, dialing);
        }
        if download.groups().has_untold() {
            self.timers.hasten(Wake::Have, ctx.now + ctx.config.requests.have_delay);
        }
    }

    /// Surveys our groups.
    pub(super) fn survey(&mut self, ctx: &mut Context<'_>) {
        let (given, taken) = (self.upload.bytes, self.traffic().from_peers());
        let known = self.discovery.inside(ctx.locality).map(|peer| ctx.maps.location(peer).tag).collect();
        let (Some(download), Some(held)) = (&mut self.download, &self.content) else { return };
        let share = match taken {
            0..SHARE_BYTES_MIN => 1.0,
            // In a group, what its members give on average is what they get.
            taken => (given as f32 / taken as f32).clamp(0.25, 4.0),
        };
        download.survey(ctx, &self.links, &held.have, Standing { known, share });
    }

    pub(super) fn fill_all(&mut self, ctx: &mut Context<'_>) {
        if self.download.is_some() {
            self.links.keys().into_iter().for_each(|peer| self.fill(ctx, peer));
        }
    }
}
