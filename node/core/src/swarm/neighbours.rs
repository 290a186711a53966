//! Neighbours: how we find and link them, tell them of news and of each other, serve them by turns,
//! and lose them.

use std::time::Duration;

use super::Swarm;
use crate::{
    content::{held::Held, layout::RunIndex},
    context::Context,
    id::{PeerKey, QueryId},
    input::{Candidate, Neighbour},
    links::peers::{Link, Links},
    message::Message,
    output::{Action, UnlinkReason},
    random::Random,
    swarm::{
        candidate::Teller,
        ranking::{self, Scene},
    },
    time::Timestamp,
    timers::Wake,
    untrusted::Untrusted,
};

/// Peers named in one peer exchange message.
const EXCHANGE_MAX: usize = 50;
/// With fewer neighbours than this, directories are asked again soon.
const NEIGHBOURS_FEW: usize = 6;
/// How soon a new neighbour takes part in peer exchange.
const EXCHANGE_SOON: Duration = Duration::from_millis(700);

/// Cuts `peers` down to `most` of them, drawn at random, so that we do not always tell of the same
/// peers.
fn draw(peers: &mut Vec<PeerKey>, most: usize, random: &mut Random) {
    if peers.len() > most {
        for at in 0..most {
            let left = crate::saturate::to_u32(peers.len().saturating_sub(at));
            let other = at.saturating_add(random.below(left) as usize);
            peers.swap(at, other);
        }
        peers.truncate(most);
    }
}

/// What the choice of neighbours depends on.
fn scene<'a>(links: &'a Links, ctx: &Context<'a>) -> Scene<'a> {
    Scene { links, view: ctx.maps, locality: ctx.locality, config: ctx.config, starving: false }
}

impl Swarm {
    pub(super) fn handle_discovered(
        &mut self,
        ctx: &mut Context<'_>,
        (query, teller): (Option<QueryId>, Option<PeerKey>),
        candidates: Vec<Candidate>,
    ) {
        let told = !candidates.is_empty();
        let word = self.discovery.word(ctx.maps, (query, teller));
        self.discovery.learn(candidates, word, &mut self.links, ctx.config, ctx.locality);
        if let Some(query) = query {
            self.on_answer(ctx, query, told);
        }
        self.seek(ctx);
    }

    pub(super) fn handle_counted(&mut self, members: Untrusted<u32>) {
        if let Some(download) = &mut self.download {
            download.groups().on_counted(members);
        }
    }

    pub(super) fn handle_query_failed(&mut self, ctx: &mut Context<'_>, query: QueryId) {
        self.discovery.on_query_failed(ctx.now, query, ctx.config, ctx.random);
        self.seek(ctx);
    }

    /// A directory answered. `told`: it named at least one candidate.
    pub(super) fn on_answer(&mut self, ctx: &mut Context<'_>, query: QueryId, told: bool) {
        let few = self.links.len() < NEIGHBOURS_FEW && !self.is_complete();
        self.discovery.on_answer(ctx.now, query, (few, told), ctx.config, ctx.random);
    }

    /// Looks for neighbours: asks directories, dials candidates, and sets the next time to do so.
    pub(super) fn seek(&mut self, ctx: &mut Context<'_>) {
        if self.paused {
            return self.timers.stop(Wake::Discovery);
        }
        let complete = self.is_complete();
        while let Some((directory, query)) = self.discovery.next_ask(ctx.now) {
            let wanted = if complete { 0 } else { ctx.config.links.wanted };
            ctx.put(Action::Ask { directory, query, wanted });
        }
        let starving = self.is_starving(ctx);
        let scene = Scene { starving, ..scene(&self.links, ctx) };
        if !complete {
            while let Some(peer) = self.discovery.next_dial(ctx.now, &scene, ctx.random) {
                ctx.put(Action::Dial { peer });
            }
        }
        let wants = !complete && self.discovery.has_room(&scene);
        let due = self.discovery.next_due(ctx.now, ctx.config, wants).min(self.end_of_waiting(ctx.now));
        self.timers.set(Wake::Discovery, due.max(ctx.now + Duration::from_millis(1)));
        if due == Timestamp::NEVER {
            self.timers.stop(Wake::Discovery);
        }
    }

    pub(super) fn handle_linked(&mut self, ctx: &mut Context<'_>, peer: PeerKey, about: Neighbour) {
        if self.links.get(peer).is_some() {
            return;
        }
        if self.paused {
            return self.part_while_paused(ctx, peer);
        }
        let theirs = ctx.map(peer);
        if !self.makes_room(ctx, peer) || !ranking::admits(&scene(&self.links, ctx), peer, about.near) {
            if !self.discovery.is_dialing(peer) {
                ctx.strikes.note_refused(ctx.now, ctx.maps, peer);
            }
            self.discovery.on_dial_failed(ctx.now, peer, self.links.is_empty(), ctx.random);
            ctx.put(Action::Unlink { peer, why: UnlinkReason::Full });
            return;
        }
        let start = ctx.config.requests.start;
        let depth = self.download.as_ref().map_or(start, |download| download.depth_of_stranger());
        let to_server = self.download.as_ref().map_or(start, |download| download.depth_to_server());
        let depth = if about.web_seed { depth.max(to_server) } else { depth };
        let mut link = Link::new(peer, about, depth);
        link.locate(about.near, ctx.locality);
        self.discovery.on_linked(&mut link);
        link.set_new(true);
        if ctx.strikes.is_idle(ctx.now, ctx.maps, peer) {
            link.count_unused();
        }
        self.links.insert(link);
        let knows_content = self.content.is_some();
        if let Some(pursuit) = &mut self.pursuit {
            // Before the manifest is known, a link only says that a peer is there: that counts
            // once.
            if knows_content || !pursuit.ever_linked {
                pursuit.on_sign(ctx.now);
            }
            pursuit.ever_linked = true;
        }
        if about.directory {
            self.discovery.learn_directory(peer);
        }
        if let (Some(held), Some(theirs)) = (&self.content, theirs) {
            self.upload.on_linked(ctx, held.layout.runs(), Some(theirs).filter(|_| !about.origin));
            if let (Some(download), Some(link)) = (&mut self.download, self.links.get_mut(peer)) {
                download.on_linked(ctx, link, theirs);
            }
            if self.is_useless(theirs) {
                self.drop_link(ctx, peer, UnlinkReason::Useless);
                return;
            }
            self.timers.hasten(Wake::Choke, ctx.now + ctx.config.upload.choke_interval);
        }
        if self.exchange_peers {
            self.timers.hasten(Wake::Exchange, ctx.now + EXCHANGE_SOON);
        }
        self.ask_manifest(ctx);
        self.update_interest(ctx, peer);
        if about.web_seed {
            // A web seed never unchokes us: we ask it at once.
            self.fill(ctx, peer);
        }
        self.seek(ctx);
    }

    /// Whether there is a place for a new neighbour. In a full table, a neighbour that is of no use
    /// gives way.
    fn makes_room(&mut self, ctx: &mut Context<'_>, peer: PeerKey) -> bool {
        let chosen = self.links.iter().filter(|link| link.is_chosen()).count();
        let is_full = self.links.len() >= usize::from(ctx.config.links.most);
        let way = if self.discovery.is_dialing(peer) {
            match is_full {
                false => return true,
                true if chosen >= ctx.config.links.of_choice() => return false,
                true => ranking::least_of_those_who_came(&scene(&self.links, ctx)),
            }
        } else {
            // When complete, we look for no neighbours.
            let of_choice = !self.is_complete() && self.discovery.has_prospects();
            let is_crowded =
                of_choice && self.links.len().saturating_sub(chosen) >= ctx.config.links.come_max();
            if !is_full && !is_crowded {
                return true;
            }
            // When complete, our links are there to give, and a link on which nobody asks is
            // wasted.
            if self.is_complete()
                && !ctx.strikes.is_idle(ctx.now, ctx.maps, peer)
                && let Some(useless) = self.upload.useless(ctx, &self.links)
            {
                ctx.strikes.note_idle(ctx.now, ctx.maps, useless);
                self.drop_link(ctx, useless, UnlinkReason::Full);
                return true;
            }
            let scene = scene(&self.links, ctx);
            // Not again and again: a peer that links, is dropped and links again would drive all
            // others out.
            let idle = match self.upload.may_give_way() {
                true => ranking::idlest_who_came(&scene),
                false => None,
            };
            idle.or_else(|| self.discovery.knows(peer).then(|| ranking::least_of_strangers(&scene)).flatten())
        };
        let Some(way) = way else { return false };
        self.upload.note_way_given();
        self.drop_link(ctx, way, UnlinkReason::Full);
        true
    }

    /// In a full table, once a minute an idle neighbour gives way to a candidate that was never
    /// tried.
    fn exchange_idlest(&mut self, ctx: &mut Context<'_>) {
        let wants = !self.is_complete() && !self.discovery.has_room(&scene(&self.links, ctx));
        if wants
            && self.discovery.is_quiet()
            && self.discovery.has_untried(ctx.now)
            && let Some(peer) = ranking::idlest(&scene(&self.links, ctx))
        {
            self.drop_link(ctx, peer, UnlinkReason::Full);
            self.seek(ctx);
        }
    }

    /// We know better where we are, or where other peers are.
    pub(crate) fn on_relocated(&mut self, ctx: &mut Context<'_>) {
        self.discovery.relocate(ctx.maps);
        for link in self.links.iter_mut() {
            // A neighbour stays where it was if the shell does not know its place. But while our
            // own AS is unknown, no neighbour is an outsider.
            let near = ctx.maps.location(link.peer).near;
            if near.is_some() || ctx.locality.asn.is_none() {
                link.locate(near.unwrap_or(link.candidate(ctx.locality).near), ctx.locality);
            }
        }
    }

    /// Whether neither side will ever want anything of the other.
    pub(super) fn is_useless(&self, theirs: Held<'_>) -> bool {
        self.is_complete() && theirs.is_full()
    }

    pub(super) fn handle_unlinked(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        self.lose_link(ctx, peer);
        self.fill_all(ctx);
        self.ask_manifest(ctx);
        self.seek(ctx);
    }

    pub(super) fn handle_dial_failed(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        self.discovery.on_dial_failed(ctx.now, peer, self.links.is_empty(), ctx.random);
        self.seek(ctx);
        self.go_on_without_dials(ctx);
    }

    /// At the start, origins and far neighbours wait while other peers are being dialled. Returns
    /// when that wait must be looked at again: when an attempt gives its slot up, or when the time
    /// for all attempts is over. [`Timestamp::NEVER`]: no neighbour waits.
    fn end_of_waiting(&self, now: Timestamp) -> Timestamp {
        let until =
            self.download.as_ref().map_or(Timestamp::ZERO, |download| download.waits_for_dials_until());
        match self.discovery.next_slot(now) {
            Some(slot) if now < until => slot.min(until),
            _ => Timestamp::NEVER,
        }
    }

    /// Asks the neighbours that waited for dials, once they need not wait any longer.
    pub(super) fn go_on_without_dials(&mut self, ctx: &mut Context<'_>) {
        let Some(download) = &self.download else { return };
        let until = download.waits_for_dials_until();
        // A tick later all neighbours were asked in any case.
        let is_start = ctx.now < until + ctx.config.requests.tick;
        if is_start && (until <= ctx.now || self.discovery.dialing(ctx.now) == 0) {
            self.fill_all(ctx);
        }
    }

    /// The shell's address book says that this peer may not be dialled yet. That is no failure of
    /// the peer.
    pub(super) fn handle_dial_later(&mut self, ctx: &mut Context<'_>, peer: PeerKey, wait: Duration) {
        self.discovery.on_dial_later(ctx.now, peer, wait, ctx.random);
        self.seek(ctx);
    }

    pub(super) fn drop_link(&mut self, ctx: &mut Context<'_>, peer: PeerKey, why: UnlinkReason) {
        ctx.put(Action::Unlink { peer, why });
        self.lose_link(ctx, peer);
    }

    /// A link is gone: its peer becomes a candidate again.
    pub(super) fn lose_link(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        if let Some(link) = self.remove_link(ctx, peer) {
            // The peer is its own teller.
            let by = (&link, Teller::of(ctx.maps, peer));
            self.discovery.on_unlinked(ctx.now, by, ctx.config, ctx.locality, ctx.random);
        }
    }

    pub(super) fn remove_link(&mut self, ctx: &mut Context<'_>, peer: PeerKey) -> Option<Link> {
        let link = self.links.remove(peer)?;
        let theirs = ctx.map(peer);
        if let Some(pursuit) = &mut self.pursuit {
            pursuit.take_asked(peer);
        }
        if let Some(download) = &mut self.download {
            download.on_unlinked(ctx, &link, theirs);
        }
        let counted = theirs.filter(|_| !link.is_origin());
        self.upload.on_unlinked(&link, counted, self.links.is_empty());
        self.received.iter_mut().for_each(|received| received.offers.forget(peer));
        if self.links.is_empty() {
            self.timers.stop(Wake::Choke);
            self.timers.stop(Wake::Trial);
            self.timers.stop(Wake::Exchange);
            self.fresh = Vec::new();
        } else if link.is_interested() && !link.is_choked() {
            let seeding = self.is_complete();
            self.upload.fill(ctx, &mut self.links, seeding);
        }
        Some(link)
    }

    /// Forgets a banned peer for good.
    pub(crate) fn on_banned(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        if self.links.get(peer).is_some() {
            self.drop_link(ctx, peer, UnlinkReason::Banned);
        }
        self.discovery.forget(peer);
        self.fill_all(ctx);
        self.ask_manifest(ctx);
        self.seek(ctx);
    }

    /// Forgets a peer that will never be of use, without blame.
    pub(super) fn handle_hopeless(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        self.remove_link(ctx, peer);
        self.discovery.forget(peer);
        self.fill_all(ctx);
        self.ask_manifest(ctx);
        self.seek(ctx);
    }

    pub(super) fn handle_message(&mut self, ctx: &mut Context<'_>, peer: PeerKey, message: Message) {
        let seeding = self.is_complete();
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        match message {
            Message::Have(runs) => self.on_have(ctx, peer, &runs),
            Message::Lost(runs) => self.on_lost_by(ctx, peer, &runs),
            Message::Interested(interested) => {
                self.upload.on_interest(ctx, &mut self.links, peer, (interested, seeding));
                self.plan_trial();
            }
            Message::Choke => link.set_choking_us(true),
            Message::Unchoke => {
                link.set_choking_us(false);
                self.fill(ctx, peer);
            }
            Message::Idle(is_idle) => self.handle_idle(ctx, peer, is_idle),
            Message::Importing(runs) => {
                if let Some(download) = &mut self.download {
                    download.on_importing(ctx, &mut self.links, peer, &runs);
                    if download.groups().has_untold() {
                        self.timers.hasten(Wake::Have, ctx.now + ctx.config.requests.have_delay);
                    }
                }
            }
            // The shell turns these peers into candidates.
            Message::Peers(_) => {}
        }
    }

    fn on_have(&mut self, ctx: &mut Context<'_>, peer: PeerKey, runs: &[RunIndex]) {
        self.count_news(ctx, peer, runs);
        self.act_on(ctx, peer, runs.iter().copied());
    }

    /// Many neighbours hold more. All of it is counted before anything is decided: the view holds
    /// all of it already, and what a decision takes out of the counts must be in them.
    pub(super) fn handle_heard(&mut self, ctx: &mut Context<'_>, news: &[(PeerKey, RunIndex)]) {
        let by_neighbour = || news.chunk_by(|one, next| one.0 == next.0);
        let mut runs = Vec::new();
        for news in by_neighbour() {
            runs.clear();
            runs.extend(news.iter().map(|&(_, run)| run));
            self.count_news(ctx, news[0].0, &runs);
        }
        by_neighbour().for_each(|news| self.act_on(ctx, news[0].0, news.iter().map(|&(_, run)| run)));
    }

    /// Counts the runs that a neighbour got.
    fn count_news(&mut self, ctx: &mut Context<'_>, peer: PeerKey, runs: &[RunIndex]) {
        let Some(link) = self.links.get(peer) else { return };
        if !link.is_origin() {
            self.upload.on_have(peer, runs);
        }
        if let (Some(download), Some(held)) = (&mut self.download, &self.content) {
            download.on_have(ctx, &mut self.links, &held.have, peer, runs);
        }
    }

    /// Decides what follows from the runs that a neighbour got.
    fn act_on(&mut self, ctx: &mut Context<'_>, peer: PeerKey, mut news: impl Iterator<Item = RunIndex>) {
        let Some(link) = self.links.get(peer) else { return };
        if self.is_complete() && ctx.map(peer).is_some_and(|theirs| self.is_useless(theirs)) {
            return self.drop_link(ctx, peer, UnlinkReason::Useless);
        }
        let (Some(download), Some(held)) = (&self.download, &self.content) else { return };
        // News makes nobody less interesting.
        if !link.interests_us() && news.any(|run| download.lacks(run, &held.have)) {
            self.update_interest(ctx, peer);
        }
        self.fill(ctx, peer);
    }

    pub(super) fn on_lost_by(&mut self, ctx: &mut Context<'_>, peer: PeerKey, runs: &[RunIndex]) {
        let Some(link) = self.links.get(peer) else { return };
        if !link.is_origin() {
            self.upload.on_lost(peer, runs);
        }
        if let Some(download) = &mut self.download {
            download.on_lost_by(ctx, &mut self.links, peer, runs);
        }
        self.fill_all(ctx);
    }

    pub(super) fn tell(&mut self, ctx: &mut Context<'_>) {
        self.tell_imports(ctx);
        let runs = std::mem::take(&mut self.fresh);
        // While nobody is linked, nobody is told: a have-map says it all.
        if !runs.is_empty() && !self.links.is_empty() {
            ctx.put(Action::Announce { runs });
        }
    }

    /// Tells the members of our groups what we import.
    fn tell_imports(&mut self, ctx: &mut Context<'_>) {
        let Some(download) = &mut self.download else { return };
        for (ring, runs) in download.groups().take_untold() {
            let members = self.links.iter().filter(|link| !runs.is_empty() && link.is_member(ring));
            members.for_each(|link| ctx.send(link.peer, Message::Importing(runs.clone())));
        }
    }

    pub(super) fn choke(&mut self, ctx: &mut Context<'_>) {
        if !self.links.is_empty() {
            self.timers.set(Wake::Choke, ctx.now + ctx.config.upload.choke_interval);
        }
        let seeding = self.is_complete();
        if self.upload.pass_window(ctx.now, &mut self.links, seeding) {
            self.exchange_idlest(ctx);
        }
        self.upload.round(ctx, &mut self.links, seeding);
        self.offer_uplink(ctx);
        self.plan_trial();
    }

    /// Passes slots that nobody uses on to the neighbours that wait.
    pub(super) fn pass_unused(&mut self, ctx: &mut Context<'_>) {
        let seeding = self.is_complete();
        self.upload.pass_unused(ctx, &mut self.links, seeding);
        self.plan_trial();
    }

    /// Sets the next time to look for slots that nobody uses. We do not look while we lack
    /// something, as after runs went bad: we would take no slot back, and looking would never end.
    fn plan_trial(&mut self) {
        match self.upload.unused_due() {
            due if due < Timestamp::NEVER && self.is_complete() => self.timers.set(Wake::Trial, due),
            _ => self.timers.stop(Wake::Trial),
        }
    }

    pub(super) fn exchange(&mut self, ctx: &mut Context<'_>) {
        if !self.exchange_peers || self.links.is_empty() {
            return;
        }
        self.timers.set(Wake::Exchange, ctx.now + ctx.config.finding.exchange_interval);
        let peers = || self.links.iter().filter(|link| !link.is_web_seed());
        let all: Vec<PeerKey> = peers().map(|link| link.peer).collect();
        let new: Vec<PeerKey> = peers().filter(|link| link.is_new()).map(|link| link.peer).collect();
        for link in self.links.iter_mut().filter(|link| !link.is_web_seed()) {
            link.set_new(false);
            let news = if link.knows_peers() { &new } else { &all };
            link.set_knows_peers(true);
            let mut others: Vec<PeerKey> = news.iter().copied().filter(|&peer| peer != link.peer).collect();
            draw(&mut others, EXCHANGE_MAX, ctx.random);
            if !others.is_empty() {
                ctx.send(link.peer, Message::Peers(others));
            }
        }
    }
}
