//! Manual pages of a program, one for each of its commands, made from the texts of `--help`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgAction, Command, builder::Str};
use clap_mangen::{
    Man,
    roff::{Inline, Roff, bold, italic, roman},
};

/// The first words of the table of exit codes.
const EXIT_CODES: &str = "Exit codes";
/// The first word of the examples.
const EXAMPLES: &str = "Examples:";
/// The date of the text on the pages.
const DATE: &str = "2026-11-30";

/// The name of a command, and for each of its files the path and a description.
pub type Files = (&'static str, &'static [(&'static str, &'static str)]);

/// One manual page.
#[derive(Clone, Debug)]
pub struct Page {
    /// The name of its file, like `nearcast-get.1`.
    pub name: String,
    /// Its text, for troff.
    pub text: Vec<u8>,
}

/// A page that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct ManualError {
    /// The file or folder.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

/// Every page of a program.
pub fn pages(mut program: Command, files: &[Files]) -> Vec<Page> {
    program.build();
    let mut pages = Vec::new();
    collect(&program, files, &mut pages);
    pages
}

/// Writes every page of a program into a folder, which is made if it is not there. Gives the names of
/// the files.
///
/// # Errors
/// If a page cannot be written; those before it are there.
pub fn write(program: Command, files: &[Files], folder: &Path) -> Result<Vec<String>, ManualError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ManualError { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let mut names = Vec::new();
    for Page { name, text } in pages(program, files) {
        let path = folder.join(&name);
        fs::write(&path, text).map_err(failed(&path))?;
        names.push(name);
    }
    Ok(names)
}

fn collect(command: &Command, files: &[Files], pages: &mut Vec<Page>) {
    let name = full_name(command);
    let page = page(command, &name, files).expect("memory takes every write");
    pages.push(Page { name: format!("{name}.1"), text: page });
    command.get_subcommands().filter(|below| has_page(below)).for_each(|below| collect(below, files, pages));
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

fn page(command: &Command, name: &str, read: &[Files]) -> io::Result<Vec<u8>> {
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
    files(name, read, &mut out)?;
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
fn files(name: &str, read: &[Files], out: &mut Vec<u8>) -> io::Result<()> {
    let Some((_, rows)) = read.iter().find(|(command, _)| *command == name) else { return Ok(()) };
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

/// What pages of a program lack: a page for each command, and every option on it. For tests.
#[doc(hidden)]
pub fn lacks(mut program: Command, files: &[Files]) -> Vec<String> {
    let pages = pages(program.clone(), files);
    program.build();
    let mut lacks = Vec::new();
    look(&program, &pages, &mut lacks);
    lacks
}

fn look(command: &Command, pages: &[Page], lacks: &mut Vec<String>) {
    let name = full_name(command);
    let Some(page) = pages.iter().find(|page| page.name == format!("{name}.1")) else {
        return lacks.push(format!("{name} has no page"));
    };
    let text = plain(page);
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let flag = argument.get_long().map(|long| format!("--{long}")).unwrap_or_default();
        if !text.contains(&flag) {
            lacks.push(format!("{name}: {flag}"));
        }
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    for (title, is_there) in
        [("EXIT STATUS", after.contains(EXIT_CODES)), ("EXAMPLES", after.starts_with(EXAMPLES))]
    {
        if text.contains(title) != is_there {
            lacks.push(format!("{name}: {title}"));
        }
    }
    command.get_subcommands().filter(|below| has_page(below)).for_each(|below| look(below, pages, lacks));
}

/// The text of a page, without fonts and escapes. For tests.
#[doc(hidden)]
pub fn plain(page: &Page) -> String {
    let text = String::from_utf8_lossy(&page.text).into_owned();
    ["\\fB", "\\fI", "\\fR", "\\"].iter().fold(text, |text, mark| text.replace(mark, ""))
}
