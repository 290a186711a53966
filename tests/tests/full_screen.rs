//! `nearcast` without arguments in a real terminal: what it shows, how it ends, and that it leaves
//! the terminal as it was. Without tmux the tests print that and test nothing.

use std::{fs, path::PathBuf, process::Command};

use e2e::{
    binaries::binaries,
    cluster::{Published, Seeder, publish, run},
    content::write_random,
    place::Place,
    process::Stream,
    terminal::Terminal,
};
use rustix::process::{Pid, Signal, kill_process};

const FILM: &str = "a-film";
const BYTES: u64 = 3_000_000;

/// A film, a seeder that has it, and a terminal.
struct Evening {
    /// Closed before the folder with its socket is removed.
    terminal: Terminal,
    seeder: Seeder,
    film: Published,
    place: Place,
}

impl Evening {
    /// `None`: there is no tmux.
    fn begin() -> Option<Evening> {
        let place = Place::new();
        let terminal = Terminal::open(&place, 100, 24)?;
        let root = place.folder("root");
        write_random(&root.join(FILM), BYTES, 5);
        let film = publish(&place, &root.join(FILM), &[]);
        let seeder = Seeder::start(&place, &root, "127.1.0.1");
        Some(Evening { terminal, seeder, film, place })
    }

    /// Starts the screen by a script, which leaves its process id in a file.
    fn start(&self, variables: &str) {
        let script = self.place.path().join("go");
        let text = format!(
            "echo $$ > '{}'\nexport NEARCAST_PEER={} NEARCAST_LISTEN=/ip4/127.1.0.2/tcp/0 NEARCAST_DISCOVER=none\n\
             export NEARCAST_OUTPUT='{}' {variables}\nexec '{}'\n",
            self.pid_file().display(),
            self.seeder.address(),
            self.place.folder("out").display(),
            binaries().nearcast.display(),
        );
        fs::write(&script, text).expect("a script can be written");
        self.terminal.line(&format!("clear; sh '{}'; echo code $?", script.display()));
        self.terminal.wait_text("1 Downloads");
    }

    fn pid_file(&self) -> PathBuf {
        self.place.path().join("pid")
    }

    fn signal(&self, signal: Signal) {
        let text = fs::read_to_string(self.pid_file()).expect("the script has written it");
        let pid = text.trim().parse().ok().and_then(Pid::from_raw).expect("it is a process id");
        kill_process(pid, signal).expect("the screen runs");
    }

    /// Waits for the end, with this code, and asserts that the terminal is as before.
    fn assert_ended(&self, code: u8, mark: &str) {
        self.terminal.wait_text(&format!("code {code}"));
        self.terminal.assert_is_of_the_shell(mark);
    }
}

#[test]
fn a_link_is_added_by_keys_and_its_film_comes_and_is_there_the_next_time() {
    let Some(evening) = Evening::begin() else { return };
    let terminal = &evening.terminal;
    evening.start("");
    terminal.wait_text("Nothing is downloaded yet");
    terminal.key("a");
    terminal.wait_text("Link, .torrent file or URL");
    terminal.line(&evening.film.magnet);
    terminal.wait_text("1 of 1 file, 3.00 MB");
    terminal.key("Enter");
    terminal.wait("all of it", |lines| {
        lines
            .iter()
            .any(|line| line.contains(FILM) && line.contains("giving") && line.contains("100%"))
            .then_some(())
    });
    for (view, text) in [("2", "o: files"), ("3", "origin"), ("4", "Enter add it"), ("5", "5 Log")] {
        terminal.key(view);
        terminal.wait_text(text);
    }
    for theme in ["theme: ascii", "theme: mono"] {
        terminal.key("t");
        terminal.wait_text(theme);
    }
    terminal.key("C-l");
    for (columns, rows) in [(120, 40), (60, 20), (40, 10), (20, 5), (2, 2), (100, 24)] {
        terminal.resize(columns, rows);
    }
    terminal.key("1");
    terminal.wait_text("giving");
    terminal.key("q");
    evening.assert_ended(0, "after q");
    let there = fs::read(evening.place.folder("out").join(FILM)).expect("the film is there");
    let wanted = fs::read(evening.place.folder("root").join(FILM)).expect("the seeder has it");
    assert!(there == wanted, "the film is right");

    // Nobody is needed for what is complete.
    evening.seeder.process.kill();
    evening.start("");
    terminal.wait("it is there at once", |lines| {
        lines.iter().any(|line| line.contains(FILM) && line.contains("100%")).then_some(())
    });
    terminal.key("d");
    terminal.wait_text("Its files stay in");
    terminal.key("y");
    terminal.wait_text("Nothing is downloaded yet");
    terminal.key("C-c");
    evening.assert_ended(130, "after Ctrl-C");
    assert!(evening.place.folder("out").join(FILM).exists(), "removed from the list alone");
}

#[test]
fn signals_and_panics_give_the_terminal_back() {
    let Some(evening) = Evening::begin() else { return };
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        evening.start("");
        evening.signal(signal);
        evening.assert_ended(code, &format!("after {code}"));
    }
    evening.start("NEARCAST_TEST_SCREEN_PANICS=1");
    evening.terminal.key("!");
    evening.assert_ended(101, "after a panic");
    evening.terminal.wait_text("a test asked for this panic");
}

#[test]
fn a_stopped_screen_gives_the_terminal_back_and_takes_it_again() {
    let Some(evening) = Evening::begin() else { return };
    let terminal = &evening.terminal;
    evening.start("");
    for round in ["once", "twice"] {
        terminal.key("C-z");
        terminal.wait_text("Stopped");
        terminal.assert_is_of_the_shell(&format!("when stopped {round}"));
        terminal.line("clear; fg");
        terminal.wait_text("1 Downloads");
    }
    terminal.key("q");
    terminal.wait("the end", |lines| (!lines.iter().any(|line| line.contains("1 Downloads"))).then_some(()));
    terminal.assert_is_of_the_shell("after fg and q");
}

#[test]
fn one_screen_is_open_at_a_time() {
    let Some(evening) = Evening::begin() else { return };
    evening.start("");
    let place = &evening.place;
    let elsewhere = Place::new();
    let Some(second) = Terminal::open(&elsewhere, 80, 24) else { return };
    let home = place.folder("home");
    let state = format!("HOME='{0}' XDG_STATE_HOME='{0}/xdg_state_home'", home.display());
    second.line(&format!("{state} '{}'; echo code $?", binaries().nearcast.display()));
    second.wait_text("code 13");
    second.assert_is_of_the_shell("when refused");
    evening.terminal.key("q");
    evening.assert_ended(0, "after q");
}

#[test]
fn without_a_terminal_there_is_help_and_the_code_of_a_wrong_option() {
    let place = Place::new();
    let (code, process) = run("nearcast", &mut place.nearcast());
    assert_eq!(code, 28, "{}", process.tail());
    let told = process.lines(Stream::Stderr);
    assert!(told[0].starts_with("error: the screen needs a terminal"), "{told:?}");
    assert!(told.iter().any(|line| line.trim_start().starts_with("get ")), "{told:?}");
    assert!(process.lines(Stream::Stdout).is_empty());
    // With a terminal of no abilities, too.
    if Command::new("script").arg("--version").output().is_ok() {
        let mut command = Command::new("script");
        let nearcast = place.nearcast();
        command.args(["-qec", &binaries().nearcast.display().to_string(), "/dev/null"]);
        command
            .envs(nearcast.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("TERM", "dumb");
        let (code, process) = run("script", &mut command);
        assert_eq!(code, 28, "{}", process.tail());
    }
}
