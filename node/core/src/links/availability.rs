//! How many neighbours hold each run of a content.

use crate::{
    content::{held::Held, layout::RunIndex},
    saturate::to_u32,
};

/// How many neighbours hold each run. Origins do not count, so zero means "only the origin". A
/// count that reaches 255 stays there: "many" needs no exact number.
#[derive(Debug)]
pub(crate) struct Availability(Box<[u8]>);

impl Availability {
    pub(crate) fn new(runs: u32) -> Availability {
        Availability(vec![0; runs as usize].into())
    }

    /// Number of runs.
    pub(crate) fn runs(&self) -> u32 {
        to_u32(self.0.len())
    }

    pub(crate) fn of(&self, run: RunIndex) -> u8 {
        self.0[run.get() as usize]
    }

    pub(crate) fn add(&mut self, run: RunIndex) {
        let count = &mut self.0[run.get() as usize];
        *count = count.saturating_add(1);
    }

    pub(crate) fn subtract(&mut self, run: RunIndex) {
        let count = &mut self.0[run.get() as usize];
        if *count < u8::MAX {
            *count = count.saturating_sub(1);
        }
    }

    pub(crate) fn add_all(&mut self, runs: Held<'_>) {
        runs.iter().for_each(|run| self.add(run));
    }

    pub(crate) fn subtract_all(&mut self, runs: Held<'_>) {
        runs.iter().for_each(|run| self.subtract(run));
    }

    /// Asserts that the counts equal a recount, except counts that stopped at 255.
    ///
    /// # Panics
    /// If a count differs.
    pub(crate) fn check(&self, recount: &Availability) {
        assert_eq!(self.0.len(), recount.0.len(), "runs counted");
        for (run, (&count, &should)) in self.0.iter().zip(&recount.0).enumerate() {
            assert!(count == should || count == u8::MAX, "run {run} counts {count} holders of {should}");
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.len()
    }
}
