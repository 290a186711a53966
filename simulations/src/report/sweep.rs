//! An index of the runs in the folders of a folder, as of a sweep over values and seeds.

mod link;
mod points;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use maud::{Markup, html};
use thiserror::Error;

use super::{
    REPORT_FILE, folder,
    measure::{IMPORTS, LAST, LAST_TO_BOUND, Measure, Unit},
    number::seconds_unit,
    page::{self, Place, section, verdict, words},
    plot::{Caption, Labels, spread},
    read::{ReadError, Run, runs},
};
use crate::outcome::Summary;

/// The page with the index.
pub const INDEX_FILE: &str = "index.html";

/// Why there is no index. An earlier index is as it was.
#[derive(Debug, Error)]
pub enum IndexError {
    /// The runs cannot be read.
    #[error("the runs cannot be read")]
    Read(#[from] ReadError),
    /// The page cannot be written.
    #[error("the index cannot be written")]
    Write(#[source] io::Error),
}

/// Writes `folder/index.html` about the runs in the folders of `folder`, and returns its path. The
/// page links to the `report.html` of each run.
pub fn write_index(folder: &Path) -> Result<PathBuf, IndexError> {
    let mut runs = runs(folder)?;
    let varied = varied(&runs);
    // The sort is stable, so that runs that are alike stay in the order of their folders.
    runs.sort_by(|a, b| order(a, b, &varied));
    let path = folder.join(INDEX_FILE);
    folder::write_file(&path, &index(&runs, &varied)).map_err(IndexError::Write)?;
    Ok(path)
}

/// The settings that are not the same in all runs.
fn varied(runs: &[Run]) -> Vec<String> {
    let mut values: BTreeMap<&String, BTreeSet<Option<&String>>> = BTreeMap::new();
    let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.summary.options.keys()).collect();
    for name in names {
        values.insert(name, runs.iter().map(|run| run.summary.options.get(name)).collect());
    }
    values.into_iter().filter(|(_, values)| values.len() > 1).map(|(name, _)| name.clone()).collect()
}

/// By the settings that vary, and then by the seed.
fn order(a: &Run, b: &Run, varied: &[String]) -> Ordering {
    let value = |run: &Run, setting| run.summary.options.get(setting).cloned().unwrap_or_default();
    let settings = varied.iter().map(|setting| points::order(&value(a, setting), &value(b, setting)));
    settings.fold(Ordering::Equal, Ordering::then).then(a.summary.seed.cmp(&b.summary.seed))
}

fn index(runs: &[Run], varied: &[String]) -> String {
    let scenarios: BTreeSet<&str> = runs.iter().map(|run| run.summary.scenario.as_str()).collect();
    let scenarios = scenarios.into_iter().collect::<Vec<_>>().join(", ");
    let failed = runs.iter().filter(|run| !held(run)).count();
    let heading = html! {
        h1 {
            (words(&scenarios)) ", " (runs.len()) @if runs.len() == 1 { " run " } @else { " runs " }
            @match failed {
                0 => span.state.good { "no check failed" },
                some => span.state.bad { (some) " with failed checks" },
            }
        }
        p.about {
            @match varied {
                [] => "All have the same settings.",
                names => { "They differ in " (words(&names.join(", "))) "." },
            }
        }
    };
    let sections = html! {
        @if let [setting] = varied {
            (page::plot(Place::Next, &plot(runs, setting, "last", "Last completion", &LAST)))
            (page::plot(Place::Next, &plot(runs, setting, "imports", "Imports of all ASes", &IMPORTS)))
        }
        (section("runs", "Runs", Place::Wide, &table(runs, varied)))
    };
    let footer = html! { p { "One copy is the whole content once." } };
    page::document(&format!("{scenarios}: {} runs", runs.len()), &heading, &sections, &footer)
}

/// Whether no check of the run failed.
fn held(run: &Run) -> bool {
    run.summary.checks.values().all(|held| *held)
}

fn plot(runs: &[Run], setting: &str, id: &str, title: &str, measure: &Measure) -> Markup {
    let mut points = points::points(runs, setting, measure);
    let parts: Vec<String> = points
        .iter()
        .map(|point| format!("{}: {}", point.name, measure.unit.words(Some(point.median))))
        .collect();
    let modes = modes(runs.iter().map(|run| &run.summary));
    let caption = Caption {
        mode: &modes,
        id,
        title,
        description: format!(
            "Medians over runs, with bars from the least to the most. {}.",
            parts.join("; ")
        ),
    };
    let highest = points.iter().map(|point| point.high).fold(0.0, f64::max);
    let (size, unit) = if measure.unit == Unit::Seconds { seconds_unit(highest) } else { (1.0, "copies") };
    for point in &mut points {
        (point.low, point.median, point.high) = (point.low / size, point.median / size, point.high / size);
    }
    let y = format!("median and range, in {unit}");
    let x = format!("{} (not to scale)", nearcast_core::paths::printable(setting));
    spread(&caption, &Labels { x: &x, y: &y }, &points)
}

/// How runs were simulated, each way once.
pub(super) fn modes<'a>(runs: impl Iterator<Item = &'a Summary>) -> String {
    let modes: BTreeSet<&str> =
        runs.filter_map(|run| run.options.get("fidelity").map(String::as_str)).collect();
    modes.into_iter().collect::<Vec<_>>().join(", ")
}

fn table(runs: &[Run], varied: &[String]) -> Markup {
    let mut columns = vec!["Run"];
    columns.extend(varied.iter().map(String::as_str));
    columns.extend([
        "Seed",
        "Half",
        "95 %",
        "Last",
        "Last / bound",
        "Imports",
        "Origin copies",
        "Wasted copies",
        "Checks",
    ]);
    let rows: Vec<Vec<Markup>> = runs.iter().map(|run| row(run, varied)).collect();
    page::table(
        "Times are from joining to holding everything; imports are copies of all ASes together",
        &columns,
        &rows,
    )
}

fn row(run: &Run, varied: &[String]) -> Vec<Markup> {
    let summary = &run.summary;
    let spread = summary.completion_seconds;
    let name = run.folder.file_name().unwrap_or_default();
    let mut cells = vec![html! {
        a href=(format!("./{}/{REPORT_FILE}", link::encoded(name))) { (words(&name.to_string_lossy())) }
    }];
    let values = varied.iter().map(|setting| summary.options.get(setting).map_or("\u{2013}", String::as_str));
    cells.extend(values.map(words));
    let figures = [
        summary.seed.to_string(),
        Unit::Seconds.words(Some(spread.p50)),
        Unit::Seconds.words(Some(spread.p95)),
        Unit::Seconds.words(Some(spread.last)),
        LAST_TO_BOUND.unit.words(LAST_TO_BOUND.of(summary)),
        IMPORTS.unit.words(IMPORTS.of(summary)),
        Unit::Copies.words(Some(summary.origin_copies)),
        Unit::Copies.words(Some(summary.wasted_copies)),
    ];
    cells.extend(figures.iter().map(|text| words(text)));
    let failed = summary.checks.values().filter(|held| !**held).count();
    cells.push(html! { @if failed > 1 { (failed) " " } (verdict(failed == 0)) });
    cells
}

#[cfg(test)]
mod tests;
