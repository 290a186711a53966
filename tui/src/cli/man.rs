//! `nearcast man`: a manual page for each command of every program, made from the texts of
//! `--help`.

use std::{fs, io, path::PathBuf};

use clap::{Arg, ArgAction, Args, Command, builder::Str};
use clap_mangen::{
    Man,
    roff::{Inline, Roff, bold, italic, roman},
};
use nearcast_core::paths::printable;

use crate::{error::CommandError, screen::Screen, units::counted};

/// The first words of the table of exit codes.
const EXIT_CODES: &str = "Exit codes";
/// The first word of the examples.
const EXAMPLES: &str = "Examples:";
/// The date of the text on the pages.
const DATE: &str = "2026-11-30";

/// The name of a command, and for each of its files the path and a description.
type Files = (&'static str, &'static [(&'static str, &'static str)]);

static FILES: [Files; 4] = [
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
                "What was complete, so that it need not be checked again (~/.local/state).",
            ),
            ("$XDG_CACHE_HOME/nearcast", "The last good atlas of --atlas auto (~/.cache)."),
        ],
    ),
    (
        "nearcast-publish",
        &[("NAME.torrent", "The metainfo, in the current folder unless --output says otherwise.")],
    ),
    (
        "nearcast-seeder-serve",
        &[
            ("/etc/nearcast/seeder.toml", "Settings; see nearcast-seeder sample-config."),
            (
                "$XDG_CONFIG_HOME/nearcast/seeder.toml",
                "Settings of one user (~/.config), which win over those.",
            ),
            ("$XDG_STATE_HOME/nearcast-seeder", "The identity (~/.local/state); see --state-dir."),
        ],
    ),
    (
        "nearcast-tracker-serve",
        &[
            ("/etc/nearcast/tracker.toml", "Settings; see nearcast-tracker sample-config."),
            (
                "$XDG_CONFIG_HOME/nearcast/tracker.toml",
                "Settings of one user (~/.config), which win over those.",
            ),
            ("$XDG_STATE_HOME/nearcast-tracker", "Identity and database (~/.local/state); see --state-dir."),
        ],
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

/// Every page: its file name and its text.
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
    command.get_subcommands().filter(|below| has_page(below)).for_each(|below| collect(below, pages));
}

/// Whether the command gets a page. `nearcast tracker` gets none: the page of the program
/// `nearcast-tracker` has the same name and describes it.
fn has_page(below: &Command) -> bool {
    !below.is_hide_set() && below.get_name() != "help" && full_name(below) != "nearcast-tracker"
}

/// The name with dashes, like `nearcast-key-new`: built commands have spaces in it.
fn full_name(command: &Command) -> String {
    command.get_bin_name().unwrap_or_else(|| command.get_name()).replace(' ', "-")
}

fn page(command: &Command, name: &str) -> io::Result<Vec<u8>> {
    let version = command.get_version().unwrap_or(env!("CARGO_PKG_VERSION")).to_owned();
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (examples, exit_codes) = after.split_at(after.find(EXIT_CODES).unwrap_or(0));
    let title = name.to_uppercase();
    let man = Man::new(command.clone().after_help(None::<&str>))
        .title(title)
        .date(DATE)
        .source(format!("nearcast {version}"))
        .manual("nearcast");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    synopsis(command, &mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    let named = |below: &Command| !below.is_hide_set() && below.get_name() != "help";
    if command.get_subcommands().any(named) {
        see_also(command, &mut out)?;
    }
    if !examples.is_empty() {
        verbatim("EXAMPLES", examples.lines().filter(|line| !line.starts_with(EXAMPLES)), &mut out)?;
    }
    files(name, &mut out)?;
    if !exit_codes.is_empty() {
        exit_status(exit_codes, &mut out)?;
    }
    Ok(out)
}

/// The synopsis: the command with each option and its value.
fn synopsis(command: &Command, out: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::default();
    roff.control("SH", ["SYNOPSIS"]);
    let mut line = vec![bold(command.get_bin_name().unwrap_or_else(|| command.get_name()))];
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        line.push(roman(" "));
        line.extend(mentioned(argument));
    }
    if command.has_subcommands() {
        line.extend([roman(" "), italic("COMMAND"), roman(" …")]);
    }
    roff.text(line);
    roff.to_writer(out)
}

/// `[--peer ADDRESS]…`, or the same for a positional argument.
fn mentioned(argument: &Arg) -> Vec<Inline> {
    let values = argument.get_value_names().unwrap_or_default().iter().map(Str::as_str).collect::<Vec<_>>();
    let takes = argument.get_action().takes_values();
    let many = matches!(argument.get_action(), ArgAction::Append | ArgAction::Count)
        || argument.get_num_args().is_some_and(|range| range.max_values() > 1);
    let name = match (argument.get_long(), argument.get_short()) {
        (Some(long), _) => Some(format!("--{long}")),
        (None, Some(short)) => Some(format!("-{short}")),
        (None, None) => None,
    };
    let (open, close) = if argument.is_required_set() { ("", "") } else { ("[", "]") };
    let mut parts = vec![roman(open)];
    if let Some(name) = &name {
        parts.push(bold(name.clone()));
    }
    if takes && !values.is_empty() {
        if name.is_some() {
            parts.push(roman(" "));
        }
        parts.push(italic(values.join(" ")));
    }
    parts.push(roman(format!("{close}{}", if many { "…" } else { "" })));
    parts
}

/// The section on the files that a command reads or writes. Most commands have none.
fn files(name: &str, out: &mut Vec<u8>) -> io::Result<()> {
    let Some((_, rows)) = FILES.iter().find(|(command, _)| *command == name) else { return Ok(()) };
    let mut roff = Roff::default();
    roff.control("SH", ["FILES"]);
    for (path, what) in *rows {
        roff.control("TP", []);
        roff.text([italic(*path)]);
        roff.text([roman(*what)]);
    }
    roff.to_writer(out)
}

fn verbatim<'a>(title: &str, lines: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::default();
    roff.control("SH", [title]);
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(line.trim_start())]);
    }
    roff.control("fi", []);
    roff.to_writer(out)
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

/// The table at the end of `--help`, with its lines unchanged.
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

/// The page of this command, if it was made.
#[cfg(test)]
fn written<'a>(pages: &'a [(String, Vec<u8>)], command: &Command) -> Option<&'a [u8]> {
    let name = format!("{}.1", full_name(command));
    pages.iter().find(|(page, _)| *page == name).map(|(_, text)| &text[..])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn programs() -> [Command; 3] {
        [Cli::command(), nearcast_seeder::cli::command(), nearcast_tracker::cli::command()]
    }

    /// The text of a page, without fonts and escapes.
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
        assert_eq!(text.contains("EXIT STATUS"), after.contains(EXIT_CODES), "{text}");
        assert_eq!(text.contains("EXAMPLES"), after.starts_with(EXAMPLES), "{text}");
        let below = command.get_subcommands().filter(|below| has_page(below));
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
        let names: BTreeSet<&String> = pages.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), pages.len(), "no page is written over another");
        assert!(pages.iter().any(|(name, _)| name == "nearcast-key-new.1"), "{checked} pages");
        assert!(pages.iter().any(|(name, _)| name == "nearcast-seeder-serve.1"), "{checked} pages");
        assert!(pages.iter().any(|(name, _)| name == "nearcast-tracker-serve.1"), "{checked} pages");
    }

    #[test]
    fn a_page_says_how_a_command_is_written_and_which_files_it_reads() {
        let pages = pages(programs());
        let named = |name: &str| {
            let page = pages.iter().find(|(page, _)| page == name).unwrap_or_else(|| panic!("{name}"));
            plain(&page.1)
        };
        let get = named("nearcast-get.1");
        for part in ["[--peer ADDRESS]…", "[--down RATE]", "client.toml", "nearcast get", DATE] {
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
        let pages = pages(programs());
        let get = plain(
            written(&pages, &{
                let mut cli = Cli::command();
                cli.build();
                cli.find_subcommand("get").unwrap().clone()
            })
            .unwrap(),
        );
        let table = &get[get.find("EXIT STATUS").unwrap()..];
        let table = &table[..table.find(".fi").unwrap()];
        for line in crate::exit::EXIT_CODES_HELP.lines().skip(1) {
            assert!(table.lines().any(|other| other == line), "{line}\n{table}");
        }
    }
}
