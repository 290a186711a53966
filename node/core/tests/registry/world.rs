//! A made-up world for a directory: its ASes, its peers, what they announce and what they ask.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use nearcast_core::{
    asn::{Asn, Relation},
    id::ContentId,
    registry::{
        Admission, Announcement, Census, Endpoint, Locator, Member, Nowhere, PeerName, Registry,
        RegistryConfig, Search,
    },
    time::Timestamp,
};

pub(crate) const CONTENT: ContentId = ContentId([7; 32]);

/// The second byte of an address gives its AS; addresses in 10.0.0.0/8 have no AS. ASes with
/// consecutive numbers are adjacent.
#[derive(Clone, Copy)]
pub(crate) struct World(pub(crate) u64);

impl Locator for World {
    fn version(&self) -> u64 {
        self.0
    }

    fn asn(&self, ip: IpAddr) -> Option<Asn> {
        let IpAddr::V4(ip) = ip else { return None };
        let [first, second, ..] = ip.octets();
        (first != 10).then(|| Asn(1000 * self.0 as u32 + u32::from(second)))
    }

    fn neighbours(&self, asn: Asn, into: &mut Vec<(Asn, Relation)>) {
        into.extend([(Asn(asn.0 - 1), Relation::Peer), (Asn(asn.0 + 1), Relation::Provider)]);
    }
}

pub(crate) fn name(number: u32) -> PeerName {
    let mut key = [9; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    PeerName(key)
}

pub(crate) fn content(number: u32) -> ContentId {
    ContentId(name(number).0)
}

/// Internet addresses, spread over many networks.
pub(crate) fn ip(number: u32) -> IpAddr {
    let [a, b, c, d] = number.reverse_bits().to_be_bytes();
    Ipv4Addr::new(20 + a % 60, b, c, d | 1).into()
}

pub(crate) fn endpoint(ip: IpAddr) -> Endpoint {
    Endpoint { ip, tcp: Some(4001), udp: Some(4001) }
}

pub(crate) fn said(content: ContentId, number: u32, ip: IpAddr) -> Announcement {
    Announcement { content, name: name(number), endpoint: endpoint(ip), complete: false }
}

pub(crate) fn open(config: RegistryConfig) -> Registry {
    Registry::new(config, Admission::Open, 1)
}

pub(crate) fn millis(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn ask(
    registry: &mut Registry,
    now: Timestamp,
    search: Search,
    locator: &dyn Locator,
) -> (Vec<Member>, Census) {
    let mut members = Vec::new();
    let census = registry.find(now, &search, locator, &mut members);
    (members, census)
}

pub(crate) fn search(content: ContentId, asker: u32, ip: IpAddr, wanted: usize) -> Search {
    Search { content, name: name(asker), ip, wanted, complete: false, again: true }
}

pub(crate) fn find(
    registry: &mut Registry,
    now: Timestamp,
    asker: u32,
    ip: IpAddr,
    wanted: usize,
) -> Vec<Member> {
    ask(registry, now, search(CONTENT, asker, ip, wanted), &Nowhere).0
}

/// All peers that the directory names. Asks often enough that chance shows every peer.
pub(crate) fn members(registry: &mut Registry, now: Timestamp) -> BTreeSet<PeerName> {
    let all = (0..400).flat_map(|at| find(registry, now, u32::MAX, ip(at * 7919), usize::MAX));
    all.map(|member| member.name).collect()
}

pub(crate) fn sweep_all(registry: &mut Registry, now: Timestamp) {
    while !registry.sweep(now) {}
}
