//! What lies in the way is kept, unless told otherwise.

use std::fs;

use e2e::{
    cluster::{Get, PATIENCE, Seeder, publish},
    content::{MIB, assert_same, write_random},
    place::Place,
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
