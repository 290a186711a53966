//! `nearcast-seeder`: parse, log, start, say so, run until a signal.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use nearcast_seeder::{
    cli::{Cli, Command, EXIT_BAD_OPTION, Serve, exit_of_error, exit_of_signal},
    log,
    service::Seeder,
    signals::Signals,
};

/// Runs being sent when a signal comes are finished within this time.
const DRAIN: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let Command::Serve(serve) = match Cli::parse_or_explain() {
        Ok(cli) => cli.command,
        Err(code) => return code,
    };
    log::start(serve.log_format);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}"), ExitCode::FAILURE),
    };
    let code = runtime.block_on(run(&serve));
    // Whatever still blocks after a second signal must not keep the process.
    runtime.shutdown_background();
    code
}

async fn run(serve: &Serve) -> ExitCode {
    let Some(config) = serve.config() else {
        let hint = "no place for the identity: give --state-dir or --identity";
        return fail(hint, ExitCode::from(EXIT_BAD_OPTION));
    };
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot listen for signals: {error}"), ExitCode::FAILURE),
    };
    let started = tokio::select! {
        started = Seeder::start(config) => started,
        signal = signals.first() => return exit_of_signal(signal),
    };
    let seeder = match started {
        Ok(seeder) => seeder,
        Err(error) => return fail(&error.to_string(), exit_of_error(&error)),
    };
    announce(serve.json, seeder.addresses().iter().map(ToString::to_string));
    let signal = signals.first().await;
    tracing::info!("stopping; a second signal stops at once");
    tokio::select! {
        () = seeder.stop(DRAIN) => {}
        _ = signals.second() => {}
    }
    exit_of_signal(signal)
}

/// Data on standard output. A reader that went away is no reason to stop serving.
fn announce(json: bool, addresses: impl Iterator<Item = String>) {
    let mut out = io::stdout().lock();
    for address in addresses {
        let _ = match json {
            true => writeln!(out, "{}", serde_json::json!({"event": "listening", "address": address})),
            false => writeln!(out, "listening {address}"),
        };
    }
    let ready = if json { r#"{"event":"ready"}"# } else { "ready" };
    let _ = writeln!(out, "{ready}").and_then(|()| out.flush());
}

fn fail(sentence: &str, code: ExitCode) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {}", nearcast_core::paths::printable(sentence));
    code
}
