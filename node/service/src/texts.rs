//! Commands that print a program's own texts: completions for a shell, and its manual.

use std::{path::PathBuf, process::ExitCode};

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::{
    cli::EXIT_IO,
    completions::{self, Shell},
    manual::{self, Files},
    output::fail,
};

const COMPLETIONS: &str = "completions";
const SHELL: &str = "shell";
const MAN: &str = "man";
const FOLDER: &str = "folder";

/// The commands that every service has besides its own: completions for a shell, and the manual.
pub fn commands() -> [Command; 2] {
    let shell = Arg::new(SHELL).value_name("SHELL").required(true).value_parser(value_parser!(Shell));
    let folder = Arg::new(FOLDER).value_name("DIR").required(true).value_parser(value_parser!(PathBuf));
    let completions = Command::new(COMPLETIONS)
        .about("Print a script with which a shell completes this command line")
        .arg(shell.help("The shell"));
    let man = Command::new(MAN).about("Write the manual pages of this program").arg(
        folder.help("Folder to write to, made if it is not there: one named man1 below a folder in MANPATH"),
    );
    [completions, man]
}

/// Runs one of [`commands`] for a program. `None`: it is another command.
pub fn run(told: (&str, &ArgMatches), program: Command, files: &[Files]) -> Option<ExitCode> {
    match told {
        (COMPLETIONS, told) => {
            let shell = told.get_one::<Shell>(SHELL).copied()?;
            Some(match completions::print(shell, &program) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&format!("cannot write the script: {error}"), EXIT_IO),
            })
        }
        (MAN, told) => {
            let folder = told.get_one::<PathBuf>(FOLDER)?;
            Some(match manual::write(program, files, folder) {
                Ok(_) => ExitCode::SUCCESS,
                Err(error) => fail(&error.to_string(), EXIT_IO),
            })
        }
        _ => None,
    }
}
