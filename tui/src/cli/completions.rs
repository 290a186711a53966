//! `nearcast completions`: what a shell needs to complete our command lines.

use std::io::{self, Write};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::error::CommandError;

/// Options of `completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, mut command: Command) -> Result<(), CommandError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "nearcast", &mut script);
        let mut out = io::stdout().lock();
        match out.write_all(&script).and_then(|()| out.flush()) {
            // Whoever has seen enough closes the pipe.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|source| CommandError::Io { path: "standard output".into(), source }),
        }
    }
}
