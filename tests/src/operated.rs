//! A seeder as its operator sees it: a configuration file, an admin listener, signals, a service
//! manager.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    cluster::READY_TIMEOUT,
    http::{self, Answer},
    namespace::SmallDisk,
    place::Place,
    process::{Process, Stream},
};

/// A seeder that is run with a configuration file.
#[derive(Debug)]
pub struct Operated {
    /// The process.
    pub process: Process,
    /// Its configuration file.
    pub config: PathBuf,
    address: String,
    admin: String,
}

impl Operated {
    /// Starts a seeder that serves `root` on `ip`, with `lines` added to its file. Returns when it
    /// is ready.
    pub fn start(place: &Place, root: &Path, ip: &str, lines: &str) -> Operated {
        Operated::start_with(place, root, ip, lines, &[])
    }

    /// Like [`Operated::start`], with environment variables.
    pub fn start_with(
        place: &Place,
        root: &Path,
        ip: &str,
        lines: &str,
        variables: &[(&str, &Path)],
    ) -> Operated {
        Operated::start_as(place, root, ip, lines, |command| {
            command.envs(variables.iter().copied());
        })
    }

    /// Like [`Operated::start`], but run where `disk` is visible.
    pub fn start_inside(place: &Place, root: &Path, ip: &str, lines: &str, disk: &SmallDisk) -> Operated {
        Operated::start_as(place, root, ip, lines, |command| *command = disk.inside(command))
    }

    fn start_as(
        place: &Place,
        root: &Path,
        ip: &str,
        lines: &str,
        adapt: impl FnOnce(&mut Command),
    ) -> Operated {
        let config = place.path().join(format!("seeder-{ip}.toml"));
        let state = place.folder(&format!("state-{ip}"));
        write_config(&config, root, &state, ip, lines);
        let mut command = place.seeder();
        command.args(["serve", "--config"]).arg(&config);
        adapt(&mut command);
        let process = Process::start(&format!("seeder {ip}"), &mut command);
        let (address, admin) = process.wait_for("ready", Stream::Stdout, READY_TIMEOUT, |lines| {
            let ready = lines.iter().position(|line| line == "ready")?;
            let told = |word: &str| lines[..ready].iter().find_map(|line| line.strip_prefix(word));
            Some((told("listening ")?.to_owned(), told("admin ").unwrap_or_default().to_owned()))
        });
        Operated { process, config, address, admin }
    }

    /// Writes the configuration file anew, with other `lines`.
    pub fn rewrite(&self, place: &Place, root: &Path, ip: &str, lines: &str) {
        write_config(&self.config, root, &place.folder(&format!("state-{ip}")), ip, lines);
    }

    /// The TCP address, with the peer id.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The URL of the admin listener.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// The answer of the admin listener.
    pub fn ask(&self, path: &str) -> Answer {
        http::get(&self.admin, path)
    }

    /// Waits for a log line that contains `words`; returns the whole line.
    pub fn wait_log(&self, words: &str, limit: Duration) -> String {
        self.process.wait_for(words, Stream::Stderr, limit, |lines| {
            lines.iter().find(|line| line.contains(words)).cloned()
        })
    }

    /// Waits for the link of a content published under this name, other than the links in `before`.
    pub fn wait_published(&self, name: &str, before: &[String], limit: Duration) -> String {
        let wanted = format!("dn={name}");
        self.process.wait_for(&format!("{name} is published"), Stream::Stdout, limit, |lines| {
            let links = lines.iter().filter_map(|line| line.strip_prefix("published "));
            links.map(str::to_owned).find(|link| link.contains(&wanted) && !before.contains(link))
        })
    }
}

fn write_config(config: &Path, root: &Path, state: &Path, ip: &str, lines: &str) {
    let (root, state) = (root.display(), state.display());
    let text = format!(
        "root = \"{root}\"\nstate-dir = \"{state}\"\nlisten = [\"/ip4/{ip}/tcp/0\"]\nadmin = \"127.0.0.1:0\"\n{lines}\n"
    );
    fs::write(config, text).expect("a configuration can be written to a temporary folder");
}

/// The socket of a service manager, which reads the messages of a service.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    /// Listens on a socket in `folder`.
    pub fn new(folder: &Path) -> Manager {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket can be made in a temporary folder");
        Manager { socket, path }
    }

    /// The value for `NOTIFY_SOCKET`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lines of the next message that contains `line`.
    pub fn wait_for(&self, line: &str, limit: Duration) -> Vec<String> {
        let deadline = std::time::Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            assert!(!left.is_zero(), "the service manager was not told {line} within {limit:?}");
            self.socket.set_read_timeout(Some(left)).expect("a timeout that is not zero");
            let mut message = [0; 4096];
            let Ok(bytes) = self.socket.recv(&mut message) else { continue };
            let text = String::from_utf8_lossy(&message[..bytes]);
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            if lines.iter().any(|told| told == line) {
                return lines;
            }
        }
    }
}
