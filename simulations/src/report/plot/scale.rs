//! From values to coordinates, with marks at round values.

use crate::report::number::{count, significant};

/// Larger values are drawn as this: what is larger has no round marks in `f64`.
const VALUE_MAX: f64 = 1e15;
/// An axis is at least so long.
const VALUE_MIN: f64 = 1e-9;

/// An axis that begins at zero and ends at a round value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    step: f64,
    steps: usize,
    start: f64,
    end: f64,
}

impl Scale {
    /// An axis for values up to `high`, with at most about `steps_max` steps of 1, 2 or 5 times a
    /// power of ten, drawn from the coordinate `start` to `end`. One without a length ends at 1.
    pub(crate) fn new(high: f64, steps_max: usize, start: f64, end: f64) -> Scale {
        let high = if high.is_finite() && high > 0.0 { high.clamp(VALUE_MIN, VALUE_MAX) } else { 1.0 };
        let rough = high / steps_max.max(1) as f64;
        let power = 10_f64.powf(rough.log10().floor());
        // A little more than a step must not cost a larger one for the error of a division.
        let factor = match rough / power {
            less if less < 1.000_001 => 1.0,
            less if less < 2.000_001 => 2.0,
            less if less < 5.000_001 => 5.0,
            _ => 10.0,
        };
        let step = power * factor;
        let steps = ((high / step - 1e-6).ceil() as usize).max(1);
        Scale { step, steps, start, end }
    }

    /// The last value of the axis.
    pub(crate) fn high(&self) -> f64 {
        self.step * self.steps as f64
    }

    /// The coordinate of `value`. A value beside the axis gets the coordinate of the nearest end.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let part = (value / self.high()).clamp(0.0, 1.0);
        let part = if part.is_nan() { 0.0 } else { part };
        self.start + part * (self.end - self.start)
    }

    /// Coordinates and words of the marks.
    pub(crate) fn marks(&self) -> Vec<(f64, String)> {
        (0..=self.steps)
            .map(|index| self.step * index as f64)
            .map(|value| (self.at(value), self.words(value)))
            .collect()
    }

    /// As many digits as the step has.
    fn words(&self, value: f64) -> String {
        let decimals = -self.step.log10().floor();
        match decimals {
            few if few <= 0.0 => count(value.round() as u64),
            some if some <= 6.0 => format!("{value:.*}", some as usize),
            _ => significant(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(high: f64) -> Vec<String> {
        Scale::new(high, 5, 0.0, 100.0).marks().into_iter().map(|(_, words)| words).collect()
    }

    #[test]
    fn marks_are_round_and_reach_the_largest_value() {
        assert_eq!(words(100.0), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(words(101.0), ["0", "50", "100", "150"]);
        assert_eq!(words(0.3), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(words(7.0), ["0", "2", "4", "6", "8"]);
        assert_eq!(words(23_000.0), ["0", "5,000", "10,000", "15,000", "20,000", "25,000"]);
        for high in [1e-9, 1e-3, 0.7, 1.0, 3.3, 99.0, 12_345.0, 1e15] {
            let scale = Scale::new(high, 5, 0.0, 100.0);
            assert!(scale.high() >= high * 0.999_999, "{high}");
            assert!((1..=6).contains(&scale.steps), "{high}: {}", scale.steps);
        }
    }

    #[test]
    fn coordinates_stay_on_the_axis_whatever_the_value() {
        for high in [f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE, 0.0, -5.0, 10.0] {
            let scale = Scale::new(high, 5, 200.0, 20.0);
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 5.0, f64::MAX] {
                let at = scale.at(value);
                assert!((20.0..=200.0).contains(&at), "{high} {value} {at}");
            }
        }
        let scale = Scale::new(10.0, 5, 200.0, 20.0);
        assert_eq!((scale.at(0.0), scale.at(5.0), scale.at(10.0)), (200.0, 110.0, 20.0));
    }
}
