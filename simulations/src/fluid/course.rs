//! What a run of the fluid model yields.

use std::collections::BTreeMap;

use nearcast_core::tier::Tier;

use crate::outcome::{Slice, Spread};

/// Peers and bytes, over some time. Fractions of both are right: they are means.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Peers that came.
    pub came: f64,
    /// Peers that got everything.
    pub completed: f64,
    /// Peers that gave up.
    pub gave_up: f64,
    /// Bytes that origins sent.
    pub origin: f64,
    /// Bytes that peers sent.
    pub peers: f64,
    /// Bytes that came into ASes from outside, those of origins among them.
    pub imports: f64,
    /// Bytes that those who gave up had received.
    pub lost: f64,
}

impl Totals {
    /// The share of all bytes that origins sent. 0 if there were none.
    pub fn origin_share(&self) -> f64 {
        let all = self.origin + self.peers;
        if all > 0.0 { self.origin / all } else { 0.0 }
    }

    pub(super) fn add(&mut self, other: &Totals, times: f64) {
        self.came += other.came * times;
        self.completed += other.completed * times;
        self.gave_up += other.gave_up * times;
        self.origin += other.origin * times;
        self.peers += other.peers * times;
        self.imports += other.imports * times;
        self.lost += other.lost * times;
    }
}

/// The state at the end of a slice of time, and what happened in the slice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// The end of the slice, in seconds.
    pub at: f64,
    /// Leechers then.
    pub leechers: f64,
    /// Their mean progress, 0 to 1. 0 if there are none.
    pub progress: f64,
    /// Seeds then.
    pub seeds: f64,
    /// What happened in the slice.
    pub totals: Totals,
}

/// The contents of a class, all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClassTotals {
    /// From the start to the end.
    pub totals: Totals,
    /// How long those who completed took, in seconds in the mean. `None`: nobody did.
    pub seconds: Option<f64>,
    /// Bytes that leechers hold at the end.
    pub held: f64,
}

/// One run of the model. What is drawn from it says [`super::MODE`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// Slices, the earliest first.
    pub timeline: Vec<Point>,
    /// By class of contents.
    pub classes: Vec<ClassTotals>,
    /// All together.
    pub totals: Totals,
    /// How long those who completed took, in seconds. Quantiles are right to half a percent.
    pub completion_seconds: Spread,
}

impl Course {
    /// The timeline as exact runs give theirs, for the same plots. The model knows no tiers but
    /// inside and outside: what stays inside an AS is `SameAs`, and what peers outside send is
    /// `Remote`.
    pub fn slices(&self) -> Vec<Slice> {
        let slice = |point: &Point| {
            let totals = &point.totals;
            let remote = (totals.imports - totals.origin).max(0.0);
            let mut by_tier = [0; Tier::COUNT];
            by_tier[Tier::SameAs as usize] = (totals.peers - remote).max(0.0).round() as u64;
            by_tier[Tier::Remote as usize] = remote.round() as u64;
            Slice { at: point.at, by_tier, origin: totals.origin.round() as u64 }
        };
        self.timeline.iter().map(slice).collect()
    }
}

/// Durations with weights, in classes a percent wide.
#[derive(Clone, Debug, Default)]
pub(super) struct Durations {
    classes: BTreeMap<i32, f64>,
    weight: f64,
    sum: f64,
    last: f64,
}

/// The logarithm of the width of a class.
const WIDTH: f64 = 0.01;

impl Durations {
    pub(super) fn add(&mut self, seconds: f64, weight: f64) {
        let class = (seconds.max(1e-9).ln() / WIDTH).floor() as i32;
        *self.classes.entry(class).or_default() += weight;
        self.weight += weight;
        self.sum += seconds * weight;
        self.last = self.last.max(seconds);
    }

    pub(super) fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }

    pub(super) fn spread(&self) -> Spread {
        let quantile = |share: f64| {
            let mut below = 0.0;
            for (&class, weight) in &self.classes {
                below += weight;
                if below >= share * self.weight {
                    return ((f64::from(class) + 0.5) * WIDTH).exp().min(self.last);
                }
            }
            self.last
        };
        Spread {
            p50: quantile(0.5),
            p95: quantile(0.95),
            last: self.last,
            mean: self.mean().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_half_a_percent() {
        let mut durations = Durations::default();
        for second in 1..=1_000 {
            durations.add(f64::from(second), 2.0);
        }
        let spread = durations.spread();
        assert!((spread.p50 / 500.0 - 1.0).abs() < 0.01 && (spread.p95 / 950.0 - 1.0).abs() < 0.01);
        assert_eq!((spread.last, spread.mean), (1_000.0, 500.5));
        assert_eq!(Durations::default().spread(), Spread::default());
    }

    #[test]
    fn slices_split_bytes_at_the_border() {
        let totals = Totals { origin: 10.0, peers: 90.0, imports: 30.0, ..Totals::default() };
        let course =
            Course { timeline: vec![Point { at: 5.0, totals, ..Point::default() }], ..Course::default() };
        let slice = course.slices()[0];
        assert_eq!(slice.origin, 10);
        assert_eq!(slice.by_tier[Tier::SameAs as usize], 70);
        assert_eq!(slice.by_tier[Tier::Remote as usize], 20);
    }
}
