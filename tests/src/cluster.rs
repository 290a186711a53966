//! Seeders and clients as real processes, each with an address of its own in 127.0.0.0/8.

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

/// From start to `ready`, debug build on a busy machine.
pub const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// For everything else that must happen, unless a test is stricter.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// A port nobody listens on: 1, which only the system may give.
pub const DEAD_PEER: &str = "/ip4/127.0.0.1/tcp/1";

/// What `publish` made.
#[derive(Clone, Debug)]
pub struct Published {
    /// The .torrent.
    pub torrent: PathBuf,
    /// The link, as printed.
    pub magnet: String,
}

impl Published {
    /// The content id in hexadecimal digits, from the link.
    pub fn content(&self) -> &str {
        let (_, rest) = self.magnet.split_once("urn:btmh:1220").expect("the link names a v2 content");
        &rest[..64]
    }
}

/// Runs a command to its end: exit code, and both outputs.
pub fn run(name: &str, command: &mut Command) -> (i32, Process) {
    let process = Process::start(name, command);
    let code = process.wait_exit(PATIENCE);
    process.assert_group_gone();
    (code, process)
}

/// Publishes `path`; the .torrent lies beside it, as the seeder wants it.
pub fn publish(place: &Place, path: &Path, arguments: &[&str]) -> Published {
    let mut torrent = path.as_os_str().to_owned();
    torrent.push(".torrent");
    publish_to(place, path, Path::new(&torrent), arguments)
}

/// Publishes `path` into a .torrent somewhere else.
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

/// How a seeder is started.
#[derive(Clone, Debug)]
pub struct SeederOptions {
    /// Its root.
    pub root: PathBuf,
    /// Its state, the identity among it.
    pub state: PathBuf,
    /// Its address.
    pub ip: String,
    /// Its TCP port; 0 = any.
    pub port: u16,
    /// Further arguments.
    pub arguments: Vec<String>,
}

/// A seeder that said `ready`.
#[derive(Debug)]
pub struct Seeder {
    /// The process.
    pub process: Process,
    addresses: Vec<String>,
}

impl Seeder {
    /// Starts one that serves `root` on `ip`, any port; its state is in `place`.
    pub fn start(place: &Place, root: &Path, ip: &str) -> Seeder {
        let state = place.folder(&format!("seeder-{ip}"));
        let options =
            SeederOptions { root: root.to_owned(), state, ip: ip.to_owned(), port: 0, arguments: Vec::new() };
        Seeder::start_with(place, &options)
    }

    /// Starts one; returns when it is ready.
    pub fn start_with(place: &Place, options: &SeederOptions) -> Seeder {
        Seeder::run(options, &mut Seeder::command(place, options))
    }

    /// As [`Seeder::start_with`], run by a script for `sh`, which ends by running `"$@"`.
    pub fn start_under(script: &str, place: &Place, options: &SeederOptions) -> Seeder {
        Seeder::run(options, &mut under(script, &Seeder::command(place, options)))
    }

    /// The command that starts one.
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

    /// Starts one by a command that was changed; returns when it is ready.
    pub fn run(options: &SeederOptions, command: &mut Command) -> Seeder {
        let process = Process::start(&format!("seeder {}", options.ip), command);
        let addresses = process.wait_for("ready", Stream::Stdout, READY_TIMEOUT, |lines| {
            let ready = lines.iter().position(|line| line == "ready")?;
            let addresses = lines[..ready].iter().filter_map(|line| line.strip_prefix("listening "));
            Some(addresses.map(str::to_owned).collect())
        });
        Seeder { process, addresses }
    }

    /// Its TCP address, with its id.
    pub fn address(&self) -> &str {
        let tcp = self.addresses.iter().find(|address| address.contains("/tcp/"));
        tcp.unwrap_or_else(|| panic!("the seeder listens on no TCP address: {:?}", self.addresses))
    }

    /// Its TCP port.
    pub fn port(&self) -> u16 {
        let port = self.address().split('/').nth(4).and_then(|port| port.parse().ok());
        port.unwrap_or_else(|| panic!("no port in {}", self.address()))
    }
}

/// A command run by a script for `sh`, which ends by running `"$@"`.
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

/// A `get --json` about to start.
#[derive(Debug)]
pub struct Get {
    name: String,
    command: Command,
}

impl Get {
    /// Gets `source` into `folder`, listening on `ip`.
    pub fn new(place: &Place, source: impl AsRef<OsStr>, folder: &Path, ip: &str) -> Get {
        let mut command = place.nearcast();
        command.args(["get", "--json"]).arg(source.as_ref()).arg("-o").arg(folder);
        command.args(["--listen", &format!("/ip4/{ip}/tcp/0")]);
        command.args(["--listen", &format!("/ip4/{ip}/udp/0/quic-v1")]);
        Get { name: format!("get {ip}"), command }
    }

    /// A peer to ask first.
    pub fn peer(self, address: &str) -> Get {
        self.with(&["--peer", address])
    }

    /// Any further arguments.
    pub fn with(mut self, arguments: &[&str]) -> Get {
        self.command.args(arguments);
        self
    }

    /// A variable in its environment.
    pub fn variable(mut self, name: &str, value: &str) -> Get {
        self.command.env(name, value);
        self
    }

    /// Has it run by a script for `sh`, which ends by running `"$@"`.
    pub fn under(mut self, script: &str) -> Get {
        self.command = under(script, &self.command);
        self
    }

    /// Has its command run by another; its arguments so far are kept.
    pub fn run_by(mut self, wrap: impl FnOnce(&Command) -> Command) -> Get {
        self.command = wrap(&self.command);
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Client {
        Client { process: Process::start(&self.name, &mut self.command) }
    }

    /// Starts it and waits for its good end.
    pub fn finish(self) -> Summary {
        let client = self.start();
        let summary = client.wait_finished(PATIENCE);
        let code = client.process.wait_exit(PATIENCE);
        assert_eq!(code, 0, "finished, but not well\n{}", client.process.tail());
        summary
    }
}

/// A `get --json` that runs.
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

    /// Waits for the first event that `find` likes.
    pub fn wait_event<T>(&self, what: &str, limit: Duration, find: impl Fn(&Event) -> Option<T>) -> T {
        let found = |lines: &[String]| events(lines).iter().find_map(&find);
        self.process.wait_for(what, Stream::Stdout, limit, found)
    }

    /// Waits until everything is there.
    pub fn wait_finished(&self, limit: Duration) -> Summary {
        self.wait_event("it has finished", limit, finished)
    }

    /// The summary, if everything is there within `limit`.
    pub fn finished_within(&self, limit: Duration) -> Option<Summary> {
        let found = |lines: &[String]| events(lines).iter().find_map(finished);
        self.process.wait_maybe(Stream::Stdout, limit, found)
    }

    /// Waits until at least this many bytes are there.
    pub fn wait_bytes(&self, bytes: u64, limit: Duration) {
        self.wait_event(&format!("it has {bytes} bytes"), limit, |event| {
            (event.name() == "progress" && event.number("bytes") >= bytes).then_some(())
        });
    }

    /// Ctrl-C; returns the exit code.
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
