//! Logarithms and powers of e that have the same bits on every machine: only sums, products and
//! quotients, which IEEE 754 defines to the bit. Those of the standard library depend on the
//! platform.

use std::f64::consts::{LN_2, SQRT_2};

/// Bits of the fraction of an `f64`.
const FRACTION_BITS: u32 = 52;
/// What is added to the exponent of an `f64`.
const BIAS: i64 = 1_023;

/// The natural logarithm of a normal number above 0, within one part in 10^14 or 10^-15. Twice the
/// series of the inverse hyperbolic tangent of (x - 1) / (x + 1), after powers of two are taken out.
pub(super) fn ln(number: f64) -> f64 {
    let bits = number.to_bits();
    let mut exponent = (bits >> FRACTION_BITS & 0x7ff) as i64 - BIAS;
    let one = (BIAS as u64) << FRACTION_BITS;
    let mut rest = f64::from_bits(bits & ((1 << FRACTION_BITS) - 1) | one);
    if rest > SQRT_2 {
        (rest, exponent) = (rest / 2.0, exponent + 1);
    }
    let base = (rest - 1.0) / (rest + 1.0);
    let square = base * base;
    // The base is at most 0.172, so each term is less than 1/33 of the one before. After eleven of
    // them the rest is below 10^-17 of the first.
    let odd = |term: i32| f64::from(2 * term + 1);
    let series = (0..11).rev().fold(0.0, |sum, term| sum * square + 1.0 / odd(term));
    exponent as f64 * LN_2 + 2.0 * base * series
}

/// e to this power, within one part in 10^13. 0 below -708; the largest number above 709.
pub(super) fn exp(power: f64) -> f64 {
    if power < -708.0 {
        return 0.0;
    }
    if power > 709.0 {
        return f64::MAX;
    }
    let doublings = (power / LN_2).round();
    let rest = power - doublings * LN_2;
    // The rest is at most 0.35: the eighteenth term is below 10^-23.
    let series = (1..18).rev().fold(1.0, |sum, term| 1.0 + sum * rest / f64::from(term));
    series * f64::from_bits(((doublings as i64 + BIAS) as u64) << FRACTION_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_near_enough() {
        for step in 1..2_000_u32 {
            for number in
                [f64::from(step) / 1_000.0, f64::from(step), 1.0 / f64::from(step), f64::from(step) * 1e9]
            {
                let error = (ln(number) - number.ln()).abs();
                assert!(error <= number.ln().abs() * 1e-14 + 1e-15, "{number}: {error}");
            }
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn powers_are_near_enough() {
        for step in -7_000..7_000_i32 {
            let power = f64::from(step) / 10.0;
            assert!((exp(power) / power.exp() - 1.0).abs() < 1e-12, "{power}");
        }
        assert_eq!((exp(0.0), exp(-1_000.0)), (1.0, 0.0));
    }

    #[test]
    fn the_bits_are_these() {
        let bits = [ln(3.0), ln(0.1), exp(1.0), exp(-2.5)].map(f64::to_bits);
        let these = [
            4_607_626_529_066_517_258,
            13_835_739_416_338_191_637,
            4_613_303_445_314_885_482,
            4_590_579_268_170_609_700,
        ];
        assert_eq!(bits, these);
    }
}
