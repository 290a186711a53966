//! The atlas that comes by itself: signed by a pinned key, fetched from the swarm, kept for the
//! next run.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use e2e::{
    cluster::{Client, Get, PATIENCE, Seeder, publish, run},
    content::write_random,
    internet,
    place::Place,
    process::Stream,
    tracker::{Tracker, TrackerOptions, only_file},
};
use nearcast_core::{id::ContentId, magnet::Magnet};
use nearcast_node::{
    Node,
    config::NodeConfig,
    directory::{Admission, AtlasOffer, DirectoryConfig},
};
use rustix::process::Signal;
use tokio::runtime::Runtime;

const FILM_BYTES: u64 = 300_000;

/// What every test of this file needs: a film, a seeder that has it, and a tracker that publishes
/// an atlas.
struct Stage {
    place: Place,
    torrent: PathBuf,
    seeder: Seeder,
    tracker: Tracker,
    atlas: PathBuf,
    /// The public key that signed the atlas.
    key: String,
}

/// Makes a key; returns its public half.
fn new_key(place: &Place, path: &Path) -> String {
    let (code, process) = run("key", place.nearcast().args(["key", "new"]).arg(path));
    assert_eq!(code, 0, "{}", process.tail());
    let printed = process.lines(Stream::Stdout).join("\n");
    printed
        .split_whitespace()
        .find(|word| word.starts_with("ed25519:"))
        .expect("it prints the key")
        .to_owned()
}

fn write_atlas(path: &Path, version: u64) {
    fs::write(path, internet::atlas(version).encode()).expect("a temporary folder can be written to");
}

impl Stage {
    /// A stage with its own addresses: 127.1.NUMBER.x.
    fn set(number: u8) -> Stage {
        Stage::with_atlas(number, 1_000)
    }

    /// The same, with this version of the atlas.
    fn with_atlas(number: u8, version: u64) -> Stage {
        let place = Place::new();
        let root = place.folder("root");
        write_random(&root.join("film.bin"), FILM_BYTES, 441);
        let torrent = publish(&place, &root.join("film.bin"), &[]).torrent;
        let seeder = Seeder::start(&place, &root, &format!("127.1.{number}.77"));
        let secret = place.path().join("atlas.key");
        let key = new_key(&place, &secret);
        let atlas = place.path().join("made-up.atlas");
        write_atlas(&atlas, version);
        let text = |path: &Path| path.to_str().expect("a temporary path is text").to_owned();
        let arguments = ["--atlas", &text(&atlas), "--atlas-signing-key", &text(&secret)];
        let options = TrackerOptions::new(&place, &format!("127.5.{number}.1"), &arguments);
        let tracker = Tracker::start(&place, &options);
        tracker
            .wait_metric("nearcast_atlas_published_version_seconds", |published| published as u64 == version);
        Stage { place, torrent, seeder, tracker, atlas, key }
    }

    fn get(&self, name: &str, ip: &str, key: &str) -> Get {
        let get = Get::new(&self.place, &self.torrent, &self.place.folder(name), ip);
        let get = get.peer(self.seeder.address()).with(&["--tracker", self.tracker.address(), "-v"]);
        get.with(&["--discover", "tracker", "--atlas", "auto", "--atlas-key", key])
    }

    /// The folder where clients keep their last good atlas.
    fn cache(&self) -> PathBuf {
        self.place.path().join("home/xdg_cache_home/nearcast/atlas")
    }
}

/// Waits for a line of the client's log that contains `words`.
fn wait_log(client: &Client, words: &str) {
    client.process.wait_for(words, Stream::Stderr, PATIENCE, |lines| {
        lines.iter().any(|line| line.contains(words)).then_some(())
    });
}

#[test]
fn a_newer_atlas_is_fetched_used_and_there_for_the_next_run() {
    let stage = Stage::set(61);
    let client = stage.get("out-a", "127.1.61.2", &stage.key).with(&["--seed", "forever"]).start();
    let first = client.wait_finished(PATIENCE);
    assert_eq!(first.bytes, FILM_BYTES);
    wait_log(&client, "atlas 1000 is in use");
    let kept = only_file(&stage.cache(), "atlas").expect("it is kept");
    assert_eq!(fs::read(&kept).unwrap(), fs::read(&stage.atlas).unwrap());
    let sent = stage.tracker.wait_metric("nearcast_uploaded_bytes_total", |bytes| bytes > 0.0);
    assert_eq!(sent as u64, fs::metadata(&stage.atlas).unwrap().len());

    // The tracker publishes another version while clients run. A client that asks from now on hears
    // of it.
    write_atlas(&stage.atlas, 2_000);
    stage.tracker.process.signal(Signal::HUP);
    stage.tracker.wait_metric("nearcast_atlas_published_version_seconds", |version| version as u64 == 2_000);
    let second = stage.get("out-b", "127.1.61.3", &stage.key).with(&["--seed", "forever"]).start();
    wait_log(&second, "atlas 2000 is in use");
    second.wait_finished(PATIENCE);
    assert_eq!(fs::read(&kept).unwrap(), fs::read(&stage.atlas).unwrap());
    client.interrupt(PATIENCE);
    second.interrupt(PATIENCE);

    // Without the tracker, the last good atlas still tells whose bytes are whose.
    stage.tracker.process.kill();
    let get = Get::new(&stage.place, &stage.torrent, &stage.place.folder("out-c"), "127.1.62.2");
    let get = get.peer(stage.seeder.address()).with(&["--tracker", stage.tracker.address()]);
    let third = get.with(&["--atlas", "auto", "--atlas-key", &stage.key]).start();
    let summary = third.wait_finished(PATIENCE);
    assert_eq!(summary.bytes, FILM_BYTES);
    let finished = third.wait_event("the end", PATIENCE, |event| {
        (event.name() == "finished").then(|| event.number("imported_bytes"))
    });
    assert_eq!(finished, 0, "an AS of our own is known, and nothing came from another");
}

#[test]
fn an_atlas_by_another_key_is_refused_and_the_download_is_not() {
    let stage = Stage::set(63);
    let stranger = new_key(&stage.place, &stage.place.path().join("other.key"));
    let client = stage.get("out", "127.1.63.2", &stranger).with(&["--seed", "forever"]).start();
    client.wait_finished(PATIENCE);
    wait_log(&client, "refused: the pinned key has not signed it");
    assert_eq!(only_file(&stage.cache(), "atlas"), None);
    client.interrupt(PATIENCE);
}

#[test]
fn a_damaged_atlas_on_disk_is_said_and_replaced_and_an_older_one_is_not_taken() {
    let stage = Stage::set(64);
    let client = stage.get("out-a", "127.1.64.2", &stage.key).with(&["--seed", "forever"]).start();
    wait_log(&client, "atlas 1000 is in use");
    client.interrupt(PATIENCE);
    let kept = only_file(&stage.cache(), "atlas").expect("it is kept");
    let good = fs::read(&kept).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&kept, &bad).unwrap();
    let client = stage.get("out-b", "127.1.64.3", &stage.key).with(&["--seed", "forever"]).start();
    wait_log(&client, "going on without an atlas until a good one comes");
    wait_log(&client, "atlas 1000 is in use");
    assert_eq!(fs::read(&kept).unwrap(), good);
    client.wait_finished(PATIENCE);
    client.interrupt(PATIENCE);

    let newer = internet::atlas(3_000).encode();
    fs::write(&kept, &newer).unwrap();
    let client = stage.get("out-c", "127.1.64.4", &stage.key).start();
    client.wait_finished(PATIENCE);
    assert_eq!(client.process.wait_exit(PATIENCE), 0, "{}", client.process.tail());
    assert!(!client.process.tail().contains("is offered"), "{}", client.process.tail());
    assert_eq!(fs::read(&kept).unwrap(), newer);
}

/// Directories that offer newer atlases which no peer has.
struct Liars {
    runtime: Runtime,
    nodes: Vec<Node>,
}

impl Liars {
    /// Starts `count` directories, each in its own network: 127.NUMBER.x.1.
    fn start(number: u8, count: u8) -> Liars {
        let runtime = nearcast_node::runtime().expect("the system gives threads");
        let start = async |network: u8| {
            let directory = DirectoryConfig { admission: Admission::Open, ..DirectoryConfig::default() };
            let listen = format!("/ip4/127.{number}.{network}.1/tcp/0").parse().expect("an address");
            let config = NodeConfig {
                listen: vec![listen],
                directory: Some(directory),
                lan: false,
                ..NodeConfig::default()
            };
            let node = Node::start(config).await.expect("it starts");
            let link = Magnet::new(ContentId([network; 32])).to_string();
            let offer = AtlasOffer { version: 2_000 + u64::from(network), link };
            node.directory().expect("it is one").offer_atlas(offer).expect("the link is short");
            node
        };
        let nodes = runtime.block_on(async {
            let mut nodes = Vec::new();
            for network in 1..=count {
                nodes.push(start(network).await);
            }
            nodes
        });
        Liars { runtime, nodes }
    }
}

impl Drop for Liars {
    fn drop(&mut self) {
        for node in &self.nodes {
            self.runtime.block_on(node.shutdown(Duration::ZERO));
        }
    }
}

#[test]
fn directories_that_offer_what_nobody_has_do_not_keep_an_atlas_away() {
    let stage = Stage::set(66);
    // Each would hold a place for a minute if it could.
    let liars = Liars::start(67, 6);
    let mut get = stage.get("out", "127.1.66.2", &stage.key).with(&["--seed", "forever"]);
    for liar in &liars.nodes {
        get = get.with(&["--tracker", &liar.addresses()[0].to_string()]);
    }
    let client = get.start();
    wait_log(&client, "atlas 1000 is in use");
    let offered = client.process.lines(Stream::Stderr);
    assert!(offered.iter().any(|line| line.contains("atlas 200")), "the lies were heard: {offered:?}");
    client.interrupt(PATIENCE);
}

#[test]
fn a_link_alone_leads_to_the_tracker_that_has_the_atlas() {
    let stage = Stage::set(69);
    let content = nearcast_core::manifest::Manifest::parse(&fs::read(&stage.torrent).unwrap()).unwrap();
    let addresses = [stage.seeder.address(), stage.tracker.address()].map(str::to_owned).to_vec();
    let link = Magnet { addresses, ..Magnet::new(content.content()) }.to_string();
    let get = Get::new(&stage.place, &link, &stage.place.folder("out"), "127.1.69.2");
    let get = get.with(&["-v", "--atlas", "auto", "--atlas-key", &stage.key, "--seed", "forever"]);
    let client = get.start();
    client.wait_finished(PATIENCE);
    wait_log(&client, "atlas 1000 is in use");
    client.interrupt(PATIENCE);
}

#[test]
fn an_old_atlas_is_not_begun_with_unless_it_is_named_as_a_file() {
    let now = std::time::UNIX_EPOCH.elapsed().expect("it is later than 1970").as_secs();
    let stage = Stage::with_atlas(68, now - 40 * 86_400);
    let client = stage.get("out-a", "127.1.68.2", &stage.key).with(&["--seed", "forever"]).start();
    wait_log(&client, "its data is 40 days old");
    client.wait_finished(PATIENCE);
    assert_eq!(only_file(&stage.cache(), "atlas"), None);
    client.interrupt(PATIENCE);
    let get = Get::new(&stage.place, &stage.torrent, &stage.place.folder("out-b"), "127.1.68.3");
    let file = stage.atlas.to_str().expect("a temporary path is text");
    get.peer(stage.seeder.address()).with(&["--atlas", file]).finish();
}

#[test]
fn auto_without_a_key_is_refused_before_anything_happens() {
    let place = Place::new();
    let (code, process) = run("get", place.nearcast().args(["get", "x.torrent", "--atlas", "auto"]));
    assert_eq!(code, 17, "the source comes first: {}", process.tail());
    let link = format!("magnet:?xt=urn:btmh:1220{}", "ab".repeat(32));
    let (code, process) = run("get", place.nearcast().args(["get", &link, "--atlas", "auto"]));
    assert_eq!(code, 28, "{}", process.tail());
    assert!(process.tail().contains("--atlas-key"), "{}", process.tail());
}
