//! A small cache, bounded by weight. It evicts the least recently used entries.

use std::collections::BTreeMap;

/// Entries by key; the least recently used goes first. Both maps hold exactly the same entries.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    entries: BTreeMap<K, Entry<V>>,
    by_use: BTreeMap<u64, K>,
    uses: u64,
    weight: usize,
    weight_max: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    used: u64,
    weight: usize,
}

impl<K: Ord + Copy, V: Clone> Lru<K, V> {
    /// Holds entries of at most `weight_max` in total, in any unit that the caller chooses.
    pub(crate) const fn new(weight_max: usize) -> Self {
        Lru { entries: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0, weight: 0, weight_max }
    }

    /// Returns the entry of `key` and makes it the most recently used.
    pub(crate) fn get(&mut self, key: K) -> Option<V> {
        let entry = self.entries.get_mut(&key)?;
        self.by_use.remove(&entry.used);
        self.uses += 1;
        entry.used = self.uses;
        self.by_use.insert(entry.used, key);
        Some(entry.value.clone())
    }

    /// Adds an entry and evicts older ones until the weights fit. An entry heavier than the whole
    /// cache is not kept.
    pub(crate) fn insert(&mut self, key: K, value: V, weight: usize) {
        self.remove(key);
        if weight > self.weight_max {
            return;
        }
        self.uses += 1;
        let used = self.uses;
        self.entries.insert(key, Entry { value, used, weight });
        self.by_use.insert(used, key);
        self.weight += weight;
        while self.weight > self.weight_max {
            let Some((_, &oldest)) = self.by_use.first_key_value() else {
                break;
            };
            self.remove(oldest);
        }
    }

    /// Removes an entry.
    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let entry = self.entries.remove(&key)?;
        self.by_use.remove(&entry.used);
        self.weight -= entry.weight;
        Some(entry.value)
    }

    /// Removes every entry from `first` to `last`, both included.
    pub(crate) fn remove_range(&mut self, first: K, last: K) {
        let keys: Vec<K> = self.entries.range(first..=last).map(|(&key, _)| key).collect();
        for key in keys {
            self.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_entries_go_first_and_the_weight_is_bounded() {
        let mut lru = Lru::new(10);
        for key in 0..5 {
            lru.insert(key, key, 2);
        }
        assert_eq!(lru.get(0), Some(0));
        lru.insert(5, 5, 4);
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(|key| lru.get(key)),
            [Some(0), None, None, Some(3), Some(4), Some(5)]
        );
        lru.insert(6, 6, 11);
        assert_eq!((lru.get(6), lru.weight), (None, 10));
        lru.remove_range(3, 5);
        assert_eq!((lru.weight, lru.entries.len(), lru.by_use.len()), (2, 1, 1));
    }
}
