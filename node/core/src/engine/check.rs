//! Assertions of what must hold whatever happens.
//!
//! For property tests, fuzzers and simulators: the cost of a check grows with all links and runs
//! together.

use std::collections::BTreeSet;

use super::{BANNED_MAX, Engine};
use crate::view::View;

impl Engine {
    /// Asserts the invariants that the parts of the engine write down. Call it between inputs, with
    /// the view that the engine was given.
    ///
    /// # Panics
    /// If an invariant does not hold; the message names it.
    pub fn check(&self, view: &dyn View) {
        let ascends = self.swarms.is_sorted_by(|(one, _), (next, _)| one < next);
        assert!(ascends, "contents are sorted, each at most once");
        let soonest = self.swarms.iter().filter_map(|(content, swarm)| Some((swarm.soonest()?.0, *content)));
        let (soonest, agenda): (BTreeSet<_>, Vec<_>) = (soonest.collect(), self.agenda.iter().collect());
        assert!(
            agenda.iter().eq(&soonest),
            "{agenda:?}: the agenda holds the soonest wake-up of each content"
        );
        let unchoked: u32 = self.swarms.iter().map(|(_, swarm)| swarm.unchoked()).sum();
        assert_eq!(self.unchoked, unchoked, "unchoked neighbours of all contents");
        let demand = self.swarms.iter().map(|(_, swarm)| u32::from(swarm.demand(&self.config))).sum();
        self.slots.check(demand);
        assert!(self.banned.len() <= BANNED_MAX, "bans are bounded");
        for (content, swarm) in &self.swarms {
            swarm.check(&self.config, |peer| view.held(*content, peer));
        }
    }
}
