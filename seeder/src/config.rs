//! The configuration of a seeder.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use nearcast_core::{paths::printable, signature::PublisherKey};
use nearcast_node::{
    address::{Address, SEEDER_PORT},
    config::{Caps, NodeConfig},
    key::{SecretKey, check_identity},
};
use nearcast_service::{
    config::{Layers, Problems},
    run::Around,
    sandbox::{self, Sandbox},
    setting::Setting as _,
    state::{credential, default_state_dir, readable_or_makeable, writable},
};

use crate::setting::Setting;

/// The identity file, in the state folder or among the credentials.
const IDENTITY: &str = "identity.key";
/// Directories of the hash table that were met, in the state folder.
const KNOWN_DIRECTORIES: &str = "directories.txt";

/// The settings of one seeder. [`SeederConfig::default`] suits an embedding program.
#[derive(Clone, Debug)]
pub struct SeederConfig {
    /// Every `.torrent` below this folder is served if its data lies beside it. `None`: only
    /// contents given to [`crate::service::Seeder::share`] are served, as in an embedding program.
    pub root: Option<PathBuf>,
    /// Files and folders in the root without a `.torrent` are hashed, and a `.torrent` is written
    /// beside each.
    pub publish: bool,
    /// Also publish hidden names, backups and files that others may not read.
    pub hidden: bool,
    /// The file with the key that signs published contents. `None`: they are not signed.
    pub sign: Option<PathBuf>,
    /// Addresses in the links of published contents. Empty: the addresses listened on.
    pub link_addresses: Vec<Address>,
    /// Time between two scans of the root, and more if they take much of it. Changes that the system
    /// tells of are noticed at once.
    pub rescan: Duration,
    /// The addresses to listen on. Empty: all interfaces, TCP and QUIC, port 4800, or any free port
    /// if that is taken. Name the port of a seeder whose address others write down.
    pub listen: Vec<Address>,
    /// The atlas file. `None`: nearness goes by address prefixes.
    pub atlas: Option<PathBuf>,
    /// Follow the newest atlas that directories announce, instead of a file.
    pub atlas_auto: Option<AtlasAuto>,
    /// Trackers to announce every served content to.
    pub trackers: Vec<Address>,
    /// Directories to join, besides the trackers.
    pub join: Vec<Address>,
    /// Take part in the hash table among directories.
    pub dht: bool,
    /// The file of directories that were met. `None`: they are not remembered.
    pub known_directories: Option<PathBuf>,
    /// Upload limit for all contents together. In bytes a second. `None`: no limit.
    pub up: Option<u64>,
    /// The most connections. More serve a larger crowd directly, and cost about 100 KiB each.
    pub connections_max: u32,
    /// Limits for each content and each network.
    pub caps: Caps,
    /// The file of our secret key, made if missing. `None`: a fresh key at each start, so that
    /// addresses with our id that others wrote down stop working.
    pub identity: Option<PathBuf>,
}

/// Which atlas to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtlasAuto {
    /// The key that must have signed it.
    pub key: PublisherKey,
    /// The folder of the last good atlas.
    pub folder: PathBuf,
    /// An older atlas is not used as the first one; when it is in use, the log says so.
    pub age_max: Duration,
}

impl Default for SeederConfig {
    fn default() -> Self {
        SeederConfig {
            root: None,
            publish: false,
            hidden: false,
            sign: None,
            link_addresses: Vec::new(),
            rescan: Duration::from_secs(10),
            listen: Vec::new(),
            atlas: None,
            atlas_auto: None,
            trackers: Vec::new(),
            join: Vec::new(),
            dht: true,
            known_directories: None,
            up: None,
            connections_max: 4096,
            caps: Caps::default(),
            identity: None,
        }
    }
}

impl SeederConfig {
    /// The config of the node that does the work. It is an origin, so peers spare it.
    pub(crate) fn node(&self) -> NodeConfig {
        let mut node = NodeConfig {
            origin: true,
            up: self.up,
            identity: self.identity.clone(),
            trackers: self.trackers.clone(),
            dht: self.dht,
            join: self.join.clone(),
            known_directories: self.known_directories.clone(),
            connections_max: self.connections_max,
            caps: self.caps,
            hear_of_atlases: self.atlas_auto.is_some(),
            flight: nearcast_service::flight::file(),
            ..NodeConfig::default()
        };
        // A default port gives way to another; a port from the settings does not.
        (node.listen, node.listen_may_move) = match self.listen.is_empty() {
            true => (Address::everywhere(SEEDER_PORT), true),
            false => (self.listen.clone(), false),
        };
        node
    }
}

/// All settings of the program: the seeder's, and the run loop's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The seeder.
    pub seeder: SeederConfig,
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
        let root = layers.path(Setting::Root);
        if root.is_none() {
            problems.push("root is not set: give --root DIR, or root in a file".to_owned());
        }
        let identity = identity(layers);
        if identity.is_none() {
            problems.push("no place for the identity: set state-dir or identity".to_owned());
        }
        let atlas_auto = atlas_auto(layers, identity.as_deref()).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let listen: Vec<Address> = layers.addresses(Setting::Listen);
        for address in listen.iter().filter(|address| address.ip().is_none()) {
            problems.push(format!("listen: {address} names no IP to listen on"));
        }
        let seeder = SeederConfig {
            root,
            publish: layers.switch(Setting::Publish),
            hidden: layers.switch(Setting::Hidden),
            sign: layers.key_file(Setting::Sign),
            link_addresses: layers.addresses(Setting::LinkAddress),
            rescan: layers.duration(Setting::Rescan),
            listen,
            atlas: layers.path(Setting::Atlas).filter(|path| path.as_os_str() != "auto"),
            atlas_auto,
            trackers: layers.addresses(Setting::Tracker),
            join: layers.addresses(Setting::Join),
            dht: layers.switch(Setting::Dht),
            known_directories: known_directories(layers, identity.as_deref()),
            up: layers.rate(Setting::Up),
            connections_max: layers.count(Setting::Connections).unwrap_or_default(),
            caps: caps(layers),
            identity,
        };
        if seeder.sign.is_some() && !seeder.publish {
            problems.push("sign goes with publish only: what others published, they sign".to_owned());
        }
        if let Err(error) = seeder.node().policy() {
            problems.push(error.to_string());
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let sandbox = sandbox(layers, &seeder);
        Ok(Settings {
            seeder,
            around: Around {
                sandbox,
                admin: layers.admin(Setting::Admin),
                grace: layers.duration(Setting::Grace),
                log: layers.text(Setting::Log).to_owned(),
                log_json: layers.text(Setting::LogFormat) == "json",
            },
        })
    }

    /// Problems that the start would meet, as far as they can be found without starting.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let note = |problems: &mut Vec<String>, path: &Path, result: io::Result<()>| {
            if let Err(error) = result {
                problems.push(format!("cannot use {}: {error}", printable(&path.to_string_lossy())));
            }
        };
        if let Some(root) = &self.seeder.root {
            note(&mut problems, root, fs::read_dir(root).map(drop));
            if self.seeder.publish {
                note(&mut problems, root, writable(root));
            }
        }
        if let Some(atlas) = &self.seeder.atlas {
            note(&mut problems, atlas, File::open(atlas).map(drop));
        }
        if let Some(key) = &self.seeder.sign
            && let Err(error) = SecretKey::load(key)
        {
            problems.push(printable(&error.to_string()));
        }
        if let Some(key) = &self.seeder.identity {
            note(&mut problems, key, readable_or_makeable(key));
            if key.exists()
                && let Err(error) = check_identity(key)
            {
                problems.push(printable(&error.to_string()));
            }
        }
        problems
    }
}

/// The file of known directories, in the state folder, or beside the identity if that is to be made.
fn known_directories(layers: &Layers<Setting>, identity: Option<&Path>) -> Option<PathBuf> {
    let state = layers.path(Setting::StateDir).or_else(|| default_state_dir(&Setting::PROGRAM));
    let beside = || Some(identity.filter(|key| !key.exists())?.parent()?.to_owned());
    Some(state.filter(|state| state.is_dir()).or_else(beside)?.join(KNOWN_DIRECTORIES))
}

fn atlas_auto(layers: &Layers<Setting>, identity: Option<&Path>) -> Result<Option<AtlasAuto>, String> {
    let key: Option<PublisherKey> = layers.all(Setting::AtlasKey).first().copied();
    match (layers.text(Setting::Atlas), key) {
        ("auto", Some(key)) => {
            let state = layers.path(Setting::StateDir).or_else(|| default_state_dir(&Setting::PROGRAM));
            let folder = state.or_else(|| Some(identity?.parent()?.to_owned())).unwrap_or_default();
            let age_max = layers.duration(Setting::AtlasAgeMax);
            Ok(Some(AtlasAuto { key, folder: folder.join("atlas"), age_max }))
        }
        ("auto", None) => Err("atlas is auto: atlas-key must say whose is to be believed".to_owned()),
        (_, Some(_)) => Err("atlas-key goes with atlas = auto only".to_owned()),
        (_, None) => Ok(None),
    }
}

fn caps(layers: &Layers<Setting>) -> Caps {
    Caps {
        up_per_content: layers.rate(Setting::UpPerContent),
        up_per_prefix: layers.rate(Setting::UpPerPrefix),
        connections_per_prefix_max: layers.count(Setting::ConnectionsPerPrefix),
        links_per_content_max: layers.count(Setting::LinksPerContent),
        upload_slots_per_content: layers.count(Setting::UploadSlotsPerContent),
        upload_slots_total: layers.count(Setting::UploadSlots),
    }
}

fn identity(layers: &Layers<Setting>) -> Option<PathBuf> {
    let in_state_dir = || {
        let named = layers.path(Setting::StateDir);
        Some(named.or_else(|| default_state_dir(&Setting::PROGRAM))?.join(IDENTITY))
    };
    layers.key_file(Setting::Identity).or_else(|| credential(IDENTITY.as_ref())).or_else(in_state_dir)
}

/// The folders that contain a root, by its path and by its link target. A root may be replaced, be
/// mounted again, or be a link that changes its target, and the new root must be readable. Leaves
/// out folders that hold everything, or everything of a user.
fn around_root(root: &Path, home: Option<&OsStr>) -> Vec<PathBuf> {
    let homes = ["/", "/home", "/root"].map(Path::new).into_iter().chain(home.map(Path::new));
    let too_much: Vec<&Path> = homes.collect();
    let paths = [std::path::absolute(root), root.canonicalize()];
    let folders = paths.iter().flatten().filter_map(|path| path.parent());
    let mut folders: Vec<PathBuf> =
        folders.filter(|folder| !too_much.contains(folder)).map(Path::to_owned).collect();
    folders.dedup();
    folders
}

/// The rights that the seeder needs in any case.
fn sandbox(layers: &Layers<Setting>, seeder: &SeederConfig) -> Sandbox {
    let SeederConfig { root, publish, sign, atlas, atlas_auto, identity, .. } = seeder;
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    let served = if *publish { &mut writes } else { &mut reads };
    served.extend(root.clone());
    reads.extend(root.iter().flat_map(|root| around_root(root, env::var_os("HOME").as_deref())));
    // A file may be replaced by another of the same name; its folder stays.
    reads.extend(atlas.as_deref().and_then(Path::parent).map(Path::to_owned));
    reads.extend(sign.clone());
    match identity {
        Some(key) if key.exists() => reads.push(key.clone()),
        key => writes.extend(key.as_deref().and_then(Path::parent).map(Path::to_owned)),
    }
    writes.extend(atlas_auto.iter().map(|auto| auto.folder.clone()));
    let state = layers.path(Setting::StateDir).or_else(|| default_state_dir(&Setting::PROGRAM));
    writes.extend(state.filter(|state| state.is_dir()));
    writes.extend(nearcast_service::flight::folder());
    let wanted = sandbox::wanted(layers.text(Setting::Sandbox));
    Sandbox { wanted, reads, writes, looks_at_others: *publish }
}

/// The text of the sample file, which is also shipped.
pub fn sample() -> String {
    nearcast_service::config::sample(Setting::Up)
}

#[cfg(test)]
mod tests {
    use nearcast_service::{admin::AdminAt, config::Sources};

    use super::*;

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
        let sources = Sources::new(matches.subcommand_matches("serve").unwrap().clone());
        Settings::of(&sources.read_with(&|_| None).unwrap())
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
        assert_eq!((settings.around.admin, settings.around.grace), (AdminAt::Off, Duration::from_secs(5)));
    }

    #[test]
    fn the_defaults_of_the_table_are_those_of_a_seeder_and_of_the_policy() {
        let named = settings(&["--root", "/srv", "--identity", "/k"]).unwrap();
        let plain =
            SeederConfig { root: Some("/srv".into()), identity: Some("/k".into()), ..Default::default() };
        assert_eq!(named.seeder.node().policy(), plain.node().policy());
        assert_eq!(named.seeder.connections_max, plain.connections_max);
        assert_eq!(named.seeder.rescan, plain.rescan);
        let key = Setting::AtlasKey.about().example;
        let auto = settings(&["--root", "/srv", "--state-dir", "/s", "--atlas", "auto", "--atlas-key", key])
            .unwrap();
        assert_eq!(auto.seeder.atlas_auto.unwrap().age_max, nearcast_service::atlas::ATLAS_AGE_MAX);
        assert!(matches!(named.around.admin, AdminAt::At { may_move: true, .. }));
    }

    #[test]
    fn the_sandbox_lets_the_root_be_written_to_only_to_publish() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let key = folder.path().join("key");
        let of = |more: &[&str]| {
            let key = key.to_str().unwrap();
            let base =
                ["--root", root, "--state-dir", "/nowhere", "--identity", key, "--atlas", "/a/b.atlas"];
            settings(&[&base[..], more].concat()).unwrap().around.sandbox
        };
        fs::write(&key, "x").unwrap();
        let reading = of(&[]);
        let above = folder.path().parent().unwrap();
        assert_eq!(reading.reads, [Path::new(root), above, Path::new("/a"), &key]);
        assert_eq!((reading.writes, reading.wanted), (Vec::new(), sandbox::Wanted::Auto));
        let publishing = of(&["--publish", "--sandbox", "require"]);
        assert_eq!(publishing.writes, [Path::new(root)]);
        assert!(publishing.looks_at_others && publishing.wanted == sandbox::Wanted::Require);
        fs::remove_file(&key).unwrap();
        assert_eq!(of(&[]).writes, [folder.path()], "a key that is to be made");
    }

    #[test]
    fn a_root_may_be_replaced_or_switched_and_a_home_stays_closed() {
        let folder = tempfile::tempdir().unwrap();
        let [path, real] = ["www", "releases"].map(|name| folder.path().canonicalize().unwrap().join(name));
        fs::create_dir_all(real.join("1")).unwrap();
        fs::create_dir(&path).unwrap();
        std::os::unix::fs::symlink(real.join("1"), path.join("current")).unwrap();
        assert_eq!(around_root(&path.join("current"), None), [path.as_path(), &real]);
        for root in ["/data", "/home/films", "/root/films", "/h/me/films"] {
            assert_eq!(around_root(Path::new(root), Some("/h/me".as_ref())), Vec::<PathBuf>::new(), "{root}");
        }
        assert_eq!(around_root(Path::new("/nowhere/films"), None), [Path::new("/nowhere")]);
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
    #[test]
    fn the_shipped_sample_is_what_the_code_knows() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeder.toml");
        if env::var_os("NEARCAST_WRITE_SAMPLE").is_some() {
            fs::write(&shipped, sample()).unwrap();
        }
        let text = fs::read_to_string(&shipped).unwrap();
        assert!(text == sample(), "write it anew: nearcast-seeder sample-config > seeder/seeder.toml");
    }
}
