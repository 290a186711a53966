//! A virtual world for engines: delayed links, one clock, no I/O. Everything is ordered, so the
//! same seed gives the same trace.
//!
//! Engines and the directory are those of real nodes. What is not run for real has a stand-in:
//!
//! - an uplink is shared equally among the neighbours that it sends to (`uplink`), and a downlink
//!   lets pass what comes in order (`downlink`): there is no slow start and no retransmission;
//! - data is not hashed and not stored; a liar's run is false because its sender is a liar;
//! - a link is up after one and a half round trips, and control messages take no room;
//! - a machine that dies is noticed as soon as news of it can be there, except on clogged links.

mod actors;
mod acts;
mod clog;
mod cuts;
mod directory;
pub(crate) mod downlink;
mod event;
mod facts;
mod linking;
mod network;
mod outages;
mod peer;
mod place;
mod pulled;
mod reasons;
mod role;
mod schemers;
mod sending;
pub(crate) mod uplink;
mod viewing;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use nearcast_core::{
    asn::Asn,
    config::Config,
    directory::{Directory, DirectoryConfig},
    engine::Engine,
    id::{ContentKey, PeerKey},
    input::{Candidate, Event, Goal, Input, Join, Material, Via},
    layout::Layout,
    message::Message,
    output::{Output, Why},
    random::Random,
    registry::Admission,
    run_set::RunSet,
    time::Timestamp,
    timers::Wake,
};

pub use self::{
    clog::DEAD_AFTER,
    network::{LinkUse, NetworkConfig, Sharing},
    outages::{Failing, Outage},
    place::Homes,
    role::{
        Gives, Leaves, Plays, Role, Takes, Tells, hoarder, leecher, origin, rider, silent_rider, stranger,
        tracker,
    },
    viewing::Watch,
};
use self::{
    clog::{Clog, Mark},
    event::{Happening, Trace, peer_of},
    network::Net,
    peer::{Peer, Stage},
    place::{Maps, Places},
    reasons::Import,
};
use crate::agenda::Agenda;

/// The content of a world that has one.
pub const CONTENT: ContentKey = ContentKey(0);

/// Neighbours that a peer sends to at once where sockets share its uplink: as many as a node's
/// upload slots.
pub const TOGETHER: usize = 16;

/// Each run has the whole uplink to itself, as when an upload limit lets one run pass after
/// another.
pub const IN_TURN: usize = 1;

/// An engine's invariants are checked after one input in this many: a check costs as much as all
/// links.
const CHECKED_EVERY: u64 = 251;

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// The seed of everything random.
    pub seed: u64,
    /// The content.
    pub layout: Layout,
    /// How long anything takes from one peer to another, beside what their last miles add.
    pub latency: Duration,
    /// Share of data answers that never arrive. The asker notices after a second.
    pub loss: f32,
    /// The peers. Their keys are their places in this list.
    pub roles: Vec<Role>,
    /// The policy of all peers; origins have it with `is_origin`, unless `origin_config` is given.
    pub config: Config,
    /// The policy of origins.
    pub origin_config: Option<Config>,
    /// Every peer knows every peer from the start; otherwise each knows only peer 0.
    pub acquainted: bool,
    /// Peer 0 is a directory, as a tracker is one. Then no peer knows any other peer from the start.
    pub directory: bool,
    /// Whether peers tell each other of peers.
    pub exchange_peers: bool,
    /// Neighbours that one peer sends to at once, at most: [`TOGETHER`] (sixteen, as many as a
    /// node's upload slots) is what sockets do, [`IN_TURN`] is one.
    pub together: usize,
    /// The number of contents, all alike.
    pub contents: u32,
    /// How peers hear what others hold.
    pub fidelity: Fidelity,
    /// Where the peers live. `None`: as their roles say.
    pub homes: Option<Homes>,
    /// How transfers share links, and what fails.
    pub network: NetworkConfig,
    /// Whether engines' invariants are checked now and then, which costs a few per cent.
    pub checked: bool,
}

/// How peers hear what others hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fidelity {
    /// Every announcement to every neighbour is an event.
    #[default]
    Exact,
    /// Peers look what their neighbours announced when they are about to decide what to ask for.
    /// Origins are told, as in the exact world. News travels without delay then, and is heard later:
    /// up to a tick of a quarter of a second.
    Pulled,
}

/// A world, at one moment.
pub struct World {
    /// The moment.
    pub now: Timestamp,
    config: WorldConfig,
    layout: Arc<Layout>,
    random: Random,
    peers: Vec<Peer>,
    places: Places,
    agenda: Agenda<(PeerKey, Happening)>,
    /// Peers that are served and still lack something, or are to come.
    unfinished: u32,
    links_made: u32,
    clogs: BTreeMap<(PeerKey, PeerKey), Clog>,
    clogs_made: u32,
    mark: Option<Mark>,
    /// What lies between access links.
    net: Net,
    /// The directory that peer 0 is, if it is one.
    directory: Directory,
    trace: Trace,
    /// Payload that was sent and never arrives, in bytes.
    lost_bytes: u64,
    /// Payload that was sent and has not arrived yet, in bytes.
    air_bytes: u64,
    /// Bytes that came over borders, by why they were asked for, and whether they were there already.
    imports: BTreeMap<(Why, Import), u64>,
    /// What came into each AS, by content.
    imported: BTreeMap<(Asn, u32), RunSet>,
    /// Inputs that engines handled.
    pub inputs: u64,
    /// Messages in which a peer said what it imports.
    pub announcements: u64,
    /// Room for an engine's outputs, used again and again.
    outputs: Vec<Output>,
}

impl World {
    /// A world in which nothing has happened yet.
    pub fn new(mut config: WorldConfig) -> World {
        let layout = Arc::new(config.layout.clone());
        let policy = Arc::new(config.config.clone());
        let of_origins = config.origin_config.clone();
        let of_origins =
            Arc::new(of_origins.unwrap_or_else(|| Config { is_origin: true, ..config.config.clone() }));
        let places = match config.homes.take() {
            Some(homes) => Places::at(homes, &config.roles),
            None => Places::of(&config.roles, config.latency),
        };
        let net = Net::new(std::mem::take(&mut config.network), &places, &config.roles);
        let unfinished = config.roles.iter().filter(|role| role.is_served()).count() as u32;
        let make = |(at, role): (usize, Role)| {
            let policy = if role.origin { &of_origins } else { &policy };
            let engine =
                Engine::new(schemers::policy(role.plays, policy), config.seed ^ ((at as u64 + 1) << 32));
            let have = role.start_set(&layout);
            let mut peer = Peer::new(engine, role, have, (policy.upload.together_min, config.together));
            if net.is_fluid() {
                peer.uplink.drive();
            }
            peer
        };
        let peers = std::mem::take(&mut config.roles).into_iter().enumerate().map(make).collect();
        let admission = DirectoryConfig { admission: Admission::Open, ..DirectoryConfig::default() };
        let mut world = World {
            now: Timestamp::ZERO,
            random: Random::new(config.seed),
            layout,
            peers,
            places,
            agenda: Agenda::new(),
            unfinished,
            links_made: 0,
            clogs: BTreeMap::new(),
            clogs_made: 0,
            mark: None,
            net,
            directory: Directory::new(admission, config.seed),
            trace: Trace::new(),
            lost_bytes: 0,
            air_bytes: 0,
            imports: BTreeMap::new(),
            imported: BTreeMap::new(),
            inputs: 0,
            announcements: 0,
            outputs: Vec::new(),
            config,
        };
        world.schedule_outages();
        for at in 0..world.peers.len() {
            let joins = Timestamp::ZERO + world.peers[at].role.joins;
            world.schedule(joins, PeerKey(at as u32), Happening::Join);
        }
        world
    }

    fn peer(&self, key: PeerKey) -> &Peer {
        &self.peers[key.0 as usize]
    }

    fn peer_mut(&mut self, key: PeerKey) -> &mut Peer {
        &mut self.peers[key.0 as usize]
    }

    /// What a peer's engine may look up.
    fn maps(&self, me: PeerKey) -> Maps<'_> {
        let (before, rest) = self.peers.split_at(me.0 as usize);
        let (links, after) =
            rest.split_first().map_or((&[][..], rest), |(peer, after)| (&peer.links[..], after));
        Maps { me, links, before, after, places: &self.places }
    }

    fn keys(&self) -> impl Iterator<Item = PeerKey> + use<> {
        (0..self.peers.len() as u32).map(PeerKey)
    }

    fn schedule(&mut self, at: Timestamp, peer: PeerKey, what: impl Into<Happening>) {
        self.agenda.push(at, (peer, what.into()));
    }

    /// Tells a peer's engine something as soon as what is happening now is over.
    fn tell(&mut self, me: PeerKey, event: Event) {
        self.schedule(self.now, me, event);
    }

    /// Runs until nothing is pending or `until` is reached. Time stands at `until` then.
    pub fn run(&mut self, until: Duration) {
        let until = Timestamp::ZERO + until;
        while self.agenda.peek().is_some_and(|at| at <= until) {
            self.step();
        }
        self.now = self.now.max(until);
    }

    /// Lets the next thing happen. Returns whether there was one.
    pub fn step(&mut self) -> bool {
        let Some((at, (peer, happening))) = self.agenda.pop() else { return false };
        self.now = at;
        self.happen(peer, happening);
        true
    }

    fn happen(&mut self, me: PeerKey, what: Happening) {
        if self.happen_to_network(me, &what) {
            return;
        }
        match self.peer(me).stage {
            Stage::Gone => return self.lose(&what),
            Stage::Before if !matches!(what, Happening::Join) => return,
            Stage::Before | Stage::There => {}
        }
        self.trace.note(self.now.as_nanos(), me, &what);
        match what {
            Happening::Wake => self.wake(me),
            Happening::Join => self.join(me),
            Happening::Leave => self.leave(me),
            Happening::Linked { peer, number } => self.begin_link(me, peer, number),
            Happening::Unlinked { peer, number } => self.hear_unlinked(me, peer, number),
            Happening::Have { from, upto } => self.hear(me, from, upto),
            Happening::Wanted { from, upload, run, exact } => self.wanted(me, from, upload, (run, exact)),
            Happening::Coming { from, upload, request } => self.coming(me, from, upload, request),
            Happening::Stored { from, request, run } => {
                self.note_again(me, run);
                let bytes = u64::from(self.layout.run_length(run));
                self.air_bytes -= bytes;
                let now = self.now;
                let peer = self.peer_mut(me);
                peer.began.get_or_insert(now);
                peer.received_bytes += bytes;
                peer.note_answer(from);
                let is_new = peer.gain(run);
                self.note_stored(me, from, bytes);
                // Engines do not know any more where somebody was whose link has ended.
                if self.peer(me).link(from).is_some() {
                    self.note_import(me, request, run, is_new);
                }
                self.pull_from(me, from);
                self.event(me, from, Event::RunStored { peer: from, request, run });
            }
            Happening::Ended { to, run, whole } => {
                let bytes = if whole { self.layout.run_length(run) } else { 0 };
                self.event(me, to, Event::UploadEnded { peer: to, run, bytes });
            }
            Happening::Told(told) => self.told(me, told.0, told.1),
            Happening::Pull => self.pull_in_idleness(me),
            Happening::Sent { plan } => self.finish_sending(me, plan),
            Happening::Dead { peer, clog } => self.take_for_dead(me, peer, clog),
            Happening::Boast => self.boast(me),
            Happening::Intrude => self.intrude(me),
            Happening::Sip => self.sip(me),
            Happening::Widen => self.widen(me),
            Happening::Bargain => self.bargain(me),
            // These happened to the network.
            Happening::Flows { .. } | Happening::Outage { .. } | Happening::Returns { .. } => {}
        }
    }

    fn wake(&mut self, me: PeerKey) {
        let now = self.now;
        let peer = self.peer_mut(me);
        // Another wake-up was planned since then, for an earlier moment.
        if peer.wake_at != Some(now) {
            return;
        }
        peer.wake_at = None;
        match peer.engine.poll_timeout() {
            // What it was for is done already.
            Some((at, _)) if at > now => self.plan_wake(me),
            Some((_, why)) => {
                if why == Wake::Tick {
                    self.pull(me);
                }
                self.handle(me, Input::Woken);
            }
            None => {}
        }
    }

    fn plan_wake(&mut self, me: PeerKey) {
        let now = self.now;
        let peer = self.peer_mut(me);
        let Some((at, _)) = peer.engine.poll_timeout() else { return };
        if peer.wake_at.is_none_or(|pending| at < pending) {
            let at = at.max(now);
            peer.wake_at = Some(at);
            self.schedule(at, me, Happening::Wake);
        }
    }

    fn join(&mut self, me: PeerKey) {
        let (now, layout) = (self.now, self.layout.clone());
        let peer = self.peer_mut(me);
        peer.stage = Stage::There;
        peer.joined = now;
        peer.begin_watching(now, &layout);
        let Role { boasts, intrudes, takes, goes_after, origin, content, .. } = *peer.role;
        if let Some(locality) = self.places.locality(me) {
            self.handle(me, Input::Located(locality));
        }
        for content in if origin { 0..self.config.contents } else { content..content + 1 } {
            let join = Event::Join(self.first_words(me));
            self.handle(me, Input::Event { content: ContentKey(content), event: join });
        }
        self.tell_of_viewer(me);
        if boasts {
            self.schedule(now, me, Happening::Boast);
        }
        if intrudes.is_some() {
            self.schedule(now, me, Happening::Intrude);
        }
        if let Takes::Sips(pause) = takes {
            self.schedule(now + pause, me, Happening::Sip);
        }
        self.begin_scheming(me);
        if let Some(after) = goes_after {
            self.schedule(now + after, me, Happening::Leave);
        }
    }

    /// What a peer joins with.
    fn first_words(&self, me: PeerKey) -> Join {
        let peer = self.peer(me);
        let role = &peer.role;
        let all = self.peers.len() as u32;
        let known = match (self.config.directory, self.config.acquainted) {
            _ if let Some(known) = role.knows => known as u32..known as u32 + 1,
            _ if role.intrudes.is_some() || role.seed => 0..0,
            (true, _) => 0..0,
            (false, true) => 0..all,
            (false, false) => 0..1,
        };
        let is_known = |&other: &PeerKey| other != me && self.peer(other).role.intrudes.is_none();
        let candidate = |other| Candidate { peer: other, near: self.places.near(me, other), via: Via::Named };
        Join {
            material: Some(Material { layout: self.layout.clone(), have: peer.have.clone(), wanted: None }),
            candidates: known.map(PeerKey).filter(is_known).map(candidate).collect(),
            directories: if self.config.directory && me.0 != 0 { vec![PeerKey(0)] } else { Vec::new() },
            may_be_found: true,
            exchange_peers: self.config.exchange_peers && role.intrudes.is_none(),
            patience: role.patience,
            goal: Goal::Forever,
            paused: false,
        }
    }

    /// A peer leaves in good order.
    fn leave(&mut self, me: PeerKey) {
        let parted = self.peer(me).moved();
        let content = self.content_of(me, None);
        self.handle(me, Input::Event { content, event: Event::Leave });
        self.peer_mut(me).parted = Some(Box::new(parted));
        self.end(me);
    }

    /// What a shell does before its engine hears of an event.
    fn told(&mut self, me: PeerKey, content: Option<ContentKey>, event: Event) {
        let event = match event {
            Event::Message { peer, .. } if self.peer(me).link(peer).is_none() => return,
            Event::Message { peer, message: Message::Peers(peers) } => {
                let near = |peer: PeerKey| self.places.near(me, peer);
                let candidate = |peer: PeerKey| Candidate { peer, near: near(peer), via: Via::Exchange };
                let candidates = peers.into_iter().filter(|&peer| peer != me).map(candidate).collect();
                Event::Discovered { query: None, teller: Some(peer), candidates }
            }
            other => other,
        };
        if let Event::RunFailed { peer, .. } = event {
            self.peer_mut(me).note_answer(peer);
        }
        if let Event::Message { peer, message: Message::Unchoke } = event {
            self.pull_from(me, peer);
        }
        let content = content.unwrap_or_else(|| self.content_of(me, peer_of(&event)));
        self.handle(me, Input::Event { content, event });
    }

    /// A neighbour's announcement has come.
    fn hear(&mut self, me: PeerKey, from: PeerKey, upto: u32) {
        let Some(link) = self.peer_mut(me).link_mut(from) else { return };
        let heard = link.heard;
        if heard < upto {
            link.heard = upto;
            let message = Message::Have(self.peer(from).log(heard, upto).to_vec());
            self.event(me, from, Event::Message { peer: from, message });
        }
    }

    /// The content that two peers deal with: an origin has all, so the other peer's.
    fn content_of(&self, me: PeerKey, peer: Option<PeerKey>) -> ContentKey {
        let role = &self.peer(me).role;
        let whose = peer.filter(|_| role.origin).map_or(role, |peer| &self.peer(peer).role);
        ContentKey(whose.content)
    }

    /// Tells an engine of something that has to do with another peer.
    fn event(&mut self, me: PeerKey, peer: PeerKey, event: Event) {
        let content = self.content_of(me, Some(peer));
        self.handle(me, Input::Event { content, event });
    }

    fn handle(&mut self, me: PeerKey, input: Input) {
        self.inputs += 1;
        let mut outputs = std::mem::take(&mut self.outputs);
        let (before, rest) = self.peers.split_at_mut(me.0 as usize);
        if let Some((peer, after)) = rest.split_first_mut() {
            let Peer { engine, links, .. } = peer;
            let maps = Maps { me, links, before, after, places: &self.places };
            engine.handle(self.now, input, &maps, &mut outputs);
            if self.config.checked && self.inputs.is_multiple_of(CHECKED_EVERY) {
                engine.check(&maps);
            }
        }
        for output in outputs.drain(..) {
            match output {
                Output::Ban { peer } => self.ban(me, peer),
                Output::Action { content, action } => self.act(me, content, action),
            }
        }
        self.outputs = outputs;
        self.plan_wake(me);
        self.plan_pull(me);
    }
}
