//! The settings of `get`, checked and combined.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use nearcast_core::signature::PublisherKey;
use nearcast_node::{
    Fetch, Source,
    address::{Address, CLIENT_PORT},
    config::{NodeConfig, SeedGoal},
    proxy::Proxies,
};
use nearcast_service::{config::Layers, flight, units::parse_duration};

use super::{
    remembered,
    setting::{NO_PROXY, Setting},
};
use crate::{atlas::AtlasSource, error::CommandError, publisher::Publisher, source::Named};

/// Ways to find peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Discover {
    /// Ask directories.
    Tracker,
    /// Ask peers for more peers (PEX).
    Pex,
    /// Find peers on the local network.
    Lan,
}

impl Discover {
    /// Reads a list like `tracker,pex`, or `none`.
    ///
    /// # Errors
    /// A sentence that says what to write.
    pub(super) fn parse_list(text: &str) -> Result<BTreeSet<Discover>, String> {
        if text.trim() == "none" {
            return Ok(BTreeSet::new());
        }
        let one = |word: &str| match word.trim() {
            "tracker" => Ok(Discover::Tracker),
            "pex" => Ok(Discover::Pex),
            "lan" => Ok(Discover::Lan),
            "none" => Err("none goes with no other way".to_owned()),
            "dht" => Err("the DHT is not built yet; write tracker, pex, lan or none".to_owned()),
            _ => Err("write tracker, pex, lan, several of them with commas, or none".to_owned()),
        };
        text.split(',').map(one).collect()
    }
}

/// How long to wait for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Wait {
    Time(Duration),
    Forever,
}

impl Wait {
    /// The time limit. `None`: no limit.
    pub(super) fn bound(self) -> Option<Duration> {
        match self {
            Wait::Time(time) => Some(time),
            Wait::Forever => None,
        }
    }

    /// Reads a time, `none` or `forever`.
    ///
    /// # Errors
    /// A sentence that says what to write.
    pub(super) fn parse(text: &str) -> Result<Wait, String> {
        let wrong = |_| "write a time like 30s or 5m, none or forever".to_owned();
        match text {
            "forever" => Ok(Wait::Forever),
            "none" => Ok(Wait::Time(Duration::ZERO)),
            _ => parse_duration(text).map(Wait::Time).map_err(wrong),
        }
    }
}

/// Reads `none`, `ratio:1.5`, `time:30m` or `forever`.
///
/// # Errors
/// A sentence that says what to write.
pub(super) fn parse_goal(text: &str) -> Result<SeedGoal, String> {
    match text.split_once(':') {
        None if text == "none" => Ok(SeedGoal::None),
        None if text == "forever" => Ok(SeedGoal::Forever),
        Some(("ratio", ratio)) => match ratio.parse::<f64>() {
            Ok(ratio) if ratio.is_finite() && ratio > 0.0 => Ok(SeedGoal::Ratio(ratio)),
            _ => Err("a ratio is a number above zero, like ratio:1.5".to_owned()),
        },
        Some(("time", time)) => parse_duration(time).map(SeedGoal::Time).map_err(|error| error.to_string()),
        _ => Err("write none, ratio:1.5, time:30m or forever".to_owned()),
    }
}

/// The settings that hold for every download of a command.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Options {
    pub(in crate::cli) output: PathBuf,
    pub(in crate::cli) peers: Vec<Address>,
    pub(in crate::cli) trackers: Vec<Address>,
    pub(in crate::cli) discover: BTreeSet<Discover>,
    pub(in crate::cli) listen: Vec<Address>,
    pub(in crate::cli) proxies: Proxies,
    pub(in crate::cli) atlas: Option<AtlasSource>,
    pub(in crate::cli) atlas_key: Option<Publisher>,
    pub(in crate::cli) nearness: bool,
    pub(in crate::cli) signed_by: Vec<PublisherKey>,
    pub(in crate::cli) identity: Option<PathBuf>,
    pub(in crate::cli) down: Option<u64>,
    pub(in crate::cli) up: Option<u64>,
    pub(in crate::cli) seed: SeedGoal,
    pub(in crate::cli) timeout: Duration,
    pub(in crate::cli) disk_wait: Wait,
}

impl Options {
    /// Reads the options from the layers of settings.
    ///
    /// # Errors
    /// The settings contradict each other, or a file that they name cannot be used.
    pub(in crate::cli) fn of(layers: &Layers<Setting>) -> Result<Options, CommandError> {
        let publishers = layers.given(Setting::SignedBy).values.iter();
        let publishers = publishers.filter_map(|value| value.to_str()).map(publisher);
        let keys = publishers.map(|publisher| publisher?.key()).collect::<Result<Vec<_>, _>>()?;
        let atlas_key = layers.value(Setting::AtlasKey).and_then(|value| value.to_str()).map(publisher);
        let atlas = layers.path(Setting::Atlas).map(|path| match path.as_os_str() == "auto" {
            true => AtlasSource::Auto,
            false => AtlasSource::File(path),
        });
        Ok(Options {
            output: output(layers)?,
            peers: layers.addresses(Setting::Peer),
            trackers: layers.addresses(Setting::Tracker),
            discover: discover(layers)?,
            listen: listen(layers)?,
            proxies: proxies(layers)?,
            atlas,
            atlas_key: atlas_key.transpose()?,
            nearness: layers.text(Setting::Nearness) != "off",
            signed_by: keys,
            identity: layers.path(Setting::Identity),
            down: layers.rate(Setting::Down),
            up: layers.rate(Setting::Up),
            // These values were checked when they were read.
            seed: parse_goal(layers.text(Setting::Seed)).unwrap_or(SeedGoal::None),
            timeout: layers.duration(Setting::Timeout),
            disk_wait: Wait::parse(layers.text(Setting::DiskWait)).unwrap_or(Wait::Forever),
        })
    }

    /// The fetch of a content into a folder.
    pub(in crate::cli) fn fetch(&self, source: Source, folder: &Path) -> Fetch {
        let asks = self.discover.contains(&Discover::Tracker);
        Fetch {
            // Addresses in a link do not come from the user. The node reads and judges them itself.
            peers: self.peers.clone(),
            directories: if asks { self.trackers.clone() } else { Vec::new() },
            ask_directories: asks,
            exchange_peers: self.discover.contains(&Discover::Pex),
            find_on_lan: self.discover.contains(&Discover::Lan),
            seed: self.seed,
            patience: self.timeout,
            signed_by: self.signed_by.clone(),
            disk_wait: self.disk_wait.bound(),
            state_dir: state_dir(),
            ..Fetch::new(source, folder)
        }
    }

    /// The fetch of what a command line names. If nobody is named, directories are asked that are
    /// remembered.
    pub(in crate::cli) fn fetch_named(&self, named: Named) -> Fetch {
        let directories = match self.discover.contains(&Discover::Tracker) {
            true => remembered::directories(state_dir(), self, &named),
            false => Vec::new(),
        };
        Fetch { directories, ..self.fetch(named.into_source(), &self.output) }
    }

    /// Whether the content goes to standard output.
    pub(super) fn is_to_stdout(&self) -> bool {
        self.output.as_os_str() == "-"
    }

    /// The configuration of the node.
    pub(in crate::cli) fn node(&self) -> NodeConfig {
        // If the user gave no address, another port may be used when the default one is taken.
        let (listen, listen_may_move) = match self.listen.is_empty() {
            true => (Address::everywhere(CLIENT_PORT), true),
            false => (self.listen.clone(), false),
        };
        NodeConfig {
            listen,
            listen_may_move,
            identity: self.identity.clone(),
            up: self.up,
            down: self.down,
            lan: self.discover.contains(&Discover::Lan),
            nearness: self.nearness,
            proxies: self.proxies.clone(),
            flight: flight::file(),
            ..NodeConfig::default()
        }
    }
}

/// The user's state folder, which records what is complete. `None`: no home folder, so existing
/// data is checked each time.
pub(in crate::cli) fn state_dir() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("nearcast"))
}

fn publisher(text: &str) -> Result<Publisher, CommandError> {
    let wrong = |error| CommandError::BadOption(format!("{text}: {error}"));
    text.parse().map_err(wrong)
}

/// The folder to download to.
fn output(layers: &Layers<Setting>) -> Result<PathBuf, CommandError> {
    let output = layers.path(Setting::Output).unwrap_or_default();
    if output.exists() && !output.is_dir() {
        return Err(CommandError::BadOption(format!(
            "-o names the folder to download to, and {} is no folder; the file in it gets the content's name",
            output.display()
        )));
    }
    Ok(output)
}

fn discover(layers: &Layers<Setting>) -> Result<BTreeSet<Discover>, CommandError> {
    let values = layers.given(Setting::Discover).values.iter().filter_map(|value| value.to_str());
    let all = values.collect::<Vec<_>>().join(",");
    Discover::parse_list(&all).map_err(|error| CommandError::BadOption(format!("--discover: {error}")))
}

fn listen(layers: &Layers<Setting>) -> Result<Vec<Address>, CommandError> {
    let listen = layers.addresses(Setting::Listen);
    match listen.iter().find(|address| address.ip().is_none()) {
        Some(address) => {
            Err(CommandError::BadOption(format!("--listen: {address} names no IP to listen on")))
        }
        None => Ok(listen),
    }
}

/// The user's setting comes before the environment.
fn proxies(layers: &Layers<Setting>) -> Result<Proxies, CommandError> {
    let variable = |name: &str| env::var(name).ok();
    let wrong = |error: nearcast_node::proxy::ProxyError| CommandError::BadOption(error.to_string());
    match layers.text(Setting::Proxy) {
        "" => Proxies::of_environment(&variable).map_err(wrong),
        NO_PROXY => Ok(Proxies::none()),
        text => text.parse().map(|proxy| Proxies::through(proxy, &variable)).map_err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeding_goals_are_read() {
        assert_eq!(parse_goal("none"), Ok(SeedGoal::None));
        assert_eq!(parse_goal("forever"), Ok(SeedGoal::Forever));
        assert_eq!(parse_goal("ratio:1.5"), Ok(SeedGoal::Ratio(1.5)));
        assert_eq!(parse_goal("time:2h"), Ok(SeedGoal::Time(Duration::from_secs(7200))));
        for wrong in ["", "ratio", "ratio:-1", "ratio:nan", "ratio:inf", "time:x", "later:1"] {
            assert!(parse_goal(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ways_to_find_peers_are_read_and_none_stands_alone() {
        assert_eq!(Discover::parse_list("none").map(|ways| ways.len()), Ok(0));
        let ways = Discover::parse_list("pex, lan").unwrap();
        assert_eq!(ways.into_iter().collect::<Vec<_>>(), [Discover::Pex, Discover::Lan]);
        for wrong in ["", "dht", "none,pex", "pex,,lan", "everything"] {
            assert!(Discover::parse_list(wrong).is_err(), "{wrong}");
        }
    }
}
