//! What a directory decides: who may ask, who is listed, who is told of whom and how soon to ask
//! again, and who is offered an atlas.
//!
//! One piece for trackers, seeders, elected peers and simulators. Whoever hosts it brings the clock, a
//! lock if several tasks ask at once, an atlas, and the words on the wire.

pub mod registry;
mod stats;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use self::registry::{
    Admission, Announced, Announcement, Census, Endpoint, Locator, Member, Pace, PeerName, Registry,
    RegistryConfig, Search, Throttle,
};
use self::stats::count;
pub use self::stats::{DirectoryStats, Refusals};
use crate::{id::ContentId, time::Timestamp, untrusted::Untrusted};

/// Peers in an answer at most, whatever is asked for.
pub const MEMBERS_MAX: usize = 200;
/// A peer that may not be listed is asked to come back after this many pauses.
const PAUSES_WHEN_FULL: u32 = 3;

/// Settings of a directory.
#[derive(Clone, Debug)]
pub struct DirectoryConfig {
    /// The contents it answers for, besides those that its host serves.
    pub admission: Admission,
    /// The bounds of its registry.
    pub registry: RegistryConfig,
    /// How often each /24 (IPv6: /48) may ask. A network that asks more often is told when to try
    /// again. Default 500 a second and 5,000 at once: enough for a seeder of tens of thousands of
    /// contents, or a large NAT.
    pub pace: Pace,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        DirectoryConfig {
            admission: Admission::Own,
            registry: RegistryConfig::default(),
            pace: Pace { per_second: 500.0, burst: 5_000.0 },
        }
    }
}

/// A peer that asks, as its connection shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Its name, proved by the connection.
    pub name: PeerName,
    /// The address that the connection comes from.
    pub ip: IpAddr,
}

/// "I take part in this swarm. Which other peers do, near me?"
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The content of the swarm.
    pub content: ContentId,
    /// The TCP port that the asker listens on. `None`: it does not.
    pub tcp: Option<u16>,
    /// The UDP port that the asker listens on, for QUIC. `None`: it does not.
    pub udp: Option<u16>,
    /// The asker has everything.
    pub complete: bool,
    /// The asker leaves the swarm.
    pub leaving: bool,
    /// How many peers it wants to hear of.
    pub wanted: Untrusted<u32>,
    /// The version of its atlas; 0: it has none. `None`: it wants no offer of another one.
    pub atlas: Option<u64>,
    /// The asker takes no part in the swarm: it is another directory, which asks for its own askers.
    pub only_asks: bool,
}

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The directory does not answer for this content.
    NotHere,
    /// The asker's network asks too often: the asker is to wait this long, and its next question is
    /// not read sooner.
    TooOften(Duration),
    /// The asker is forgotten, as it wished.
    Forgotten,
    /// The asker is told of members.
    Told(Told),
}

/// What an asker is told, besides the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// How many members there are.
    pub census: Census,
    /// The host serves the content itself.
    pub holds: bool,
    /// How long the asker is to pause before its next announcement. Zero: it may ask as often as it
    /// needs peers.
    pub pause: Duration,
    /// The asker is not listed, as a bound is reached.
    pub refused: bool,
    /// The host has a newer atlas on offer than the asker has.
    pub offer: bool,
    /// Where to dial the asker back, to see whether it takes connections. `None`: no try is due.
    pub to_try: Option<SocketAddr>,
}

/// The directory of one host.
#[derive(Debug)]
pub struct Directory {
    registry: Registry,
    throttle: Throttle,
    /// The version of the atlas on offer.
    offered: Option<u64>,
    stats: DirectoryStats,
}

impl Directory {
    /// A directory that knows nobody. The same seed and calls give the same answers; strangers must
    /// not know the seed.
    pub fn new(config: DirectoryConfig, seed: u64) -> Directory {
        Directory {
            registry: Registry::new(config.registry, config.admission, seed),
            throttle: Throttle::new(config.pace, seed),
            offered: None,
            stats: DirectoryStats::default(),
        }
    }

    /// Who is known.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Who is known, to change it.
    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// What the directory did since it was made, and what it holds now.
    pub fn stats(&self) -> DirectoryStats {
        DirectoryStats {
            contents: self.registry.contents() as u64,
            entries: self.registry.entries() as u64,
            peers: self.registry.peers() as u64,
            ..self.stats
        }
    }

    /// The host has an atlas of this version on offer from now on.
    pub fn offer(&mut self, version: u64) {
        self.offered = Some(version);
    }

    /// Counts a question that nobody could make sense of.
    pub fn note_malformed(&mut self) {
        count(&mut self.stats.questions);
        count(&mut self.stats.refused.malformed);
    }

    /// Notes the result of a dial-back to [`Told::to_try`]: whether the peer took the connection.
    /// `None`: it was not tried, or the result says nothing of the peer.
    pub fn tried(&mut self, now: Timestamp, name: &PeerName, at: SocketAddr, took: Option<bool>) {
        self.registry.tried(now, name, at, took);
        match took {
            Some(true) => count(&mut self.stats.reached),
            Some(false) => count(&mut self.stats.unreached),
            None => {}
        }
    }

    /// Answers one question. The members that the asker is told of are appended to `members`, the
    /// nearest first, at most [`MEMBERS_MAX`]. `locator` places addresses by the atlas of the host.
    pub fn answer(
        &mut self,
        now: Timestamp,
        asker: Asker,
        question: &Question,
        locator: &dyn Locator,
        members: &mut Vec<Member>,
    ) -> Verdict {
        count(&mut self.stats.questions);
        if let Err(wait) = self.throttle.ask(now, asker.ip) {
            count(&mut self.stats.refused.too_often);
            return Verdict::TooOften(wait);
        }
        if !self.registry.admits(&question.content) {
            count(&mut self.stats.refused.not_admitted);
            return Verdict::NotHere;
        }
        if question.leaving {
            count(&mut self.stats.withdrawn);
            self.registry.withdraw(&question.content, &asker.name, locator);
            return Verdict::Forgotten;
        }
        Verdict::Told(self.tell(now, asker, question, locator, members))
    }

    /// Stores the announcement and gathers the answer.
    fn tell(
        &mut self,
        now: Timestamp,
        Asker { name, ip }: Asker,
        question: &Question,
        locator: &dyn Locator,
        members: &mut Vec<Member>,
    ) -> Told {
        let &Question { content, complete, tcp, udp, .. } = question;
        let wanted = question.wanted.fits().unwrap_or(MEMBERS_MAX).min(MEMBERS_MAX);
        let first = members.len();
        if question.only_asks {
            let search = Search { content, name, ip, wanted, complete: false, again: true };
            let census = self.registry.find(now, &search, locator, members);
            self.stats.note_told(&members[first..]);
            let holds = self.registry.is_own(&content);
            return Told { census, holds, pause: Duration::ZERO, refused: false, offer: false, to_try: None };
        }
        let said = Announcement { content, name, endpoint: Endpoint { ip, tcp, udp }, complete };
        let announced = self.registry.announce(now, &said, locator);
        let refused = self.stats.note(announced);
        let to_try = self.registry.to_try(now, &name, &said.endpoint);
        let again = announced != Announced::Stored;
        let search = Search { content, name, ip, wanted, complete, again };
        let census = self.registry.find(now, &search, locator, members);
        self.stats.note_told(&members[first..]);
        let pause = match (refused, complete) {
            (true, _) => self.registry.pause(complete).saturating_mul(PAUSES_WHEN_FULL),
            (false, true) => self.registry.pause(true),
            // A peer that looks for peers may ask as often as it needs them.
            (false, false) => Duration::ZERO,
        };
        let offer = self.offered.is_some_and(|version| question.atlas.is_some_and(|known| known < version));
        Told { census, holds: self.registry.is_own(&content), pause, refused, offer, to_try }
    }
}

#[cfg(test)]
mod tests {
    use super::{registry::Nowhere, *};

    fn asker(number: u8) -> Asker {
        Asker { name: PeerName([number; 32]), ip: [198, 51, number, 1].into() }
    }

    fn question(complete: bool) -> Question {
        Question {
            content: ContentId([7; 32]),
            tcp: Some(4_000),
            udp: None,
            complete,
            leaving: false,
            wanted: 10.into(),
            atlas: Some(3),
            only_asks: false,
        }
    }

    fn open(registry: RegistryConfig) -> Directory {
        Directory::new(
            DirectoryConfig { admission: Admission::Open, registry, ..DirectoryConfig::default() },
            1,
        )
    }

    fn ask(directory: &mut Directory, number: u8, question: &Question) -> (Verdict, usize) {
        let mut members = Vec::new();
        let verdict =
            directory.answer(Timestamp::from_millis(1), asker(number), question, &Nowhere, &mut members);
        (verdict, members.len())
    }

    #[test]
    fn peers_that_have_everything_pause_and_others_need_not() {
        let mut directory = open(RegistryConfig::default());
        let (Verdict::Told(told), 0) = ask(&mut directory, 1, &question(true)) else {
            panic!("told of nobody")
        };
        assert_eq!(told.pause, RegistryConfig::default().pause_complete);
        let (Verdict::Told(told), 1) = ask(&mut directory, 2, &question(false)) else {
            panic!("told of one")
        };
        assert_eq!((told.pause, told.refused, told.census.members), (Duration::ZERO, false, 2));
    }

    #[test]
    fn who_asks_again_hears_of_who_has_everything_and_a_newcomer_of_who_is_near() {
        let mut directory = open(RegistryConfig::default());
        let seed = PeerName([255; 32]);
        let far = Asker { name: seed, ip: [8, 8, 8, 8].into() };
        let mut hears_of_it = |asker, complete| {
            let mut members = Vec::new();
            let at = Timestamp::from_millis(1);
            directory.answer(at, asker, &question(complete), &Nowhere, &mut members);
            members.iter().any(|member| member.name == seed)
        };
        hears_of_it(far, true);
        (1..=200).for_each(|number| _ = hears_of_it(asker(number), false));
        let newcomers = (201..=240).filter(|&number| hears_of_it(asker(number), false)).count();
        assert!(newcomers < 10, "{newcomers} of 40 hear of it by chance");
        assert!((201..=240).all(|number| hears_of_it(asker(number), false)), "who asks again hears of it");
    }

    #[test]
    fn a_peer_that_cannot_be_listed_is_told_of_others_and_pauses_longest() {
        let full = RegistryConfig { entries_per_peer_max: 1, ..RegistryConfig::default() };
        let mut directory = open(full);
        ask(&mut directory, 1, &question(false));
        let other = Question { content: ContentId([8; 32]), ..question(false) };
        let (Verdict::Told(told), _) = ask(&mut directory, 1, &other) else { panic!("it may ask") };
        assert_eq!((told.refused, told.pause), (true, RegistryConfig::default().pause * PAUSES_WHEN_FULL));
        assert_eq!(directory.stats().refused.peer_full, 1);
    }

    #[test]
    fn a_directory_that_only_asks_is_told_of_members_and_is_no_member() {
        let mut directory = open(RegistryConfig::default());
        ask(&mut directory, 1, &question(true));
        let asks = Question { only_asks: true, ..question(false) };
        let (Verdict::Told(told), 1) = ask(&mut directory, 2, &asks) else { panic!("told of one") };
        assert_eq!((told.census.members, told.to_try), (1, None));
        assert_eq!(directory.stats().entries, 1);
    }

    #[test]
    fn an_atlas_is_offered_to_peers_with_an_older_one() {
        let mut directory = open(RegistryConfig::default());
        directory.offer(4);
        let offered = |directory: &mut Directory, atlas| {
            let (verdict, _) = ask(directory, 1, &Question { atlas, ..question(false) });
            matches!(verdict, Verdict::Told(Told { offer: true, .. }))
        };
        assert_eq!(
            [Some(3), Some(4), None].map(|atlas| offered(&mut directory, atlas)),
            [true, false, false]
        );
    }

    #[test]
    fn a_network_that_asks_too_often_waits_before_anything_is_looked_at() {
        let pace = Pace { per_second: 1.0, burst: 2.0 };
        let mut directory = Directory::new(DirectoryConfig { pace, ..DirectoryConfig::default() }, 1);
        let answers: Vec<Verdict> = (0..3).map(|_| ask(&mut directory, 1, &question(false)).0).collect();
        assert_eq!(answers[..2], [Verdict::NotHere; 2], "no content of the host's");
        assert!(matches!(answers[2], Verdict::TooOften(wait) if wait <= Duration::from_secs(1)));
        assert_eq!(
            directory.stats().refused,
            Refusals { too_often: 1, not_admitted: 2, ..Refusals::default() }
        );
    }
}
