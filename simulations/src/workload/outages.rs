//! Which of many are struck by an outage.

use super::dice::{Aspect, Dice};
use nearcast_core::random::mix;

/// Draws `count` of the numbers from 0 to `all`, for the outage of this number, ascending. Other
/// outages, and other seeds, draw others.
pub fn struck(seed: u64, outage: u32, all: u32, count: u32) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..all).collect();
    Dice::new(mix(seed).wrapping_add(outage.into()), Aspect::Outages).shuffle(&mut numbers);
    numbers.truncate(count as usize);
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_and_seeds_strike_others_and_each_as_many_as_it_should() {
        let first = struck(1, 0, 100, 30);
        assert_eq!((first.len(), first.clone()), (30, struck(1, 0, 100, 30)));
        assert!(first.is_sorted_by(|a, b| a < b) && first.iter().all(|&number| number < 100));
        assert!(first != struck(1, 1, 100, 30) && first != struck(2, 0, 100, 30));
        assert_eq!(struck(1, 0, 3, 9), [0, 1, 2]);
    }
}
