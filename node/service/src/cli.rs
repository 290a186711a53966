//! The `serve` command, the same for every service: an option for each setting, `--config`,
//! `--check-config` and `--json`.

use std::{path::PathBuf, process::ExitCode};

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint,
    builder::{OsStringValueParser, TypedValueParser},
    value_parser,
};
use nearcast_node::error::StartError;

use crate::{
    config::{CONFIG, Sources, config_variable},
    setting::{About, Kind, Setting},
    signals::Signal,
};

const CHECK: &str = "check-config";
const JSON: &str = "json";
const QUIET: &str = "quiet";

/// Exit code for a wrong command line or configuration, as in `nearcast`.
pub const EXIT_BAD_OPTION: u8 = 28;
/// Exit code for a listener that cannot be opened.
pub const EXIT_NETWORK: u8 = 6;
/// Exit code for a folder or file that cannot be used.
pub const EXIT_IO: u8 = 17;
/// Exit code for a key that cannot be used.
pub const EXIT_AUTH: u8 = 24;

/// The exit codes, as text for the manual of every service.
pub const EXIT_CODES: &str = "\
Exit codes:
    0  stopped by SIGTERM        24  the identity cannot be used
    1  unknown error             28  wrong option or configuration
    6  cannot listen            130  stopped by SIGINT
   17  a folder cannot be used";

/// The arguments of `serve`.
#[derive(Clone, Debug)]
pub struct Serve<S> {
    /// Where settings come from.
    pub sources: Sources<S>,
    /// Report the problems of the configuration, or its values, instead of serving.
    pub check: bool,
    /// Print JSON.
    pub json: bool,
    /// With `check`: print only problems.
    pub quiet: bool,
}

impl<S: Setting> FromArgMatches for Serve<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Told { sources, check } = Told::from_arg_matches(matches)?;
        Ok(Serve { sources, check, json: matches.get_flag(JSON), quiet: matches.get_flag(QUIET) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<S: Setting> Args for Serve<S> {
    fn augment_args(command: Command) -> Command {
        let json = flag(JSON, "Print one JSON object a line on standard output instead of words");
        let quiet = flag(QUIET, "With --check-config: say only what is wrong").requires(CHECK);
        Told::<S>::augment_args(command).args([json, quiet])
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The arguments of a command that has settings.
#[derive(Clone, Debug)]
pub struct Told<S> {
    /// Where settings come from.
    pub sources: Sources<S>,
    /// Report the problems of the configuration, or its values, and do nothing else.
    pub check: bool,
}

impl<S: Setting> FromArgMatches for Told<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Told { sources: Sources::new(matches.clone()), check: matches.get_flag(CHECK) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<S: Setting> Args for Told<S> {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Read this file instead of those in /etc and the home folder")
            .long_help(format!(
                "Read this file instead of those in /etc and the home folder.\n\n[env: {}]",
                config_variable::<S>()
            ));
        let check = flag(CHECK, "Say what is wrong with the configuration, or what it comes to, and end")
            .visible_alias("print-config")
            .long_help(
                "Say what is wrong with the configuration, or what it comes to and where each value is from, and \
                 end. The exit code is 0 or 28.",
            );
        command.args(S::table().iter().map(option)).args([config, check])
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn option<S: Setting>(about: &'static About<S>) -> Arg {
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
        .long_help(format!("{} {}\n\n[env: {variable}]{default}", about.short, about.long))
        .hide(about.setting.is_hidden());
    let option = match about.kind {
        Kind::Path | Kind::Paths | Kind::PathOr(_) | Kind::PathsOr(_) => {
            option.value_hint(ValueHint::AnyPath)
        }
        _ => option,
    };
    let option = match about.setting.heading() {
        Some(heading) => option.help_heading(heading),
        None => option,
    };
    let option = match about.setting.letter() {
        Some(letter) => option.short(letter),
        None => option,
    };
    match about.kind {
        kind if kind.is_list() => option.action(ArgAction::Append),
        // The bare option means yes. `--publish=false` overrides a file.
        Kind::Switch => option.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => option,
    }
}

/// Why a node could not start, with what the user can do about it.
pub fn start_error_in_words(error: &StartError) -> String {
    let advice = match error {
        StartError::Listen { reason, .. } if reason.contains("in use") => {
            "; name another with --listen, where port 0 is any that is free"
        }
        StartError::Listen { .. }
        | StartError::Identity { .. }
        | StartError::Flight { .. }
        | StartError::Network(_) => "",
    };
    format!("{error}{advice}")
}

/// The exit code for a node that could not start.
pub fn exit_of_start(error: &StartError) -> u8 {
    match error {
        StartError::Identity { .. } => EXIT_AUTH,
        StartError::Flight { .. } => EXIT_IO,
        StartError::Listen { .. } | StartError::Network(_) => EXIT_NETWORK,
    }
}

/// The exit code after a signal. SIGTERM is the usual way to stop a service, so it counts as
/// success.
pub fn exit_of_signal(signal: Signal) -> ExitCode {
    ExitCode::from(match signal {
        Signal::Terminate => 0,
        Signal::Interrupt => 130,
        Signal::Hangup => 129,
    })
}
