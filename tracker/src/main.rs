//! `nearcast-tracker`: parses the command line and does what it asks.

use std::process::ExitCode;

use nearcast_tracker::cli::Cli;

/// As in `nearcast`: large buffers come and go, and the system's allocator page-faults their memory
/// in each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse_or_explain() {
        Ok(cli) => cli.run(),
        Err(code) => code,
    }
}
