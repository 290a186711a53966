//! Zipf's law: the k-th content is wanted k^-exponent times as often as the first.

use super::{dice::Dice, logarithm};

/// The weight of the first content. The sum over a million of them stays below 2^53, so a draw can
/// fall on each unit.
const FIRST: u64 = 1 << 33;

/// A table of cumulative weights, in whole numbers.
pub(super) struct Zipf(Vec<u64>);

impl Zipf {
    /// A law over this many contents. No content has weight 0.
    pub(super) fn new(contents: u32, exponent: f64) -> Zipf {
        let weight = |rank: u32| {
            let part = logarithm::exp(-exponent * logarithm::ln(f64::from(rank)));
            ((part * FIRST as f64).round() as u64).max(1)
        };
        let sums = (1..=contents).scan(0, |sum, rank| {
            *sum += weight(rank);
            Some(*sum)
        });
        Zipf(sums.collect())
    }

    /// A content, from 0.
    pub(super) fn draw(&self, dice: &mut Dice) -> u32 {
        let at = dice.below(self.0.last().copied().unwrap_or(0));
        self.0.partition_point(|&sum| sum <= at) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::{super::dice::Aspect, *};

    fn shares(contents: u32, exponent: f64) -> Vec<f64> {
        const DRAWS: u32 = 300_000;
        let (zipf, mut dice) = (Zipf::new(contents, exponent), Dice::new(3, Aspect::Catalogue));
        let mut shares = vec![0.0; contents as usize];
        (0..DRAWS).for_each(|_| shares[zipf.draw(&mut dice) as usize] += 1.0 / f64::from(DRAWS));
        shares
    }

    #[test]
    fn contents_are_wanted_as_the_law_says() {
        let sum: f64 = (1..=1_000).map(|rank| 1.0 / f64::from(rank)).sum();
        let shares = shares(1_000, 1.0);
        for rank in [1, 2, 3, 10, 30] {
            let (drawn, exact) = (shares[rank - 1], 1.0 / rank as f64 / sum);
            assert!((drawn / exact - 1.0).abs() < 0.08, "{rank}: {drawn} {exact}");
        }
        let tail: f64 = shares[100..].iter().sum();
        let exact = (101..=1_000).map(|rank| 1.0 / f64::from(rank)).sum::<f64>() / sum;
        assert!((tail / exact - 1.0).abs() < 0.02, "{tail} {exact}");
    }

    #[test]
    fn exponent_0_makes_all_alike_and_one_content_is_wanted_by_all() {
        assert!(shares(4, 0.0).iter().all(|share| (share - 0.25).abs() < 0.01));
        assert!((shares(1, 1.0)[0] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_largest_catalogue_fits() {
        let largest = Zipf::new(1_000_000, 0.0);
        assert!(largest.0[999_999] < 1 << 53);
    }
}
