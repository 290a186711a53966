//! What the fluid model takes from exact runs: how well peers use their uplinks, and how much groups
//! import.

mod text;

use std::collections::BTreeMap;

pub use self::text::FitError;
use crate::{outcome::Summary, scenario::Bytes};

/// What exact runs say of peers.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Which runs they are, in words.
    pub from: String,
    /// η: the share of leechers' uplinks that finds use, 0 to 1; the mean over runs.
    pub effectiveness: f64,
    /// Crowds that were measured, the smallest first. Empty: all are alike, and all are done at once.
    pub by_peers: Vec<Crowd>,
    /// The share of its uplink that an origin gives a crowd for as long as a download takes in the mean,
    /// 0 to 1.
    pub origin_use: f64,
    /// How far runs lie around that, as a standard deviation. Plots should say it.
    pub deviation: f64,
    /// Runs that it was fitted from. 0: it was set by hand.
    pub runs: usize,
    /// Copies that a group imports.
    pub imports: Imports,
}

/// How a crowd of a size does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crowd {
    /// Peers.
    pub peers: f64,
    /// η, 0 to 1.
    pub effectiveness: f64,
    /// The times of half, of nineteen in twenty and of the last, in parts of the mean time. A fluid
    /// knows the mean alone.
    pub spread: [f64; 3],
}

/// Parts into which the times of a crowd are cut.
const PARTS: u32 = 40;

impl Crowd {
    /// How much longer than the mean each of forty equal parts of a crowd takes, and the share of
    /// the crowd that it is. The mean of all is one, as far as the spread allows.
    pub fn parts(&self) -> impl Iterator<Item = (f64, f64)> {
        let [half, most, last] = self.spread;
        let at = |number: u32| f64::from(number + 1) / f64::from(PARTS);
        let late = move |part: f64| match part {
            part if part <= 0.95 => half + (most - half) * (part - 0.5) / 0.45,
            part => most + (last - most) * (part - 0.95) / 0.05,
        };
        // Those before the middle make up for those behind it: from `first` straight to `half`.
        let (early, rest) = ((0..PARTS / 2).map(at), (PARTS / 2..PARTS).map(at).map(late).sum::<f64>());
        let (of_half, of_first) =
            early.fold((0.0, 0.0), |(half, first), part| (half + 2.0 * part, first + 1.0 - 2.0 * part));
        let first = ((f64::from(PARTS) - rest - of_half * half) / of_first).clamp(0.0, half);
        let time = move |part: f64| {
            if part <= 0.5 { first + (half - first) * 2.0 * part } else { late(part) }
        };
        (0..PARTS).map(move |number| (time(at(number)), 1.0 / f64::from(PARTS)))
    }
}

/// Why nothing could be fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Efficiency is the bound over the measured time.
    #[error("no run has a lower bound and is complete")]
    NoTimes,
    /// Imports are by the size of groups.
    #[error("no run has groups that are complete")]
    NoGroups,
}

impl Fit {
    /// Peers that use their uplinks in full, with one import a group: the best there can be.
    pub fn ideal() -> Fit {
        Fit {
            from: "set by hand".to_owned(),
            effectiveness: 1.0,
            by_peers: Vec::new(),
            origin_use: 1.0,
            deviation: 0.0,
            runs: 0,
            imports: Imports::new(&[]),
        }
    }

    /// What a crowd of so many peers is like: between sizes that were measured, figures are linear in
    /// their logarithm, and beyond them they are those of the nearest.
    pub fn crowd(&self, peers: f64) -> Crowd {
        let after = self.by_peers.partition_point(|crowd| crowd.peers <= peers);
        match (after.checked_sub(1).map(|at| self.by_peers[at]), self.by_peers.get(after)) {
            (None, None) => Crowd { peers, effectiveness: self.effectiveness, spread: [1.0; 3] },
            (Some(last), None) => last,
            (None, Some(first)) => *first,
            (Some(low), Some(high)) => {
                let way = (peers / low.peers).ln() / (high.peers / low.peers).ln();
                let between = |low: f64, high: f64| low + (high - low) * way;
                let spread = [0, 1, 2].map(|at| between(low.spread[at], high.spread[at]));
                Crowd { peers, effectiveness: between(low.effectiveness, high.effectiveness), spread }
            }
        }
    }

    /// Fits the model to runs in which all peers are complete.
    ///
    /// η is the mean of bound over mean completion time, and 1 at most. That is the efficiency of
    /// uplinks where these limit the bound, as with crowds on slow uplinks; give no runs in which
    /// downlinks or the seed do. Imports are means by the size of groups, in classes each twice as
    /// large as the one before; a group whose AS is not known does not count.
    ///
    /// # Errors
    ///
    /// If no run has a bound, or none has groups.
    pub fn from_runs(runs: &[Summary]) -> Result<Fit, Unfit> {
        let used = |run: &&Summary| run.peers > 0 && run.completed == run.peers;
        let by_run: Vec<Crowd> = runs.iter().filter(used).filter_map(crowd).collect();
        let ratios: Vec<f64> = by_run.iter().map(|crowd| crowd.effectiveness).collect();
        let groups = runs.iter().filter(used).flat_map(|run| &run.groups);
        let points: Vec<(f64, f64)> = groups
            .filter(|group| group.asn != 0 && group.members > 0)
            .map(|group| (f64::from(group.members), group.imports))
            .collect();
        if ratios.is_empty() {
            return Err(Unfit::NoTimes);
        }
        if points.is_empty() {
            return Err(Unfit::NoGroups);
        }
        let count = ratios.len() as f64;
        let mean = ratios.iter().sum::<f64>() / count;
        let square = ratios.iter().map(|ratio| (ratio - mean).powi(2)).sum::<f64>() / count;
        let imports = Imports::new(&points);
        let origin = mean_of(runs.iter().filter(used).filter_map(origin_use)).unwrap_or(1.0);
        Ok(Fit {
            from: text::words(runs),
            effectiveness: mean,
            by_peers: means_by(&by_run),
            origin_use: origin,
            deviation: square.sqrt(),
            runs: ratios.len(),
            imports,
        })
    }
}

/// What origins sent, as a share of what their uplinks carry in the mean time of a download: in the
/// model all are done then. `None`: the run does not say what origins have.
fn origin_use(run: &Summary) -> Option<f64> {
    let up: Bytes = run.options.get("origins.up")?.parse().ok()?;
    let count: f64 = run.options.get("origins.count")?.parse().ok()?;
    let could = up.0 as f64 * count * run.completion_seconds.mean;
    let share = run.origin_copies * run.bytes as f64 / could;
    share.is_finite().then(|| share.clamp(0.0, 1.0))
}

fn mean_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    (count > 0.0).then(|| sum / count)
}

/// What a run says of crowds of its size. `None`: it has no bound.
fn crowd(run: &Summary) -> Option<Crowd> {
    let times = run.completion_seconds;
    let effectiveness = run.bound_seconds? / times.mean;
    let spread = [times.p50, times.p95, times.last].map(|time| time / times.mean);
    (effectiveness.is_finite() && effectiveness > 0.0).then_some(Crowd {
        peers: f64::from(run.peers),
        effectiveness: effectiveness.min(1.0),
        spread,
    })
}

/// The mean for each number of peers, the smallest first.
fn means_by(by_run: &[Crowd]) -> Vec<Crowd> {
    let mut by_peers: BTreeMap<u64, Vec<&Crowd>> = BTreeMap::new();
    for crowd in by_run {
        by_peers.entry(crowd.peers as u64).or_default().push(crowd);
    }
    let mean = |(peers, crowds): (u64, Vec<&Crowd>)| {
        let mean = |of: &dyn Fn(&Crowd) -> f64| mean_of(crowds.iter().map(|crowd| of(crowd))).unwrap_or(1.0);
        Crowd {
            peers: peers as f64,
            effectiveness: mean(&|crowd| crowd.effectiveness),
            spread: [0, 1, 2].map(|at| mean(&|crowd| crowd.spread[at])),
        }
    };
    by_peers.into_iter().map(mean).collect()
}

/// Copies of a content that a group imports, by its members: m(n).
#[derive(Clone, Debug, PartialEq)]
pub struct Imports {
    /// Members and copies, the smallest group first. The first is a lone member with one copy.
    points: Vec<(f64, f64)>,
    /// m(n) / n of groups of 1, 2, 3 and so on.
    shares: Vec<f64>,
}

/// Up to this many others in the mean, a group's size is taken as Poisson. Beyond, the mean will do.
const POISSON_MAX: f64 = 64.0;

/// Groups that are tabled: practically all that a Poisson number with that mean can be.
const TABLED: usize = 200;

impl Imports {
    /// From measured groups: members and copies. Without any, each group imports one copy.
    ///
    /// Between sizes copies are linear in the logarithm of members. Groups larger than all that were
    /// measured import the same share of their bytes as the largest: rather too much than too little.
    pub fn new(measured: &[(f64, f64)]) -> Imports {
        let mut sums = [(0.0, 0.0, 0.0); u64::BITS as usize];
        for &(members, copies) in measured.iter().filter(|(members, _)| *members > 1.0) {
            let sum = &mut sums[(members as u64).max(1).ilog2() as usize];
            *sum = (sum.0 + members, sum.1 + copies.min(members), sum.2 + 1.0);
        }
        let mean = |&(members, copies, count): &(f64, f64, f64)| {
            (count > 0.0).then(|| (members / count, copies / count))
        };
        let mut points = vec![(1.0, 1.0)];
        points.extend(sums.iter().filter_map(mean));
        let mut imports = Imports { points, shares: Vec::new() };
        imports.shares =
            (1..=TABLED).map(|members| imports.copies(members as f64) / members as f64).collect();
        imports
    }

    /// Measured groups: members and copies, the smallest first.
    pub fn points(&self) -> &[(f64, f64)] {
        self.points.get(1..).unwrap_or_default()
    }

    /// Copies that a group of so many members imports. Less than one member counts as one.
    pub fn copies(&self, members: f64) -> f64 {
        let members = members.max(1.0);
        let after = self.points.partition_point(|point| point.0 <= members);
        let low = self.points[after.saturating_sub(1)];
        let Some(high) = self.points.get(after) else {
            let is_measured = self.points.len() > 1;
            return if is_measured { low.1 * members / low.0 } else { 1.0 };
        };
        let way = (members / low.0).ln() / (high.0 / low.0).ln();
        low.1 + (high.1 - low.1) * way
    }

    /// The share of what a member receives that comes from outside, if it has `others` in its group
    /// in the mean, and their number is Poisson: the mean of m(1 + K) / (1 + K).
    pub fn share(&self, others: f64) -> f64 {
        if others > POISSON_MAX {
            return self.copies(1.0 + others) / (1.0 + others);
        }
        let mut chance = (-others).exp();
        let mut share = 0.0;
        for (number, of_group) in self.shares.iter().enumerate() {
            share += chance * of_group;
            chance *= others / (number as f64 + 1.0);
        }
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Group, Spread};

    fn run(bound: f64, mean: f64, groups: &[(u32, f64)]) -> Summary {
        let group = |&(members, imports): &(u32, f64)| Group { asn: 7, members, imports, ..Group::default() };
        Summary {
            peers: 10,
            completed: 10,
            bound_seconds: Some(bound),
            completion_seconds: Spread { mean, ..Spread::default() },
            groups: groups.iter().map(group).collect(),
            ..Summary::default()
        }
    }

    #[test]
    fn efficiency_is_the_bound_over_the_time() {
        let runs = [run(80.0, 100.0, &[(10, 2.0)]), run(90.0, 100.0, &[(12, 4.0)])];
        let fit = Fit::from_runs(&runs).unwrap();
        assert!((fit.effectiveness - 0.85).abs() < 1e-12 && (fit.deviation - 0.05).abs() < 1e-12);
        assert_eq!(fit.runs, 2);
        assert!((fit.crowd(1e6).effectiveness - 0.85).abs() < 1e-12, "all runs are of ten peers");
        assert_eq!(fit.origin_use, 1.0, "the runs do not say what origins have");
        // Both groups are of 8 to 15 members.
        assert!((fit.imports.copies(11.0) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn figures_are_those_of_crowds_of_about_the_size() {
        let crowd = |peers, effectiveness, last| Crowd { peers, effectiveness, spread: [1.0, 1.0, last] };
        let fit = Fit { by_peers: vec![crowd(10.0, 0.8, 1.0), crowd(1_000.0, 0.6, 2.0)], ..Fit::ideal() };
        let of = |peers| fit.crowd(peers).effectiveness;
        assert_eq!((of(1.0), of(10.0), of(1e7)), (0.8, 0.8, 0.6));
        assert!((of(100.0) - 0.7).abs() < 1e-12 && (fit.crowd(100.0).spread[2] - 1.5).abs() < 1e-12);
        assert_eq!(Fit::ideal().crowd(5.0).effectiveness, 1.0);
    }

    #[test]
    fn the_parts_of_a_crowd_have_its_mean_and_its_quantiles() {
        let crowd = Crowd { peers: 100.0, effectiveness: 1.0, spread: [0.95, 1.4, 2.0] };
        let parts: Vec<(f64, f64)> = crowd.parts().collect();
        let mean: f64 = parts.iter().map(|(time, share)| time * share).sum();
        assert!((mean - 1.0).abs() < 1e-9, "{mean}");
        assert!(parts.is_sorted_by(|a, b| a.0 <= b.0), "{parts:?}");
        let quantile = |share: f64| parts[(share * f64::from(PARTS)) as usize - 1].0;
        assert!((quantile(0.5) - 0.95).abs() < 1e-9 && (quantile(0.95) - 1.4).abs() < 1e-9);
        assert!((quantile(1.0) - 2.0).abs() < 1e-9);
        let alike = Crowd { spread: [1.0; 3], ..crowd };
        assert!(alike.parts().all(|(time, _)| (time - 1.0).abs() < 1e-9));
    }

    #[test]
    fn an_origin_is_used_as_much_as_it_sent() {
        let mut half = run(80.0, 100.0, &[(10, 2.0)]);
        (half.bytes, half.origin_copies) = (1_000, 5.0);
        for (name, value) in [("origins.up", "100"), ("origins.count", "1")] {
            half.options.insert(name.to_owned(), value.to_owned());
        }
        assert_eq!(Fit::from_runs(&[half]).unwrap().origin_use, 0.5);
    }

    #[test]
    fn runs_that_are_not_complete_or_have_no_bound_say_nothing() {
        assert_eq!(Fit::from_runs(&[]), Err(Unfit::NoTimes));
        let unbound = Summary { bound_seconds: None, ..run(1.0, 1.0, &[(3, 1.0)]) };
        let incomplete = Summary { completed: 9, ..run(1.0, 1.0, &[(3, 1.0)]) };
        assert_eq!(Fit::from_runs(&[unbound, incomplete]), Err(Unfit::NoTimes));
        assert_eq!(Fit::from_runs(&[run(1.0, 1.0, &[])]), Err(Unfit::NoGroups));
    }

    #[test]
    fn imports_grow_between_measured_sizes_and_keep_their_share_beyond() {
        let imports = Imports::new(&[(4.0, 2.0), (64.0, 6.0)]);
        assert_eq!(imports.copies(0.1), 1.0);
        assert!((imports.copies(2.0) - 1.5).abs() < 1e-12);
        assert!((imports.copies(16.0) - 4.0).abs() < 1e-12);
        assert!((imports.copies(640.0) - 60.0).abs() < 1e-12);
    }

    #[test]
    fn a_member_without_others_imports_everything() {
        let imports = Imports::new(&[]);
        assert_eq!(imports.share(0.0), 1.0);
        // With one copy a group, the mean of 1 / (1 + K) is (1 - e^-n) / n.
        for others in [0.1_f64, 1.0, 10.0, 60.0] {
            let wanted = (1.0 - (-others).exp()) / others;
            assert!((imports.share(others) - wanted).abs() < 1e-9, "{others}");
        }
        assert!((imports.share(1e6) - 1e-6).abs() < 1e-9);
    }
}
