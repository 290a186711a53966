//! The program that shows what comes.

use std::{
    env, io,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::sync::oneshot;

/// Where the URL goes in a command.
const PLACE: &str = "{}";
/// The players that are looked for, and how they are called.
const KNOWN: [(&str, &[&str]); 4] = [
    ("mpv", &["--force-window=yes", "--no-terminal"]),
    ("vlc", &["--quiet"]),
    ("celluloid", &[]),
    ("ffplay", &["-loglevel", "error"]),
];
/// How long a player may take to end when it is asked to.
const END_MAX: Duration = Duration::from_secs(2);

/// How to start a player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nobody: the URL is told.
    Nobody,
    /// This program, with these arguments.
    Run(Vec<String>),
}

impl Plan {
    /// What `--player` says. Without it, a player that is installed.
    ///
    /// # Errors
    /// A sentence that says what to write.
    pub(super) fn of(wish: Option<&str>) -> Result<Plan, String> {
        let Some(wish) = wish else {
            let found = KNOWN.iter().find(|(name, _)| is_installed(name)).map(|(name, options)| {
                [*name].iter().chain(options.iter()).map(|&word| word.to_owned()).collect()
            });
            let advice =
                "no player is found: install mpv or vlc, name one with --player, or write --player none";
            return found.map(Plan::Run).ok_or_else(|| advice.to_owned());
        };
        if wish.trim() == "none" {
            return Ok(Plan::Nobody);
        }
        match words(wish) {
            Some(words) if !words.is_empty() => Ok(Plan::Run(words)),
            Some(_) => Err("--player: name a program, or none".to_owned()),
            None => Err(format!("--player: a quote is not closed in {wish}")),
        }
    }

    /// The words of the command for this URL. `None`: there is none.
    pub(super) fn command(&self, url: &str) -> Option<Vec<String>> {
        let Plan::Run(words) = self else { return None };
        let mut command: Vec<String> = words.iter().map(|word| word.replace(PLACE, url)).collect();
        if !words.iter().any(|word| word.contains(PLACE)) {
            command.push(url.to_owned());
        }
        Some(command)
    }
}

/// Splits a command into words as a shell does, as far as quotes go. `None`: a quote is not closed.
fn words(command: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().push(letters.next()?),
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

fn is_installed(name: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| Path::new(&folder).join(name).is_file())
}

/// A player that runs.
pub(super) struct Player {
    pid: Pid,
    ended: oneshot::Receiver<io::Result<ExitStatus>>,
}

impl Player {
    /// Starts a player. What it says goes to standard error: standard output is for data.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub(super) fn start(command: &[String]) -> io::Result<Player> {
        let [program, arguments @ ..] = command else { return Err(io::ErrorKind::InvalidInput.into()) };
        let mut child = Command::new(program).args(arguments).stdout(Stdio::from(io::stderr())).spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        let (tell, ended) = oneshot::channel();
        // The thread ends with the player.
        std::thread::Builder::new().name("player".to_owned()).spawn(move || {
            let ended = Child::wait(&mut child);
            // Nobody waits for it when the program ends.
            let _ = tell.send(ended);
        })?;
        Ok(Player { pid, ended })
    }

    /// Waits until it ends.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        (&mut self.ended).await.map_err(io::Error::other)?
    }

    /// Asks it to end, and ends it if it does not.
    pub(super) async fn stop(mut self) {
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            // An error says that it has ended. Its number is not given away before it is waited for,
            // which the thread may have done a moment ago: then the receiver knows.
            if self.ended.try_recv().is_ok() || kill(self.pid, signal).is_err() {
                return;
            }
            if tokio::time::timeout(END_MAX, &mut self.ended).await.is_ok() {
                return;
            }
        }
    }
}

/// How a player ended, if that is worth a word.
pub(super) fn trouble(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("the player ended with exit code {code}")),
        (None, Some(signal)) => Some(format!("the player was ended by signal {signal}")),
        (None, None) => Some("the player ended in an unknown way".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(wish: &str) -> Vec<String> {
        Plan::of(Some(wish)).unwrap().command("http://127.0.0.1:9/t/0/a.mp4").unwrap()
    }

    #[test]
    fn the_url_goes_where_the_braces_are_or_to_the_end() {
        assert_eq!(command("mpv"), ["mpv", "http://127.0.0.1:9/t/0/a.mp4"]);
        assert_eq!(command("vlc {} --loop"), ["vlc", "http://127.0.0.1:9/t/0/a.mp4", "--loop"]);
        assert_eq!(command("x --url={}"), ["x", "--url=http://127.0.0.1:9/t/0/a.mp4"]);
        assert_eq!(Plan::of(Some("none")), Ok(Plan::Nobody));
        assert_eq!(Plan::Nobody.command("x"), None);
    }

    #[test]
    fn words_are_split_as_a_shell_does_and_nothing_is_run_by_one() {
        assert_eq!(words("a 'b c' \"d \\\" e\" f\\ g ''").unwrap(), ["a", "b c", "d \" e", "f g", ""]);
        assert_eq!(words("a; rm $HOME `b`").unwrap(), ["a;", "rm", "$HOME", "`b`"]);
        assert_eq!(words("a 'b"), None);
        assert!(Plan::of(Some("'")).is_err() && Plan::of(Some(" ")).is_err());
    }
}
