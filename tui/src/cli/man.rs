//! `nearcast man`: a manual page for each of our commands.

use std::path::PathBuf;

use clap::{Args, Command};
use nearcast_core::paths::printable;
use nearcast_service::manual::{self, Files};

use crate::{error::CommandError, screen::Screen, units::counted};

static FILES: [Files; 3] = [
    (
        "nearcast",
        &[
            ("$XDG_STATE_HOME/nearcast/screen.json", "What the screen has open (~/.local/state)."),
            ("$XDG_STATE_HOME/nearcast/torrents", "Copies of the .torrent files that it needs for that."),
        ],
    ),
    (
        "nearcast-get",
        &[
            (
                "/etc/nearcast/client.toml",
                "Settings for everybody on this machine; see nearcast sample-config.",
            ),
            (
                "$XDG_CONFIG_HOME/nearcast/client.toml",
                "Settings of one user (~/.config), which win over those.",
            ),
            ("NAME.part", "A file that is not complete yet."),
            (
                ".NAME.….nearcast",
                "A hidden folder beside it, with what is needed to go on; it disappears at the end.",
            ),
            (
                "$XDG_STATE_HOME/nearcast",
                "What was complete, so that it need not be checked again, and directories that were named \
                 (directories.txt; ~/.local/state).",
            ),
            ("$XDG_CACHE_HOME/nearcast", "The last good atlas of --atlas auto (~/.cache)."),
        ],
    ),
    (
        "nearcast-publish",
        &[("NAME.torrent", "The metainfo, in the current folder unless --output says otherwise.")],
    ),
];

/// Options of `man`.
#[derive(Debug, Args)]
pub(super) struct ManPages {
    /// Folder to write to, made if it is not there; for man to find them, one named man1 below a folder in
    /// MANPATH.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print the names of the files written, one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

impl ManPages {
    pub(super) fn run(&self, command: Command, screen: &Screen) -> Result<(), CommandError> {
        let names = manual::write(command, &FILES, &self.folder)
            .map_err(|error| CommandError::Io { path: error.path, source: error.source })?;
        let folder = printable(&self.folder.to_string_lossy());
        if self.json {
            screen.data(&serde_json::json!({"folder": folder, "pages": names}).to_string());
        }
        screen.say(&format!("{} written to {folder}", counted(names.len() as u32, "page")));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn named(name: &str) -> String {
        let pages = manual::pages(Cli::command(), &FILES);
        let page = pages.iter().find(|page| page.name == name).unwrap_or_else(|| panic!("{name}"));
        manual::plain(page)
    }

    #[test]
    fn every_command_has_a_page_and_every_flag_is_on_it() {
        assert_eq!(manual::lacks(Cli::command(), &FILES), Vec::<String>::new());
        let pages = manual::pages(Cli::command(), &FILES);
        let names: BTreeSet<&String> = pages.iter().map(|page| &page.name).collect();
        assert_eq!(names.len(), pages.len(), "no page is written over another");
        assert!(names.iter().any(|name| *name == "nearcast-key-new.1"), "{names:?}");
    }

    #[test]
    fn a_page_says_how_a_command_is_written_and_which_files_it_reads() {
        let get = named("nearcast-get.1");
        for part in ["[--peer ADDRESS]…", "[--down RATE]", "client.toml", "nearcast get"] {
            assert!(get.contains(part), "{part}\n{get}");
        }
        assert!(!get.contains("--nearness"));
        assert!(named("nearcast-publish.1").contains("EXAMPLES"));
        for (command, files) in &FILES {
            let page = named(&format!("{command}.1"));
            files.iter().for_each(|(path, _)| assert!(page.contains(path), "{path}\n{page}"));
        }
    }

    #[test]
    fn the_exit_codes_keep_their_lines() {
        let get = named("nearcast-get.1");
        let table = &get[get.find("EXIT STATUS").unwrap()..];
        let table = &table[..table.find(".fi").unwrap()];
        for line in crate::exit::EXIT_CODES_HELP.lines().skip(1) {
            assert!(table.lines().any(|other| other == line), "{line}\n{table}");
        }
    }
}
