//! Peers that are alike: of one content, one class of ASes and one class of access links.
//!
//! All leechers of a cell receive at one rate. So `served`, what a leecher has received who was there
//! from the start, tells the progress of each: it is `served` less what that was when the leecher
//! came. Invariant: cohorts are in the order in which they came, so the first is the most advanced.

use std::collections::VecDeque;

/// Cohorts that differ in progress by less than one in so many of the content become one.
const COHORTS_MAX: f64 = 512.0;

/// Leechers that came together.
#[derive(Clone, Copy, Debug)]
struct Cohort {
    /// How many are left of them.
    peers: f64,
    /// When they came, in the mean, in seconds.
    came: f64,
    /// What `served` was then, in the mean.
    from: f64,
}

/// Leechers that are done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finished {
    /// How many.
    pub(super) peers: f64,
    /// How long they took, in seconds.
    pub(super) seconds: f64,
    /// What they were served beyond the content in the last step, in bytes each.
    pub(super) excess: f64,
}

/// The peers of a cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    cohorts: VecDeque<Cohort>,
    /// Bytes.
    served: f64,
    /// Leechers, together.
    pub(super) leechers: f64,
    /// Peers that hold everything.
    pub(super) seeds: f64,
}

impl Cell {
    /// Peers come, at a moment in seconds.
    pub(super) fn join(&mut self, peers: f64, now: f64, bytes: f64) {
        if peers <= 0.0 {
            return;
        }
        self.leechers += peers;
        let (came, from) = (now, self.served);
        match self.cohorts.back_mut() {
            Some(last) if from - last.from < bytes / COHORTS_MAX => {
                let part = peers / (last.peers + peers);
                last.peers += peers;
                last.came += (came - last.came) * part;
                last.from += (from - last.from) * part;
            }
            _ => self.cohorts.push_back(Cohort { peers, came, from }),
        }
    }

    /// Each leecher receives at `rate` bytes a second for a step of `step` seconds that ends at
    /// `now`. Those who then have all `bytes` become seeds, and `each` hears of them.
    pub(super) fn serve(
        &mut self,
        rate: f64,
        step: f64,
        now: f64,
        bytes: f64,
        mut each: impl FnMut(Finished),
    ) {
        self.served += rate * step;
        while let Some(&Cohort { peers, came, from }) = self.cohorts.front()
            && self.served - from >= bytes
        {
            self.cohorts.pop_front();
            let excess = self.served - from - bytes;
            let seconds = now - came - if rate > 0.0 { excess / rate } else { 0.0 };
            self.leechers -= peers;
            self.seeds += peers;
            each(Finished { peers, seconds, excess });
        }
        if self.cohorts.is_empty() {
            // Whatever rounding left, and `served` need not grow for ever.
            self.leechers = 0.0;
            self.served = 0.0;
        }
    }

    /// Seeds and leechers leave, so that these shares of them stay. Returns what leechers who gave up
    /// had received, in bytes, and how many gave up.
    pub(super) fn leave(&mut self, seeds_stay: f64, leechers_stay: f64) -> (f64, f64) {
        self.seeds *= seeds_stay;
        if leechers_stay >= 1.0 {
            return (0.0, 0.0);
        }
        let lost = self.held() * (1.0 - leechers_stay);
        let gone = self.leechers * (1.0 - leechers_stay);
        self.leechers -= gone;
        for cohort in &mut self.cohorts {
            cohort.peers *= leechers_stay;
        }
        (lost, gone)
    }

    /// What leechers have received and hold, in bytes.
    pub(super) fn held(&self) -> f64 {
        self.cohorts.iter().map(|cohort| cohort.peers * (self.served - cohort.from)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cohorts_are_done_in_the_order_in_which_they_came() {
        let mut cell = Cell::default();
        let mut done = Vec::new();
        cell.join(2.0, 0.0, 100.0);
        for second in 1..=12 {
            cell.serve(10.0, 1.0, f64::from(second), 100.0, |finished| done.push(finished));
            if second == 2 {
                cell.join(3.0, 2.0, 100.0);
            }
        }
        let finished = |peers| Finished { peers, seconds: 10.0, excess: 0.0 };
        assert_eq!(done, [finished(2.0), finished(3.0)]);
        assert_eq!((cell.leechers, cell.seeds, cell.held()), (0.0, 5.0, 0.0));
    }

    #[test]
    fn the_moment_of_being_done_lies_within_a_step() {
        let mut cell = Cell::default();
        cell.join(1.0, 0.0, 100.0);
        let mut done = None;
        cell.serve(40.0, 5.0, 5.0, 100.0, |finished| done = Some(finished));
        assert_eq!(done, Some(Finished { peers: 1.0, seconds: 2.5, excess: 100.0 }));
    }

    #[test]
    fn those_who_give_up_take_along_what_they_have() {
        let mut cell = Cell::default();
        cell.join(4.0, 0.0, 100.0);
        cell.serve(30.0, 1.0, 1.0, 100.0, |_| unreachable!("nobody is done"));
        assert_eq!(cell.leave(1.0, 0.75), (30.0, 1.0));
        assert_eq!((cell.leechers, cell.held()), (3.0, 90.0));
    }

    #[test]
    fn many_who_come_make_few_cohorts() {
        let mut cell = Cell::default();
        for step in 0..100_000 {
            cell.join(1.0, f64::from(step), 100_000.0);
            cell.serve(1.0, 1.0, f64::from(step + 1), 100_000.0, |_| {});
        }
        assert!(cell.cohorts.len() <= 513, "{}", cell.cohorts.len());
        assert!((cell.held() / (100_000.0 * 100_000.0 / 2.0) - 1.0).abs() < 1e-3);
    }
}
