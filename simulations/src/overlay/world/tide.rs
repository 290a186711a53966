//! Nodes that come and go.

use std::time::Duration;

use nearcast_core::{
    overlay::{door::Input, membership::Membership},
    time::Timestamp,
};

use super::{REMEMBERED, UP, World, message::Event, seconds};
use crate::overlay::scenario::{Start, Tide};

const SECOND: Duration = Duration::from_secs(1);
/// Draws to find a node that is up, or one that is not.
const DRAWS_MAX: u32 = 64;

impl World {
    /// Another second has passed.
    pub(super) fn on_tide(&mut self, now: Timestamp) {
        let wanted = self.wanted(now);
        let waves = self.scenario.coming.tide == Tide::Wave;
        if waves && f64::from(seconds(now)) > self.scenario.coming.over_seconds {
            self.wave(wanted);
            self.agenda.push(now + SECOND, Event::Tide);
            return;
        }
        // Supernodes of a settled world are there already.
        let mut ahead = self.settled.iter().filter(|&&node| node >= self.next).count() as u32;
        while self.next < self.scenario.nodes && self.next + ahead < wanted {
            let node = self.next;
            self.next += 1;
            if self.is_up(node) {
                ahead -= 1;
            } else {
                let at = now + self.within(SECOND);
                self.agenda.push(at, Event::Start { node });
            }
        }
        if self.next < self.scenario.nodes || waves {
            self.agenda.push(now + SECOND, Event::Tide);
        }
    }

    /// How many nodes there should be a second from now. The same bits on every machine: there is no power and no sine.
    fn wanted(&self, now: Timestamp) -> u32 {
        let coming = &self.scenario.coming;
        let nodes = f64::from(self.scenario.nodes);
        let at = f64::from(seconds(now)) + 1.0;
        let filled = nodes * (at / coming.over_seconds.max(1.0)).min(1.0);
        let share = match coming.tide {
            Tide::Over => filled,
            Tide::Doubling => {
                let doublings = (at / coming.doubling_seconds).min(40.0);
                // Between two doublings along a line.
                (1_u64 << doublings as u32) as f64 * (1.0 + doublings.fract())
            }
            Tide::Wave => {
                // From noon down to midnight and up again, along lines.
                let of_day = (at / coming.day_seconds).fract();
                let light = (2.0 * of_day - 1.0).abs();
                let night = coming.night_percent / 100.0;
                filled * (night + (1.0 - night) * light)
            }
        };
        share.min(nodes) as u32
    }

    /// Starts and stops nodes, so that there are about as many as wanted.
    fn wave(&mut self, wanted: u32) {
        let is = self.counts.up;
        let draws = DRAWS_MAX.saturating_mul(is.abs_diff(wanted).min(1_000));
        let mut left = is.abs_diff(wanted);
        for _ in 0..draws {
            if left == 0 {
                return;
            }
            let span = self.scenario.nodes - self.scenario.anchors;
            let node = self.scenario.anchors + self.random.below(span);
            if is < wanted && !self.is_up(node) {
                self.start_leaf(node);
                left -= 1;
            } else if is > wanted && self.is_up(node) {
                self.stop(node, Duration::ZERO);
                left -= 1;
            }
        }
    }

    fn begin(&mut self, node: u32) -> u8 {
        let state = &mut self.states[node as usize];
        let epoch = (*state & !UP).wrapping_add(1) & !UP;
        *state = UP | epoch;
        self.counts.up += 1;
        epoch
    }

    /// A supernode that is there from the start.
    pub(super) fn start_supernode(&mut self, node: u32, anchor: bool) {
        let epoch = self.begin(node);
        let known = self.known_at_start(REMEMBERED);
        let host = self.census.host(&self.config, node);
        let seed = self.census.seed_of(node, epoch);
        self.nodes[node as usize] = Membership::supernode(self.now(), &host, seed, anchor, &known);
        self.supernodes.insert(node);
        let wake = self.nodes[node as usize].poll_timeout();
        wake.into_iter().for_each(|at| self.agenda.push(at, Event::Wake { node }));
        if !anchor {
            self.tell(node, Input::Measured(self.census.facts(node, true)));
        }
    }

    /// A node starts as a leaf. It knows whom it remembered when it stopped.
    pub(super) fn start_leaf(&mut self, node: u32) {
        if self.is_up(node) {
            return;
        }
        let was_here = self.states[node as usize] != 0;
        let settled = self.scenario.start == Start::Settled && !was_here;
        let mut known = self.nodes[node as usize].remembered();
        if was_here {
            self.counts.restarting = self.counts.restarting.saturating_sub(1);
        } else {
            known = self.known_at_start(REMEMBERED);
        }
        let epoch = self.begin(node);
        let host = self.census.host(&self.config, node);
        let seed = self.census.seed_of(node, epoch);
        self.nodes[node as usize] = Membership::leaf(self.now(), &host, seed, &known);
        let wake = self.nodes[node as usize].poll_timeout();
        wake.into_iter().for_each(|at| self.agenda.push(at, Event::Wake { node }));
        self.tell(node, Input::Measured(self.census.facts(node, settled)));
    }

    /// A node stops. Those it was connected to miss it within `missed`; zero: its connections are closed.
    pub(super) fn stop(&mut self, node: u32, missed: Duration) {
        let machine = &self.nodes[node as usize];
        self.counts.attached -= u32::from(machine.primary().is_some());
        let mut peers: Vec<u32> = machine.parents().iter().map(|parent| parent.peer.0).collect();
        if machine.is_supernode() {
            peers.extend(machine.children().iter().chain(&machine.warm_children()).map(|peer| peer.0));
            let here = nearcast_core::id::PeerKey(node);
            let knows = |other: &&u32| self.nodes[**other as usize].siblings().contains(&here);
            peers.extend(self.supernodes.iter().filter(knows));
            self.supernodes.remove(&node);
        }
        self.states[node as usize] &= !UP;
        self.counts.up -= 1;
        for at in peers {
            self.close(at, node, missed);
        }
    }

    /// One end of a connection sees that it is broken.
    pub(super) fn close(&mut self, at: u32, peer: u32, missed: Duration) {
        let seen = self.now() + self.census.latency(at, peer) + self.within(missed);
        let state = self.states[at as usize];
        self.agenda.push(seen, Event::Closed { at, state, peer });
    }
}
