//! Counts by kind.

use std::collections::BTreeMap;

/// Counts by kind. The count of a kind that was never added is 0.
#[derive(Clone, Debug)]
pub(crate) struct Tally<K>(BTreeMap<K, usize>);

impl<K: Ord + Copy> Tally<K> {
    /// Counts one more.
    pub(crate) fn add(&mut self, kind: K) {
        let count = self.0.entry(kind).or_default();
        *count = count.saturating_add(1);
    }

    /// The count of `kind`.
    pub(crate) fn of(&self, kind: K) -> usize {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    /// Every kind that was counted, ascending, with its count.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, usize)> + '_ {
        self.0.iter().map(|(kind, count)| (*kind, *count))
    }
}

impl<K: Ord + Copy> FromIterator<K> for Tally<K> {
    fn from_iter<I: IntoIterator<Item = K>>(kinds: I) -> Tally<K> {
        let mut tally = Tally(BTreeMap::new());
        kinds.into_iter().for_each(|kind| tally.add(kind));
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_alone() {
        let tally: Tally<char> = "hello".chars().collect();
        assert_eq!((tally.of('l'), tally.of('h'), tally.of('x')), (2, 1, 0));
        assert_eq!(tally.iter().map(|(_, count)| count).sum::<usize>(), 5);
    }
}
