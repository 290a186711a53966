//! Exit codes: the same numbers as aria2's for the same meanings, so that scripts know them
//! already.

use std::process::ExitCode;

use nearcast_core::atlas::AtlasError;
use nearcast_node::{
    atlas::AtlasFileError,
    error::{DownloadError, KeyError, ShareError, StartError},
};
use nearcast_service::signals::Signal;

/// The exit code of the process; the discriminant is the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Ok = 0,
    /// Something that has no code of its own.
    Unknown = 1,
    /// No bytes came in time.
    Timeout = 2,
    /// No peer that was reached has the content.
    NotFound = 3,
    /// No peer could be reached, or the network cannot be used.
    Network = 6,
    /// Stopped before the end; the data received so far stays.
    Unfinished = 7,
    /// No space left on the disk.
    DiskFull = 9,
    /// Other data is in the way, or another process uses it.
    Exists = 13,
    /// A file cannot be read or written.
    Io = 17,
    /// A key cannot be used, or a demanded signature is missing.
    Auth = 24,
    /// The command line, or a file named on it, makes no sense.
    BadOption = 28,
    /// Data does not match its hash.
    Checksum = 32,
    /// SIGHUP; state was saved.
    HungUp = 129,
    /// SIGINT; state was saved.
    Interrupted = 130,
    /// SIGTERM; state was saved.
    Terminated = 143,
}

impl Exit {
    /// All exit codes, the least serious first.
    const BY_GRAVITY: [Exit; 15] = [
        Exit::Ok,
        Exit::Unfinished,
        Exit::Timeout,
        Exit::NotFound,
        Exit::Network,
        Exit::Exists,
        Exit::DiskFull,
        Exit::Io,
        Exit::BadOption,
        Exit::Auth,
        Exit::Checksum,
        Exit::Unknown,
        Exit::HungUp,
        Exit::Terminated,
        Exit::Interrupted,
    ];

    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// Of two exit codes of one command, the one to report.
    pub(crate) fn worst(self, other: Exit) -> Exit {
        let gravity = |exit| Exit::BY_GRAVITY.iter().position(|&known| known == exit);
        if gravity(other) > gravity(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

impl From<Signal> for Exit {
    fn from(signal: Signal) -> Exit {
        match signal {
            Signal::Interrupt => Exit::Interrupted,
            Signal::Terminate => Exit::Terminated,
            Signal::Hangup => Exit::HungUp,
        }
    }
}

impl From<&DownloadError> for Exit {
    fn from(error: &DownloadError) -> Exit {
        match error {
            DownloadError::Unreachable(_) => Exit::Network,
            DownloadError::NotFound(_) => Exit::NotFound,
            // The content has no such file, so no peer can help.
            DownloadError::NothingSelected(_) => Exit::BadOption,
            DownloadError::TooLarge { .. } | DownloadError::Failed(_) => Exit::Unknown,
            DownloadError::TimedOut { .. } | DownloadError::Unserved { .. } => Exit::Timeout,
            DownloadError::Exists(_)
            | DownloadError::Blocked(_)
            | DownloadError::InTheWay(_)
            | DownloadError::Unfinished(_)
            | DownloadError::Kept { .. }
            | DownloadError::Edited(_)
            | DownloadError::SameName { .. } => Exit::Exists,
            // As when a second aria2 works on the same file: another process uses the data.
            DownloadError::Busy(_) => Exit::Exists,
            DownloadError::DiskFull(_) | DownloadError::NoRoom { .. } => Exit::DiskFull,
            DownloadError::Io { .. } | DownloadError::ReadOnly(_) => Exit::Io,
            DownloadError::Manifest(_) => Exit::Checksum,
            DownloadError::Unsigned(_) => Exit::Auth,
            DownloadError::Stopped => Exit::Unfinished,
        }
    }
}

impl From<&StartError> for Exit {
    fn from(error: &StartError) -> Exit {
        match error {
            StartError::Listen { .. } | StartError::Network(_) => Exit::Network,
            StartError::Identity { .. } => Exit::Auth,
            StartError::Flight { .. } => Exit::Io,
        }
    }
}

impl From<&AtlasFileError> for Exit {
    fn from(error: &AtlasFileError) -> Exit {
        match error {
            AtlasFileError::Unreadable { .. } => Exit::Io,
            AtlasFileError::Bad { source: AtlasError::NotAnAtlas, .. } => Exit::BadOption,
            AtlasFileError::Bad { .. } => Exit::Checksum,
        }
    }
}

impl From<&KeyError> for Exit {
    fn from(error: &KeyError) -> Exit {
        match error {
            KeyError::Exists(_) => Exit::Exists,
            KeyError::Unusable { .. } => Exit::Auth,
        }
    }
}

impl From<&ShareError> for Exit {
    fn from(error: &ShareError) -> Exit {
        match error {
            ShareError::Incomplete(_) => Exit::Checksum,
            ShareError::Io { .. } => Exit::Io,
            ShareError::TooMany(_) => Exit::Unknown,
            ShareError::Stopped => Exit::Unfinished,
        }
    }
}

/// The end of `--help`.
pub(crate) const EXIT_CODES_HELP: &str = "\
Exit codes:
    0  done                                  13  something else is there already
    1  unknown error                         17  a file cannot be read or written
    2  no data for too long                  24  key unusable or signature missing
    3  nobody reached has the content        28  wrong option or unusable file
    6  no peer or network could be reached   32  data does not match its hash
    7  stopped before the end               129  hung up (SIGHUP), state saved
    9  disk full                            130  interrupted (SIGINT), state saved
                                            143  terminated (SIGTERM), state saved";

#[cfg(test)]
mod tests {
    use std::io;

    use nearcast_node::error::Reasons;

    use super::*;

    #[test]
    fn every_download_error_has_its_aria2_code() {
        let path = || "x".into();
        let io = || io::Error::other("x");
        for (error, code) in [
            (DownloadError::Unreachable(Reasons::NobodyToAsk), 6),
            (DownloadError::NotFound(Reasons::NobodyHasIt), 3),
            (DownloadError::TimedOut { seconds: 60, attempts: None }, 2),
            (DownloadError::Unserved { seconds: 60, attempts: None }, 2),
            (DownloadError::Exists(path()), 13),
            (DownloadError::Blocked(path()), 13),
            (DownloadError::Busy(path()), 13),
            (DownloadError::InTheWay(path()), 13),
            (DownloadError::Unfinished(path()), 13),
            (DownloadError::Kept { path: path(), new: path() }, 13),
            (DownloadError::Edited(path()), 13),
            (DownloadError::SameName { folder: path(), one: String::new(), other: String::new() }, 13),
            (DownloadError::DiskFull(path()), 9),
            (DownloadError::NoRoom { path: path(), bytes: 2, room: 1 }, 9),
            (DownloadError::Io { path: path(), source: io().into() }, 17),
            (DownloadError::ReadOnly(path()), 17),
            (DownloadError::Manifest(String::new()), 32),
            (DownloadError::NothingSelected(String::new()), 28),
            (DownloadError::Unsigned(String::new()), 24),
            (DownloadError::Stopped, 7),
        ] {
            assert_eq!(Exit::from(&error).code(), code, "{error}");
        }
    }

    #[test]
    fn a_node_that_cannot_start_says_network_or_key() {
        assert_eq!(Exit::from(&StartError::Network("x".into())).code(), 6);
        let identity = StartError::Identity { path: "x".into(), reason: "x".into() };
        assert_eq!(Exit::from(&identity).code(), 24);
    }

    #[test]
    fn signals_end_with_128_and_their_number() {
        assert_eq!(Exit::from(Signal::Interrupt).code(), 130);
        assert_eq!(Exit::from(Signal::Terminate).code(), 143);
        assert_eq!(Exit::from(Signal::Hangup).code(), 129);
    }

    #[test]
    fn the_worst_end_of_several_is_reported_whatever_their_order() {
        for pair in Exit::BY_GRAVITY.windows(2) {
            assert_eq!(pair[0].worst(pair[1]), pair[1]);
            assert_eq!(pair[1].worst(pair[0]), pair[1]);
        }
        assert_eq!(Exit::Ok.worst(Exit::Ok), Exit::Ok);
    }

    #[test]
    fn help_names_every_code() {
        for exit in Exit::BY_GRAVITY {
            let number = format!("{:>2}  ", exit.code());
            assert!(EXIT_CODES_HELP.contains(&number), "{exit:?}");
        }
    }
}
