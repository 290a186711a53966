//! The core's random generator: small, seeded, the same on every machine.

use std::time::Duration;

use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg32;

/// Mixes a number so that every bit of it affects every bit of the result: the finalizer of
/// SplitMix64 (Steele and others, 2014). For hashes that everybody must agree on; not for secrets.
pub fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// A PCG generator (O'Neill 2014), 16 bytes. Seeded by the shell; not for secrets.
#[derive(Clone, Debug)]
pub struct Random(Pcg32);

impl Random {
    /// The same seed always gives the same numbers.
    pub fn new(seed: u64) -> Random {
        Random(Pcg32::seed_from_u64(seed))
    }

    /// A number below `bound`, or 0 when `bound` is 0. Lemire's multiply-shift: the bias, under
    /// bound / 2^32, does not matter for picking peers and runs.
    pub fn below(&mut self, bound: u32) -> u32 {
        // The factors are half as wide as the product's type, so it cannot wrap.
        (u64::from(self.0.next_u32()).wrapping_mul(bound.into()) >> 32) as u32
    }

    /// A number from 0 up to, not including, 1.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// `duration`, made longer at random by up to `share` of it, so that a crowd spreads out.
    pub fn stretch(&mut self, duration: Duration, share: f32) -> Duration {
        let seconds = duration.as_secs_f32() * (1.0 + share * self.unit());
        Duration::try_from_secs_f32(seconds).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..8).map(|_| random.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn numbers_stay_below_the_bound() {
        let mut random = Random::new(1);
        assert!((0..10_000).all(|_| random.below(7) < 7));
        assert!((0..10_000).all(|_| (0.0..1.0).contains(&random.unit())));
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn the_longest_time_there_is_stays_that_when_it_is_stretched() {
        let mut random = Random::new(1);
        assert_eq!(random.stretch(Duration::MAX, 0.5), Duration::MAX);
        let stretched = random.stretch(Duration::from_secs(8), 0.5);
        assert!((Duration::from_secs(8)..=Duration::from_secs(12)).contains(&stretched));
    }
}
