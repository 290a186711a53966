//! The command tree, and how a command runs and ends.

mod completions;
mod demo;
mod full_screen;
mod get;
mod info;
mod key;
mod man;
mod play;
mod publish;
mod verify;

use std::time::Duration;

use clap::{ArgAction, CommandFactory, Parser, Subcommand};
use nearcast_service::signals::Signals;

use crate::{
    READ_WITHIN,
    door::{Door, Passed},
    error::CommandError,
    exit::{EXIT_CODES_HELP, Exit},
    log::{self, LogFormat},
    report::event,
    screen::Screen,
};

/// Help heading of the options that decide what is printed.
const TOLD: &str = "What is told";

/// Delivers large files by letting the people who want them help each other, nearest first.
#[derive(Debug, Parser)]
///
/// Without a command, in a terminal: the screen. It lists downloads, shows who gives what, and adds, pauses and removes
/// with single keys; ? shows them all. What is open goes on the next time. Folder, peers, trackers, limits and the rest are
/// set as for nearcast get, in client.toml or by variables: nearcast get --print-config. Where there is no terminal,
/// this help is shown.
#[command(name = "nearcast", version, after_help = EXIT_CODES_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    full_screen: full_screen::FullScreen,
    /// Log more of what goes on, on standard error; twice for still more. Without it RUST_LOG chooses what is
    /// logged, else warnings are.
    #[arg(long, short, global = true, action = ArgAction::Count, help_heading = TOLD)]
    verbose: u8,
    /// How to write the log on standard error.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", help_heading = TOLD)]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a .torrent of a file or folder, and print the link to it.
    ///
    /// The magnet link is the only thing on standard output. Serve the result with nearcast-seeder: put
    /// the .torrent beside the data.
    #[command(after_help = after(publish::EXAMPLES))]
    Publish(publish::Publish),
    /// Download contents by link or .torrent file.
    ///
    /// Run the same command again to continue where it stopped: everything is checked against its hash,
    /// and nothing that is right is downloaded twice.
    ///
    /// While it runs on a terminal, p shows and hides the list of peers, q ends it as Ctrl-C does, and h tells the keys. The
    /// signal SIGUSR1 has it print that list once, wherever its output goes. A list of downloads that is read from the terminal
    /// (get -) leaves no keys.
    #[command(after_help = after(get::EXAMPLES))]
    Get(Box<get::Get>),
    /// Show a film while it comes, in a player of yours.
    ///
    /// Starts the player with a URL on this machine. What it shows next is fetched first, from peers as far as they bring it in
    /// time; nothing is shown that was not checked against its hash. Ends with the player. What came is kept: the same
    /// command goes on where it stopped, and nearcast get fetches the rest.
    #[command(after_help = after(play::EXAMPLES))]
    Play(Box<play::Play>),
    /// Serve contents to many people: the program nearcast-seeder.
    ///
    /// The same as nearcast-seeder serve, which lies beside nearcast or in PATH and comes in a package of its own. All that
    /// stands behind the word is passed on: nearcast serve --root /srv/media, nearcast serve --help.
    #[command(disable_help_flag = true, after_help = EXIT_CODES_HELP)]
    Serve(Passed),
    /// Tell peers who has what near them: the program nearcast-tracker.
    ///
    /// The same as nearcast-tracker, which lies beside nearcast or in PATH and comes in a package of its own. All that
    /// stands behind the word is passed on: nearcast tracker serve, nearcast tracker atlas --help.
    #[command(disable_help_flag = true, after_help = EXIT_CODES_HELP)]
    Tracker(Passed),
    /// Tell what a link or .torrent file names.
    #[command(after_help = EXIT_CODES_HELP)]
    Info(info::Info),
    /// Check data on disk against a .torrent file.
    #[command(after_help = EXIT_CODES_HELP)]
    Verify(verify::Verify),
    /// Show how peers help each other: an origin and several peers on this machine.
    ///
    /// Starts everything in this process, over real sockets, in four pretended networks (127.1.0.x to
    /// 127.4.0.x and 127.11.0.x to 127.14.0.x; the origin is 127.9.0.1), downloads to a temporary folder
    /// (TMPDIR), checks every copy and removes them again. Needs room for one copy a peer and one for the
    /// origin.
    #[command(after_help = EXIT_CODES_HELP)]
    Demo(demo::Demo),
    /// Make and show keys that publishers sign with.
    #[command(after_help = EXIT_CODES_HELP)]
    Key(key::Key),
    /// Print a client.toml that sets nothing and explains everything.
    #[command(
        after_help = EXIT_CODES_HELP,
        long_about = "Print a client.toml that sets nothing and explains everything.\n\nIt goes to standard output: \
                      nearcast sample-config > ~/.config/nearcast/client.toml"
    )]
    SampleConfig,
    /// Print a script that completes command lines of nearcast.
    ///
    /// For bash: nearcast completions bash > ~/.local/share/bash-completion/completions/nearcast
    #[command(after_help = EXIT_CODES_HELP)]
    Completions(completions::Completions),
    /// Write the manual pages of nearcast, nearcast-seeder and nearcast-tracker.
    #[command(after_help = EXIT_CODES_HELP)]
    Man(man::ManPages),
}

/// The text below the options in `--help`.
fn after(examples: &str) -> String {
    format!("{examples}\n\n{EXIT_CODES_HELP}")
}

impl Command {
    fn json(&self) -> bool {
        match self {
            Command::Publish(publish) => publish.json,
            Command::Get(get) => get.json,
            Command::Play(play) => play.json,
            Command::Info(info) => info.json,
            Command::Verify(verify) => verify.json,
            Command::Key(key) => key.json(),
            Command::Man(man) => man.json,
            Command::Demo(_) | Command::Completions(_) | Command::SampleConfig => false,
            Command::Serve(_) | Command::Tracker(_) => false,
        }
    }

    fn quiet(&self) -> bool {
        match self {
            Command::Publish(publish) => publish.quiet,
            Command::Get(get) => get.quiet,
            Command::Play(play) => play.quiet,
            Command::Verify(verify) => verify.quiet,
            Command::Info(_) | Command::Key(_) | Command::Man(_) => false,
            Command::Demo(_) | Command::Completions(_) | Command::SampleConfig => false,
            Command::Serve(_) | Command::Tracker(_) => false,
        }
    }
}

impl Cli {
    /// The terminal, set up for this command.
    pub(crate) fn screen(&self) -> Screen {
        let told = |told: fn(&Command) -> bool| self.command.as_ref().is_some_and(told);
        Screen::new(told(Command::quiet), told(Command::json))
    }

    /// Starts the log as the options say.
    pub(crate) fn start_log(&self, screen: &Screen) {
        let ring = match &self.command {
            None => Some(self.full_screen.log()),
            Some(Command::Demo(demo)) => demo.log(),
            Some(_) => None,
        };
        match ring {
            Some(ring) => log::start(move || ring.clone(), self.verbose, self.log_format),
            None => {
                let screen = screen.clone();
                log::start(move || screen.log(), self.verbose, self.log_format);
            }
        }
    }

    /// Runs the command and prints its error, if it fails. A second signal ends the command at
    /// once.
    pub(crate) async fn run(self, screen: &Screen) -> Exit {
        let Some(command) = self.command else { return self.full_screen.run(screen).await };
        if let Err(error) = self.full_screen.refuse() {
            return Cli::tell_end(screen, command.json(), Err(error));
        }
        let json = command.json();
        let ended = match screen.watch().and_then(|()| Signals::listen_at_terminal()) {
            Ok(signals) => {
                let ended = tokio::select! {
                    ended = command.run(screen, &signals) => ended,
                    signal = signals.second() => return signal.into(),
                };
                let exit = Cli::tell_end(screen, json, ended);
                read_out(&signals).await;
                return exit;
            }
            Err(source) => Err(CommandError::Io { path: "signal handlers".into(), source }),
        };
        Cli::tell_end(screen, json, ended)
    }

    /// Prints the error of a command, if it failed.
    fn tell_end(screen: &Screen, json: bool, ended: Result<(), CommandError>) -> Exit {
        let Err(error) = ended else { return Exit::Ok };
        let exit = error.exit();
        // Each download has already printed how it ended.
        if !matches!(error, CommandError::Several { .. }) {
            // `verify` has already printed its result, which names the damage, as a JSON object.
            if json && !matches!(error, CommandError::Corrupt { .. }) {
                screen.data(&event::failed(None, &error));
            }
            match error {
                // A stop on request is no error.
                CommandError::Stopped(_) | CommandError::Signal(_) => screen.say(&error.to_string()),
                error => screen.complain(&error.to_string()),
            }
        }
        exit
    }
}

/// Waits until everything printed was read: for ever, as a pager may be read to its end tomorrow,
/// unless a signal says not to.
async fn read_out(signals: &Signals) {
    let read = tokio::task::spawn_blocking(|| Screen::drain(Duration::MAX));
    let hurried = async {
        signals.first().await;
        tokio::time::sleep(READ_WITHIN).await;
    };
    tokio::select! {
        _ = read => {}
        () = hurried => {}
        _ = signals.second() => {}
    }
}

impl Command {
    async fn run(self, screen: &Screen, signals: &Signals) -> Result<(), CommandError> {
        match self {
            Command::Publish(publish) => publish.run(screen, signals).await,
            Command::Get(get) => get.run(screen, signals).await,
            Command::Play(play) => play.run(screen, signals).await,
            // `main` handles doors before it parses the line, unless options stand in front of the
            // door.
            Command::Serve(_) => Err(Door::Serve.misplaced()),
            Command::Tracker(_) => Err(Door::Tracker.misplaced()),
            Command::Info(info) => tokio::select! {
                ended = info.run(screen) => ended,
                signal = signals.first() => Err(CommandError::Signal(signal)),
            },
            Command::Verify(verify) => verify.run(screen, signals).await,
            Command::Demo(demo) => demo.run(screen, signals).await,
            Command::Key(key) => key.run(screen),
            Command::Completions(completions) => completions.run(&Cli::command()),
            Command::SampleConfig => {
                get::setting::sample().lines().for_each(|line| screen.data(line));
                Ok(())
            }
            Command::Man(man) => man.run(Cli::command(), screen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_ends_with_the_exit_codes() {
        let all = Cli::command();
        let below = all.get_subcommands().flat_map(clap::Command::get_subcommands);
        for mut command in all.get_subcommands().chain(below).chain([&all]).cloned() {
            let help = command.render_long_help().to_string();
            assert!(help.trim_end().ends_with(EXIT_CODES_HELP), "{help}");
        }
    }

    #[test]
    fn every_command_of_the_contract_parses() {
        for line in [
            "nearcast publish film.mkv -o a.torrent --piece-size 1MiB --web-seed http://a/ --peer /ip4/1.2.3.4/tcp/5",
            "nearcast publish film.mkv --json --overwrite",
            "nearcast get a.torrent b.torrent -o out --overwrite --json",
            "nearcast get a.torrent --peer /ip4/1.2.3.4/tcp/5 --tracker /ip4/1.2.3.4/tcp/6 --discover tracker,pex",
            "nearcast get a.torrent --discover none --down 5M --up 40Mbit --seed ratio:1.5 --select *.mkv",
            "nearcast get a.torrent --seed time:30m --listen /ip4/127.1.0.7/tcp/0 --timeout 30s --quiet",
            "nearcast get a.torrent --identity key --proxy none --config client.toml",
            "nearcast get a.torrent --peer 10.0.0.1:80 --peer [::1]:5 --peer origin.example --listen *:7",
            "nearcast get --input-file list -i -",
            "nearcast get -",
            "nearcast play a.torrent --player none --select *.mkv --bitrate 5Mbit --up 1M -o films",
            "nearcast play a.torrent --json --tracker 10.0.0.1 --discover tracker",
            "nearcast get --check-config",
            "nearcast get --print-config --json",
            "nearcast sample-config",
            "nearcast info a.torrent --json",
            "nearcast verify a.torrent dir --json",
            "nearcast demo --path film.mkv --peers 9",
            "nearcast demo --screen",
            "nearcast --theme light --no-mouse",
            "nearcast publish film.mkv --sign a.key --sign b.key",
            "nearcast get a.torrent --signed-by a.pub --signed-by b.pub --disk-wait 5m",
            "nearcast get a.torrent --discover lan,pex --disk-wait forever -vv --log-format json",
            "nearcast -v get a.torrent --disk-wait none",
            "nearcast key new a.key",
            "nearcast key show a.key --json",
            "nearcast completions zsh",
            "nearcast man pages --json",
            "nearcast serve --root media --listen *:7",
            "nearcast tracker serve --admin none",
        ] {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }

    #[test]
    fn wrong_command_lines_are_refused() {
        for line in [
            "nearcast get",
            "nearcast get a.torrent --down fast",
            "nearcast get a.torrent --peer ",
            "nearcast get a.torrent --seed sometimes",
            "nearcast get a.torrent --seed ratio:-1",
            "nearcast get a.torrent --disk-wait soon",
            "nearcast get a.torrent --discover dht",
            "nearcast get a.torrent --log-format xml",
            "nearcast key",
            "nearcast key new",
            "nearcast completions tcsh",
            "nearcast man",
            "nearcast get a.torrent --peer http://10.0.0.1",
            "nearcast publish x --piece-size 100000",
            "nearcast demo --peers 5",
            "nearcast sing",
            "nearcast --theme pink",
        ] {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert!(error.use_stderr(), "{line}");
        }
    }
}
