//! A virtual world around one real engine: honest sources whose uplinks take turns, and byzantine neighbours who do
//! whatever their story says. Nothing in it depends on anything but the story.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    time::Duration,
};

use nearcast_core::{
    asn::Asn,
    config::Config,
    id::{ContentKey, PeerKey, QueryId, RequestId},
    input::{Candidate, Event, Goal, Input, Join, ManifestFailure, Neighbour, RunFailure, Via},
    layout::RunIndex,
    locality::Locality,
    message::{Message, Refusal},
    output::{Action, GiveUp, UnlinkReason},
    run_set::RunSet,
    tier::{Near, Proximity, Tier},
    time::Timestamp,
};

use super::script::{Deed, Habit, Place, Reaction, Source, Step, Story};
use crate::shell::{RUN_BYTES, Shell};

const CONTENT: ContentKey = ContentKey(0);
/// Runs of the content: at half a second each a download takes twenty seconds, beside which the core's own waits are short.
pub(crate) const RUNS: u64 = 40;
const RUN_TIME: Duration = Duration::from_millis(500);
/// One way.
const LATENCY: Duration = Duration::from_millis(20);
/// So long somebody who is asked may be silent before the node gives the link up.
const STALL: Duration = Duration::from_secs(20);
/// A directory that does not answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Nobody is at an address.
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// When late sources are heard of.
const LATE: Duration = Duration::from_secs(1);
/// Deeds in all: a story goes round until the download ends, or so many.
const DEEDS_MAX: u32 = 3_000;

const OUR_AS: Asn = Asn(1);
const THEIR_AS: Asn = Asn(2);
/// Who tells of late sources, once. Nobody named it, so its word counts no more than that of the others.
const HONEST_DIRECTORY: PeerKey = PeerKey(100);
/// Keys of the byzantine neighbours: the slot a thousand times, then names it had before.
const BYZANTINE: u32 = 1_000;
/// Keys of those who are not there.
const NOBODY: u32 = 100_000;

fn config() -> Config {
    Config {
        neighbours_wanted: 4,
        neighbours_max: 8,
        dials_in_flight_max: 3,
        candidates_max: 12,
        upload_slots: 3,
        optimistic_slots: 1,
        upload_slots_total: 4,
        uploads_queued_max: 8,
        ..Config::default()
    }
}

/// Something that will happen.
enum Happening {
    /// A source's uplink has sent a run.
    Sent(usize),
    /// Sources turn up.
    Discovered,
    Linked(PeerKey),
    DialFailed(PeerKey),
    Said(PeerKey, Message),
    /// A byzantine neighbour reacts to a request.
    Reacts(PeerKey, RequestId, RunIndex),
    Manifest,
    Stalled(PeerKey),
    Uploaded(PeerKey),
    NoAnswer(QueryId),
    Deed(usize),
}

struct Due {
    at: Timestamp,
    number: u32,
    what: Happening,
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Due) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// An honest neighbour with runs to give, one after the other.
struct Honest {
    peer: PeerKey,
    origin: bool,
    map: RunSet,
    queue: VecDeque<(RequestId, RunIndex)>,
    sending: bool,
    run_time: Duration,
}

/// Where one byzantine neighbour stands.
#[derive(Default)]
struct Slot {
    /// How often it took another name.
    generation: u32,
    /// Its last request that was answered.
    answered: Option<(RequestId, RunIndex)>,
    /// What it was asked for and has not answered, also what was taken back.
    /// The run, and whether no other will do.
    due: BTreeMap<RequestId, (RunIndex, bool)>,
    asked: u32,
}

/// How a download went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// When everything was there; none = never.
    pub(crate) took: Option<Duration>,
    pub(crate) gave_up: Option<GiveUp>,
    pub(crate) wasted: u64,
    pub(crate) heap_bytes: usize,
    /// Whether an honest source was banned.
    pub(crate) banned_honest: bool,
    /// Byzantine names that were linked.
    pub(crate) names: u32,
}

pub(crate) struct World<'a> {
    story: &'a Story,
    shell: Shell,
    agenda: BinaryHeap<Reverse<Due>>,
    next: u32,
    sources: Vec<Honest>,
    slots: Vec<Slot>,
    /// When each neighbour was asked last.
    asked_at: BTreeMap<PeerKey, Timestamp>,
    deeds: u32,
    names: u32,
    gave_up: Option<GiveUp>,
    completed: Option<Timestamp>,
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
        // Together they are as fast as one.
        let run_time = RUN_TIME * maps.len() as u32;
        let source = |(at, (map, origin)): (usize, (RunSet, bool))| Honest {
            peer: PeerKey(at as u32 + 1),
            origin,
            map,
            queue: VecDeque::new(),
            sending: false,
            run_time,
        };
        World {
            story,
            shell,
            agenda: BinaryHeap::new(),
            next: 0,
            sources: maps.into_iter().enumerate().map(source).collect(),
            slots: story.habits.iter().map(|_| Slot::default()).collect(),
            asked_at: BTreeMap::new(),
            deeds: 0,
            names: 0,
            gave_up: None,
            completed: None,
        }
    }

    /// Runs until everything is there, the engine gives up, or `time` has passed.
    pub(crate) fn run(mut self, time: Duration) -> Outcome {
        let end = self.shell.now + time;
        self.begin();
        while self.completed.is_none() && self.gave_up.is_none() {
            let next = self.agenda.peek().map(|Reverse(due)| due.at);
            let at = next.into_iter().chain(self.shell.due()).min().unwrap_or(end);
            if at > end {
                break;
            }
            self.shell.pass(at.since(self.shell.now));
            self.carry_out();
            if next == Some(at)
                && let Some(Reverse(due)) = self.agenda.pop()
            {
                self.happen(due.what);
                self.carry_out();
            }
        }
        let swarm = self.shell.swarm(CONTENT);
        Outcome {
            took: self.completed.map(|at| at.since(end - time)),
            gave_up: self.gave_up,
            wasted: swarm.map_or(0, nearcast_core::swarm::Swarm::wasted),
            heap_bytes: swarm.map_or(0, nearcast_core::swarm::Swarm::heap_bytes),
            banned_honest: self.sources.iter().any(|source| self.shell.is_banned(source.peer)),
            names: self.names,
        }
    }

    fn begin(&mut self) {
        let scene = self.story.scene;
        if scene.abroad {
            self.shell.handle(Input::Located(Locality { asn: Some(OUR_AS), tag: 7 }));
        }
        let none = self.shell.set(0);
        let named = if scene.late { Vec::new() } else { self.candidates(Via::Named) };
        let join = Join {
            material: None,
            candidates: named,
            directories: Vec::new(),
            exchange_peers: true,
            patience: Duration::from_secs(60),
            goal: Goal::Forever,
        };
        self.shell.join(CONTENT, join, (!scene.bare).then_some((none, None)));
        if scene.late {
            self.schedule(LATE, Happening::Discovered);
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

    fn candidates(&self, via: Via) -> Vec<Candidate> {
        let near = self.near_sources();
        self.sources.iter().map(|source| Candidate { peer: source.peer, near, via }).collect()
    }

    fn near_sources(&self) -> Near {
        match self.story.scene.abroad {
            true => Near { proximity: Proximity::remote(Some(2)), asn: Some(THEIR_AS) },
            false => Tier::Remote.into(),
        }
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

    /// What a byzantine neighbour is called at the moment.
    fn name(&self, slot: usize) -> PeerKey {
        PeerKey(BYZANTINE * (slot as u32 + 1) + self.slots[slot].generation)
    }

    /// The byzantine neighbour that is called so now.
    fn slot(&self, peer: PeerKey) -> Option<usize> {
        let slot = (peer.0 / BYZANTINE).checked_sub(1)? as usize;
        (slot < self.slots.len() && self.name(slot) == peer).then_some(slot)
    }

    fn source(&self, peer: PeerKey) -> Option<usize> {
        self.sources.iter().position(|source| source.peer == peer)
    }

    fn schedule(&mut self, after: Duration, what: Happening) {
        self.agenda.push(Reverse(Due { at: self.shell.now + after, number: self.next, what }));
        self.next += 1;
    }

    fn is_linked(&self, peer: PeerKey) -> bool {
        self.shell.links.contains_key(&(CONTENT, peer))
    }

    fn is_open(&self, peer: PeerKey, request: RequestId) -> bool {
        self.shell.links.get(&(CONTENT, peer)).is_some_and(|link| link.open.contains_key(&request))
    }

    /// Does what the engine wants done.
    fn carry_out(&mut self) {
        while let Some(journal) = self.shell.journal.as_mut().filter(|journal| !journal.is_empty()) {
            for action in std::mem::take(journal) {
                self.act(&action);
            }
        }
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Dial { peer } => match self.source(peer).is_some() || self.slot(peer).is_some() {
                true => self.schedule(2 * LATENCY, Happening::Linked(peer)),
                false => self.schedule(DIAL_TIMEOUT, Happening::DialFailed(peer)),
            },
            Action::Unlink { peer, why } => self.unlinked(peer, why),
            Action::FetchManifest { peer } if self.source(peer).is_some() => {
                self.schedule(2 * LATENCY, Happening::Manifest);
            }
            Action::Ask { query, .. } => self.schedule(ANSWER_TIMEOUT, Happening::NoAnswer(query)),
            Action::Send { peer, message: Message::Interested(true) } if self.source(peer).is_some() => {
                self.schedule(2 * LATENCY, Happening::Said(peer, Message::Unchoke));
            }
            Action::Request { peer, request, run, exact } => self.requested(peer, request, (run, exact)),
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

    fn unlinked(&mut self, peer: PeerKey, why: UnlinkReason) {
        if let Some(source) = self.source(peer) {
            self.sources[source].queue.clear();
            if why == UnlinkReason::Relink {
                self.schedule(2 * LATENCY, Happening::Linked(peer));
            }
        } else if let Some(slot) = self.slot(peer)
            && (why == UnlinkReason::Relink || self.story.habits[slot].returns)
        {
            self.returns(slot);
        }
    }

    fn returns(&mut self, slot: usize) {
        self.slots[slot].due.clear();
        self.slots[slot].generation += u32::from(self.shell.is_banned(self.name(slot)));
        let after = self.story.habits[slot].delay + 2 * LATENCY;
        self.schedule(after, Happening::Linked(self.name(slot)));
    }

    fn requested(&mut self, peer: PeerKey, request: RequestId, (run, exact): (RunIndex, bool)) {
        self.asked_at.insert(peer, self.shell.now);
        if let Some(source) = self.source(peer) {
            self.sources[source].queue.push_back((request, run));
            self.send_next(source);
        } else if let Some(slot) = self.slot(peer) {
            self.slots[slot].due.insert(request, (run, exact));
            let after = 2 * LATENCY + self.story.habits[slot].delay;
            self.schedule(after, Happening::Reacts(peer, request, run));
            self.schedule(STALL, Happening::Stalled(peer));
        }
    }

    fn send_next(&mut self, source: usize) {
        let source_of = &mut self.sources[source];
        if !source_of.sending && !source_of.queue.is_empty() {
            source_of.sending = true;
            let time = source_of.run_time;
            self.schedule(time, Happening::Sent(source));
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
                let candidates = self.candidates(Via::Directory);
                let teller = Some(HONEST_DIRECTORY);
                self.shell.event(CONTENT, Event::Discovered { query: None, teller, candidates });
            }
            Happening::Linked(peer) => self.link(peer),
            Happening::DialFailed(peer) if self.shell.dialing.contains(&(CONTENT, peer)) => {
                self.shell.dial_failed(CONTENT, peer);
            }
            Happening::DialFailed(_) => {}
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

    fn link(&mut self, peer: PeerKey) {
        if self.is_linked(peer) {
            return;
        }
        if let Some(source) = self.source(peer) {
            let source = &self.sources[source];
            let (map, origin) = (source.map.clone(), source.origin);
            let near = self.near_sources();
            let about = Neighbour { near, origin, directory: false, manifest: true, web_seed: false };
            return self.shell.link(CONTENT, peer, map, about);
        }
        let Some(slot) = self.slot(peer).filter(|_| !self.shell.is_banned(peer)) else {
            return self.shell.dial_failed(CONTENT, peer);
        };
        let habit = self.story.habits[slot];
        self.names += 1;
        let about = Neighbour {
            near: self.near(habit.place),
            origin: habit.origin,
            directory: habit.directory,
            manifest: habit.manifest,
            web_seed: false,
        };
        let map = self.shell.set(u16::from(habit.map) * 0x101);
        self.shell.link(CONTENT, peer, map, about);
        if habit.unchokes {
            self.schedule(LATENCY, Happening::Said(peer, Message::Unchoke));
        }
    }

    fn say(&mut self, peer: PeerKey, message: Message) {
        if self.is_linked(peer) {
            self.shell.message(CONTENT, peer, message);
        }
    }

    /// The node ends the link of somebody who was asked and says nothing.
    fn give_up_silent(&mut self, peer: PeerKey) {
        let Some(link) = self.shell.links.get(&(CONTENT, peer)) else { return };
        let asked = self.asked_at.get(&peer).copied().unwrap_or(Timestamp::ZERO);
        if self.shell.now.since(asked) < STALL {
            return;
        }
        if let Some((&request, _)) = link.open.first_key_value() {
            self.shell.failed(CONTENT, peer, request, RunFailure::Silent);
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

/// What byzantine neighbours do.
impl World<'_> {
    fn habit(&self, slot: usize) -> Habit {
        self.story.habits[slot]
    }

    /// An answer comes. What is not due, and another run of somebody who is no origin or had no choice, is seen by its header.
    fn answer(&mut self, peer: PeerKey, request: RequestId, run: Option<RunIndex>) -> bool {
        let Some(slot) = self.slot(peer).filter(|_| self.is_linked(peer)) else { return false };
        let due = self.slots[slot].due.remove(&request);
        let may_differ = self.habit(slot).origin;
        let fits = due.is_some_and(|(due, exact)| run.is_none_or(|run| run == due || may_differ && !exact));
        if !fits {
            self.shell.failed(CONTENT, peer, request, RunFailure::Unasked);
        }
        fits
    }

    fn refuse(&mut self, peer: PeerKey, request: RequestId, why: Refusal) {
        if self.answer(peer, request, None) {
            self.shell.failed(CONTENT, peer, request, RunFailure::Refused(why));
        }
    }

    fn brings(&mut self, slot: usize, peer: PeerKey, request: RequestId, run: RunIndex) {
        if self.answer(peer, request, Some(run)) {
            self.slots[slot].answered = Some((request, run));
            self.shell.stored(CONTENT, peer, request, run);
        }
    }

    fn held(&self) -> Option<RunIndex> {
        self.shell.swarm(CONTENT).and_then(|swarm| swarm.have()?.iter().next())
    }

    fn react(&mut self, peer: PeerKey, request: RequestId, run: RunIndex) {
        let Some(slot) = self.slot(peer).filter(|_| self.is_linked(peer)) else { return };
        let habit = self.habit(slot);
        let turn = self.slots[slot].asked;
        self.slots[slot].asked += 1;
        let other = self.shell.run(u32::from(habit.run));
        match habit.reaction(turn) {
            Reaction::Silence => {}
            Reaction::Choked => self.refuse(peer, request, Refusal::Choked),
            Reaction::Missing => self.refuse(peer, request, Refusal::Missing),
            Reaction::Busy => self.refuse(peer, request, Refusal::Busy),
            Reaction::Elsewhere => self.refuse(peer, request, Refusal::Elsewhere),
            Reaction::Honest => self.brings(slot, peer, request, run),
            Reaction::Twice => {
                self.brings(slot, peer, request, run);
                self.brings(slot, peer, request, run);
            }
            Reaction::Other => self.brings(slot, peer, request, other),
            Reaction::Held => {
                let held = self.held().unwrap_or(other);
                self.brings(slot, peer, request, held);
            }
            Reaction::Corrupt if !self.answer(peer, request, None) => {}
            Reaction::Corrupt => {
                let cause = RunFailure::Corrupt { bytes: RUN_BYTES as u32 };
                self.shell.failed(CONTENT, peer, request, cause);
            }
            Reaction::Forgets => {
                self.brings(slot, peer, request, run);
                self.say(peer, Message::Lost(vec![run]));
            }
            Reaction::Chokes => self.say(peer, Message::Choke),
            Reaction::HangsUp => self.hang_up(slot, peer),
            Reaction::Misnumbered => self.brings(slot, peer, RequestId(request.0 + NOBODY), run),
            Reaction::Crossed => {
                let open = self.shell.links[&(CONTENT, peer)].open.values().copied();
                let crossed = open.into_iter().find(|&asked| asked != run).unwrap_or(other);
                self.brings(slot, peer, request, crossed);
            }
            // A run in eight minutes, which is the least rate that counts as life.
            Reaction::Drips => {
                self.shell.event(CONTENT, Event::Receiving);
                self.asked_at.insert(peer, self.shell.now);
                let again = habit.delay.max(Duration::from_secs(3));
                self.schedule(again, Happening::Reacts(peer, request, run));
                self.schedule(STALL, Happening::Stalled(peer));
            }
        }
    }

    fn hang_up(&mut self, slot: usize, peer: PeerKey) {
        if self.is_linked(peer) {
            self.shell.unlink(CONTENT, peer);
            if self.habit(slot).returns {
                self.returns(slot);
            }
        }
    }

    fn does(&mut self, step: Step, peer: PeerKey) {
        let Step { deed, who: slot, number, .. } = step;
        let run = self.shell.run(u32::from(number));
        let all: Vec<RunIndex> = (0..RUNS as u32).map(|run| self.shell.run(run)).collect();
        if !self.is_linked(peer) {
            if matches!(deed, Deed::Link) && !self.shell.dialing.contains(&(CONTENT, peer)) {
                self.slots[slot].generation += u32::from(self.shell.is_banned(peer));
                self.link(self.name(slot));
            }
            return;
        }
        match deed {
            Deed::Have => self.say(peer, Message::Have(vec![run])),
            Deed::HaveAll => self.say(peer, Message::Have(all)),
            Deed::Lost => self.say(peer, Message::Lost(vec![run])),
            Deed::LostAll => self.say(peer, Message::Lost(all)),
            Deed::Interested => self.say(peer, Message::Interested(number & 1 == 0)),
            Deed::Choke => self.say(peer, Message::Choke),
            Deed::Unchoke => self.say(peer, Message::Unchoke),
            Deed::Importing => self.say(peer, Message::Importing(vec![run])),
            Deed::ImportingAll => self.say(peer, Message::Importing(all)),
            Deed::Unasked => self.brings(slot, peer, RequestId(any_u32(number)), run),
            Deed::Replay => {
                if let Some((request, run)) = self.slots[slot].answered {
                    self.brings(slot, peer, request, run);
                }
            }
            Deed::UnaskedRefusal => {
                let why = Refusal::ALL[usize::from(number) % Refusal::COUNT];
                self.refuse(peer, RequestId(any_u32(number)), why);
            }
            Deed::Exchange => self.names_nobody(peer, Via::Exchange, None, number),
            Deed::Want => self.shell.want(CONTENT, peer, run, self.deeds % 2 == 1),
            Deed::HangUp => self.hang_up(slot, peer),
            Deed::Byte => {
                self.asked_at.insert(peer, self.shell.now);
                self.shell.event(CONTENT, Event::Receiving);
            }
            Deed::NoManifest => self.no_manifest(peer, number),
            Deed::Count | Deed::Pause | Deed::Names | Deed::NoAnswer => self.answers(slot, deed, number),
            Deed::Link | Deed::Nothing => {}
        }
    }

    /// As a directory it says anything, whoever was asked.
    fn answers(&mut self, slot: usize, deed: Deed, number: u8) {
        if !self.habit(slot).directory {
            return;
        }
        let claimed = any_number(number);
        let query = self.shell.queries.last().map(|&(_, query)| query);
        match (deed, query) {
            (Deed::Count, _) => {
                let members = any_u32(number).into();
                self.shell.event(CONTENT, Event::Counted { members });
            }
            (Deed::Pause, Some(query)) => {
                let pause = Duration::from_secs(claimed).into();
                self.shell.event(CONTENT, Event::DirectoryPause { query, pause });
            }
            (Deed::Names, query) => {
                self.shell.queries.pop();
                self.names_nobody(self.name(slot), Via::Directory, query, number);
            }
            (_, Some(query)) => {
                self.shell.queries.pop();
                self.shell.event(CONTENT, Event::QueryFailed { query });
            }
            _ => {}
        }
    }

    fn names_nobody(&mut self, teller: PeerKey, via: Via, query: Option<QueryId>, number: u8) {
        let near =
            self.near([Place::Inside, Place::Lan, Place::Abroad, Place::Unknown][usize::from(number & 3)]);
        let first = NOBODY + u32::from(number) * 8;
        let named = (first..first + u32::from(number >> 4)).map(PeerKey);
        let candidates = named.map(|peer| Candidate { peer, near, via }).collect();
        self.shell.event(CONTENT, Event::Discovered { query, teller: Some(teller), candidates });
    }

    fn no_manifest(&mut self, peer: PeerKey, number: u8) {
        let asked = self.shell.manifest_asked.iter().position(|&(_, asked)| asked == peer);
        if let Some(at) = asked {
            self.shell.manifest_asked.remove(at);
            let why = [ManifestFailure::Unavailable, ManifestFailure::False, ManifestFailure::Unsigned];
            let why = why[usize::from(number) % why.len()];
            self.shell.event(CONTENT, Event::ManifestFailed { peer, why });
        }
    }
}

/// The same in 32 bits: of what does not fit, the lower half.
fn any_u32(number: u8) -> u32 {
    any_number(number) as u32
}

/// Numbers of any size: small ones, the largest, and powers of two.
fn any_number(number: u8) -> u64 {
    match number >> 6 {
        0 => u64::from(number),
        1 => u64::MAX - u64::from(number & 63),
        2 => 1 << (number & 63),
        _ => (1 << (number & 63)) - 1,
    }
}
