//! Scripts with which shells complete the command lines of a program.

use std::io::{self, Write};

use clap::Command;
pub use clap_complete::Shell;

/// Writes the script for a shell to standard output.
///
/// # Errors
/// If standard output cannot be written. A reader that has enough is no error.
pub fn print(shell: Shell, program: &Command) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(&script(shell, program)).and_then(|()| out.flush()) {
        // The reader closed the pipe because it has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// The script for a shell.
pub fn script(shell: Shell, program: &Command) -> Vec<u8> {
    let mut command = visible(program);
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    match shell {
        Shell::Bash => files_first(&String::from_utf8_lossy(&script)).into_bytes(),
        _ => script,
    }
}

/// Changes the bash script for commands that take only options and files: for an empty word bash
/// offers files, as for any other command, and options only after a dash. The generated script
/// would offer the options.
fn files_first(script: &str) -> String {
    const OFFER: &str = "COMPREPLY=( $(compgen -W \"${opts}\" -- \"${cur}\") )";
    let (mut takes_files, mut offers, mut lines) = (false, 0, Vec::new());
    for line in script.lines() {
        if let Some(words) = line.trim_start().strip_prefix("opts=\"") {
            takes_files = words.trim_end_matches('"').split(' ').all(|word| word.starts_with('-'));
            offers = 0;
        }
        offers += u32::from(line.trim_start() == OFFER);
        match line.split_once(" || ${COMP_CWORD} -eq ") {
            Some((before, _)) if takes_files => lines.push(format!("{before} ]] ; then")),
            // The generator offers options twice: first for a word that begins with a dash, then
            // for any other word.
            None if takes_files && offers == 2 => lines.push(line.replace(OFFER, "COMPREPLY=()")),
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

/// The command without its hidden parts, which some shells would offer.
fn visible(command: &Command) -> Command {
    let mut shown = Command::new(command.get_name().to_owned());
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let below = command.get_subcommands().filter(|below| !below.is_hide_set());
    shown.args(arguments.cloned()).subcommands(below.map(visible))
}
