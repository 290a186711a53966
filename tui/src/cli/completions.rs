//! `nearcast completions`: scripts with which shells complete our command lines.

use std::io::{self, Write};

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

use crate::error::CommandError;

/// Options of `completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
    /// The program whose command lines are completed.
    #[arg(value_enum, default_value = "nearcast")]
    program: Program,
}

/// Our programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Program {
    /// The client.
    Nearcast,
    /// The seeder.
    NearcastSeeder,
    /// The tracker.
    NearcastTracker,
}

impl Completions {
    pub(super) fn run(&self, nearcast: Command) -> Result<(), CommandError> {
        let script = self.script(nearcast);
        let mut out = io::stdout().lock();
        match out.write_all(&script).and_then(|()| out.flush()) {
            // The reader closed the pipe because it has enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|source| CommandError::Io { path: "standard output".into(), source }),
        }
    }

    fn script(&self, nearcast: Command) -> Vec<u8> {
        let mut command = match self.program {
            Program::Nearcast => nearcast,
            Program::NearcastSeeder => nearcast_seeder::cli::command(),
            Program::NearcastTracker => nearcast_tracker::cli::command(),
        };
        command = visible(&command);
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        if self.shell == Shell::Bash {
            files_first(&String::from_utf8_lossy(&script)).into_bytes()
        } else {
            script
        }
    }
}

/// Changes the bash script for commands that take only options and files: for an empty word bash
/// offers files, as for any other command, and options only after a dash. The generated script
/// would offer the options.
fn files_first(script: &str) -> String {
    const OFFER: &str = "COMPREPLY=( $(compgen -W \"${opts}\" -- \"${cur}\") )";
    let (mut takes_files, mut offers, mut lines) = (false, 0, Vec::new());
    for line in script.lines() {
        if let Some(words) = line.trim_start().strip_prefix("opts=\"") {
            takes_files = words.trim_end_matches('"').split(' ').all(|word| word.starts_with('-'));
            offers = 0;
        }
        offers += u32::from(line.trim_start() == OFFER);
        match line.split_once(" || ${COMP_CWORD} -eq ") {
            Some((before, _)) if takes_files => lines.push(format!("{before} ]] ; then")),
            // The generator offers options twice: first for a word that begins with a dash, then
            // for any other word.
            None if takes_files && offers == 2 => lines.push(line.replace(OFFER, "COMPREPLY=()")),
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

/// The command without its hidden parts, which some shells would offer.
fn visible(command: &Command) -> Command {
    let mut shown = Command::new(command.get_name().to_owned());
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let below = command.get_subcommands().filter(|below| !below.is_hide_set());
    shown.args(arguments.cloned()).subcommands(below.map(visible))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_program_is_completed_in_every_shell() {
        for &program in Program::value_variants() {
            for &shell in Shell::value_variants() {
                let script = Completions { shell, program }.script(Cli::command());
                let script = String::from_utf8(script).unwrap();
                let option = if program == Program::Nearcast { "disk-wait" } else { "check-config" };
                assert!(script.contains(option), "{program:?} in {shell}");
                assert!(!script.contains("nearness"), "{program:?} in {shell}: {script}");
            }
        }
    }

    #[test]
    fn bash_offers_files_where_files_are_meant() {
        let completions = Completions { shell: Shell::Bash, program: Program::Nearcast };
        let script = String::from_utf8(completions.script(Cli::command())).unwrap();
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
