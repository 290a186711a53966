//! Some of the members that have everything, so that an answer can name them without a look at all members of a large swarm.
//!
//! A small swarm has no such list, as all of it can be looked at.
//!
//! Invariants: each is a member that says that it has everything, and is listed once; at most [`SEEDS_MAX`] are listed, of
//! one /24 (IPv6: /48) at most [`OF_NETWORK_MAX`].

use super::entry::Entry;
use crate::{random::Random, saturate::to_u32};

/// Seeds listed of a swarm. The newest are kept: who announced itself a moment ago is likely to be there still. More would
/// spread askers over more seeds, and cost 20 bytes each.
const SEEDS_MAX: usize = 16;
/// Of one network: who has many addresses there, and says that each has everything, displaces only its own.
const OF_NETWORK_MAX: usize = 2;

/// The list of one swarm.
#[derive(Clone, Debug, Default)]
pub(super) struct Seeds(Vec<Entry>);

impl Seeds {
    /// The list of these members.
    pub(super) fn of(entries: &[Entry], random: &mut Random) -> Seeds {
        let mut seeds = Seeds::default();
        entries.iter().filter(|entry| entry.is_complete()).for_each(|entry| seeds.note(*entry, random));
        seeds
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Whether one more finds room.
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < SEEDS_MAX
    }

    pub(super) fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.0
    }

    /// A member says that it has everything. In a full list it takes the place of one that is drawn, so that nobody can keep
    /// others out by coming first, nor drive all others out at once.
    pub(super) fn note(&mut self, entry: Entry, random: &mut Random) {
        if self.0.iter().any(|seed| seed.host == entry.host) {
            return;
        }
        let network = entry.spot().network();
        let is_alike = |seed: &Entry| seed.spot().network() == network;
        let alike = self.0.iter().filter(|seed| is_alike(seed)).count();
        let displaced = if alike >= OF_NETWORK_MAX {
            let drawn = random.below(to_u32(alike)) as usize;
            let mut all = self.0.iter().enumerate().filter(|(_, seed)| is_alike(seed));
            all.nth(drawn).map(|(at, _)| at)
        } else if self.0.len() >= SEEDS_MAX {
            Some(random.below(to_u32(self.0.len())) as usize)
        } else {
            None
        };
        match displaced {
            Some(at) => self.0[at] = entry,
            None => {
                self.0.reserve_exact(1);
                self.0.push(entry);
            }
        }
    }

    /// A member is gone, or lacks something after all. Whether the list is empty now.
    pub(super) fn forget(&mut self, host: u32) -> bool {
        self.0.retain(|seed| seed.host != host);
        self.0.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<Entry>()).saturating_add(size_of::<Seeds>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn entry(host: u32, ip: [u8; 4]) -> Entry {
        Entry::new(None, ip.into(), host, true, 100)
    }

    fn hosts(seeds: &Seeds) -> BTreeSet<u32> {
        seeds.entries().iter().map(|seed| seed.host).collect()
    }

    #[test]
    fn the_newest_are_kept_and_a_network_displaces_its_own() {
        let (mut seeds, mut random) = (Seeds::default(), Random::new(1));
        let of_its_own = |host: u32| entry(host, [20, host as u8, 1, 1]);
        (0..10).for_each(|host| seeds.note(of_its_own(host), &mut random));
        (100..200).for_each(|host| seeds.note(entry(host, [9, 9, 9, host as u8]), &mut random));
        let listed = hosts(&seeds);
        assert!((0..10).all(|host| listed.contains(&host)), "{listed:?}");
        assert_eq!((listed.len(), listed.contains(&199)), (12, true));
        (10..60).for_each(|host| {
            seeds.note(of_its_own(host), &mut random);
            assert!(hosts(&seeds).contains(&host), "the newest is listed");
        });
        assert_eq!(hosts(&seeds).len(), SEEDS_MAX);
    }

    #[test]
    fn who_announces_itself_again_is_listed_once_and_who_is_gone_not_at_all() {
        let (mut seeds, mut random) = (Seeds::default(), Random::new(1));
        (0..5).for_each(|_| seeds.note(entry(7, [20, 1, 1, 1]), &mut random));
        assert_eq!(seeds.entries().len(), 1);
        assert!(!seeds.forget(8) && seeds.forget(7));
    }
}
