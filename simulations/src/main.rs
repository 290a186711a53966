//! `nearcast-sim`: parses the command line and does what it asks.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run().into()
}
