//! A directory under announcements and questions: nobody makes it grow past its limits, and nobody is
//! told of himself or of the expired.

use std::{net::IpAddr, time::Duration};

use nearcast_core::{
    asn::{Asn, Relation},
    id::ContentId,
    registry::{Admission, Announcement, Endpoint, Locator, PeerName, Registry, RegistryConfig, Search},
    time::Timestamp,
};

/// Half the networks are of no known AS.
struct World(u64);

impl Locator for World {
    fn version(&self) -> u64 {
        self.0
    }

    fn asn(&self, ip: IpAddr) -> Option<Asn> {
        let IpAddr::V4(ip) = ip else { return None };
        let number = u64::from(ip.octets()[1]) + self.0;
        (number % 2 == 0).then_some(Asn(number as u32 + 1))
    }

    fn neighbours(&self, asn: Asn, into: &mut Vec<(Asn, Relation)>) {
        into.push((Asn(asn.0 + 2), Relation::Peer));
    }
}

/// Small, so that its bounds are met.
fn config() -> RegistryConfig {
    RegistryConfig {
        contents_max: 4,
        entries_max: 20,
        peers_max: 8,
        peers_per_prefix_max: 3,
        share_per_as_max: 0.5,
        entries_per_peer_max: 3,
        entries_per_prefix_max: 12,
        answer_max: 5,
        ..RegistryConfig::default()
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let mut registry = Registry::new(config(), Admission::Open, 1);
    let (mut now, mut world) = (Timestamp::from_millis(1), World(0));
    let mut saved = Vec::new();
    for &[kind, content, name, network] in bytes.as_chunks().0 {
        let content = ContentId([content % 6; 32]);
        let ip = IpAddr::from([10, network % 3, network / 3 % 2, name]);
        let (name, complete) = (PeerName([name % 32; 32]), name > 128);
        match kind % 10 {
            0..4 => {
                let port = 1022 + u16::from(kind);
                let endpoint = Endpoint { ip, tcp: Some(port), udp: None };
                let said = Announcement { content, name, endpoint, complete };
                registry.announce(now, &said, &world);
            }
            4 | 5 => {
                let search = Search { content, name, ip, wanted: usize::from(network), complete };
                let mut found = Vec::new();
                let census = registry.find(now, &search, &world, &mut found);
                assert!(found.len() <= 5.min(usize::from(network)) && found.len() <= 8);
                assert!(found.iter().all(|member| member.name != name && !(complete && member.complete)));
                assert!(found.len() <= census.members as usize && census.members_in_as <= census.members);
            }
            6 => registry.withdraw(&content, &name, &world),
            7 => world = World(u64::from(network % 4)),
            8 => {
                saved.clear();
                let mut from = Some(0);
                while let Some(at) = from {
                    from = registry.snapshot(now, at, &mut saved);
                }
                assert!(saved.len() <= registry.entries());
                saved.iter().for_each(|entry| {
                    registry.restore(now, entry, &world);
                });
            }
            _ => {
                now = now + Duration::from_secs(u64::from(name.0[0]) * 10);
                registry.sweep(now);
            }
        }
        assert!(registry.contents() <= 4 && registry.entries() <= 20 && registry.peers() <= registry.entries());
    }
    while !registry.sweep(now + Duration::from_secs(721)) {}
    assert_eq!((registry.contents(), registry.entries(), registry.peers()), (0, 0, 0), "every entry expires");
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let crowd = (0..12u8).flat_map(|peer| [0, 1, peer, peer]);
    let rest = [4, 1, 40, 9, 8, 0, 0, 0, 7, 0, 0, 1, 9, 0, 31, 0, 4, 1, 40, 9, 6, 1, 2, 0];
    vec![crowd.chain(rest).collect()]
}
