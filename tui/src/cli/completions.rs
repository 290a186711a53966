//! `nearcast completions`: what a shell needs to complete our command lines.

use std::io::{self, Write};

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

use crate::error::CommandError;

/// Options of `completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
    /// The program whose command lines are completed.
    #[arg(value_enum, default_value = "nearcast")]
    program: Program,
}

/// Our programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Program {
    /// The client.
    Nearcast,
    /// The seeder.
    NearcastSeeder,
    /// The tracker.
    NearcastTracker,
}

impl Completions {
    pub(super) fn run(&self, nearcast: Command) -> Result<(), CommandError> {
        let script = self.script(nearcast);
        let mut out = io::stdout().lock();
        match out.write_all(&script).and_then(|()| out.flush()) {
            // Whoever has seen enough closes the pipe.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|source| CommandError::Io { path: "standard output".into(), source }),
        }
    }

    fn script(&self, nearcast: Command) -> Vec<u8> {
        let mut command = match self.program {
            Program::Nearcast => nearcast,
            Program::NearcastSeeder => nearcast_seeder::cli::command(),
            Program::NearcastTracker => nearcast_tracker::cli::command(),
        };
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        script
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_program_is_completed_in_every_shell() {
        for &program in Program::value_variants() {
            for &shell in Shell::value_variants() {
                let script = Completions { shell, program }.script(Cli::command());
                let script = String::from_utf8(script).unwrap();
                let option = if program == Program::Nearcast { "disk-wait" } else { "check-config" };
                assert!(script.contains(option), "{program:?} in {shell}");
            }
        }
    }
}
