//! Trackers that share a hash table: who knows one of them finds what another one knows.

use std::{fs, path::PathBuf};

use e2e::{
    cluster::{Get, PATIENCE, Published, Seeder, SeederOptions, publish},
    content::{MIB, assert_same, write_random},
    place::Place,
    process::Stream,
    tracker::{Tracker, TrackerOptions},
};
use rustix::process::Signal;

/// A tracker at `ip` that joins another one.
fn options(place: &Place, ip: &str, join: &[&str]) -> TrackerOptions {
    let joins: Vec<&str> = join.iter().flat_map(|address| ["--join", *address]).collect();
    TrackerOptions::new(place, ip, &joins)
}

/// Three trackers in different networks, each of which joined the one before.
fn line(place: &Place, second: u8) -> [Tracker; 3] {
    let ip = |network: u8| format!("127.{}.{second}.1", 140 + network);
    let first = Tracker::start(place, &options(place, &ip(1), &[]));
    let middle = Tracker::start(place, &options(place, &ip(2), &[first.address()]));
    let last = Tracker::start(place, &options(place, &ip(3), &[middle.address()]));
    for tracker in [&first, &middle, &last] {
        tracker.wait_metric("nearcast_dht_nodes", |nodes| nodes >= 2.0);
    }
    [first, middle, last]
}

/// Contents, and a seeder at `ip` that announces them to a tracker, and is itself in no hash table.
fn announced(place: &Place, tracker: &Tracker, ip: &str) -> (PathBuf, Vec<Published>, Seeder) {
    let root = place.folder("root");
    let names = ["first.bin", "second.bin", "third.bin"];
    let published = names.iter().zip(700..).map(|(name, seed)| {
        write_random(&root.join(name), MIB, seed);
        publish(place, &root.join(name), &[])
    });
    let published = published.collect();
    let arguments = ["--tracker", tracker.address(), "--dht=false"].map(str::to_owned).to_vec();
    let state = place.folder("seeder");
    let options = SeederOptions { root: root.clone(), state, ip: ip.to_owned(), port: 0, arguments };
    let seeder = Seeder::start_with(place, &options);
    tracker.wait_metric("nearcast_contents", |contents| contents >= 3.0);
    tracker.wait_metric("nearcast_dht_provided_total", |provided| provided >= 3.0);
    (root, published, seeder)
}

/// A client that knows one tracker only.
fn gets(place: &Place, published: &Published, tracker: &Tracker, ip: &str) -> PathBuf {
    let out = place.folder(&format!("out-{ip}"));
    let get = Get::new(place, &published.magnet, &out, ip);
    let summary = get.with(&["--tracker", tracker.address(), "--discover", "tracker"]).finish();
    assert_eq!(summary.bytes, MIB);
    out
}

#[test]
fn who_knows_one_tracker_finds_what_another_knows_also_when_one_between_them_dies() {
    let place = Place::new();
    let [first, middle, last] = line(&place, 1);
    let (root, published, _seeder) = announced(&place, &first, "127.144.1.2");
    let out = gets(&place, &published[0], &last, "127.145.1.2");
    assert_same(&root.join("first.bin"), &out.join("first.bin"));
    let metrics = last.ask("/metrics");
    assert!(metrics.metric("nearcast_dht_lookups_found_total") >= 1.0, "{}", metrics.text);
    assert!(metrics.metric("nearcast_contents") <= 1.0, "what others said is not listed: {}", metrics.text);
    // The client remembers the tracker, and finds another content although nobody is named.
    let out = place.folder("out-remembered");
    let get = Get::new(&place, &published[2].magnet, &out, "127.145.1.4").with(&["--discover", "tracker"]);
    assert_eq!(get.finish().bytes, MIB);
    middle.process.signal(Signal::KILL);
    middle.process.wait_exit(PATIENCE);
    let out = gets(&place, &published[1], &last, "127.145.1.3");
    assert_same(&root.join("second.bin"), &out.join("second.bin"));
    let page = last.ask("/").text;
    assert!(page.contains("Other directories"), "{page}");
}

#[test]
fn a_seeder_is_found_by_the_hash_table_alone() {
    let place = Place::new();
    let [first, _middle, last] = line(&place, 2);
    let root = place.folder("root");
    write_random(&root.join("film.bin"), MIB, 702);
    let published = publish(&place, &root.join("film.bin"), &[]);
    let options = SeederOptions {
        root: root.clone(),
        state: place.folder("seeder"),
        ip: "127.144.2.2".to_owned(),
        port: 0,
        arguments: ["--join", first.address()].map(str::to_owned).to_vec(),
    };
    let _seeder = Seeder::start_with(&place, &options);
    let records = |tracker: &Tracker| tracker.metric("nearcast_dht_records_written_total");
    last.wait_metric("nearcast_dht_records_written_total", |written| {
        written >= 1.0 || records(&first) >= 1.0
    });
    let out = gets(&place, &published, &last, "127.145.2.2");
    assert_same(&root.join("film.bin"), &out.join("film.bin"));
}

#[test]
fn a_tracker_that_was_restarted_remembers_the_others() {
    let place = Place::new();
    let [_first, _middle, last] = line(&place, 3);
    let options = options(&place, "127.143.3.1", &[]);
    let file = options.state.join("directories.txt");
    let remembers = || fs::read_to_string(&file).is_ok_and(|text| text.lines().count() >= 2);
    last.wait_metric("nearcast_dht_nodes", |_| remembers());
    last.process.signal(Signal::KILL);
    last.process.wait_exit(PATIENCE);
    let again = Tracker::start(&place, &options);
    again.wait_metric("nearcast_dht_nodes", |nodes| nodes >= 2.0);
}

#[test]
fn a_tracker_on_its_own_says_that_it_knows_nobody() {
    let place = Place::new();
    let [first, ..] = line(&place, 4);
    let alone = TrackerOptions::new(&place, "127.146.4.1", &["--join", first.address(), "--dht=false"]);
    let alone = Tracker::start(&place, &alone);
    let (_, published, _seeder) = announced(&place, &first, "127.144.4.2");
    let out = place.folder("out");
    let get = Get::new(&place, &published[0].magnet, &out, "127.145.4.2");
    let client =
        get.with(&["--tracker", alone.address(), "--discover", "tracker", "--timeout", "3s"]).start();
    assert_ne!(client.process.wait_exit(PATIENCE), 0, "{}", client.process.tail());
    assert!(client.process.lines(Stream::Stdout).iter().all(|line| !line.contains("\"finished\"")));
    let metrics = alone.ask("/metrics");
    assert_eq!((metrics.metric("nearcast_dht_enabled"), metrics.metric("nearcast_dht_nodes")), (0.0, 0.0));
}
