//! How upload slots are shared among contents when all contents together want more than there are.
//!
//! Max-min: no content gets a second slot while one that waits has none, no content a third while
//! one that could use a second has one, and so on. The rest, too little for one slot each, goes
//! round.

use std::collections::BTreeMap;

use crate::{id::ContentKey, saturate::to_u16, time::Timestamp};

/// A quota that limits nothing.
pub(crate) const UNLIMITED: u16 = u16::MAX;

/// How slots are dealt out, over all contents.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// Slots that all contents together could use.
    demand: u32,
    /// Quotas are in force.
    dealt: bool,
    /// When quotas are dealt out anew.
    next: Timestamp,
    /// The first content that got none of the rest last time.
    turn: Option<ContentKey>,
}

/// The quotas of one deal: each content gets as many slots as it could use, but at most `most`. Of
/// the contents that could use more, `left` get one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Deal {
    most: u16,
    left: u32,
}

impl Deal {
    fn of(demands: impl Iterator<Item = u16>, total: u32) -> Deal {
        let mut counts: BTreeMap<u16, u32> = BTreeMap::new();
        for demand in demands.filter(|&demand| demand > 0) {
            let count = counts.entry(demand).or_default();
            *count = count.saturating_add(1);
        }
        let (mut most, mut left) = (0_u16, total);
        let mut hungry: u32 = counts.values().sum();
        for (&demand, &count) in &counts {
            let wanted = u32::from(demand.saturating_sub(most)).saturating_mul(hungry);
            if wanted > left {
                let more = to_u16(left.checked_div(hungry).unwrap_or(0));
                let dealt = u32::from(more).saturating_mul(hungry);
                return Deal { most: most.saturating_add(more), left: left.saturating_sub(dealt) };
            }
            left = left.saturating_sub(wanted);
            most = demand;
            hungry = hungry.saturating_sub(count);
        }
        Deal { most: UNLIMITED, left: 0 }
    }
}

impl Slots {
    /// A content could use `after` slots instead of `before`.
    pub(crate) fn note_demand(&mut self, before: u16, after: u16) {
        self.demand = self.demand.saturating_add(after.into()).saturating_sub(before.into());
    }

    /// Counts anew what contents could use.
    pub(crate) fn recount(&mut self, demands: impl Iterator<Item = u16>) {
        self.demand = demands.map(u32::from).sum();
    }

    /// Asserts that the demand is the sum of what contents could use.
    ///
    /// # Panics
    /// If the sum differs.
    pub(crate) fn check(&self, demand: u32) {
        assert_eq!(self.demand, demand, "slots that all contents could use");
    }

    /// Whether quotas must be dealt out or lifted now.
    pub(crate) fn is_due(&self, now: Timestamp, total: u32) -> bool {
        if self.demand > total { !self.dealt || now >= self.next } else { self.dealt }
    }

    /// Deals out quotas. `demands` is sorted by key, and the quotas have the same order.
    pub(crate) fn deal(&mut self, demands: &[(ContentKey, u16)], total: u32, next: Timestamp) -> Vec<u16> {
        self.dealt = self.demand > total;
        self.next = next;
        if !self.dealt {
            return vec![UNLIMITED; demands.len()];
        }
        let Deal { most, mut left } = Deal::of(demands.iter().map(|&(_, demand)| demand), total);
        let mut quotas: Vec<u16> = demands.iter().map(|&(_, demand)| demand.min(most)).collect();
        let first = demands.partition_point(|&(key, _)| Some(key) < self.turn);
        for at in (first..demands.len()).chain(0..first) {
            let (key, demand) = demands[at];
            if demand <= most {
                continue;
            }
            if left == 0 {
                self.turn = Some(key);
                break;
            }
            quotas[at] = quotas[at].saturating_add(1);
            left = left.saturating_sub(1);
        }
        // A content without demand gets one slot, in case it wants one before the next deal.
        quotas
            .iter_mut()
            .zip(demands)
            .filter(|(_, (_, demand))| *demand == 0)
            .for_each(|(quota, _)| *quota = 1);
        quotas
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deal(demands: &[u16], total: u32) -> Deal {
        Deal::of(demands.iter().copied(), total)
    }

    #[test]
    fn nobody_gets_a_second_slot_before_everybody_has_a_first() {
        assert_eq!(deal(&[64, 64, 1, 1], 4), Deal { most: 1, left: 0 });
        assert_eq!(deal(&[64, 64, 1, 1], 3), Deal { most: 0, left: 3 });
        assert_eq!(deal(&[64, 64, 64], 128), Deal { most: 42, left: 2 });
        assert_eq!(deal(&[64, 64, 2, 0, 1], 100), Deal { most: 48, left: 1 });
        assert_eq!(deal(&[3, 4], 7).left, 0);
        assert_eq!(deal(&[], 7), Deal { most: UNLIMITED, left: 0 });
    }

    #[test]
    fn what_is_too_little_for_everybody_goes_round() {
        let mut slots = Slots::default();
        let demands: Vec<(ContentKey, u16)> = (0..10).map(|key| (ContentKey(key), 5)).collect();
        slots.recount(demands.iter().map(|&(_, demand)| demand));
        let mut had = [0; 10];
        for _ in 0..10 {
            let quotas = slots.deal(&demands, 4, Timestamp::ZERO);
            assert_eq!(quotas.iter().sum::<u16>(), 4);
            had.iter_mut().zip(quotas).for_each(|(had, quota)| *had += quota);
        }
        assert_eq!(had, [4; 10]);
    }

    #[test]
    fn quotas_are_lifted_when_there_is_enough_for_all() {
        let mut slots = Slots::default();
        slots.recount([5, 5].into_iter());
        assert!(slots.is_due(Timestamp::ZERO, 9) && !slots.is_due(Timestamp::ZERO, 10));
        slots.deal(&[(ContentKey(0), 5), (ContentKey(1), 5)], 9, Timestamp::from_millis(2_000));
        assert!(!slots.is_due(Timestamp::from_millis(1_999), 9));
        assert!(slots.is_due(Timestamp::from_millis(2_000), 9));
        slots.note_demand(5, 4);
        assert!(slots.is_due(Timestamp::ZERO, 9), "they are enough now");
        let quotas = slots.deal(&[(ContentKey(0), 5), (ContentKey(1), 4)], 9, Timestamp::ZERO);
        assert_eq!(quotas, [UNLIMITED; 2]);
        assert!(!slots.is_due(Timestamp::from_millis(9_000), 9));
    }
}
