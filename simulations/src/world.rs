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
mod directory;
mod downlink;
mod event;
mod facts;
mod linking;
mod peer;
mod place;
mod role;
mod sending;
mod uplink;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use nearcast_core::{
    config::Config,
    directory::{Directory, DirectoryConfig},
    engine::Engine,
    id::{ContentId, ContentKey, PeerKey},
    input::{Candidate, Event, Goal, Input, Join, Material, Via},
    layout::Layout,
    message::Message,
    output::Output,
    random::Random,
    registry::Admission,
    run_set::RunSet,
    time::Timestamp,
};

pub use self::{
    clog::DEAD_AFTER,
    role::{
        Gives, Leaves, Role, Takes, Tells, hoarder, leecher, origin, rider, silent_rider, stranger, tracker,
    },
};
use self::{
    clog::{Clog, Mark},
    event::{Happening, Trace},
    peer::{Peer, Stage},
    place::{Maps, Places},
};
use crate::agenda::Agenda;

/// The content of the world.
pub const CONTENT: ContentKey = ContentKey(0);

/// What the content is called in questions to the directory.
const CONTENT_ID: ContentId = ContentId([7; 32]);

/// Neighbours that a peer sends to at once where sockets share its uplink: as many as a node's
/// upload slots.
pub const TOGETHER: usize = 16;

/// Each run has the whole uplink to itself, as when an upload limit lets one run pass after
/// another.
pub const IN_TURN: usize = 1;

/// An engine's invariants are checked after one input in this many: a check costs as much as all
/// links.
const CHECKED_EVERY: u64 = 61;

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
    /// Whether engines' invariants are checked now and then, which costs a few per cent.
    pub checked: bool,
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
    links_made: u32,
    clogs: BTreeMap<(PeerKey, PeerKey), Clog>,
    clogs_made: u32,
    mark: Option<Mark>,
    /// The directory that peer 0 is, if it is one.
    directory: Directory,
    trace: Trace,
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
        let places = Places::of(&config.roles, config.latency);
        let make = |(at, role): (usize, Role)| {
            let policy = if role.origin { &of_origins } else { &policy };
            let engine = Engine::new(policy.clone(), config.seed ^ ((at as u64 + 1) << 32));
            let have = start(&layout, &role);
            Peer::new(engine, role, have, config.together)
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
            links_made: 0,
            clogs: BTreeMap::new(),
            clogs_made: 0,
            mark: None,
            directory: Directory::new(admission, config.seed),
            trace: Trace::new(),
            inputs: 0,
            announcements: 0,
            outputs: Vec::new(),
            config,
        };
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
        match self.peer(me).stage {
            Stage::Gone => return,
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
                self.peer_mut(me).gain(run);
                self.event(me, Event::RunStored { peer: from, request, run });
            }
            Happening::Ended { to, run, whole } => {
                let bytes = if whole { self.layout.run_length(run) } else { 0 };
                self.event(me, Event::UploadEnded { peer: to, run, bytes });
            }
            Happening::Told(event) => self.told(me, *event),
            Happening::Sent { plan } => self.finish_sending(me, plan),
            Happening::Dead { peer, clog } => self.take_for_dead(me, peer, clog),
            Happening::Boast => self.boast(me),
            Happening::Intrude => self.intrude(me),
            Happening::Sip => self.sip(me),
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
            Some(_) => self.handle(me, Input::Woken),
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
        let now = self.now;
        let peer = self.peer_mut(me);
        peer.stage = Stage::There;
        peer.joined = now;
        let Role { boasts, intrudes, takes, leaves, .. } = *peer.role;
        if let Some(locality) = self.places.locality(me) {
            self.handle(me, Input::Located(locality));
        }
        let join = self.first_words(me);
        self.event(me, Event::Join(join));
        if boasts {
            self.schedule(now, me, Happening::Boast);
        }
        if intrudes.is_some() {
            self.schedule(now, me, Happening::Intrude);
        }
        if let Takes::Sips(pause) = takes {
            self.schedule(now + pause, me, Happening::Sip);
        }
        if let Leaves::Joined(after) = leaves {
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
        self.event(me, Event::Leave);
        self.peer_mut(me).parted = Some(Box::new(parted));
        self.end(me);
    }

    /// What a shell does before its engine hears of an event.
    fn told(&mut self, me: PeerKey, event: Event) {
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
        self.event(me, event);
    }

    /// A neighbour's announcement has come.
    fn hear(&mut self, me: PeerKey, from: PeerKey, upto: u32) {
        let Some(link) = self.peer_mut(me).link_mut(from) else { return };
        let heard = link.heard;
        if heard < upto {
            link.heard = upto;
            let message = Message::Have(self.peer(from).log(heard, upto).to_vec());
            self.event(me, Event::Message { peer: from, message });
        }
    }

    fn event(&mut self, me: PeerKey, event: Event) {
        self.handle(me, Input::Event { content: CONTENT, event });
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
                Output::Action { action, .. } => self.act(me, action),
            }
        }
        self.outputs = outputs;
        self.plan_wake(me);
    }
}

/// What a peer holds before it joins.
fn start(layout: &Layout, role: &Role) -> RunSet {
    let mut have = if role.seed || role.lacks.is_some() {
        RunSet::full(layout.runs())
    } else {
        RunSet::empty(layout.runs())
    };
    role.lacks.map(|run| have.remove(run));
    have
}
