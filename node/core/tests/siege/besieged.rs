//! One engine that downloads, and scripted neighbours: honest ones that send at a fixed rate, and
//! liars. There is no world around them: what a liar does costs only what the engine lets it cost.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
    time::Duration,
};

use nearcast_core::{
    Location, View,
    asn::Asn,
    config::Config,
    engine::Engine,
    held::Held,
    id::{ContentKey, PeerKey, RequestId},
    input::{Event, Goal, Input, Join, Material, Neighbour, RunFailure},
    layout::{Layout, RunIndex},
    locality::Locality,
    message::{Message, Refusal},
    output::{Action, GiveUp, Output},
    run_set::RunSet,
    tier::{Near, Tier},
    time::Timestamp,
};

const CONTENT: ContentKey = ContentKey(0);
pub(crate) const RUN_BYTES: u64 = 256 << 10;
/// Both ways.
const ROUND_TRIP: Duration = Duration::from_millis(20);
/// A liar that was sent away comes back under another name after this time.
const RETURNS_AFTER: Duration = Duration::from_millis(20);

/// What a neighbour does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answers {
    /// Sends the runs asked for, one after another, at this rate in bytes a second.
    Well(u64),
    /// Refuses the request.
    Refuses(Refusal),
    /// Sends the run that came last, if the engine still holds it, after this extra delay.
    Repeats(Duration),
    /// Sends the right run and the last one by turns.
    HalfRepeats,
    /// Sends all runs one after the other at this rate, in bytes a second, whatever the engine asks
    /// for and holds, unless the request is exact. An honest origin does that if it hears late what
    /// we have.
    InItsOrder(u64),
    /// Sends false data.
    Falsely,
    /// Sends well this many times, and from then on every run without its last byte.
    BreaksOff(u32),
    /// Waits until the engine cancels the request, and sends the run then.
    TooLate,
    /// Does nothing.
    Never,
}

/// What a neighbour does of its own accord, again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Restless {
    No,
    /// Never unchokes.
    Hoards,
    /// Chokes and unchokes by turns, after each such pause.
    Chokes(Duration),
    /// Says by turns that it has nothing and everything, after each such pause.
    Forgets(Duration),
}

/// How one neighbour behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    pub(crate) answers: Answers,
    pub(crate) restless: Restless,
    /// The neighbour says that it is an origin.
    pub(crate) origin: bool,
    /// `Some`: comes back under a fresh name when it is sent away. If not zero, it also leaves and
    /// comes back at this interval. `None`: never comes back.
    pub(crate) returns: Option<Duration>,
    /// The neighbour is in our AS; other neighbours are in another AS.
    pub(crate) inside: bool,
    /// The address that the neighbour comes from.
    pub(crate) host: u64,
    /// When the neighbour comes first.
    pub(crate) after: Duration,
}

pub(crate) fn honest(rate: u64) -> Role {
    let (answers, restless) = (Answers::Well(rate), Restless::No);
    Role { answers, restless, origin: false, returns: None, inside: false, host: 1, after: Duration::ZERO }
}

pub(crate) fn origin(rate: u64) -> Role {
    Role { origin: true, ..honest(rate) }
}

pub(crate) fn liar(answers: Answers) -> Role {
    Role { answers, host: 66, ..honest(1) }
}

#[derive(Debug)]
enum Due {
    Link(PeerKey),
    Tell(PeerKey, Message),
    Answer(PeerKey, RequestId, Option<RunIndex>, RunFailure),
    Restless(PeerKey),
    Return(PeerKey),
    Come(Role),
    Woken,
}

#[derive(Default)]
struct Seen {
    maps: BTreeMap<PeerKey, RunSet>,
    hosts: BTreeMap<PeerKey, u64>,
}

impl View for Seen {
    fn held(&self, _: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
        self.maps.get(&peer).map(Held::from)
    }

    fn location(&self, peer: PeerKey) -> Location {
        Location { host: self.hosts.get(&peer).copied(), ..Location::unknown(peer) }
    }

    fn is_connected(&self, _: PeerKey) -> bool {
        false
    }

    fn is_web_seed(&self, _: PeerKey) -> bool {
        false
    }
}

struct Peer {
    role: Role,
    linked: bool,
    /// When its uplink is free again.
    busy: Timestamp,
    /// How many requests it heard, and how often it changed its mind.
    turn: u32,
    moods: u32,
    /// The run asked for, and whether no other run will do.
    open: BTreeMap<RequestId, (RunIndex, bool)>,
}

pub(crate) struct Besieged {
    now: Timestamp,
    engine: Engine,
    layout: Arc<Layout>,
    view: Seen,
    peers: BTreeMap<PeerKey, Peer>,
    agenda: BinaryHeap<Reverse<(Timestamp, u64)>>,
    due: BTreeMap<u64, Due>,
    next: u64,
    next_name: u32,
    wakes_at: Option<Timestamp>,
    have: RunSet,
    /// The last run that came.
    last: Option<RunIndex>,
    pub(crate) completed: Option<Duration>,
    pub(crate) gave_up: Option<GiveUp>,
    pub(crate) banned: u32,
    /// Bytes of payload that liars sent, including false runs.
    pub(crate) sent_by_liars: u64,
}

/// Downloads this many runs from these neighbours with this patience. Stops after ten minutes at
/// most.
pub(crate) fn besiege(runs: u64, patience: Duration, roles: &[Role]) -> Besieged {
    let layout = Arc::new(Layout::new(RUN_BYTES, [runs * RUN_BYTES]).expect("a valid layout"));
    let have = RunSet::empty(layout.runs());
    let mut siege = Besieged {
        now: Timestamp::ZERO,
        engine: Engine::new(Arc::new(Config::default()), 7),
        layout: layout.clone(),
        view: Seen::default(),
        peers: BTreeMap::new(),
        agenda: BinaryHeap::new(),
        due: BTreeMap::new(),
        next: 0,
        next_name: 0,
        wakes_at: None,
        have: have.clone(),
        last: None,
        completed: None,
        gave_up: None,
        banned: 0,
        sent_by_liars: 0,
    };
    if roles.iter().any(|role| role.inside) {
        siege.handle(Input::Located(Locality { asn: Some(Asn(1)), tag: 7 }));
    }
    let join = Join {
        material: Some(Material { layout, have, wanted: None }),
        candidates: Vec::new(),
        directories: Vec::new(),
        may_be_found: true,
        exchange_peers: false,
        patience,
        goal: Goal::Forever,
        paused: false,
    };
    siege.event(Event::Join(join));
    roles.iter().for_each(|&role| siege.schedule(role.after, Due::Come(role)));
    siege.run(Duration::from_secs(600));
    siege
}

impl Besieged {
    pub(crate) fn wasted(&self) -> u64 {
        self.engine.swarm(CONTENT).expect("it joined").wasted()
    }

    /// How long the siege lasted.
    pub(crate) fn ended(&self) -> Duration {
        self.now.since(Timestamp::ZERO)
    }

    pub(crate) fn held(&self) -> u32 {
        self.have.count()
    }

    fn come(&mut self, role: Role) {
        let peer = PeerKey(self.next_name);
        self.next_name += 1;
        self.view.hosts.insert(peer, role.host);
        let fresh =
            Peer { role, linked: false, busy: Timestamp::ZERO, turn: 0, moods: 0, open: BTreeMap::new() };
        self.peers.insert(peer, fresh);
        self.schedule(ROUND_TRIP / 2, Due::Link(peer));
        if let Some(after) = role.returns.filter(|after| !after.is_zero()) {
            self.schedule(after, Due::Return(peer));
        }
    }

    fn schedule(&mut self, after: Duration, due: Due) {
        self.agenda.push(Reverse((self.now + after, self.next)));
        self.due.insert(self.next, due);
        self.next += 1;
    }

    fn run(&mut self, end: Duration) {
        while self.completed.is_none() && self.gave_up.is_none() {
            let Some(Reverse((at, number))) = self.agenda.pop() else { return };
            if at > Timestamp::ZERO + end {
                return;
            }
            self.now = at;
            if let Some(due) = self.due.remove(&number) {
                self.happen(due);
            }
        }
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Woken if self.wakes_at != Some(self.now) => {}
            Due::Woken => {
                self.wakes_at = None;
                self.handle(Input::Woken);
            }
            Due::Come(role) => self.come(role),
            Due::Link(peer) => self.link(peer),
            Due::Tell(peer, message) => self.tell(peer, message),
            Due::Answer(peer, request, run, cause) => self.answer(peer, request, run, cause),
            Due::Restless(peer) => self.restless(peer),
            Due::Return(peer) => self.unlink(peer, true),
        }
    }

    fn link(&mut self, peer: PeerKey) {
        let Some(it) = self.peers.get_mut(&peer) else { return };
        it.linked = true;
        let role = it.role;
        self.view.maps.insert(peer, RunSet::full(self.layout.runs()));
        let asn = Some(Asn(if role.inside { 1 } else { 2 }));
        let tier: Near = if role.inside { Tier::SameAs } else { Tier::Remote }.into();
        let about = Neighbour {
            near: Near { asn, ..tier },
            origin: role.origin,
            directory: false,
            manifest: true,
            web_seed: false,
        };
        self.event(Event::Linked { peer, about });
        match role.restless {
            Restless::Hoards => {}
            Restless::No => self.schedule(ROUND_TRIP / 2, Due::Tell(peer, Message::Unchoke)),
            Restless::Chokes(pause) | Restless::Forgets(pause) => {
                self.schedule(ROUND_TRIP / 2, Due::Tell(peer, Message::Unchoke));
                self.schedule(pause, Due::Restless(peer));
            }
        }
    }

    fn restless(&mut self, peer: PeerKey) {
        let Some(it) = self.peers.get_mut(&peer).filter(|it| it.linked) else { return };
        it.moods += 1;
        let odd = it.moods % 2 == 1;
        let all = || RunSet::full(self.layout.runs()).iter().collect::<Vec<RunIndex>>();
        let (pause, message) = match (it.role.restless, odd) {
            (Restless::Chokes(pause), true) => (pause, Message::Choke),
            (Restless::Chokes(pause), false) => (pause, Message::Unchoke),
            (Restless::Forgets(pause), true) => (pause, Message::Lost(all())),
            (Restless::Forgets(pause), false) => (pause, Message::Have(all())),
            (Restless::No | Restless::Hoards, _) => return,
        };
        self.tell(peer, message);
        self.schedule(pause, Due::Restless(peer));
    }

    fn tell(&mut self, peer: PeerKey, message: Message) {
        let Some(map) = self.view.maps.get_mut(&peer) else { return };
        let mut message = message;
        // As a shell does: the engine hears only what is new.
        match &mut message {
            Message::Have(runs) => runs.retain(|&run| map.insert(run)),
            Message::Lost(runs) => runs.retain(|&run| map.remove(run)),
            _ => {}
        }
        self.event(Event::Message { peer, message });
    }

    fn answer(&mut self, peer: PeerKey, request: RequestId, run: Option<RunIndex>, cause: RunFailure) {
        let Some(it) = self.peers.get_mut(&peer).filter(|it| it.linked) else { return };
        let Some((asked, exact)) = it.open.remove(&request) else { return };
        // Refused at its header, as a shell does.
        let (run, cause) = match run {
            Some(run) if run != asked && (exact || !it.role.origin) => (None, RunFailure::Unasked),
            run => (run, cause),
        };
        let is_liar = !matches!(it.role.answers, Answers::Well(_) | Answers::InItsOrder(_));
        match run {
            Some(run) => {
                self.sent_by_liars += if is_liar { RUN_BYTES } else { 0 };
                self.have.insert(run);
                self.last = Some(run);
                self.event(Event::RunStored { peer, request, run });
            }
            None => {
                let is_payload = matches!(cause, RunFailure::Corrupt { .. } | RunFailure::BrokenOff { .. });
                self.sent_by_liars += if is_payload { RUN_BYTES } else { 0 };
                self.event(Event::RunFailed { peer, request, cause });
            }
        }
    }

    fn asked(&mut self, peer: PeerKey, request: RequestId, (run, exact): (RunIndex, bool)) {
        let (now, held) = (self.now, self.last.filter(|&run| self.have.contains(run)));
        let Some(it) = self.peers.get_mut(&peer).filter(|it| it.linked) else { return };
        it.open.insert(request, (run, exact));
        it.turn += 1;
        let no = RunFailure::Refused(Refusal::Busy);
        let (after, run, cause) = match it.role.answers {
            Answers::Well(rate) => {
                it.busy = it.busy.max(now) + Duration::from_nanos(RUN_BYTES * 1_000_000_000 / rate);
                (it.busy.since(now) + ROUND_TRIP, Some(run), no)
            }
            Answers::InItsOrder(rate) => {
                let next = self.layout.run_index(it.turn - 1).filter(|_| !exact).unwrap_or(run);
                it.busy = it.busy.max(now) + Duration::from_nanos(RUN_BYTES * 1_000_000_000 / rate);
                (it.busy.since(now) + ROUND_TRIP, Some(next), no)
            }
            Answers::Refuses(why) => (ROUND_TRIP, None, RunFailure::Refused(why)),
            Answers::Repeats(after) => (ROUND_TRIP + after, held.or(Some(run)), no),
            Answers::HalfRepeats => (ROUND_TRIP, held.filter(|_| it.turn % 2 == 0).or(Some(run)), no),
            Answers::BreaksOff(good) if it.turn <= good => (ROUND_TRIP, Some(run), no),
            Answers::BreaksOff(_) => {
                (ROUND_TRIP, None, RunFailure::BrokenOff { bytes: RUN_BYTES as u32 - 1 })
            }
            Answers::Falsely => (ROUND_TRIP, None, RunFailure::Corrupt { bytes: RUN_BYTES as u32 }),
            Answers::TooLate | Answers::Never => return,
        };
        self.schedule(after, Due::Answer(peer, request, run, cause));
    }

    fn cancelled(&mut self, peer: PeerKey, request: RequestId) {
        let Some(it) = self.peers.get(&peer) else { return };
        let Some(&(run, _)) = it.open.get(&request) else { return };
        let no = RunFailure::Refused(Refusal::Busy);
        match it.role.answers {
            Answers::TooLate => self.schedule(ROUND_TRIP, Due::Answer(peer, request, Some(run), no)),
            Answers::Never => {}
            // An answer that is already on its way still comes.
            _ => {}
        }
    }

    /// The link ends. A liar may come back under another name.
    fn unlink(&mut self, peer: PeerKey, by_itself: bool) {
        let Some(it) = self.peers.remove(&peer) else { return };
        if by_itself && it.linked {
            self.event(Event::Unlinked { peer });
        }
        self.view.maps.remove(&peer);
        if it.role.returns.is_some() {
            self.schedule(RETURNS_AFTER, Due::Come(it.role));
        }
    }

    fn event(&mut self, event: Event) {
        self.handle(Input::Event { content: CONTENT, event });
    }

    fn handle(&mut self, input: Input) {
        let mut outputs = Vec::new();
        self.engine.handle(self.now, input, &self.view, &mut outputs);
        self.engine.check(&self.view);
        for output in outputs {
            match output {
                Output::Ban { peer } => {
                    self.banned += 1;
                    self.unlink(peer, false);
                }
                Output::Action { action, .. } => self.act(&action),
            }
        }
        if let Some((at, _)) = self.engine.poll_timeout()
            && self.wakes_at.is_none_or(|pending| at < pending)
        {
            let at = at.max(self.now);
            self.wakes_at = Some(at);
            self.schedule(at.since(self.now), Due::Woken);
        }
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Request { peer, request, run, exact, .. } => self.asked(peer, request, (run, exact)),
            Action::Cancel { peer, request } => self.cancelled(peer, request),
            Action::Unlink { peer, .. } => self.unlink(peer, false),
            Action::Completed => self.completed = Some(self.now.since(Timestamp::ZERO)),
            Action::GaveUp(why) => self.gave_up = Some(why),
            _ => {}
        }
    }
}
