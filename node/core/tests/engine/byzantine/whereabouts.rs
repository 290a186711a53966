//! Where peers are, as the real address book was told. The user, or a directory that the user
//! named, tells of honest peers; byzantine neighbours tell of any peer.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use nearcast_core::{
    addresses::{
        AddressBook, GIVEN_UP_FOR, Plan, Rank,
        targets::{HEARSAY_PER_ADDRESS_MAX, WINDOW},
    },
    id::PeerKey,
    prefix::Prefix,
    registry::Endpoint,
    time::Timestamp,
};

/// Keys of peers that do not exist.
pub(super) const NOBODY: u32 = 100_000_000;
/// The first few made-up peers get the last keys before keys wrap around, and the first keys after
/// that.
const WRAPPED: u32 = 8;
/// A place is given up after three dials. A few names that take turns at one place may cause three
/// dials each.
const DIALS_OF_A_PLACE_MAX: usize = 9;
const PORT: u16 = 4_001;

/// What a dial leads to.
pub(super) enum Way {
    /// The peer's address is among those dialled.
    There,
    /// The peer's address is not among those dialled.
    Nobody,
    Later(Duration),
    Nowhere,
}

pub(super) struct Whereabouts {
    book: AddressBook,
    /// When places were dialled on a stranger's word.
    dials: BTreeMap<(IpAddr, u16), Vec<Timestamp>>,
    typed: Vec<PeerKey>,
    /// Keys of made-up peers, by number.
    made_up: BTreeMap<u32, PeerKey>,
    told: u32,
}

fn home(source: PeerKey) -> Endpoint {
    Endpoint { ip: Ipv4Addr::new(1, 1, source.0 as u8, 1).into(), tcp: Some(PORT), udp: None }
}

fn network(slot: usize) -> Prefix {
    Prefix::of(Ipv4Addr::new(9, 9, slot as u8, 1).into())
}

impl Whereabouts {
    pub(super) fn new() -> Whereabouts {
        Whereabouts {
            book: AddressBook::new(7),
            dials: BTreeMap::new(),
            typed: Vec::new(),
            made_up: BTreeMap::new(),
            told: 0,
        }
    }

    /// The user types the address of a source.
    pub(super) fn type_in(&mut self, source: PeerKey) {
        self.book.pretend_used(source.0);
        let key = self.book.keep_new();
        assert_eq!(key, source, "the first of that number");
        self.book.type_in(source, home(source));
        self.typed.push(source);
    }

    /// A directory that the user named says where a source is.
    pub(super) fn tell(&mut self, now: Timestamp, source: PeerKey) -> bool {
        let directory = (Rank::Directory, Prefix::of(Ipv4Addr::new(7, 7, 7, 7).into()));
        self.name(now, source, home(source), directory).is_some()
    }

    fn name(
        &mut self,
        now: Timestamp,
        source: PeerKey,
        place: Endpoint,
        teller: (Rank, Prefix),
    ) -> Option<PeerKey> {
        let known = Some(source).filter(|&source| self.book.contains(source));
        if known.is_none() {
            self.book.pretend_used(source.0);
        }
        let key = self.book.hear(now, known, place, teller);
        self.book.pretend_used(NOBODY + self.told);
        key
    }

    /// The byzantine neighbour `slot` gives a false place for an honest source. Returns the
    /// source's key if the book believes it.
    pub(super) fn misplace(
        &mut self,
        now: Timestamp,
        slot: usize,
        source: PeerKey,
        port: u8,
    ) -> Option<PeerKey> {
        let ip = Ipv4Addr::new(8, 8, 7, 8).into();
        let place = Endpoint { ip, tcp: Some(2_000 + u16::from(port)), udp: None };
        self.name(now, source, place, (Rank::Hearsay, network(slot)))
    }

    /// The neighbour says that a made-up peer is at a place: all at one address if `at_one`,
    /// otherwise each at its own. Returns the peer's key if the book believes it.
    pub(super) fn hear(&mut self, now: Timestamp, slot: usize, number: u32, at_one: bool) -> Option<PeerKey> {
        let ip = match at_one {
            true => Ipv4Addr::new(8, 8, 8, 8),
            false => Ipv4Addr::from_bits(0x2000_0000 + (number << 8)),
        };
        let place = Endpoint { ip: ip.into(), tcp: Some(2_000 + (number % 4_096) as u16), udp: None };
        // The keys of sources that are not known yet must stay free.
        if self.told == 0 && !self.typed.is_empty() {
            self.book.pretend_used(u32::MAX - WRAPPED / 2);
        } else if self.told == WRAPPED || self.told == 0 {
            self.book.pretend_used(NOBODY + self.told);
        }
        self.told += 1;
        let known = self.made_up.get(&number).copied().filter(|&key| self.book.contains(key));
        let key = self.book.hear(now, known, place, (Rank::Hearsay, network(slot)))?;
        self.made_up.insert(number, key);
        Some(key)
    }

    pub(super) fn dial(&mut self, now: Timestamp, peer: PeerKey) -> Way {
        match self.book.plan(now, peer) {
            Plan::Nowhere => Way::Nowhere,
            Plan::Later(wait) => Way::Later(wait),
            Plan::Dial(places) => {
                for place in places.iter().filter(|place| place.counted) {
                    self.dials.entry((place.ip, place.port)).or_default().push(now);
                }
                let home = home(peer);
                match places.iter().any(|place| place.ip == home.ip && Some(place.port) == home.tcp) {
                    true => Way::There,
                    false => Way::Nobody,
                }
            }
        }
    }

    /// Whether any address is left to try.
    pub(super) fn dial_failed(&mut self, now: Timestamp, peer: PeerKey) -> bool {
        self.book.on_dial_failed(now, peer)
    }

    pub(super) fn connected(&mut self, now: Timestamp, source: PeerKey) {
        let home = home(source);
        self.book.on_connected(now, source, Some((home.ip, PORT)));
    }

    pub(super) fn disconnected(&mut self, source: PeerKey) {
        self.book.on_disconnected(source);
    }

    /// A third party that was dialled more often in a minute than strangers may cause, or a typed
    /// address that is forgotten.
    pub(super) fn breach(&self) -> Option<String> {
        let is_typed = |source: PeerKey| {
            self.book.places(source).any(|spot| spot.rank == Rank::Typed && spot.endpoint == home(source))
        };
        if let Some(source) = self.typed.iter().find(|source| !is_typed(**source)) {
            return Some(format!("where {source:?} is was typed, and is forgotten"));
        }
        let mut addresses: BTreeMap<IpAddr, Vec<Timestamp>> = BTreeMap::new();
        for (&(ip, _), times) in self.dials.iter().filter(|((ip, _), _)| !is_home(*ip)) {
            addresses.entry(ip).or_default().extend(times);
        }
        addresses.into_iter().find_map(|(ip, mut times)| {
            times.sort_unstable();
            let is_breach = most_within(&times, WINDOW) > HEARSAY_PER_ADDRESS_MAX;
            is_breach.then(|| format!("{ip} was dialled too often: {times:?}"))
        })
    }

    /// A place of a third party that is dialled on and on without being given up.
    pub(super) fn excess(&self) -> Option<String> {
        let mut foreign = self.dials.iter().filter(|((ip, _), _)| !is_home(*ip));
        let is_excess = |times: &[Timestamp]| most_within(times, GIVEN_UP_FOR) > DIALS_OF_A_PLACE_MAX;
        let (place, times) = foreign.find(|(_, times)| is_excess(times))?;
        Some(format!("{place:?} was dialled at {times:?}"))
    }
}

/// The most of these moments, in order, that lie within one window.
fn most_within(times: &[Timestamp], window: Duration) -> usize {
    let from =
        |(at, first): (usize, &Timestamp)| times[at..].partition_point(|time| time.since(*first) < window);
    times.iter().enumerate().map(from).max().unwrap_or(0)
}

fn is_home(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 1)
}
