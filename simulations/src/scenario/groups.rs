//! Which peers share an autonomous system.

use serde::{Deserialize, Serialize};

use super::error::{ScenarioError, check};

/// Groups that a scenario may name.
const GROUPS_MAX: usize = 10_000;

/// Which peers share an autonomous system (AS). By default nobody knows of any.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupsPart {
    /// How many peers each AS has. If there are more or fewer peers than these add up to, the sizes
    /// are their proportions. Origins are in an AS of their own. Empty: there are no groups.
    pub sizes: Vec<u32>,
    /// The map of networks gives each peer an address, and an AS with it. Needs the network model
    /// `internet`.
    pub by_address: bool,
}

impl GroupsPart {
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        let name = "groups.sizes";
        check(self.sizes.len() <= GROUPS_MAX, name, "at most 10000 numbers")?;
        check(self.sizes.iter().all(|&size| size > 0), name, "numbers of at least 1")?;
        check(!self.by_address || self.sizes.is_empty(), name, "empty if `groups.by_address` is true")
    }

    /// The members of each group when there are `peers`: the sizes, or what is in proportion to them.
    /// The largest remainders are rounded up, of equal ones the first. Adds up to `peers`, unless
    /// there are no groups.
    pub fn members(&self, peers: u32) -> Vec<u32> {
        let total: u64 = self.sizes.iter().map(|&size| u64::from(size)).sum();
        if total == 0 {
            return Vec::new();
        }
        let shares: Vec<u64> = self.sizes.iter().map(|&size| u64::from(size) * u64::from(peers)).collect();
        let mut members: Vec<u32> = shares.iter().map(|share| (share / total) as u32).collect();
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by_key(|&at| std::cmp::Reverse(shares[at] % total));
        let missing = peers - members.iter().sum::<u32>();
        order.iter().take(missing as usize).for_each(|&at| members[at] += 1);
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_kept_where_they_fit_and_are_proportions_where_not() {
        let groups = GroupsPart { sizes: vec![12, 6, 4, 2], by_address: false };
        assert_eq!(groups.members(24), [12, 6, 4, 2]);
        assert_eq!(groups.members(48), [24, 12, 8, 4]);
        assert_eq!(groups.members(25), [13, 6, 4, 2]);
        assert_eq!(groups.members(1), [1, 0, 0, 0]);
        assert_eq!((0..100).map(|peers| groups.members(peers).iter().sum::<u32>()).sum::<u32>(), 4_950);
        assert!(GroupsPart::default().members(9).is_empty());
    }
}
