//! Many clients come at once.

use e2e::{
    cluster::{Client, Get, PATIENCE, Seeder, publish},
    content::{MIB, assert_same, write_random},
    place::Place,
    probe::Summary,
};

const SIZE_BYTES: u64 = 32 * MIB;
/// The most copies that the origin may send. Each byte must leave it once; the second copy allows
/// for bytes that are requested twice at the start.
const ORIGIN_COPIES_MAX: f64 = 2.0;

#[test]
fn eight_clients_at_once_take_at_most_two_copies_from_the_origin() {
    let place = Place::new();
    let root = place.folder("root");
    let source = root.join("film.bin");
    write_random(&source, SIZE_BYTES, 21);
    let published = publish(&place, &source, &[]);
    let seeder = Seeder::start(&place, &root, "127.1.0.1");
    let ips: Vec<String> = (0..8).map(|n| format!("127.{}.0.{}", 1 + n % 3, 10 + n)).collect();
    let clients: Vec<Client> = ips
        .iter()
        .map(|ip| {
            let get = Get::new(&place, &published.torrent, &place.folder(ip), ip);
            get.peer(seeder.address()).with(&["--seed", "forever"]).start()
        })
        .collect();
    let summaries: Vec<_> = clients.iter().map(|client| client.wait_finished(PATIENCE)).collect();
    let from_origin: u64 = summaries.iter().map(Summary::from_origin).sum();
    let copies = from_origin as f64 / SIZE_BYTES as f64;
    for (ip, summary) in ips.iter().zip(&summaries) {
        assert_same(&source, &place.folder(ip).join("film.bin"));
        assert!(summary.received() >= SIZE_BYTES, "{ip} received less than the content");
        assert_eq!(summary.banned, 0, "{ip} banned an honest peer");
    }
    assert!(copies >= 1.0, "the bytes came from somewhere: {copies}");
    assert!(copies <= ORIGIN_COPIES_MAX, "the origin sent {copies:.2} copies: {summaries:#?}");
}
