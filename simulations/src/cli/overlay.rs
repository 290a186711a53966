//! `nearcast-sim overlay`: supernodes and leaves, without contents.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use nearcast_core::paths::printable;
use nearcast_sim::{
    overlay::{
        run::{OverlayFigures, OverlayRun, run},
        scenario::OverlayScenario,
        shipped,
    },
    report::{self, number},
    scenario::sweep::{Single, Sweep},
};
use serde_json::json;

use super::{chart::chart, error::CliError, interrupt::Interrupts, screen::Screen, source, verdict::verdict};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim overlay                                what there is to run
  nearcast-sim overlay supernode-loss --out loss      then look at loss/report.html
  nearcast-sim overlay supernode-loss --set loss.supernodes_percent=30,50 nodes=20000
  nearcast-sim overlay swizzle-clog --seeds 1..200
  nearcast-sim overlay growth --settings              all settings, as --set takes them
";

/// The largest scenario that is read, in bytes.
const SCENARIO_BYTES_MAX: u64 = 1 << 20;

/// Options of `overlay`.
#[derive(Debug, Args)]
pub(super) struct Overlay {
    /// The name of a scenario of the overlay, or a file that ends in .toml. Without it, all are listed.
    #[arg(value_name = "SCENARIO|FILE.toml")]
    scenario: Option<String>,
    /// The seed of everything random.
    #[arg(long, value_name = "N", default_value = "1", conflicts_with = "seeds")]
    seed: String,
    /// Several seeds, the last one included: a run for each.
    #[arg(long, value_name = "A..B")]
    seeds: Option<String>,
    /// Set a setting, or several after one another; with several values and commas between them, a run for each.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Folder for a page and tables, made if it is not there. For one run only.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Print the scenario's text, and run nothing.
    #[arg(long)]
    text: bool,
    /// Print every setting with its value, and run nothing.
    #[arg(long)]
    settings: bool,
    /// Say nothing but errors and results.
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Print a JSON object for each run, instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}

impl Overlay {
    pub(super) fn run(&self, screen: &Screen, interrupts: &Interrupts) -> Result<(), CliError> {
        let Some(name) = &self.scenario else { return self.list(screen) };
        let (base, text) = find(name)?;
        if self.text || self.settings {
            let settings = base.options().into_iter().map(|(name, value)| format!("{name}={value}"));
            screen.data(&if self.text { text } else { settings.collect::<Vec<_>>().join("\n") });
            return Ok(());
        }
        let singles = Sweep::parse(&self.set, self.seeds.as_deref().unwrap_or(&self.seed))?.runs()?;
        if singles.len() > 1 && self.out.is_some() {
            let text = "--out takes the results of one run, and these are several";
            return Err(CliError::BadOption(text.to_owned()));
        }
        // All are checked before the first begins.
        let scenarios = singles.iter().map(|single| with(single, &base));
        let scenarios: Vec<OverlayScenario> = scenarios.collect::<Result<_, _>>()?;
        if let Some(out) = &self.out {
            report::overlay::claim(out).map_err(CliError::of_folder)?;
        }
        let mut figures = Vec::new();
        for (number, (single, scenario)) in singles.iter().zip(&scenarios).enumerate() {
            let mut done = run(scenario, single.seed, &mut |at| {
                let of = number::seconds(scenario.until_seconds);
                let which = format!("run {} of {}", number + 1, singles.len());
                screen.progress(&format!("{which}: {} of {of}", number::seconds(at)));
            })?;
            done.figures.again = again(name, single);
            self.keep(&done, screen, interrupts)?;
            figures.push(done.figures);
        }
        if !self.json {
            screen.data(&match &figures[..] {
                [one] => chart(&facts(one)),
                many => chart(&table(&singles, many)),
            });
        }
        verdict(figures.iter().map(|run| (&run.checks, run.again.as_str())), screen)
    }

    /// Writes or prints one run as soon as it is there.
    fn keep(&self, done: &OverlayRun, screen: &Screen, interrupts: &Interrupts) -> Result<(), CliError> {
        if let Some(out) = &self.out {
            interrupts.whole(|| report::overlay::write(done, out)).map_err(CliError::of_folder)?;
            screen.say(&format!("{} shows it", out.join(report::REPORT_FILE).display()));
        }
        if self.json {
            screen.data(&json!(done.figures).to_string());
        }
        Ok(())
    }

    fn list(&self, screen: &Screen) -> Result<(), CliError> {
        let scenarios = shipped::SHIPPED.iter().map(|shipped| shipped::find(shipped.name));
        let scenarios: Vec<OverlayScenario> = scenarios.collect::<Result<_, _>>()?;
        let widest = scenarios.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
        for OverlayScenario { name, about, nodes, .. } in &scenarios {
            screen.data(&match self.json {
                true => json!({"name": name, "about": about, "nodes": nodes}).to_string(),
                false => format!("{name:widest$}  {about}"),
            });
        }
        Ok(())
    }
}

/// The scenario that a person named, and its text.
fn find(name: &str) -> Result<(OverlayScenario, String), CliError> {
    if !(name.ends_with(".toml") || name.contains('/')) {
        let scenario = shipped::find(name)?;
        let text = shipped::SHIPPED.iter().find(|shipped| shipped.name == name);
        return Ok((scenario, text.map_or(String::new(), |shipped| shipped.text.to_owned())));
    }
    let path = PathBuf::from(name);
    let bytes = source::read(&path, SCENARIO_BYTES_MAX, "scenario")?;
    let text = String::from_utf8(bytes)
        .map_err(|_| CliError::BadOption(format!("{name} is not UTF-8 text, so it is no scenario")))?;
    let scenario = OverlayScenario::parse(&text).map_err(|source| CliError::File { path, source })?;
    Ok((scenario, text))
}

fn with(single: &Single, base: &OverlayScenario) -> Result<OverlayScenario, CliError> {
    let mut scenario = base.clone();
    single.settings.iter().try_for_each(|(name, value)| scenario.set_to(name, value))?;
    scenario.validate()?;
    Ok(scenario)
}

fn again(name: &str, single: &Single) -> String {
    let set = single.settings.iter().map(|(name, value)| format!(" --set '{name}={value}'"));
    format!("nearcast-sim overlay {name} --seed {}{}", single.seed, set.collect::<String>())
}

/// The figures of one run.
fn facts(figures: &OverlayFigures) -> Vec<Vec<String>> {
    let or_none = |figure: Option<f64>| figure.map_or(number::UNKNOWN.to_owned(), number::significant);
    let rows = [
        ("nodes", number::count(figures.nodes.into())),
        ("supernodes at the end", number::count(figures.supernodes.into())),
        ("nodes a supernode, least", or_none(figures.nodes_a_supernode_least)),
        ("nodes a supernode, most", or_none(figures.nodes_a_supernode_most)),
        ("children of the largest", number::count(figures.children_most.into())),
        ("affected", number::count(figures.affected.into())),
        ("attached again in time, %", or_none(figures.attached_again_percent)),
        ("99 % attached again after, s", or_none(figures.attached_again_seconds)),
        ("one network after, s", or_none(figures.one_network_seconds)),
        ("networks at the end", number::count(figures.networks_at_end.into())),
        ("attached at the end, %", number::significant(figures.attached_at_end_percent)),
        ("old rule: attached at the end, %", or_none(figures.old_attached_at_end_percent)),
        ("children sent away", number::count(figures.shed)),
        ("elected", number::count(figures.elected.into())),
        ("elected themselves", number::count(figures.self_elected.into())),
        ("stepped down", number::count(figures.stepped_down.into())),
        ("messages a node a minute", number::significant(figures.messages_a_node_minute)),
        ("bytes a node a second", number::significant(figures.bytes_a_node_second)),
        ("bytes of a leaf", number::count(figures.leaf_bytes as u64)),
        ("bytes of a supernode, at most", number::count(figures.supernode_bytes as u64)),
        ("inputs", number::count(figures.inputs)),
        ("time here", number::seconds(figures.wall_seconds)),
        ("memory", number::bytes(figures.peak_rss_bytes as f64)),
        ("trace", figures.trace_hash.clone()),
    ];
    rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}

/// A line for each run.
fn table(singles: &[Single], figures: &[OverlayFigures]) -> Vec<Vec<String>> {
    let head =
        ["overlay", "seed", "supernodes", "again, %", "after, s", "one after, s", "at end, %", "checks"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let or_none = |figure: Option<f64>| figure.map_or(number::UNKNOWN.to_owned(), number::significant);
    for (single, run) in singles.iter().zip(figures) {
        let set = single.settings.iter().map(|(name, value)| format!(" {name}={value}"));
        let failed = run.checks.values().filter(|held| !**held).count();
        rows.push(vec![
            printable(&format!("{}{}", run.scenario, set.collect::<String>())),
            single.seed.to_string(),
            number::count(run.supernodes.into()),
            or_none(run.attached_again_percent),
            or_none(run.attached_again_seconds),
            or_none(run.one_network_seconds),
            number::significant(run.attached_at_end_percent),
            if failed == 0 { "held".to_owned() } else { format!("{failed} failed") },
        ]);
    }
    rows
}
