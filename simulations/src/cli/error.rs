//! Why a command ended early: a sentence that says what to do next, and an exit code.

use std::{error::Error, io, path::PathBuf};

use nearcast_sim::{
    cost::PricesError,
    report::{ReadError, sweep::IndexError},
    run::RunError,
    scenario::ScenarioError,
};

use super::exit::Exit;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// A scenario or a setting cannot be used.
    #[error("{}", with_advice(.0))]
    Scenario(#[from] ScenarioError),
    /// A scenario file cannot be used.
    #[error("{}: {source}{}; docs/scenarios.md describes the format", path.display(), advice(source))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ScenarioError,
    },
    /// A run came to no result.
    #[error("{run}: {}", chain(source))]
    Run {
        /// Which.
        run: String,
        /// Why.
        source: RunError,
    },
    /// An assertion failed within a run. What it said is on standard error already.
    #[error("an assertion failed within a run; to repeat it: {again}")]
    Panicked {
        /// The command.
        again: String,
    },
    /// Earlier runs cannot be read.
    #[error("{}; name a folder that `nearcast-sim run` wrote with --out", chain(.0))]
    Read(#[from] ReadError),
    /// The index of a sweep cannot be written. The runs are there.
    #[error("{}; the runs themselves are complete", chain(.0))]
    Index(#[from] IndexError),
    /// A file of prices cannot be used.
    #[error("{}: {}; `nearcast-sim cost --print-prices` prints one to start from", path.display(), chain(source))]
    Prices {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PricesError,
    },
    /// The file system refused.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder for results holds something else.
    #[error("{0}; name another folder with --out, or empty that one")]
    Exists(String),
    /// Results could not be written. The error names the file.
    #[error("cannot write results: {0}")]
    Write(io::Error),
    /// Options contradict each other, or a file is not what it should be.
    #[error("{0}")]
    BadOption(String),
    /// Something that was to hold does not.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// What writing results into a folder came to.
    pub(super) fn of_folder(error: io::Error) -> CliError {
        match error.kind() {
            io::ErrorKind::AlreadyExists => CliError::Exists(error.to_string()),
            _ => CliError::Write(error),
        }
    }

    /// The exit code for this error.
    pub(super) fn exit(&self) -> Exit {
        match self {
            CliError::Scenario(_)
            | CliError::File { .. }
            | CliError::Run { .. }
            | CliError::Prices { .. }
            | CliError::BadOption(_) => Exit::BadOption,
            CliError::Panicked { .. } | CliError::Failed(_) => Exit::Failed,
            CliError::Exists(_) => Exit::Exists,
            CliError::Io { source, .. } | CliError::Write(source) => of_io(source),
            CliError::Read(error) | CliError::Index(IndexError::Read(error)) => of_read(error),
            CliError::Index(IndexError::Write(source)) => of_io(source),
        }
    }
}

fn of_io(error: &io::Error) -> Exit {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Exit::DiskFull,
        _ => Exit::Io,
    }
}

fn of_read(error: &ReadError) -> Exit {
    match error {
        ReadError::Io { source, .. } => of_io(source),
        _ => Exit::BadOption,
    }
}

/// The error, and behind it what a person can do about it.
fn with_advice(error: &ScenarioError) -> String {
    format!("{error}{}", advice(error))
}

/// What a person can do about a scenario that is none.
fn advice(error: &ScenarioError) -> &'static str {
    match error {
        ScenarioError::NoScenario { .. } => {
            "; `nearcast-sim list` describes them, and a name that ends in .toml is a file"
        }
        ScenarioError::Unknown { .. } => "; `nearcast-sim show SCENARIO --settings` lists all settings",
        ScenarioError::TooLarge { .. } => "; give fewer values or seeds",
        _ => "",
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some errors repeat their cause.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text.trim_end().replace('\n', " ")
}
