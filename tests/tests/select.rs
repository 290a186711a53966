//! Downloads of some files of a content.

use std::{collections::BTreeSet, path::PathBuf};

use e2e::{
    cluster::{DEAD_PEER, Get, PATIENCE, Seeder, publish},
    content::{MIB, assert_same, write_random},
    place::{Place, listing},
};

fn series(place: &Place) -> PathBuf {
    let source = place.folder("root").join("series");
    for (number, path) in (0..).zip(["one/a.mkv", "one/a.srt", "two/b.mkv", "two/b.srt"]) {
        write_random(&source.join(path), MIB + 1000 * number, 61 + number);
    }
    source
}

#[test]
fn only_selected_files_are_received_and_made() {
    let place = Place::new();
    let source = series(&place);
    let published = publish(&place, &source, &[]);
    let seeder = Seeder::start(&place, &place.folder("root"), "127.1.0.1");
    let out = place.folder("out");
    let get = Get::new(&place, &published.torrent, &out, "127.1.0.2").peer(seeder.address());
    let summary = get.with(&["--select", "one/*", "--select", "*.srt"]).finish();
    let wanted = ["one/a.mkv", "one/a.srt", "two/b.srt"];
    let expected: u64 = wanted.iter().map(|path| length(&source.join(path))).sum();
    assert_eq!((summary.bytes, summary.received()), (expected, expected));
    for path in wanted {
        assert_same(&source.join(path), &out.join("series").join(path));
    }
    let made: BTreeSet<PathBuf> = listing(&out.join("series")).into_iter().collect();
    assert_eq!(made.iter().filter(|path| path.extension().is_some()).count(), wanted.len(), "{made:?}");
}

#[test]
fn the_rest_can_be_selected_later_and_nothing_comes_twice() {
    let place = Place::new();
    let source = series(&place);
    let published = publish(&place, &source, &[]);
    let seeder = Seeder::start(&place, &place.folder("root"), "127.1.0.1");
    let out = place.folder("out");
    let get = || Get::new(&place, &published.torrent, &out, "127.1.0.3").peer(seeder.address());
    let first = get().with(&["--select", "one/*"]).finish();
    let rest = get().finish();
    let all = listing(&source).into_iter().map(|path| source.join(path)).filter(|path| path.is_file());
    assert_eq!(first.received() + rest.received(), all.map(|path| length(&path)).sum::<u64>());
    assert_same(&source, &out.join("series"));
}

#[test]
fn selecting_nothing_is_an_error_and_writes_nothing() {
    let place = Place::new();
    let published = publish(&place, &series(&place), &[]);
    let out = place.folder("out");
    let get = Get::new(&place, &published.torrent, &out, "127.1.0.4").peer(DEAD_PEER);
    let client = get.with(&["--select", "*.nothing"]).start();
    assert_eq!(client.process.wait_exit(PATIENCE), 28, "{}", client.process.tail());
    assert!(client.process.tail().contains(".srt"), "what there is, is named\n{}", client.process.tail());
    assert_eq!(listing(&out), BTreeSet::new());
}

fn length(path: &std::path::Path) -> u64 {
    std::fs::metadata(path).expect("the source is there").len()
}
