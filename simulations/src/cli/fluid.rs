//! `nearcast-sim fluid`: a scenario with any number of peers, as numbers of peers.

mod beside;

use std::path::PathBuf;

use clap::{Args, ValueHint};
use nearcast_core::paths::printable;
use nearcast_sim::{
    fluid::{self, Fit},
    report::{self, fluid::FluidRun, number},
    run::RunOptions,
    scenario::{
        Bytes, Scenario,
        sweep::{Single, Sweep},
    },
};
use serde_json::json;

use super::{
    chart::chart,
    error::CliError,
    interrupt::Interrupts,
    screen::Screen,
    source::{self, Source},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim fluid flash-crowd --peers 20M
  nearcast-sim fluid long-tail --peers 50M --set origins.up=20GiB --out tail
  nearcast-sim run flash-crowd --set peers=200,500,1000,2000 --seeds 1..2 --out sweep
  nearcast-sim fluid --beside sweep                     how far it is from exact runs
  nearcast-sim fluid --fit sweep --print-fit > ours.toml
";

/// The largest file with a fit that is read, in bytes.
const FIT_BYTES_MAX: u64 = 1 << 20;

/// Options of `fluid`.
#[derive(Debug, Args)]
pub(super) struct Fluid {
    /// The name of a scenario that comes with the simulator, or a file that ends in .toml.
    #[arg(value_name = "SCENARIO|FILE.toml", default_value = "flash-crowd")]
    scenario: String,
    /// As many peers, such as 40M, in place of the scenario's own number; they come in the same time.
    #[arg(long, value_name = "N")]
    peers: Option<Bytes>,
    /// Set a setting, or several after one another; with several values and commas between them, a line for each.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Fit the model to exact runs: the folder of a sweep that nearcast-sim run wrote, or of shards of one.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "fit_file")]
    fit: Vec<PathBuf>,
    /// Take the fit from a file that --print-fit printed. Without either, the fit that comes with the simulator.
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    fit_file: Option<PathBuf>,
    /// Print the fit as a file, and run nothing.
    #[arg(long)]
    print_fit: bool,
    /// Show the model beside exact runs: the folder of a sweep that nearcast-sim run wrote. The scenarios are theirs.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    beside: Vec<PathBuf>,
    /// An atlas of who is where, for scenarios in which networks are mapped.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    atlas: Option<PathBuf>,
    /// Folder for a page and tables, made if it is not there. For one line only.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Print a JSON object for each line.
    #[arg(long)]
    pub(super) json: bool,
}

impl Fluid {
    pub(super) fn run(&self, screen: &Screen, interrupts: &Interrupts) -> Result<(), CliError> {
        let fit = self.fitted()?;
        if self.print_fit {
            let text = fit.text();
            screen.data(&if self.json { json!({"fit": text}).to_string() } else { text });
            return Ok(());
        }
        let atlas = self.atlas.as_deref().map(source::atlas).transpose()?;
        let options = RunOptions { atlas, ..RunOptions::default() };
        screen.say(&format!("fluid, fitted from {}", fit.from));
        if !self.beside.is_empty() {
            return beside::run(&self.beside, &fit, &options, self.json, screen);
        }
        let base = Source::find(&self.scenario)?.scenario;
        let singles = Sweep::parse(&self.set, "1")?.runs()?;
        if singles.len() > 1 && self.out.is_some() {
            let text = "--out takes the results of one line, and these are several values; name one of each";
            return Err(CliError::BadOption(text.to_owned()));
        }
        if let Some(out) = &self.out {
            report::fluid::claim(out).map_err(CliError::of_folder)?;
        }
        let mut runs = Vec::new();
        for single in &singles {
            runs.push(self.simulate(single, &base, &fit, &options)?);
        }
        self.print(&runs, screen);
        if let (Some(out), [run]) = (&self.out, &runs[..]) {
            interrupts.whole(|| report::fluid::write(run, out)).map_err(CliError::of_folder)?;
            screen.say(&format!("{} shows it", out.join(report::REPORT_FILE).display()));
        }
        Ok(())
    }

    /// The fit that was asked for.
    fn fitted(&self) -> Result<Fit, CliError> {
        if !self.fit.is_empty() {
            let runs = report::merge(&self.fit)?.runs;
            let advice = "give a sweep of a crowd on slow uplinks, as of flash-crowd";
            return Fit::from_runs(&runs).map_err(|error| CliError::BadOption(format!("{error}; {advice}")));
        }
        let Some(path) = &self.fit_file else {
            return Fit::shipped().map_err(|error| CliError::Failed(error.to_string()));
        };
        let text = source::read(path, FIT_BYTES_MAX, "fit")?;
        let fit = String::from_utf8(text).ok().map(|text| Fit::parse(&text));
        let advice = "`nearcast-sim fluid --fit DIR --print-fit` prints one";
        let wrong = |error: &str| CliError::BadOption(format!("{}: {error}; {advice}", path.display()));
        fit.ok_or_else(|| wrong("it is not UTF-8 text"))?.map_err(|error| wrong(&error.to_string()))
    }

    fn simulate(
        &self,
        single: &Single,
        base: &Scenario,
        fit: &Fit,
        options: &RunOptions,
    ) -> Result<FluidRun, CliError> {
        let scenario = single.scenario(base)?;
        let peers = self.peers.map_or(f64::from(scenario.peers), |peers| peers.0 as f64);
        let set: Vec<String> =
            single.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (setting, course) = fluid::simulate(&scenario, peers, fit, options)
            .map_err(|error| CliError::BadOption(format!("{}: {error}", scenario.name)))?;
        let mut again = format!("nearcast-sim fluid {} --peers {peers}", self.scenario);
        set.iter().for_each(|set| again += &format!(" --set '{set}'"));
        self.fit.iter().for_each(|folder| again += &format!(" --fit '{}'", folder.display()));
        Ok(FluidRun { scenario: scenario.name, set, peers, setting, course, again })
    }

    fn print(&self, runs: &[FluidRun], screen: &Screen) {
        if self.json {
            runs.iter().for_each(|run| screen.data(&json!(run.figures()).to_string()));
            return;
        }
        screen.data(&table(runs));
        if let [run] = runs {
            let classes = classes(run);
            if !classes.is_empty() {
                screen.data(&format!("\n{classes}"));
            }
        }
    }
}

fn table(runs: &[FluidRun]) -> String {
    let head = ["fluid", "peers", "done", "half", "95 %", "last", "origin", "of all", "imported"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for run in runs {
        let figures = run.figures();
        let times = figures.completion_seconds;
        let set = if run.set.is_empty() { String::new() } else { format!(" {}", run.set.join(" ")) };
        rows.push(vec![
            printable(&format!("{}{set}", run.scenario)),
            number::significant(figures.peers),
            number::share(figures.completed, figures.peers),
            number::seconds(times.p50),
            number::seconds(times.p95),
            number::seconds(times.last),
            number::significant(figures.origin_copies),
            number::share(figures.origin_share, 1.0),
            number::significant(figures.imports_copies_an_as),
        ]);
    }
    chart(&rows)
}

/// Contents by how much they are wanted. Empty if there is one class.
fn classes(run: &FluidRun) -> String {
    let figures = run.figures();
    if figures.classes.len() < 2 {
        return String::new();
    }
    let mut rows = vec![["ranks", "demand", "origin", "mean time"].map(str::to_owned).to_vec()];
    for class in &figures.classes {
        rows.push(vec![
            format!("{} to {}", class.first, class.first + class.contents - 1),
            number::share(class.demand_share, 1.0),
            number::share(class.origin_share, 1.0),
            class.mean_seconds.map_or(number::UNKNOWN.to_owned(), number::seconds),
        ]);
    }
    chart(&rows)
}
