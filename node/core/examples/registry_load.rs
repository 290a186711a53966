//! Measures the speed and size of a directory: 100,000 contents, a million peers.
//!
//!     cargo run --release -p nearcast-core --example registry_load [-- ATLAS]
//!
//! The popularity of contents follows 1/rank, and ASes are as uneven in size. Each peer asks about
//! its own content, so most questions are about full swarms. ATLAS is a file made by
//! `nearcast-tracker atlas build`; without one, the benchmark uses a made-up graph of 2,000 ASes.
//! It prints one line of JSON per measurement.

use std::net::{IpAddr, Ipv4Addr};

use nearcast_core::{
    asn::{Asn, Relation},
    atlas::{Atlas, AtlasBuilder},
    id::ContentId,
    random::Random,
    registry::{Admission, Announcement, Endpoint, Member, PeerName, Registry, RegistryConfig, Search},
    time::Timestamp,
};
use peak_alloc::PeakAlloc;

const CONTENTS: u32 = 100_000;
const PEERS: u32 = 1_000_000;
const ASES: u32 = 2_000;
const FINDS: u32 = 1_000_000;
const WANTED: usize = 50;

#[global_allocator]
static HELD: PeakAlloc = PeakAlloc;

#[derive(Clone)]
struct Peer {
    name: PeerName,
    ip: IpAddr,
    content: ContentId,
}

/// A number below `below`; small numbers are as likely as 1/n.
fn uneven(random: &mut Random, below: u32) -> u32 {
    ((f64::from(below) + 1.0).powf(f64::from(random.unit())) as u32 - 1).min(below - 1)
}

fn content(rank: u32) -> ContentId {
    let mut id = [0xc5; 32];
    id[..4].copy_from_slice(&rank.to_be_bytes());
    ContentId(id)
}

fn peer(random: &mut Random, number: u32) -> Peer {
    let mut name = [0x9a; 32];
    name[..4].copy_from_slice(&number.to_be_bytes());
    // The first `CONTENTS` peers take one content each, so that every content exists.
    let rank = if number < CONTENTS { number } else { uneven(random, CONTENTS) };
    let asn = uneven(random, ASES);
    Peer { name: PeerName(name), ip: address(random, asn), content: content(rank) }
}

/// An address in the /16 of this AS.
fn address(random: &mut Random, asn: u32) -> IpAddr {
    let host = 1 + random.below(65_000);
    Ipv4Addr::from_bits((20 << 24) + (asn << 16) + host).into()
}

fn made_up(random: &mut Random) -> Atlas {
    let mut builder = AtlasBuilder::new(1);
    for asn in 0..ASES {
        let network = Ipv4Addr::from_bits((20 << 24) + (asn << 16));
        let network = ipnetwork::IpNetwork::new(network.into(), 16).expect("16 bits are few enough");
        builder.prefix(network, &[Asn(1_000 + asn)]);
        for _ in 0..4 {
            let provider = uneven(random, ASES);
            let relation = if random.below(3) == 0 { Relation::Peer } else { Relation::Provider };
            if provider != asn {
                builder.link(Asn(1_000 + asn), Asn(1_000 + provider), relation);
            }
        }
    }
    builder.build()
}

/// Processor seconds of this process while `work` runs. Other processes may use the machine at the
/// same time.
fn seconds(work: impl FnOnce()) -> f64 {
    let spent = || {
        let text = std::fs::read_to_string("/proc/self/schedstat").expect("Linux counts nanoseconds there");
        text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).expect("a number comes first")
    };
    let start = spent();
    work();
    (spent() - start) / 1e9
}

fn announcement(peer: &Peer) -> Announcement {
    let endpoint = Endpoint { ip: peer.ip, tcp: Some(4001), udp: Some(4001) };
    Announcement { content: peer.content, name: peer.name, endpoint, complete: false }
}

/// The atlas in the file that the command line names. Without a file, one that is made up.
fn atlas(random: &mut Random) -> Atlas {
    match std::env::args().nth(1) {
        Some(path) => {
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {path}: {error}"));
            Atlas::decode(&bytes).unwrap_or_else(|error| panic!("{path}: {error}"))
        }
        None => made_up(random),
    }
}

/// The directory, the peers it serves, and the moment of every call.
struct Load {
    registry: Registry,
    atlas: Atlas,
    peers: Vec<Peer>,
    /// Peers that renew and ask, by their places among `peers`.
    askers: Vec<u32>,
    now: Timestamp,
}

impl Load {
    /// Every peer announces itself for the first time. `before`: the bytes that were held until
    /// then.
    fn announce(&mut self, before: usize) {
        let first = seconds(|| {
            for peer in &self.peers {
                self.registry.announce(self.now, &announcement(peer), &self.atlas);
            }
        });
        let entries = self.registry.entries() as f64;
        println!(
            r#"{{"contents":{},"peers":{},"announces_per_second":{:.0}}}"#,
            self.registry.contents(),
            self.registry.entries(),
            f64::from(PEERS) / first
        );
        let held = (HELD.current_usage() - before) as f64;
        println!(r#"{{"bytes_per_peer":{:.1},"bytes":{held}}}"#, held / entries);
    }

    fn renew(&mut self) {
        let renewed = seconds(|| {
            for &asker in &self.askers {
                self.registry.announce(self.now, &announcement(&self.peers[asker as usize]), &self.atlas);
            }
        });
        println!(r#"{{"renewals_per_second":{:.0}}}"#, f64::from(FINDS) / renewed);
    }

    /// Every asker asks. Counts only answers that the swarm can fill.
    fn find(&mut self, round: &str, members: &mut Vec<Member>) {
        let (mut answers, mut named, mut near) = (0u32, 0usize, 0usize);
        let took = seconds(|| {
            for &asker in &self.askers {
                let Peer { name, ip, content } = self.peers[asker as usize].clone();
                members.clear();
                let search = Search { content, name, ip, wanted: WANTED, complete: false, again: true };
                let census = self.registry.find(self.now, &search, &self.atlas, members);
                if census.members > WANTED as u32 {
                    answers += 1;
                    named += members.len();
                    near += members
                        .iter()
                        .filter(|member| member.proximity.tier() <= nearcast_core::tier::Tier::SameAs)
                        .count();
                }
            }
        });
        println!(
            r#"{{"round":"{round}","finds_per_second":{:.0},"answers_of_{WANTED}":{answers},"peers_in_each":{:.1},"of_own_as":{:.1}}}"#,
            f64::from(FINDS) / took,
            named as f64 / f64::from(answers),
            near as f64 / f64::from(answers)
        );
    }

    /// Only questions about the most popular contents, whose answers are full.
    fn find_popular(&mut self, members: &mut Vec<Member>) {
        let full: Vec<&Peer> = self
            .askers
            .iter()
            .map(|&asker| &self.peers[asker as usize])
            .filter(|peer| u32::from_be_bytes(peer.content.0[..4].try_into().unwrap_or_default()) < 1_000)
            .collect();
        let mut named = 0;
        let took = seconds(|| {
            for peer in &full {
                members.clear();
                let search = Search {
                    content: peer.content,
                    name: peer.name,
                    ip: peer.ip,
                    wanted: WANTED,
                    complete: false,
                    again: true,
                };
                self.registry.find(self.now, &search, &self.atlas, members);
                named += members.len();
            }
        });
        println!(
            r#"{{"of":"the thousand most popular contents","finds_per_second":{:.0},"peers_in_each":{:.1}}}"#,
            full.len() as f64 / took,
            named as f64 / full.len() as f64
        );
    }

    /// Removes what has expired, part by part.
    fn sweep(&mut self) {
        let (mut longest, mut done) = (0f64, false);
        while !done {
            longest = longest.max(seconds(|| done = self.registry.sweep(Timestamp::from_millis(200_000))));
        }
        println!(r#"{{"longest_sweep_ms":{:.3},"left":{}}}"#, longest * 1e3, self.registry.entries());
    }
}

fn main() {
    let mut random = Random::new(7);
    let atlas = atlas(&mut random);
    let peers: Vec<Peer> = (0..PEERS).map(|number| peer(&mut random, number)).collect();
    let askers: Vec<u32> = (0..FINDS).map(|_| random.below(PEERS)).collect();
    let before = HELD.current_usage();
    // Room for every peer: otherwise the bound would be measured.
    let config = RegistryConfig { entries_per_prefix_max: usize::MAX, ..RegistryConfig::default() };
    let registry = Registry::new(config, Admission::Open, 1);
    let mut load = Load { registry, atlas, peers, askers, now: Timestamp::from_millis(1) };
    load.announce(before);
    load.renew();
    let mut members = Vec::new();
    // The first round warms up.
    for round in ["first", "second"] {
        load.find(round, &mut members);
    }
    load.find_popular(&mut members);
    load.sweep();
}
