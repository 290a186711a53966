//! A directory's pure half: who said, lately, that they take part in which content; answers nearest first.
//!
//! Invariants: contents, entries, entries a content, entries a peer and entries a network are bounded
//! ([`RegistryConfig`]); every entry expires; an address is the one seen on a connection, with a port its owner claimed,
//! and no port of another service; nobody is told of itself, nor of an address only its own surroundings can reach.
//!
//! Made for 100,000 contents and a million peers: a peer's key and address are kept once (`peers`), an entry is 20
//! bytes, and a swarm is sorted so that whoever is near to an asker stands together (`swarm`, `pick`).

mod entry;
mod handover;
mod index;
mod locator;
mod name;
mod networks;
mod peers;
mod pick;
mod reach;
mod saved;
mod seeds;
mod store;
mod survey;
mod swarm;
mod throttle;

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use self::{
    entry::Entry,
    handover::Givers,
    locator::Adjacency,
    networks::{Networks, Spot},
    peers::Hosts,
    pick::{Asker, Pick, Picked, Places},
    reach::{Reach, Tries},
    store::Contents,
};
pub use self::{
    handover::HEARSAY_LIFE_MAX,
    locator::{Locator, Nowhere},
    name::PeerName,
    reach::DIALS_BACK_MAX,
    saved::Saved,
    survey::Surveyed,
    throttle::{Pace, Throttle},
};
pub use crate::place::endpoint::Endpoint;
use crate::{
    id::ContentId,
    place::{asn::Asn, scope::Scope, tier::Proximity},
    random::Random,
    saturate::whole,
    strangers::budget::Tally,
    time::Timestamp,
};

/// Settings of a directory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegistryConfig {
    /// Contents known at most. Beyond it a newcomer takes the place of one with a single peer, of a few drawn the one
    /// whose network has the most entries. Each costs some 100 bytes. Default 131,072.
    pub contents_max: usize,
    /// Entries at most, all contents together; an entry is one peer in one content. Beyond it a newcomer takes somebody's
    /// place, likewise drawn. Each costs some 25 bytes, and each peer some 90 more. Default 2,097,152.
    pub entries_max: usize,
    /// Peers known a content; beyond it newcomers replace random ones, so that nobody can fill a swarm for good.
    /// A larger sample is nearer to every asker and costs answers more. Default 1,000.
    pub peers_max: usize,
    /// Peers of one /24 (IPv6: /48) known a content; beyond it a newcomer replaces one of these. Default 250.
    pub peers_per_prefix_max: usize,
    /// Share of a full swarm that one AS may have; beyond it a newcomer replaces somebody of its own AS. Default 0.75.
    pub share_per_as_max: f32,
    /// Contents one peer may be in. Default 32,768: a seeder of tens of thousands.
    pub entries_per_peer_max: usize,
    /// Entries of one /24 (IPv6: /48), all contents together. Default 131,072: a rack of such seeders, or a large NAT.
    pub entries_per_prefix_max: usize,
    /// Entries that another directory may hand over within a minute. They count against it for that time, as only it saw
    /// these addresses. Default 8,192: five hundred peers in sixteen contents each.
    pub hearsay_per_giver_max: usize,
    /// Peers in one answer. Default 50.
    pub answer_max: usize,
    /// Share of an answer picked at random over all tiers. Default 0.2.
    pub random_share: f32,
    /// How long peers are asked to pause between announcements; entries last three times as long. Shorter notices who
    /// is gone sooner and costs questions in proportion. Default 60 s.
    pub pause: Duration,
    /// The same for peers that have everything: they look for nobody. Default 240 s.
    pub pause_complete: Duration,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        RegistryConfig {
            contents_max: 131_072,
            entries_max: 2_097_152,
            peers_max: 1_000,
            peers_per_prefix_max: 250,
            share_per_as_max: 0.75,
            entries_per_peer_max: 32_768,
            entries_per_prefix_max: 131_072,
            hearsay_per_giver_max: 8_192,
            answer_max: 50,
            random_share: 0.2,
            pause: Duration::from_secs(60),
            pause_complete: Duration::from_secs(240),
        }
    }
}

/// An announcement counts for so many pauses.
const PAUSES_PER_LIFE: u32 = 3;

/// Which contents a directory is for, beside those of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// Any.
    Open,
    /// These.
    Listed(BTreeSet<ContentId>),
    /// No others.
    #[default]
    Own,
}

/// "I take part in this."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// In what.
    pub content: ContentId,
    /// Who, as proven by its connection.
    pub name: PeerName,
    /// Where.
    pub endpoint: Endpoint,
    /// It has everything.
    pub complete: bool,
}

/// What became of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// It counts until it expires.
    Stored,
    /// It was known already and counts anew.
    Renewed,
    /// The swarm is full and known by a sample, of which it is not this time.
    Unlucky,
    /// The directory is not for this content.
    NotAdmitted,
    /// Nobody could reach it there: no port, a port of another service, or an address of nobody.
    Unreachable,
    /// The peer is in as many contents as it may be, or at as many addresses.
    PeerFull,
    /// Its network has as many entries as it may have.
    PrefixFull,
    /// The directory knows as many contents as it can.
    Full,
}

/// "Who else takes part in this, near me?"
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// In what.
    pub content: ContentId,
    /// Who asks: it is not told of itself.
    pub name: PeerName,
    /// Where from, as seen on the connection.
    pub ip: IpAddr,
    /// Peers wanted.
    pub wanted: usize,
    /// It has everything and need not hear of others who do.
    pub complete: bool,
    /// It may have asked before, and then those who are near were not enough: it hears of some who have everything, too.
    /// A newcomer does not, or whole networks of newcomers would turn to those few instead of each other.
    pub again: bool,
}

/// One answer's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub name: PeerName,
    /// Where.
    pub endpoint: Endpoint,
    /// How near to the asker.
    pub proximity: Proximity,
    /// It says that it has everything.
    pub complete: bool,
}

/// How large a swarm is. Of a swarm that is full these are estimates, by how many of those who announce themselves are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Members.
    pub members: u32,
    /// Members in the asker's AS, itself included if it announced itself; 0 if its AS is not known.
    pub members_in_as: u32,
}

/// The directory of one host.
#[derive(Debug)]
pub struct Registry {
    config: RegistryConfig,
    admission: Admission,
    own: BTreeSet<ContentId>,
    contents: Contents,
    hosts: Hosts,
    tries: Tries,
    /// Dials lately, by address.
    dialled: Tally<IpAddr>,
    networks: Networks,
    givers: Givers,
    entries: usize,
    /// Ranks members inside a class of nearness.
    key: u64,
    /// The atlas in use, and how many there were before.
    atlas: u64,
    placed_by: u32,
    adjacency: Adjacency,
    picked: Picked,
    sweep_at: usize,
    random: Random,
}

/// Where fewer can be told of, peers whose connection broke and peers that take none are told of as well, up to so many in
/// all: it may be the network between us.
const MEMBERS_FEW: usize = 4;
/// Places of an answer for peers that have everything, however far they are: a quarter of it at most, so that who says so
/// falsely gains little.
const SEEDS_TOLD_MAX: usize = 2;
const SEEDS_SHARE: usize = 4;
/// A swarm that is asked about is rid of expired entries this often, in seconds.
const PURGE_EVERY: u32 = 10;
/// Entries and contents looked at in one sweep: a millisecond or two, if all of them have expired.
const SWEPT_AT_ONCE: usize = 2_500;

impl Registry {
    /// An empty directory. The same seed and calls give the same answers; strangers must not know it.
    pub fn new(config: RegistryConfig, admission: Admission, seed: u64) -> Registry {
        let mut random = Random::new(seed);
        let config = RegistryConfig {
            contents_max: config.contents_max.max(1),
            entries_max: config.entries_max.max(1),
            peers_max: config.peers_max.max(1),
            ..config
        };
        let mut key = || u64::from(random.below(u32::MAX)) << 32 | u64::from(random.below(u32::MAX));
        Registry {
            admission,
            own: BTreeSet::new(),
            contents: Contents::new(key()),
            hosts: Hosts::new(key()),
            tries: Tries::default(),
            dialled: Tally::default(),
            networks: Networks::new(key()),
            givers: Givers::default(),
            key: key(),
            entries: 0,
            atlas: 0,
            placed_by: 0,
            adjacency: Adjacency::default(),
            picked: Picked::default(),
            sweep_at: 0,
            random,
            config,
        }
    }

    /// Its settings.
    pub fn config(&self) -> &RegistryConfig {
        &self.config
    }

    /// Contents somebody announced lately.
    pub fn contents(&self) -> usize {
        self.contents.len()
    }

    /// Entries: each is one peer in one content.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Peers, each counted once for each address it is known at.
    pub fn peers(&self) -> usize {
        self.hosts.len()
    }

    /// Other contents from now on. What is known of others expires.
    pub fn set_admission(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// The host itself serves a content from now on, so the directory is for it.
    pub fn add_own(&mut self, content: ContentId) {
        self.own.insert(content);
    }

    /// The host serves a content no longer.
    pub fn remove_own(&mut self, content: &ContentId) {
        self.own.remove(content);
    }

    /// Whether the host itself serves a content.
    pub fn is_own(&self, content: &ContentId) -> bool {
        self.own.contains(content)
    }

    /// Whether the directory is for a content.
    pub fn admits(&self, content: &ContentId) -> bool {
        match &self.admission {
            Admission::Open => true,
            Admission::Listed(listed) => listed.contains(content) || self.is_own(content),
            Admission::Own => self.is_own(content),
        }
    }

    /// How long somebody should pause until its next announcement.
    pub fn pause(&self, complete: bool) -> Duration {
        if complete { self.config.pause_complete } else { self.config.pause }
    }

    fn life(&self, complete: bool) -> Duration {
        self.pause(complete).saturating_mul(PAUSES_PER_LIFE)
    }

    /// Notes that a peer takes part in a swarm.
    pub fn announce(&mut self, now: Timestamp, said: &Announcement, locator: &dyn Locator) -> Announced {
        let life = self.life(said.complete);
        self.enter(now, said, life, locator)
    }

    /// A peer left a swarm.
    pub fn withdraw(&mut self, content: &ContentId, name: &PeerName, locator: &dyn Locator) {
        let Some(number) = self.contents.find(content) else { return };
        self.see(locator);
        self.place(number, locator);
        self.forget_in(number, name, locator);
        self.drop_if_empty(number);
    }

    /// A peer's connection broke, without a goodbye: it is told of only where hardly anybody else is, until it announces
    /// itself again. Most who go like that are gone for good, and whoever is told of them waits for them.
    pub fn lose(&mut self, name: &PeerName) {
        self.hosts.lose(name);
    }

    /// Appends to `members` up to `wanted` peers of a content for an asker: nearest first, then a few who have
    /// everything if it asks again, then a share at random over all tiers; never the asker itself.
    pub fn find(
        &mut self,
        now: Timestamp,
        search: &Search,
        locator: &dyn Locator,
        members: &mut Vec<Member>,
    ) -> Census {
        let Some(number) = self.contents.find(&search.content) else { return Census::default() };
        let now = seconds(now);
        self.see(locator);
        self.freshen(number, now, locator);
        if self.drop_if_empty(number) {
            return Census::default();
        }
        let asn = locator.asn(search.ip).map_or(entry::NO_AS, |asn| asn.0);
        let swarm = self.contents.get(number);
        let wanted = search.wanted.min(self.config.answer_max).min(swarm.len());
        if wanted > 0 {
            let asker = Asker {
                asn,
                spot: Spot::of(search.ip),
                hosts: self.hosts.of(&search.name),
                skip_complete: search.complete,
                hears_of_seeds: search.again && !search.complete,
                now,
                key: self.key,
            };
            let around = if asn == entry::NO_AS { &[] } else { self.adjacency.of(Asn(asn), locator) };
            let (hosts, tries, scope) = (&self.hosts, self.tries, Scope::of(search.ip));
            let of_asker = asker.hosts.into_iter().flatten().map(|host| hosts.get(host));
            let behind_wall = of_asker.into_iter().any(|host| host.reach().0 == Reach::Closed);
            let places = self.config.places(wanted);
            let told = members.len();
            let is_doubtful = |entry: &Entry| {
                let host = hosts.get(entry.host);
                // Behind a wall that keeps us out there may be others, who reach each other; whoever took our connection
                // is not behind it, and of a newcomer we do not know yet.
                let together = behind_wall && entry.spot().network() == asker.spot.network();
                let walled = host.reach().0 == Reach::Closed && !together;
                host.is_lost() || walled && tries.count()
            };
            let mut tell = |doubtful: bool, places: Places| {
                let may_tell = |entry: &Entry| Scope::of(hosts.get(entry.host).ip()) == scope;
                let counts = |entry: &Entry| is_doubtful(entry) == doubtful;
                // Where nobody is doubtful nobody's host needs to be looked at.
                let counts = hosts.has_doubtful().then_some(&counts as &dyn Fn(&Entry) -> bool);
                let (entries, among_seeds) = (swarm.entries(), swarm.among_seeds());
                let pick =
                    Pick { entries, among_seeds, asker: &asker, around, places, may_tell: &may_tell, counts };
                pick.run(&mut self.random, &mut self.picked);
                hosts.touch(
                    self.picked.members.iter().map(|&(place, _)| swarm.entries()[place as usize].host),
                );
                members.extend(self.picked.members.iter().map(|&(place, proximity)| {
                    let entry = &swarm.entries()[place as usize];
                    let host = hosts.get(entry.host);
                    let complete = entry.is_complete();
                    Member { name: host.name, endpoint: host.endpoint(), proximity, complete }
                }));
                members.len().saturating_sub(told)
            };
            let others = tell(false, places);
            if others < wanted.min(MEMBERS_FEW) && hosts.has_doubtful() {
                tell(true, self.config.places(wanted.min(MEMBERS_FEW).saturating_sub(others)));
            }
        }
        let in_as = if asn == entry::NO_AS { 0 } else { swarm.group(asn).len() };
        Census { members: swarm.estimate(swarm.len()), members_in_as: swarm.estimate(in_as) }
    }

    /// Forgets what has expired, a part of it at a time: to be called ten times a second or so. Whether the last part was
    /// looked at; a million entries take four hundred calls.
    pub fn sweep(&mut self, now: Timestamp) -> bool {
        let (now, mut looked_at) = (seconds(now), 0_usize);
        while looked_at < SWEPT_AT_ONCE {
            let Some(number) = self.contents.next_from(self.sweep_at) else {
                self.sweep_at = 0;
                return true;
            };
            looked_at = looked_at.saturating_add(1).saturating_add(self.contents.get(number).len());
            self.sweep_at = (number as usize).saturating_add(1);
            self.purge(number, now, 1);
            self.drop_if_empty(number);
        }
        false
    }

    /// Memory held, in bytes, as far as it grows with what is announced.
    pub fn heap_bytes(&self) -> usize {
        [self.contents.heap_bytes(), self.hosts.heap_bytes(), self.networks.heap_bytes()].into_iter().sum()
    }
}

impl RegistryConfig {
    /// How the places of an answer are filled.
    fn places(&self, wanted: usize) -> Places {
        let random = part(wanted, self.random_share);
        let seeds = (wanted / SEEDS_SHARE).min(SEEDS_TOLD_MAX);
        Places { wanted, random, seeds, per_network: (wanted / 8).max(2), per_as: (wanted / 2).max(4) }
    }
}

/// A share of so many; of a share that is none, nothing.
fn part(all: usize, share: f32) -> usize {
    whole(all as f32 * share.clamp(0.0, 1.0)).min(all)
}

fn seconds(now: Timestamp) -> u32 {
    let seconds = now.as_nanos() / 1_000_000_000;
    u32::try_from(seconds).unwrap_or(u32::MAX).min(entry::SECONDS_MAX)
}
