//! Which directories may stand in our routing table, and which ones are tried for it.
//!
//! Whoever fills a routing table decides what its owner finds. So a directory enters only after we
//! have reached it ourselves, and each network has few places. Networks of the operator's own
//! (private addresses) have no such limit: no stranger has an address there.
//!
//! Invariants: of one /16 (IPv6: /32), and of one AS, at most [`PER_NETWORK_MAX`] stand in the table
//! and at most [`PER_NETWORK_IN_BUCKET_MAX`] in one bucket; what is remembered about directories
//! outside of the table is bounded.

mod aims;
mod joining;
mod standing;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use sha2::{Digest, Sha256};

pub use self::{
    aims::{Aims, DIALS_PER_TARGET_MAX},
    joining::{JOIN_BELOW, Joining},
    standing::Standing,
};
use crate::{
    directory::registry::PeerName,
    id::Hash,
    place::{asn::Asn, prefix::Network, scope::Scope},
    time::Timestamp,
};

/// Directories of one /16 (IPv6: /32), and of one AS, in the table at most.
pub const PER_NETWORK_MAX: usize = 3;
/// The same in one bucket of the table.
pub const PER_NETWORK_IN_BUCKET_MAX: usize = 2;
/// Directories in the table at most. A table of twenty a bucket holds fewer even in a network of
/// millions.
pub const NODES_MAX: usize = 1_024;
/// A directory is tried again after this time at the soonest.
pub const TRY_PAUSE: Duration = Duration::from_secs(600);
/// Directories tried lately that are remembered. With more, nobody else is tried for a while.
const TRIED_MAX: usize = 4_096;
/// Directories that are tried at the same time.
pub const TRIES_MAX: usize = 16;
/// A directory that could not be reached so often in a row leaves the table.
const FAILURES_MAX: u8 = 3;
/// Failures that come sooner after the last one count as one: a single break of the network makes
/// many.
const FAILURE_PAUSE: Duration = Duration::from_secs(30);

/// Whether a directory may enter the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// There is a place for it.
    Welcome,
    /// It is in the table already.
    Known,
    /// It is ourselves.
    Ourselves,
    /// Its network or its AS has as many places as it may have.
    Crowded,
    /// The table is full.
    Full,
}

/// Where a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Its IP, as we see it.
    pub ip: IpAddr,
    /// Its AS. `None`: it is not known.
    pub asn: Option<Asn>,
}

#[derive(Clone, Debug)]
struct Node {
    at: Whereabouts,
    bucket: u32,
    failures: u8,
    failed: Timestamp,
}

/// The directories in our routing table.
#[derive(Debug)]
pub struct Table {
    own: PeerName,
    place: Hash,
    nodes: BTreeMap<PeerName, Node>,
    /// When each directory was tried that is not in the table.
    tried: BTreeMap<PeerName, Timestamp>,
    trying: BTreeSet<PeerName>,
}

impl Table {
    /// The table of the directory with this name, with nobody in it.
    pub fn new(own: PeerName) -> Table {
        Table {
            own,
            place: place(&own),
            nodes: BTreeMap::new(),
            tried: BTreeMap::new(),
            trying: BTreeSet::new(),
        }
    }

    /// How many are in the table.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nobody is in the table.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether a directory is in the table.
    pub fn has(&self, name: &PeerName) -> bool {
        self.nodes.contains_key(name)
    }

    /// Whether a directory may enter.
    pub fn judge(&self, name: &PeerName, at: Whereabouts) -> Entrance {
        if *name == self.own {
            return Entrance::Ourselves;
        }
        if self.has(name) {
            return Entrance::Known;
        }
        if self.nodes.len() >= NODES_MAX {
            return Entrance::Full;
        }
        let bucket = self.bucket(name);
        let has_room = |is_of: &dyn Fn(&Node) -> bool| {
            let of_it = self.nodes.values().filter(|node| is_of(node));
            let (all, in_bucket) = of_it.fold((0_usize, 0_usize), |(all, in_bucket), node| {
                let same = usize::from(node.bucket == bucket);
                (all.saturating_add(1), in_bucket.saturating_add(same))
            });
            all < PER_NETWORK_MAX && in_bucket < PER_NETWORK_IN_BUCKET_MAX
        };
        let in_network = is_counted(at.ip).then(|| has_room(&|node| same_network(node.at.ip, at.ip)));
        let in_as = at.asn.map(|asn| has_room(&|node| node.at.asn == Some(asn)));
        match in_network.unwrap_or(true) && in_as.unwrap_or(true) {
            true => Entrance::Welcome,
            false => Entrance::Crowded,
        }
    }

    /// A directory that we reached enters, if it may.
    pub fn enter(&mut self, name: PeerName, at: Whereabouts) -> Entrance {
        self.trying.remove(&name);
        let entrance = self.judge(&name, at);
        if entrance == Entrance::Welcome {
            let bucket = self.bucket(&name);
            self.nodes.insert(name, Node { at, bucket, failures: 0, failed: Timestamp::ZERO });
            self.tried.remove(&name);
        }
        entrance
    }

    /// A directory is no longer in the table.
    pub fn leave(&mut self, name: &PeerName) {
        self.nodes.remove(name);
    }

    /// Whether to try to reach a directory that came to us, so that it may enter. If so, it counts
    /// as being tried until it enters, or [`Table::give_up`] is called.
    pub fn begin_try(&mut self, now: Timestamp, name: PeerName, at: Whereabouts) -> bool {
        if self.tried.len() >= TRIED_MAX {
            self.tried.retain(|_, tried| now.since(*tried) < TRY_PAUSE);
        }
        let is_new = self.tried.get(&name).is_none_or(|tried| now.since(*tried) >= TRY_PAUSE);
        let has_room = self.trying.len() < TRIES_MAX && self.tried.len() < TRIED_MAX;
        let may = is_new && has_room && self.judge(&name, at) == Entrance::Welcome;
        if may {
            self.tried.insert(name, now);
            self.trying.insert(name);
        }
        may
    }

    /// The try to reach a directory came to nothing.
    pub fn give_up(&mut self, name: &PeerName) {
        self.trying.remove(name);
    }

    /// A directory was reached.
    pub fn reached(&mut self, name: &PeerName) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.failures = 0;
        }
    }

    /// A directory could not be reached. True if it has left the table for that.
    pub fn failed(&mut self, now: Timestamp, name: &PeerName) -> bool {
        let Some(node) = self.nodes.get_mut(name) else { return false };
        if node.failures > 0 && now.since(node.failed) < FAILURE_PAUSE {
            return false;
        }
        node.failures = node.failures.saturating_add(1);
        node.failed = now;
        let is_gone = node.failures >= FAILURES_MAX;
        if is_gone {
            self.nodes.remove(name);
        }
        is_gone
    }

    /// Drops whoever is not in the table of the shell, which makes room by its own rules.
    pub fn keep(&mut self, stands: impl Fn(&PeerName) -> bool) {
        self.nodes.retain(|name, _| stands(name));
    }

    /// Which bucket a directory belongs to: how many bits its place has in common with ours.
    fn bucket(&self, name: &PeerName) -> u32 {
        let mut common = 0_u32;
        for (ours, theirs) in self.place.iter().zip(place(name)) {
            let same = (ours ^ theirs).leading_zeros();
            common = common.saturating_add(same);
            if same < 8 {
                break;
            }
        }
        common
    }
}

/// The place of a directory among the keys, as libp2p's Kademlia computes it: the hash of its id.
fn place(name: &PeerName) -> Hash {
    Sha256::digest(name.to_id()).into()
}

/// Whether the network of an address counts: not where only the operator's own machines are.
fn is_counted(ip: IpAddr) -> bool {
    !matches!(Scope::of(ip), Scope::Private | Scope::Link)
}

fn same_network(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4() && Network::of(one).wide() == Network::of(other).wide()
}

#[cfg(test)]
mod tests;
