//! `nearcast serve` and `nearcast tracker`: doors to the two services, which are separate programs.
//!
//! Invariant: everything after the name of a door belongs to the service and is passed on
//! unchanged, `--help` too. So `main` looks for doors before it parses the command line.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::Command,
};

use clap::Args;

use crate::error::CommandError;

/// What stands behind the name of a door, for help and manual only.
#[derive(Debug, Args)]
pub(crate) struct Passed {
    /// What the service is given, as it is; --help asks the service.
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    _arguments: Vec<OsString>,
}

/// A way into another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// `nearcast serve` is `nearcast-seeder serve`.
    Serve,
    /// `nearcast tracker` is `nearcast-tracker`.
    Tracker,
}

impl Door {
    /// The door that a command line begins with, and the arguments after it. `None`: the line does
    /// not begin with a door.
    pub(crate) fn of(arguments: &[OsString]) -> Option<(Door, &[OsString])> {
        let (name, rest) = arguments.split_first()?;
        let door = [Door::Serve, Door::Tracker].into_iter().find(|door| name == door.name())?;
        Some((door, rest))
    }

    /// Replaces this process with the service. Returns only on failure, with the reason.
    pub(crate) fn pass(self, arguments: &[OsString]) -> CommandError {
        let program = self.beside_us().unwrap_or_else(|| self.program().into());
        // A name without a slash is looked up in PATH.
        let source = Command::new(&program).args(self.first()).args(arguments).exec();
        match source.kind() {
            io::ErrorKind::NotFound => {
                CommandError::NotInstalled { name: self.name(), program: self.program() }
            }
            _ => CommandError::Io { path: program, source },
        }
    }

    /// The error for options that stand in front of a door.
    pub(crate) fn misplaced(self) -> CommandError {
        let (name, program) = (self.name(), self.program());
        CommandError::BadOption(format!(
            "{program} has options of its own: write them behind \"nearcast {name}\""
        ))
    }

    fn name(self) -> &'static str {
        match self {
            Door::Serve => "serve",
            Door::Tracker => "tracker",
        }
    }

    /// The name of the program, which is also the name of its package.
    fn program(self) -> &'static str {
        match self {
            Door::Serve => "nearcast-seeder",
            Door::Tracker => "nearcast-tracker",
        }
    }

    /// The argument that the service gets before all others. `None`: none.
    fn first(self) -> Option<&'static OsStr> {
        match self {
            Door::Serve => Some(OsStr::new("serve")),
            Door::Tracker => None,
        }
    }

    /// The service in the same folder as this program, so of the same build. It is preferred to any
    /// in PATH.
    fn beside_us(self) -> Option<PathBuf> {
        let path = env::current_exe().ok()?.with_file_name(self.program());
        path.is_file().then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Vec<OsString> {
        words.iter().map(Into::into).collect()
    }

    #[test]
    fn a_door_is_the_first_word_and_all_else_is_passed() {
        let serve = line(&["serve", "--log-format", "json", "--help"]);
        assert_eq!(Door::of(&serve), Some((Door::Serve, &serve[1..])));
        let tracker = line(&["tracker", "atlas", "-v"]);
        assert_eq!(Door::of(&tracker), Some((Door::Tracker, &tracker[1..])));
    }

    #[test]
    fn other_words_open_no_door() {
        for words in [&[][..], &["get", "serve"], &["-v", "serve"], &["serves"], &["help", "serve"]] {
            assert_eq!(Door::of(&line(words)), None, "{words:?}");
        }
    }
}
