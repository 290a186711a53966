//! A virtual world for engines: lossy, delayed links, one clock, no I/O. Uplinks have a rate; what is
//! sent takes its turn. Everything is ordered, so the same seed gives the same trace.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
    sync::Arc,
    time::Duration,
};

use nearcast_core::{
    HaveMaps,
    config::Config,
    engine::Engine,
    id::{ContentKey, PeerKey, RequestId, UploadId},
    input::{Candidate, Event, Goal, Input, Join, Material, Neighbour, RunFailure, Via},
    layout::{Layout, RunIndex},
    message::{Message, Refusal},
    output::{Action, GiveUp, Output},
    random::Random,
    run_set::RunSet,
    tier::Tier,
    time::Timestamp,
};

pub(crate) const CONTENT: ContentKey = ContentKey(0);

/// How one peer of the world is made.
#[derive(Clone)]
pub(crate) struct Role {
    pub(crate) origin: bool,
    /// Holds everything from the start.
    pub(crate) seed: bool,
    /// Bytes per second sent.
    pub(crate) up: u64,
    /// When it joins.
    pub(crate) joins: Duration,
    /// Sends false data.
    pub(crate) corrupt: bool,
}

pub(crate) struct WorldConfig {
    pub(crate) seed: u64,
    pub(crate) layout: Layout,
    pub(crate) latency: Duration,
    /// Share of data answers that never arrive; the asker notices after a second.
    pub(crate) loss: f32,
    pub(crate) roles: Vec<Role>,
    pub(crate) config: Config,
    /// Everybody knows everybody from the start, else only peer 0.
    pub(crate) acquainted: bool,
}

enum Happening {
    Input(Event),
    Wake,
    /// The uplink has finished sending: (to, request, run).
    Sent,
}

struct Upload {
    to: PeerKey,
    upload: UploadId,
    run: RunIndex,
}

struct Peer {
    engine: Engine,
    role: Role,
    have: RunSet,
    joined: bool,
    alive: bool,
    queue: VecDeque<Upload>,
    sending: Option<Upload>,
    /// Requests by upload number: what the asker calls it.
    asked: BTreeMap<UploadId, RequestId>,
    next_upload: u32,
    completed: Option<Timestamp>,
    gave_up: Option<GiveUp>,
    wake_at: Option<Timestamp>,
    uploaded_runs: u64,
    turns: u64,
    served: BTreeMap<PeerKey, u64>,
}

/// Have-maps as their neighbours know them.
struct Maps<'a> {
    known: &'a BTreeMap<(PeerKey, PeerKey), RunSet>,
    me: PeerKey,
}

impl HaveMaps for Maps<'_> {
    fn have_map(&self, _: ContentKey, peer: PeerKey) -> Option<&RunSet> {
        self.known.get(&(self.me, peer))
    }
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
    /// What the first knows of the second.
    known: BTreeMap<(PeerKey, PeerKey), RunSet>,
    banned: BTreeSet<(PeerKey, PeerKey)>,
    /// FNV-1a over everything that happened.
    pub(crate) trace: u64,
    pub(crate) events: u64,
}

impl World {
    pub(crate) fn new(config: WorldConfig) -> World {
        let layout = Arc::new(config.layout.clone());
        let make = |(at, role): (usize, &Role)| Peer {
            engine: Engine::new(
                Arc::new(Config { origin: role.origin, ..config.config.clone() }),
                config.seed ^ ((at as u64 + 1) << 32),
            ),
            role: role.clone(),
            have: if role.seed { RunSet::full(layout.runs()) } else { RunSet::empty(layout.runs()) },
            joined: false,
            alive: true,
            queue: VecDeque::new(),
            sending: None,
            asked: BTreeMap::new(),
            next_upload: 0,
            completed: None,
            gave_up: None,
            wake_at: None,
            uploaded_runs: 0,
            turns: 0,
            served: BTreeMap::new(),
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
            trace: 0xcbf2_9ce4_8422_2325,
            events: 0,
            config,
        };
        for at in 0..world.peers.len() {
            let join = world.join(at);
            let joins = Timestamp::ZERO + world.peers[at].role.joins;
            world.schedule(joins, PeerKey(at as u32), Happening::Input(Event::Join(join)));
        }
        world
    }

    fn join(&self, at: usize) -> Join {
        let known = if self.config.acquainted { self.peers.len() } else { 1 };
        let others = (0..known).filter(|&other| other != at && !self.peers[at].role.seed);
        let candidate = |other| Candidate {
            peer: PeerKey(other as u32),
            near: Self::tier(at, other).into(),
            via: Via::Named,
        };
        Join {
            material: Some(Material {
                layout: self.layout.clone(),
                have: self.peers[at].have.clone(),
                wanted: None,
            }),
            candidates: others.map(candidate).collect(),
            directories: Vec::new(),
            exchange_peers: true,
            patience: Duration::from_secs(60),
            goal: Goal::Forever,
        }
    }

    /// Peers live in networks of eight.
    fn tier(a: usize, b: usize) -> Tier {
        if a / 8 == b / 8 { Tier::Prefix24 } else { Tier::Remote }
    }

    fn schedule(&mut self, at: Timestamp, peer: PeerKey, happening: Happening) {
        self.agenda.push(Reverse((at, self.next)));
        self.pending.insert(self.next, (peer, happening));
        self.next += 1;
    }

    fn deliver(&mut self, peer: PeerKey, event: Event) {
        // Up to half again as late, in any order: control messages of one link must not overtake each other.
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
            Happening::Sent => self.finish_sending(key),
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

    /// What a shell does before its engine hears of something: joins, have-maps, answers.
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
                            near: Self::tier(at, peer.0 as usize).into(),
                            via: Via::Exchange,
                        };
                        let others = peers.into_iter().filter(|&peer| peer != me);
                        let candidates = others.map(candidate).collect();
                        return Some(Event::Discovered { query: None, candidates });
                    }
                    other => other,
                };
                Some(Event::Message { peer, message })
            }
            Event::RunStored { peer, request, run } => {
                self.peers[at].have.insert(run);
                Some(Event::RunStored { peer, request, run })
            }
            other => Some(other),
        }
    }

    fn handle(&mut self, me: PeerKey, input: Input) {
        self.note(me, &input);
        let mut outputs = Vec::new();
        let maps = Maps { known: &self.known, me };
        self.peers[me.0 as usize].engine.handle(self.now, input, &maps, &mut outputs);
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
        let text = format!("{:?} {me:?} {input:?}", self.now);
        for byte in text.bytes() {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn act(&mut self, me: PeerKey, action: Action) {
        match action {
            Action::Dial { peer } => self.dial(me, peer),
            Action::Unlink { peer, .. } => self.unlink(me, peer),
            Action::Send { peer, message } if self.linked(me, peer) => {
                self.deliver(peer, Event::Message { peer: me, message });
            }
            Action::Request { peer, request, run } => self.request(me, peer, request, run),
            Action::Cancel { peer, request } => {
                let server = &mut self.peers[peer.0 as usize];
                let asked = &server.asked;
                let named = |upload: &Upload| upload.to == me && asked.get(&upload.upload) == Some(&request);
                if let Some(at) = server.queue.iter().position(named)
                    && let Some(Upload { run, .. }) = server.queue.remove(at)
                {
                    self.deliver(peer, Event::UploadEnded { peer: me, run, bytes: 0 });
                }
            }
            Action::Serve { peer, upload, run } => {
                self.peers[me.0 as usize].queue.push_back(Upload { to: peer, upload, run });
                self.start_sending(me);
            }
            Action::Refuse { peer, upload, why } => {
                let Some(request) = self.peers[me.0 as usize].asked.remove(&upload) else { return };
                let cause = RunFailure::Refused(why);
                self.deliver(peer, Event::RunFailed { peer: me, request, cause });
            }
            Action::Completed => {
                let now = self.now;
                self.peers[me.0 as usize].completed.get_or_insert(now);
            }
            Action::GaveUp(why) => self.peers[me.0 as usize].gave_up = Some(why),
            Action::Send { .. }
            | Action::Ask { .. }
            | Action::Withdraw { .. }
            | Action::FetchManifest { .. }
            | Action::GoalReached => {}
        }
    }

    fn linked(&self, a: PeerKey, b: PeerKey) -> bool {
        self.links.contains(&(a.min(b), a.max(b)))
    }

    fn dial(&mut self, me: PeerKey, peer: PeerKey) {
        let other = &self.peers[peer.0 as usize];
        let barred = self.banned.contains(&(peer, me)) || self.banned.contains(&(me, peer));
        if !other.joined || !other.alive || barred {
            return self.deliver(me, Event::DialFailed { peer });
        }
        if self.linked(me, peer) {
            return;
        }
        self.links.insert((me.min(peer), me.max(peer)));
        for (a, b) in [(me, peer), (peer, me)] {
            let map = self.peers[b.0 as usize].have.clone();
            self.known.insert((a, b), map);
            let about = Neighbour {
                near: Self::tier(a.0 as usize, b.0 as usize).into(),
                origin: self.peers[b.0 as usize].role.origin,
                directory: false,
                manifest: true,
                web_seed: false,
            };
            self.deliver(a, Event::Linked { peer: b, about });
        }
    }

    fn unlink(&mut self, me: PeerKey, peer: PeerKey) {
        if self.links.remove(&(me.min(peer), me.max(peer))) {
            for (a, b) in [(me, peer), (peer, me)] {
                let server = &mut self.peers[a.0 as usize];
                let queue = std::mem::take(&mut server.queue);
                let (dropped, kept): (VecDeque<Upload>, _) =
                    queue.into_iter().partition(|upload| upload.to == b);
                server.queue = kept;
                for Upload { run, .. } in dropped {
                    self.deliver(a, Event::UploadEnded { peer: b, run, bytes: 0 });
                }
                self.deliver(a, Event::Unlinked { peer: b });
            }
        }
    }

    fn ban(&mut self, me: PeerKey, peer: PeerKey) {
        self.banned.insert((me, peer));
        self.unlink(me, peer);
    }

    fn request(&mut self, me: PeerKey, peer: PeerKey, request: RequestId, run: RunIndex) {
        if !self.linked(me, peer) || !self.peers[peer.0 as usize].alive {
            return self.deliver(me, Event::RunFailed { peer, request, cause: RunFailure::Silent });
        }
        let server = &mut self.peers[peer.0 as usize];
        let upload = UploadId(server.next_upload);
        server.next_upload += 1;
        server.asked.insert(upload, request);
        self.deliver(peer, Event::RunWanted { peer: me, upload, run });
    }

    fn start_sending(&mut self, me: PeerKey) {
        let peer = &mut self.peers[me.0 as usize];
        if peer.sending.is_some() {
            return;
        }
        // Fair turns: the asker who was served longest ago goes first.
        let last = |upload: &Upload| peer.served.get(&upload.to).copied().unwrap_or(0);
        let next = (0..peer.queue.len()).min_by_key(|&at| last(&peer.queue[at]));
        let Some(upload) = next.and_then(|at| peer.queue.remove(at)) else { return };
        peer.turns += 1;
        peer.served.insert(upload.to, peer.turns);
        let bytes = u64::from(self.layout.run_length(upload.run));
        let time = Duration::from_nanos(bytes * 1_000_000_000 / peer.role.up);
        peer.sending = Some(upload);
        self.schedule(self.now + time, me, Happening::Sent);
    }

    fn finish_sending(&mut self, me: PeerKey) {
        let peer = &mut self.peers[me.0 as usize];
        let Some(Upload { to, upload, run }) = peer.sending.take() else { return };
        peer.uploaded_runs += 1;
        let corrupt = peer.role.corrupt;
        if let Some(request) = peer.asked.remove(&upload)
            && self.linked(me, to)
        {
            let bytes = self.layout.run_length(run);
            if self.random.unit() < self.config.loss {
                let at = self.now + Duration::from_secs(1);
                let cause = RunFailure::Refused(Refusal::Busy);
                self.schedule(at, to, Happening::Input(Event::RunFailed { peer: me, request, cause }));
            } else if corrupt {
                let cause = RunFailure::Corrupt { bytes };
                self.deliver(to, Event::RunFailed { peer: me, request, cause });
            } else {
                self.deliver(to, Event::RunStored { peer: me, request, run });
            }
            self.handle(
                me,
                Input::Event { content: CONTENT, event: Event::UploadEnded { peer: to, run, bytes } },
            );
        }
        self.start_sending(me);
    }

    /// A peer's machine loses power.
    pub(crate) fn kill(&mut self, key: u32) {
        let key = PeerKey(key);
        self.peers[key.0 as usize].alive = false;
        let partners: Vec<PeerKey> = (0..self.peers.len() as u32).map(PeerKey).collect();
        partners.into_iter().for_each(|other| self.unlink(key, other));
    }

    pub(crate) fn completed(&self, key: u32) -> Option<Timestamp> {
        self.peers[key as usize].completed
    }

    pub(crate) fn gave_up(&self, key: u32) -> Option<GiveUp> {
        self.peers[key as usize].gave_up
    }

    pub(crate) fn engine(&self, key: u32) -> &Engine {
        &self.peers[key as usize].engine
    }

    pub(crate) fn have(&self, key: u32) -> &RunSet {
        &self.peers[key as usize].have
    }

    /// Whether `a` banned `b`.
    pub(crate) fn has_banned(&self, a: u32, b: u32) -> bool {
        self.banned.contains(&(PeerKey(a), PeerKey(b)))
    }

    /// How often the whole content left a peer.
    pub(crate) fn copies(&self, key: u32) -> f64 {
        self.peers[key as usize].uploaded_runs as f64 / f64::from(self.layout.runs())
    }

    /// Checks what must hold at any moment.
    pub(crate) fn check(&self) {
        for peer in &self.peers {
            let Some(swarm) = peer.engine.swarm(CONTENT) else { continue };
            let Some(have) = swarm.have() else { continue };
            assert_eq!(have, &peer.have, "the engine knows what its shell stored");
            assert_eq!(swarm.is_complete(), have.is_full());
        }
    }
}

pub(crate) fn leecher(up: u64) -> Role {
    Role { origin: false, seed: false, up, joins: Duration::ZERO, corrupt: false }
}

pub(crate) fn origin(up: u64) -> Role {
    Role { origin: true, seed: true, ..leecher(up) }
}
