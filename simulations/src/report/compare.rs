//! Two sets of runs side by side: what differs in their settings, and in their figures.
//!
//! Each side may be one run or several, as of several seeds. Then its figures are medians over its
//! runs, each figure on its own.

mod text;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use serde::Serialize;

pub use super::measure::Unit;
use super::{
    folder,
    measure::{MEASURES, ratio},
};
use crate::outcome::Summary;

/// Two sets of runs side by side. [`Display`](std::fmt::Display) shows it as aligned tables.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The first set.
    pub a: Side,
    /// The second set.
    pub b: Side,
    /// Whether both sets have the same traces: everything happened in the same way.
    pub traces: Traces,
    /// Settings whose values are not the same on both sides, by name.
    pub settings: BTreeMap<String, Difference>,
    /// Every figure that one of the sides has.
    pub figures: Vec<Figure>,
    /// Checks that failed in a run of one of the sides, by name.
    pub checks: BTreeMap<String, Failures>,
}

/// One set of runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The number of its runs.
    pub runs: usize,
    /// The scenarios of its runs, each once.
    pub scenarios: BTreeSet<String>,
    /// The seeds of its runs, each once.
    pub seeds: BTreeSet<u64>,
    /// How its runs were simulated: exact or pulled, or both.
    pub modes: String,
}

/// Whether two sets of runs took the same course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Traces {
    /// Each trace of one side is a trace of the other, as often.
    Same,
    /// Some trace is on one side only.
    Different,
}

/// The values of one setting, each once. A run that lacks the setting adds none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// On the first side.
    pub a: BTreeSet<String>,
    /// On the second side.
    pub b: BTreeSet<String>,
}

/// One figure of both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Its name, with its unit last.
    pub name: &'static str,
    /// Its name for people.
    #[serde(skip)]
    pub words: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// The median over those runs of the first side that have it.
    pub a: Option<f64>,
    /// The median over those runs of the second side that have it.
    pub b: Option<f64>,
    /// `b` divided by `a`. `None`: one is not known, or `a` is zero.
    pub ratio: Option<f64>,
}

/// In how many runs a check failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// On the first side.
    pub a: usize,
    /// On the second side.
    pub b: usize,
}

/// Compares two sets of runs. A set may be empty; then it has no figures.
pub fn compare(a: &[Summary], b: &[Summary]) -> Comparison {
    let figures = MEASURES.iter().filter_map(|measure| {
        let (a, b) = (measure.median(a), measure.median(b));
        let ratio = a.zip(b).and_then(|(a, b)| ratio(b, a));
        (a.is_some() || b.is_some()).then_some(Figure {
            name: measure.name,
            words: measure.words,
            unit: measure.unit,
            a,
            b,
            ratio,
        })
    });
    Comparison {
        a: side(a),
        b: side(b),
        traces: if traces(a) == traces(b) { Traces::Same } else { Traces::Different },
        settings: settings(a, b),
        figures: figures.collect(),
        checks: checks(a, b),
    }
}

/// Writes the comparison as a page, to a file that is replaced as a whole.
pub fn write_page(comparison: &Comparison, path: &Path) -> io::Result<()> {
    folder::write_file(path, &view::page(comparison))
}

fn side(runs: &[Summary]) -> Side {
    Side {
        runs: runs.len(),
        scenarios: runs.iter().map(|run| run.scenario.clone()).collect(),
        seeds: runs.iter().map(|run| run.seed).collect(),
        modes: super::sweep::modes(runs.iter()),
    }
}

fn traces(runs: &[Summary]) -> Vec<&str> {
    let mut traces: Vec<&str> = runs.iter().map(|run| run.trace_hash.as_str()).collect();
    traces.sort_unstable();
    traces
}

fn settings(a: &[Summary], b: &[Summary]) -> BTreeMap<String, Difference> {
    let mut settings: BTreeMap<String, Difference> = BTreeMap::new();
    for (name, value) in a.iter().flat_map(|run| &run.options) {
        settings.entry(name.clone()).or_default().a.insert(value.clone());
    }
    for (name, value) in b.iter().flat_map(|run| &run.options) {
        settings.entry(name.clone()).or_default().b.insert(value.clone());
    }
    settings.retain(|_, difference| difference.a != difference.b);
    settings
}

fn checks(a: &[Summary], b: &[Summary]) -> BTreeMap<String, Failures> {
    let mut checks: BTreeMap<String, Failures> = BTreeMap::new();
    for name in a.iter().flat_map(failed) {
        checks.entry(name.clone()).or_default().a += 1;
    }
    for name in b.iter().flat_map(failed) {
        checks.entry(name.clone()).or_default().b += 1;
    }
    checks
}

fn failed(run: &Summary) -> impl Iterator<Item = &String> {
    run.checks.iter().filter(|(_, held)| !**held).map(|(name, _)| name)
}

#[cfg(test)]
mod tests;
