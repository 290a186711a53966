//! When peers come.

use std::time::Duration;

use super::{
    dice::{Aspect, Dice},
    seconds,
};
use crate::scenario::{self, ArrivalsPart, Holding, Scenario};

/// One peer's coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coming {
    pub(super) at: Duration,
    pub(super) holds: Holding,
}

/// When each peer comes, in ascending order: early ones at the start, the others as the scenario
/// says.
pub(super) fn draw(scenario: &Scenario, seed: u64) -> Vec<Coming> {
    let part = &scenario.arrivals;
    let mut dice = Dice::new(seed, Aspect::Arrivals);
    let early = part.early.of(scenario.peers) as usize;
    let rest = scenario.peers as usize - early;
    let mut times = match part.kind {
        scenario::Coming::Together => vec![Duration::ZERO; rest],
        scenario::Coming::Over => {
            let nanoseconds = seconds(part.over_seconds).as_nanos() as u64;
            (0..rest).map(|_| Duration::from_nanos(dice.below(nanoseconds))).collect()
        }
        scenario::Coming::Poisson => poisson(part, rest, &mut dice),
        scenario::Coming::Diurnal => diurnal(part, rest, &mut dice),
    };
    times.sort_unstable();
    let start = seconds(part.start_seconds);
    let first = Coming { at: Duration::ZERO, holds: part.early_hold };
    std::iter::repeat_n(first, early)
        .chain(times.into_iter().map(|at| Coming { at: start + at, holds: part.hold }))
        .collect()
}

fn poisson(part: &ArrivalsPart, count: usize, dice: &mut Dice) -> Vec<Duration> {
    let mut at = Duration::ZERO;
    let mut next = |_| {
        at = at.saturating_add(dice.exponential(1.0 / part.rate));
        at
    };
    (0..count).map(&mut next).collect()
}

/// A Poisson process with the rate of the day's height, thinned to the rate of the moment (Lewis and
/// Shedler 1979).
fn diurnal(part: &ArrivalsPart, count: usize, dice: &mut Dice) -> Vec<Duration> {
    let height = 1.0 + part.swing;
    let (mut at, mut times) = (Duration::ZERO, Vec::with_capacity(count));
    while times.len() < count {
        at = at.saturating_add(dice.exponential(1.0 / (part.rate * height)));
        let rate = 1.0 + part.swing * wave(at.as_secs_f64() / part.day_seconds);
        if dice.unit() * height <= rate {
            times.push(at);
        }
    }
    times
}

/// The wave of a day: 0 at its start and middle, 1 after a quarter, -1 after three, 0 on average. Two
/// parabolas, within 0.06 of a sine, because a sine has not the same bits everywhere.
fn wave(days: f64) -> f64 {
    let phase = days - days.floor();
    match phase < 0.5 {
        true => 16.0 * phase * (0.5 - phase),
        false => -16.0 * (phase - 0.5) * (1.0 - phase),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Amount, Coming as How};

    fn scenario(kind: How, peers: u32) -> Scenario {
        let mut scenario = Scenario { peers, ..Scenario::default() };
        scenario.arrivals.kind = kind;
        scenario
    }

    fn times(scenario: &Scenario) -> Vec<f64> {
        draw(scenario, 5).iter().map(|coming| coming.at.as_secs_f64()).collect()
    }

    #[test]
    fn a_poisson_process_has_its_rate_and_no_memory() {
        let mut scenario = scenario(How::Poisson, 100_000);
        scenario.arrivals.rate = 4.0;
        let times = times(&scenario);
        assert!((times[99_999] / 25_000.0 - 1.0).abs() < 0.02, "{}", times[99_999]);
        // Counts in spans of a second: the variance is the mean.
        let mut counts = vec![0.0_f64; 24_000];
        times.iter().filter(|&&at| at < 24_000.0).for_each(|&at| counts[at as usize] += 1.0);
        let mean = counts.iter().sum::<f64>() / 24_000.0;
        let variance = counts.iter().map(|count| (count - mean) * (count - mean)).sum::<f64>() / 24_000.0;
        assert!((variance / mean - 1.0).abs() < 0.05, "{variance} {mean}");
    }

    #[test]
    fn a_day_has_a_busy_and_a_quiet_half_and_keeps_its_mean() {
        let mut scenario = scenario(How::Diurnal, 100_000);
        (scenario.arrivals.rate, scenario.arrivals.day_seconds, scenario.arrivals.swing) =
            (10.0, 1_000.0, 0.9);
        let times = times(&scenario);
        assert!((times[99_999] / 10_000.0 - 1.0).abs() < 0.05, "{}", times[99_999]);
        let quarter = |from: f64| {
            let is_in = |at: &&f64| (from..from + 0.25).contains(&(*at / 1_000.0).fract());
            times.iter().filter(is_in).count() as f64 / 25_000.0
        };
        // The mean of a parabola of height 1 is two thirds.
        assert!((quarter(0.0) - 1.6).abs() < 0.06 && (quarter(0.25) - 1.6).abs() < 0.06);
        assert!((quarter(0.5) - 0.4).abs() < 0.06 && (quarter(0.75) - 0.4).abs() < 0.06);
    }

    #[test]
    fn a_span_is_filled_evenly_and_nothing_comes_after_it() {
        let mut scenario = scenario(How::Over, 10_000);
        (scenario.arrivals.over_seconds, scenario.arrivals.start_seconds) = (20.0, 5.0);
        let times = times(&scenario);
        assert!(times.is_sorted() && times[0] >= 5.0 && times[9_999] < 25.0);
        let first_half = times.iter().filter(|&&at| at < 15.0).count();
        assert!(first_half.abs_diff(5_000) < 200, "{first_half}");
    }

    #[test]
    fn early_ones_are_there_from_the_start_with_what_they_hold() {
        let mut scenario = scenario(How::Together, 5);
        (scenario.arrivals.early, scenario.arrivals.start_seconds) = (Amount::Count(2), 9.0);
        scenario.arrivals.early_hold = Holding::AllButOne;
        let coming = draw(&scenario, 1);
        let early = Coming { at: Duration::ZERO, holds: Holding::AllButOne };
        let late = Coming { at: Duration::from_secs(9), holds: Holding::Nothing };
        assert_eq!(coming, [early, early, late, late, late]);
    }
}
