//! `nearcast-seeder`: parses the command line and does what it asks.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use nearcast_seeder::{cli::Task, config::sample, run::Serving};
use nearcast_service::{output::fail, run::serve};

/// As in `nearcast`: large frames come and go, and the system's allocator page-faults their memory
/// in each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Task::parse_or_explain() {
        Ok(Task::Serve(told)) => serve::<Serving>(told),
        Ok(Task::Sample) => match io::stdout().write_all(sample().as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("cannot write the sample: {error}"), 1),
        },
        Ok(Task::Told(code)) | Err(code) => code,
    }
}
