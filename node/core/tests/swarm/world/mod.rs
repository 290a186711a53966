//! A virtual world for engines: lossy, delayed links, one clock, no I/O. An uplink has a rate,
//! which the peers it sends to share. Everything is ordered, so the same seed gives the same trace.

mod acts;
mod clog;
mod facts;
mod place;
mod role;
mod uplink;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    sync::Arc,
    time::Duration,
};

pub(crate) use clog::DEAD_AFTER;
use clog::{Clog, Mark};
use nearcast_core::{
    View,
    asn::Asn,
    config::Config,
    directory::{Directory, DirectoryConfig},
    engine::Engine,
    id::{ContentId, ContentKey, PeerKey, RequestId, UploadId},
    input::{Candidate, Event, Goal, Input, Join, Material, Via},
    layout::Layout,
    locality::Locality,
    message::Message,
    output::{GiveUp, Output},
    random::Random,
    registry::Admission,
    run_set::RunSet,
    tier::Near,
    time::Timestamp,
};
use place::{Maps, Place, near};
pub(crate) use role::{
    Gives, Role, Takes, Tells, hoarder, leecher, origin, rider, silent_rider, stranger, tracker,
};
use uplink::Uplink;

pub(crate) const CONTENT: ContentKey = ContentKey(0);

/// What the content is called in questions to the directory.
const CONTENT_ID: ContentId = ContentId([7; 32]);

/// Neighbours that a peer sends to at once where sockets share its uplink: as many as a node's
/// upload slots.
pub(crate) const TOGETHER: usize = 16;

/// Each run has the whole uplink to itself, as when an upload limit lets one run pass after
/// another.
pub(crate) const IN_TURN: usize = 1;

/// Requests that an actor makes of its own accord have numbers from here on; no engine reaches
/// these.
const SIPS_FROM: u32 = 1 << 31;

/// An engine's invariants are checked after one event in this many: a check costs as much as all
/// links.
const CHECKED_EVERY: u64 = 61;

pub(crate) struct WorldConfig {
    pub(crate) seed: u64,
    pub(crate) layout: Layout,
    pub(crate) latency: Duration,
    /// Share of data answers that never arrive. The asker notices after a second.
    pub(crate) loss: f32,
    pub(crate) roles: Vec<Role>,
    pub(crate) config: Config,
    /// Every peer knows every peer from the start; otherwise each knows only peer 0.
    pub(crate) acquainted: bool,
    /// Peer 0 is a directory, as a tracker is one. Then no peer knows any other peer from the start.
    pub(crate) directory: bool,
    /// Hashes everything that happens. Large worlds do without.
    pub(crate) traced: bool,
    /// Neighbours that one peer sends to at once, at most: [`TOGETHER`] (sixteen, as many as a
    /// node's upload slots) is what sockets do, [`IN_TURN`] is one.
    pub(crate) together: usize,
}

enum Happening {
    Input(Event),
    Wake,
    /// Time to boast.
    Boast,
    /// Time to link to every peer.
    Intrude,
    /// Time to ask for a little.
    Sip,
    /// A run is out, unless sending was planned anew since this plan.
    Sent(u64),
    /// The link to this peer has been clogged for too long, if the clog still has this number.
    Dead(PeerKey, u64),
}

struct Peer {
    engine: Engine,
    role: Role,
    have: RunSet,
    joined: bool,
    alive: bool,
    uplink: Uplink,
    /// How often sending was planned anew; the number of the latest plan.
    plans: u64,
    /// Upload numbers, and the number that the asker gave each request.
    asked: BTreeMap<UploadId, RequestId>,
    next_upload: u32,
    completed: Option<Timestamp>,
    gave_up: Option<GiveUp>,
    wake_at: Option<Timestamp>,
    uploaded_runs: u64,
    /// The number of the next request it makes of its own accord.
    next_sip: u32,
}

pub(crate) struct World {
    pub(crate) now: Timestamp,
    config: WorldConfig,
    layout: Arc<Layout>,
    random: Random,
    peers: Vec<Peer>,
    agenda: BinaryHeap<Reverse<(Timestamp, u64)>>,
    pending: BTreeMap<u64, (PeerKey, Happening)>,
    next: u64,
    links: BTreeSet<(PeerKey, PeerKey)>,
    /// The have-map of the second peer, as the first peer knows it.
    known: BTreeMap<(PeerKey, PeerKey), RunSet>,
    banned: BTreeSet<(PeerKey, PeerKey)>,
    /// Pairs of peers: the first ever linked to the second of its own accord.
    dials: BTreeSet<(PeerKey, PeerKey)>,
    places: Vec<Place>,
    clogs: BTreeMap<(PeerKey, PeerKey), Clog>,
    clogs_made: u64,
    mark: Option<Mark>,
    /// The directory that peer 0 is, if it is one.
    directory: Directory,
    /// FNV-1a over everything that happened.
    pub(crate) trace: u64,
    pub(crate) events: u64,
    /// Messages in which a peer said what it imports.
    pub(crate) announcements: u64,
}

impl World {
    pub(crate) fn new(config: WorldConfig) -> World {
        let layout = Arc::new(config.layout.clone());
        let make = |(at, role): (usize, &Role)| Peer {
            engine: Engine::new(
                Arc::new(Config { is_origin: role.origin, ..config.config.clone() }),
                config.seed ^ ((at as u64 + 1) << 32),
            ),
            role: role.clone(),
            have: if role.seed { RunSet::full(layout.runs()) } else { RunSet::empty(layout.runs()) },
            joined: false,
            alive: true,
            uplink: Uplink::new(role.up, config.together),
            plans: 0,
            asked: BTreeMap::new(),
            next_upload: 0,
            completed: None,
            gave_up: None,
            wake_at: None,
            uploaded_runs: 0,
            next_sip: SIPS_FROM,
        };
        let peers = config.roles.iter().enumerate().map(make).collect();
        let mut world = World {
            now: Timestamp::ZERO,
            random: Random::new(config.seed),
            layout,
            peers,
            agenda: BinaryHeap::new(),
            pending: BTreeMap::new(),
            next: 0,
            links: BTreeSet::new(),
            known: BTreeMap::new(),
            banned: BTreeSet::new(),
            dials: BTreeSet::new(),
            places: config.roles.iter().enumerate().map(|(at, role)| Place::of(at, role)).collect(),
            clogs: BTreeMap::new(),
            clogs_made: 0,
            mark: None,
            directory: Directory::new(
                DirectoryConfig { admission: Admission::Open, ..DirectoryConfig::default() },
                config.seed,
            ),
            trace: 0xcbf2_9ce4_8422_2325,
            events: 0,
            announcements: 0,
            config,
        };
        for at in 0..world.peers.len() {
            world.locate(PeerKey(at as u32));
            let join = world.join(at);
            let joins = Timestamp::ZERO + world.peers[at].role.joins;
            world.schedule(joins, PeerKey(at as u32), Happening::Input(Event::Join(join)));
            let role = world.peers[at].role.clone();
            if role.boasts {
                world.schedule(joins, PeerKey(at as u32), Happening::Boast);
            }
            if role.intrudes.is_some() {
                world.schedule(joins, PeerKey(at as u32), Happening::Intrude);
            }
            if let Takes::Sips(pause) = role.takes {
                world.schedule(joins + pause, PeerKey(at as u32), Happening::Sip);
            }
        }
        world
    }

    fn locate(&mut self, me: PeerKey) {
        let asn = Some(Asn(self.peers[me.0 as usize].role.asn)).filter(|asn| asn.0 != 0);
        if asn.is_some() {
            let tag = self.maps(me).location(me).tag;
            self.handle(me, Input::Located(Locality { asn, tag }));
        }
    }

    fn maps(&self, me: PeerKey) -> Maps<'_> {
        Maps { known: &self.known, places: &self.places, me }
    }

    fn join(&self, at: usize) -> Join {
        let role = &self.peers[at].role;
        let known = match (self.config.directory, self.config.acquainted) {
            _ if let Some(peer) = role.knows => peer..peer + 1,
            _ if role.intrudes.is_some() => 0..0,
            (true, _) => 0..0,
            (false, true) => 0..self.peers.len(),
            (false, false) => 0..1,
        };
        let is_known = |other: usize| other != at && self.peers[other].role.intrudes.is_none();
        let others = known.filter(|&other| is_known(other) && !role.seed);
        let candidate =
            |other| Candidate { peer: PeerKey(other as u32), near: self.near(at, other), via: Via::Named };
        Join {
            material: Some(Material {
                layout: self.layout.clone(),
                have: self.peers[at].have.clone(),
                wanted: None,
            }),
            candidates: others.map(candidate).collect(),
            directories: if self.config.directory && at != 0 { vec![PeerKey(0)] } else { Vec::new() },
            may_be_found: true,
            exchange_peers: role.intrudes.is_none(),
            patience: role.patience,
            goal: Goal::Forever,
            paused: false,
        }
    }

    fn near(&self, a: usize, b: usize) -> Near {
        near(&self.places, a, b)
    }

    fn schedule(&mut self, at: Timestamp, peer: PeerKey, happening: Happening) {
        self.agenda.push(Reverse((at, self.next)));
        self.pending.insert(self.next, (peer, happening));
        self.next += 1;
    }

    fn deliver(&mut self, peer: PeerKey, event: Event) {
        // The same delay for every event: control messages of one link must not overtake each
        // other.
        let at = self.now + self.config.latency;
        self.schedule(at, peer, Happening::Input(event));
    }

    /// Runs until nothing is pending or `until` is reached.
    pub(crate) fn run(&mut self, until: Duration) {
        let until = Timestamp::ZERO + until;
        while let Some(&Reverse((at, number))) = self.agenda.peek() {
            if at > until {
                break;
            }
            self.agenda.pop();
            self.now = at;
            let (peer, happening) = self.pending.remove(&number).expect("scheduled once");
            self.happen(peer, happening);
        }
    }

    fn happen(&mut self, key: PeerKey, happening: Happening) {
        let at = key.0 as usize;
        if !self.peers[at].alive {
            return;
        }
        match happening {
            Happening::Sent(plan) => self.finish_sending(key, plan),
            Happening::Dead(peer, clog) => self.take_for_dead(key, peer, clog),
            Happening::Boast => self.boast(key),
            Happening::Intrude => self.intrude(key),
            Happening::Sip => self.sip(key),
            // Another wake-up was planned since then, for an earlier moment.
            Happening::Wake if self.peers[at].wake_at != Some(self.now) => {}
            Happening::Wake => {
                self.peers[at].wake_at = None;
                self.handle(key, Input::Woken);
            }
            Happening::Input(event) => {
                let Some(event) = self.edge(key, event) else { return };
                self.handle(key, Input::Event { content: CONTENT, event });
            }
        }
    }

    /// What a shell does before its engine hears of an event: joins, have-maps, answers.
    fn edge(&mut self, me: PeerKey, event: Event) -> Option<Event> {
        let at = me.0 as usize;
        match event {
            Event::Join(join) => {
                self.peers[at].joined = true;
                Some(Event::Join(join))
            }
            _ if !self.peers[at].joined => None,
            Event::Message { peer, message } => {
                let known = self.known.get_mut(&(me, peer))?;
                let message = match message {
                    Message::Have(mut runs) => {
                        runs.retain(|&run| known.insert(run));
                        Message::Have(runs)
                    }
                    Message::Lost(mut runs) => {
                        runs.retain(|&run| known.remove(run));
                        Message::Lost(runs)
                    }
                    Message::Peers(peers) => {
                        let candidate = |peer: PeerKey| Candidate {
                            peer,
                            near: self.near(at, peer.0 as usize),
                            via: Via::Exchange,
                        };
                        let others = peers.into_iter().filter(|&peer| peer != me);
                        let candidates = others.map(candidate).collect();
                        return Some(Event::Discovered { query: None, teller: Some(peer), candidates });
                    }
                    other => other,
                };
                Some(Event::Message { peer, message })
            }
            Event::RunStored { peer, request, run } => {
                self.note_again(me, run);
                self.peers[at].have.insert(run);
                Some(Event::RunStored { peer, request, run })
            }
            other => Some(other),
        }
    }

    fn handle(&mut self, me: PeerKey, input: Input) {
        self.note(me, &input);
        let mut outputs = Vec::new();
        let maps = Maps { known: &self.known, places: &self.places, me };
        let engine = &mut self.peers[me.0 as usize].engine;
        engine.handle(self.now, input, &maps, &mut outputs);
        if self.events.is_multiple_of(CHECKED_EVERY) {
            engine.check(&maps);
        }
        for output in outputs {
            match output {
                Output::Ban { peer } => self.ban(me, peer),
                Output::Action { action, .. } => self.act(me, action),
            }
        }
        let peer = &mut self.peers[me.0 as usize];
        if let Some((at, _)) = peer.engine.poll_timeout()
            && peer.wake_at.is_none_or(|pending| at < pending)
        {
            let at = at.max(self.now);
            peer.wake_at = Some(at);
            self.schedule(at, me, Happening::Wake);
        }
    }

    fn note(&mut self, me: PeerKey, input: &Input) {
        self.events += 1;
        if !self.config.traced {
            return;
        }
        let text = format!("{:?} {me:?} {input:?}", self.now);
        for byte in text.bytes() {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}
