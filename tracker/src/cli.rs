//! The tracker's command line.

mod atlas;
mod build;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use nearcast_service::{
    cli::{EXIT_BAD_OPTION, EXIT_CODES, Serve},
    manual::Files,
    output::fail,
    run::serve,
    texts,
};

use crate::{config::sample, run::Serving, setting::Setting};

const SERVE_LONG: &str = "\
Answer who has what, near whom.

Prints \"listening ADDRESS\" for each address, \"admin http://ADDRESS\", and then \"ready\" on standard output. \
Everything else goes to standard error.

Each option can be set in the environment, too (--listen as NEARCAST_TRACKER_LISTEN), or in a file (listen = \
[\"/ip4/0.0.0.0/tcp/4810\"]): /etc/nearcast/tracker.toml, then $XDG_CONFIG_HOME/nearcast/tracker.toml; see \
sample-config. SIGHUP has the files read again, those of --atlas and --allow, too: a file that is wrong changes nothing, \
and what cannot change while running is named. SIGTERM writes down who is known and says goodbye; a second signal \
ends at once.";

/// The files that commands read or write, for the manual.
static FILES: [Files; 1] = [(
    "nearcast-tracker-serve",
    &[
        ("/etc/nearcast/tracker.toml", "Settings; see nearcast-tracker sample-config."),
        ("$XDG_CONFIG_HOME/nearcast/tracker.toml", "Settings of one user (~/.config), which win over those."),
        ("$XDG_STATE_HOME/nearcast-tracker", "Identity and database (~/.local/state); see --state-dir."),
    ],
)];

/// Tells peers who has what near them, and knows from BGP where everybody is.
#[derive(Debug, Parser)]
#[command(name = "nearcast-tracker", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer who has what, near whom.
    #[command(long_about = SERVE_LONG, after_help = EXIT_CODES)]
    Serve(Serve<Setting>),
    /// Make an atlas from BGP data, or ask one.
    #[command(subcommand)]
    Atlas(Box<atlas::Atlas>),
    /// Print a configuration file that sets nothing and explains everything.
    #[command(
        after_help = "It goes to standard output: nearcast-tracker sample-config > /etc/nearcast/tracker.toml"
    )]
    SampleConfig,
}

impl Cli {
    /// Parses the arguments of the process. Wrong arguments, `--help`, `--version` and the commands
    /// that print the program's own texts are answered here.
    ///
    /// # Errors
    /// The exit code, if there is nothing to do.
    pub fn parse_or_explain() -> Result<Cli, ExitCode> {
        let explain = |error: clap::Error| {
            // If nobody can read the help, that is no further error.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { EXIT_BAD_OPTION } else { 0 })
        };
        let matches = command().try_get_matches().map_err(explain)?;
        if let Some(done) = matches.subcommand().and_then(|told| texts::run(told, command(), &FILES)) {
            return Err(done);
        }
        Cli::from_arg_matches(&matches).map_err(explain)
    }

    /// Runs the command. Returns the exit code.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Serve(told) => serve::<Serving>(told),
            Command::Atlas(told) => told.run(),
            Command::SampleConfig => match io::stdout().write_all(sample().as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&format!("cannot write the sample: {error}"), 1),
            },
        }
    }
}

/// The whole command line, for manuals.
pub fn command() -> clap::Command {
    Cli::command().subcommands(texts::commands())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::TABLE;

    #[test]
    fn every_command_has_a_page_and_every_flag_is_on_it() {
        assert_eq!(nearcast_service::manual::lacks(command(), &FILES), Vec::<String>::new());
    }

    #[test]
    fn the_command_tree_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn wrong_values_are_refused_before_anything_is_done() {
        for wrong in
            [["--listen", "here.example:80"], ["--bmp", "5000"], ["--admin", "here"], ["--connections", "1"]]
        {
            let line = ["nearcast-tracker", "serve"].iter().chain(&wrong);
            let error = Cli::try_parse_from(line).unwrap_err().to_string();
            assert!(error.contains(wrong[0]), "{error}");
        }
        assert!(Cli::try_parse_from(["nearcast-tracker"]).is_err());
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
    fn wrong_lines_about_atlases_are_refused_and_right_ones_are_not() {
        let parse = |line: &[&str]| Cli::try_parse_from(["nearcast-tracker", "atlas"].iter().chain(line));
        for wrong in [
            &["build", "--rib", "x"][..],
            &["build", "-o", "x", "--tier1", "x", "--rib", "y"],
            &["lookup", "x"],
            &["path", "x", "192.0.2.1"],
            &[],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        for right in [
            &["build", "--rib", "x", "y", "--updates", "z", "--names", "n", "-o", "x", "--json"][..],
            &["build", "--prefix2as", "x", "--tier1", "1,AS2", "-o", "x", "--quiet"],
            &["build", "--sites", "x", "-o", "x", "--allow-loss"],
            &["lookup", "x", "192.0.2.256", "-"],
            &["lookup", "x", "192.0.2.1", "2001:db8::1"],
            &["path", "x", "192.0.2.1", "2001:db8::1", "--json"],
            &["stats", "x"],
        ] {
            assert!(parse(right).is_ok(), "{right:?}");
        }
    }
}
