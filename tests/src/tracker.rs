//! A tracker as its operator sees it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    cluster::{PATIENCE, READY_TIMEOUT},
    http::{self, Answer},
    place::Place,
    process::{Process, Stream},
};

/// Options to start a tracker.
#[derive(Clone, Debug)]
pub struct TrackerOptions {
    /// The state folder, with the identity.
    pub state: PathBuf,
    /// The IP address to listen on.
    pub ip: String,
    /// The TCP port. 0: any.
    pub port: u16,
    /// Further arguments.
    pub arguments: Vec<String>,
}

impl TrackerOptions {
    /// Options for `ip` and any port, with the state in `place`.
    pub fn new(place: &Place, ip: &str, arguments: &[&str]) -> TrackerOptions {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        TrackerOptions {
            state: place.folder(&format!("tracker-{ip}")),
            ip: ip.to_owned(),
            port: 0,
            arguments,
        }
    }

    /// The command that starts the tracker.
    pub fn command(&self, place: &Place) -> Command {
        let mut command = place.tracker();
        command
            .args(["serve", "--admin", "127.0.0.1:0", "--save-interval", "50ms", "--state-dir"])
            .arg(&self.state)
            .args(["--listen", &format!("/ip4/{}/tcp/{}", self.ip, self.port)])
            .args(&self.arguments);
        command
    }
}

/// A tracker that has printed `ready`.
#[derive(Debug)]
pub struct Tracker {
    /// The process.
    pub process: Process,
    address: String,
    admin: String,
}

impl Tracker {
    /// Starts a tracker; returns when it is ready.
    pub fn start(place: &Place, options: &TrackerOptions) -> Tracker {
        Tracker::run(&options.ip, &mut options.command(place))
    }

    /// Starts a tracker by a changed command; returns when it is ready.
    pub fn run(name: &str, command: &mut Command) -> Tracker {
        let process = Process::start(&format!("tracker {name}"), command);
        let (address, admin) = process.wait_for("ready", Stream::Stdout, READY_TIMEOUT, |lines| {
            let ready = lines.iter().position(|line| line == "ready")?;
            let told = |word: &str| lines[..ready].iter().find_map(|line| line.strip_prefix(word));
            Some((told("listening ")?.to_owned(), told("admin ").unwrap_or_default().to_owned()))
        });
        Tracker { process, address, admin }
    }

    /// The TCP address, with the peer id.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        let port = self.address.split('/').nth(4).and_then(|port| port.parse().ok());
        port.unwrap_or_else(|| panic!("no port in {}", self.address))
    }

    /// The URL of the admin listener.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// The answer of the admin listener.
    pub fn ask(&self, path: &str) -> Answer {
        http::get(&self.admin, path)
    }

    /// The present value of a metric.
    pub fn metric(&self, name: &str) -> f64 {
        self.ask("/metrics").metric(name)
    }

    /// Waits until `enough` accepts the value of a metric; returns the value.
    pub fn wait_metric(&self, name: &str, enough: impl Fn(f64) -> bool) -> f64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.metric(name);
            if enough(value) {
                return value;
            }
            assert!(Instant::now() < deadline, "{name} is {value}\n{}", self.process.tail());
        }
    }

    /// Waits for a log line that contains `words`.
    pub fn wait_log(&self, words: &str, limit: Duration) -> String {
        self.process.wait_for(words, Stream::Stderr, limit, |lines| {
            lines.iter().find(|line| line.contains(words)).cloned()
        })
    }
}

/// The only file in a folder with this ending.
pub fn only_file(folder: &Path, ending: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths.find(|path| path.extension().is_some_and(|found| found == ending))
}
