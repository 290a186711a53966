//! `nearcast serve` and `nearcast tracker`: doors to the two services, which are programs of their own.
//!
//! Invariant: what stands behind the name of a door belongs to the service. It is passed on as it is, `--help` too, so
//! doors are looked for before the command line is parsed.

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
    /// The door that a command line begins with, and what is passed through it. None if it begins with anything else.
    pub(crate) fn of(arguments: &[OsString]) -> Option<(Door, &[OsString])> {
        let (name, rest) = arguments.split_first()?;
        let door = [Door::Serve, Door::Tracker].into_iter().find(|door| name == door.name())?;
        Some((door, rest))
    }

    /// Becomes the service, and so returns only if that is not possible; the reason.
    pub(crate) fn pass(self, arguments: &[OsString]) -> CommandError {
        let program = self.beside_us().unwrap_or_else(|| self.program().into());
        // Without a slash in its name, it is looked for in PATH.
        let source = Command::new(&program).args(self.first()).args(arguments).exec();
        match source.kind() {
            io::ErrorKind::NotFound => {
                CommandError::NotInstalled { name: self.name(), program: self.program() }
            }
            _ => CommandError::Io { path: program, source },
        }
    }

    /// What is said when options stand in front of a door.
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

    /// The program, and the package that brings it.
    fn program(self) -> &'static str {
        match self {
            Door::Serve => "nearcast-seeder",
            Door::Tracker => "nearcast-tracker",
        }
    }

    /// What the service is given before anything else.
    fn first(self) -> Option<&'static OsStr> {
        match self {
            Door::Serve => Some(OsStr::new("serve")),
            Door::Tracker => None,
        }
    }

    /// The service of the same build, which lies in the same folder. It goes before any other in PATH.
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
