//! Private networks and disks for a test. Nothing outside the test sees them, and they end with the
//! test. They need root and Linux namespaces; without these the test says so and is skipped.

use std::{
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::{Process, Stream};

const READY: Duration = Duration::from_secs(20);

/// Runs a command. The error is its complaint.
fn attempt(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

/// `command` run by another program: puts `wrapper…` in front of it.
fn wrapped(wrapper: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(wrapper[0]);
    outer.args(&wrapper[1..]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    outer
}

/// A local network of several hosts, without a route to any other network.
#[derive(Debug)]
pub struct LocalNetwork {
    /// The namespace of the bridge, then one for each host.
    names: Vec<String>,
}

impl LocalNetwork {
    /// Makes a network. `None`: it is not possible here; the reason is printed.
    pub fn new(hosts: u32) -> Option<LocalNetwork> {
        let mut network = LocalNetwork { names: Vec::new() };
        match network.make(hosts) {
            Ok(()) => Some(network),
            Err(reason) => {
                eprintln!("skipped: no network of its own can be made: {reason}");
                None
            }
        }
    }

    fn make(&mut self, hosts: u32) -> Result<(), String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}x{number}", std::process::id());
        let ip = |line: String| attempt(Command::new("ip").args(line.split(' ')));
        let hub = format!("nc{id}hub");
        ip(format!("netns add {hub}"))?;
        self.names.push(hub.clone());
        ip(format!("-n {hub} link add br0 type bridge mcast_snooping 0"))?;
        ip(format!("-n {hub} link set br0 up"))?;
        for host in 1..=hosts {
            let name = format!("nc{id}h{host}");
            ip(format!("netns add {name}"))?;
            self.names.push(name.clone());
            ip(format!("link add port{host} netns {hub} type veth peer name eth0 netns {name}"))?;
            ip(format!("-n {hub} link set port{host} master br0"))?;
            ip(format!("-n {hub} link set port{host} up"))?;
            ip(format!("-n {name} addr add {}/24 dev eth0", LocalNetwork::ip(host)))?;
            ip(format!("-n {name} link set lo up"))?;
            ip(format!("-n {name} link set eth0 up"))?;
        }
        Ok(())
    }

    /// Gives a host further addresses, 10.77.1.1 and so on.
    ///
    /// # Errors
    /// The complaint of the system.
    pub fn add_addresses(&self, host: u32, count: u32) -> Result<Vec<String>, String> {
        let name = &self.names[host as usize];
        let ip = |line: String| attempt(Command::new("ip").args(line.split(' ')));
        // The other hosts reach these addresses directly on their network.
        for other in self.names.iter().skip(1).filter(|other| *other != name) {
            ip(format!("-n {other} route add 10.77.1.0/24 dev eth0"))?;
        }
        let address = |number: u32| {
            let address = format!("10.77.1.{number}");
            ip(format!("-n {name} addr add {address}/16 dev eth0")).map(|()| address)
        };
        (1..=count).map(address).collect()
    }

    /// Blocks new connections to a host, as if it were behind a NAT. Answers to its own connections
    /// still pass.
    ///
    /// # Errors
    /// The complaint of the system.
    pub fn shut(&self, host: u32) -> Result<(), String> {
        const RULES: &str = "add table inet nat
add chain inet nat input { type filter hook input priority 0; policy accept; }
add rule inet nat input iifname \"eth0\" ct state new drop";
        let load = format!("printf '%s\\n' '{RULES}' | nft -f -");
        let mut command = Command::new("sh");
        attempt(&mut self.on(host, command.args(["-c", &load])))
    }

    /// The address of a host; the first is 1.
    pub fn ip(host: u32) -> String {
        format!("10.77.0.{host}")
    }

    /// Runs `act` on a host, in a thread of its own.
    pub fn visit<T: Send>(&self, host: u32, act: impl FnOnce() -> T + Send) -> T {
        let path = Path::new("/run/netns").join(&self.names[host as usize]);
        let name_space = std::fs::File::open(path).expect("a host of ours has a namespace");
        std::thread::scope(|scope| {
            let visitor = scope.spawn(|| {
                move_into_link_name_space(name_space.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("whoever can make a namespace can enter it");
                act()
            });
            visitor.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// `command`, to be run on a host.
    pub fn on(&self, host: u32, command: &Command) -> Command {
        wrapped(&["ip", "netns", "exec", &self.names[host as usize]], command)
    }
}

impl Drop for LocalNetwork {
    fn drop(&mut self) {
        for name in &self.names {
            // A namespace that cannot be removed leads to no other network anyway.
            let _ = attempt(Command::new("ip").args(["netns", "del", name]));
        }
    }
}

/// A folder that is a small disk for commands run [`SmallDisk::inside`], and an empty folder for
/// all others.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
    keeper: Process,
}

impl SmallDisk {
    /// Makes a disk of `bytes` bytes at `folder`. `None`: it is not possible here; the reason is
    /// printed.
    pub fn new(folder: &Path, bytes: u64) -> Option<SmallDisk> {
        let script = r#"mount -t tmpfs -o size="$2" tmpfs "$1" && echo ready && exec sleep 1000"#;
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", script, "sh"]);
        let keeper = Process::start("the disk", command.arg(folder).arg(bytes.to_string()));
        let ready = |lines: &[String]| lines.contains(&"ready".to_owned()).then_some(());
        if keeper.wait_maybe(Stream::Stdout, READY, ready).is_none() {
            eprintln!("skipped: no disk of its own can be made\n{}", keeper.tail());
            return None;
        }
        Some(SmallDisk { folder: folder.to_owned(), keeper })
    }

    /// `command`, to be run where the disk is visible. Its paths must be absolute.
    pub fn inside(&self, command: &Command) -> Command {
        let id = self.keeper.pid().to_string();
        wrapped(&["nsenter", "-t", &id, "-m", "--"], command)
    }

    /// Runs `mount` or `umount` where the disk is visible.
    pub fn mount(&self, program: &str, arguments: &[&std::ffi::OsStr]) {
        let mut mount = Command::new(program);
        mount.args(arguments);
        attempt(&mut self.inside(&mount)).expect("whoever can make a disk can mount");
    }

    /// Makes the disk larger, of `bytes` bytes.
    pub fn grow(&self, bytes: u64) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,size={bytes}")]).arg(&self.folder);
        attempt(&mut self.inside(&mount)).expect("a disk of our own can grow");
    }

    /// The path of a file on the disk for processes outside.
    pub fn seen_from_outside(&self, name: &str) -> PathBuf {
        let below = self.folder.strip_prefix("/").expect("the folder is absolute");
        Path::new(&format!("/proc/{}/root", self.keeper.pid())).join(below).join(name)
    }
}
