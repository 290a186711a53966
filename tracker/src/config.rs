//! The configuration of a tracker.

use std::{
    collections::BTreeSet,
    env,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use nearcast_core::{id::ContentId, paths::printable};
use nearcast_node::{
    address::{Address, TRACKER_PORT},
    config::{Caps, NodeConfig},
    directory::{Admission, DirectoryConfig, RegistryConfig},
    error::KeyError,
    key::{SecretKey, check_identity},
};
use nearcast_service::{
    config::{Layers, Problems},
    run::Around,
    sandbox::{self, Sandbox},
    setting::Setting as _,
    state::{credential, default_state_dir, nearest_folder, readable_or_makeable, writable},
};

use crate::{
    allowed,
    feeds::{
        bmp::BmpConfig,
        live::LiveConfig,
        ris_live::{RisConfig, RisSource},
    },
    setting::Setting,
};

/// The identity file, in the state folder or among the credentials.
const IDENTITY: &str = "identity.key";
/// Directories of the hash table that were met, in the state folder.
const KNOWN_DIRECTORIES: &str = "directories.txt";

/// The settings of one tracker.
#[derive(Clone, Debug)]
pub struct TrackerConfig {
    /// The addresses to listen on. Empty: all interfaces, TCP and QUIC, port 4810, or any free port
    /// if that is taken.
    pub listen: Vec<Address>,
    /// The contents that it is a directory for.
    pub admitted: Admitted,
    /// Directories to join.
    pub join: Vec<Address>,
    /// Take part in the hash table among directories.
    pub dht: bool,
    /// The most contents in the directory.
    pub contents_max: usize,
    /// The most entries of all contents together.
    pub entries_max: usize,
    /// The most peers of one content.
    pub peers_max: usize,
    /// The most connections.
    pub connections_max: u32,
    /// Limits for each network.
    pub caps: Caps,
    /// Upload limit for the atlas. In bytes a second. `None`: no limit.
    pub up: Option<u64>,
    /// The file of the first atlas. `None`: start without one.
    pub atlas: Option<PathBuf>,
    /// The file of the secret key that signs each atlas. `None`: no atlas is published.
    pub signing_key: Option<PathBuf>,
    /// The shortest time between two publications of a changed atlas.
    pub atlas_interval: Duration,
    /// The feeds of live routes.
    pub live: LiveConfig,
    /// The folder of everything that survives a restart.
    pub state_dir: PathBuf,
    /// Time between two saves of the directory.
    pub save_interval: Duration,
    /// The file of our secret key, made if missing.
    pub identity: PathBuf,
}

/// The contents that a tracker is a directory for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// Any content.
    Any,
    /// Only the listed contents.
    Listed(BTreeSet<ContentId>),
    /// Only what it serves itself: the atlas.
    Own,
}

impl Admitted {
    /// What has changed since `before`, in words. `None`: nothing.
    pub(crate) fn change_since(&self, before: &Admitted) -> Option<String> {
        match (before, self) {
            (Admitted::Listed(before), Admitted::Listed(now)) => {
                let (added, removed) = (now.difference(before).count(), before.difference(now).count());
                let some = added > 0 || removed > 0;
                some.then(|| {
                    format!("allow (contents added: {added}, removed: {removed}, now {})", now.len())
                })
            }
            (_, Admitted::Listed(now)) if before != self => {
                Some(format!("allow (only {} contents now)", now.len()))
            }
            (_, Admitted::Any) if before != self => Some("allow (any content now)".to_owned()),
            (_, Admitted::Own) if before != self => Some("allow (only the atlas now)".to_owned()),
            _ => None,
        }
    }
}

impl TrackerConfig {
    /// The contents of the directory, besides the atlas.
    pub(crate) fn admission(&self) -> Admission {
        match &self.admitted {
            Admitted::Any => Admission::Open,
            Admitted::Listed(contents) => Admission::Listed(contents.clone()),
            Admitted::Own => Admission::Own,
        }
    }

    /// Whether there is any feed of routes.
    pub(crate) fn has_feeds(&self) -> bool {
        let LiveConfig { bmp, ris_live, updates, .. } = &self.live;
        bmp.is_some() || ris_live.is_some() || !updates.is_empty()
    }

    /// The config of the node that does the work. It is an origin for the atlas, which peers should
    /// fetch from each other.
    pub(crate) fn node(&self) -> NodeConfig {
        let mut node = NodeConfig {
            origin: true,
            up: self.up,
            identity: Some(self.identity.clone()),
            connections_max: self.connections_max,
            caps: self.caps,
            lan: false,
            dht: self.dht,
            join: self.join.clone(),
            known_directories: Some(self.state_dir.join(KNOWN_DIRECTORIES)),
            directory: Some(DirectoryConfig {
                admission: self.admission(),
                registry: RegistryConfig {
                    contents_max: self.contents_max,
                    entries_max: self.entries_max,
                    peers_max: self.peers_max,
                    ..RegistryConfig::default()
                },
                ..DirectoryConfig::default()
            }),
            flight: nearcast_service::flight::file(),
            ..NodeConfig::default()
        };
        // A default port gives way to another; a port from the settings does not.
        (node.listen, node.listen_may_move) = match self.listen.is_empty() {
            true => (Address::everywhere(TRACKER_PORT), true),
            false => (self.listen.clone(), false),
        };
        node
    }
}

/// All settings of the program: the tracker's, and the run loop's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The tracker.
    pub tracker: TrackerConfig,
    /// The settings of the run loop.
    pub around: Around,
}

impl Settings {
    /// The settings from the layers.
    ///
    /// # Errors
    /// All settings that are missing or contradict each other.
    pub fn of(layers: &Layers<Setting>) -> Result<Settings, Problems> {
        let mut problems = Vec::new();
        let state_dir = layers.path(Setting::StateDir).or_else(|| default_state_dir(&Setting::PROGRAM));
        if state_dir.is_none() {
            problems.push("no place for what must survive a restart: set state-dir".to_owned());
        }
        let state_dir = state_dir.unwrap_or_default();
        let listen: Vec<Address> = layers.addresses(Setting::Listen);
        for address in listen.iter().filter(|address| address.ip().is_none()) {
            problems.push(format!("listen: {address} names no IP to listen on"));
        }
        let admitted = admitted(layers).unwrap_or_else(|found| {
            problems.extend(found);
            Admitted::Own
        });
        let tracker = TrackerConfig {
            listen,
            admitted,
            join: layers.addresses(Setting::Join),
            dht: layers.switch(Setting::Dht),
            contents_max: layers.count(Setting::Contents).unwrap_or(131_072),
            entries_max: layers.count(Setting::Peers).unwrap_or(2_097_152),
            peers_max: layers.count(Setting::PeersPerContent).unwrap_or(1_000),
            connections_max: layers.count(Setting::Connections).unwrap_or(8_192),
            caps: Caps {
                connections_per_prefix_max: layers.count(Setting::ConnectionsPerPrefix),
                ..Caps::default()
            },
            up: layers.rate(Setting::Up),
            atlas: layers.path(Setting::Atlas),
            signing_key: layers.key_file(Setting::AtlasSigningKey),
            atlas_interval: layers.duration(Setting::AtlasInterval),
            live: live(layers).unwrap_or_else(|problem| {
                problems.push(problem);
                LiveConfig::default()
            }),
            identity: layers
                .key_file(Setting::Identity)
                .or_else(|| credential(IDENTITY.as_ref()))
                .unwrap_or_else(|| state_dir.join(IDENTITY)),
            state_dir,
            save_interval: layers.duration(Setting::SaveInterval),
        };
        if let Err(error) = tracker.node().policy() {
            problems.push(error.to_string());
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let around = Around {
            sandbox: sandbox(layers, &tracker),
            admin: layers.admin(Setting::Admin),
            grace: layers.duration(Setting::Grace),
            log: layers.text(Setting::Log).to_owned(),
            log_json: layers.text(Setting::LogFormat) == "json",
        };
        Ok(Settings { tracker, around })
    }

    /// Problems that the start would meet, as far as they can be found without starting.
    pub fn check(&self) -> Vec<String> {
        let TrackerConfig { state_dir, identity, atlas, signing_key, live, .. } = &self.tracker;
        let folder = if state_dir.exists() { state_dir } else { nearest_folder(state_dir) };
        let mut looks = vec![(folder, writable(folder)), (identity, readable_or_makeable(identity))];
        let files = atlas.iter().chain(&live.updates);
        looks.extend(files.map(|path| (path.as_path(), std::fs::File::open(path).map(drop))));
        let problem = |(path, look): (&Path, std::io::Result<()>)| {
            let error = look.err()?;
            Some(format!("cannot use {}: {error}", printable(&path.to_string_lossy())))
        };
        let given = state_folder_hint(state_dir).filter(|_| looks[0].1.is_err());
        let mut problems: Vec<String> = looks.into_iter().filter_map(problem).collect();
        let keys = [
            identity.exists().then(|| check_identity(identity)),
            signing_key.as_ref().map(|key| SecretKey::load(key).map(drop)),
        ];
        let unusable = keys.into_iter().flatten().filter_map(Result::err);
        problems.extend(unusable.map(|error| key_problem(&error)));
        problems.extend(given);
        problems
    }
}

/// The problem with a key, and how a systemd service gets a key that only root can read.
pub(crate) fn key_problem(error: &KeyError) -> String {
    let sentence = printable(&error.to_string());
    if !sentence.contains("Permission denied") {
        return sentence;
    }
    format!(
        "{sentence}; under systemd give it as a credential: LoadCredential=NAME:FILE in the unit, and only the NAME in the \
         configuration"
    )
}

/// A hint about a state folder outside the one that the service manager made.
pub(crate) fn state_folder_hint(folder: &Path) -> Option<String> {
    let given = env::var_os("STATE_DIRECTORY").filter(|given| !given.is_empty())?;
    let inside = env::split_paths(&given).any(|given| folder.starts_with(given));
    let given = printable(&given.to_string_lossy());
    (!inside).then(|| {
        format!(
            "the unit gives the folder {given}: leave state-dir out, or name another with StateDirectory="
        )
    })
}

fn live(layers: &Layers<Setting>) -> Result<LiveConfig, String> {
    let routers: Vec<IpAddr> = layers.all(Setting::BmpRouter);
    let ris_live = match layers.text(Setting::RisLive) {
        "" => None,
        text => {
            let source = text.parse().map_err(|error| format!("ris-live: {error}"))?;
            Some(RisConfig { source, collectors: layers.all(Setting::RisCollector) })
        }
    };
    let bmp: Option<SocketAddr> = layers.all(Setting::Bmp).first().copied();
    if let Some(address) = bmp.filter(|address| !address.ip().is_loopback() && routers.is_empty()) {
        return Err(format!(
            "bmp: whoever connects to {address} can say who originates what; name your routers with \
             bmp-router (one or several IPs), or listen on 127.0.0.1"
        ));
    }
    Ok(LiveConfig {
        bmp,
        bmp_sessions: BmpConfig {
            allow: routers.into_iter().map(Into::into).collect(),
            ..BmpConfig::default()
        },
        ris_live,
        updates: layers.given(Setting::Updates).values.iter().map(PathBuf::from).collect(),
        hold: layers.duration(Setting::Hold),
        rebuild_every: layers.duration(Setting::RebuildInterval),
        ..LiveConfig::default()
    })
}

fn admitted(layers: &Layers<Setting>) -> Result<Admitted, Vec<String>> {
    match (layers.path(Setting::Allow), layers.text(Setting::Open)) {
        (Some(_), "true") => {
            Err(vec!["open and allow do not go together: an open tracker takes any content".to_owned()])
        }
        (Some(path), _) => allowed::read(&path).map(Admitted::Listed),
        (None, "false") => Ok(Admitted::Own),
        (None, _) => Ok(Admitted::Any),
    }
}

/// The rights that the tracker needs in any case.
fn sandbox(layers: &Layers<Setting>, tracker: &TrackerConfig) -> Sandbox {
    let TrackerConfig { atlas, signing_key, live, state_dir, identity, .. } = tracker;
    let feed = live.ris_live.as_ref().and_then(|ris| match &ris.source {
        RisSource::File(path) => Some(path),
        _ => None,
    });
    let allowed = layers.path(Setting::Allow);
    // A file may be replaced by another of the same name; its folder stays.
    let files = atlas.iter().chain(&live.updates).chain(feed).chain(&allowed);
    let mut reads: Vec<PathBuf> = files.filter_map(|file| Some(file.parent()?.to_owned())).collect();
    reads.extend(signing_key.clone());
    let mut writes = vec![state_dir.clone()];
    writes.extend(nearcast_service::flight::folder());
    match identity.parent() {
        Some(folder) if !identity.exists() => writes.extend((folder != state_dir).then(|| folder.to_owned())),
        _ => reads.push(identity.clone()),
    }
    let wanted = sandbox::wanted(layers.text(Setting::Sandbox));
    Sandbox { wanted, reads, writes, looks_at_others: false }
}

/// The text of the sample file, which is also shipped.
pub fn sample() -> String {
    nearcast_service::config::sample(Setting::Grace)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use clap::Args;
    use nearcast_service::{admin::AdminAt, cli::Serve, config::Sources};

    use super::*;

    fn settings(arguments: &[&str]) -> Result<Settings, Problems> {
        let command = Serve::<Setting>::augment_args(clap::Command::new("serve"));
        let matches = command.try_get_matches_from(["serve"].iter().chain(arguments)).unwrap();
        Settings::of(&Sources::new(matches).read_with(&|_| None).unwrap())
    }

    #[test]
    fn what_became_another_in_the_list_of_contents_is_counted() {
        let id = |byte: u8| ContentId([byte; 32]);
        let before = Admitted::Listed([id(1), id(2)].into());
        let after = Admitted::Listed([id(2), id(3), id(4)].into());
        assert_eq!(after.change_since(&before).unwrap(), "allow (contents added: 2, removed: 1, now 3)");
        assert_eq!(before.change_since(&before), None);
        assert_eq!(Admitted::Any.change_since(&Admitted::Any), None);
        assert_eq!(before.change_since(&Admitted::Any).unwrap(), "allow (only 2 contents now)");
        assert!(Admitted::Own.change_since(&before).unwrap().contains("only the atlas"));
    }

    #[test]
    fn options_become_settings() {
        let feeds =
            ["--bmp", "127.0.0.1:5000", "--bmp-router", "192.0.2.1", "--updates", "a", "--updates", "b"];
        let more = ["--state-dir", "/state", "--ris-live", "-", "--admin", "off", "--grace", "3s"];
        let settings = settings(&[&feeds[..], &more].concat()).unwrap();
        let tracker = &settings.tracker;
        assert_eq!(tracker.live.bmp, Some("127.0.0.1:5000".parse().unwrap()));
        assert_eq!(tracker.live.bmp_sessions.allow, ["192.0.2.1".parse().unwrap()]);
        assert_eq!(tracker.live.ris_live.as_ref().map(|ris| &ris.source), Some(&RisSource::Stdin));
        assert_eq!(tracker.live.updates, ["a", "b"].map(PathBuf::from));
        assert!(tracker.has_feeds());
        assert_eq!(tracker.identity, Path::new("/state/identity.key"));
        assert_eq!((settings.around.admin, settings.around.grace), (AdminAt::Off, Duration::from_secs(3)));
        assert!(tracker.node().origin && !tracker.node().lan);
    }

    #[test]
    fn routers_are_named_where_others_could_connect() {
        let problem = |arguments: &[&str]| {
            settings(&[&["--state-dir", "/s"], arguments].concat()).err().map(|error| error.to_string())
        };
        for open in ["192.0.2.1:5000", "0.0.0.0:5000", "[::]:5000"] {
            let said = problem(&["--bmp", open]).unwrap_or_default();
            assert!(said.contains("bmp-router") && said.contains(open), "{open}: {said}");
            assert_eq!(problem(&["--bmp", open, "--bmp-router", "192.0.2.9"]), None);
        }
        assert_eq!(problem(&["--bmp", "127.0.0.1:5000"]), None);
        assert_eq!(problem(&["--bmp", "[::1]:5000"]), None);
    }

    #[test]
    fn a_tracker_is_open_unless_a_list_or_a_word_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        fs::write(&list, format!("{}\n", "ab".repeat(32))).unwrap();
        let list = list.to_str().unwrap();
        let admitted = |arguments: &[&str]| {
            settings(&[&["--state-dir", "/s"], arguments].concat()).map(|settings| settings.tracker.admitted)
        };
        assert_eq!(admitted(&[]).unwrap(), Admitted::Any);
        assert_eq!(admitted(&["--open"]).unwrap(), Admitted::Any);
        assert_eq!(admitted(&["--open=false"]).unwrap(), Admitted::Own);
        let listed = Admitted::Listed([ContentId([0xab; 32])].into());
        assert_eq!(admitted(&["--allow", list]).unwrap(), listed);
        assert_eq!(admitted(&["--allow", list, "--open=false"]).unwrap(), listed);
        assert!(admitted(&["--allow", list, "--open"]).is_err());
        assert!(admitted(&["--allow", "/nowhere/list"]).unwrap_err().to_string().contains("/nowhere/list"));
    }

    #[test]
    fn what_is_required_or_does_not_fit_together_is_told_at_once() {
        let command = Serve::<Setting>::augment_args(clap::Command::new("serve"));
        let line = ["serve", "--listen", "/dns/example/tcp/1", "--open", "--allow", "/nowhere"];
        let layers = Sources::new(command.try_get_matches_from(line).unwrap()).read_with(&|_| None).unwrap();
        let problems = Settings::of(&layers).unwrap_err().to_string();
        assert!(problems.contains("do not go together"), "{problems}");
        assert!(problems.contains("listen: /dns/example/tcp/1 names no IP"), "{problems}");
    }

    #[test]
    fn paths_that_are_not_there_are_found_by_a_check() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("to/be/made");
        let state = state.to_str().unwrap();
        assert_eq!(settings(&["--state-dir", state]).unwrap().check(), Vec::<String>::new());
        let bad =
            settings(&["--state-dir", state, "--atlas", "/no/atlas", "--updates", "/no/updates"]).unwrap();
        assert_eq!(bad.check().len(), 2, "{:?}", bad.check());
    }

    #[test]
    fn the_shipped_sample_is_what_the_code_knows() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tracker.toml");
        if env::var_os("NEARCAST_WRITE_SAMPLE").is_some() {
            fs::write(&shipped, sample()).unwrap();
        }
        let text = fs::read_to_string(&shipped).unwrap();
        assert!(text == sample(), "write it anew: nearcast-tracker sample-config > tracker/tracker.toml");
    }
}
