//! Exit codes: the numbers that the other programs have for the same meanings.

use std::process::ExitCode;

/// The exit code of the process; the discriminant is the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything was done, and every check held.
    Ok = 0,
    /// A check failed, or something has no code of its own.
    Failed = 1,
    /// No space left on the disk.
    DiskFull = 9,
    /// Something else is where results should go.
    Exists = 13,
    /// A file cannot be read or written.
    Io = 17,
    /// The command line, or a file named on it, makes no sense.
    BadOption = 28,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// The end of `--help`.
pub(super) const EXIT_CODES_HELP: &str = "\
Exit codes:
    0  done, and every check held          28  wrong option or unusable file
    1  a check failed, or runs differ     129  hung up (SIGHUP)
    9  disk full                          130  interrupted (SIGINT)
   13  something else is there already    143  terminated (SIGTERM)
   17  a file cannot be read or written";
