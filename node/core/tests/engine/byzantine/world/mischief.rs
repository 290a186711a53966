//! What byzantine neighbours do: they answer, refuse, repeat, lie and leave, as their story says.
//! And what came of it.

use std::time::Duration;

use nearcast_core::{
    id::{PeerKey, QueryId, RequestId},
    input::{Candidate, Event, ManifestFailure, RunFailure, Via},
    layout::RunIndex,
    message::{Message, Refusal},
};

use super::{
    super::{
        agenda::Happening,
        script::{Deed, Habit, Place, Reaction, Step},
    },
    BYZANTINE, CONTENT, LATENCY, RUNS, STALL, World,
};
use crate::shell::RUN_BYTES;

/// A name that gave nothing may send one false run before it is found out, and another that is left
/// from an earlier link.
const FALSE_OF_STRANGER_MAX: u32 = 2;
/// All names of a network together may send this many false runs, for each strike doubles the pause
/// before the next one. They may send more if they say that they are origins, which may send other
/// runs than those asked for; and this many more for each run that they gave.
const FALSE_OF_NETWORK_MAX: u32 = 48;
const FALSE_OF_ORIGINS_MAX: u32 = 80;
const FALSE_BY_GIVEN: u32 = 2;
/// Added to a request's number, it gives a number that no request has.
const UNKNOWN_REQUEST: u32 = 100_000;

/// What byzantine neighbours do.
impl World<'_> {
    /// A neighbour that made us throw away more than it may. A name that gave nothing may send
    /// hardly any false runs; what all names of a network may send depends on what they gave.
    pub(super) fn waste(&self) -> Option<String> {
        (0..self.slots.len()).find_map(|slot| {
            let habit = self.habit(slot);
            let names = PeerKey(BYZANTINE * (slot as u32 + 1))..PeerKey(BYZANTINE * (slot as u32 + 2));
            let gave: u32 = self.gave.range(names.clone()).map(|(_, runs)| runs).sum();
            let gave_nothing = |(name, runs): &(&PeerKey, &u32)| {
                **runs > FALSE_OF_STRANGER_MAX && !habit.origin && !self.gave.contains_key(*name)
            };
            if let Some((name, runs)) = self.false_runs.range(names.clone()).find(gave_nothing) {
                return Some(format!("{name:?} gave nothing, and {runs} false runs"));
            }
            let most = match habit.origin {
                true => FALSE_OF_ORIGINS_MAX,
                false => FALSE_OF_NETWORK_MAX,
            };
            let runs: u32 = self.false_runs.range(names).map(|(_, runs)| runs).sum();
            (runs > most + FALSE_BY_GIVEN * gave)
                .then(|| format!("network {slot} gave {gave} runs, and {runs} false ones"))
        })
    }

    pub(super) fn habit(&self, slot: usize) -> Habit {
        self.story.habits[slot]
    }

    /// An answer comes. The shell refuses at its header an answer that is not due, and another run
    /// than the one asked for, unless the neighbour says it is an origin and the request is not
    /// exact.
    fn answer(&mut self, peer: PeerKey, request: RequestId, run: Option<RunIndex>) -> bool {
        let Some(slot) = self.slot(peer).filter(|_| self.is_linked(peer)) else { return false };
        let due = self.slots[slot].due.remove(&request);
        let may_differ = self.habit(slot).origin;
        let fits = due.is_some_and(|(due, exact)| run.is_none_or(|run| run == due || may_differ && !exact));
        if !fits {
            self.shell.failed(CONTENT, peer, request, RunFailure::Unasked);
            if self.is_linked(peer) {
                self.breach.get_or_insert_with(|| format!("{peer:?} answered what nobody asked, and stays"));
            }
        }
        fits
    }

    /// What a just banned neighbour had sent before still comes, if it sends anything.
    fn still_comes(&mut self, peer: PeerKey, request: RequestId) {
        let Some((banned, due)) = self.under_way.get(&peer) else { return };
        let slot = (peer.0 / BYZANTINE) as usize - 1;
        let sends =
            matches!(self.habit(slot).reaction(self.slots[slot].asked), Reaction::Corrupt | Reaction::Held);
        if sends && due.contains(&request) && self.shell.now.since(*banned) < LATENCY {
            *self.false_runs.entry(peer).or_default() += 1;
        }
    }

    fn refuse(&mut self, peer: PeerKey, request: RequestId, why: Refusal) {
        if self.answer(peer, request, None) {
            self.shell.failed(CONTENT, peer, request, RunFailure::Refused(why));
        }
    }

    fn brings(&mut self, slot: usize, peer: PeerKey, request: RequestId, run: RunIndex) {
        if self.answer(peer, request, Some(run)) {
            self.slots[slot].answered = Some((request, run));
            let is_held = self
                .shell
                .swarm(CONTENT)
                .and_then(|swarm| swarm.have())
                .is_some_and(|have| have.contains(run));
            if is_held {
                *self.false_runs.entry(peer).or_default() += 1;
            }
            if !is_held {
                *self.gave.entry(peer).or_default() += 1;
            }
            self.shell.stored(CONTENT, peer, request, run);
        }
    }

    fn held(&self) -> Option<RunIndex> {
        self.shell.swarm(CONTENT).and_then(|swarm| swarm.have()?.iter().next())
    }

    pub(super) fn react(&mut self, peer: PeerKey, request: RequestId, run: RunIndex) {
        self.still_comes(peer, request);
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
                *self.false_runs.entry(peer).or_default() += 1;
                let cause = RunFailure::Corrupt { bytes: RUN_BYTES as u32 };
                self.shell.failed(CONTENT, peer, request, cause);
            }
            Reaction::Forgets => {
                self.brings(slot, peer, request, run);
                self.say(peer, Message::Lost(vec![run]));
            }
            Reaction::Chokes => self.say(peer, Message::Choke),
            Reaction::HangsUp => self.hang_up(slot, peer),
            Reaction::Misnumbered => self.brings(slot, peer, RequestId(request.0 + UNKNOWN_REQUEST), run),
            Reaction::Crossed => {
                let open = self.shell.links[&(CONTENT, peer)].open.values().copied();
                let crossed = open.into_iter().find(|&asked| asked != run).unwrap_or(other);
                self.brings(slot, peer, request, crossed);
            }
            // Bytes at the least rate that counts as a sign of life, a run in eight minutes.
            Reaction::Drips => {
                self.shell.event(CONTENT, Event::Receiving);
                self.begins(slot, peer, request);
                self.asked_at.insert(peer, self.shell.now);
                let again = habit.delay.max(Duration::from_secs(3));
                self.schedule(again, Happening::Reacts(peer, request, run));
                self.schedule(STALL, Happening::Stalled(peer));
            }
        }
    }

    /// A run begins to come, and takes long. The shell says so once.
    fn begins(&mut self, slot: usize, peer: PeerKey, request: RequestId) {
        if self.slots[slot].begun.insert((peer, request)) {
            self.shell.event(CONTENT, Event::Coming { peer, request });
        }
    }

    pub(super) fn hang_up(&mut self, slot: usize, peer: PeerKey) {
        if self.is_linked(peer) {
            self.shell.unlink(CONTENT, peer);
            if self.habit(slot).returns {
                self.returns(slot);
            }
        }
    }

    pub(super) fn does(&mut self, step: Step, peer: PeerKey) {
        let Step { deed, who: slot, number, .. } = step;
        let run = self.shell.run(u32::from(number));
        let all: Vec<RunIndex> = (0..RUNS as u32).map(|run| self.shell.run(run)).collect();
        if !self.is_linked(peer) {
            if matches!(deed, Deed::Link) && !self.shell.dialing.contains(&(CONTENT, peer)) {
                self.rename(slot);
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
            Deed::Exchange => self.names_nobody(Via::Exchange, (slot, None), number, false),
            Deed::Victim => self.names_nobody(Via::Exchange, (slot, None), number, true),
            Deed::Misplace => self.misplaces(slot, number),
            Deed::Rename => self.slots[slot].renames = true,
            Deed::Move => self.slots[slot].moving = true,
            Deed::Want => self.shell.want(CONTENT, peer, run, self.deeds % 2 == 1),
            Deed::HangUp => self.hang_up(slot, peer),
            Deed::Byte if self.shell.links[&(CONTENT, peer)].open.is_empty() => {}
            Deed::Byte => {
                self.asked_at.insert(peer, self.shell.now);
                self.shell.event(CONTENT, Event::Receiving);
                if let Some((&first, _)) = self.shell.links[&(CONTENT, peer)].open.first_key_value() {
                    self.begins(slot, peer, first);
                }
            }
            Deed::NoManifest => self.no_manifest(peer, number),
            Deed::Count | Deed::Pause | Deed::Names | Deed::NoAnswer => self.answers(slot, deed, number),
            Deed::Link | Deed::Nothing => {}
        }
    }

    /// As a directory it says anything, whichever directory was asked.
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
                self.names_nobody(Via::Directory, (slot, query), number, false);
            }
            (_, Some(query)) => {
                self.shell.queries.pop();
                self.shell.event(CONTENT, Event::QueryFailed { query });
            }
            _ => {}
        }
    }

    fn names_nobody(&mut self, via: Via, (slot, query): (usize, Option<QueryId>), number: u8, at_one: bool) {
        let near =
            self.near([Place::Inside, Place::Lan, Place::Abroad, Place::Unknown][usize::from(number & 3)]);
        let now = self.shell.now;
        // A victim is named under fresh names each time; other made-up peers are the same again and
        // again.
        let first = if at_one { self.deeds * 16 } else { u32::from(number) * 8 };
        let named = first..first + u32::from(number >> 4);
        let believed = named.filter_map(|nobody| self.whereabouts.hear(now, slot, nobody, at_one));
        let candidates = believed.map(|peer| Candidate { peer, near, via }).collect();
        let teller = Some(self.name(slot));
        self.shell.event(CONTENT, Event::Discovered { query, teller, candidates });
    }

    /// The neighbour gives a false place for a source.
    fn misplaces(&mut self, slot: usize, number: u8) {
        let source = self.sources[usize::from(number) % self.sources.len()].peer;
        let (near, now) = (self.near_sources(), self.shell.now);
        let believed = self.whereabouts.misplace(now, slot, source, number);
        let candidate = |peer| Candidate { peer, near, via: Via::Exchange };
        let candidates = believed.into_iter().map(candidate).collect();
        let teller = Some(self.name(slot));
        self.shell.event(CONTENT, Event::Discovered { query: None, teller, candidates });
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

/// The same in 32 bits: the lower half of a number that does not fit.
fn any_u32(number: u8) -> u32 {
    any_number(number) as u32
}

/// Numbers of any size: small ones, the largest, and those around powers of two.
fn any_number(number: u8) -> u64 {
    match number >> 6 {
        0 => u64::from(number),
        1 => u64::MAX - u64::from(number & 63),
        2 => 1 << (number & 63),
        _ => (1 << (number & 63)) - 1,
    }
}
