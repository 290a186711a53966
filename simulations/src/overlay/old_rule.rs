//! The rule that felled Skype in December 2010, as a script: supernodes that have too much to do shut themselves off.
//!
//! What was published of it (the post of Skype's CIO): supernodes protect their hosts by shutting down when their
//! traffic exceeds a limit; a quarter to a third of them failed; half of the clients restarted at once; those that were
//! left had up to a hundred times their usual traffic, and shut down in turn. Here a supernode shuts itself off when it
//! has more children than `shut_off_above`, or when more nodes ask it within a second than our own policy lets in. It
//! is back after a while, with nobody. A leaf without a supernode asks one of twenty that it remembers, again and again.

use std::time::Duration;

use nearcast_core::{
    random::{Random, mix},
    time::Timestamp,
};

use super::{
    course::{Course, Point},
    node::Census,
    scenario::OverlayScenario,
};
use crate::agenda::Agenda;

/// Supernodes that a leaf remembers.
const REMEMBERED: usize = 20;
const NOBODY: u32 = u32::MAX;

#[derive(Debug)]
enum Event {
    /// A leaf looks for a supernode.
    Try { leaf: u32 },
    /// Its question arrives.
    Asks { leaf: u32, supernode: usize },
    /// A supernode is back.
    Back { supernode: usize },
    /// Supernodes fail, and leaves restart.
    Loss,
}

#[derive(Debug, Default)]
struct Supernode {
    up: bool,
    gone: bool,
    children: Vec<u32>,
    /// Questions within a second.
    asked: (u32, u32),
}

#[derive(Debug)]
struct OldWorld<'a> {
    scenario: &'a OverlayScenario,
    census: Census,
    agenda: Agenda<Event>,
    random: Random,
    supernodes: Vec<Supernode>,
    /// The supernode of each leaf.
    parents: Vec<u32>,
    asks_max: u32,
    attached: u32,
    messages: u64,
    shed: u64,
    affected: u32,
}

/// Runs the scenario's loss under the old rule, with as many leaves and supernodes as a settled world has.
pub fn run(scenario: &OverlayScenario, seed: u64, sample: f64) -> Course {
    let supernodes = (scenario.nodes / scenario.nodes_a_supernode).max(1);
    let leaves = scenario.nodes.saturating_sub(supernodes);
    let up = |_| Supernode { up: true, ..Supernode::default() };
    let mut world = OldWorld {
        scenario,
        census: Census::new(scenario, seed),
        agenda: Agenda::new(),
        random: Random::new(mix(seed ^ 0x01d)),
        supernodes: (0..supernodes).map(up).collect(),
        parents: vec![NOBODY; leaves as usize],
        asks_max: scenario.config().governor.attaches_per_second.into(),
        attached: 0,
        messages: 0,
        shed: 0,
        affected: 0,
    };
    for leaf in 0..leaves {
        let at = world.within(scenario.coming.over_seconds);
        world.agenda.push(at, Event::Try { leaf });
    }
    if scenario.loss.at_seconds > 0.0 {
        let at = Timestamp::ZERO + Duration::from_secs_f64(scenario.loss.at_seconds);
        world.agenda.push(at, Event::Loss);
    }
    let mut points = Vec::new();
    let mut at = 0.0;
    while at <= scenario.until_seconds {
        world.go_on(Timestamp::ZERO + Duration::from_secs_f64(at));
        points.push(world.point(at));
        at += sample;
    }
    Course { points, affected: world.affected }
}

impl OldWorld<'_> {
    fn within(&mut self, seconds: f64) -> Timestamp {
        let millis = self.random.below((seconds * 1_000.0) as u32 + 1);
        self.agenda.now() + Duration::from_millis(millis.into())
    }

    fn go_on(&mut self, until: Timestamp) {
        while self.agenda.peek().is_some_and(|at| at <= until) {
            let Some((now, event)) = self.agenda.pop() else { return };
            match event {
                Event::Try { leaf } => self.ask(now, leaf),
                Event::Asks { leaf, supernode } => self.asked(now, leaf, supernode),
                Event::Back { supernode } => {
                    let supernode = &mut self.supernodes[supernode];
                    supernode.up = !supernode.gone;
                }
                Event::Loss => self.lose(),
            }
        }
    }

    /// A supernode that a leaf remembers: its twenty follow from its number.
    fn remembered(&mut self, leaf: u32) -> usize {
        let which = self.random.below(REMEMBERED as u32);
        (mix(u64::from(leaf) << 8 | u64::from(which)) % self.supernodes.len() as u64) as usize
    }

    fn ask(&mut self, now: Timestamp, leaf: u32) {
        if self.parents[leaf as usize] != NOBODY {
            return;
        }
        let supernode = self.remembered(leaf);
        self.messages += 1;
        let way = self.census.latency(leaf, NOBODY - supernode as u32);
        self.agenda.push(now + way, Event::Asks { leaf, supernode });
    }

    fn asked(&mut self, now: Timestamp, leaf: u32, number: usize) {
        let second = (now.as_nanos() / 1_000_000_000) as u32;
        let supernode = &mut self.supernodes[number];
        if !supernode.up || self.parents[leaf as usize] != NOBODY {
            let again = now + Duration::from_secs_f64(self.scenario.old_rule.retry_seconds);
            self.agenda.push(again, Event::Try { leaf });
            return;
        }
        let asks = if supernode.asked.0 == second { supernode.asked.1 + 1 } else { 1 };
        supernode.asked = (second, asks);
        supernode.children.push(leaf);
        self.parents[leaf as usize] = number as u32;
        self.attached += 1;
        self.messages += 1;
        let children = supernode.children.len() as u32;
        if children > self.scenario.old_rule.shut_off_above || asks > self.asks_max {
            self.shed += u64::from(children);
            self.stop(number);
            let back = now + Duration::from_secs_f64(self.scenario.old_rule.back_after_seconds);
            self.agenda.push(back, Event::Back { supernode: number });
        }
    }

    /// A supernode is gone, and its children look for another.
    fn stop(&mut self, number: usize) {
        let supernode = &mut self.supernodes[number];
        supernode.up = false;
        for leaf in std::mem::take(&mut supernode.children) {
            self.parents[leaf as usize] = NOBODY;
            self.attached -= 1;
            let seen = self.within(self.scenario.network.missed_within_seconds);
            self.agenda.push(seen, Event::Try { leaf });
        }
    }

    fn lose(&mut self) {
        let loss = &self.scenario.loss;
        let (of_supernodes, of_leaves) =
            ((loss.supernodes_percent * 100.0) as u32, (loss.restarts_percent * 100.0) as u32);
        for number in 0..self.supernodes.len() {
            if self.random.below(10_000) < of_supernodes {
                self.supernodes[number].gone = true;
                self.affected += self.supernodes[number].children.len() as u32;
                self.stop(number);
            }
        }
        for leaf in 0..self.parents.len() as u32 {
            let parent = self.parents[leaf as usize];
            if self.random.below(10_000) < of_leaves && parent != NOBODY {
                self.supernodes[parent as usize].children.retain(|&child| child != leaf);
                self.parents[leaf as usize] = NOBODY;
                self.attached -= 1;
                self.affected += 1;
                let at = self.within(loss.restart_within_seconds);
                self.agenda.push(at, Event::Try { leaf });
            }
        }
    }

    fn point(&self, at: f64) -> Point {
        let up = self.supernodes.iter().filter(|supernode| supernode.up);
        Point {
            at,
            nodes: self.parents.len() as u32 + self.supernodes.len() as u32,
            supernodes: up.clone().count() as u32,
            leaves: self.parents.len() as u32,
            attached: self.attached,
            largest: up.map(|supernode| supernode.children.len() as u32).max().unwrap_or(0),
            messages: self.messages,
            shed: self.shed,
            ..Point::default()
        }
    }
}
