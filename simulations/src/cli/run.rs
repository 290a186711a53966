//! `nearcast-sim run`: runs a scenario, or a sweep, and writes what came of it.

mod again;
mod announce;
mod job;
mod results;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint, value_parser};
use nearcast_sim::{
    outcome::Summary,
    report::{self, SUMMARY_FILE, sweep},
    scenario::{
        Scenario,
        sweep::{Shard, Single, Sweep},
    },
};

pub(super) use self::job::{How, Job};
use super::{
    crowd, error::CliError, interrupt::Interrupts, progress::Progress, screen::Screen, source::Source,
    verdict::verdict,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim run flash-crowd --out crowd    then look at crowd/report.html
  nearcast-sim run mine.toml --seed 7 --set peers=50 policy.links.wanted=20 --out mine
  nearcast-sim run flash-crowd --set policy.nearness.tiers=true,false --seeds 1..8 --out sweep
  nearcast-sim run long-tail --seeds 1..100 --shard 2/4 --out sweep    one of four machines
";

/// Options of `run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The name of a scenario that comes with the simulator, or a file that ends in .toml.
    #[arg(value_name = "SCENARIO|FILE.toml")]
    scenario: String,
    #[command(flatten)]
    chosen: Chosen,
    /// Folder for results, made if it is not there: one run writes into it, several write into folders below it. An
    /// earlier run's results are replaced; a folder that holds anything else is left alone.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// Have engines check their invariants now and then, which costs a few per cent of the time.
    #[arg(long)]
    checked: bool,
    /// How true to nodes messages are: exact, or pulled, which is faster and nearly the same (see nearcast-sim fidelity).
    #[arg(long, value_name = "exact|pulled")]
    fidelity: Option<String>,
    /// Run only every N-th run of a sweep, from the I-th on, so that N machines share the work.
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    shard: String,
    /// Say nothing but errors and results.
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Print summary.json, one object for each run, instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}

/// What is run, as `run` and `fidelity` take it.
#[derive(Debug, Args)]
pub(super) struct Chosen {
    /// The seed of everything random.
    #[arg(long, value_name = "N", default_value = "1", conflicts_with = "seeds")]
    seed: String,
    /// Several seeds, the last one included: a run for each.
    #[arg(long, value_name = "A..B")]
    seeds: Option<String>,
    /// Set a setting, or several after one another; with several values and commas between them, a run for each
    /// (docs/scenarios.md). nearcast-sim show SCENARIO --settings lists all.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// An atlas of who is where, made by nearcast-tracker atlas build, for scenarios in which networks are mapped.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) atlas: Option<PathBuf>,
    /// Runs at a time. Default: as many as there are cores, at most 2. A run is the same however many there are.
    #[arg(long, value_name = "N", value_parser = value_parser!(u8).range(1..=64))]
    pub(super) jobs: Option<u8>,
}

impl Chosen {
    /// The scenario before settings, and each run with its settings.
    pub(super) fn runs(
        &self,
        name: &str,
        shard: Shard,
    ) -> Result<(Scenario, Vec<(Single, Scenario)>), CliError> {
        let base = Source::find(name)?.scenario;
        let sweep = Sweep::parse(&self.set, self.seeds.as_deref().unwrap_or(&self.seed))?;
        // All are checked before the first begins.
        let with = |single: Single| single.scenario(&base).map(|scenario| (single, scenario));
        let runs = sweep.shard(shard)?.into_iter().map(with).collect::<Result<_, _>>()?;
        Ok((base, runs))
    }
}

impl Run {
    pub(super) fn run(&self, screen: &Screen, interrupts: &Interrupts) -> Result<(), CliError> {
        let shard: Shard = self.shard.parse()?;
        let (base, runs) = self.chosen.runs(&self.scenario, shard)?;
        if runs.is_empty() {
            let text = format!("no run falls to the shard {}; take fewer shards", self.shard);
            return Err(CliError::BadOption(text));
        }
        let how = How::new(self.fidelity.as_deref(), self.chosen.atlas.as_deref(), self.checked)?;
        let many = runs.len() > 1 || shard != Shard::ALL;
        claim(&self.out, many)?;
        let varied = self.chosen.set.iter().filter_map(|set| set.split_once('='));
        let job = |(single, scenario): (Single, Scenario)| Job {
            folder: if many { self.out.join(results::folder_name(&single)) } else { self.out.clone() },
            again: again::command(&self.scenario, &single, &how),
            seed: single.seed,
            scenario,
        };
        let several_values: Vec<&str> = varied.map(|(name, _)| name.trim()).collect();
        screen.say(&announce::text(&base, &runs, &several_values, &how));
        let jobs: Vec<Job> = runs.into_iter().map(job).collect();
        let threads = crowd::threads(self.chosen.jobs);
        let progress = Progress::new(screen, jobs.len(), threads);
        let summaries = crowd::each(&jobs, threads, |number, job| {
            let mut outcome = job.run(number, &how, &progress)?;
            outcome.summary.again.clone_from(&job.again);
            // Results are kept as soon as they are there: a sweep may be ended at any time.
            interrupts.whole(|| report::write(&outcome, &job.folder)).map_err(CliError::of_folder)?;
            Ok(outcome.summary)
        })?;
        if many {
            let page = interrupts.whole(|| sweep::write_index(&self.out))?;
            screen.say(&format!("{} lists the runs", page.display()));
        } else {
            screen.say(&format!("{} shows it", self.out.join(report::REPORT_FILE).display()));
        }
        self.print(&summaries, screen);
        let runs = jobs.iter().zip(&summaries);
        verdict(runs.map(|(job, summary)| (&summary.checks, job.again.as_str())), screen)
    }

    fn print(&self, summaries: &[Summary], screen: &Screen) {
        match (self.json, summaries) {
            // As in the file.
            (true, [one]) => screen.data(&format!("{:#}", serde_json::json!(one))),
            (true, many) => many.iter().for_each(|one| screen.data(&serde_json::json!(one).to_string())),
            (false, [one]) => screen.data(&results::one(one)),
            (false, many) => screen.data(&results::many(many)),
        }
    }
}

/// Refuses a folder that holds something else than results, before hours are spent on them.
fn claim(out: &Path, many: bool) -> Result<(), CliError> {
    if !many {
        return report::claim(out).map_err(CliError::of_folder);
    }
    let failed = |source| CliError::Io { path: out.to_owned(), source };
    fs::create_dir_all(out).map_err(failed)?;
    if out.join(SUMMARY_FILE).exists() {
        let text = format!("{} holds the results of a single run, and these are several", out.display());
        return Err(CliError::Exists(text));
    }
    for entry in fs::read_dir(out).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, path) = (entry.file_name(), entry.path());
        // What a run that was killed left is replaced; so is a run's folder in which nothing is yet.
        let is_ours = results::is_folder_name(&name.to_string_lossy()) && path.is_dir();
        if !(is_ours || name == sweep::INDEX_FILE || name.to_string_lossy().starts_with(".report-")) {
            let text = format!("{} holds {}, which no sweep wrote", out.display(), name.display());
            return Err(CliError::Exists(text));
        }
    }
    Ok(())
}
