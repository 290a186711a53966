//! A world of nodes that run the core's overlay, over an agenda like that of engines.
//!
//! Stand-ins: connections (a message takes its way; a node that is gone is missed after a while), measurements (they
//! follow from a node's number), and look-ups (they find the anchors). A leaf takes 253 bytes here: its machine, and
//! two words of the world.
//!
//! Invariants: nothing here decides for a node; a message comes only to the incarnation of a node that it was sent to;
//! both ends of what breaks hear of it.

mod faults;
mod message;
mod shell;
mod tide;

use std::{collections::BTreeSet, time::Duration};

use nearcast_core::{
    id::PeerKey,
    overlay::{
        config::OverlayConfig,
        contact::Contact,
        door::{Input, Output},
        membership::Membership,
    },
    random::{Random, mix},
    time::Timestamp,
};

use self::message::{Event, Fault, Sent};
use super::{
    course::Point,
    graph,
    node::Census,
    scenario::{OverlayScenario, Start},
};
use crate::agenda::Agenda;

/// Supernodes that a leaf of a settled world remembers.
const REMEMBERED: usize = 23;
/// A node is up.
const UP: u8 = 0x80;

/// The world.
#[derive(Debug)]
pub struct World {
    scenario: OverlayScenario,
    config: OverlayConfig,
    census: Census,
    agenda: Agenda<Event>,
    nodes: Vec<Membership>,
    /// Whether each node is up, and how often it was started.
    states: Vec<u8>,
    /// Since when each leaf has its parent, in seconds.
    attached_at: Vec<u32>,
    supernodes: BTreeSet<u32>,
    /// Supernodes that a settled world begins with.
    settled: Vec<u32>,
    /// Nodes that are cut off one by one.
    clogged: BTreeSet<u32>,
    /// The partition stands.
    parted: bool,
    random: Random,
    /// The next node that comes for the first time.
    next: u32,
    counts: Counts,
    outputs: Vec<Output>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Nodes that are up.
    pub up: u32,
    /// Leaves that are about to restart.
    pub restarting: u32,
    /// Leaves that have a parent.
    pub attached: u32,
    /// Inputs that machines handled.
    pub inputs: u64,
    /// Messages that nodes sent.
    pub messages: u64,
    /// Bytes that these would take on the wire, about.
    pub bytes: u64,
    /// Children that supernodes which stayed sent away.
    pub shed: u64,
    /// Leaves that supernodes elected.
    pub elected: u32,
    /// Leaves that elected themselves.
    pub self_elected: u32,
    /// Supernodes that stepped down.
    pub stepped_down: u32,
    /// Leaves that lost their parent, or restarted, when supernodes failed.
    pub affected: u32,
    /// Everything that happened, as a hash.
    pub trace: u64,
}

impl World {
    /// A world in which a scenario is about to begin.
    pub fn new(scenario: &OverlayScenario, seed: u64) -> World {
        let nodes = scenario.nodes as usize;
        let mut world = World {
            config: scenario.config(),
            census: Census::new(scenario, seed),
            scenario: scenario.clone(),
            agenda: Agenda::new(),
            nodes: Vec::new(),
            states: vec![0; nodes],
            attached_at: vec![0; nodes],
            supernodes: BTreeSet::new(),
            settled: Vec::new(),
            clogged: BTreeSet::new(),
            parted: false,
            random: Random::new(mix(seed ^ 0x0ce)),
            next: scenario.anchors,
            counts: Counts::default(),
            outputs: Vec::new(),
        };
        world.nodes.resize_with(nodes, Membership::off);
        if scenario.start == Start::Settled {
            world.settle();
        }
        for anchor in 0..scenario.anchors {
            world.start_supernode(anchor, true);
        }
        for supernode in world.settled.clone() {
            world.start_supernode(supernode, false);
        }
        world.agenda.push(Timestamp::ZERO, Event::Tide);
        for (at, fault) in Fault::of(scenario) {
            world.agenda.push(at, Event::Fault(fault));
        }
        world
    }

    /// Chooses the supernodes of a settled world, with no version beyond its share.
    fn settle(&mut self) {
        let wanted = (self.scenario.nodes / self.scenario.nodes_a_supernode).max(1) as usize;
        let wanted = wanted.saturating_sub(self.scenario.anchors as usize);
        let share = f64::from(self.config.governor.version_share_max) / 100.0;
        let of_one = if self.scenario.second_version_percent > 0.0 { share } else { 1.0 };
        let most = (wanted as f64 * of_one) as usize;
        let mut counts = [0_usize; 2];
        for node in self.scenario.anchors..self.scenario.nodes {
            let count = &mut counts[self.census.version(node) as usize - 1];
            if self.settled.len() < wanted && self.census.is_eligible(node) && *count < most.max(1) {
                *count += 1;
                self.settled.push(node);
            }
        }
    }

    /// Supernodes that are there from the start, drawn, and the anchors.
    fn known_at_start(&mut self, most: usize) -> Vec<Contact> {
        let anchors = (0..self.scenario.anchors).map(|node| self.census.contact(node));
        let mut known: Vec<Contact> = anchors.take(2).collect();
        let count = self.settled.len() as u32;
        for _ in 0..most.min(self.settled.len()) {
            let node = self.settled[self.random.below(count) as usize];
            known.push(self.census.contact(node));
        }
        known
    }

    /// Lets the world go on until this moment.
    pub fn go_on(&mut self, until: Timestamp) {
        while self.agenda.peek().is_some_and(|at| at <= until) {
            let Some((now, event)) = self.agenda.pop() else { return };
            self.happen(now, event);
        }
    }

    /// What is counted so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A look at the world, at this second of it.
    pub fn look(&self, at: f64) -> Point {
        let supernodes = self.supernodes.len() as u32;
        let links = self.supernodes.iter().flat_map(|&node| {
            let siblings = self.nodes[node as usize].siblings().into_iter();
            siblings.filter(move |peer| !self.is_cut(node, peer.0)).map(move |peer| (node, peer.0))
        });
        let networks = graph::parts(self.supernodes.iter().copied(), links);
        let largest = self.supernodes.iter().map(|&node| self.nodes[node as usize].load()).max();
        let second = self.supernodes.iter().filter(|&&node| self.census.version(node) == 2).count() as u32;
        Point {
            at,
            nodes: self.counts.up,
            supernodes,
            leaves: self.counts.up - supernodes + self.counts.restarting,
            attached: self.counts.attached,
            networks,
            largest: largest.unwrap_or(0).into(),
            of_one_version: second.max(supernodes - second),
            messages: self.counts.messages,
            shed: self.counts.shed,
        }
    }

    /// Bytes that a leaf takes in this world, beyond what waits in the agenda.
    pub fn leaf_bytes(&self) -> usize {
        let leaf = self.nodes.iter().find(|node| !node.is_supernode() && node.heap_bytes() > 0);
        let heap = leaf.map_or(0, Membership::heap_bytes);
        size_of::<Membership>() + heap + size_of::<u8>() + size_of::<u32>()
    }

    /// The most bytes that a supernode takes.
    pub fn supernode_bytes(&self) -> usize {
        self.supernodes.iter().map(|&node| self.nodes[node as usize].heap_bytes()).max().unwrap_or(0)
    }

    /// Asserts the invariants of all machines.
    pub fn check(&self) {
        for (number, node) in self.nodes.iter().enumerate() {
            node.check(&self.census.host(&self.config, number as u32));
        }
        let with_parent = (0..self.nodes.len()).filter(|&at| self.is_up(at as u32));
        let with_parent = with_parent.filter(|&at| self.nodes[at].primary().is_some()).count();
        assert_eq!(with_parent, self.counts.attached as usize, "leaves with a parent are counted");
    }

    fn is_up(&self, node: u32) -> bool {
        self.states[node as usize] & UP != 0
    }

    fn now(&self) -> Timestamp {
        self.agenda.now()
    }

    fn within(&mut self, longest: Duration) -> Duration {
        Duration::from_millis(self.random.below(longest.as_millis() as u32 + 1).into())
    }

    fn happen(&mut self, now: Timestamp, event: Event) {
        self.trace(now, &event);
        match event {
            Event::Wake { node } => {
                let due = self.nodes[node as usize].poll_timeout() == Some(now);
                if due && self.is_up(node) {
                    self.tell(node, Input::Woken);
                }
            }
            Event::Delivered(sent) => self.deliver(*sent),
            Event::Failed { at, state, peer } => {
                if self.states[at as usize] == state {
                    self.tell(at, Input::Unreachable { peer: PeerKey(peer) });
                }
            }
            Event::Closed { at, state, peer } => {
                if self.states[at as usize] == state {
                    self.tell(at, Input::Lost { peer: PeerKey(peer) });
                }
            }
            Event::Found { at, state } => {
                if self.states[at as usize] == state {
                    let reached = (0..self.scenario.anchors).filter(|&anchor| !self.is_cut(at, anchor));
                    let found = reached.map(|anchor| self.census.contact(anchor)).collect();
                    self.tell(at, Input::Found(found));
                }
            }
            Event::Start { node } => self.start_leaf(node),
            Event::Tide => self.on_tide(now),
            Event::Fault(fault) => self.on_fault(now, fault),
        }
    }

    fn trace(&mut self, now: Timestamp, event: &Event) {
        let word = event.word();
        self.counts.trace = mix(self.counts.trace ^ mix(now.as_nanos()) ^ mix(word));
    }

    /// Hands an input to a node, and does what it wants done.
    fn tell(&mut self, node: u32, input: Input) {
        let now = self.now();
        let place = node as usize;
        let machine = &mut self.nodes[place];
        // A wake-up that came is over, even if the machine wants the next one at the same moment.
        let pending = machine.poll_timeout().filter(|_| input != Input::Woken);
        let before = (machine.primary(), pending, machine.is_supernode(), machine.load());
        let mut outputs = std::mem::take(&mut self.outputs);
        machine.handle(now, &self.census.host(&self.config, node), input, &mut outputs);
        self.counts.inputs += 1;
        let (parent, wake) = (machine.primary(), machine.poll_timeout());
        let serves = machine.is_supernode();
        self.counts.attached += u32::from(parent.is_some());
        self.counts.attached -= u32::from(before.0.is_some());
        if parent.is_some() && parent != before.0 {
            self.attached_at[place] = seconds(now);
        }
        if before.2 && !serves {
            // Nobody is to be served any more, or they are sent away.
            self.counts.shed += u64::from(before.3);
        }
        if wake != before.1
            && let Some(at) = wake
        {
            self.agenda.push(at.max(now), Event::Wake { node });
        }
        for output in outputs.drain(..) {
            self.perform(node, output);
        }
        self.outputs = outputs;
    }

    fn send(&mut self, sent: Sent) {
        self.counts.messages += 1;
        self.counts.bytes += sent.message.bytes();
        let way = self.census.latency(sent.from, sent.to);
        self.agenda.push(self.now() + way, Event::Delivered(Box::new(sent)));
    }
}

fn seconds(now: Timestamp) -> u32 {
    (now.as_nanos() / 1_000_000_000) as u32
}

fn after(seconds: f64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs_f64(seconds)
}
