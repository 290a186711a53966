//! The seeder's command line. Its options are the table of settings, and few others.

use std::{path::PathBuf, process::ExitCode};

use clap::{
    Arg, ArgAction, ArgMatches, Command,
    builder::{OsStringValueParser, TypedValueParser},
    value_parser,
};
use nearcast_node::error::StartError;

use crate::{
    config::Sources,
    service::SeederError,
    setting::{About, Kind, TABLE},
    signals::Signal,
};

const EXIT_CODES: &str = "\
Exit codes:
    0  stopped by SIGTERM        24  the identity cannot be used
    1  unknown error             28  wrong option or configuration
    6  cannot listen            130  stopped by SIGINT
   17  a folder cannot be used";

const SERVE_LONG: &str = "\
Serve every .torrent under a folder whose data lies beside it.

Prints \"listening ADDRESS\" for each address, \"admin http://ADDRESS\", and then \"ready\" on standard output; with \
--publish also \"published LINK\" for each content that is new. Everything else goes to standard error.

Each option can be set in the environment, too (--up as NEARCAST_SEEDER_UP), or in a file (up = \"40Mbit\"): \
/etc/nearcast/seeder.toml, then $XDG_CONFIG_HOME/nearcast/seeder.toml; see sample-config. SIGHUP has the files read \
again: a file that is wrong changes nothing, and what cannot change while running is named. SIGTERM finishes the runs \
that are being sent; a second signal ends at once.";

pub(crate) const CONFIG: &str = "config";
const CHECK: &str = "check-config";
const JSON: &str = "json";

/// What the program is asked to do.
pub enum Task {
    /// Serve.
    Serve {
        /// Where settings come from.
        sources: Sources,
        /// Print JSON.
        json: bool,
    },
    /// Tell what is wrong with the configuration, or what it comes to.
    Check {
        /// Where settings come from.
        sources: Sources,
        /// Print JSON.
        json: bool,
    },
    /// Print a sample of a configuration file.
    Sample,
}

impl Task {
    /// Reads the process's arguments; a wrong line, `--help` and `--version` are answered here.
    ///
    /// # Errors
    /// The code to end with when there is nothing to do.
    pub fn parse_or_explain() -> Result<Task, ExitCode> {
        let matches = command().try_get_matches().map_err(|error| {
            // Help that nobody can read is no reason for another error.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { EXIT_BAD_OPTION } else { 0 })
        })?;
        Ok(Task::of(matches))
    }

    fn of(mut matches: ArgMatches) -> Task {
        match matches.remove_subcommand() {
            Some((name, serve)) if name == "serve" => {
                let (json, check) = (serve.get_flag(JSON), serve.get_flag(CHECK));
                let sources = Sources::new(serve);
                if check { Task::Check { sources, json } } else { Task::Serve { sources, json } }
            }
            // clap lets nothing else through.
            _ => Task::Sample,
        }
    }
}

/// The whole command line, for parsing and for manuals.
pub fn command() -> Command {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Read this file instead of those in /etc and the home folder")
        .long_help(
            "Read this file instead of those in /etc and the home folder.\n\n[env: NEARCAST_SEEDER_CONFIG]",
        );
    let check = flag(CHECK, "Say what is wrong with the configuration, or what it comes to, and end")
        .long_help(
            "Say what is wrong with the configuration, or what it comes to and where each value is from, and end. \
             The exit code is 0 or 28.",
        );
    let json = flag(JSON, "Print one JSON object a line on standard output instead of words");
    let serve = Command::new("serve")
        .about("Serve every .torrent under a folder whose data lies beside it")
        .long_about(SERVE_LONG)
        .after_help(EXIT_CODES)
        .args(TABLE.iter().map(option))
        .args([config, check, json]);
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
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn option(about: &'static About) -> Arg {
    let default = match about.default {
        "" | "false" => String::new(),
        default => format!(" [default: {default}]"),
    };
    let (short, variable) = (about.short.trim_end_matches('.'), about.variable());
    let checked = OsStringValueParser::new().try_map(|value| about.kind.check(&value).map(|()| value));
    let option = Arg::new(about.name)
        .long(about.name)
        .value_name(about.value)
        .value_parser(checked)
        .help(format!("{short}{default}"))
        .long_help(format!("{} {}\n\n[env: {variable}]{default}", about.short, about.long));
    match about.kind {
        Kind::Addresses => option.action(ArgAction::Append),
        // Alone it means yes; "--publish=false" takes back what a file says.
        Kind::Switch => option.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => option,
    }
}

/// A wrong command line or configuration ends as in `nearcast`.
pub const EXIT_BAD_OPTION: u8 = 28;

/// How a seeder that could not start ends.
pub fn exit_of_error(error: &SeederError) -> ExitCode {
    ExitCode::from(match error {
        SeederError::Folder { .. } | SeederError::Share(_) => 17,
        SeederError::Start(StartError::Identity { .. }) => 24,
        SeederError::Start(StartError::Listen { .. } | StartError::Network(_)) => 6,
    })
}

/// How a seeder that was stopped ends: SIGTERM is how services are asked to, so that is success.
pub fn exit_of_signal(signal: Signal) -> ExitCode {
    ExitCode::from(match signal {
        Signal::Terminate => 0,
        Signal::Interrupt => 130,
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

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
            [["--listen", "127.0.0.1:80"], ["--up", "fast"], ["--admin", "here"], ["--connections", "1"]]
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
    fn each_task_is_told_from_the_others() {
        assert!(matches!(Task::of(parse(&["sample-config"]).unwrap()), Task::Sample));
        assert!(matches!(
            Task::of(parse(&["serve", "--check-config"]).unwrap()),
            Task::Check { json: false, .. }
        ));
        assert!(matches!(Task::of(parse(&["serve", "--json"]).unwrap()), Task::Serve { json: true, .. }));
        assert!(parse(&[]).is_err());
    }
}
