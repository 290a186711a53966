//! Functions that give the same bits on every machine. The results of Rust's `f32::ln` and
//! `f32::log2` depend on the platform, and a decision must not.

/// The least `k` with 2^k >= `number`. 0 for numbers up to 1 and for NaN.
pub(crate) fn log2_ceil(number: f32) -> u8 {
    if number.is_nan() || number <= 1.0 {
        return 0;
    }
    let (exponent, fraction) = (number.to_bits() >> 23 & 0xff, number.to_bits() & 0x007f_ffff);
    crate::saturate::to_u8(exponent.saturating_sub(127).saturating_add(u32::from(fraction != 0)))
}

/// The natural logarithm of a number from 1 to 2, within one part in a million: twice the series of
/// the inverse hyperbolic tangent of (x - 1) / (x + 1), of which each term is less than a ninth of
/// the one before.
pub(crate) fn ln_of_1_to_2(number: f32) -> f32 {
    let base = (number - 1.0) / (number + 1.0);
    let square = base * base;
    // Seven terms: the eighth is less than 2^-24 of the first.
    let series = [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0];
    2.0 * base * series.into_iter().fold(0.0, |sum, odd: f32| sum * square + 1.0 / odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_those_of_the_next_power_of_two() {
        let cases = [(0.5, 0), (1.0, 0), (1.000_001, 1), (2.0, 1), (2.1, 2), (1024.0, 10), (1025.0, 11)];
        for (number, exponent) in cases {
            assert_eq!(log2_ceil(number), exponent, "{number}");
        }
        assert_eq!((log2_ceil(f32::NAN), log2_ceil(-3.0)), (0, 0));
    }

    #[test]
    fn the_logarithm_is_near_enough() {
        for step in 0..=1_000_u16 {
            let number = 1.0 + f32::from(step) / 1_000.0;
            let true_one = f64::from(number).ln();
            assert!((f64::from(ln_of_1_to_2(number)) - true_one).abs() <= 1e-6 * true_one, "{number}");
        }
    }
}
