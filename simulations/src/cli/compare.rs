//! `nearcast-sim compare`: two runs, or two sweeps, side by side.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use nearcast_sim::report::{self, compare};

use super::{error::CliError, interrupt::Interrupts, screen::Screen};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim run flash-crowd --seeds 1..8 --out before
  nearcast-sim run flash-crowd --seeds 1..8 --set policy.links.wanted=20 --out after
  nearcast-sim compare before after --html difference.html
";

/// Options of `compare`.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The folder of a run, or of a sweep: then its figures are medians over its runs.
    #[arg(value_name = "A", value_hint = ValueHint::DirPath)]
    a: PathBuf,
    /// The other one.
    #[arg(value_name = "B", value_hint = ValueHint::DirPath)]
    b: PathBuf,
    /// Write a page, too.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    html: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

impl Compare {
    pub(super) fn run(&self, screen: &Screen, interrupts: &Interrupts) -> Result<(), CliError> {
        let comparison = compare::compare(&report::read(&self.a)?, &report::read(&self.b)?);
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
