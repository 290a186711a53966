//! What a seeder is told before it starts.

mod file;
mod layers;
mod sample;

use std::{
    env,
    ffi::OsString,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use nearcast_core::paths::printable;
use nearcast_node::{
    address::Address,
    config::{Caps, NodeConfig},
};

pub use self::{
    layers::{Given, Layers, Origin, Problems, Sources},
    sample::sample,
};
use crate::setting::{self, Setting};

/// Settings of one seeder. [`SeederConfig::default`] suits an embedding program.
#[derive(Clone, Debug)]
pub struct SeederConfig {
    /// Every `.torrent` below is served when its data lies beside it. None = only what
    /// [`crate::service::Seeder::share`] is given, as an embedding program does.
    pub root: Option<PathBuf>,
    /// What is put into the root without a `.torrent` is hashed, and one written beside it.
    pub publish: bool,
    /// Addresses in the links of what is published; empty = those listened on.
    pub link_addresses: Vec<Address>,
    /// How often the root is looked at.
    pub rescan: Duration,
    /// Where to listen; empty = every interface, TCP and QUIC, any port. A seeder that others write
    /// down needs a fixed port.
    pub listen: Vec<Address>,
    /// Bytes per second sent, all contents together; none = no limit.
    pub up: Option<u64>,
    /// Connections at most. More = a larger crowd served directly, at about 100 KiB each.
    pub connections_max: u32,
    /// Limits for each content and network.
    pub caps: Caps,
    /// Our secret key, made when it is missing; none = a fresh one each start, so that addresses
    /// with our id written down elsewhere stop working.
    pub identity: Option<PathBuf>,
}

impl Default for SeederConfig {
    fn default() -> Self {
        SeederConfig {
            root: None,
            publish: false,
            link_addresses: Vec::new(),
            rescan: Duration::from_secs(10),
            listen: Vec::new(),
            up: None,
            connections_max: 4096,
            caps: Caps::default(),
            identity: None,
        }
    }
}

impl SeederConfig {
    /// The node that does the work: an origin, so peers spare it.
    pub(crate) fn node(&self) -> NodeConfig {
        let mut node = NodeConfig {
            origin: true,
            up: self.up,
            identity: self.identity.clone(),
            connections_max: self.connections_max,
            caps: self.caps,
            ..NodeConfig::default()
        };
        if !self.listen.is_empty() {
            node.listen.clone_from(&self.listen);
        }
        node
    }
}

/// Where the admin listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// Nowhere.
    Off,
    /// There.
    At {
        /// Its address.
        address: SocketAddr,
        /// Nobody asked for it by name: another port will do when this one is taken.
        may_move: bool,
    },
}

/// Everything the program is told: a seeder, and what is around it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The seeder.
    pub seeder: SeederConfig,
    /// Where health and metrics are answered.
    pub admin: Admin,
    /// How long runs being sent may take to finish at the end.
    pub grace: Duration,
    /// What to log.
    pub log: String,
    /// As JSON.
    pub log_json: bool,
}

impl Settings {
    /// What the layers say.
    ///
    /// # Errors
    /// What is missing or does not fit together, all of it.
    pub fn of(layers: &Layers) -> Result<Settings, Problems> {
        let mut problems = Vec::new();
        let root = layers.value(Setting::Root).map(PathBuf::from);
        if root.is_none() {
            problems.push("root is not set: give --root DIR, or root in a file".to_owned());
        }
        let identity = identity(layers);
        if identity.is_none() {
            problems.push("no place for the identity: set state-dir or identity".to_owned());
        }
        let listen = addresses(layers, Setting::Listen);
        for address in listen.iter().filter(|address| address.ip().is_none()) {
            problems.push(format!("listen: {address} names no IP to listen on"));
        }
        let seeder = SeederConfig {
            root,
            publish: setting::switch(layers.text(Setting::Publish)).unwrap_or_default(),
            link_addresses: addresses(layers, Setting::LinkAddress),
            rescan: duration(layers, Setting::Rescan),
            listen,
            up: rate(layers, Setting::Up),
            connections_max: count(layers, Setting::Connections).unwrap_or_default(),
            caps: caps(layers),
            identity,
        };
        if let Err(error) = seeder.node().policy() {
            problems.push(error.to_string());
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        Ok(Settings {
            seeder,
            admin: admin(layers),
            grace: duration(layers, Setting::Grace),
            log: layers.text(Setting::Log).to_owned(),
            log_json: layers.text(Setting::LogFormat) == "json",
        })
    }

    /// What would go wrong at the start, as far as can be told without starting.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut note = |path: &Path, result: io::Result<()>| {
            if let Err(error) = result {
                problems.push(format!("cannot use {}: {error}", printable(&path.to_string_lossy())));
            }
        };
        if let Some(root) = &self.seeder.root {
            note(root, fs::read_dir(root).map(drop));
            if self.seeder.publish {
                note(root, writable(root));
            }
        }
        if let Some(key) = &self.seeder.identity {
            match fs::metadata(key) {
                Ok(_) => note(key, fs::File::open(key).map(drop)),
                Err(_) => note(key, writable(nearest_folder(key))),
            }
        }
        problems
    }
}

fn writable(folder: &Path) -> io::Result<()> {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?;
    if folder.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// The closest thing above a path that is there: missing folders are made.
fn nearest_folder(path: &Path) -> &Path {
    path.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"))
}

// Every value was checked when it was read: what does not parse here is what is not set.

fn addresses(layers: &Layers, setting: Setting) -> Vec<Address> {
    let values = layers.given(setting).values.iter();
    values.filter_map(|value| value.to_str()?.parse().ok()).collect()
}

fn rate(layers: &Layers, setting: Setting) -> Option<u64> {
    setting::rate(layers.text(setting)).ok().flatten()
}

fn duration(layers: &Layers, setting: Setting) -> Duration {
    setting::duration(layers.text(setting)).unwrap_or_default()
}

fn count<N: TryFrom<u64>>(layers: &Layers, setting: Setting) -> Option<N> {
    let number = setting.about().kind.count(layers.text(setting)).ok().flatten()?;
    N::try_from(number).ok()
}

fn caps(layers: &Layers) -> Caps {
    Caps {
        up_per_content: rate(layers, Setting::UpPerContent),
        up_per_prefix: rate(layers, Setting::UpPerPrefix),
        connections_per_prefix_max: count(layers, Setting::ConnectionsPerPrefix),
        links_per_content_max: count(layers, Setting::LinksPerContent),
        upload_slots_per_content: count(layers, Setting::UploadSlotsPerContent),
        upload_slots_total: count(layers, Setting::UploadSlots),
    }
}

fn admin(layers: &Layers) -> Admin {
    let may_move = layers.given(Setting::Admin).origin == Origin::Default;
    match setting::admin(layers.text(Setting::Admin)) {
        Ok(Some(address)) => Admin::At { address, may_move },
        _ => Admin::Off,
    }
}

fn identity(layers: &Layers) -> Option<PathBuf> {
    let in_state_dir = || {
        let named = layers.value(Setting::StateDir).map(PathBuf::from);
        Some(named.or_else(default_state_dir)?.join("identity.key"))
    };
    layers.value(Setting::Identity).map(PathBuf::from).or_else(in_state_dir)
}

/// Where state is kept when no `--state-dir` says otherwise: what systemd gives (`StateDirectory=`),
/// else the XDG state folder of the user. None when the environment names no home.
pub fn default_state_dir() -> Option<PathBuf> {
    state_dir_from(|name| env::var_os(name))
}

fn state_dir_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = |name: &str| variable(name).filter(|value| !value.is_empty());
    // systemd gives a colon-separated list when the unit asks for several.
    if let Some(first) = named("STATE_DIRECTORY").and_then(|list| env::split_paths(&list).next()) {
        return Some(first);
    }
    let absolute = named("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute.or_else(|| named("HOME").map(|home| Path::new(&home).join(".local/state")))?;
    Some(state.join("nearcast-seeder"))
}

#[cfg(test)]
mod tests {
    use super::{layers::gather, *};

    fn with(variables: &[(&str, &str)]) -> Option<PathBuf> {
        state_dir_from(|name| {
            let found = variables.iter().find(|(key, _)| *key == name)?;
            Some(found.1.into())
        })
    }

    #[test]
    fn state_goes_where_systemd_then_xdg_then_home_say() {
        let all = [("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(with(&all), Some("/var/lib/a".into()));
        assert_eq!(with(&all[1..]), Some("/x/nearcast-seeder".into()));
        assert_eq!(with(&all[2..]), Some("/h/.local/state/nearcast-seeder".into()));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn empty_and_relative_variables_count_as_unset() {
        let odd = [("STATE_DIRECTORY", ""), ("XDG_STATE_HOME", "rel"), ("HOME", "/h")];
        assert_eq!(with(&odd), Some("/h/.local/state/nearcast-seeder".into()));
    }

    #[test]
    fn a_seeder_is_an_origin_and_listens_where_told() {
        let listen: Vec<Address> = vec!["/ip4/127.9.0.1/tcp/0".parse().unwrap()];
        let config = SeederConfig { listen: listen.clone(), ..SeederConfig::default() };
        assert!(config.node().origin);
        assert_eq!(config.node().listen, listen);
        assert!(!SeederConfig::default().node().listen.is_empty());
    }

    fn settings(arguments: &[&str]) -> Result<Settings, Problems> {
        let all = ["nearcast-seeder", "serve"].iter().chain(arguments);
        let matches = crate::cli::command().try_get_matches_from(all).unwrap();
        let nothing = |_: &str| None;
        Settings::of(&gather(matches.subcommand_matches("serve").unwrap(), &nothing).unwrap())
    }

    #[test]
    fn options_become_settings() {
        let state = ["--root", "/srv", "--state-dir", "/state"];
        let more = ["--up", "40Mbit", "--admin", "off", "--grace", "5s", "--connections-per-prefix", "7"];
        let settings = settings(&[&state[..], &more[..]].concat()).unwrap();
        assert_eq!(settings.seeder.root, Some("/srv".into()));
        assert_eq!(settings.seeder.up, Some(5_000_000));
        assert_eq!(settings.seeder.identity, Some("/state/identity.key".into()));
        assert_eq!(settings.seeder.caps.connections_per_prefix_max, Some(7));
        assert_eq!((settings.admin, settings.grace), (Admin::Off, Duration::from_secs(5)));
    }

    #[test]
    fn the_defaults_of_the_table_are_those_of_a_seeder_and_of_the_policy() {
        let named = settings(&["--root", "/srv", "--identity", "/k"]).unwrap();
        let plain =
            SeederConfig { root: Some("/srv".into()), identity: Some("/k".into()), ..Default::default() };
        assert_eq!(named.seeder.node().policy(), plain.node().policy());
        assert_eq!(named.seeder.connections_max, plain.connections_max);
        assert_eq!(named.seeder.rescan, plain.rescan);
        assert!(matches!(named.admin, Admin::At { may_move: true, .. }));
    }

    #[test]
    fn an_identity_by_name_wins_over_the_state_folder() {
        let settings = settings(&["--root", "/srv", "--identity", "/k", "--state-dir", "/state"]).unwrap();
        assert_eq!(settings.seeder.identity, Some("/k".into()));
    }

    #[test]
    fn what_is_required_or_does_not_fit_together_is_told_at_once() {
        let problems = settings(&["--listen", "/dns/example/tcp/1"]).unwrap_err().to_string();
        assert!(problems.contains("root is not set"), "{problems}");
        assert!(problems.contains("listen: /dns/example/tcp/1 names no IP"), "{problems}");
    }

    #[test]
    fn paths_that_are_not_there_are_found_by_a_check() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let good = settings(&["--root", root, "--state-dir", root, "--publish"]).unwrap();
        assert_eq!(good.check(), Vec::<String>::new());
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let file = file.to_str().unwrap();
        let bad = settings(&["--root", file, "--state-dir", &format!("{file}/below")]).unwrap();
        let problems = bad.check();
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
