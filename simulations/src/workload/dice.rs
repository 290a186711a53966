//! Draws that have the same bits on every machine.

use std::time::Duration;

use nearcast_core::random::{Random, mix};

use super::{logarithm, seconds};

/// Random bits in one draw: as many as an `f64` holds exactly.
const BITS: u32 = 53;

/// What a die is for. The numbers are part of what a seed means: a new aspect gets a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aspect {
    Arrivals = 1,
    Groups = 2,
    Kinds = 3,
    Uplinks = 4,
    Downlinks = 5,
    Lingering = 6,
    Aborting = 7,
    Catalogue = 8,
    StrangersUplinks = 9,
    StrangersDownlinks = 10,
    Viewers = 11,
    Outages = 12,
    Layouts = 13,
}

/// Dice for one aspect.
pub(crate) struct Dice(Random);

impl Dice {
    pub(crate) fn new(seed: u64, aspect: Aspect) -> Dice {
        Dice(Random::new(mix(seed ^ mix(aspect as u64))))
    }

    /// 53 random bits.
    fn bits(&mut self) -> u64 {
        let (high, low) = (self.0.below(1 << 27), self.0.below(1 << (BITS - 27)));
        (u64::from(high) << (BITS - 27)) | u64::from(low)
    }

    /// A number below `bound`, or 0 when `bound` is 0. The bias is under `bound` / 2^53.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> BITS) as u64
    }

    /// A number from `least` to `most`.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below((most - least).saturating_add(1))
    }

    /// A number above 0, at most 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() + 1) as f64 / (1_u64 << BITS) as f64
    }

    /// A number from `least` to `most`; each doubling in between is as likely as any other.
    pub(crate) fn log_between(&mut self, least: u64, most: u64) -> u64 {
        let doublings = logarithm::ln(most as f64 / least as f64);
        let drawn = least as f64 * logarithm::exp(self.unit() * doublings);
        (drawn.round() as u64).clamp(least, most)
    }

    /// A time with an exponential distribution of this mean, in seconds.
    pub(crate) fn exponential(&mut self, mean_seconds: f64) -> Duration {
        seconds(-mean_seconds * logarithm::ln(self.unit()))
    }

    /// Puts things into a random order (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, things: &mut [T]) {
        for at in (1..things.len()).rev() {
            things.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 200_000;

    fn dice() -> Dice {
        Dice::new(1, Aspect::Uplinks)
    }

    #[test]
    fn times_have_the_mean_and_the_quantiles_of_an_exponential_distribution() {
        let mut dice = dice();
        let mut times: Vec<f64> = (0..DRAWS).map(|_| dice.exponential(8.0).as_secs_f64()).collect();
        times.sort_by(f64::total_cmp);
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        assert!((mean - 8.0).abs() < 0.08, "{mean}");
        for share in [0.1_f64, 0.5, 0.9, 0.99] {
            let (drawn, exact) = (times[(share * f64::from(DRAWS)) as usize], -8.0 * (1.0 - share).ln());
            assert!((drawn / exact - 1.0).abs() < 0.03, "{share}: {drawn} {exact}");
        }
    }

    #[test]
    fn ranges_are_filled_to_both_ends_evenly() {
        let mut dice = dice();
        let mut counts = [0_u32; 5];
        (0..DRAWS).for_each(|_| counts[dice.between(10, 14) as usize - 10] += 1);
        assert!(counts.iter().all(|count| count.abs_diff(DRAWS / 5) < DRAWS / 100), "{counts:?}");
        assert_eq!((dice.between(7, 7), dice.below(0), dice.below(1)), (7, 0, 0));
        assert!(dice.between(0, u64::MAX) > 0);
    }

    #[test]
    fn each_doubling_is_as_likely_as_any_other() {
        let mut dice = dice();
        let mut counts = [0_u32; 4];
        for _ in 0..DRAWS {
            let rate = dice.log_between(1_000_000, 16_000_000);
            counts[((rate / 1_000_000).ilog2() as usize).min(3)] += 1;
        }
        assert!(counts.iter().all(|count| count.abs_diff(DRAWS / 4) < DRAWS / 100), "{counts:?}");
        assert_eq!(dice.log_between(5, 5), 5);
    }

    #[test]
    fn a_shuffle_keeps_everything_and_puts_each_thing_everywhere() {
        let mut dice = dice();
        let mut first = [0_u32; 4];
        for _ in 0..DRAWS {
            let mut things = [0, 1, 2, 3];
            dice.shuffle(&mut things);
            first[things[0]] += 1;
            things.sort_unstable();
            assert_eq!(things, [0, 1, 2, 3]);
        }
        assert!(first.iter().all(|count| count.abs_diff(DRAWS / 4) < DRAWS / 100), "{first:?}");
    }

    #[test]
    fn aspects_have_dice_of_their_own() {
        let draw = |seed, aspect| Dice::new(seed, aspect).bits();
        assert_ne!(draw(1, Aspect::Uplinks), draw(1, Aspect::Downlinks));
        assert_ne!(draw(1, Aspect::Uplinks), draw(2, Aspect::Uplinks));
        assert_eq!(draw(1, Aspect::Uplinks), draw(1, Aspect::Uplinks));
    }
}
