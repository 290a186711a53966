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

/// How a tracker is started.
#[derive(Clone, Debug)]
pub struct TrackerOptions {
    /// Its state, the identity among it.
    pub state: PathBuf,
    /// Its address.
    pub ip: String,
    /// Its TCP port; 0 = any.
    pub port: u16,
    /// Further arguments.
    pub arguments: Vec<String>,
}

impl TrackerOptions {
    /// On `ip`, any port; its state is in `place`.
    pub fn new(place: &Place, ip: &str, arguments: &[&str]) -> TrackerOptions {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        TrackerOptions {
            state: place.folder(&format!("tracker-{ip}")),
            ip: ip.to_owned(),
            port: 0,
            arguments,
        }
    }

    /// The command that starts it.
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

/// A tracker that said `ready`.
#[derive(Debug)]
pub struct Tracker {
    /// The process.
    pub process: Process,
    address: String,
    admin: String,
}

impl Tracker {
    /// Starts one; returns when it is ready.
    pub fn start(place: &Place, options: &TrackerOptions) -> Tracker {
        Tracker::run(&options.ip, &mut options.command(place))
    }

    /// Starts one by a command that was changed; returns when it is ready.
    pub fn run(name: &str, command: &mut Command) -> Tracker {
        let process = Process::start(&format!("tracker {name}"), command);
        let (address, admin) = process.wait_for("ready", Stream::Stdout, READY_TIMEOUT, |lines| {
            let ready = lines.iter().position(|line| line == "ready")?;
            let told = |word: &str| lines[..ready].iter().find_map(|line| line.strip_prefix(word));
            Some((told("listening ")?.to_owned(), told("admin ").unwrap_or_default().to_owned()))
        });
        Tracker { process, address, admin }
    }

    /// Its TCP address, with its id.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its TCP port.
    pub fn port(&self) -> u16 {
        let port = self.address.split('/').nth(4).and_then(|port| port.parse().ok());
        port.unwrap_or_else(|| panic!("no port in {}", self.address))
    }

    /// Where its admin listener is.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// What it answers to an admin.
    pub fn ask(&self, path: &str) -> Answer {
        http::get(&self.admin, path)
    }

    /// A metric now.
    pub fn metric(&self, name: &str) -> f64 {
        self.ask("/metrics").metric(name)
    }

    /// Waits until a metric is what `enough` likes.
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

    /// Waits for a line of its log that has `words` in it.
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
