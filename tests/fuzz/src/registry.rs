//! A directory under announcements and questions: nobody makes it grow past its limits, and nobody is
//! told of himself or of the expired.

use std::{net::IpAddr, time::Duration};

use nearcast_core::{
    id::ContentId,
    random::Random,
    registry::{Endpoint, Registry, RegistryConfig},
    time::Timestamp,
};

/// Small, so that they are met.
const CONFIG: RegistryConfig = RegistryConfig {
    contents_max: 4,
    peers_max: 8,
    peers_per_prefix_max: 3,
    answer_max: 5,
    random_share: 0.2,
};

pub(crate) fn run(bytes: &[u8]) {
    let (mut registry, mut random) = (Registry::new(CONFIG), Random::new(1));
    let mut now = Timestamp::from_millis(1);
    for &[kind, content, name, network] in bytes.as_chunks().0 {
        let content = ContentId([content % 6; 32]);
        let ip = IpAddr::from([10, network % 3, network / 3 % 2, name]);
        let name = [name % 32];
        match kind % 8 {
            0..4 => {
                let port = u16::from(kind);
                let endpoint = Endpoint { ip, tcp: Some(port), udp: None };
                registry.announce(now, content, Box::from(&name[..]), endpoint, &mut random);
            }
            4 | 5 => {
                let found = registry.find(now, content, &name, ip, usize::from(network), &mut random);
                assert!(found.len() <= CONFIG.answer_max.min(usize::from(network)));
                assert!(found.iter().all(|member| member.name[..] != name));
            }
            6 => registry.withdraw(content, &name),
            _ => {
                now = now + Duration::from_secs(u64::from(name[0]) * 10);
                registry.sweep(now);
            }
        }
        assert!(registry.contents() <= CONFIG.contents_max);
    }
    registry.sweep(now + Duration::from_secs(181));
    assert_eq!(registry.contents(), 0, "every entry expires");
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let crowd = (0..12u8).flat_map(|peer| [0, 1, peer, peer]);
    vec![crowd.chain([4, 1, 40, 9, 7, 0, 31, 0, 4, 1, 40, 9, 6, 1, 2, 0]).collect()]
}
