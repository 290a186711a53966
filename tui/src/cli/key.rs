//! `nearcast key`: makes and shows a publisher's keys.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use nearcast_core::paths::printable;
use nearcast_node::key::SecretKey;
use serde_json::json;

use crate::{error::CommandError, exit::EXIT_CODES_HELP, screen::Screen};

/// What to do with a key.
#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a key in a new file, and print its public half.
    ///
    /// Only its owner can read the file, and nothing that is there is ever replaced. Keep a copy in a safe
    /// place: whoever has it publishes in your name, and without it you cannot. The file has the same form as
    /// the one of --identity.
    #[command(after_help = EXIT_CODES_HELP)]
    New(File),
    /// Print the public half of a key, for --signed-by.
    #[command(after_help = EXIT_CODES_HELP)]
    Show(File),
}

#[derive(Debug, Args)]
struct File {
    /// The file of the secret key.
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Key {
    pub(super) fn json(&self) -> bool {
        let (Act::New(file) | Act::Show(file)) = &self.act;
        file.json
    }

    pub(super) fn run(&self, screen: &Screen) -> Result<(), CommandError> {
        match &self.act {
            Act::New(file) => {
                let key = SecretKey::create(&file.path)?;
                file.print(&key, screen);
                screen.say(&format!("the secret half is in {}; keep it so", shown(&file.path)));
            }
            Act::Show(file) => file.print(&SecretKey::load(&file.path)?, screen),
        }
        Ok(())
    }
}

impl File {
    fn print(&self, key: &SecretKey, screen: &Screen) {
        let public = key.public().to_string();
        match self.json {
            true => screen.data(&json!({"key": public, "file": shown(&self.path)}).to_string()),
            false => screen.data(&public),
        }
    }
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}
