//! Which peer plays which part, and in which group.

use super::{
    Kind, PeerPlan, StartSet,
    dice::{Aspect, Dice},
};
use crate::scenario::Scenario;

/// The group of each peer, members of one group side by side. Empty if there are no groups.
pub(super) fn groups(scenario: &Scenario) -> Vec<u32> {
    let members = scenario.groups.members(scenario.peers);
    let of = |(group, &members): (usize, &u32)| std::iter::repeat_n(group as u32, members as usize);
    members.iter().enumerate().flat_map(of).collect()
}

/// The part of each peer: those who do not play by the rules are drawn at random.
pub(super) fn kinds(scenario: &Scenario, seed: u64) -> Vec<Kind> {
    const KINDS: [Kind; 7] = [
        Kind::Rider,
        Kind::SilentRider,
        Kind::Hoarder,
        Kind::Poisoner,
        Kind::Liar,
        Kind::LargeView,
        Kind::BitTyrant,
    ];
    let peers = scenario.peers as usize;
    let counts = scenario.actors.counts(scenario.peers);
    let mut kinds: Vec<Kind> = KINDS
        .into_iter()
        .zip(counts)
        .flat_map(|(kind, count)| std::iter::repeat_n(kind, count as usize))
        .collect();
    if kinds.is_empty() {
        return vec![Kind::Leecher; peers];
    }
    kinds.resize(peers, Kind::Leecher);
    // Who is there before the others plays by the rules as long as others can play the parts: it is
    // the one that a scenario looks at.
    let early = (scenario.arrivals.early.of(scenario.peers) as usize)
        .min(peers - counts.iter().sum::<u32>() as usize);
    kinds.rotate_right(early);
    Dice::new(seed, Aspect::Kinds).shuffle(&mut kinds[early..]);
    kinds
}

/// Marks those who watch: drawn at random from those who play by the rules and lack something.
pub(super) fn viewers(scenario: &Scenario, seed: u64, peers: &mut [PeerPlan]) {
    let may = |peer: &&mut PeerPlan| peer.kind.is_honest() && peer.starts_with != StartSet::All;
    let mut candidates: Vec<&mut PeerPlan> = peers.iter_mut().filter(may).collect();
    let count = scenario.viewers.watching.of(candidates.len() as u32) as usize;
    if count > 0 {
        Dice::new(seed, Aspect::Viewers).shuffle(&mut candidates);
        candidates.into_iter().take(count).for_each(|peer| peer.watches = true);
    }
}
