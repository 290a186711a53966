//! `nearcast man`: a manual page for each command of every program, made of the same texts as `--help`.

use std::{fs, io, path::PathBuf};

use clap::{Args, Command};
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};
use nearcast_core::paths::printable;

use crate::{error::CommandError, screen::Screen, units::counted};

/// What the table of exit codes begins with.
const EXIT_CODES: &str = "Exit codes";

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
        fs::create_dir_all(&self.folder)
            .map_err(|source| CommandError::Io { path: self.folder.clone(), source })?;
        let pages = pages([command, nearcast_seeder::cli::command(), nearcast_tracker::cli::command()]);
        for (name, page) in &pages {
            let path = self.folder.join(name);
            fs::write(&path, page).map_err(|source| CommandError::Io { path, source })?;
        }
        let folder = printable(&self.folder.to_string_lossy());
        if self.json {
            let names: Vec<&String> = pages.iter().map(|(name, _)| name).collect();
            screen.data(&serde_json::json!({"folder": folder, "pages": names}).to_string());
        }
        screen.say(&format!("{} written to {folder}", counted(pages.len() as u32, "page")));
        Ok(())
    }
}

/// Every page: its file name, and what it says.
fn pages(programs: impl IntoIterator<Item = Command>) -> Vec<(String, Vec<u8>)> {
    let mut pages = Vec::new();
    for mut program in programs {
        program.build();
        collect(&program, &mut pages);
    }
    pages
}

fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) {
    let name = full_name(command);
    let page = page(command, &name).expect("memory takes every write");
    pages.push((format!("{name}.1"), page));
    let named = |below: &&Command| !below.is_hide_set() && below.get_name() != "help";
    command.get_subcommands().filter(named).for_each(|below| collect(below, pages));
}

/// `nearcast-key-new`: built commands know it with spaces.
fn full_name(command: &Command) -> String {
    command.get_bin_name().unwrap_or_else(|| command.get_name()).replace(' ', "-")
}

fn page(command: &Command, name: &str) -> io::Result<Vec<u8>> {
    let version = command.get_version().unwrap_or(env!("CARGO_PKG_VERSION")).to_owned();
    let exit_codes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let title = name.to_uppercase();
    let man = Man::new(command.clone().after_help(None::<&str>))
        .title(title)
        .source(format!("nearcast {version}"))
        .manual("nearcast");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    let named = |below: &Command| !below.is_hide_set() && below.get_name() != "help";
    if command.get_subcommands().any(named) {
        see_also(command, &mut out)?;
    }
    if !exit_codes.is_empty() {
        exit_status(&exit_codes, &mut out)?;
    }
    Ok(out)
}

fn see_also(command: &Command, out: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::default();
    roff.control("SH", ["COMMANDS"]);
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help")
    {
        let about = below.get_about().map(ToString::to_string).unwrap_or_default();
        roff.control("TP", []);
        roff.text([roman(format!("{}(1)", full_name(below)))]);
        roff.text([roman(about)]);
    }
    roff.to_writer(out)
}

/// The table at the end of `--help`, line by line as it is.
fn exit_status(table: &str, out: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::default();
    let codes = table.starts_with(EXIT_CODES);
    roff.control("SH", [if codes { "EXIT STATUS" } else { "NOTES" }]);
    roff.control("nf", []);
    for line in table.lines().filter(|line| !line.starts_with(EXIT_CODES)) {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff.to_writer(out)
}

/// Where a page of this command would be found.
#[cfg(test)]
fn written<'a>(pages: &'a [(String, Vec<u8>)], command: &Command) -> Option<&'a [u8]> {
    let name = format!("{}.1", full_name(command));
    pages.iter().find(|(page, _)| *page == name).map(|(_, text)| &text[..])
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn programs() -> [Command; 3] {
        [Cli::command(), nearcast_seeder::cli::command(), nearcast_tracker::cli::command()]
    }

    /// A page as read: without the marks of fonts and escapes.
    fn plain(page: &[u8]) -> String {
        let text = String::from_utf8(page.to_vec()).unwrap();
        ["\\fB", "\\fI", "\\fR", "\\"].iter().fold(text, |text, mark| text.replace(mark, ""))
    }

    fn check(command: &Command, pages: &[(String, Vec<u8>)]) -> usize {
        let page = written(pages, command).unwrap_or_else(|| panic!("no page of {}", full_name(command)));
        let text = plain(page);
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let flag = argument.get_long().map(|long| format!("--{long}")).unwrap_or_default();
            assert!(text.contains(&flag), "{flag} is missing in {}\n{text}", full_name(command));
        }
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert_eq!(text.contains("EXIT STATUS"), after.starts_with(EXIT_CODES), "{text}");
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        1 + below.map(|below| check(below, pages)).sum::<usize>()
    }

    #[test]
    fn every_command_has_a_page_and_every_flag_is_on_it() {
        let pages = pages(programs());
        let mut checked = 0;
        for mut program in programs() {
            program.build();
            checked += check(&program, &pages);
        }
        assert_eq!(checked, pages.len());
        assert!(pages.iter().any(|(name, _)| name == "nearcast-key-new.1"), "{checked} pages");
        assert!(pages.iter().any(|(name, _)| name == "nearcast-seeder-serve.1"), "{checked} pages");
        assert!(pages.iter().any(|(name, _)| name == "nearcast-tracker-serve.1"), "{checked} pages");
    }

    #[test]
    fn the_exit_codes_keep_their_lines() {
        let pages = pages(programs());
        let get = plain(
            written(&pages, &{
                let mut cli = Cli::command();
                cli.build();
                cli.find_subcommand("get").unwrap().clone()
            })
            .unwrap(),
        );
        let from = get.find(".nf").unwrap();
        let table = &get[from..get.find(".fi").unwrap()];
        for line in crate::exit::EXIT_CODES_HELP.lines().skip(1) {
            assert!(table.lines().any(|other| other == line), "{line}\n{table}");
        }
    }
}
