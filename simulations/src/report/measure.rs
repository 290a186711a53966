//! The figures of a run that runs are compared by.

use serde::Serialize;

use super::number;
use crate::outcome::Summary;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Copies of the whole content.
    Copies,
    /// Bytes.
    Bytes,
    /// Things that are counted.
    Count,
    /// One figure divided by another of the same unit.
    Ratio,
    /// Things counted in each second.
    PerSecond,
}

impl Unit {
    /// `value` for people, with its unit.
    pub fn words(self, value: Option<f64>) -> String {
        let Some(value) = value else { return number::UNKNOWN.to_owned() };
        match self {
            Unit::Seconds => number::seconds(value),
            Unit::Bytes => number::bytes(value),
            Unit::Copies | Unit::Ratio => number::significant(value),
            Unit::Count if value.fract() == 0.0 && (0.0..1e15).contains(&value) => {
                number::count(value as u64)
            }
            Unit::Count => number::significant(value),
            Unit::PerSecond => format!("{} /s", number::significant(value)),
        }
    }
}

/// A figure that each run has, or has not.
pub(super) struct Measure {
    /// Its name for programs, with its unit last.
    pub(super) name: &'static str,
    /// Its name for people; at most 18 letters.
    pub(super) words: &'static str,
    /// What it counts.
    pub(super) unit: Unit,
    read: fn(&Summary) -> Option<f64>,
}

impl Measure {
    /// Its value in a run. Never a number that is not finite.
    pub(super) fn of(&self, summary: &Summary) -> Option<f64> {
        (self.read)(summary).filter(|value| value.is_finite())
    }

    /// The median over those runs that have the figure. Of an even number of runs, the mean of the
    /// two in the middle.
    pub(super) fn median<'a>(&self, runs: impl IntoIterator<Item = &'a Summary>) -> Option<f64> {
        median(runs.into_iter().filter_map(|run| self.of(run)).collect())
    }
}

/// The median of finite values.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], upper) } else { upper })
}

/// The last completion.
pub(super) const LAST: Measure = Measure {
    name: "completion_last_seconds",
    words: "last is done",
    unit: Unit::Seconds,
    read: |run| Some(run.completion_seconds.last),
};
/// The last completion beside the bound.
pub(super) const LAST_TO_BOUND: Measure = Measure {
    name: "completion_last_to_bound",
    words: "last / bound",
    unit: Unit::Ratio,
    read: |run| ratio(run.completion_seconds.last, run.bound_seconds?),
};
/// Copies that came over the borders of all ASes together.
pub(super) const IMPORTS: Measure = Measure {
    name: "imports_copies",
    words: "imported copies",
    unit: Unit::Copies,
    read: |run| Some(run.groups.iter().map(|group| group.imports).sum()),
};
/// Those imports beside the fewest possible.
pub(super) const IMPORTS_TO_FRONTIER: Measure = Measure {
    name: "imports_to_frontier",
    words: "imports / fewest",
    unit: Unit::Ratio,
    read: imports_to_frontier,
};

/// The median of the kind that does best without playing by the rules, beside the honest one.
pub(super) const SCHEMERS: Measure = Measure {
    name: "best_other_kind_to_honest",
    words: "others / honest",
    unit: Unit::Ratio,
    read: |run| {
        let honest = run.kinds.iter().find(|kind| kind.kind.is_honest())?;
        let others = run.kinds.iter().filter(|kind| !kind.kind.is_honest() && kind.completed > 0);
        let best = others.map(|kind| kind.completion_seconds.p50).min_by(f64::total_cmp)?;
        ratio(best, honest.completion_seconds.p50)
    },
};

/// All figures, in the order of tables.
pub(super) const MEASURES: [Measure; 21] = [
    Measure {
        name: "completion_p50_seconds",
        words: "half are done",
        unit: Unit::Seconds,
        read: |run| Some(run.completion_seconds.p50),
    },
    Measure {
        name: "completion_p95_seconds",
        words: "95 % are done",
        unit: Unit::Seconds,
        read: |run| Some(run.completion_seconds.p95),
    },
    LAST,
    Measure {
        name: "completion_mean_seconds",
        words: "mean time",
        unit: Unit::Seconds,
        read: |run| Some(run.completion_seconds.mean),
    },
    Measure {
        name: "bound_seconds",
        words: "bound for the last",
        unit: Unit::Seconds,
        read: |run| run.bound_seconds,
    },
    LAST_TO_BOUND,
    Measure { name: "peers", words: "peers", unit: Unit::Count, read: |run| Some(f64::from(run.peers)) },
    Measure {
        name: "completed_share",
        words: "share of done",
        unit: Unit::Ratio,
        read: |run| ratio(f64::from(run.completed), f64::from(run.peers)),
    },
    Measure {
        name: "origin_copies",
        words: "origin copies",
        unit: Unit::Copies,
        read: |run| Some(run.origin_copies),
    },
    Measure {
        name: "wasted_copies",
        words: "wasted copies",
        unit: Unit::Copies,
        read: |run| Some(run.wasted_copies),
    },
    IMPORTS,
    IMPORTS_TO_FRONTIER,
    Measure {
        name: "start_delay_p50_seconds",
        words: "half started after",
        unit: Unit::Seconds,
        read: |run| Some(run.viewing.as_ref()?.start_delay_seconds.p50),
    },
    Measure {
        name: "start_delay_p95_seconds",
        words: "95 % started after",
        unit: Unit::Seconds,
        read: |run| Some(run.viewing.as_ref()?.start_delay_seconds.p95),
    },
    Measure {
        name: "stalls_mean",
        words: "stalls a viewer",
        unit: Unit::Ratio,
        read: |run| Some(run.viewing.as_ref()?.stalls_mean),
    },
    Measure {
        name: "stalled_share",
        words: "stalled share",
        unit: Unit::Ratio,
        read: |run| Some(run.viewing.as_ref()?.stalled_share),
    },
    SCHEMERS,
    Measure { name: "inputs", words: "inputs", unit: Unit::Count, read: |run| Some(run.inputs as f64) },
    Measure {
        name: "wall_seconds",
        words: "time to simulate",
        unit: Unit::Seconds,
        read: |run| Some(run.wall_seconds),
    },
    Measure {
        name: "inputs_per_second",
        words: "inputs a second",
        unit: Unit::PerSecond,
        read: |run| ratio(run.inputs as f64, run.wall_seconds),
    },
    Measure {
        name: "peak_rss_bytes",
        words: "peak memory",
        unit: Unit::Bytes,
        read: |run| Some(run.peak_rss_bytes as f64),
    },
];

/// `part / whole`, if there is a whole.
pub(super) fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole).filter(|ratio| ratio.is_finite())
}

/// Imports of those groups that have a frontier, beside the fewest that they could have had.
fn imports_to_frontier(run: &Summary) -> Option<f64> {
    let known = run.groups.iter().filter_map(|group| Some((group.imports, group.frontier_imports?)));
    let (imports, frontier) = known.fold((0.0, 0.0), |sums, group| (sums.0 + group.0, sums.1 + group.1));
    ratio(imports, frontier)
}
