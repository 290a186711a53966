//! A directory under announcements and questions: no peer makes it grow past its limits, and no
//! asker is told of itself or of expired peers.

use std::{net::IpAddr, time::Duration};

use nearcast_core::{
    asn::{Asn, Relation},
    id::ContentId,
    registry::{
        Admission, Announcement, Endpoint, Locator, Pace, PeerName, Registry, RegistryConfig, Search, Throttle,
    },
    time::Timestamp,
};

use crate::shell::step::{any_number, any_u32};

/// Half the networks have no known AS.
struct World(u64);

impl Locator for World {
    fn version(&self) -> u64 {
        self.0
    }

    fn asn(&self, ip: IpAddr) -> Option<Asn> {
        let IpAddr::V4(ip) = ip else { return None };
        // Any AS except the number that stands for none.
        let number = self.0.wrapping_add(ip.octets()[1].into());
        (number % 2 == 0).then_some(Asn((number as u32).max(1)))
    }

    fn neighbours(&self, asn: Asn, into: &mut Vec<(Asn, Relation)>) {
        into.push((Asn(asn.0.saturating_add(2)), Relation::Peer));
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
    let mut throttle = Throttle::new(Pace { per_second: 10.0, burst: 5.0 }, 1);
    let mut saved = Vec::new();
    for &[kind, content, name, network, high, low] in bytes.as_chunks().0 {
        let number = u16::from_be_bytes([high, low]);
        let content = ContentId([content % 6; 32]);
        let ip = IpAddr::from([10, network % 3, network / 3 % 2, name]);
        let (name, complete) = (PeerName([name % 32; 32]), name > 128);
        match kind % 10 {
            0..4 => {
                // Any port over TCP and any other over QUIC, including 0 and ports of other
                // services.
                let port = |number: u32| u16::try_from(number).ok();
                let endpoint = Endpoint { ip, tcp: Some(number), udp: port(any_u32(number)) };
                let said = Announcement { content, name, endpoint, complete };
                registry.announce(now, &said, &world);
            }
            4 | 5 => {
                let wanted = usize::try_from(any_number(number)).unwrap_or(usize::MAX);
                let search = Search { content, name, ip, wanted, complete, again: !complete };
                if let Err(wait) = throttle.ask(now, ip) {
                    // A question is allowed again each tenth of a second, as floats count it.
                    assert!(wait <= Duration::from_millis(101), "{wait:?}");
                }
                let mut found = Vec::new();
                let census = registry.find(now, &search, &world, &mut found);
                assert!(found.len() <= wanted.min(5));
                assert!(found.iter().all(|member| member.name != name && !(complete && member.complete)));
                assert!(found.len() <= census.members as usize && census.members_in_as <= census.members);
            }
            6 => registry.withdraw(&content, &name, &world),
            7 => world = World(any_number(number)),
            8 => {
                saved.clear();
                let mut from = Some(0);
                while let Some(at) = from {
                    from = registry.snapshot(now, at, &mut saved);
                }
                assert!(saved.len() <= registry.entries());
                // A file says how long the entries would have lived on.
                for entry in &mut saved {
                    entry.left = entry.left.max(Duration::from_secs(any_number(number)));
                    registry.restore(now, entry, &world);
                }
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
    let crowd = (0..12u8).flat_map(|peer| [0, 1, peer, peer, 4, 6]);
    let rest = [
        [4, 1, 40, 9, 18, 0],
        [8, 0, 0, 0, 0, 4],
        [7, 0, 0, 1, 2, 0],
        [9, 0, 31, 0, 0, 0],
        [4, 1, 40, 9, 0, 4],
        [6, 1, 2, 0, 0, 0],
    ];
    vec![crowd.chain(rest.into_iter().flatten()).collect()]
}
