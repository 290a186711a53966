//! Existing files are kept unless the user says otherwise.

use std::fs;

use e2e::{
    cluster::{DEAD_PEER, Get, PATIENCE, Seeder, publish, run},
    content::{MIB, assert_same, write_random},
    place::{Place, listing},
};

const EXISTS: i32 = 13;
const SIZE_BYTES: u64 = 2 * MIB;

struct Served {
    place: Place,
    source: std::path::PathBuf,
    torrent: std::path::PathBuf,
    seeder: Seeder,
}

impl Served {
    fn new() -> Served {
        let place = Place::new();
        let source = place.folder("root").join("film.bin");
        write_random(&source, SIZE_BYTES, 71);
        let torrent = publish(&place, &source, &[]).torrent;
        let seeder = Seeder::start(&place, &place.folder("root"), "127.1.0.1");
        Served { place, source, torrent, seeder }
    }

    fn get(&self) -> Get {
        let get = Get::new(&self.place, &self.torrent, &self.place.folder("out"), "127.1.0.2");
        get.peer(self.seeder.address())
    }

    fn target(&self) -> std::path::PathBuf {
        self.place.folder("out").join("film.bin")
    }
}

#[test]
fn another_file_of_the_name_is_kept_and_the_exit_code_says_so() {
    let served = Served::new();
    fs::write(served.target(), "precious").expect("the target can be written");
    let client = served.get().start();
    assert_eq!(client.process.wait_exit(PATIENCE), EXISTS, "{}", client.process.tail());
    assert_eq!(fs::read(served.target()).expect("it is still there"), b"precious");
}

#[test]
fn overwrite_replaces_it_and_receives_only_what_differs() {
    let served = Served::new();
    let mut almost = fs::read(&served.source).expect("the source can be read");
    almost[1_234_567] ^= 1;
    fs::write(served.target(), almost).expect("the target can be written");
    let summary = served.get().with(&["--overwrite"]).finish();
    assert_same(&served.source, &served.target());
    assert!(summary.received() < SIZE_BYTES / 2, "what was right came again: {}", summary.received());
    assert!(summary.received() > 0, "the wrong byte was replaced by a right one");
}

#[test]
fn the_same_file_from_elsewhere_is_recognised() {
    let served = Served::new();
    fs::copy(&served.source, served.target()).expect("there is room");
    assert_eq!(served.get().finish().received(), 0);
}

const NETWORK: i32 = 6;

/// Runs a get that can reach no peer.
fn alone(place: &Place, torrent: &std::path::Path, arguments: &[&str]) -> (i32, String) {
    let mut command = place.nearcast();
    command.arg("get").arg(torrent).arg("-o").arg(place.folder("out"));
    command
        .args(["--listen", "/ip4/127.1.0.2/tcp/0", "--peer", DEAD_PEER, "--timeout", "3s"])
        .args(arguments);
    let (code, process) = run("get", &mut command);
    (code, process.tail())
}

/// All names in the download folder, with their bytes.
fn lying_there(place: &Place) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let names = listing(&place.folder("out"));
    names
        .into_iter()
        .map(|name| (name.clone(), fs::read(place.folder("out").join(name)).unwrap_or_default()))
        .collect()
}

#[test]
fn what_cannot_be_downloaded_replaces_and_leaves_nothing() {
    let place = Place::new();
    let source = place.folder("root").join("film.bin");
    write_random(&source, SIZE_BYTES, 72);
    let torrent = publish(&place, &source, &[]).torrent;
    let thesis = "a line of my thesis\n".repeat(200_000);
    for (name, arguments, expected) in [
        ("film.bin", &["--overwrite"][..], NETWORK),
        ("film.bin", &[], EXISTS),
        ("film.bin.part", &[], EXISTS),
        ("film.bin.part", &["--overwrite"], NETWORK),
    ] {
        let path = place.folder("out").join(name);
        fs::write(&path, &thesis).expect("there is room");
        let before = lying_there(&place);
        let (code, said) = alone(&place, &torrent, arguments);
        assert_eq!(code, expected, "{name} {arguments:?}\n{said}");
        assert!(lying_there(&place) == before, "{name} {arguments:?}: {:?}", listing(&place.folder("out")));
        if expected == EXISTS {
            assert!(said.contains(name) && said.contains("--overwrite"), "{said}");
        }
        fs::remove_file(path).expect("it is ours");
    }
}

#[test]
fn a_get_that_is_killed_while_it_overwrites_leaves_the_old_file_and_is_continued() {
    let served = Served::new();
    let old = fs::read(&served.source).expect("it can be read");
    let old: Vec<u8> = old.iter().rev().copied().collect();
    fs::write(served.target(), &old).expect("there is room");
    let client = served.get().with(&["--overwrite", "--down", "256KiB"]).start();
    client.wait_event("something is durable", PATIENCE, |event| {
        (event.name() == "progress" && event.number("durable_bytes") > 0).then_some(())
    });
    client.process.kill();
    assert!(fs::read(served.target()).expect("it is there") == old, "the old file is as it was");
    let client = served.get().start();
    assert_eq!(client.process.wait_exit(PATIENCE), EXISTS, "without --overwrite it is not touched");
    assert!(fs::read(served.target()).expect("it is there") == old);
    let summary = served.get().with(&["--overwrite"]).finish();
    assert_same(&served.source, &served.target());
    assert!(summary.received() < SIZE_BYTES, "what was durable came again");
    assert_eq!(listing(&served.place.folder("out")).len(), 1, "nothing else is left");
}
