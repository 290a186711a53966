//! Why a command ended early: one sentence for people, one exit code for scripts.

use std::{io, path::PathBuf};

use nearcast_core::{magnet::MagnetError, manifest::ManifestError};
use nearcast_node::{
    atlas::AtlasFileError,
    error::{DownloadError, KeyError, ShareError, StartError},
    publish::{PublishError, VerifyError},
    torrent_url::{FetchError, FetchFailure},
};
use nearcast_service::signals::Signal;

use crate::exit::Exit;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// One download failed.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The origin of the demonstration cannot serve its content.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// An atlas file cannot be used.
    #[error(transparent)]
    Atlas(#[from] AtlasFileError),
    /// A key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Nothing was published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Data could not be checked.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Not a link we can use.
    #[error("cannot use this link: {0}")]
    Link(#[from] MagnetError),
    /// Not a `.torrent` we can use.
    #[error("cannot use {}: {source}", path.display())]
    Torrent {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ManifestError,
    },
    /// Nothing usable came from a URL.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A line of an input list cannot be used.
    #[error("{place}: {source}")]
    Input {
        /// The list and the number of the line.
        place: String,
        /// What is wrong.
        source: Box<CommandError>,
    },
    /// The file system refused.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another file is where the `.torrent` should go.
    #[error("{} exists and is another torrent; use --overwrite to replace it, or -o to name another", .0.display())]
    Exists(PathBuf),
    /// A door leads to a program that is not installed.
    #[error(
        "nearcast {name} is the program {program}, which is neither beside nearcast nor in PATH; the package {program} brings it"
    )]
    NotInstalled {
        /// The name of the door.
        name: &'static str,
        /// The name of the program and of its package.
        program: &'static str,
    },
    /// Options contradict each other or do not fit this content.
    #[error("{0}")]
    BadOption(String),
    /// Data differs from the manifest.
    #[error("{bad} of {files} files are missing or damaged")]
    Corrupt {
        /// Missing or damaged files.
        bad: usize,
        /// Files in the content.
        files: u32,
    },
    /// Several downloads failed. Each has already printed why.
    #[error("{failed} of {all} downloads failed")]
    Several {
        /// Downloads that failed.
        failed: usize,
        /// Downloads asked for.
        all: usize,
        /// The worst exit code among the downloads.
        exit: Exit,
    },
    /// A signal stopped the command; nothing was kept.
    #[error("{}", name(*.0))]
    Signal(Signal),
    /// A signal stopped a download; the data received so far stays.
    #[error("{}; run the same command to continue", name(*.0))]
    Stopped(Signal),
}

fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::Interrupt => "interrupted",
        Signal::Terminate => "terminated",
        Signal::Hangup => "hung up",
    }
}

impl CommandError {
    /// The exit code for this error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            CommandError::Start(error) => error.into(),
            CommandError::Download(error) => error.into(),
            CommandError::Share(error) => error.into(),
            CommandError::Atlas(error) => error.into(),
            CommandError::Key(error) => error.into(),
            CommandError::Publish(error) => exit_of_publish(error),
            CommandError::Verify(VerifyError::Io { .. }) | CommandError::Io { .. } => Exit::Io,
            CommandError::Verify(VerifyError::Cancelled) => Exit::Unfinished,
            CommandError::Link(_)
            | CommandError::Torrent { .. }
            | CommandError::NotInstalled { .. }
            | CommandError::BadOption(_) => Exit::BadOption,
            CommandError::Fetch(error) => match error.kind {
                FetchFailure::Unusable | FetchFailure::NoTorrent => Exit::BadOption,
                FetchFailure::NotFound => Exit::NotFound,
                FetchFailure::Unreachable => Exit::Network,
            },
            CommandError::Input { source, .. } => source.exit(),
            CommandError::Exists(_) => Exit::Exists,
            CommandError::Corrupt { .. } => Exit::Checksum,
            CommandError::Several { exit, .. } => *exit,
            CommandError::Signal(signal) | CommandError::Stopped(signal) => (*signal).into(),
        }
    }
}

fn exit_of_publish(error: &PublishError) -> Exit {
    match error {
        PublishError::Io { .. } | PublishError::Special(_) | PublishError::Changed(_) => Exit::Io,
        PublishError::Cancelled => Exit::Unfinished,
        PublishError::NoFiles(_)
        | PublishError::AllLeftOut { .. }
        | PublishError::TooManyFiles(_)
        | PublishError::Names(_)
        | PublishError::SecretKey(_)
        | PublishError::NamedLikeItsFile(_)
        | PublishError::Name(_)
        | PublishError::Layout(_)
        | PublishError::Manifest(_) => Exit::BadOption,
    }
}

#[cfg(test)]
mod tests {
    use nearcast_core::atlas::AtlasError;

    use super::*;

    #[test]
    fn every_command_error_has_its_code() {
        let io = || io::Error::other("x");
        let path = || PathBuf::from("x");
        for (error, code) in [
            (CommandError::Download(DownloadError::TimedOut { seconds: 1, reasons: None }), 2),
            (CommandError::Start(StartError::Network("x".into())), 6),
            (CommandError::Publish(PublishError::NoFiles(path())), 28),
            (CommandError::Publish(PublishError::Changed(path())), 17),
            (CommandError::Verify(VerifyError::Cancelled), 7),
            (CommandError::Link(MagnetError::V1Only), 28),
            (CommandError::Torrent { path: path(), source: ManifestError::V1Only }, 28),
            (CommandError::Io { path: path(), source: io() }, 17),
            (CommandError::Exists(path()), 13),
            (CommandError::BadOption("x".into()), 28),
            (CommandError::NotInstalled { name: "serve", program: "nearcast-seeder" }, 28),
            (
                CommandError::Input {
                    place: "list:3".into(),
                    source: Box::new(CommandError::Exists(path())),
                },
                13,
            ),
            (CommandError::Atlas(AtlasFileError::Unreadable { path: path(), source: io() }), 17),
            (CommandError::Atlas(AtlasFileError::Bad { path: path(), source: AtlasError::Checksum }), 32),
            (CommandError::Key(KeyError::Exists(path())), 13),
            (CommandError::Key(KeyError::Unusable { path: path(), reason: "x".into() }), 24),
            (CommandError::Corrupt { bad: 1, files: 2 }, 32),
            (CommandError::Signal(Signal::Terminate), 143),
            (CommandError::Stopped(Signal::Interrupt), 130),
        ] {
            assert_eq!(error.exit().code(), code, "{error}");
            assert!(!error.to_string().contains('\n'), "one sentence: {error}");
        }
    }
}
