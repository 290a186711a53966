//! The seeder's command line: the table of settings, and a few other options.

use std::process::ExitCode;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use nearcast_node::atlas::AtlasFileError;
use nearcast_service::{
    cli::{EXIT_AUTH, EXIT_BAD_OPTION, EXIT_CODES, EXIT_IO, Serve, exit_of_start},
    manual::Files,
    texts,
};

use crate::{service::SeederError, setting::Setting};

const SERVE_LONG: &str = "\
Serve every .torrent under a folder whose data lies beside it.

Prints \"listening ADDRESS\" for each address, \"admin http://ADDRESS\", and then \"ready\" on standard output; with \
--publish also \"published LINK\" for each content that is new. Everything else goes to standard error.

Each option can be set in the environment, too (--up as NEARCAST_SEEDER_UP), or in a file (up = \"40Mbit\"): \
/etc/nearcast/seeder.toml, then $XDG_CONFIG_HOME/nearcast/seeder.toml; see sample-config. SIGHUP has the files read \
again: a file that is wrong changes nothing, and what cannot change while running is named. SIGTERM finishes the runs \
that are being sent; a second signal ends at once.";

/// The files that commands read or write, for the manual.
static FILES: [Files; 1] = [(
    "nearcast-seeder-serve",
    &[
        ("/etc/nearcast/seeder.toml", "Settings; see nearcast-seeder sample-config."),
        ("$XDG_CONFIG_HOME/nearcast/seeder.toml", "Settings of one user (~/.config), which win over those."),
        ("$XDG_STATE_HOME/nearcast-seeder", "The identity (~/.local/state); see --state-dir."),
    ],
)];

/// The task of the program.
pub enum Task {
    /// Serve, or check the configuration.
    Serve(Serve<Setting>),
    /// Print a sample configuration file.
    Sample,
    /// One of the program's own texts was asked for, and printed or written.
    Told(ExitCode),
}

impl Task {
    /// Parses the arguments of the process. Wrong arguments, `--help` and `--version` are answered
    /// here.
    ///
    /// # Errors
    /// The exit code, if there is nothing to do.
    pub fn parse_or_explain() -> Result<Task, ExitCode> {
        let matches = command().try_get_matches().map_err(|error| {
            // If nobody can read the help, that is no further error.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { EXIT_BAD_OPTION } else { 0 })
        })?;
        Ok(Task::of(matches))
    }

    fn of(mut matches: ArgMatches) -> Task {
        if let Some(done) = matches.subcommand().and_then(|told| texts::run(told, command(), &FILES)) {
            return Task::Told(done);
        }
        match matches.remove_subcommand() {
            Some((name, told)) if name == "serve" => {
                Task::Serve(Serve::from_arg_matches(&told).expect("whatever clap lets through is taken"))
            }
            // clap accepts no other command.
            _ => Task::Sample,
        }
    }
}

/// The whole command line, for parsing and for manuals.
pub fn command() -> Command {
    let serve = Command::new("serve")
        .about("Serve every .torrent under a folder whose data lies beside it")
        .long_about(SERVE_LONG)
        .after_help(EXIT_CODES);
    let serve = Serve::<Setting>::augment_args(serve);
    let sample = Command::new("sample-config")
        .about("Print a configuration file that sets nothing and explains everything")
        .after_help("It goes to standard output: nearcast-seeder sample-config > /etc/nearcast/seeder.toml");
    Command::new("nearcast-seeder")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves contents to many people, and tells them of each other")
        .after_help(EXIT_CODES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([serve, sample])
        .subcommands(texts::commands())
}

/// The exit code of a seeder that could not start.
pub(crate) fn exit_of_error(error: &SeederError) -> u8 {
    match error {
        SeederError::Folder { .. } | SeederError::Share(_) => EXIT_IO,
        SeederError::Atlas(AtlasFileError::Unreadable { .. }) => EXIT_IO,
        SeederError::Atlas(AtlasFileError::Bad { .. }) | SeederError::Config(_) => EXIT_BAD_OPTION,
        SeederError::IdentityInUse(_) | SeederError::Key(_) => EXIT_AUTH,
        SeederError::Start(error) => exit_of_start(error),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::setting::TABLE;

    fn parse(arguments: &[&str]) -> Result<ArgMatches, clap::Error> {
        command().try_get_matches_from(["nearcast-seeder"].iter().chain(arguments))
    }

    #[test]
    fn the_command_tree_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn wrong_values_are_refused_before_anything_is_done() {
        for wrong in
            [["--listen", "here.example:80"], ["--up", "fast"], ["--admin", "here"], ["--connections", "1"]]
        {
            let error = parse(&[&["serve"], &wrong[..]].concat()).unwrap_err().to_string();
            assert!(error.contains(wrong[0]), "{error}");
        }
    }

    #[test]
    fn a_switch_stands_alone_or_takes_back() {
        for (argument, value) in [("--publish", "true"), ("--publish=false", "false")] {
            let matches = parse(&["serve", argument]).unwrap();
            let (_, serve) = matches.subcommand().unwrap();
            assert_eq!(serve.get_one::<OsString>("publish"), Some(&value.into()));
        }
        assert!(parse(&["serve", "--publish", "media"]).is_err(), "a path is no value of it");
    }

    #[test]
    fn help_names_every_setting_with_its_variable() {
        let help = command().find_subcommand_mut("serve").unwrap().render_long_help().to_string();
        for about in &TABLE {
            assert!(help.contains(&format!("--{}", about.name)), "{}", about.name);
            assert!(help.contains(&about.variable()), "{}", about.name);
        }
    }

    #[test]
    fn every_command_has_a_page_and_every_flag_is_on_it() {
        assert_eq!(nearcast_service::manual::lacks(command(), &FILES), Vec::<String>::new());
    }

    #[test]
    fn each_task_is_told_from_the_others() {
        assert!(matches!(Task::of(parse(&["sample-config"]).unwrap()), Task::Sample));
        let serve = |option| match Task::of(parse(&["serve", option]).unwrap()) {
            Task::Serve(Serve { check, json, .. }) => (check, json),
            Task::Sample | Task::Told(_) => panic!("serving was asked for"),
        };
        assert_eq!(serve("--check-config"), (true, false));
        assert_eq!(serve("--json"), (false, true));
        assert!(parse(&[]).is_err());
    }
}
