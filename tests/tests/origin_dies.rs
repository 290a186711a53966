//! Data that peers hold does not need the origin.

use std::path::{Path, PathBuf};

use e2e::{
    cluster::{Client, Get, PATIENCE, Published, Seeder, publish},
    content::{MIB, assert_same, write_random},
    place::Place,
};

const FILE_BYTES: u64 = 12 * MIB;
const LATE: usize = 4;

/// A content of two files, its origin, and what other peers need to join.
struct Swarm {
    place: Place,
    source: PathBuf,
    published: Published,
    origin: Seeder,
}

impl Swarm {
    fn new(seed: u64) -> Swarm {
        let place = Place::new();
        let root = place.folder("root");
        let source = root.join("films");
        write_random(&source.join("one.bin"), FILE_BYTES, seed);
        write_random(&source.join("two.bin"), FILE_BYTES, seed + 1);
        let published = publish(&place, &source, &[]);
        let origin = Seeder::start(&place, &root, "127.9.0.1");
        Swarm { place, source, published, origin }
    }

    fn get(&self, ip: &str, arguments: &[&str]) -> Client {
        let get = Get::new(&self.place, &self.published.torrent, &self.place.folder(ip), ip);
        get.peer(self.origin.address()).with(&["--seed", "forever"]).with(arguments).start()
    }

    /// Slow clients, each in its own network, that have met through the origin.
    fn late(&self) -> Vec<(String, Client)> {
        let ips = (0..LATE).map(|n| format!("127.{}.0.2", n + 1));
        let late: Vec<_> = ips.map(|ip| (ip.clone(), self.get(&ip, &["--down", "4MiB"]))).collect();
        for (_, client) in &late {
            client.wait_bytes(MIB, PATIENCE);
        }
        late
    }

    fn kill_origin_and_finish(self, late: &[(String, Client)]) {
        self.origin.process.kill();
        for (ip, client) in late {
            assert!(had(client) < 2 * FILE_BYTES, "{ip} finished before the origin died: nothing was tested");
        }
        for (ip, client) in late {
            let summary = client.wait_finished(PATIENCE);
            assert_same(&self.source, &self.place.folder(ip).join(Path::new("films")));
            assert!(summary.received() > summary.from_origin(), "{ip} got the rest from peers");
        }
    }
}

fn had(client: &Client) -> u64 {
    let events = client.events();
    let last = events.iter().rev().find(|event| event.name() == "progress");
    last.map_or(0, |event| event.number("bytes"))
}

#[test]
fn an_origin_killed_in_mid_download_stops_nobody_while_one_peer_has_all() {
    let swarm = Swarm::new(51);
    let whole = swarm.get("127.1.0.1", &[]);
    whole.wait_finished(PATIENCE);
    let late = swarm.late();
    swarm.kill_origin_and_finish(&late);
}

#[test]
fn an_origin_killed_in_mid_download_stops_nobody_while_each_piece_is_somewhere() {
    let swarm = Swarm::new(53);
    let halves = [("127.1.0.1", "one.bin"), ("127.2.0.1", "two.bin")];
    let halves = halves.map(|(ip, name)| swarm.get(ip, &["--select", name]));
    for half in &halves {
        let summary = half.wait_finished(PATIENCE);
        assert_eq!(summary.bytes, FILE_BYTES, "nobody but the origin has all");
    }
    let late = swarm.late();
    swarm.kill_origin_and_finish(&late);
}
