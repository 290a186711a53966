//! Our part in the swarm of one content: our neighbours, the runs we have, and how the parts
//! (discovery, download, upload) hear of what happens.
//!
//! Invariants: `download` exists exactly while something wanted is missing; `pursuit` exists also
//! while the manifest is missing; every neighbour in `links` has a have-map in the view, except
//! while the manifest is missing; holders of runs are counted among ordinary neighbours only; while
//! paused there is no neighbour.

pub(crate) mod candidate;
mod check;
pub(crate) mod discovery;
pub(crate) mod hunger;
mod neighbours;
pub mod outcomes;
mod pausing;
pub(crate) mod pursuit;
pub(crate) mod ranking;
mod reading;
mod received;
pub mod slowness;
mod stalling;
mod starving;
mod transfers;

use std::{sync::Arc, time::Duration};

use self::received::{NO_TRAFFIC, Received};
use crate::{
    config::Config,
    content::{
        layout::{Layout, RunIndex},
        run_set::RunSet,
    },
    context::Context,
    download::Download,
    id::PeerKey,
    input::{Event, Goal, Join, ManifestFailure, Material},
    links::peers::{Link, Links},
    message::Message,
    output::{Action, UnlinkReason},
    stats::Traffic,
    swarm::{candidate::Teller, discovery::Discovery, pursuit::Pursuit},
    time::Timestamp,
    timers::{Timers, Wake},
    upload::Upload,
};

/// Our part in the swarm of one content.
#[derive(Debug)]
pub struct Swarm {
    content: Option<Content>,
    links: Links,
    discovery: Discovery,
    pursuit: Option<Box<Pursuit>>,
    download: Option<Box<Download>>,
    upload: Upload,
    timers: Timers,
    /// Runs that we have not told the neighbours of.
    fresh: Vec<RunIndex>,
    /// `None`: nothing came yet.
    received: Option<Box<Received>>,
    wasted: u64,
    goal: Goal,
    exchange_peers: bool,
    /// The owner wants us to stay away until further notice.
    paused: bool,
    /// The number of the next download's first request, so that no answer to an earlier request is
    /// taken for an answer to one of its own.
    next_request: u32,
}

/// A content whose manifest is known.
#[derive(Debug)]
struct Content {
    layout: Arc<Layout>,
    have: RunSet,
    /// Boxed because it is rare. `None`: all runs.
    wanted: Option<Box<RunSet>>,
}

/// The state of a download, for people to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The manifest is being requested.
    FetchingManifest,
    /// Runs are on their way.
    Moving,
    /// Everything wanted is here.
    Complete,
    /// Nothing moves, because the owner wants it so.
    Paused,
    /// Nothing moves, because the disk is full.
    DiskFull,
    /// Nothing moves: there is no neighbour, and no peer or directory to try.
    Alone,
    /// Nothing moves: peers are being looked for or dialled.
    Searching,
    /// Nothing moves: the neighbours that have what we lack are choking us.
    Queued,
    /// Nothing moves: a neighbour that has what we lack will be asked, or will answer.
    Waiting,
    /// Nothing moves: no neighbour has what we lack.
    NobodyHasIt,
}

impl Swarm {
    /// No part in the swarm yet: [`Event::Join`] comes first.
    pub(crate) fn new() -> Swarm {
        Swarm {
            content: None,
            links: Links::default(),
            discovery: Discovery::default(),
            pursuit: None,
            download: None,
            upload: Upload::default(),
            timers: Timers::default(),
            fresh: Vec::new(),
            received: None,
            wasted: 0,
            goal: Goal::Forever,
            exchange_peers: false,
            paused: false,
            next_request: 0,
        }
    }

    fn handle_join(&mut self, ctx: &mut Context<'_>, join: Join) {
        let is_alone = !join.may_be_found && join.candidates.is_empty() && join.directories.is_empty();
        let patience = if is_alone { Duration::ZERO } else { join.patience };
        self.pursuit = Some(Box::new(Pursuit::new(ctx.now, patience)));
        self.goal = join.goal;
        self.exchange_peers = join.exchange_peers;
        self.paused = join.paused;
        let word = self.discovery.word(ctx.maps, (None, None));
        self.discovery.learn(join.candidates, word, &mut self.links, ctx.config, ctx.locality);
        join.directories.into_iter().for_each(|peer| self.discovery.name_directory(peer));
        match join.material {
            Some(material) => self.begin(ctx, material),
            None => self.timers.set(Wake::Tick, ctx.now + ctx.config.requests.tick),
        }
        self.seek(ctx);
    }

    /// Handles an event of this content.
    pub(crate) fn handle(&mut self, ctx: &mut Context<'_>, event: Event) {
        match event {
            Event::Join(join) => self.handle_join(ctx, join),
            Event::Leave => self.leave(ctx),
            Event::Pause => self.handle_pause(ctx),
            Event::Resume => self.handle_resume(ctx),
            Event::Manifest(material) => self.handle_manifest(ctx, material),
            Event::ManifestFailed { peer, why } => self.handle_manifest_failed(ctx, peer, why),
            Event::Discovered { query, teller, candidates } => {
                self.handle_discovered(ctx, (query, teller), candidates);
            }
            Event::DirectoryPause { query, pause } => {
                self.discovery.on_pause(ctx.now, query, pause, ctx.random);
            }
            Event::Counted { members } => self.handle_counted(members),
            Event::QueryFailed { query } => self.handle_query_failed(ctx, query),
            Event::Linked { peer, about } => self.handle_linked(ctx, peer, about),
            Event::Unlinked { peer } => self.handle_unlinked(ctx, peer),
            Event::DialFailed { peer } => self.handle_dial_failed(ctx, peer),
            Event::DialLater { peer, wait } => self.handle_dial_later(ctx, peer, wait),
            Event::Hopeless { peer } => self.handle_hopeless(ctx, peer),
            Event::Message { peer, message } => self.handle_message(ctx, peer, message),
            Event::Heard(news) => self.handle_heard(ctx, &news),
            Event::RunWanted { peer, upload, run, exact } => {
                self.handle_wanted(ctx, peer, upload, (run, exact));
            }
            Event::UploadEnded { peer, run, bytes } => self.handle_upload_ended(ctx, peer, run, bytes),
            Event::Receiving if self.content.is_none() => self.note_progress(ctx.now),
            Event::Receiving => self.note_sign(ctx.now),
            Event::RunStored { peer, request, run } => self.handle_stored(ctx, peer, request, run),
            Event::Coming { peer, request } => self.handle_coming(ctx, peer, request),
            Event::RunFailed { peer, request, cause } => self.handle_failed(ctx, peer, request, cause),
            Event::RunsLost(runs) => self.handle_runs_lost(ctx, runs),
            Event::RunsWithdrawn(runs) => self.handle_runs_withdrawn(ctx, runs),
            Event::DiskFull(full) => self.handle_disk_full(ctx, full),
            Event::Reader { reader, reading } => self.handle_reader(ctx, reader, reading),
            Event::Rtt { peer, rtt } => self.handle_rtt(peer, rtt),
        }
    }

    /// Notes a sign that a peer has what we want.
    fn note_sign(&mut self, now: Timestamp) {
        if let Some(pursuit) = &mut self.pursuit {
            pursuit.on_sign(now);
        }
    }

    /// Notes progress, which no neighbour can fake.
    fn note_progress(&mut self, now: Timestamp) {
        if let Some(pursuit) = &mut self.pursuit {
            pursuit.on_progress(now);
        }
    }

    /// The manifest is known: downloads what is missing, and gives what is there.
    fn begin(&mut self, ctx: &mut Context<'_>, material: Material) {
        let download = Download::new(ctx, &material, self.next_request);
        let complete = download.is_complete();
        let wanted = material.wanted.map(Box::new);
        self.content = Some(Content { layout: material.layout, have: material.have, wanted });
        self.pursuit.iter_mut().for_each(|pursuit| pursuit.on_manifest());
        self.note_progress(ctx.now);
        if complete {
            self.on_complete(ctx);
        } else {
            self.download = Some(Box::new(download));
            self.timers.hasten(Wake::Tick, ctx.now + ctx.config.requests.tick);
        }
    }

    fn handle_manifest(&mut self, ctx: &mut Context<'_>, material: Material) {
        if self.content.is_some() {
            return;
        }
        // Earlier links have no have-maps: they begin anew, over the same connections.
        for peer in self.links.keys() {
            ctx.put(Action::Unlink { peer, why: UnlinkReason::Relink });
            if let Some(link) = self.remove_link(ctx, peer) {
                let teller = Teller::of(ctx.maps, peer);
                self.discovery.on_relink((&link, teller), ctx.config, ctx.locality);
            }
        }
        self.begin(ctx, material);
        self.seek(ctx);
    }

    fn handle_manifest_failed(&mut self, ctx: &mut Context<'_>, peer: PeerKey, why: ManifestFailure) {
        let asked = |pursuit: &mut Box<Pursuit>| pursuit.take_asked(peer);
        if !self.pursuit.as_mut().is_some_and(asked) {
            return;
        }
        match why {
            // Another neighbour is asked when the ban is carried out.
            ManifestFailure::False => return ctx.ban(peer),
            ManifestFailure::Unavailable => self.part_without_manifest(ctx, peer),
            // The peer has done nothing wrong, and may have the runs: we only do not ask it for the
            // manifest again.
            ManifestFailure::Unsigned => {
                if let Some(pursuit) = &mut self.pursuit {
                    pursuit.on_unsigned(ctx.now);
                    self.timers.hasten(Wake::Patience, pursuit.end());
                }
                if let Some(link) = self.links.get_mut(peer) {
                    link.set_has_manifest(false);
                }
            }
        }
        self.ask_manifest(ctx);
        self.seek(ctx);
    }

    /// Ends the link to a peer that does not give the manifest.
    fn part_without_manifest(&mut self, ctx: &mut Context<'_>, peer: PeerKey) {
        ctx.put(Action::Unlink { peer, why: UnlinkReason::Useless });
        if let Some(link) = self.remove_link(ctx, peer) {
            let by = (&link, Teller::of(ctx.maps, peer));
            self.discovery.on_no_manifest(ctx.now, by, ctx.config, ctx.locality, ctx.random);
        }
    }

    /// Asks one neighbour for the manifest, and more of them the longer it takes.
    fn ask_manifest(&mut self, ctx: &mut Context<'_>) {
        if self.content.is_some() {
            return;
        }
        while let Some(pursuit) = &mut self.pursuit
            && let Some(next) = pursuit.next_ask(ctx.now, &self.links, ctx.random)
        {
            ctx.put(Action::FetchManifest { peer: next.peer });
            if let Some(slow) = next.instead_of {
                self.part_without_manifest(ctx, slow);
            }
        }
    }

    /// Tells every neighbour, and every directory that knows of us, that we are gone.
    fn leave(&mut self, ctx: &mut Context<'_>) {
        for peer in self.links.keys() {
            ctx.put(Action::Unlink { peer, why: UnlinkReason::Leaving });
        }
        self.discovery.told().for_each(|directory| ctx.put(Action::Withdraw { directory }));
    }

    pub(crate) fn handle_woken(&mut self, ctx: &mut Context<'_>) {
        while let Some(wake) = self.timers.take_due(ctx.now) {
            match wake {
                Wake::Tick => self.tick(ctx),
                Wake::Have => self.tell(ctx),
                Wake::Choke => self.choke(ctx),
                Wake::Trial => self.pass_unused(ctx),
                Wake::Exchange => self.exchange(ctx),
                Wake::Discovery => {
                    self.seek(ctx);
                    self.go_on_without_dials(ctx);
                }
                Wake::Patience => self.check_patience(ctx),
                Wake::Goal => ctx.put(Action::GoalReached),
            }
        }
    }

    fn tick(&mut self, ctx: &mut Context<'_>) {
        if self.is_complete() || self.paused {
            return;
        }
        self.timers.set(Wake::Tick, ctx.now + ctx.config.requests.tick);
        if let Some(download) = &mut self.download {
            download.rate(ctx, &mut self.links);
            if let Some(held) = &self.content {
                download.share_web_seeds(ctx, &mut self.links, &held.have);
            }
            download.judge(ctx, &mut self.links);
            if let Some(held) = &self.content {
                download.look_at_readers(ctx, &self.links, &held.have);
            }
        }
        self.survey(ctx);
        for peer in self.links.keys() {
            self.update_interest(ctx, peer);
            self.fill(ctx, peer);
        }
        self.look_further(ctx);
        self.offer_uplink(ctx);
        self.ask_manifest(ctx);
        if let Some(pursuit) = &mut self.pursuit {
            pursuit.ever_offered |= self.links.iter().any(Link::interests_us);
            if self.links.iter().any(|link| link.interests_us() && link.is_choking_us()) {
                pursuit.on_sign(ctx.now);
            }
            if self.download.as_ref().is_some_and(|download| download.is_disk_full()) {
                pursuit.on_progress(ctx.now);
            }
            self.timers.hasten(Wake::Patience, pursuit.end());
        }
    }

    fn check_patience(&mut self, ctx: &mut Context<'_>) {
        let Some(pursuit) = &self.pursuit else { return };
        if ctx.now < pursuit.end() {
            return self.timers.set(Wake::Patience, pursuit.end());
        }
        ctx.put(Action::GaveUp(pursuit.verdict()));
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
                if !link.is_web_seed() {
                    ctx.send(peer, Message::Interested(false));
                }
            }
            if ctx.map(peer).is_some_and(|theirs| theirs.is_full()) {
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

    /// Upload slots in use.
    pub(crate) fn unchoked(&self) -> u32 {
        u32::from(self.upload.unchoked)
    }

    /// Upload slots this content could use.
    pub(crate) fn demand(&self, config: &Config) -> u16 {
        self.upload.demand(config)
    }

    /// Sets how many upload slots this content may use from now on.
    pub(crate) fn set_quota(&mut self, now: Timestamp, quota: u16, config: &Config) {
        if self.upload.set_quota(quota, config) {
            self.timers.hasten(Wake::Choke, now);
        }
    }

    pub(crate) fn soonest(&self) -> Option<(Timestamp, Wake)> {
        self.timers.soonest()
    }

    /// Whether everything wanted is here.
    pub fn is_complete(&self) -> bool {
        self.content.is_some() && self.download.is_none()
    }

    /// The runs we hold. `None`: the manifest is missing.
    pub fn have(&self) -> Option<&RunSet> {
        self.content.as_ref().map(|held| &held.have)
    }

    /// Payload received, in bytes, by source; duplicates included.
    pub fn traffic(&self) -> &Traffic {
        self.received.as_ref().map_or(&NO_TRAFFIC, |received| &received.traffic)
    }

    /// Payload sent, in bytes.
    pub fn uploaded(&self) -> u64 {
        self.upload.bytes
    }

    /// Payload thrown away, in bytes: corrupt, broken off, or held already.
    pub fn wasted(&self) -> u64 {
        self.wasted
    }

    /// Whether we ask this peer as a directory.
    pub fn asks(&self, peer: PeerKey) -> bool {
        self.discovery.asks(peer)
    }

    /// What a neighbour gives, in bytes a second. 0: it gives nothing, or is no neighbour.
    pub fn rate_of(&self, peer: PeerKey) -> f32 {
        self.links.get(peer).map_or(0.0, |link| link.rate)
    }

    /// Whether the owner wants us to stay away.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Number of neighbours.
    pub fn neighbours(&self) -> usize {
        self.links.len()
    }

    /// The state of the download.
    pub fn standing(&self) -> Standing {
        if self.paused {
            return Standing::Paused;
        }
        let Some(download) = &self.download else {
            return if self.content.is_some() { Standing::Complete } else { Standing::FetchingManifest };
        };
        if download.is_disk_full() {
            Standing::DiskFull
        } else if download.has_requests() {
            Standing::Moving
        } else if self.links.iter().any(|link| link.interests_us() && !link.is_choking_us()) {
            Standing::Waiting
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

    /// Heap held for this content, in bytes, not counting the shared layout and our own have-map.
    pub fn heap_bytes(&self) -> usize {
        let parts = [
            size_of::<Swarm>(),
            self.received.as_ref().map_or(0, |received| received.heap_bytes()),
            self.pursuit.as_ref().map_or(0, |pursuit| pursuit.heap_bytes()),
            self.timers.heap_bytes(),
            self.links.heap_bytes(),
            self.discovery.heap_bytes(),
            self.download.as_ref().map_or(0, |download| download.heap_bytes()),
            self.upload.heap_bytes(),
            self.fresh.capacity().saturating_mul(size_of::<RunIndex>()),
        ];
        parts.into_iter().sum()
    }
}
