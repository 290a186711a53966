//! `nearcast`: parse, log, build, run until done or until a signal.

mod app;
mod atlas;
mod cli;
mod demo;
mod door;
mod error;
mod exit;
mod hashing;
mod layout;
mod log;
mod publisher;
mod report;
mod screen;
mod source;
mod stream;
mod units;

use std::{env, ffi::OsString, process::ExitCode, time::Duration};

use clap::Parser;
use nearcast_service::outlet;

use crate::{cli::Cli, door::Door, exit::Exit, screen::Screen};

/// Frames of a quarter of a megabyte are allocated and freed by the thousand. The system's
/// allocator returns such memory to the kernel each time and faults it in again, which took a fifth
/// of a download's CPU time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the end waits for a reader after a signal, or when the program could not start.
pub(crate) const READ_WITHIN: Duration = Duration::from_secs(1);

/// The same after a second signal, which ends the program at once.
const READ_AT_ONCE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    if let Some((door, passed)) = Door::of(&arguments) {
        let error = door.pass(passed);
        Screen::new(false, false).complain(&error.to_string());
        Screen::drain(READ_WITHIN);
        return error.exit().into();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::BadOption } else { Exit::Ok };
            // If the help text cannot be written, there is no better place for another error.
            let _ = error.print();
            return exit.into();
        }
    };
    let screen = cli.screen();
    cli.start_log(&screen);
    outlet::standard().begin();
    let runtime = match nearcast_node::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            screen.complain(&format!("cannot start: {error}"));
            Screen::drain(READ_WITHIN);
            return Exit::Unknown.into();
        }
    };
    let exit = runtime.block_on(cli.run(&screen));
    // A thread that still blocks after a second signal must not keep the process alive.
    runtime.shutdown_background();
    Screen::drain(READ_AT_ONCE);
    exit.into()
}
