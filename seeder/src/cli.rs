//! The seeder's command line.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};
use nearcast_node::{address::Address, error::StartError};

use crate::{
    config::{SeederConfig, default_state_dir},
    service::SeederError,
    signals::Signal,
    units::parse_rate,
};

const AFTER_HELP: &str = "\
Exit codes:
    0  stopped by SIGTERM        24  the identity cannot be used
    1  unknown error             28  wrong option
    6  cannot listen            130  stopped by SIGINT
   17  a folder cannot be used";

/// Serves contents to many people, and tells them of each other.
#[derive(Debug, Parser)]
#[command(name = "nearcast-seeder", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the process's arguments; a wrong line, `--help` and `--version` are answered here.
    ///
    /// # Errors
    /// The code to end with when there is nothing to do.
    pub fn parse_or_explain() -> Result<Cli, ExitCode> {
        Cli::try_parse().map_err(|error| {
            // Help that nobody can read is no reason for another error.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { EXIT_BAD_OPTION } else { 0 })
        })
    }
}

/// What a seeder can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve every .torrent under a folder whose data lies beside it.
    ///
    /// The folder is looked at again every 10 seconds. Prints "listening ADDRESS" for each address and then
    /// "ready" on standard output; everything else goes to standard error.
    #[command(after_help = AFTER_HELP)]
    Serve(Serve),
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Folder to serve; folders below are looked into, links are not followed.
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// Address to listen on [default: every interface, TCP and QUIC, any free port].
    ///
    /// Several are possible. Give a fixed port, such as /ip4/0.0.0.0/tcp/4800, when others write the
    /// address down.
    #[arg(long, value_name = "MULTIADDR")]
    pub listen: Vec<Address>,
    /// Bytes per second to send at most: 5M, 8MiB/s, 40Mbit [default: no limit].
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub up: Option<u64>,
    /// Admin listener; only "off" is possible in this version.
    #[arg(long, value_name = "off")]
    pub admin: Option<Admin>,
    /// Folder for what must survive a restart [default: $STATE_DIRECTORY, else $XDG_STATE_HOME/nearcast-seeder].
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Secret key of this server, made when missing [default: identity.key in the state folder].
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Print one JSON object a line on standard output instead of words.
    #[arg(long)]
    pub json: bool,
    /// How to write the log on standard error; RUST_LOG chooses what.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// Values of `--admin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Admin {
    /// No admin listener.
    Off,
}

/// Values of `--log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Serve {
    /// What the options mean; none when there is no place for the identity.
    pub fn config(&self) -> Option<SeederConfig> {
        let in_state_dir = || Some(self.state_dir.clone().or_else(default_state_dir)?.join("identity.key"));
        Some(SeederConfig {
            root: Some(self.root.clone()),
            listen: self.listen.clone(),
            up: self.up,
            identity: Some(self.identity.clone().or_else(in_state_dir)?),
        })
    }
}

/// A wrong command line ends as in `nearcast`.
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
    use clap::CommandFactory;

    use super::*;

    fn serve(arguments: &[&str]) -> Result<Serve, clap::Error> {
        let all = ["nearcast-seeder", "serve", "--root", "/srv"].iter().chain(arguments);
        Cli::try_parse_from(all).map(|cli| match cli.command {
            Command::Serve(serve) => serve,
        })
    }

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_become_a_configuration() {
        let serve = serve(&[
            "--listen",
            "/ip4/127.9.0.1/tcp/0",
            "--up",
            "40Mbit",
            "--admin",
            "off",
            "--state-dir",
            "/state",
        ]);
        let config = serve.unwrap().config().unwrap();
        assert_eq!(config.root, Some("/srv".into()));
        assert_eq!(config.listen.len(), 1);
        assert_eq!(config.up, Some(5_000_000));
        assert_eq!(config.identity, Some("/state/identity.key".into()));
    }

    #[test]
    fn an_identity_by_name_wins_over_the_state_folder() {
        let serve = serve(&["--identity", "/k", "--state-dir", "/state"]).unwrap();
        assert_eq!(serve.config().unwrap().identity, Some("/k".into()));
    }

    #[test]
    fn wrong_addresses_rates_and_admin_values_are_refused() {
        for wrong in [["--listen", "127.0.0.1:80"], ["--up", "fast"], ["--admin", "127.0.0.1:9"]] {
            assert!(serve(&wrong).is_err(), "{wrong:?}");
        }
    }
}
