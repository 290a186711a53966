//! `nearcast-seeder`: parse, log, run until a signal.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use nearcast_seeder::{
    cli::{EXIT_BAD_OPTION, Task},
    config::{Settings, Sources, sample},
    log,
    run::{Run, check, fail},
};

/// As in `nearcast`: large frames come and go, and the system's allocator faults their memory in each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Task::parse_or_explain() {
        Ok(Task::Serve { sources, json }) => serve(sources, json),
        Ok(Task::Check { sources, json }) => check(&sources, json),
        Ok(Task::Sample) => match io::stdout().write_all(sample().as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("cannot write the sample: {error}"), 1),
        },
        Err(code) => code,
    }
}

fn serve(sources: Sources, json: bool) -> ExitCode {
    let read = sources.read().and_then(|layers| Settings::of(&layers).map(|settings| (layers, settings)));
    let (layers, settings) = match read {
        Ok(read) => read,
        Err(problems) => return fail(&problems.to_string(), EXIT_BAD_OPTION),
    };
    let log = match log::start(&settings.log, settings.log_json) {
        Ok(log) => log,
        Err(problem) => return fail(&problem, EXIT_BAD_OPTION),
    };
    let runtime = match nearcast_node::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}"), 1),
    };
    let code = runtime.block_on(Run { sources, layers, settings, log, json }.run());
    // Whatever still blocks after a second signal must not keep the process.
    runtime.shutdown_background();
    code
}
