//! `nearcast completions`: scripts with which shells complete our command lines.

use clap::{Args, Command};
use nearcast_service::completions::{self, Shell};

use crate::error::CommandError;

/// Options of `completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, nearcast: &Command) -> Result<(), CommandError> {
        completions::print(self.shell, nearcast)
            .map_err(|source| CommandError::Io { path: "standard output".into(), source })
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn our_command_lines_are_completed_in_every_shell() {
        for &shell in Shell::value_variants() {
            let script = String::from_utf8(completions::script(shell, &Cli::command())).unwrap();
            assert!(script.contains("disk-wait"), "{shell}");
            assert!(!script.contains("nearness"), "{shell}: {script}");
        }
    }

    #[test]
    fn bash_offers_files_where_files_are_meant() {
        let script = String::from_utf8(completions::script(Shell::Bash, &Cli::command())).unwrap();
        let of = |command: &str| {
            let (_, section) =
                script.split_once(&format!("nearcast__subcmd__{command})\n            opts=")).unwrap();
            section.split_once("return 0\n            ;;").map_or(section, |(section, _)| section).to_owned()
        };
        let offers = |command: &str| of(command).matches("-W \"${opts}\"").count();
        assert!(of("get").contains("if [[ ${cur} == -* ]] ; then"), "{}", of("get"));
        assert_eq!((offers("get"), offers("verify")), (1, 1), "{}", of("get"));
        assert!(of("key").contains("COMP_CWORD"), "its commands come first: {}", of("key"));
        assert_eq!(offers("key"), 2, "{}", of("key"));
    }
}
