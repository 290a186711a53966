//! Our part in the swarm of one content: who our neighbours are, what we have, and how the parts
//! (discovery, download, upload) hear of what happens.
//!
//! Invariants: `download` exists exactly while something wanted is missing, `pursuit` also while the
//! manifest is; every neighbour in
//! `links` has a have-map in the view, except while the manifest is missing; who holds what is
//! counted for ordinary neighbours only.

use std::{sync::Arc, time::Duration};

use crate::{
    context::Context,
    discovery::Discovery,
    download::{Arrival, Download, Receipt},
    id::{PeerKey, QueryId, RequestId, UploadId},
    input::{Candidate, Event, Goal, Join, Material, Neighbour, RunFailure},
    layout::{Layout, RunIndex},
    message::Message,
    output::{Action, UnlinkReason},
    peers::{Link, Links},
    pursuit::Pursuit,
    run_set::RunSet,
    stats::Traffic,
    tier::Tier,
    time::Timestamp,
    timers::{Timers, Wake},
    upload::Upload,
};

/// Runs that are told of at once rather than after the delay.
const FRESH_MAX: usize = 64;
/// Peers named in one peer exchange message.
const EXCHANGE_MAX: usize = 50;
/// Under this many neighbours, directories are asked again soon.
const NEIGHBOURS_FEW: usize = 6;
/// A neighbour joins the next round of peer exchange this soon.
const EXCHANGE_SOON: Duration = Duration::from_millis(700);

/// Our part in the swarm of one content.
#[derive(Debug)]
pub struct Swarm {
    content: Option<Held>,
    links: Links,
    discovery: Discovery,
    pursuit: Option<Box<Pursuit>>,
    download: Option<Box<Download>>,
    upload: Upload,
    timers: Timers,
    /// Runs neighbours have not been told of.
    fresh: Vec<RunIndex>,
    /// None until something comes.
    traffic: Option<Box<Traffic>>,
    wasted: u64,
    goal: Goal,
    exchange_peers: bool,
    /// The number of the next download's first request: no answer to an earlier one is taken for its own.
    next_request: u32,
}

/// What somebody has received who received nothing.
static NO_TRAFFIC: Traffic = Traffic { by_tier: [0; Tier::COUNT], origin: 0, web_seed: 0 };

/// A content whose manifest is known.
#[derive(Debug)]
struct Held {
    layout: Arc<Layout>,
    have: RunSet,
    /// Boxed because it is rare. None = all.
    wanted: Option<Box<RunSet>>,
}

/// How a download stands, for people to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The manifest is being asked for.
    FetchingManifest,
    /// Runs are on their way.
    Moving,
    /// Everything wanted is here.
    Complete,
    /// Nothing moves, because the disk is full.
    DiskFull,
    /// Nothing moves: there is nobody, and nobody to try.
    Alone,
    /// Nothing moves: peers are being looked for or dialled.
    Searching,
    /// Nothing moves: those who have what we lack serve others at the moment.
    Queued,
    /// Nothing moves: no neighbour has what we lack.
    NobodyHasIt,
}

impl Swarm {
    pub(crate) fn join(ctx: &mut Context<'_>, join: Join) -> Swarm {
        let mut swarm = Swarm {
            content: None,
            links: Links::default(),
            discovery: Discovery::default(),
            pursuit: Some(Box::new(Pursuit::new(ctx.now, join.patience))),
            download: None,
            upload: Upload::default(),
            timers: Timers::default(),
            fresh: Vec::new(),
            traffic: None,
            wasted: 0,
            goal: join.goal,
            exchange_peers: join.exchange_peers,
            next_request: 0,
        };
        swarm.discovery.learn(join.candidates, &mut swarm.links, ctx.config);
        join.directories.into_iter().for_each(|peer| swarm.discovery.learn_directory(peer));
        match join.material {
            Some(material) => swarm.begin(ctx, material),
            None => swarm.timers.set(Wake::Tick, ctx.now + ctx.config.tick),
        }
        swarm.seek(ctx);
        swarm
    }

    /// Something happened to this content.
    pub(crate) fn handle(&mut self, ctx: &mut Context<'_>, event: Event) {
        match event {
            Event::Join(_) => {}
            Event::Leave => self.leave(ctx),
            Event::Manifest(material) => self.handle_manifest(ctx, material),
            Event::ManifestFailed { peer, corrupt } => self.handle_manifest_failed(ctx, peer, corrupt),
            Event::Discovered { query, candidates } => self.handle_discovered(ctx, query, candidates),
            Event::QueryFailed { query } => self.handle_query_failed(ctx, query),
            Event::Linked { peer, about } => self.handle_linked(ctx, peer, about),
            Event::Unlinked { peer } => self.handle_unlinked(ctx, peer),
            Event::DialFailed { peer } => self.handle_dial_failed(ctx, peer),
            Event::Message { peer, message } => self.handle_message(ctx, peer, message),
            Event::RunWanted { peer, upload, run } => self.handle_wanted(ctx, peer, upload, run),
            Event::UploadEnded { peer, run, bytes } => self.handle_upload_ended(ctx, peer, run, bytes),
            Event::Receiving => self.note_life(ctx.now),
            Event::RunStored { peer, request, run } => self.handle_stored(ctx, peer, request, run),
            Event::RunFailed { peer, request, cause } => self.handle_failed(ctx, peer, request, cause),
            Event::RunsLost(runs) => self.handle_runs_lost(ctx, runs),
            Event::DiskFull(full) => self.handle_disk_full(ctx, full),
        }
    }

    /// Somebody has what we want.
    fn note_life(&mut self, now: Timestamp) {
        if let Some(pursuit) = &mut self.pursuit {
            pursuit.alive = now;
        }
    }

    /// The manifest is known: download what is missing, give what is there.
    fn begin(&mut self, ctx: &mut Context<'_>, material: Material) {
        let download = Download::new(ctx, &material, self.next_request);
        let complete = download.is_complete();
        let wanted = material.wanted.map(Box::new);
        self.content = Some(Held { layout: material.layout, have: material.have, wanted });
        self.note_life(ctx.now);
        if complete {
            self.on_complete(ctx);
        } else {
            self.download = Some(Box::new(download));
            self.timers.hasten(Wake::Tick, ctx.now + ctx.config.tick);
        }
    }

    fn handle_manifest(&mut self, ctx: &mut Context<'_>, material: Material) {
        if self.content.is_some() {
            return;
        }
        // Links made before know no have-maps: they begin anew, over the same connections.
        for peer in self.links.keys() {
            ctx.put(Action::Unlink { peer, why: UnlinkReason::Relink });
            if let Some(link) = self.remove_link(ctx, peer) {
                self.discovery.on_relink(&link, ctx.config);
            }
        }
        self.begin(ctx, material);
        self.seek(ctx);
    }

    fn handle_manifest_failed(&mut self, ctx: &mut Context<'_>, peer: PeerKey, corrupt: bool) {
        if self.pursuit.as_ref().is_none_or(|pursuit| pursuit.manifest_from != Some(peer)) {
            return;
        }
        if corrupt {
            // Somebody else is asked when the ban is carried out.
            return ctx.ban(peer);
        }
        self.drop_link(ctx, peer, UnlinkReason::Useless);
        self.ask_manifest(ctx);
        self.seek(ctx);
    }

    fn ask_manifest(&mut self, ctx: &mut Context<'_>) {
        let Some(pursuit) = &mut self.pursuit else { return };
        if self.content.is_some() || pursuit.manifest_from.is_some() {
            return;
        }
        if let Some(link) = self.links.iter().find(|link| link.has_manifest()) {
            pursuit.manifest_from = Some(link.peer);
            ctx.put(Action::FetchManifest { peer: link.peer });
        }
    }

    fn handle_discovered(
        &mut self,
        ctx: &mut Context<'_>,
        query: Option<QueryId>,
        candidates: Vec<Candidate>,
    ) {
        self.discovery.learn(candidates, &mut self.links, ctx.config);
        if let Some(query) = query {
            self.on_answer(ctx, query);
        }
        self.seek(ctx);
    }

    fn handle_query_failed(&mut self, ctx: &mut Context<'_>, query: QueryId) {
        self.on_answer(ctx, query);
        self.seek(ctx);
    }

    fn on_answer(&mut self, ctx: &mut Context<'_>, query: QueryId) {
        let few = self.links.len() < NEIGHBOURS_FEW && !self.is_complete();
        self.discovery.on_answer(ctx.now, query, few, ctx.config, ctx.random);
    }

    fn handle_linked(&mut self, ctx: &mut Context<'_>, peer: PeerKey, about: Neighbour) {
        if self.links.get(peer).is_some() {
            return;
        }
        let theirs = ctx.map(peer);
        if self.links.len() >= usize::from(ctx.config.neighbours_max) {
            self.discovery.on_dial_failed(ctx.now, peer, ctx.random);
            ctx.put(Action::Unlink { peer, why: UnlinkReason::Full });
            return;
        }
        let start = ctx.config.requests_start;
        let depth = self.download.as_ref().map_or(start, |download| download.depth_start(start));
        let mut link = Link::new(peer, about, depth);
        self.discovery.on_linked(&mut link);
        link.set_new(true);
        self.links.insert(link);
        if let Some(pursuit) = &mut self.pursuit {
            pursuit.ever_linked = true;
        }
        self.note_life(ctx.now);
        if about.directory {
            self.discovery.learn_directory(peer);
        }
        if let (Some(held), Some(theirs)) = (&self.content, theirs) {
            self.upload.on_linked(ctx, held.layout.runs(), Some(theirs).filter(|_| !about.origin));
            if let (Some(download), Some(link)) = (&mut self.download, self.links.get(peer)) {
                download.on_linked(link, theirs);
            }
            if self.is_useless(theirs) {
                self.drop_link(ctx, peer, UnlinkReason::Useless);
                return;
            }
            self.timers.hasten(Wake::Choke, ctx.now + ctx.config.choke_interval);
        }
        if self.exchange_peers {
            self.timers.hasten(Wake::Exchange, ctx.now + EXCHANGE_SOON);
        }
        self.ask_manifest(ctx);
        self.update_interest(ctx, peer);
        self.seek(ctx);
    }

    /// Whether neither side will ever want anything of the other.
    fn is_useless(&self, theirs: &RunSet) -> bool {
        self.is_complete() && theirs.is_full()
    }

    fn handle_unlinked(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        self.lose_link(ctx, peer);
        self.fill_all(ctx);
        self.ask_manifest(ctx);
        self.seek(ctx);
    }

    fn handle_dial_failed(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        self.discovery.on_dial_failed(ctx.now, peer, ctx.random);
        self.seek(ctx);
    }

    fn drop_link(&mut self, ctx: &mut Context<'_>, peer: PeerKey, why: UnlinkReason) {
        ctx.put(Action::Unlink { peer, why });
        self.lose_link(ctx, peer);
    }

    /// A link is gone, and its peer a candidate again.
    fn lose_link(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        if let Some(link) = self.remove_link(ctx, peer) {
            self.discovery.on_unlinked(ctx.now, &link, ctx.config, ctx.random);
        }
    }

    fn remove_link(&mut self, ctx: &mut Context<'_>, peer: PeerKey) -> Option<Link> {
        let link = self.links.remove(peer)?;
        let theirs = ctx.map(peer);
        if let Some(pursuit) = &mut self.pursuit {
            pursuit.manifest_from.take_if(|asked| *asked == peer);
        }
        if let Some(download) = &mut self.download {
            download.on_unlinked(&link, theirs);
        }
        let counted = theirs.filter(|_| !link.is_origin());
        self.upload.on_unlinked(counted, link.is_choked(), self.links.is_empty());
        if self.links.is_empty() {
            self.timers.stop(Wake::Choke);
            self.timers.stop(Wake::Exchange);
            self.fresh = Vec::new();
        } else if link.is_interested() && !link.is_choked() {
            self.timers.hasten(Wake::Choke, ctx.now);
        }
        Some(link)
    }

    /// A banned peer is forgotten for good.
    pub(crate) fn on_banned(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        if self.links.get(peer).is_some() {
            self.drop_link(ctx, peer, UnlinkReason::Banned);
        }
        self.discovery.forget(peer);
        self.fill_all(ctx);
        self.ask_manifest(ctx);
        self.seek(ctx);
    }

    fn handle_message(&mut self, ctx: &mut Context<'_>, peer: PeerKey, message: Message) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        match message {
            Message::Have(runs) => self.on_have(ctx, peer, &runs),
            Message::Lost(runs) => self.on_lost_by(ctx, peer, &runs),
            Message::Interested(interested) => {
                self.upload.on_interest(ctx, &mut self.links, peer, interested)
            }
            Message::Choke => link.set_choking_us(true),
            Message::Unchoke => {
                link.set_choking_us(false);
                self.fill(ctx, peer);
            }
            // The shell makes candidates of them.
            Message::Peers(_) => {}
        }
    }

    fn on_have(&mut self, ctx: &mut Context<'_>, peer: PeerKey, runs: &[RunIndex]) {
        let Some(link) = self.links.get(peer) else { return };
        if !link.is_origin() {
            self.upload.on_have(runs);
        }
        if let Some(download) = &mut self.download {
            download.on_have(link, runs);
        }
        if self.is_complete() && ctx.map(peer).is_some_and(|theirs| self.is_useless(theirs)) {
            return self.drop_link(ctx, peer, UnlinkReason::Useless);
        }
        self.update_interest(ctx, peer);
        self.fill(ctx, peer);
    }

    fn on_lost_by(&mut self, ctx: &mut Context<'_>, peer: PeerKey, runs: &[RunIndex]) {
        let Some(link) = self.links.get(peer) else { return };
        if !link.is_origin() {
            self.upload.on_lost(runs);
        }
        if let Some(download) = &mut self.download {
            download.on_lost_by(ctx, &mut self.links, peer, runs);
        }
        self.fill_all(ctx);
    }

    fn handle_wanted(&mut self, ctx: &mut Context<'_>, peer: PeerKey, upload: UploadId, run: RunIndex) {
        let Some(held) = &self.content else { return };
        self.upload.on_wanted(ctx, &mut self.links, &held.have, peer, upload, run);
    }

    fn handle_upload_ended(&mut self, ctx: &mut Context<'_>, peer: PeerKey, run: RunIndex, bytes: u32) {
        self.upload.on_ended(&mut self.links, peer, run, bytes);
        self.check_goal(ctx);
    }

    fn handle_stored(&mut self, ctx: &mut Context<'_>, peer: PeerKey, request: RequestId, run: RunIndex) {
        self.note_life(ctx.now);
        let Some(held) = &mut self.content else { return };
        let bytes = held.layout.run_length(run);
        let receipt = Receipt { peer, request, run, bytes };
        let arrival = match &mut self.download {
            Some(download) => download.on_stored(ctx, &mut self.links, &held.have, receipt),
            None if held.have.contains(run) => Arrival::Duplicate,
            None => Arrival::New,
        };
        let link = self.links.get(peer);
        let (tier, origin) = link.map_or((Tier::Unknown, false), |link| (link.tier(), link.is_origin()));
        self.traffic.get_or_insert_default().add(tier, origin, u64::from(bytes));
        if arrival == Arrival::Duplicate {
            self.wasted += u64::from(bytes);
        } else {
            held.have.insert(run);
            self.fresh.push(run);
            let delay = if self.fresh.len() < FRESH_MAX { ctx.config.have_delay } else { Duration::ZERO };
            self.timers.hasten(Wake::Have, ctx.now + delay);
        }
        if self.download.as_ref().is_some_and(|download| download.is_complete()) {
            self.on_complete(ctx);
        } else {
            self.fill(ctx, peer);
        }
    }

    fn handle_failed(&mut self, ctx: &mut Context<'_>, peer: PeerKey, request: RequestId, cause: RunFailure) {
        let refusal = match cause {
            RunFailure::Refused(refusal) => Some(refusal),
            RunFailure::Corrupt { bytes } | RunFailure::NotStored { bytes } => {
                self.wasted += u64::from(bytes);
                None
            }
            RunFailure::Silent => None,
        };
        let download = self.download.as_mut();
        let was_open = download.is_some_and(|it| it.on_failed(ctx, &mut self.links, peer, request, refusal));
        match cause {
            // False data is a proof, however late it comes.
            RunFailure::Corrupt { .. } => ctx.ban(peer),
            RunFailure::Silent if was_open => {
                self.drop_link(ctx, peer, UnlinkReason::Useless);
                self.fill_all(ctx);
                self.seek(ctx);
            }
            // Not at once: it would be asked for the same again and again.
            RunFailure::Silent | RunFailure::Refused(_) | RunFailure::NotStored { .. } => {}
        }
    }

    fn handle_runs_lost(&mut self, ctx: &mut Context<'_>, runs: Vec<RunIndex>) {
        let Some(held) = &mut self.content else { return };
        let lost: Vec<RunIndex> = runs.into_iter().filter(|&run| held.have.remove(run)).collect();
        if lost.is_empty() {
            return;
        }
        self.fresh.retain(|run| !lost.contains(run));
        match &mut self.download {
            Some(download) => lost.iter().for_each(|&run| download.on_run_lost(run)),
            // An origin does not repair itself: its operator does.
            None if ctx.config.origin => {}
            None => self.resume(ctx),
        }
        for peer in self.links.keys() {
            ctx.send(peer, Message::Lost(lost.clone()));
            self.update_interest(ctx, peer);
        }
        self.fill_all(ctx);
        self.seek(ctx);
    }

    /// Something is missing again after completion.
    fn resume(&mut self, ctx: &mut Context<'_>) {
        let Some(held) = &self.content else { return };
        let wanted = held.wanted.as_deref().cloned();
        let material = Material { layout: held.layout.clone(), have: held.have.clone(), wanted };
        let mut download = Download::new(ctx, &material, self.next_request);
        for link in self.links.iter_mut() {
            link.set_late(false);
            ctx.map(link.peer).into_iter().for_each(|theirs| download.on_linked(link, theirs));
        }
        self.pursuit = Some(Box::new(Pursuit::of_repair(ctx.now)));
        self.timers.hasten(Wake::Tick, ctx.now + ctx.config.tick);
        self.download = Some(Box::new(download));
    }

    fn handle_disk_full(&mut self, ctx: &mut Context<'_>, full: bool) {
        if let Some(download) = &mut self.download {
            download.set_disk_full(full);
        }
        self.note_life(ctx.now);
        self.fill_all(ctx);
    }

    /// Tells everybody that we are gone.
    fn leave(&mut self, ctx: &mut Context<'_>) {
        for peer in self.links.keys() {
            ctx.put(Action::Unlink { peer, why: UnlinkReason::Leaving });
        }
    }

    pub(crate) fn handle_woken(&mut self, ctx: &mut Context<'_>) {
        while let Some(wake) = self.timers.take_due(ctx.now) {
            match wake {
                Wake::Tick => self.tick(ctx),
                Wake::Have => self.tell(ctx),
                Wake::Choke => self.choke(ctx),
                Wake::Exchange => self.exchange(ctx),
                Wake::Discovery => self.seek(ctx),
                Wake::Patience => self.check_patience(ctx),
                Wake::Goal => ctx.put(Action::GoalReached),
            }
        }
    }

    fn tick(&mut self, ctx: &mut Context<'_>) {
        if self.is_complete() {
            return;
        }
        self.timers.set(Wake::Tick, ctx.now + ctx.config.tick);
        if let Some(download) = &mut self.download {
            download.rate(ctx, &mut self.links);
            download.judge(ctx, &mut self.links);
        }
        for peer in self.links.keys() {
            self.update_interest(ctx, peer);
            self.fill(ctx, peer);
        }
        self.ask_manifest(ctx);
        let in_line = self.links.iter().any(|link| link.interests_us() && link.is_choking_us());
        if in_line || self.download.as_ref().is_some_and(|download| download.is_disk_full()) {
            self.note_life(ctx.now);
        }
        if let Some(pursuit) = &self.pursuit {
            self.timers.hasten(Wake::Patience, pursuit.end());
        }
    }

    fn tell(&mut self, ctx: &mut Context<'_>) {
        let fresh = std::mem::take(&mut self.fresh);
        if fresh.is_empty() {
            return;
        }
        // A complete neighbour needs no news, unless it steers by it.
        let deaf = |link: &Link| !link.is_origin() && ctx.map(link.peer).is_some_and(RunSet::is_full);
        let listeners: Vec<PeerKey> =
            self.links.iter().filter(|link| !deaf(link)).map(|link| link.peer).collect();
        for peer in listeners {
            ctx.send(peer, Message::Have(fresh.clone()));
        }
    }

    fn choke(&mut self, ctx: &mut Context<'_>) {
        if !self.links.is_empty() {
            self.timers.set(Wake::Choke, ctx.now + ctx.config.choke_interval);
        }
        let seeding = self.is_complete();
        self.upload.round(ctx, &mut self.links, seeding);
    }

    fn exchange(&mut self, ctx: &mut Context<'_>) {
        if !self.exchange_peers || self.links.is_empty() {
            return;
        }
        self.timers.set(Wake::Exchange, ctx.now + ctx.config.pex_interval);
        let all = self.links.keys();
        let new: Vec<PeerKey> =
            self.links.iter().filter(|link| link.is_new()).map(|link| link.peer).collect();
        for link in self.links.iter_mut() {
            link.set_new(false);
            let news = if link.knows_peers() { &new } else { &all };
            link.set_knows_peers(true);
            let others: Vec<PeerKey> =
                news.iter().copied().filter(|&peer| peer != link.peer).take(EXCHANGE_MAX).collect();
            if !others.is_empty() {
                ctx.send(link.peer, Message::Peers(others));
            }
        }
    }

    /// Looks for neighbours: asks directories, dials candidates, and sets the next time to do so.
    fn seek(&mut self, ctx: &mut Context<'_>) {
        let complete = self.is_complete();
        while let Some((directory, query)) = self.discovery.next_ask(ctx.now) {
            let wanted = if complete { 0 } else { ctx.config.neighbours_wanted };
            ctx.put(Action::Ask { directory, query, wanted });
        }
        if !complete {
            let random_links = self.links.iter().filter(|link| link.is_random()).count();
            let (links, config) = (self.links.len(), ctx.config);
            while let Some(peer) = self.discovery.next_dial(ctx.now, links, random_links, config, ctx.random)
            {
                ctx.put(Action::Dial { peer });
            }
        }
        let due = self.discovery.next_due(!complete && self.discovery.has_room(self.links.len(), ctx.config));
        self.timers.set(Wake::Discovery, due.max(ctx.now + Duration::from_millis(1)));
        if due == Timestamp::NEVER {
            self.timers.stop(Wake::Discovery);
        }
    }

    fn check_patience(&mut self, ctx: &mut Context<'_>) {
        let Some(pursuit) = &self.pursuit else { return };
        if ctx.now < pursuit.end() {
            return self.timers.set(Wake::Patience, pursuit.end());
        }
        ctx.put(Action::GaveUp(pursuit.verdict(self.traffic().total())));
    }

    fn on_complete(&mut self, ctx: &mut Context<'_>) {
        self.pursuit = None;
        if let Some(download) = self.download.take() {
            self.next_request = download.next_request();
        }
        self.timers.stop(Wake::Tick);
        self.timers.stop(Wake::Patience);
        ctx.put(Action::Completed);
        self.tell(ctx);
        for peer in self.links.keys() {
            let Some(link) = self.links.get_mut(peer) else {
                continue;
            };
            if link.interests_us() {
                link.set_interests_us(false);
                ctx.send(peer, Message::Interested(false));
            }
            if ctx.map(peer).is_some_and(RunSet::is_full) {
                self.drop_link(ctx, peer, UnlinkReason::Useless);
            }
        }
        if let Goal::Time(time) = self.goal {
            self.timers.set(Wake::Goal, ctx.now + time);
        }
        self.check_goal(ctx);
        self.discovery.rest();
        self.seek(ctx);
    }

    fn check_goal(&mut self, ctx: &mut Context<'_>) {
        let Goal::Ratio(ratio) = self.goal else { return };
        let Some(held) = &self.content else { return };
        if self.download.is_none()
            && self.upload.bytes as f64 >= f64::from(ratio) * held.layout.bytes() as f64
        {
            self.timers.hasten(Wake::Goal, ctx.now);
        }
    }

    fn update_interest(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        let (Some(download), Some(held)) = (&self.download, &self.content) else {
            return;
        };
        if let Some(link) = self.links.get_mut(peer) {
            download.update_interest(ctx, link, &held.have);
        }
    }

    fn fill(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        let (Some(download), Some(held)) = (&mut self.download, &self.content) else {
            return;
        };
        let dialing = self.discovery.dialing() > 0;
        download.fill(ctx, &mut self.links, &held.have, peer, dialing);
    }

    fn fill_all(&mut self, ctx: &mut Context<'_>) {
        if self.download.is_some() {
            self.links.keys().into_iter().for_each(|peer| self.fill(ctx, peer));
        }
    }

    /// Upload slots in use.
    pub(crate) fn unchoked(&self) -> u32 {
        self.upload.unchoked
    }

    pub(crate) fn soonest(&self) -> Option<(Timestamp, Wake)> {
        self.timers.soonest()
    }

    /// Whether everything wanted is here.
    pub fn is_complete(&self) -> bool {
        self.content.is_some() && self.download.is_none()
    }

    /// What we hold; none while the manifest is missing.
    pub fn have(&self) -> Option<&RunSet> {
        self.content.as_ref().map(|held| &held.have)
    }

    /// Payload received, by source, duplicates included.
    pub fn traffic(&self) -> &Traffic {
        self.traffic.as_deref().unwrap_or(&NO_TRAFFIC)
    }

    /// Payload sent, in bytes.
    pub fn uploaded(&self) -> u64 {
        self.upload.bytes
    }

    /// Payload thrown away, in bytes: corrupt, or held already.
    pub fn wasted(&self) -> u64 {
        self.wasted
    }

    /// Neighbours.
    pub fn neighbours(&self) -> usize {
        self.links.len()
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let Some(download) = &self.download else {
            return if self.content.is_some() { Standing::Complete } else { Standing::FetchingManifest };
        };
        if download.is_disk_full() {
            Standing::DiskFull
        } else if download.has_requests() {
            Standing::Moving
        } else if self.links.iter().any(Link::interests_us) {
            Standing::Queued
        } else if !self.links.is_empty() {
            Standing::NobodyHasIt
        } else if self.discovery.has_prospects() {
            Standing::Searching
        } else {
            Standing::Alone
        }
    }

    /// Heap held for this content beyond the layout it shares and its own have-map, in bytes.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Swarm>()
            + self.traffic.as_ref().map_or(0, |_| size_of::<Traffic>())
            + self.pursuit.as_ref().map_or(0, |_| size_of::<Pursuit>())
            + self.timers.heap_bytes()
            + self.links.heap_bytes()
            + self.discovery.heap_bytes()
            + self.download.as_ref().map_or(0, |download| download.heap_bytes())
            + self.upload.heap_bytes()
            + self.fresh.capacity() * size_of::<RunIndex>()
    }
}
