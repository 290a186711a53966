//! `nearcast-sim completions`: scripts with which shells complete our command lines.

use clap::{Args, CommandFactory};
use nearcast_manual::completions::{self, Shell};

use super::{Cli, error::CliError, man};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim completions bash > ~/.local/share/bash-completion/completions/nearcast-sim
";

/// Options of `completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<(), CliError> {
        completions::print(self.shell, &man::as_others(Cli::command()))
            .map_err(|source| CliError::Io { path: "standard output".into(), source })
    }
}
