//! The fluid model beside exact runs of the same scenarios.

use std::{collections::BTreeMap, path::PathBuf};

use nearcast_sim::{
    fluid::{self, Fit},
    outcome::Summary,
    report::{self, fluid::FluidRun, number},
    run::RunOptions,
    scenario::Scenario,
};
use serde_json::json;

use crate::cli::{chart::chart, error::CliError, screen::Screen};

/// Settings that a summary lists and a scenario lacks.
const NO_SETTINGS: [&str; 1] = ["fidelity"];

/// The number of peers, and all settings with their values.
type Setting = (u32, Vec<(String, String)>);

/// One figure in both ways.
struct Pair {
    name: &'static str,
    exact: f64,
    fluid: f64,
}

impl Pair {
    /// How far the fluid is from the exact figure, in per cent of that.
    fn percent(&self) -> f64 {
        100.0 * (self.fluid - self.exact) / self.exact
    }
}

/// Prints a line for each setting that was run: medians over its seeds, and the model.
pub(super) fn run(
    folders: &[PathBuf],
    fit: &Fit,
    options: &RunOptions,
    json: bool,
    screen: &Screen,
) -> Result<(), CliError> {
    let mut by_setting: BTreeMap<Setting, Vec<Summary>> = BTreeMap::new();
    for run in report::merge(folders)?.runs {
        let settings = run.options.clone().into_iter().collect();
        by_setting.entry((run.peers, settings)).or_default().push(run);
    }
    let head = ["exact, fluid", "seeds", "half", "95 %", "last", "origin copies", "imported, each AS"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut errors: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for ((peers, _), runs) in &by_setting {
        let pairs = pairs(runs, fit, options)?;
        for pair in &pairs {
            errors.entry(pair.name).or_default().push(pair.percent());
        }
        let Some(first) = runs.first() else { continue };
        if json {
            let figures: BTreeMap<&str, _> = pairs
                .iter()
                .map(|pair| {
                    (pair.name, json!({"exact": pair.exact, "fluid": pair.fluid, "percent": pair.percent()}))
                })
                .collect();
            let line =
                json!({"scenario": first.scenario, "peers": peers, "runs": runs.len(), "figures": figures});
            screen.data(&line.to_string());
        }
        let mut row = vec![format!("{}, {} peers", first.scenario, number::count((*peers).into()))];
        row.push(runs.len().to_string());
        row.extend(pairs.iter().map(words));
        rows.push(row);
    }
    if !json {
        let middle = |figures: &Vec<f64>| {
            let mut sizes: Vec<f64> = figures.iter().map(|percent| percent.abs()).collect();
            sizes.sort_by(f64::total_cmp);
            sizes.get(sizes.len() / 2).map_or(String::new(), |size| format!("{size:.1} %"))
        };
        let names = ["half", "p95", "last", "origin_copies", "imports"];
        let mut row = vec!["median error".to_owned(), String::new()];
        row.extend(names.map(|name| errors.get(name).map(middle).unwrap_or_default()));
        rows.push(row);
        screen.data(&chart(&rows));
    }
    Ok(())
}

fn words(pair: &Pair) -> String {
    let short = number::significant;
    format!("{}, {} ({:+.1} %)", short(pair.exact), short(pair.fluid), pair.percent())
}

/// The figures of runs that differ in their seeds alone, and those of the model.
fn pairs(runs: &[Summary], fit: &Fit, options: &RunOptions) -> Result<[Pair; 5], CliError> {
    let median = |of: fn(&Summary) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let mut settings = runs.first().map(|run| run.options.clone()).unwrap_or_default();
    settings.retain(|name, _| !NO_SETTINGS.contains(&name.as_str()));
    let scenario = Scenario::from_options(&settings)?;
    let peers = f64::from(scenario.peers);
    let (setting, course) = fluid::simulate(&scenario, peers, fit, options)
        .map_err(|error| CliError::BadOption(format!("{}: {error}", scenario.name)))?;
    let run =
        FluidRun { scenario: scenario.name, set: Vec::new(), peers, setting, course, again: String::new() };
    let figures = run.figures();
    let times = figures.completion_seconds;
    let imports = |run: &Summary| {
        let sum: f64 = run.groups.iter().map(|group| group.imports).sum();
        sum / run.groups.len() as f64
    };
    let pair = |name, exact, fluid| Pair { name, exact, fluid };
    Ok([
        pair("half", median(|run| run.completion_seconds.p50), times.p50),
        pair("p95", median(|run| run.completion_seconds.p95), times.p95),
        pair("last", median(|run| run.completion_seconds.last), times.last),
        pair("origin_copies", median(|run| run.origin_copies), figures.origin_copies),
        pair("imports", median(imports), figures.imports_copies_an_as),
    ])
}
