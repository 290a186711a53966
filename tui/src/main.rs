//! `nearcast`: parse, log, build, run until done or until a signal.

mod cli;
mod demo;
mod error;
mod exit;
mod hashing;
mod report;
mod screen;
mod source;
mod units;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::{cli::Cli, exit::Exit, screen::Screen};

/// What is logged unless RUST_LOG says otherwise: what goes wrong here, not in every peer out there.
const LOG_DEFAULT: &str = "off,nearcast=warn,nearcast_core=warn,nearcast_node=warn,nearcast_seeder=error";

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::BadOption } else { Exit::Ok };
            // Help that nobody can read is no reason for another error.
            let _ = error.print();
            return exit.into();
        }
    };
    let screen = cli.screen();
    start_log(&screen);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            screen.complain(&format!("cannot start: {error}"));
            return Exit::Unknown.into();
        }
    };
    let exit = runtime.block_on(cli.run(&screen));
    // Whatever still blocks after a second signal must not keep the process.
    runtime.shutdown_background();
    exit.into()
}

fn start_log(screen: &Screen) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal() && screen::wants_colour())
        .with_target(false)
        .with_writer(screen.clone())
        .init();
}
