//! Whom to link to next: the nearest who is likely to answer, and a share at random.

use crate::{discovery::Known, random::Random};

/// What a candidate costs, in named parts; the smallest sum is tried first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    /// Nearness decides first: a tier is worth more than all else together.
    tier: f32,
    /// Each attempt that failed makes a candidate as unattractive as two tiers more distance.
    failures: f32,
    /// Dice inside a tier, so that a crowd does not run to the same peer.
    tie: f32,
}

impl Cost {
    fn of(candidate: &Known, random: &mut Random) -> Cost {
        Cost {
            tier: f32::from(candidate.near.tier() as u8),
            failures: 2.0 * f32::from(candidate.failures),
            tie: random.unit() * 0.9,
        }
    }

    fn sum(self) -> f32 {
        self.tier + self.failures + self.tie
    }
}

/// Which of `ready` (positions in `known`) to link to: the cheapest, or, for a random slot, any.
pub(crate) fn choose(
    known: &[Known],
    ready: &[usize],
    random_slot: bool,
    random: &mut Random,
) -> Option<usize> {
    if random_slot {
        return ready.get(random.below(ready.len() as u32) as usize).copied();
    }
    let costs: Vec<(f32, usize)> = ready.iter().map(|&at| (Cost::of(&known[at], random).sum(), at)).collect();
    costs.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::PeerKey,
        input::{Candidate, Via},
        tier::Tier,
    };

    fn known(tiers: &[Tier]) -> Vec<Known> {
        let candidate = |(at, &tier): (usize, &Tier)| Candidate {
            peer: PeerKey(at as u32),
            near: tier.into(),
            via: Via::Directory,
        };
        tiers.iter().enumerate().map(candidate).map(Known::new).collect()
    }

    #[test]
    fn the_nearest_is_linked_to_first() {
        let known = known(&[Tier::Remote, Tier::Prefix24, Tier::SameAs]);
        let mut random = Random::new(1);
        assert!((0..100).all(|_| choose(&known, &[0, 1, 2], false, &mut random) == Some(1)));
    }

    #[test]
    fn a_random_slot_reaches_every_tier() {
        let known = known(&[Tier::Remote, Tier::Prefix24, Tier::SameAs]);
        let mut random = Random::new(1);
        let mut chosen: Vec<_> =
            (0..100).filter_map(|_| choose(&known, &[0, 1, 2], true, &mut random)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen, [0, 1, 2]);
    }

    #[test]
    fn failures_push_a_near_candidate_behind_a_far_one() {
        let mut known = known(&[Tier::Prefix24, Tier::SameAs]);
        known[0].failures = 2;
        assert_eq!(choose(&known, &[0, 1], false, &mut Random::new(1)), Some(1));
    }
}
