//! Seeders and clients as real processes, each with its own address in 127.0.0.0/8.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    place::Place,
    probe::{Event, Summary},
    process::{Process, Stream},
};

/// Time from start to `ready`, for a debug build on a busy machine.
pub const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Time limit for all other events, unless a test is stricter.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// An address with no listener: only the system may listen on port 1.
pub const DEAD_PEER: &str = "/ip4/127.0.0.1/tcp/1";

/// The output of `publish`.
#[derive(Clone, Debug)]
pub struct Published {
    /// The .torrent.
    pub torrent: PathBuf,
    /// The link, as printed.
    pub magnet: String,
}

impl Published {
    /// The content id from the link, in hexadecimal digits.
    pub fn content(&self) -> &str {
        let (_, rest) = self.magnet.split_once("urn:btmh:1220").expect("the link names a v2 content");
        &rest[..64]
    }
}

/// Runs a command to its end. Returns the exit code, and the process with its output.
pub fn run(name: &str, command: &mut Command) -> (i32, Process) {
    let process = Process::start(name, command);
    let code = process.wait_exit(PATIENCE);
    process.assert_group_gone();
    (code, process)
}

/// Publishes `path`, with the .torrent beside it, where a seeder looks for it.
pub fn publish(place: &Place, path: &Path, arguments: &[&str]) -> Published {
    let mut torrent = path.as_os_str().to_owned();
    torrent.push(".torrent");
    publish_to(place, path, Path::new(&torrent), arguments)
}

/// Publishes `path`, with the .torrent somewhere else.
pub fn publish_to(place: &Place, path: &Path, torrent: &Path, arguments: &[&str]) -> Published {
    let mut command = place.nearcast();
    command.arg("publish").arg(path).arg("-o").arg(torrent).args(arguments);
    let (code, process) = run("publish", &mut command);
    assert_eq!(code, 0, "publish failed\n{}", process.tail());
    let stdout = process.lines(Stream::Stdout);
    assert_eq!(stdout.len(), 1, "stdout has the link alone\n{}", process.tail());
    assert!(stdout[0].starts_with("magnet:?"), "{stdout:?}");
    Published { torrent: torrent.to_owned(), magnet: stdout[0].clone() }
}

/// Options to start a seeder.
#[derive(Clone, Debug)]
pub struct SeederOptions {
    /// Its root.
    pub root: PathBuf,
    /// The state folder, with the identity.
    pub state: PathBuf,
    /// The IP address to listen on.
    pub ip: String,
    /// The TCP port. 0: any.
    pub port: u16,
    /// Further arguments.
    pub arguments: Vec<String>,
}

/// A seeder that has printed `ready`.
#[derive(Debug)]
pub struct Seeder {
    /// The process.
    pub process: Process,
    addresses: Vec<String>,
}

impl Seeder {
    /// Starts a seeder that serves `root` on `ip` and any port, with its state in `place`.
    pub fn start(place: &Place, root: &Path, ip: &str) -> Seeder {
        let state = place.folder(&format!("seeder-{ip}"));
        let options =
            SeederOptions { root: root.to_owned(), state, ip: ip.to_owned(), port: 0, arguments: Vec::new() };
        Seeder::start_with(place, &options)
    }

    /// Starts a seeder; returns when it is ready.
    pub fn start_with(place: &Place, options: &SeederOptions) -> Seeder {
        Seeder::run(options, &mut Seeder::command(place, options))
    }

    /// Like [`Seeder::start_with`], but runs the seeder through a script for `sh`, which ends with
    /// `"$@"`.
    pub fn start_under(script: &str, place: &Place, options: &SeederOptions) -> Seeder {
        Seeder::run(options, &mut under(script, &Seeder::command(place, options)))
    }

    /// The command that starts a seeder.
    pub fn command(place: &Place, options: &SeederOptions) -> Command {
        let ip = &options.ip;
        let mut command = place.seeder();
        command
            .args(["serve", "--admin", "off", "--root"])
            .arg(&options.root)
            .arg("--state-dir")
            .arg(&options.state)
            .args(["--listen", &format!("/ip4/{ip}/tcp/{}", options.port)])
            .args(["--listen", &format!("/ip4/{ip}/udp/0/quic-v1")])
            .args(&options.arguments);
        command
    }

    /// Starts a seeder by a changed command; returns when it is ready.
    pub fn run(options: &SeederOptions, command: &mut Command) -> Seeder {
        let process = Process::start(&format!("seeder {}", options.ip), command);
        let addresses = process.wait_for("ready", Stream::Stdout, READY_TIMEOUT, |lines| {
            let ready = lines.iter().position(|line| line == "ready")?;
            let addresses = lines[..ready].iter().filter_map(|line| line.strip_prefix("listening "));
            Some(addresses.map(str::to_owned).collect())
        });
        Seeder { process, addresses }
    }

    /// The TCP address of the seeder, with its peer id.
    pub fn address(&self) -> &str {
        let tcp = self.addresses.iter().find(|address| address.contains("/tcp/"));
        tcp.unwrap_or_else(|| panic!("the seeder listens on no TCP address: {:?}", self.addresses))
    }

    /// The TCP port of the seeder.
    pub fn port(&self) -> u16 {
        let port = self.address().split('/').nth(4).and_then(|port| port.parse().ok());
        port.unwrap_or_else(|| panic!("no port in {}", self.address()))
    }
}

/// Runs a command through a script for `sh`, which ends with `"$@"`.
pub fn under(script: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

/// A `get --json` that is not started yet.
#[derive(Debug)]
pub struct Get {
    name: String,
    command: Command,
}

impl Get {
    /// A get of `source` into `folder` that listens on `ip`.
    pub fn new(place: &Place, source: impl AsRef<OsStr>, folder: &Path, ip: &str) -> Get {
        let mut command = place.nearcast();
        command.args(["get", "--json"]).arg(source.as_ref()).arg("-o").arg(folder);
        command.args(["--listen", &format!("/ip4/{ip}/tcp/0")]);
        command.args(["--listen", &format!("/ip4/{ip}/udp/0/quic-v1")]);
        Get { name: format!("get {ip}"), command }
    }

    /// Adds a peer to ask first.
    pub fn peer(self, address: &str) -> Get {
        self.with(&["--peer", address])
    }

    /// Adds further arguments.
    pub fn with(mut self, arguments: &[&str]) -> Get {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub fn variable(mut self, name: &str, value: &str) -> Get {
        self.command.env(name, value);
        self
    }

    /// Runs the get through a script for `sh`, which ends with `"$@"`.
    pub fn under(mut self, script: &str) -> Get {
        self.command = under(script, &self.command);
        self
    }

    /// Replaces the command by one that runs it. Arguments added so far are kept.
    pub fn run_by(mut self, wrap: impl FnOnce(&Command) -> Command) -> Get {
        self.command = wrap(&self.command);
        self
    }

    /// Starts the get.
    pub fn start(mut self) -> Client {
        Client { process: Process::start(&self.name, &mut self.command) }
    }

    /// Starts the get and waits until it succeeds.
    pub fn finish(self) -> Summary {
        let client = self.start();
        let summary = client.wait_finished(PATIENCE);
        let code = client.process.wait_exit(PATIENCE);
        assert_eq!(code, 0, "finished, but not well\n{}", client.process.tail());
        summary
    }
}

/// A running `get --json`.
#[derive(Debug)]
pub struct Client {
    /// The process.
    pub process: Process,
}

impl Client {
    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        events(&self.process.lines(Stream::Stdout))
    }

    /// Waits for the first event for which `find` returns a value.
    pub fn wait_event<T>(&self, what: &str, limit: Duration, find: impl Fn(&Event) -> Option<T>) -> T {
        let found = |lines: &[String]| events(lines).iter().find_map(&find);
        self.process.wait_for(what, Stream::Stdout, limit, found)
    }

    /// Waits until the download is complete.
    pub fn wait_finished(&self, limit: Duration) -> Summary {
        self.wait_event("it has finished", limit, finished)
    }

    /// The summary, if the download is complete within `limit`.
    pub fn finished_within(&self, limit: Duration) -> Option<Summary> {
        let found = |lines: &[String]| events(lines).iter().find_map(finished);
        self.process.wait_maybe(Stream::Stdout, limit, found)
    }

    /// Waits until the client has at least this many bytes.
    pub fn wait_bytes(&self, bytes: u64, limit: Duration) {
        self.wait_event(&format!("it has {bytes} bytes"), limit, |event| {
            (event.name() == "progress" && event.number("bytes") >= bytes).then_some(())
        });
    }

    /// Sends Ctrl-C; returns the exit code.
    pub fn interrupt(&self, limit: Duration) -> i32 {
        self.process.signal(Signal::INT);
        self.process.wait_exit(limit)
    }
}

fn finished(event: &Event) -> Option<Summary> {
    (event.name() == "finished").then(|| Summary::of(event))
}

fn events(lines: &[String]) -> Vec<Event> {
    lines.iter().map(|line| Event::parse(line)).collect()
}
