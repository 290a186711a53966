//! A virtual world around one real engine: honest sources whose uplinks send one run after another,
//! and byzantine neighbours that do whatever their story says. Everything in it depends on the
//! story only.

mod links;
mod mischief;
mod sources;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use nearcast_core::{
    asn::Asn,
    config::{Config, FindingConfig, LinkConfig, UploadConfig},
    id::{ContentKey, PeerKey, RequestId},
    input::{Event, Goal, Input, Join, Via},
    layout::RunIndex,
    locality::Locality,
    message::Message,
    output::{Action, GiveUp},
    run_set::RunSet,
    tier::{Near, Proximity, Tier},
    time::Timestamp,
};

use self::sources::Honest;
use super::{
    agenda::{Agenda, Happening},
    script::{Place, Source, Story},
    whereabouts::Whereabouts,
};
use crate::shell::Shell;

const CONTENT: ContentKey = ContentKey(0);
/// Runs of the content. At half a second per run a download takes twenty seconds, so the core's own
/// waits are short beside it.
pub(crate) const RUNS: u64 = 40;
const RUN_TIME: Duration = Duration::from_millis(500);
/// One way.
const LATENCY: Duration = Duration::from_millis(20);
/// How long a neighbour may leave a request unanswered before the node gives up the link.
const STALL: Duration = Duration::from_secs(20);
/// After this time a directory's answer has failed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// When we hear of late sources.
const LATE: Duration = Duration::from_secs(1);
/// Deeds in all: the story repeats until the download ends or this many deeds are done.
const DEEDS_MAX: u32 = 3_000;

const OUR_AS: Asn = Asn(1);
const THEIR_AS: Asn = Asn(2);
/// The peer that names the late sources, once. The user did not name it, so its word counts no more
/// than another's.
const HONEST_DIRECTORY: PeerKey = PeerKey(100);
/// Keys of byzantine neighbours: a million per slot, a thousand per address the neighbour had
/// before, and one per name.
const BYZANTINE: u32 = 1_000_000;
const NAMES_MAX: u32 = 1_000;
/// Sources that do not stay go at `GONE`; those that come back do so at `BACK`, a second later.
const GONE: Duration = Duration::from_secs(4);
const BACK: Duration = Duration::from_secs(5);
/// How long the download's patience lasts.
const PATIENCE: Duration = Duration::from_secs(60);
/// A download without new runs has ended after this: patience, the five minutes for which signs of
/// life count, and a margin.
const GIVES_UP_AFTER: Duration = Duration::from_secs(60 + 300 + 30);

fn config() -> Config {
    Config {
        links: LinkConfig { wanted: 4, most: 8, ..Config::default().links },
        finding: FindingConfig { dials_in_flight_max: 3, candidates_max: 12, ..Config::default().finding },
        upload: UploadConfig {
            slots: 3,
            optimistic_slots: 1,
            slots_total: 4,
            queued_max: 8,
            ..Config::default().upload
        },
        ..Config::default()
    }
}

/// The state of one byzantine neighbour.
#[derive(Default)]
struct Slot {
    /// How often it took another name, and how often another address.
    generation: u32,
    moves: u32,
    /// It takes another name or another address when it links the next time.
    renames: bool,
    moving: bool,
    /// The last request that it answered.
    answered: Option<(RequestId, RunIndex)>,
    /// Requests that it has not answered, also cancelled ones: the run, and whether no other run
    /// will do.
    due: BTreeMap<RequestId, (RunIndex, bool)>,
    /// Requests whose runs it began to send.
    begun: BTreeSet<(PeerKey, RequestId)>,
    asked: u32,
    /// When its last answer is sent, if it answers one request after another.
    free: Option<Timestamp>,
    /// How often it linked.
    links: u32,
}

/// How a download went.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// When everything was there. `None`: never.
    pub(crate) took: Option<Duration>,
    pub(crate) gave_up: Option<GiveUp>,
    pub(crate) wasted: u64,
    pub(crate) heap_bytes: usize,
    /// Whether an honest source was banned.
    pub(crate) banned_honest: bool,
    /// How often byzantine neighbours linked.
    pub(crate) names: u32,
    /// Something that no neighbour may get the engine to do, and one did.
    pub(crate) breach: Option<String>,
    /// Something that a neighbour got too much of.
    pub(crate) excess: Option<String>,
}

pub(crate) struct World<'a> {
    story: &'a Story,
    shell: Shell,
    agenda: Agenda,
    whereabouts: Whereabouts,
    sources: Vec<Honest>,
    slots: Vec<Slot>,
    /// When we last asked each neighbour.
    asked_at: BTreeMap<PeerKey, Timestamp>,
    deeds: u32,
    names: u32,
    gave_up: Option<GiveUp>,
    completed: Option<Timestamp>,
    /// Runs that each byzantine name gave, and runs of it that were thrown away.
    gave: BTreeMap<PeerKey, u32>,
    false_runs: BTreeMap<PeerKey, u32>,
    /// When each banned peer was banned, and the answers that were on their way then.
    under_way: BTreeMap<PeerKey, (Timestamp, Vec<RequestId>)>,
    breach: Option<String>,
}

impl<'a> World<'a> {
    pub(crate) fn new(story: &'a Story) -> World<'a> {
        let mut shell = Shell::new(config(), story.seed, RUNS);
        shell.journal = Some(Vec::new());
        let (all, even, odd) = (shell.set(u16::MAX), shell.set(0x5555), shell.set(0xaaaa));
        let maps = match story.scene.source {
            Source::Origin => vec![(all, true)],
            Source::Peer => vec![(all, false)],
            Source::Halves => vec![(even, false), (odd, false)],
            Source::OriginAndHalf => vec![(all, true), (even, false)],
        };
        // Together the sources are as fast as one.
        let run_time = RUN_TIME * maps.len() as u32;
        let source = |(at, (map, origin)): (usize, (RunSet, bool))| Honest {
            peer: PeerKey(at as u32 + 1),
            origin,
            map,
            queue: VecDeque::new(),
            sending: false,
            run_time,
            up: true,
        };
        World {
            story,
            shell,
            agenda: Agenda::default(),
            whereabouts: Whereabouts::new(),
            sources: maps.into_iter().enumerate().map(source).collect(),
            slots: story.habits.iter().map(|_| Slot::default()).collect(),
            asked_at: BTreeMap::new(),
            deeds: 0,
            names: 0,
            gave_up: None,
            completed: None,
            gave: BTreeMap::new(),
            false_runs: BTreeMap::new(),
            under_way: BTreeMap::new(),
            breach: None,
        }
    }

    /// Runs until everything is there, the engine gives up, or `time` has passed. If no honest peer
    /// stays, runs until nothing new has come for so long that the engine must have given up.
    pub(crate) fn run(mut self, time: Duration) -> Outcome {
        let start = self.shell.now;
        let (mut end, mut held) = (start + time, 0);
        self.begin();
        while self.completed.is_none() && self.gave_up.is_none() {
            if self.story.scene.forsaken && (self.held_runs() > held || end == start + time) {
                (held, end) = (self.held_runs(), self.shell.now + GIVES_UP_AFTER);
            }
            let next = self.agenda.next();
            let at = next.into_iter().chain(self.shell.due()).min().unwrap_or(end);
            if at > end {
                break;
            }
            self.shell.pass(at.since(self.shell.now));
            self.carry_out();
            if next == Some(at)
                && let Some(what) = self.agenda.take()
            {
                self.happen(what);
                self.carry_out();
            }
        }
        if self.story.scene.forsaken && self.completed.is_none() && self.gave_up.is_none() {
            self.breach.get_or_insert_with(|| "it goes on for ever, and nothing new comes".to_owned());
        }
        let swarm = self.shell.swarm(CONTENT);
        Outcome {
            took: self.completed.map(|at| at.since(start)),
            gave_up: self.gave_up,
            wasted: swarm.map_or(0, nearcast_core::swarm::Swarm::wasted),
            heap_bytes: swarm.map_or(0, nearcast_core::swarm::Swarm::heap_bytes),
            banned_honest: self.sources.iter().any(|source| self.shell.is_banned(source.peer)),
            names: self.names,
            excess: self.waste().or_else(|| self.whereabouts.excess()),
            breach: self.breach.or_else(|| self.whereabouts.breach()),
        }
    }

    fn held_runs(&self) -> u32 {
        self.shell.swarm(CONTENT).and_then(|swarm| swarm.have()).map_or(0, RunSet::count)
    }

    fn begin(&mut self) {
        let scene = self.story.scene;
        if scene.abroad {
            self.shell.handle(Input::Located(Locality { asn: Some(OUR_AS), tag: 7 }));
        }
        let none = self.shell.set(0);
        if !scene.late {
            self.sources.iter().for_each(|source| self.whereabouts.type_in(source.peer));
        }
        let named = if scene.late { Vec::new() } else { self.candidates(Via::Named) };
        let join = Join {
            material: None,
            candidates: named,
            directories: Vec::new(),
            may_be_found: true,
            exchange_peers: true,
            patience: PATIENCE,
            goal: Goal::Forever,
            paused: false,
        };
        self.shell.join(CONTENT, join, (!scene.bare).then_some((none, None)));
        if scene.late {
            self.schedule(LATE, Happening::Discovered);
        }
        if scene.restarts || scene.forsaken {
            self.schedule(GONE, Happening::Gone);
        }
        if scene.restarts && !scene.forsaken {
            self.schedule(BACK, Happening::Back);
        }
        for (slot, habit) in self.story.habits.iter().enumerate() {
            let after = Duration::from_millis(if habit.first { 1 } else { 100 });
            self.schedule(after, Happening::Linked(self.name(slot)));
        }
        if let Some(step) = self.story.steps.first() {
            self.schedule(step.delay, Happening::Deed(0));
        }
        self.carry_out();
    }

    fn near(&self, place: Place) -> Near {
        let asn = |asn| Some(asn).filter(|_| self.story.scene.abroad);
        match place {
            Place::Inside => Near { proximity: Tier::SameAs.into(), asn: asn(OUR_AS) },
            Place::Lan => Near { proximity: Tier::Lan.into(), asn: asn(OUR_AS) },
            Place::Abroad => Near { proximity: Proximity::remote(Some(2)), asn: asn(THEIR_AS) },
            Place::Unknown => Near { proximity: Proximity::UNKNOWN, asn: None },
        }
    }

    /// The current name of a byzantine neighbour.
    fn name(&self, slot: usize) -> PeerKey {
        let Slot { moves, generation, .. } = self.slots[slot];
        PeerKey(BYZANTINE * (slot as u32 + 1) + moves % NAMES_MAX * NAMES_MAX + generation % NAMES_MAX)
    }

    /// The byzantine neighbour that has this name now.
    fn slot(&self, peer: PeerKey) -> Option<usize> {
        let slot = (peer.0 / BYZANTINE).checked_sub(1)? as usize;
        (slot < self.slots.len() && self.name(slot) == peer).then_some(slot)
    }

    fn schedule(&mut self, after: Duration, what: Happening) {
        self.agenda.add(self.shell.now + after, what);
    }

    fn is_linked(&self, peer: PeerKey) -> bool {
        self.shell.links.contains_key(&(CONTENT, peer))
    }

    fn is_open(&self, peer: PeerKey, request: RequestId) -> bool {
        self.shell.links.get(&(CONTENT, peer)).is_some_and(|link| link.open.contains_key(&request))
    }

    /// Carries out the engine's actions.
    fn carry_out(&mut self) {
        while let Some(journal) = self.shell.journal.as_mut().filter(|journal| !journal.is_empty()) {
            for action in std::mem::take(journal) {
                self.act(&action);
            }
        }
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Dial { peer } => self.dial(peer),
            Action::Unlink { peer, why } => self.unlinked(peer, why),
            Action::FetchManifest { peer } if self.source(peer).is_some() => {
                self.schedule(2 * LATENCY, Happening::Manifest);
            }
            Action::Ask { query, .. } => self.schedule(ANSWER_TIMEOUT, Happening::NoAnswer(query)),
            Action::Send { peer, message: Message::Interested(true) } if self.source(peer).is_some() => {
                self.schedule(2 * LATENCY, Happening::Said(peer, Message::Unchoke));
            }
            Action::Request { peer, request, run, exact, .. } => self.requested(peer, request, (run, exact)),
            Action::Cancel { peer, request } => {
                if let Some(source) = self.source(peer) {
                    self.sources[source].queue.retain(|&(id, _)| id != request);
                }
            }
            Action::Serve { peer, .. } => self.schedule(5 * LATENCY, Happening::Uploaded(peer)),
            Action::Completed => self.completed = Some(self.shell.now),
            Action::GaveUp(why) => self.gave_up = Some(why),
            _ => {}
        }
    }

    fn requested(&mut self, peer: PeerKey, request: RequestId, (run, exact): (RunIndex, bool)) {
        self.asked_at.insert(peer, self.shell.now);
        if let Some(source) = self.source(peer) {
            self.sources[source].queue.push_back((request, run));
            self.send_next(source);
        } else if let Some(slot) = self.slot(peer) {
            self.slots[slot].due.insert(request, (run, exact));
            let habit = self.story.habits[slot];
            let free = self.slots[slot].free.filter(|_| habit.in_turn).unwrap_or(self.shell.now);
            let after = free.since(self.shell.now) + 2 * LATENCY + habit.delay;
            self.slots[slot].free = Some(self.shell.now + after);
            self.schedule(after, Happening::Reacts(peer, request, run));
            self.schedule(STALL, Happening::Stalled(peer));
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Sent(source) => {
                self.sources[source].sending = false;
                let peer = self.sources[source].peer;
                if let Some((request, run)) = self.sources[source].queue.pop_front()
                    && self.is_open(peer, request)
                {
                    self.shell.stored(CONTENT, peer, request, run);
                }
                self.send_next(source);
            }
            Happening::Discovered => {
                let now = self.shell.now;
                let mut candidates = self.candidates(Via::Directory);
                candidates.retain(|source| self.whereabouts.tell(now, source.peer));
                let teller = Some(HONEST_DIRECTORY);
                self.shell.event(CONTENT, Event::Discovered { query: None, teller, candidates });
            }
            Happening::Linked(peer) => self.link(peer),
            Happening::Gone => self.gone(),
            Happening::Back => self.sources.iter_mut().for_each(|source| source.up = true),
            Happening::DialFailed(peer) => self.dial_failed(peer),
            Happening::DialLater(peer, wait) => self.not_dialled(peer, Event::DialLater { peer, wait }),
            Happening::Hopeless(peer) => self.not_dialled(peer, Event::Hopeless { peer }),
            Happening::Said(peer, message) => self.say(peer, message),
            Happening::Reacts(peer, request, run) => self.react(peer, request, run),
            Happening::Manifest => self.shell.manifest(CONTENT, self.shell.set(0)),
            Happening::Stalled(peer) => self.give_up_silent(peer),
            Happening::Uploaded(peer) if self.is_linked(peer) => {
                self.shell.upload_ended(CONTENT, peer, true);
            }
            Happening::Uploaded(_) => {}
            Happening::NoAnswer(query) => {
                self.shell.queries.retain(|&(_, asked)| asked != query);
                self.shell.event(CONTENT, Event::QueryFailed { query });
            }
            Happening::Deed(at) => self.go_on(at),
        }
    }

    fn say(&mut self, peer: PeerKey, message: Message) {
        if self.is_linked(peer) {
            self.shell.message(CONTENT, peer, message);
        }
    }

    fn go_on(&mut self, at: usize) {
        let step = self.story.steps[at];
        let peer = self.name(step.who);
        self.does(step, peer);
        self.deeds += 1;
        let next = (at + 1) % self.story.steps.len();
        if self.deeds < DEEDS_MAX {
            self.schedule(self.story.steps[next].delay, Happening::Deed(next));
        }
    }
}
