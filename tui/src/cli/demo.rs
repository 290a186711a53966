//! `nearcast demo`: its options. [`crate::demo`] does the work.

use std::path::PathBuf;

use clap::Args;
use nearcast_service::signals::Signals;

use crate::{
    app::{ring::Ring, terminal},
    demo,
    error::CommandError,
    screen::Screen,
};

/// The fewest peers that show nearness: one in each of four networks, and two more in the largest.
const PEERS_MIN: u32 = 6;
/// Networks of six, three, two and one peers.
const PEERS_DEFAULT: u32 = 12;
/// Each peer is a whole node with its own copy of the content.
const PEERS_MAX: u32 = 60;

/// Options of `demo`.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// File or folder to distribute [default: 128 MiB made up for the occasion].
    #[arg(long, value_name = "PATH")]
    path: Option<PathBuf>,
    /// Number of peers, spread unevenly over four networks; 6 to 60.
    #[arg(long, value_name = "N", default_value_t = PEERS_DEFAULT, value_parser = peers())]
    peers: u32,
    /// Show the screen of one more peer, at a pace that people can follow; q ends it.
    #[arg(long)]
    screen: bool,
    #[arg(skip)]
    log: Ring,
}

impl Demo {
    pub(super) async fn run(self, screen: &Screen, signals: &Signals) -> Result<(), CommandError> {
        match self.screen {
            false => demo::run(self.path, self.peers, screen, signals).await,
            true if terminal::is_usable() => {
                demo::show(self.path, self.peers, screen, signals, self.log).await
            }
            true => Err(CommandError::BadOption("--screen needs a terminal".to_owned())),
        }
    }

    /// Where the log goes, if that is the screen.
    pub(super) fn log(&self) -> Option<Ring> {
        self.screen.then(|| self.log.clone())
    }
}

fn peers() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(i64::from(PEERS_MIN)..=i64::from(PEERS_MAX))
}
