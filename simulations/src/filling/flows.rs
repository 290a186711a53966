//! Flows between peers, each over one uplink and one downlink, at max-min fair rates.
//!
//! It is the reference that faster models of a network are measured against. Every change solves
//! all rates anew, so it is for small worlds: a change takes one or two milliseconds with ten
//! thousand flows.
//!
//! Invariants: all amounts are whole numbers of parts. A rate times nanoseconds is a number of parts
//! without rounding, so nothing is lost. What uplinks sent is what downlinks received, and both are
//! what flows are short of.

use std::{collections::BTreeMap, time::Duration};

use nearcast_core::time::Timestamp;

use super::{Path, UNLIMITED, rates};

/// Flows at one time, at most. More take too long to solve at every change.
pub const FLOWS_MAX: usize = 10_000;

/// Rates count in 65,536ths of a byte a second: fine enough that rounding a share down shows nowhere.
const RATE_BITS: u32 = 16;

/// Parts in a byte: a rate of one unit moves one part in a nanosecond.
pub(super) const PARTS: u128 = 1_000_000_000 << RATE_BITS;

/// Names a flow. Later flows have greater keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey(pub u64);

/// A flow that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Which flow.
    pub flow: FlowKey,
    /// Whose uplink it took.
    pub from: usize,
    /// Whose downlink it took.
    pub to: usize,
    /// What it carried, in bytes: all that it began with.
    pub bytes: u64,
}

/// There are [`FLOWS_MAX`] flows. The new one was not started, and the others go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are {FLOWS_MAX} flows already, and rates of more take too long to solve")]
pub struct TooManyFlows;

struct Flow {
    /// Its uplink and its downlink, as positions in `capacities`.
    links: [usize; 2],
    bytes: u64,
    /// The most that it takes, in units of rate.
    cap: u64,
    /// What is still to be sent, in parts.
    left: u128,
    /// In units of rate.
    rate: u64,
}

/// Uplinks and downlinks of peers, and the flows over them.
pub struct Flows {
    /// In units of rate: all uplinks, then all downlinks.
    capacities: Vec<u64>,
    peers: usize,
    flows: BTreeMap<FlowKey, Flow>,
    next: u64,
    now: Timestamp,
    /// Whether rates fit the flows.
    solved: bool,
    /// What each link carried since the beginning, in parts.
    carried: Vec<u128>,
    /// What flows moved since the beginning, in parts.
    moved: u128,
}

impl Flows {
    /// Peers with these uplinks and downlinks, in bytes a second. `None`: unlimited, and so is
    /// whatever is above 2^48.
    ///
    /// # Panics
    ///
    /// If there are not as many uplinks as downlinks.
    pub fn new(uplinks: &[u64], downlinks: &[Option<u64>]) -> Flows {
        assert_eq!(uplinks.len(), downlinks.len(), "each peer has an uplink and a downlink");
        let up = uplinks.iter().map(|&rate| in_units(Some(rate)));
        let capacities: Vec<u64> = up.chain(downlinks.iter().map(|&rate| in_units(rate))).collect();
        Flows {
            peers: uplinks.len(),
            carried: vec![0; capacities.len()],
            capacities,
            flows: BTreeMap::new(),
            next: 0,
            now: Timestamp::ZERO,
            solved: true,
            moved: 0,
        }
    }

    /// Begins to send `bytes` from one peer to another, at no more than `cap` bytes a second.
    ///
    /// # Errors
    ///
    /// If there are [`FLOWS_MAX`] flows. Nothing changes then.
    pub fn start(
        &mut self,
        now: Timestamp,
        from: usize,
        to: usize,
        bytes: u64,
        cap: Option<u64>,
    ) -> Result<FlowKey, TooManyFlows> {
        assert!(from < self.peers && to < self.peers, "no peer has such a number");
        if self.flows.len() >= FLOWS_MAX {
            return Err(TooManyFlows);
        }
        self.advance(now);
        let key = FlowKey(self.next);
        self.next += 1;
        let links = [from, self.peers + to];
        let left = u128::from(bytes) * PARTS;
        self.flows.insert(key, Flow { links, bytes, cap: in_units(cap), left, rate: 0 });
        self.solved = false;
        Ok(key)
    }

    /// Ends a flow before it is done. Returns how many bytes did not arrive in whole; `None`: there
    /// is no such flow.
    pub fn stop(&mut self, now: Timestamp, flow: FlowKey) -> Option<u64> {
        self.advance(now);
        let flow = self.flows.remove(&flow)?;
        self.solved = false;
        Some(u64::try_from(flow.left.div_ceil(PARTS)).unwrap_or(flow.bytes))
    }

    /// When the next flow is done, if none starts or stops until then. `None`: no flow moves.
    pub fn next_done(&mut self) -> Option<Timestamp> {
        self.solve();
        let moves = self.flows.values().filter(|flow| flow.rate > 0 || flow.left == 0);
        let nanos = moves.map(|flow| flow.left.div_ceil(flow.rate.max(1).into())).min()?;
        Some(self.now + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Takes the flows that are done by `now`, in the order in which they started.
    ///
    /// Call it no later than at [`Flows::next_done`], else others do not get the rates that those
    /// who are done leave.
    pub fn take_done(&mut self, now: Timestamp) -> Vec<Done> {
        self.advance(now);
        let of = |(&key, flow): (&FlowKey, &Flow)| Done {
            flow: key,
            from: flow.links[0],
            to: flow.links[1] - self.peers,
            bytes: flow.bytes,
        };
        let done: Vec<Done> = self.flows.iter().filter(|(_, flow)| flow.left == 0).map(of).collect();
        for done in &done {
            self.flows.remove(&done.flow);
        }
        self.solved &= done.is_empty();
        done
    }

    /// The rate of a flow now, in bytes a second. `None`: there is no such flow.
    pub fn rate(&mut self, flow: FlowKey) -> Option<f64> {
        self.solve();
        Some(in_bytes(self.flows.get(&flow)?.rate))
    }

    /// Flows that are not done.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether no flow is under way.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Whole bytes that a peer sent since the beginning.
    pub fn sent(&self, peer: usize) -> u64 {
        u64::try_from(self.carried[peer] / PARTS).unwrap_or(u64::MAX)
    }

    /// Whole bytes that a peer received since the beginning.
    pub fn received(&self, peer: usize) -> u64 {
        u64::try_from(self.carried[self.peers + peer] / PARTS).unwrap_or(u64::MAX)
    }

    /// Asserts that no part of a byte was lost or made.
    ///
    /// # Panics
    ///
    /// If one was.
    pub fn check(&self) {
        let (up, down) = self.carried.split_at(self.peers);
        assert_eq!(up.iter().sum::<u128>(), self.moved, "uplinks sent what flows moved");
        assert_eq!(down.iter().sum::<u128>(), self.moved, "downlinks received what flows moved");
        let nanos = u128::from(self.now.as_nanos());
        let able = |&capacity: &u64| u128::from(capacity) * nanos;
        assert!(
            self.carried.iter().zip(&self.capacities).all(|(&carried, capacity)| carried <= able(capacity)),
            "no link carried more than it could"
        );
    }

    fn advance(&mut self, now: Timestamp) {
        let passed = now.since(self.now).as_nanos();
        if passed == 0 {
            return;
        }
        self.solve();
        self.now = now;
        for flow in self.flows.values_mut() {
            let parts = flow.left.min(passed * u128::from(flow.rate));
            flow.left -= parts;
            self.moved += parts;
            for link in flow.links {
                self.carried[link] += parts;
            }
        }
    }

    fn solve(&mut self) {
        if std::mem::replace(&mut self.solved, true) {
            return;
        }
        let paths: Vec<Path<'_>> =
            self.flows.values().map(|flow| Path { links: &flow.links, cap: flow.cap }).collect();
        let rates = rates(&self.capacities, &paths);
        for (flow, rate) in self.flows.values_mut().zip(rates) {
            flow.rate = rate;
        }
    }
}

/// A rate in bytes a second.
pub(super) fn in_bytes(rate: u64) -> f64 {
    rate as f64 / f64::from(1 << RATE_BITS)
}

/// Bytes a second in units of rate.
pub(super) fn in_units(rate: Option<u64>) -> u64 {
    rate.filter(|&rate| rate < 1 << (u64::BITS - RATE_BITS)).map_or(UNLIMITED, |rate| rate << RATE_BITS)
}

#[cfg(test)]
mod tests;
