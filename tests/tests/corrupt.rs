//! Rotten data on a seeder's disk is never sent, is reported, and is fetched from another seeder.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use e2e::{
    cluster::{Get, PATIENCE, Seeder, publish},
    content::{MIB, assert_same, write_random},
    place::Place,
    process::Stream,
};

const SIZE_BYTES: u64 = 8 * MIB;
/// The largest run. A run is verified as a whole, so one rotten block costs a whole run.
const RUN_BYTES_MAX: u64 = 256 * 1024;

fn rot(path: &Path, offset: u64) {
    let file = File::options().read(true).write(true).open(path).expect("the source can be opened");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("the offset lies in the file");
    file.write_all_at(&[byte[0] ^ 0x10], offset).expect("the source can be written");
}

/// Two roots with the same content and metainfo; one block of the first has rotted.
fn roots(place: &Place) -> (PathBuf, PathBuf, PathBuf) {
    let (rotten, good) = (place.folder("rotten"), place.folder("good"));
    let source = good.join("film.bin");
    write_random(&source, SIZE_BYTES, 41);
    let torrent = publish(place, &source, &[]).torrent;
    for path in [&source, &torrent] {
        let name = path.file_name().expect("it is a file");
        std::fs::copy(path, rotten.join(name)).expect("there is room");
    }
    rot(&rotten.join("film.bin"), 3 * MIB + 77);
    (rotten, good, torrent)
}

#[test]
fn a_rotten_block_is_never_sent_is_reported_and_comes_from_another_seeder() {
    let place = Place::new();
    let (rotten_root, good_root, torrent) = roots(&place);
    let rotten = Seeder::start(&place, &rotten_root, "127.1.0.1");
    let out = place.folder("out");
    let client = Get::new(&place, &torrent, &out, "127.1.0.2").peer(rotten.address()).start();
    client.wait_bytes(SIZE_BYTES - RUN_BYTES_MAX, PATIENCE);
    rotten.process.wait_for("it reports the rot", Stream::Stderr, PATIENCE, says_rotten);
    assert_eq!(client.interrupt(PATIENCE), 130, "{}", client.process.tail());

    let good = Seeder::start(&place, &good_root, "127.1.0.3");
    let both = Get::new(&place, &torrent, &out, "127.1.0.2").peer(rotten.address()).peer(good.address());
    let summary = both.finish();
    assert_same(&good_root.join("film.bin"), &out.join("film.bin"));
    assert_eq!(summary.received(), RUN_BYTES_MAX, "only the rotten run was missing");
    assert_eq!((summary.wasted, summary.banned), (0, 0), "nothing rotten was ever sent");
    let reports = rotten.process.lines(Stream::Stderr).iter().filter(|line| is_report(line)).count();
    assert_eq!(reports, 1, "said once, not each time it is asked for\n{}", rotten.process.tail());
}

fn says_rotten(lines: &[String]) -> Option<()> {
    lines.iter().any(|line| is_report(line)).then_some(())
}

fn is_report(line: &str) -> bool {
    line.contains("changed on disk")
}
