//! What came from where, over time: in slices that grow as the run grows longer.

use std::time::Duration;

use nearcast_core::stats::Traffic;

use crate::{outcome::Slice, world::World};

/// Slices at most. Beyond that, two become one.
const SLICES_MAX: usize = 256;

/// The slices so far.
#[derive(Debug)]
pub(super) struct Timeline {
    slices: Vec<Slice>,
    /// How long a slice is.
    length: Duration,
    /// When the current slice ends.
    due: Duration,
    /// What had come at the end of the last one.
    before: Traffic,
}

impl Timeline {
    pub(super) fn new() -> Timeline {
        let length = Duration::from_secs(1);
        Timeline { slices: Vec::new(), length, due: length, before: Traffic::default() }
    }

    /// When a slice is to be noted next.
    pub(super) fn due(&self) -> Duration {
        self.due
    }

    /// Notes a slice that ends now.
    pub(super) fn note(&mut self, world: &World) {
        let all = world.traffic();
        let came = all.since(&self.before);
        self.before = all;
        self.slices.push(Slice {
            at: world.elapsed().as_secs_f64(),
            by_tier: came.by_tier,
            origin: came.origin,
        });
        if self.slices.len() == SLICES_MAX {
            self.halve();
        }
        self.due = world.elapsed() + self.length;
    }

    fn halve(&mut self) {
        let both = |pair: &[Slice]| {
            let mut sum = pair[pair.len() - 1];
            if let [first, _] = pair {
                sum.by_tier.iter_mut().zip(first.by_tier).for_each(|(sum, more)| *sum += more);
                sum.origin += first.origin;
            }
            sum
        };
        self.slices = self.slices.chunks(2).map(both).collect();
        self.length *= 2;
    }

    /// The run is over.
    pub(super) fn end(&mut self, world: &World) {
        if self.slices.last().is_none_or(|last| last.at < world.elapsed().as_secs_f64()) {
            self.note(world);
        }
    }

    pub(super) fn into_slices(self) -> Vec<Slice> {
        self.slices
    }
}
