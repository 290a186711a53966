//! The exit codes of commands: aria2's numbers, as in the rest of nearcast.

use std::{io, process::ExitCode};

use nearcast_core::atlas::AtlasError;
use nearcast_service::signals::Signal;

use crate::atlas_file::AtlasFileError;
use nearcast_bgp::compile::CompileError;

/// The result of a command. The discriminant is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// An error without a code of its own.
    Unknown = 1,
    /// The atlas lacks an address.
    NotFound = 3,
    /// The disk is full.
    DiskFull = 9,
    /// A file cannot be read or written.
    Io = 17,
    /// The command line, or a file that it names, is invalid.
    BadOption = 28,
    /// The checksum of an atlas does not match.
    Checksum = 32,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

/// The end of `--help` for commands that read or make atlases.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
    0  done                           28  wrong option or unusable file
    1  unknown error                  32  the atlas is damaged
    3  an address is not in the atlas 130  interrupted (SIGINT)
    9  disk full                      143  terminated (SIGTERM)
   17  a file cannot be read or written";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl From<Signal> for Exit {
    fn from(signal: Signal) -> Exit {
        match signal {
            Signal::Interrupt => Exit::Interrupted,
            Signal::Terminate | Signal::Hangup => Exit::Terminated,
        }
    }
}

impl From<&io::Error> for Exit {
    fn from(error: &io::Error) -> Exit {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Exit::DiskFull,
            _ => Exit::Io,
        }
    }
}

impl From<&CompileError> for Exit {
    fn from(error: &CompileError) -> Exit {
        match error {
            CompileError::NoInput
            | CompileError::Useless { .. }
            | CompileError::Nothing(_)
            | CompileError::Sites(_) => Exit::BadOption,
            CompileError::Read { source, .. } => source.into(),
            CompileError::Stopped => Exit::Interrupted,
        }
    }
}

impl From<&AtlasFileError> for Exit {
    fn from(error: &AtlasFileError) -> Exit {
        match error {
            AtlasFileError::Io { source, .. } => source.into(),
            AtlasFileError::Atlas { source: AtlasError::Checksum | AtlasError::Inconsistent(_), .. } => {
                Exit::Checksum
            }
            AtlasFileError::Atlas { source: AtlasError::NotAnAtlas | AtlasError::TooLarge, .. } => {
                Exit::BadOption
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_ends_with_the_code_of_its_meaning() {
        let io =
            |kind: io::ErrorKind| AtlasFileError::Io { verb: "write", path: "x".into(), source: kind.into() };
        let atlas = |source| AtlasFileError::Atlas { path: "x".into(), source };
        for (error, exit) in [
            (io(io::ErrorKind::StorageFull), Exit::DiskFull),
            (io(io::ErrorKind::NotFound), Exit::Io),
            (atlas(AtlasError::Checksum), Exit::Checksum),
            (atlas(AtlasError::NotAnAtlas), Exit::BadOption),
        ] {
            assert_eq!(Exit::from(&error), exit, "{error}");
        }
        let useless = CompileError::Useless { path: "x".into(), reason: String::new() };
        assert_eq!(Exit::from(&useless), Exit::BadOption);
        assert_eq!(Exit::from(&CompileError::Nothing(String::new())), Exit::BadOption);
        let unread = CompileError::Read { path: "x".into(), source: io::ErrorKind::NotFound.into() };
        assert_eq!(Exit::from(&unread) as u8, 17);
    }

    #[test]
    fn help_names_every_code() {
        use Exit::{BadOption, Checksum, DiskFull, Interrupted, Io, NotFound, Terminated, Unknown};
        for exit in [BadOption, Checksum, DiskFull, Interrupted, Io, NotFound, Terminated, Unknown] {
            assert!(EXIT_CODES.contains(&format!("{} ", exit as u8)), "{exit:?}");
        }
    }
}
