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
    asn::Asn,
    config::Config,
    engine::Engine,
    id::{ContentKey, PeerKey, QueryId, RequestId, UploadId},
    input::{Candidate, Event, Goal, Input, Join, Material, Neighbour, RunFailure, Via},
    layout::{Layout, RunIndex},
    locality::Locality,
    message::{Message, Refusal},
    output::{Action, GiveUp, Output},
    random::Random,
    run_set::RunSet,
    tier::{Near, Proximity, Tier},
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
    /// Where it is: 0 = nobody knows, as if there were no atlas.
    pub(crate) asn: u32,
    /// The local network in its AS; 0 = alone.
    pub(crate) lan: u32,
    /// Announces that it imports everything, again and again, and never brings anything.
    pub(crate) boasts: bool,
    /// Says that it is an origin, and is none.
    pub(crate) poses: bool,
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
    /// Peer 0 is a directory: it names fifty members, most of them of the asker's AS, and counts those. Nobody knows
    /// anybody else from the start then.
    pub(crate) directory: bool,
    /// Everything that happens is hashed. Large worlds do without.
    pub(crate) traced: bool,
}

enum Happening {
    Input(Event),
    Wake,
    /// Time to boast.
    Boast,
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
    peers: &'a [Whereabouts],
    me: PeerKey,
}

/// Where a peer is: its AS, and the local network in it.
type Whereabouts = (u32, u32);

impl HaveMaps for Maps<'_> {
    fn have_map(&self, _: ContentKey, peer: PeerKey) -> Option<&RunSet> {
        self.known.get(&(self.me, peer))
    }

    fn near(&self, peer: PeerKey) -> Option<Near> {
        Some(near(self.peers, self.me.0 as usize, peer.0 as usize))
    }
}

/// Without ASes, peers live in networks of eight.
fn near(peers: &[Whereabouts], a: usize, b: usize) -> Near {
    let ((our_as, our_lan), (their_as, their_lan)) = (peers[a], peers[b]);
    let asn = Some(Asn(their_as)).filter(|asn| asn.0 != 0);
    let tier = match () {
        () if our_as == 0 || their_as == 0 => {
            return if a / 8 == b / 8 { Tier::Prefix24 } else { Tier::Remote }.into();
        }
        () if our_as != their_as => return Near { proximity: Proximity::remote(Some(2)), asn },
        () if our_lan == their_lan && our_lan != 0 => Tier::Lan,
        () => Tier::SameAs,
    };
    Near { proximity: tier.into(), asn }
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
    whereabouts: Vec<Whereabouts>,
    announced: BTreeSet<PeerKey>,
    /// FNV-1a over everything that happened.
    pub(crate) trace: u64,
    pub(crate) events: u64,
    /// Messages in which somebody said what it imports.
    pub(crate) announcements: u64,
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
            whereabouts: config.roles.iter().map(|role| (role.asn, role.lan)).collect(),
            announced: BTreeSet::new(),
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
            if world.peers[at].role.boasts {
                world.schedule(joins, PeerKey(at as u32), Happening::Boast);
            }
        }
        world
    }

    fn locate(&mut self, me: PeerKey) {
        let asn = Some(Asn(self.peers[me.0 as usize].role.asn)).filter(|asn| asn.0 != 0);
        if asn.is_some() {
            let tag = self.maps(me).tag(me);
            self.handle(me, Input::Located(Locality { asn, tag }));
        }
    }

    fn maps(&self, me: PeerKey) -> Maps<'_> {
        Maps { known: &self.known, peers: &self.whereabouts, me }
    }

    fn join(&self, at: usize) -> Join {
        let known = match (self.config.directory, self.config.acquainted) {
            (true, _) => 0,
            (false, true) => self.peers.len(),
            (false, false) => 1,
        };
        let others = (0..known).filter(|&other| other != at && !self.peers[at].role.seed);
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
            exchange_peers: true,
            patience: Duration::from_secs(60),
            goal: Goal::Forever,
        }
    }

    fn near(&self, a: usize, b: usize) -> Near {
        near(&self.whereabouts, a, b)
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
            Happening::Boast => self.boast(key),
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
                            near: self.near(at, peer.0 as usize),
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
        let maps = Maps { known: &self.known, peers: &self.whereabouts, me };
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
        if !self.config.traced {
            return;
        }
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
                self.announcements += u64::from(matches!(message, Message::Importing(_)));
                self.deliver(peer, Event::Message { peer: me, message });
            }
            Action::Request { .. } if self.peers[me.0 as usize].role.boasts => {}
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
            Action::Ask { query, wanted, .. } => self.answer(me, query, wanted),
            Action::Send { .. }
            | Action::Withdraw { .. }
            | Action::FetchManifest { .. }
            | Action::GoalReached => {}
        }
    }

    /// The directory answers: most of them near, a fifth at random, as the real one does.
    fn answer(&mut self, me: PeerKey, query: QueryId, wanted: u16) {
        let asn = self.peers[me.0 as usize].role.asn;
        let mut others: Vec<PeerKey> = self.announced.iter().copied().filter(|&peer| peer != me).collect();
        self.announced.insert(me);
        for at in (1..others.len()).rev() {
            others.swap(at, self.random.below(at as u32 + 1) as usize);
        }
        let wanted = usize::from(wanted.min(50));
        let tail = others.split_off(others.len() * 4 / 5);
        let inside = |peer: &PeerKey| self.peers[peer.0 as usize].role.asn == asn;
        others.sort_by_key(|peer| !inside(peer));
        others.truncate(wanted * 4 / 5);
        others.extend(tail.into_iter().take(wanted - others.len()));
        others.push(PeerKey(0));
        let candidate = |peer: PeerKey| Candidate {
            peer,
            near: self.near(me.0 as usize, peer.0 as usize),
            via: Via::Directory,
        };
        let candidates = others.into_iter().map(candidate).collect();
        let members = self.announced.iter().filter(|peer| inside(peer)).count() as u32;
        if asn != 0 {
            self.deliver(me, Event::Counted { members: members.into() });
        }
        self.deliver(me, Event::Discovered { query: Some(query), candidates });
    }

    /// Every half second a liar tells its neighbours that it imports all there is.
    fn boast(&mut self, me: PeerKey) {
        let others: Vec<PeerKey> =
            (0..self.peers.len() as u32).map(PeerKey).filter(|&other| self.linked(me, other)).collect();
        let runs: Vec<RunIndex> = RunSet::full(self.layout.runs()).iter().collect();
        for peer in others {
            self.deliver(peer, Event::Message { peer: me, message: Message::Importing(runs.clone()) });
        }
        self.schedule(self.now + Duration::from_millis(500), me, Happening::Boast);
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
                near: self.near(a.0 as usize, b.0 as usize),
                origin: self.peers[b.0 as usize].role.origin || self.peers[b.0 as usize].role.poses,
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

    /// Members of an AS, the origin apart.
    pub(crate) fn members(&self, asn: u32) -> Vec<u32> {
        let is_member = |peer: &u32| {
            let role = &self.peers[*peer as usize].role;
            role.asn == asn && !role.origin
        };
        (0..self.peers.len() as u32).filter(is_member).collect()
    }

    /// How often the whole content came into an AS.
    pub(crate) fn imports(&self, asn: u32) -> f64 {
        let imported =
            |peer: u32| self.engine(peer).swarm(CONTENT).map_or(0, |swarm| swarm.traffic().imported);
        let bytes: u64 = self.members(asn).into_iter().map(imported).sum();
        bytes as f64 / self.layout.bytes() as f64
    }

    /// When the last member of an AS was done, in seconds.
    pub(crate) fn finished(&self, asn: u32) -> f64 {
        let done =
            |peer: u32| self.completed(peer).unwrap_or_else(|| panic!("peer {peer} of AS {asn} is not done"));
        let last = self.members(asn).into_iter().map(done).max().expect("somebody is in it");
        last.since(Timestamp::ZERO).as_secs_f64()
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
    Role {
        origin: false,
        seed: false,
        up,
        joins: Duration::ZERO,
        corrupt: false,
        asn: 0,
        lan: 0,
        boasts: false,
        poses: false,
    }
}

pub(crate) fn origin(up: u64) -> Role {
    Role { origin: true, seed: true, ..leecher(up) }
}
