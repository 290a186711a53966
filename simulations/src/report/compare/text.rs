//! A comparison as tables of text.

use std::{collections::BTreeSet, fmt};

use nearcast_core::paths::printable;

use super::{Comparison, Figure, Side, Traces};
use crate::report::number::{UNKNOWN, significant};

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "A: {}", side(&self.a))?;
        writeln!(f, "B: {}", side(&self.b))?;
        if self.traces == Traces::Same {
            writeln!(f, "The traces are the same.")?;
        }
        let rows = self.figures.iter().map(figure).collect();
        table(f, ["median", "A", "B", "B/A"], rows, Align::Right)?;
        if !self.settings.is_empty() {
            let rows = self.settings.iter().map(|(name, difference)| {
                [printable(name), values(&difference.a), values(&difference.b), String::new()]
            });
            table(f, ["setting", "A", "B", ""], rows.collect(), Align::Left)?;
        }
        if !self.checks.is_empty() {
            let rows = self.checks.iter().map(|(name, failures)| {
                let (a, b) = (failures.a.to_string(), failures.b.to_string());
                [printable(name), a, b, String::new()]
            });
            table(f, ["check failed, runs", "A", "B", ""], rows.collect(), Align::Right)?;
        }
        Ok(())
    }
}

/// What a side is, in words.
pub(super) fn side(side: &Side) -> String {
    let runs = if side.runs == 1 { "1 run".to_owned() } else { format!("{} runs", side.runs) };
    let scenarios: Vec<String> = side.scenarios.iter().map(|name| printable(name)).collect();
    let scenarios = if scenarios.is_empty() { "nothing".to_owned() } else { scenarios.join(", ") };
    let seeds = match (side.seeds.first(), side.seeds.last(), side.seeds.len()) {
        (Some(seed), _, 1) => format!(", seed {seed}"),
        (Some(first), Some(last), more) => format!(", {more} seeds from {first} to {last}"),
        _ => String::new(),
    };
    format!("{runs} of {scenarios}{seeds}")
}

/// The values of a setting.
pub(super) fn values(values: &BTreeSet<String>) -> String {
    let values: Vec<String> = values.iter().map(|value| printable(value)).collect();
    if values.is_empty() { UNKNOWN.to_owned() } else { values.join(", ") }
}

/// A figure as the cells of a row.
pub(super) fn figure(figure: &Figure) -> [String; 4] {
    [
        figure.words.to_owned(),
        figure.unit.words(figure.a),
        figure.unit.words(figure.b),
        figure.ratio.map_or_else(|| UNKNOWN.to_owned(), significant),
    ]
}

/// How the columns after the first are aligned.
#[derive(Clone, Copy)]
enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// An empty line, and columns two spaces apart.
fn table(
    f: &mut fmt::Formatter<'_>,
    head: [&str; 4],
    mut rows: Vec<[String; 4]>,
    align: Align,
) -> fmt::Result {
    rows.insert(0, head.map(str::to_owned));
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    writeln!(f)?;
    for row in rows {
        let mut line = format!("{:1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(widths).skip(1) {
            line += &match align {
                Align::Left => format!("  {cell:width$}"),
                Align::Right => format!("  {cell:>width$}"),
            };
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}
