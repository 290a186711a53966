//! What fails: supernodes all at once, ways between ASes, nodes one by one.

use std::{collections::BTreeSet, time::Duration};

use nearcast_core::time::Timestamp;

use super::{
    World,
    message::{Event, Fault},
};

/// A node that restarts is down for at least so long: its old connections are closed before it opens new ones.
const DOWN_MIN: Duration = Duration::from_millis(400);

impl World {
    /// Whether there is no way between two nodes.
    pub(super) fn is_cut(&self, a: u32, b: u32) -> bool {
        let clogged = !self.clogged.is_empty() && (self.clogged.contains(&a) || self.clogged.contains(&b));
        clogged || (self.parted && self.census.is_cut(a) != self.census.is_cut(b))
    }

    pub(super) fn on_fault(&mut self, now: Timestamp, fault: Fault) {
        match fault {
            Fault::Loss => self.lose(now),
            Fault::Part => {
                self.parted = true;
                self.break_cut();
            }
            Fault::Mend => self.parted = false,
            Fault::Clog => self.clog(now),
            Fault::Cut { node, is: true } => {
                self.clogged.insert(node);
                self.break_cut();
            }
            Fault::Cut { node, is: false } => {
                self.clogged.remove(&node);
            }
        }
    }

    /// Supernodes fail, and leaves restart.
    fn lose(&mut self, now: Timestamp) {
        let loss = self.scenario.loss.clone();
        let missed = Duration::from_secs_f64(self.scenario.network.missed_within_seconds);
        let failed = self.draw_failed();
        let is_hit = |node: &u32| {
            self.nodes[*node as usize].primary().is_some_and(|parent| failed.contains(&parent.peer.0))
        };
        let orphans: BTreeSet<u32> =
            (0..self.scenario.nodes).filter(|&node| self.is_up(node)).filter(is_hit).collect();
        self.fail_all(&failed, missed);
        self.counts.affected += orphans.len() as u32;
        let percent = (loss.restarts_percent * 100.0) as u32;
        for node in self.scenario.anchors..self.scenario.nodes {
            if !self.is_up(node) || self.supernodes.contains(&node) || self.random.below(10_000) >= percent {
                continue;
            }
            self.counts.affected += u32::from(!orphans.contains(&node));
            self.stop(node, Duration::ZERO);
            self.counts.restarting += 1;
            let at = now + DOWN_MIN + self.within(Duration::from_secs_f64(loss.restart_within_seconds));
            self.agenda.push(at, Event::Start { node });
        }
    }

    /// The supernodes that fail.
    fn draw_failed(&mut self) -> BTreeSet<u32> {
        let loss = &self.scenario.loss;
        let elected = self.supernodes.iter().copied().filter(|&node| node >= self.scenario.anchors);
        if loss.version > 0 {
            return elected.filter(|&node| self.census.version(node) == loss.version).collect();
        }
        let mut elected: Vec<u32> = elected.collect();
        let count = (elected.len() as f64 * loss.supernodes_percent / 100.0).round() as usize;
        let mut failed = BTreeSet::new();
        while failed.len() < count {
            let at = self.random.below(elected.len() as u32) as usize;
            failed.insert(elected.swap_remove(at));
        }
        failed
    }

    /// As [`World::stop`] for each of them, but siblings are looked through once.
    fn fail_all(&mut self, failed: &BTreeSet<u32>, missed: Duration) {
        let mut closed: Vec<(u32, u32)> = Vec::new();
        for &node in failed {
            let machine = &self.nodes[node as usize];
            let children = machine.children();
            closed.extend(children.iter().chain(&machine.warm_children()).map(|peer| (peer.0, node)));
            self.supernodes.remove(&node);
            self.states[node as usize] &= !super::UP;
            self.counts.up -= 1;
        }
        for &node in &self.supernodes {
            let siblings = self.nodes[node as usize].siblings();
            closed.extend(siblings.iter().filter(|peer| failed.contains(&peer.0)).map(|peer| (node, peer.0)));
        }
        for (at, peer) in closed {
            self.close(at, peer, missed);
        }
    }

    /// Both ends of everything that is cut see it.
    fn break_cut(&mut self) {
        let missed = Duration::from_secs_f64(self.scenario.network.missed_within_seconds);
        let mut closed: Vec<(u32, u32)> = Vec::new();
        for node in (0..self.scenario.nodes).filter(|&node| self.is_up(node)) {
            let machine = &self.nodes[node as usize];
            for parent in machine.parents().iter().map(|parent| parent.peer.0) {
                if self.is_cut(node, parent) {
                    closed.extend([(node, parent), (parent, node)]);
                }
            }
            let siblings = machine.siblings();
            closed
                .extend(siblings.iter().filter(|peer| self.is_cut(node, peer.0)).map(|peer| (node, peer.0)));
        }
        for (at, peer) in closed {
            self.close(at, peer, missed);
        }
    }

    /// Draws the nodes that are cut off, and when each is, and when it comes back.
    fn clog(&mut self, now: Timestamp) {
        let clog = self.scenario.clog.clone();
        let mut nodes: Vec<u32> = (0..self.scenario.nodes).collect();
        let count = (nodes.len() as f64 * clog.percent / 100.0).round() as usize;
        let mut chosen = Vec::new();
        while chosen.len() < count {
            let at = self.random.below(nodes.len() as u32) as usize;
            chosen.push(nodes.swap_remove(at));
        }
        let step = clog.over_seconds / count.max(1) as f64;
        let at = |number: usize, base: f64| now + Duration::from_secs_f64(base + step * number as f64);
        for (number, &node) in chosen.iter().enumerate() {
            self.agenda.push(at(number, 0.0), Event::Fault(Fault::Cut { node, is: true }));
        }
        let healing = clog.over_seconds + clog.for_seconds;
        for number in 0..count {
            let which = self.random.below(chosen.len() as u32) as usize;
            let node = chosen.swap_remove(which);
            self.agenda.push(at(number, healing), Event::Fault(Fault::Cut { node, is: false }));
        }
    }
}
