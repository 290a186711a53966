//! Measured durations: counts within fixed bounds, and a sum. Measuring never waits, and takes a
//! fixed amount of memory.

use std::{
    array,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// The number of bounds of a measurement. Longer durations have one more count.
const BOUNDS: usize = 14;

/// In seconds. Answers take microseconds unless something holds up the directory.
const ANSWER_BOUNDS: [f64; BOUNDS] =
    [1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 0.025, 0.1, 1.0];
/// In seconds. From data in memory to a disk that hangs.
const READ_BOUNDS: [f64; BOUNDS] =
    [2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// In seconds. Slots change every few seconds; a peer that waits for minutes waits in a crowd.
const WAIT_BOUNDS: [f64; BOUNDS] =
    [0.001, 0.01, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0];

/// The durations of one kind of work since the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Durations {
    /// Pairs of an upper bound in seconds, and the number of durations up to it and above the bound
    /// before. The last bound is infinite. Empty if nothing is measured.
    pub counts: Vec<(f64, u64)>,
    /// The sum of all durations, in seconds.
    pub sum_seconds: f64,
}

impl Durations {
    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, &(_, count)| sum.saturating_add(count))
    }

    /// The mean in seconds. `None`: there are no durations.
    pub fn mean_seconds(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum_seconds / count as f64)
    }

    /// The least bound in seconds that this share of the durations does not exceed. `None`: there
    /// are no durations, or the last finite bound is exceeded.
    pub fn share_seconds(&self, share: f64) -> Option<f64> {
        let (wanted, mut passed) = (self.count() as f64 * share, 0_u64);
        let within = self.counts.iter().find(|&&(_, count)| {
            passed = passed.saturating_add(count);
            passed > 0 && passed as f64 >= wanted
        });
        within.map(|&(bound, _)| bound).filter(|bound| bound.is_finite())
    }
}

/// Measures the durations of one kind of work.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    bounds: &'static [f64; BOUNDS],
    counts: [AtomicU64; BOUNDS],
    beyond: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Stopwatch {
    fn new(bounds: &'static [f64; BOUNDS]) -> Stopwatch {
        let counts = array::from_fn(|_| AtomicU64::new(0));
        Stopwatch { bounds, counts, beyond: AtomicU64::new(0), nanoseconds: AtomicU64::new(0) }
    }

    /// Measures the answers of a directory.
    pub(crate) fn of_answers() -> Stopwatch {
        Stopwatch::new(&ANSWER_BOUNDS)
    }

    /// Adds a duration.
    pub(crate) fn note(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let counts = self.bounds.iter().zip(&self.counts);
        let place = counts.into_iter().find(|(bound, _)| seconds <= **bound).map(|(_, count)| count);
        place.unwrap_or(&self.beyond).fetch_add(1, Relaxed);
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// All durations so far.
    pub(crate) fn durations(&self) -> Durations {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let counts = self.counts.iter().chain([&self.beyond]).map(|count| count.load(Relaxed));
        let sum_seconds = Duration::from_nanos(self.nanoseconds.load(Relaxed)).as_secs_f64();
        Durations { counts: bounds.zip(counts).collect(), sum_seconds }
    }
}

/// What a node measures. Clones share the counts.
#[derive(Clone, Debug)]
pub(crate) struct Measured(Arc<Both>);

#[derive(Debug)]
struct Both {
    reads: Stopwatch,
    waits: Stopwatch,
}

impl Default for Measured {
    fn default() -> Measured {
        Measured(Arc::new(Both { reads: Stopwatch::new(&READ_BOUNDS), waits: Stopwatch::new(&WAIT_BOUNDS) }))
    }
}

impl Measured {
    /// Reading and verifying runs to be sent, including the wait for a thread.
    pub(crate) fn reads(&self) -> &Stopwatch {
        &self.0.reads
    }

    /// The wait of a neighbour from its interest to its slot.
    pub(crate) fn waits(&self) -> &Stopwatch {
        &self.0.waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_counted_once_below_its_bound_and_in_the_sum() {
        let watch = Stopwatch::new(&READ_BOUNDS);
        for milliseconds in [0, 1, 2, 1_000, 31_000] {
            watch.note(Duration::from_millis(milliseconds));
        }
        let read = watch.durations();
        let counted: Vec<(f64, u64)> = read.counts.iter().copied().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(2.5e-4, 1), (1e-3, 1), (2.5e-3, 1), (1.0, 1), (f64::INFINITY, 1)]);
        assert_eq!((read.count(), read.sum_seconds), (5, 32.003));
        assert_eq!(read.mean_seconds(), Some(32.003 / 5.0));
        assert_eq!((read.share_seconds(0.8), read.share_seconds(0.95)), (Some(1.0), None));
        assert_eq!(read.share_seconds(0.0), Some(2.5e-4));
        let nothing = Durations::default();
        assert_eq!((nothing.mean_seconds(), nothing.share_seconds(0.5)), (None, None));
    }

    #[test]
    fn bounds_grow() {
        for bounds in [ANSWER_BOUNDS, READ_BOUNDS, WAIT_BOUNDS] {
            assert!(bounds.is_sorted_by(|less, more| less < more), "{bounds:?}");
        }
    }
}
