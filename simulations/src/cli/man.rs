//! `nearcast-sim man`: a manual page for each of our commands.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use nearcast_core::paths::printable;
use nearcast_manual::manual::{self, Files};
use serde_json::json;

use super::{Cli, error::CliError, screen::Screen};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim man ~/.local/share/man/man1
";

static FILES: [Files; 3] = [
    (
        "nearcast-sim-run",
        &[
            (
                "DIR/summary.json",
                "The figures of a run, for programs. A folder that holds it is the folder of a run.",
            ),
            ("DIR/report.html", "The same for people, with plots."),
            (
                "DIR/peers.csv, timeline.csv, groups.csv, imports.csv, reasons.csv",
                "What the plots are made of.",
            ),
            ("DIR/index.html", "The runs of a sweep, each in a folder below DIR."),
        ],
    ),
    (
        "nearcast-sim-clinic",
        &[
            ("DIR/clinic.json", "The table, for --against."),
            ("DIR/CASE_ARM_seed=N", "The results of each run, as nearcast-sim run writes them."),
        ],
    ),
    (
        "nearcast-sim-fluid",
        &[
            ("DIR/fluid.json", "The figures, for programs."),
            ("DIR/report.html", "The same for people, with plots."),
            ("DIR/timeline.csv, classes.csv", "What the plots and tables are made of."),
        ],
    ),
];

/// Options of `man`.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Folder to write to, made if it is not there; for man to find the pages, one named man1 below a folder in
    /// MANPATH.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print the names of the files written, one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

impl Man {
    pub(super) fn run(&self, screen: &Screen) -> Result<(), CliError> {
        let pages = manual::write(as_others(Cli::command()), &FILES, &self.folder)
            .map_err(|error| CliError::Io { path: error.path, source: error.source })?;
        let folder = printable(&self.folder.to_string_lossy());
        if self.json {
            screen.data(&json!({"folder": folder, "pages": pages}).to_string());
        }
        screen.say(&format!("{} pages written to {folder}", pages.len()));
        Ok(())
    }
}

/// The command with its examples behind the options, where manual pages look for them.
pub(super) fn as_others(command: Command) -> Command {
    let text = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string).unwrap_or_default();
    let examples = text(command.get_before_help());
    let after = format!("{}\n\n{}", examples.trim_end(), text(command.get_after_help()));
    let command = command.before_help(None::<&str>).after_help(after);
    command.mut_subcommands(as_others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_every_flag_examples_and_exit_codes() {
        let command = as_others(Cli::command());
        assert_eq!(manual::lacks(command.clone(), &FILES), Vec::<String>::new());
        for page in manual::pages(command, &FILES) {
            let text = manual::plain(&page);
            let has_all = ["EXAMPLES", "EXIT STATUS"].iter().all(|title| text.contains(title));
            assert!(has_all, "{}\n{text}", page.name);
        }
    }
}
