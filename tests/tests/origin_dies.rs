//! What exists among peers does not need the origin.

use e2e::{
    cluster::{Client, Get, PATIENCE, Seeder, publish},
    content::{MIB, assert_same, write_random},
    place::Place,
};

const SIZE_BYTES: u64 = 24 * MIB;
const LATE: usize = 4;

#[test]
fn an_origin_killed_in_mid_download_stops_nobody() {
    let place = Place::new();
    let root = place.folder("root");
    let source = root.join("film.bin");
    write_random(&source, SIZE_BYTES, 51);
    let published = publish(&place, &source, &[]);
    let seeder = Seeder::start(&place, &root, "127.9.0.1");
    let get = |ip: &str, arguments: &[&str]| {
        let get = Get::new(&place, &published.torrent, &place.folder(ip), ip);
        get.peer(seeder.address()).with(arguments).start()
    };
    let first = get("127.1.0.1", &["--seed", "forever"]);
    first.wait_finished(PATIENCE);
    let ips: Vec<String> = (0..LATE).map(|n| format!("127.{}.0.2", n + 1)).collect();
    let late: Vec<Client> = ips.iter().map(|ip| get(ip, &["--down", "4MiB", "--seed", "forever"])).collect();
    // They have met through the origin, and have most of the way before them.
    for client in &late {
        client.wait_bytes(MIB, PATIENCE);
    }
    seeder.process.kill();
    for (ip, client) in ips.iter().zip(&late) {
        let had: u64 = client
            .events()
            .iter()
            .rev()
            .find(|event| event.name() == "progress")
            .map_or(0, |event| event.number("bytes"));
        assert!(had < SIZE_BYTES, "{ip} had finished before the origin died: nothing was tested");
        let summary = client.wait_finished(PATIENCE);
        assert_same(&source, &place.folder(ip).join("film.bin"));
        assert!(summary.received() > summary.from_origin(), "{ip} got the rest from peers");
    }
}
