//! Peers on a local network find each other without any address.

use std::time::Duration;

use e2e::{
    cluster::{Get, PATIENCE, Seeder, SeederOptions, publish},
    content::{MIB, assert_same, write_random},
    namespace::LocalNetwork,
    place::Place,
    process::Stream,
};

/// Time to find a peer. The first question is asked at once; later finds would be luck.
const SOON: Duration = Duration::from_secs(20);

fn seeder(place: &Place, network: &LocalNetwork, host: u32) -> Seeder {
    let ip = LocalNetwork::ip(host);
    let options = SeederOptions {
        root: place.folder("root"),
        state: place.folder("state"),
        ip,
        port: 0,
        arguments: Vec::new(),
    };
    Seeder::run(&options, &mut network.on(host, &Seeder::command(place, &options)))
}

fn get(place: &Place, network: &LocalNetwork, host: u32, source: &str, out: &str) -> Get {
    let get = Get::new(place, source, &place.folder(out), &LocalNetwork::ip(host));
    get.run_by(|command| network.on(host, command))
}

#[test]
fn a_link_without_any_address_leads_to_the_seeder_next_door() {
    let Some(network) = LocalNetwork::new(2) else { return };
    let place = Place::new();
    let source = place.folder("root").join("film.bin");
    write_random(&source, 4 * MIB, 211);
    let magnet = publish(&place, &source, &[]).magnet;
    assert!(!magnet.contains("x.ma"), "the link names nobody: {magnet}");
    let _seeder = seeder(&place, &network, 1);
    let client = get(&place, &network, 2, &magnet, "out").with(&["--discover", "lan"]).start();
    let summary = client.wait_finished(SOON);
    assert_eq!(client.process.wait_exit(PATIENCE), 0, "{}", client.process.tail());
    assert_eq!(summary.from_origin(), 4 * MIB);
    assert_same(&source, &place.path().join("out/film.bin"));
}

#[test]
fn two_downloads_find_each_other_whoever_comes_first() {
    let Some(network) = LocalNetwork::new(2) else { return };
    let place = Place::new();
    let source = place.folder("first").join("film.bin");
    write_random(&source, 4 * MIB, 212);
    let torrent = place.path().join("film.torrent");
    let published = e2e::cluster::publish_to(&place, &source, &torrent, &[]);
    // This client has nothing, and waits for a peer that has the content.
    let waiting = get(&place, &network, 2, &published.magnet, "second").start();
    waiting
        .wait_event("it looks for somebody", PATIENCE, |event| (event.name() == "preparing").then_some(()));
    let torrent = torrent.to_string_lossy().into_owned();
    let giving = get(&place, &network, 1, &torrent, "first").with(&["--seed", "forever"]).start();
    giving.wait_finished(PATIENCE);
    let summary = waiting.wait_finished(SOON);
    assert_eq!(waiting.process.wait_exit(PATIENCE), 0, "{}", waiting.process.tail());
    assert_eq!(summary.bytes_by_tier["lan"], 4 * MIB, "near as near can be");
    assert_same(&source, &place.path().join("second/film.bin"));
    assert_eq!(giving.interrupt(PATIENCE), 0, "{}", giving.process.tail());
}

#[test]
fn a_stranger_next_door_is_asked_once_and_left_alone() {
    let Some(network) = LocalNetwork::new(2) else { return };
    let place = Place::new();
    let other = place.folder("root").join("other.bin");
    write_random(&other, MIB, 213);
    publish(&place, &other, &[]);
    let _seeder = seeder(&place, &network, 1);
    for (kind, wanted) in [("link", "ab".repeat(32)), ("another link", "cd".repeat(32))] {
        let link = format!("magnet:?xt=urn:btmh:1220{wanted}");
        let client = get(&place, &network, 2, &link, "out").with(&["--timeout", "8s", "-vv"]).start();
        assert_ne!(client.process.wait_exit(PATIENCE), 0, "nobody has it");
        let log = client.process.lines(Stream::Stderr);
        let found = log.iter().filter(|line| line.contains("on the local network")).count();
        let asked = log.iter().filter(|line| line.contains("asking for the metainfo of")).count();
        assert_eq!((found, asked), (1, 1), "{kind}\n{}", client.process.tail());
    }
}

#[test]
fn who_does_not_want_to_be_found_is_not() {
    let Some(network) = LocalNetwork::new(2) else { return };
    let place = Place::new();
    let source = place.folder("root").join("film.bin");
    write_random(&source, MIB, 214);
    let magnet = publish(&place, &source, &[]).magnet;
    let _seeder = seeder(&place, &network, 1);
    let quiet = get(&place, &network, 2, &magnet, "out").with(&["--discover", "none", "--timeout", "5s"]);
    let client = quiet.start();
    assert_eq!(client.process.wait_exit(PATIENCE), 6, "{}", client.process.tail());
}
