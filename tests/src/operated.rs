//! A seeder as its operator sees it: a configuration file, an admin listener, signals, a service manager.

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

/// A seeder that is run by a file.
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
    /// Starts one that serves `root` on `ip`, with these further lines in its file; returns when it is ready.
    pub fn start(place: &Place, root: &Path, ip: &str, lines: &str) -> Operated {
        Operated::start_with(place, root, ip, lines, &[])
    }

    /// The same, with variables in its environment.
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

    /// The same, where a disk is to be seen that nobody else sees.
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

    /// Writes its file anew, with other further lines.
    pub fn rewrite(&self, place: &Place, root: &Path, ip: &str, lines: &str) {
        write_config(&self.config, root, &place.folder(&format!("state-{ip}")), ip, lines);
    }

    /// Its TCP address, with its id.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where its admin listener is.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// What it answers to an admin.
    pub fn ask(&self, path: &str) -> Answer {
        http::get(&self.admin, path)
    }

    /// Waits for a line of its log that has `words` in it; the whole of it.
    pub fn wait_log(&self, words: &str, limit: Duration) -> String {
        self.process.wait_for(words, Stream::Stderr, limit, |lines| {
            lines.iter().find(|line| line.contains(words)).cloned()
        })
    }

    /// Waits for the link of something it published under this name, other than those in `before`.
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

/// The socket of a service manager that writes down what it is told.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    /// Listens in a folder.
    pub fn new(folder: &Path) -> Manager {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket can be made in a temporary folder");
        Manager { socket, path }
    }

    /// What `NOTIFY_SOCKET` is to be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next message with this line in it; all its lines.
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
