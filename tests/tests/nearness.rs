//! An atlas tells what is near, and bytes are counted by the tier of their sender.

use std::{fs, net::TcpListener};

use e2e::{
    cluster::{Get, PATIENCE, Seeder, publish, run},
    content::{MIB, write_random},
    internet,
    place::Place,
    process::Stream,
};

/// The address of a peer that has everything, and the tier of its bytes for 127.1.0.2.
const SOURCES: [(&str, &str); 6] = [
    ("127.1.0.77", "prefix24"),
    ("127.1.9.1", "prefix16"),
    ("127.11.0.1", "same_as"),
    ("127.2.0.1", "adjacent_as"),
    ("127.3.0.1", "adjacent_as"),
    ("127.4.0.1", "remote"),
];

/// An address without a listener; nothing else uses this IP.
fn free_address(ip: &str) -> String {
    let listener = TcpListener::bind((ip, 0)).expect("loopback addresses can be listened on");
    let port = listener.local_addr().expect("it listens").port();
    format!("/ip4/{ip}/tcp/{port}")
}

#[test]
fn bytes_are_counted_by_where_the_atlas_says_their_sender_is() {
    let place = Place::new();
    let root = place.folder("root");
    write_random(&root.join("film"), MIB, 3);
    let published = publish(&place, &root.join("film"), &[]);
    let origin = Seeder::start(&place, &root, "127.5.0.1");
    let atlas = internet::write_atlas(place.path());
    let atlas = atlas.to_str().expect("a temporary path is text");
    for (ip, tier) in SOURCES {
        let there = place.folder(&format!("there-{ip}"));
        let giver = Get::new(&place, &published.torrent, &there, ip).peer(origin.address());
        let tcp = free_address(ip);
        let giver = giver.with(&["--seed", "forever", "--listen", &tcp]).start();
        giver.wait_finished(PATIENCE);
        let here = place.folder(&format!("here-{ip}"));
        let get = Get::new(&place, &published.torrent, &here, "127.1.0.2").peer(&tcp);
        let summary = get.with(&["--discover", "none", "--atlas", atlas]).finish();
        assert_eq!(summary.bytes_by_tier[tier], summary.bytes, "{ip}: {:?}", summary.bytes_by_tier);
        giver.interrupt(PATIENCE);
    }
}

#[test]
fn an_atlas_that_cannot_be_used_is_said_before_anything_happens() {
    let place = Place::new();
    let root = place.folder("root");
    write_random(&root.join("film"), 1_000, 3);
    let published = publish(&place, &root.join("film"), &[]);
    let sound = fs::read(internet::write_atlas(place.path())).expect("it was written a moment ago");
    let mut damaged = sound.clone();
    damaged[sound.len() / 2] ^= 1;
    let cases = [
        ("missing", None, 17, "cannot read the atlas"),
        ("empty", Some(Vec::new()), 28, "not an atlas"),
        ("text", Some(b"not an atlas at all".to_vec()), 28, "nearcast-tracker atlas build"),
        ("damaged", Some(damaged), 32, "checksum"),
        ("cut", Some(sound[..sound.len() - 1].to_vec()), 32, "checksum"),
    ];
    for (name, bytes, expected, words) in cases {
        let path = place.path().join(name);
        bytes.into_iter().for_each(|bytes| fs::write(&path, bytes).expect("a file can be made"));
        let out = place.folder(&format!("out-{name}"));
        let mut command = place.nearcast();
        command.arg("get").arg(&published.torrent).arg("-o").arg(&out).arg("--atlas").arg(&path);
        let (code, process) = run(name, command.args(["--listen", "/ip4/127.1.0.2/tcp/0"]));
        assert_eq!(code, expected, "{name}\n{}", process.tail());
        let said = process.lines(Stream::Stderr).join("\n");
        assert!(said.contains(words) && said.contains(path.to_str().expect("text")), "{name}: {said}");
        assert_eq!(fs::read_dir(&out).expect("it is there").count(), 0, "{name}: something was written");
    }
}
