//! What real processes decided is decided again by fresh engines, told the same.

use std::{fs, path::Path};

use e2e::{
    cluster::{Get, Seeder, SeederOptions, publish},
    content::{MIB, assert_same, write_random},
    place::Place,
};
use nearcast_core::flight::{Entry, Replay};
use rustix::process::Signal;

/// Does a flight again; gives how many turns it has.
fn replay(flight: &Path) -> u64 {
    let mut replay = Replay::default();
    for line in fs::read_to_string(flight).expect("the flight was written").lines() {
        let entry: Entry = serde_json::from_str(line).expect("a line is an entry");
        replay.take(entry).unwrap_or_else(|differs| panic!("{}: {differs}", flight.display()));
    }
    replay.turns()
}

#[test]
fn a_recorded_get_and_its_seeder_decide_the_same_again() {
    let place = Place::new();
    let root = place.folder("root");
    let source = root.join("film.bin");
    write_random(&source, 8 * MIB, 71);
    let torrent = publish(&place, &source, &[]).torrent;
    let state = place.folder("state");
    let options = SeederOptions { root, state, ip: "127.1.0.1".to_owned(), port: 0, arguments: Vec::new() };
    let flights = [place.path().join("seeder.jsonl"), place.path().join("get.jsonl")];
    let mut command = Seeder::command(&place, &options);
    let seeder = Seeder::run(&options, command.env("NEARCAST_FLIGHT", &flights[0]));
    let out = place.folder("out");
    let get = Get::new(&place, &torrent, &out, "127.1.0.2").peer(seeder.address());
    get.variable("NEARCAST_FLIGHT", flights[1].to_str().expect("a temporary path is text")).finish();
    assert_same(&source, &out.join("film.bin"));
    seeder.process.signal(Signal::TERM);
    assert_eq!(seeder.process.wait_exit(e2e::cluster::PATIENCE), 0, "{}", seeder.process.tail());
    for flight in flights {
        let turns = replay(&flight);
        assert!(turns > 30, "{}: {turns} turns are too few for a download", flight.display());
    }
}
