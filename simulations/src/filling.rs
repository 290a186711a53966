//! Max-min fair rates by progressive filling: what many long TCP connections come to, in the ideal.
//!
//! All flows grow at one pace. When a link is full, its flows stop growing, and the others go on
//! (Bertsekas and Gallager, *Data Networks*, 1992, section 6.5.2).
//!
//! Rates are whole numbers of a unit that the caller chooses, and each share is rounded down. So no
//! link carries more than it can, and the result depends on no order of flows or links: all links
//! that are full at one level are frozen together.
//!
//! Invariant: the share of a link, which is what is left of it for each flow that still grows,
//! never falls. So a heap with old shares has the least true share near its top.

mod flows;
mod shares;

use std::{cmp::Reverse, collections::BinaryHeap};

pub use flows::{Done, FLOWS_MAX, FlowKey, Flows, TooManyFlows};
pub use shares::{Pair, Shares};

/// A rate, or a capacity, that limits nothing.
pub const UNLIMITED: u64 = u64::MAX;

/// What one flow crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    /// Positions of links in the list of capacities. A link that is named twice carries the flow
    /// twice.
    pub links: &'a [usize],
    /// The most that the flow takes, whatever links have left. [`UNLIMITED`]: all that it can get.
    pub cap: u64,
}

/// The max-min fair rate of each flow, in the order of `paths` and in the unit of `capacities`.
///
/// A flow that crosses no link gets its cap. Takes time in the order of P log L, with P the length
/// of all paths together and L the number of links.
///
/// # Panics
///
/// If a path names a link that is not in `capacities`.
pub fn rates(capacities: &[u64], paths: &[Path<'_>]) -> Vec<u64> {
    let mut filling = Filling::new(capacities, paths);
    while let Some(level) = filling.next_level() {
        filling.freeze(level);
    }
    filling.rates
}

/// A link while rates grow.
#[derive(Clone, Copy)]
struct Link {
    /// What frozen flows leave of it.
    left: u64,
    /// How often flows that still grow cross it.
    open: u64,
}

impl Link {
    fn share(self) -> Option<u64> {
        self.left.checked_div(self.open)
    }
}

/// The state between two levels.
struct Filling<'a> {
    paths: &'a [Path<'a>],
    links: Vec<Link>,
    /// Flows by link: those of link `l` are `crossing[starts[l]..starts[l + 1]]`.
    starts: Vec<usize>,
    crossing: Vec<usize>,
    /// Links by a share that they had once.
    shares: BinaryHeap<Reverse<(u64, usize)>>,
    /// Flows, the largest cap first.
    by_cap: Vec<usize>,
    frozen: Vec<bool>,
    rates: Vec<u64>,
}

impl<'a> Filling<'a> {
    fn new(capacities: &[u64], paths: &'a [Path<'a>]) -> Filling<'a> {
        let mut links: Vec<Link> = capacities.iter().map(|&left| Link { left, open: 0 }).collect();
        for &link in paths.iter().flat_map(|path| path.links) {
            links[link].open += 1;
        }
        let mut starts = vec![0];
        for link in &links {
            starts.push(starts[starts.len() - 1] + link.open as usize);
        }
        let mut crossing = vec![0; starts[links.len()]];
        let mut free = starts.clone();
        for (flow, path) in paths.iter().enumerate() {
            for &link in path.links {
                crossing[free[link]] = flow;
                free[link] += 1;
            }
        }
        let share = |(at, link): (usize, &Link)| link.share().map(|share| Reverse((share, at)));
        let mut by_cap: Vec<usize> = (0..paths.len()).collect();
        by_cap.sort_unstable_by_key(|&flow| Reverse(paths[flow].cap));
        Filling {
            paths,
            shares: links.iter().enumerate().filter_map(share).collect(),
            links,
            starts,
            crossing,
            by_cap,
            frozen: vec![false; paths.len()],
            rates: vec![0; paths.len()],
        }
    }

    /// The rate at which the next flow stops growing. `None`: all have stopped.
    fn next_level(&mut self) -> Option<u64> {
        while self.by_cap.last().is_some_and(|&flow| self.frozen[flow]) {
            self.by_cap.pop();
        }
        let cap = self.paths[*self.by_cap.last()?].cap;
        let Some(share) = self.least_share() else { return Some(cap) };
        Some(share.min(cap))
    }

    /// The least share of all links that still carry growing flows; it then is on top of the heap.
    fn least_share(&mut self) -> Option<u64> {
        loop {
            let &Reverse((noted, at)) = self.shares.peek()?;
            match self.links[at].share() {
                Some(share) if share == noted => return Some(share),
                Some(share) => {
                    self.shares.pop();
                    self.shares.push(Reverse((share, at)));
                }
                None => {
                    self.shares.pop();
                }
            }
        }
    }

    /// Ends the growth of all flows that can have no more than `level`.
    fn freeze(&mut self, level: u64) {
        let mut stopped = Vec::new();
        while self.least_share() == Some(level) {
            let Some(Reverse((_, link))) = self.shares.pop() else { break };
            stopped.extend_from_slice(&self.crossing[self.starts[link]..self.starts[link + 1]]);
        }
        while let Some(&flow) = self.by_cap.last()
            && self.paths[flow].cap == level
        {
            stopped.push(flow);
            self.by_cap.pop();
        }
        for flow in stopped {
            if std::mem::replace(&mut self.frozen[flow], true) {
                continue;
            }
            self.rates[flow] = level;
            for &link in self.paths[flow].links {
                self.links[link].left -= level;
                self.links[link].open -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(links: &[usize]) -> Path<'_> {
        Path { links, cap: UNLIMITED }
    }

    #[test]
    fn flows_over_one_link_share_it_equally() {
        assert_eq!(rates(&[90], &[path(&[0]), path(&[0]), path(&[0])]), [30, 30, 30]);
    }

    #[test]
    fn a_long_flow_gets_what_its_worst_link_leaves_and_others_get_the_rest() {
        // The textbook's example: one flow over both links, one over each, and a third over the
        // second.
        let paths = [path(&[0, 1]), path(&[0]), path(&[1]), path(&[1])];
        assert_eq!(rates(&[100, 90], &paths), [30, 70, 30, 30]);
    }

    #[test]
    fn a_cap_leaves_its_rest_to_the_others() {
        let capped = Path { links: &[0], cap: 10 };
        assert_eq!(rates(&[100], &[capped, path(&[0]), path(&[0])]), [10, 45, 45]);
        assert_eq!(rates(&[], &[Path { links: &[], cap: 7 }]), [7]);
    }

    #[test]
    fn a_link_without_capacity_stops_its_flows_and_no_others() {
        assert_eq!(rates(&[0, 10, UNLIMITED], &[path(&[0, 1]), path(&[1, 2])]), [0, 10]);
        assert_eq!(rates(&[UNLIMITED], &[path(&[0])]), [UNLIMITED]);
        assert_eq!(rates(&[5], &[]), [0_u64; 0]);
    }

    /// Capacities, and flows with their links and caps.
    type Network = (Vec<u64>, Vec<(Vec<usize>, u64)>);

    fn networks() -> impl Strategy<Value = Network> {
        let capacities = proptest::collection::vec(0..10_000_u64, 1..12);
        capacities.prop_flat_map(|capacities| {
            let links = proptest::collection::vec(0..capacities.len(), 1..4);
            let cap = prop_oneof![3 => Just(UNLIMITED), 1 => 0..2_000_u64];
            (Just(capacities), proptest::collection::vec((links, cap), 0..40))
        })
    }

    fn rates_of((capacities, flows): &Network) -> Vec<u64> {
        let paths: Vec<Path<'_>> = flows.iter().map(|(links, cap)| Path { links, cap: *cap }).collect();
        rates(capacities, &paths)
    }

    /// The flows of `link` and how often each crosses it.
    fn at(network: &Network, link: usize) -> impl Iterator<Item = (usize, u64)> {
        network.1.iter().enumerate().filter_map(move |(flow, (links, _))| {
            let times = links.iter().filter(|&&other| other == link).count() as u64;
            (times > 0).then_some((flow, times))
        })
    }

    proptest! {
        #[test]
        fn no_link_carries_more_than_it_can(network in networks()) {
            let rates = rates_of(&network);
            for (link, &capacity) in network.0.iter().enumerate() {
                let carried: u64 = at(&network, link).map(|(flow, times)| rates[flow] * times).sum();
                prop_assert!(carried <= capacity);
            }
        }

        #[test]
        fn every_flow_has_its_cap_or_a_full_link_on_which_none_gets_more(network in networks()) {
            let rates = rates_of(&network);
            for (flow, (links, cap)) in network.1.iter().enumerate() {
                let limits = |&link: &usize| {
                    let carried: u64 = at(&network, link).map(|(flow, times)| rates[flow] * times).sum();
                    let crossings: u64 = at(&network, link).map(|(_, times)| times).sum();
                    // Less is left than would give each one unit more.
                    network.0[link] - carried < crossings
                        && at(&network, link).all(|(other, _)| rates[other] <= rates[flow])
                };
                prop_assert!(rates[flow] == *cap || links.iter().any(limits), "flow {}", flow);
            }
        }

        #[test]
        fn the_order_of_flows_does_not_matter(
            (network, order) in networks().prop_flat_map(|network| {
                let order: Vec<usize> = (0..network.1.len()).collect();
                (Just(network), Just(order).prop_shuffle())
            })
        ) {
            let rates = rates_of(&network);
            let flows = order.iter().map(|&flow| network.1[flow].clone()).collect();
            let shuffled = rates_of(&(network.0.clone(), flows));
            prop_assert_eq!(shuffled, order.iter().map(|&flow| rates[flow]).collect::<Vec<_>>());
        }
    }
}
