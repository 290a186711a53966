//! A hash table of small numbers: where in a slab something is, by the hash of its key.
//!
//! Open addressing with linear probing (Knuth, TAOCP 6.4, algorithms L and R). What the slab holds is not touched until the
//! hash agrees. The hash must be keyed: contents are named by strangers. Order is never observed, so nothing depends
//! on it.

use crate::saturate::low_half;

/// A place is the hash's lower half above the number plus one; 0 = free.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    places: Vec<u64>,
    len: usize,
}

const PLACES_MIN: usize = 16;

fn pack(hash: u64, number: u32) -> u64 {
    hash << 32 | u64::from(number).saturating_add(1)
}

fn number_in(place: u64) -> u32 {
    low_half(place).wrapping_sub(1)
}

impl Index {
    fn home(&self, place: u64) -> usize {
        (place >> 32) as usize & self.places.len().wrapping_sub(1)
    }

    fn next(&self, at: usize) -> usize {
        at.wrapping_add(1) & self.places.len().wrapping_sub(1)
    }

    /// The number with this hash that `is` the one meant.
    pub(super) fn get(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.place_of(hash, is).map(|at| number_in(self.places[at]))
    }

    fn place_of(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let wanted = pack(hash, 0) >> 32;
        let mut at = self.home(hash << 32);
        while self.places[at] != 0 {
            let place = self.places[at];
            if place >> 32 == wanted && is(number_in(place)) {
                return Some(at);
            }
            at = self.next(at);
        }
        None
    }

    /// Adds a number that is not there. Numbers stay below `u32::MAX`.
    pub(super) fn insert(&mut self, hash: u64, number: u32) {
        if self.len >= (self.places.len() / 4).saturating_mul(3) {
            let larger = self.places.len().saturating_mul(2).max(PLACES_MIN);
            let old = std::mem::replace(&mut self.places, vec![0; larger]);
            old.into_iter().filter(|&place| place != 0).for_each(|place| self.put(place));
        }
        self.put(pack(hash, number));
        self.len = self.len.saturating_add(1);
    }

    fn put(&mut self, place: u64) {
        let mut at = self.home(place);
        while self.places[at] != 0 {
            at = self.next(at);
        }
        self.places[at] = place;
    }

    /// Has another number stand in the place of one.
    pub(super) fn replace(&mut self, hash: u64, old: u32, new: u32) {
        if let Some(at) = self.place_of(hash, |number| number == old) {
            self.places[at] = pack(hash, new);
        }
    }

    /// Takes a number out.
    pub(super) fn remove(&mut self, hash: u64, number: u32) {
        let Some(mut hole) = self.place_of(hash, |other| other == number) else { return };
        self.len = self.len.saturating_sub(1);
        let mut at = hole;
        loop {
            self.places[hole] = 0;
            // Whoever probed past the hole moves into it.
            loop {
                at = self.next(at);
                if self.places[at] == 0 {
                    return;
                }
                let home = self.home(self.places[at]);
                let reaches = if hole <= at { hole < home && home <= at } else { hole < home || home <= at };
                if !reaches {
                    break;
                }
            }
            self.places[hole] = self.places[at];
            hole = at;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.places.capacity().saturating_mul(size_of::<u64>())
    }
}

/// Spreads two numbers over 64 bits: a multiplication to 128 bits, folded (as in wyhash). With a secret in one of them
/// nobody can choose keys that collide.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let (a, b) = (a ^ 0x2d35_8dcc_aa6c_78a5, b ^ 0x8bb8_4b93_962e_acc9);
    // In 128 bits there is nothing to wrap.
    let product = u128::from(a).wrapping_mul(b.into());
    (product >> 64) as u64 ^ a.wrapping_mul(b)
}

/// A keyed hash of 32 bytes.
pub(super) fn hash(key: u64, bytes: &[u8; 32]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(key, |hash, &word| mix(hash.rotate_left(23) ^ key, u64::from_le_bytes(word) ^ hash))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_index_holds_what_a_map_would(steps in prop::collection::vec((any::<bool>(), 0..200u32, 0..7u64), 0..600)) {
            let mut index = Index::default();
            let mut model = std::collections::BTreeMap::new();
            // Few hashes, so that they collide.
            for (add, number, hash) in steps {
                if add && !model.contains_key(&number) {
                    index.insert(hash, number);
                    model.insert(number, hash);
                } else if let Some(hash) = model.remove(&number) {
                    index.remove(hash, number);
                }
                prop_assert_eq!(index.len(), model.len());
                for (&number, &hash) in &model {
                    prop_assert_eq!(index.get(hash, |other| other == number), Some(number));
                }
                prop_assert_eq!(index.get(hash, |other| other == 999), None);
            }
        }
    }

    #[test]
    fn the_hash_depends_on_every_byte_and_on_the_key() {
        let of = |key, change: Option<usize>| {
            let mut bytes = [5; 32];
            change.into_iter().for_each(|at| bytes[at] ^= 1);
            hash(key, &bytes)
        };
        let mut all: Vec<u64> = (0..32).map(|at| of(1, Some(at))).collect();
        all.extend([of(1, None), of(2, None)]);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 34);
    }
}
