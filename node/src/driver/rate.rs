//! Rates over time that has really passed.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// The time over which a rate is taken. Longer is steadier; shorter shows changes sooner.
const WINDOW: Duration = Duration::from_secs(3);
/// A rate over less time than this means nothing.
const KNOWN_AFTER: Duration = Duration::from_millis(500);

/// The rate of a counter that only grows.
///
/// Invariant: samples are in order of time. Only the first sample may be older than [`WINDOW`].
/// While the counter has not moved, there is one sample.
#[derive(Debug)]
pub(super) struct Rate(VecDeque<(Instant, u64)>);

impl Rate {
    pub(super) fn new(now: Instant) -> Rate {
        Rate(VecDeque::from([(now, 0)]))
    }

    /// Takes the counter's value. Returns units a second. `None`: the rate is not known yet.
    pub(super) fn update(&mut self, now: Instant, counter: u64) -> Option<f64> {
        let samples = &mut self.0;
        if samples.front().is_some_and(|&(_, first)| first == counter && samples.len() == 1) {
            // Nothing has come since the first sample: time spent waiting for a first byte makes no
            // rate.
            samples[0].0 = now;
            return None;
        }
        samples.push_back((now, counter));
        while samples.get(1).is_some_and(|&(at, _)| now.saturating_duration_since(at) >= WINDOW) {
            samples.pop_front();
        }
        let &(since, before) = samples.front()?;
        let passed = now.saturating_duration_since(since);
        let rate = counter.saturating_sub(before) as f64 / passed.as_secs_f64();
        (passed >= KNOWN_AFTER).then_some(rate)
    }
}

/// The rates of a whole node.
#[derive(Debug)]
pub(super) struct Rates {
    /// Payload received.
    pub(super) down: Rate,
    /// Payload sent.
    pub(super) up: Rate,
    /// Questions that the node's directory reads.
    pub(super) questions: Rate,
    /// Questions that the node's directory answers with peers.
    pub(super) answers: Rate,
}

impl Rates {
    pub(super) fn new(now: Instant) -> Rates {
        Rates { down: Rate::new(now), up: Rate::new(now), questions: Rate::new(now), answers: Rate::new(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates shown after each tenth of a second, for a counter that grows by `steps`.
    fn shown(steps: impl IntoIterator<Item = u64>) -> Vec<Option<f64>> {
        let start = Instant::now();
        let (mut rate, mut counter) = (Rate::new(start), 0);
        let tick = |(tenth, step): (usize, u64)| {
            counter += step;
            rate.update(start + Duration::from_millis(100 * (tenth as u64 + 1)), counter)
        };
        steps.into_iter().enumerate().map(tick).collect()
    }

    #[test]
    fn it_is_right_as_soon_as_it_is_shown_and_not_shown_before() {
        // Nothing for two seconds, then a steady rate.
        let steps = std::iter::repeat_n(0, 20).chain(std::iter::repeat_n(1_000, 100));
        let shown = shown(steps);
        let first = shown.iter().position(Option::is_some).unwrap();
        assert!((24..=25).contains(&first), "after {first} tenths");
        assert!(shown[first..].iter().flatten().all(|rate| (rate - 10_000.0).abs() < 1.0), "{shown:?}");
    }

    #[test]
    fn it_follows_what_changes_and_falls_to_nothing() {
        let steps = std::iter::repeat_n(1_000, 50)
            .chain(std::iter::repeat_n(3_000, 31))
            .chain(std::iter::repeat_n(0, 31));
        let shown = shown(steps);
        assert!((shown[80].unwrap() - 30_000.0).abs() < 1.0, "{:?}", shown[80]);
        assert_eq!(shown[111], Some(0.0));
    }

    #[test]
    fn it_remembers_no_more_than_it_needs() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        for tenth in 1..10_000u64 {
            rate.update(start + Duration::from_millis(100 * tenth), tenth);
        }
        assert!(rate.0.len() < 40, "{} samples", rate.0.len());
    }
}
