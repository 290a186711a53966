//! `nearcast-sim compare`: two runs, or two sweeps, side by side.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use nearcast_sim::{
    outcome::Summary,
    report::{self, compare},
};

use super::{error::CliError, interrupt::Interrupts, screen::Screen};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim run flash-crowd --seeds 1..8 --out before
  nearcast-sim run flash-crowd --seeds 1..8 --set policy.links.wanted=20 --out after
  nearcast-sim compare before after --html difference.html
  nearcast-sim compare before shard1 --with-b shard2 shard3    a sweep of three machines
";

/// Options of `compare`.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The folder of a run, or of a sweep: then its figures are medians over its runs. Also a folder with the folders of
    /// a sweep's shards.
    #[arg(value_name = "A", value_hint = ValueHint::DirPath)]
    a: PathBuf,
    /// The other one.
    #[arg(value_name = "B", value_hint = ValueHint::DirPath)]
    b: PathBuf,
    /// Folders of further shards of the first sweep.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, num_args = 1..)]
    with_a: Vec<PathBuf>,
    /// Folders of further shards of the second sweep.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, num_args = 1..)]
    with_b: Vec<PathBuf>,
    /// Write a page, too.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    html: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

impl Compare {
    pub(super) fn run(&self, screen: &Screen, interrupts: &Interrupts) -> Result<(), CliError> {
        let a = side("A", &self.a, &self.with_a, screen)?;
        let b = side("B", &self.b, &self.with_b, screen)?;
        let comparison = compare::compare(&a, &b);
        if let Some(path) = &self.html {
            interrupts.whole(|| compare::write_page(&comparison, path)).map_err(CliError::Write)?;
        }
        match self.json {
            true => screen.data(&serde_json::json!(comparison).to_string()),
            false => screen.data(&comparison.to_string()),
        }
        Ok(())
    }
}

/// Numbers of missing runs that are named.
const NAMED_MAX: usize = 8;

/// The runs of one side, and a word about those that are not there.
fn side(name: &str, first: &Path, more: &[PathBuf], screen: &Screen) -> Result<Vec<Summary>, CliError> {
    let folders: Vec<PathBuf> = std::iter::once(first.to_owned()).chain(more.iter().cloned()).collect();
    let merged = report::merge(&folders)?;
    if merged.repeated > 0 {
        screen.say(&format!("{name}: {} runs are in two folders; each counts once", merged.repeated));
    }
    if !merged.missing.is_empty() {
        let named = merged.missing.iter().take(NAMED_MAX).map(ToString::to_string);
        let named = named.collect::<Vec<_>>().join(", ");
        let more = if merged.missing.len() > NAMED_MAX { ", …" } else { "" };
        let count = merged.missing.len();
        screen.warn(&format!(
            "{name}: {count} runs of the sweep are missing (numbers {named}{more}); a shard?"
        ));
    }
    Ok(merged.runs)
}
