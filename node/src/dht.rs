//! The hash table among directories, as a directory uses it: it joins others, and writes down which
//! contents it knows. What and when is decided in [`nearcast_core::overlay`].

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use nearcast_core::{
    overlay::{
        keys::{AS_MEMBERS_MIN, Key},
        provide::{Act, RECORDS_ENOUGH, Schedule, Weight},
        table::Joining,
    },
    registry::Surveyed,
    time::Timestamp,
};
use tokio::{sync::oneshot, time::sleep};

pub use crate::net::dht::DhtStats;
use crate::{
    address::peer_of,
    directory::Directory,
    net::{
        Network,
        dht::{Found, Met, Order},
        without_peer,
    },
    publish::replace_file,
    resolve,
    vital::Vital,
};

/// How often it is looked whether others are to be joined.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// How often the directory is asked which contents it knows.
const SURVEY_PAUSE: Duration = Duration::from_secs(5);
/// It is asked less often if that takes long: this many times as long as it took.
const SURVEY_TIMES: u32 = 50;
/// How often directories of the table are written down, if they are others than before.
const SAVE_PAUSE: Duration = Duration::from_secs(10);
/// Directories written down at most.
const REMEMBERED_MAX: usize = 64;
/// The file of remembered directories is read up to this length, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// The hash table of this directory.
#[derive(Clone, Debug)]
pub(crate) struct Dht {
    network: Network,
}

impl Dht {
    pub(crate) fn new(network: Network) -> Dht {
        Dht { network }
    }

    pub(crate) fn stats(&self) -> DhtStats {
        self.network.dht_stats()
    }

    /// The directories under a key, at most `enough`.
    pub(crate) async fn look_up(&self, key: Key, enough: usize) -> Found {
        self.answer(|reply| Order::LookUp { key, enough, reply }).await.unwrap_or_default()
    }

    /// A connection to a directory. `None`: it cannot be reached.
    pub(crate) async fn meet(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> Option<Met> {
        self.answer(|reply| Order::Meet { peer, addresses, reply }).await.flatten()
    }

    /// `None`: the network has stopped.
    async fn answer<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.network.order(order(reply)).await;
        answer.await.ok()
    }
}

/// Keeps the hash table of a directory filled, and the directory in it.
pub(crate) struct Keeper {
    pub(crate) dht: Dht,
    pub(crate) directory: Directory,
    /// Directories that the user named.
    pub(crate) join: Vec<Multiaddr>,
    /// Where directories are written down that we knew.
    pub(crate) file: Option<PathBuf>,
    pub(crate) seed: u64,
    pub(crate) vital: Vital,
}

/// What a keeper has in mind.
struct Mind {
    origin: Instant,
    schedule: Schedule,
    joining: Joining,
    remembered: Vec<Multiaddr>,
    survey_at: Timestamp,
    save_at: Timestamp,
    saved: Vec<String>,
}

impl Mind {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.origin.elapsed()
    }
}

impl Keeper {
    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        let mut mind = Mind {
            origin: Instant::now(),
            schedule: Schedule::new(self.seed),
            joining: Joining::new(),
            remembered: self.recall().await,
            survey_at: Timestamp::ZERO,
            save_at: Timestamp::ZERO + SAVE_PAUSE,
            saved: Vec::new(),
        };
        loop {
            let nodes = usize::try_from(self.dht.stats().nodes).unwrap_or(usize::MAX);
            if mind.joining.is_due(mind.now(), nodes) {
                self.join(&mind).await;
            }
            if nodes > 0 && mind.now() >= mind.survey_at {
                let began = Instant::now();
                self.survey(&mut mind).await;
                let pause = began.elapsed().saturating_mul(SURVEY_TIMES).max(SURVEY_PAUSE);
                mind.survey_at = mind.now() + pause;
            }
            if mind.now() >= mind.save_at {
                mind.save_at = mind.now() + SAVE_PAUSE;
                self.save(&mut mind).await;
            }
            let act = if nodes > 0 { mind.schedule.poll(mind.now()) } else { None };
            match act {
                Some(act) => self.act(&mut mind, act).await,
                None => sleep(LOOK_PAUSE).await,
            }
            self.dht.network.note_keys(mind.schedule.len(), mind.schedule.lapsed(mind.now()));
        }
    }

    /// Dials the directories that the user named, and those that we knew.
    async fn join(&self, mind: &Mind) {
        let named = resolve::addresses(&self.join, resolve::LOOKUP_TIMEOUT).await;
        for (name, why) in named.nameless {
            tracing::warn!(%name, why, "a directory to join has no address now");
        }
        for address in named.found.iter().chain(&mind.remembered) {
            let order = Order::Join { peer: peer_of(address), address: without_peer(address) };
            self.dht.network.order(order).await;
        }
    }

    /// Tells the schedule which contents the directory knows.
    async fn survey(&self, mind: &mut Mind) {
        let now = mind.now();
        mind.schedule.begin_round();
        for content in self.directory.own() {
            mind.schedule.want(now, Key::of_content(&content), Weight::Own);
        }
        let mut from = Some(0);
        while let Some(at) = from {
            let mut seen = Vec::new();
            from = self.directory.survey(at, AS_MEMBERS_MIN, &mut seen);
            for Surveyed { content, members, ases } in seen {
                let weight = if members < AS_MEMBERS_MIN { Weight::Few } else { Weight::Several };
                mind.schedule.want(now, Key::of_content(&content), weight);
                for asn in ases {
                    mind.schedule.want(now, Key::of_as(&content, asn), Weight::Several);
                }
            }
            // Others want the directory's lock as well.
            tokio::task::yield_now().await;
        }
        for key in mind.schedule.end_round() {
            self.dht.network.order(Order::Withdraw { key }).await;
        }
    }

    async fn act(&self, mind: &mut Mind, act: Act) {
        match act {
            Act::LookUp(key) => {
                let found = self.dht.look_up(key, RECORDS_ENOUGH).await;
                mind.schedule.looked_up(mind.now(), key, found.directories.len(), found.requests);
            }
            Act::Provide(key) => {
                let requests = self.dht.answer(|reply| Order::Provide { key, reply }).await;
                match requests.flatten() {
                    Some(requests) => mind.schedule.provided(mind.now(), key, requests),
                    None => mind.schedule.failed(mind.now(), key, 0),
                }
            }
        }
    }

    /// The directories that were written down.
    async fn recall(&self) -> Vec<Multiaddr> {
        let Some(file) = self.file.clone() else { return Vec::new() };
        let read = self.vital.blocking("What reads known directories", move || read(&file)).await;
        read.unwrap_or_default()
    }

    /// Writes down which directories are in the table, if they are others than before.
    async fn save(&self, mind: &mut Mind) {
        let Some(file) = self.file.clone() else { return };
        let nodes = self.dht.answer(|reply| Order::Nodes { reply }).await.unwrap_or_default();
        let mut lines: Vec<String> = nodes
            .into_iter()
            .map(|(peer, address)| address.with(Protocol::P2p(peer)).to_string())
            .take(REMEMBERED_MAX)
            .collect();
        lines.sort();
        // Without others we keep what we knew: they may come back.
        if lines.is_empty() || lines == mind.saved {
            return;
        }
        let text = lines.join("\n") + "\n";
        let written = self
            .vital
            .blocking("What writes known directories", move || replace_file(&file, text.as_bytes()));
        match written.await {
            Some(Ok(())) => mind.saved = lines,
            Some(Err(error)) => tracing::warn!(%error, "cannot write down which directories are known"),
            None => {}
        }
    }
}

/// Reads a file of addresses, one a line. What is not there, or is no address, is left out.
fn read(file: &Path) -> Vec<Multiaddr> {
    let mut text = String::new();
    let opened = std::fs::File::open(file);
    // A file that is missing or damaged costs nothing but the directories in it.
    let _ = opened.and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
    let addresses = text.lines().filter_map(|line| line.trim().parse::<Multiaddr>().ok());
    addresses.filter(|address| peer_of(address).is_some()).take(REMEMBERED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_directories_are_read_and_damage_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("directories");
        assert_eq!(read(&file), []);
        let good = "/ip4/192.0.2.1/tcp/4810/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
        std::fs::write(&file, format!("{good}\nnonsense\n/ip4/192.0.2.1/tcp/4810\n\n")).unwrap();
        assert_eq!(read(&file), [good.parse().unwrap()]);
        std::fs::write(&file, format!("{good}\n").repeat(1_000)).unwrap();
        assert!(read(&file).len() <= REMEMBERED_MAX);
        std::fs::write(&file, [0xff; 100]).unwrap();
        assert_eq!(read(&file), []);
    }
}
