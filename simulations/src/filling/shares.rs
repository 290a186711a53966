//! Flows over any links at max-min fair rates, solved anew at most every so often: what a world's
//! transfers get their rates from.
//!
//! A flow is what one sender sends one receiver: one run after the other. A run that follows at once
//! keeps the rate of the one before. A new flow stands still until rates are solved again, and what
//! an ended flow leaves is used from then on. So no link carries more than it can at any moment,
//! however seldom rates are solved.
//!
//! Invariants: all amounts are whole numbers of parts, as in [`super::Flows`]. What flows moved is
//! what each of their links carried.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use nearcast_core::time::Timestamp;

use super::{FLOWS_MAX, Path, UNLIMITED, flows, rates};

/// A sender and a receiver.
pub type Pair = (u32, u32);

struct Flow {
    /// Positions in the list of capacities.
    links: Box<[usize]>,
    /// What is still to be sent of the present run, in parts, at `since`.
    left: u128,
    since: Timestamp,
    /// In units of rate.
    rate: u64,
    /// The present run has been sent.
    is_done: bool,
    /// Tells this run from earlier ones of the same pair.
    run: u64,
}

impl Flow {
    fn ends(&self) -> Option<Timestamp> {
        let nanos = match self.rate {
            _ if self.is_done => return None,
            0 if self.left > 0 => return None,
            rate => self.left.div_ceil(rate.max(1).into()),
        };
        Some(self.since + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

/// The flows of a world.
pub struct Shares {
    /// In units of rate.
    capacities: Vec<u64>,
    flows: BTreeMap<Pair, Flow>,
    /// When runs are sent, with the number of the run. Entries of earlier runs are stale.
    ends: BinaryHeap<Reverse<(Timestamp, Pair, u64)>>,
    runs: u64,
    /// The least time between two solutions.
    pause: Duration,
    /// When rates were solved last. `None`: never.
    solved_at: Option<Timestamp>,
    /// Rates do not fit the flows any more.
    is_stale: bool,
    /// What each link carried, in parts.
    carried: Vec<u128>,
    /// What each link may have carried by now, whatever its flows: for [`Shares::is_within_capacity`].
    now: Timestamp,
}

impl Shares {
    /// Links with these capacities, in bytes a second. `None`: unlimited. Rates are solved at most
    /// every `pause`; with more than [`FLOWS_MAX`] flows correspondingly less often.
    pub fn new(capacities: impl IntoIterator<Item = Option<u64>>, pause: Duration) -> Shares {
        let capacities: Vec<u64> = capacities.into_iter().map(flows::in_units).collect();
        Shares {
            carried: vec![0; capacities.len()],
            capacities,
            flows: BTreeMap::new(),
            ends: BinaryHeap::new(),
            runs: 0,
            pause,
            solved_at: None,
            is_stale: false,
            now: Timestamp::ZERO,
        }
    }

    /// Begins to send a run of so many bytes over these links. A flow of the same pair that has sent
    /// its run goes on at its rate; `links` are not looked at then.
    pub fn start(&mut self, now: Timestamp, pair: Pair, bytes: u32, links: &[usize]) {
        self.now = now;
        self.runs += 1;
        let (left, run) = (u128::from(bytes) * flows::PARTS, self.runs);
        match self.flows.get_mut(&pair) {
            Some(flow) => {
                (flow.left, flow.since, flow.is_done, flow.run) = (left, now, false, run);
                if let Some(at) = flow.ends() {
                    self.ends.push(Reverse((at, pair, run)));
                }
            }
            None => {
                let flow = Flow { links: links.into(), left, since: now, rate: 0, is_done: false, run };
                self.flows.insert(pair, flow);
                self.is_stale = true;
            }
        }
    }

    /// Ends the flow of a pair, if there is one, whatever it has sent.
    pub fn stop(&mut self, now: Timestamp, pair: Pair) {
        self.now = now;
        if let Some(mut flow) = self.flows.remove(&pair) {
            settle(&mut flow, now, &mut self.carried);
            self.is_stale = true;
        }
    }

    /// Ends all flows of a sender.
    pub fn stop_from(&mut self, now: Timestamp, from: u32) {
        let pairs: Vec<Pair> =
            self.flows.range((from, 0)..=(from, u32::MAX)).map(|(&pair, _)| pair).collect();
        pairs.into_iter().for_each(|pair| self.stop(now, pair));
    }

    /// Gives flows other links, those that `links` says, from now on.
    pub fn reroute(&mut self, now: Timestamp, mut links: impl FnMut(Pair) -> Box<[usize]>) {
        self.now = now;
        for (&pair, flow) in &mut self.flows {
            settle(flow, now, &mut self.carried);
            flow.links = links(pair);
            // The old rate is for the old links.
            flow.rate = 0;
            self.is_stale = true;
        }
        self.ends.clear();
    }

    /// When there is something to do next: a run has been sent, or rates are to be solved. `None`:
    /// nothing moves.
    pub fn next_at(&mut self) -> Option<Timestamp> {
        while let Some(&Reverse((_, pair, run))) = self.ends.peek()
            && self.flows.get(&pair).is_none_or(|flow| flow.run != run || flow.is_done)
        {
            self.ends.pop();
        }
        let ends = self.ends.peek().map(|&Reverse((at, ..))| at);
        let solves = self.is_stale.then(|| self.solves_at());
        ends.into_iter().chain(solves).min()
    }

    fn solves_at(&self) -> Timestamp {
        let pause = self.pause * (self.flows.len() / FLOWS_MAX + 1) as u32;
        self.solved_at.map_or(self.now, |at| (at + pause).max(self.now))
    }

    /// Takes the pairs whose runs have been sent by `now`, in their order. A flow that is not started
    /// again ends at the next [`Shares::settle`].
    pub fn take_done(&mut self, now: Timestamp) -> Vec<Pair> {
        self.now = now;
        let mut done = Vec::new();
        while self.next_end().is_some_and(|at| at <= now)
            && let Some(Reverse((_, pair, _))) = self.ends.pop()
            && let Some(flow) = self.flows.get_mut(&pair)
        {
            settle(flow, now, &mut self.carried);
            flow.is_done = true;
            done.push(pair);
        }
        done.sort_unstable();
        done
    }

    fn next_end(&mut self) -> Option<Timestamp> {
        self.next_at()?;
        self.ends.peek().map(|&Reverse((at, ..))| at)
    }

    /// Ends the flows that were not started again, and solves rates if it is time.
    pub fn settle(&mut self, now: Timestamp) {
        self.now = now;
        let before = self.flows.len();
        self.flows.retain(|_, flow| !flow.is_done);
        self.is_stale |= self.flows.len() != before;
        if !self.is_stale || self.solves_at() > now {
            return;
        }
        (self.is_stale, self.solved_at) = (false, Some(now));
        self.flows.values_mut().for_each(|flow| settle(flow, now, &mut self.carried));
        let paths: Vec<Path<'_>> =
            self.flows.values().map(|flow| Path { links: &flow.links, cap: UNLIMITED }).collect();
        let rates = rates(&self.capacities, &paths);
        self.ends.clear();
        for ((&pair, flow), rate) in self.flows.iter_mut().zip(rates) {
            flow.rate = rate;
            self.ends.extend(flow.ends().map(|at| Reverse((at, pair, flow.run))));
        }
    }

    /// The rate of a flow now, in bytes a second. `None`: there is no such flow.
    pub fn rate(&self, pair: Pair) -> Option<f64> {
        Some(flows::in_bytes(self.flows.get(&pair)?.rate))
    }

    /// Flows that are under way.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether no flow is under way.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Whole bytes that a link carried, without those of runs that are under way since rates were
    /// solved.
    pub fn carried(&self, link: usize) -> u64 {
        u64::try_from(self.carried[link] / flows::PARTS).unwrap_or(u64::MAX)
    }

    /// Whether no link carried more than it could.
    pub fn is_within_capacity(&self) -> bool {
        let nanos = u128::from(self.now.as_nanos());
        let able = |&capacity: &u64| u128::from(capacity) * nanos;
        self.carried.iter().zip(&self.capacities).all(|(&carried, capacity)| carried <= able(capacity))
    }
}

/// Counts what a flow sent up to now.
fn settle(flow: &mut Flow, now: Timestamp, carried: &mut [u128]) {
    let passed = now.since(flow.since).as_nanos();
    flow.since = now;
    let parts = flow.left.min(passed.saturating_mul(flow.rate.into()));
    flow.left -= parts;
    for &link in &flow.links {
        carried[link] += parts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Lets everything that goes on end. Returns when each run was sent, in milliseconds.
    fn play(shares: &mut Shares) -> Vec<(u64, Pair)> {
        let mut sent = Vec::new();
        while let Some(now) = shares.next_at() {
            let done = shares.take_done(now);
            sent.extend(done.into_iter().map(|pair| (now.as_nanos().div_ceil(1_000_000), pair)));
            shares.settle(now);
        }
        assert!(shares.is_within_capacity());
        sent
    }

    #[test]
    fn what_one_receiver_cannot_take_others_get() {
        // Two receivers of one sender; the first one's downlink takes a quarter of the uplink.
        let mut shares = Shares::new([Some(1_000), Some(250), None], Duration::ZERO);
        shares.start(at(0), (0, 1), 1_000, &[0, 1]);
        shares.start(at(0), (0, 2), 1_500, &[0, 2]);
        shares.settle(at(0));
        assert_eq!((shares.rate((0, 1)), shares.rate((0, 2))), (Some(250.0), Some(750.0)));
        assert_eq!(play(&mut shares), [(2_000, (0, 2)), (4_000, (0, 1))]);
        assert_eq!((shares.carried(0), shares.carried(1), shares.carried(2)), (2_500, 1_000, 1_500));
    }

    #[test]
    fn rates_are_solved_at_most_so_often_and_nothing_is_above_its_capacity_meanwhile() {
        let mut shares = Shares::new([Some(1_000)], SECOND);
        shares.start(at(0), (0, 1), 4_000, &[0]);
        shares.settle(at(0));
        shares.start(at(500), (0, 2), 1_000, &[0]);
        // The new one waits for the next solution, at 1 s; then both have half.
        assert_eq!(shares.next_at(), Some(at(1_000)));
        assert_eq!(shares.rate((0, 2)), Some(0.0));
        assert_eq!(play(&mut shares), [(3_000, (0, 2)), (5_000, (0, 1))]);
    }

    #[test]
    fn a_run_that_follows_at_once_keeps_the_rate_and_a_flow_that_stops_leaves_it() {
        let mut shares = Shares::new([Some(1_000)], SECOND);
        shares.start(at(0), (0, 1), 500, &[0]);
        shares.settle(at(0));
        assert_eq!(shares.take_done(at(500)), [(0, 1)]);
        shares.start(at(500), (0, 1), 250, &[0]);
        shares.settle(at(500));
        assert_eq!(shares.next_at(), Some(at(750)));
        shares.start(at(600), (3, 1), 1_000, &[0]);
        shares.stop_from(at(700), 0);
        assert_eq!(play(&mut shares), [(2_000, (3, 1))]);
        assert_eq!(shares.carried(0), 500 + 200 + 1_000);
    }
}
