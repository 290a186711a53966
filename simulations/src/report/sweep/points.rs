//! Runs gathered by the value of a setting.

use std::{cmp::Ordering, collections::BTreeMap};

use crate::report::{
    measure::{Measure, median},
    plot::SpreadPoint,
    read::Run,
};

/// A point for each value of `setting`: numbers in their order, then words in that of the alphabet.
/// Runs that lack the setting or the figure are left out.
pub(super) fn points(runs: &[Run], setting: &str, measure: &Measure) -> Vec<SpreadPoint> {
    let mut by_value: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for run in runs {
        if let (Some(value), Some(figure)) = (run.summary.options.get(setting), measure.of(&run.summary)) {
            by_value.entry(value).or_default().push(figure);
        }
    }
    let mut values: Vec<(&str, Vec<f64>)> = by_value.into_iter().collect();
    values.sort_by(|a, b| order(a.0, b.0));
    values
        .into_iter()
        .filter_map(|(name, figures)| {
            Some(SpreadPoint {
                name: nearcast_core::paths::printable(name),
                low: figures.iter().copied().reduce(f64::min)?,
                high: figures.iter().copied().reduce(f64::max)?,
                median: median(figures)?,
            })
        })
        .collect()
}

/// Numbers in their order, then words in that of the alphabet.
pub(super) fn order(a: &str, b: &str) -> Ordering {
    let by_number = match (leading(a), leading(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    by_number.then_with(|| a.cmp(b))
}

/// The number that `text` is, or begins with, as in `40Mbit`.
fn leading(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let factor = match text[end..].chars().next() {
        Some('k' | 'K') => 1e3,
        Some('M') => 1e6,
        Some('G') => 1e9,
        Some('T') => 1e12,
        _ => 1.0,
    };
    let value = text.parse().ok().or_else(|| Some(text[..end].parse::<f64>().ok()? * factor));
    value.filter(|value: &f64| value.is_finite())
}
