//! Directories without the content: peers find each other through them, leave, lie to them, and
//! lose them.

use std::{sync::Arc, time::Duration};

use nearcast_core::{
    addresses::targets::{HEARSAY_PER_ADDRESS_MAX, TOLD_PER_ADDRESS_MAX},
    asn::Asn,
    atlas::{Atlas, AtlasBuilder},
    id::ContentId,
    magnet::Magnet,
    registry::DIALS_BACK_MAX,
    tier::Tier,
};
use tokio::io::AsyncWriteExt;

use super::{addresses::Victim, config, fetch, origin, patiently, raw::Raw, until};
use crate::{
    config::NodeConfig,
    directory::{Admission, AtlasOffer, Directory, DirectoryConfig, DirectoryStats, Pace, Saved},
    exchange::directory::QUESTIONS_WAITING_MAX,
    fetch::Source,
    net::{Network, Wire},
    node::Node,
    store::testing,
    wire::{
        DIRECTORY,
        directory::{Question, REPLY_BYTES_MAX, Reply},
        read_frame, write_frame,
    },
};

pub(super) fn open() -> DirectoryConfig {
    DirectoryConfig { admission: Admission::Open, ..DirectoryConfig::default() }
}

pub(super) async fn tracker(network: u8, directory: DirectoryConfig) -> (Node, Directory) {
    let node = Node::start(NodeConfig { directory: Some(directory), ..config(network, 9) }).await.unwrap();
    let directory = node.directory().unwrap().clone();
    (node, directory)
}

/// Waits until a directory's statistics satisfy `is`. Polls, because the directory announces no
/// changes.
pub(super) async fn directory_is(
    what: &str,
    directory: &Directory,
    is: impl Fn(&DirectoryStats) -> bool,
) -> DirectoryStats {
    patiently(what, async {
        loop {
            let stats = directory.stats();
            if is(&stats) {
                return stats;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_find_each_other_through_a_tracker_that_has_nothing_and_it_hears_of_their_leaving() {
    let (tracker, directory) = tracker(81, open()).await;
    let (manifest, data) = testing::content(64 << 10, &[3 << 20]);
    let serving = NodeConfig { trackers: tracker.addresses(), ..config(81, 1) };
    let (seeder, _folder) = origin(serving, &[(manifest.clone(), &data)]).await;
    directory_is("the seeder's announcement", &directory, |stats| stats.entries == 1).await;
    let folder = tempfile::tempdir().unwrap();
    let leecher = Node::start(config(81, 2)).await.unwrap();
    let mut wish = fetch(Source::Manifest(manifest.clone()), folder.path(), Vec::new());
    wish.directories = tracker.addresses();
    let download = leecher.fetch(wish).await.unwrap();
    patiently("a download by way of the tracker", download.finished()).await.unwrap();
    assert!(data.is_in(&manifest, folder.path()));
    let stats = directory.stats();
    assert_eq!((stats.contents, stats.entries), (1, 2), "{stats:?}");
    assert!(stats.told_by_tier[Tier::Prefix16 as usize] >= 1, "{stats:?}");
    assert_eq!(tracker.totals().borrow().links, 0, "a tracker is no peer");
    download.stop().await;
    directory_is("the leecher's goodbye", &directory, |stats| stats.entries == 1).await;
    seeder.shutdown(Duration::ZERO).await;
    let stats = directory_is("the seeder's goodbye", &directory, |stats| stats.entries == 0).await;
    assert_eq!((stats.contents, stats.withdrawn), (0, 2));
    leecher.shutdown(Duration::ZERO).await;
    tracker.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracker_that_dies_in_mid_download_stops_nobody() {
    let (tracker, directory) = tracker(82, open()).await;
    let (manifest, data) = testing::content(64 << 10, &[4 << 20]);
    let slow = NodeConfig { trackers: tracker.addresses(), up: Some(2 << 20), ..config(82, 1) };
    let (seeder, _folder) = origin(slow, &[(manifest.clone(), &data)]).await;
    directory_is("the seeder's announcement", &directory, |stats| stats.entries == 1).await;
    let folder = tempfile::tempdir().unwrap();
    let leecher = Node::start(config(82, 2)).await.unwrap();
    let mut wish = fetch(Source::Manifest(manifest.clone()), folder.path(), Vec::new());
    wish.directories = tracker.addresses();
    let download = leecher.fetch(wish).await.unwrap();
    until(&download, "the first bytes", |progress| progress.bytes_have > 0).await;
    tracker.shutdown(Duration::ZERO).await;
    patiently("the rest", download.finished()).await.unwrap();
    assert!(data.is_in(&manifest, folder.path()));
    download.stop().await;
    patiently("an end", leecher.shutdown(Duration::ZERO)).await;
    patiently("an end", seeder.shutdown(Duration::ZERO)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_whose_tracker_is_dead_hears_of_others_from_whom_it_knows() {
    let (tracker, _) = tracker(92, open()).await;
    let dead = tracker.addresses();
    tracker.shutdown(Duration::ZERO).await;
    let (manifest, data) = testing::content(64 << 10, &[4 << 20]);
    let slow = NodeConfig { up: Some(1 << 20), ..config(92, 1) };
    let (seeder, _folder) = origin(slow, &[(manifest.clone(), &data)]).await;
    let mut others = Vec::new();
    for host in [2, 3] {
        let (node, folder) = (Node::start(config(92, host)).await.unwrap(), tempfile::tempdir().unwrap());
        let mut wish = fetch(Source::Manifest(manifest.clone()), folder.path(), seeder.addresses());
        wish.exchange_peers = true;
        let download = node.fetch(wish).await.unwrap();
        until(&download, "a link", |progress| !progress.neighbours.is_empty()).await;
        others.push((node, folder, download));
    }
    let newcomer = Node::start(config(92, 4)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut wish = fetch(Source::Manifest(manifest.clone()), folder.path(), others[0].0.addresses());
    (wish.directories, wish.exchange_peers) = (dead, true);
    let download = newcomer.fetch(wish).await.unwrap();
    until(&download, "a second neighbour", |progress| progress.neighbours.len() >= 2).await;
    patiently("the content", download.finished()).await.unwrap();
    assert!(data.is_in(&manifest, folder.path()));
    for node in [&newcomer, &others[0].0, &others[1].0, &seeder] {
        patiently("an end", node.shutdown(Duration::ZERO)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seeder_of_more_contents_than_may_wait_tells_its_tracker_of_all_of_them() {
    const CONTENTS: u64 = QUESTIONS_WAITING_MAX as u64 + 200;
    let (tracker, directory) = tracker(89, open()).await;
    let made: Vec<_> = (0..CONTENTS).map(|extra| testing::content(16 << 10, &[100 + extra])).collect();
    let shared: Vec<_> = made.iter().map(|(manifest, data)| (manifest.clone(), data)).collect();
    let serving = NodeConfig { trackers: tracker.addresses(), ..config(89, 1) };
    let (seeder, _folder) = origin(serving, &shared).await;
    directory_is("every announcement", &directory, |stats| stats.contents == CONTENTS).await;
    assert_eq!(directory.stats().peers, 1);
    seeder.shutdown(Duration::ZERO).await;
    tracker.shutdown(Duration::ZERO).await;
}

/// A client made of the wire's own parts, which can send what an honest client would not.
pub(super) struct Client {
    network: Network,
    stream: Wire,
}

impl Client {
    pub(super) async fn connect(ip: &str, tracker: &Node) -> Client {
        let raw = Raw::connect(ip, tracker, &[DIRECTORY]).await;
        let stream = raw.open(DIRECTORY).await;
        Client { network: raw.network, stream }
    }

    pub(super) async fn ask(&mut self, question: &Question) -> Reply {
        write_frame(&mut self.stream, question).await.unwrap();
        self.stream.flush().await.unwrap();
        self.reply().await
    }

    async fn reply(&mut self) -> Reply {
        let read = read_frame::<Reply>(&mut self.stream, REPLY_BYTES_MAX);
        patiently("a reply", read).await.unwrap().unwrap()
    }
}

fn question(content: u8, wanted: u32) -> Question {
    Question { content: vec![content; 32], wanted, tcp_port: 4001, ..Question::default() }
}

/// An atlas in which 127.N.0.0/16 is AS N, for N = 83 and 84.
fn atlas() -> Arc<Atlas> {
    let mut builder = AtlasBuilder::new(7);
    for asn in [83, 84] {
        builder.prefix(format!("127.{asn}.0.0/16").parse().unwrap(), &[Asn(asn)]);
    }
    Arc::new(builder.build())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_claims_another_address_as_or_role_gains_nothing() {
    let (tracker, directory) = tracker(83, open()).await;
    directory.set_atlas(atlas());
    // Unknown fields that a later version might have: an address, an AS, the flag of an origin.
    let mut liar = Client::connect("127.84.5.1", &tracker).await;
    let mut bytes = prost::Message::encode_to_vec(&question(1, 50));
    for tag in 9..16u8 {
        bytes.extend([tag << 3 | 2, 4, 127, 83, 0, 7]);
    }
    for tag in [16u8, 17, 18] {
        bytes.extend([(tag & 15) << 3 | 0x80, tag >> 4, 83]);
    }
    liar.stream.write_all(&[&[bytes.len() as u8], &bytes[..]].concat()).await.unwrap();
    liar.stream.flush().await.unwrap();
    let told = liar.reply().await;
    assert_eq!((told.observed, told.members_in_as, told.refused), (vec![127, 84, 5, 1], 1, false));
    // A port of another service is not passed on. A port that may be the client's is, with the
    // address at which it was seen.
    let mut victim = Client::connect("127.83.0.7", &tracker).await;
    let found = victim.ask(&question(1, 50)).await;
    assert_eq!((found.members, found.members_in_as), (2, 1), "the liar is in AS 84: {found:?}");
    assert_eq!(found.peers.len(), 1);
    assert_eq!((&found.peers[0].ip[..], found.peers[0].tcp_port), (&[127, 84, 5, 1][..], 4001));
    let stats = directory.stats();
    assert_eq!(stats.told_by_tier[Tier::Remote as usize], 1, "{stats:?}");
    let found = liar.ask(&Question { tcp_port: 22, ..question(2, 50) }).await;
    assert!(!found.refused && found.members == 0, "{found:?}");
    liar.network.shutdown().await;
    victim.network.shutdown().await;
    tracker.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_announcements_is_told_to_wait_and_fills_no_more_than_its_quota() {
    let pace = Pace { per_second: 0.001, burst: 1_500.0 };
    let mut limited = DirectoryConfig { pace, ..open() };
    limited.registry.entries_per_peer_max = 1_000;
    let (tracker, directory) = tracker(85, limited).await;
    let client = Client::connect("127.85.0.1", &tracker).await;
    let (mut reader, mut writer) = tokio::io::split(client.stream);
    let writing = tokio::spawn(async move {
        for number in 0..1_600u32 {
            let mut content = vec![5; 32];
            content[..4].copy_from_slice(&number.to_be_bytes());
            let asked = Question { content, tcp_port: 4001, ..Question::default() };
            write_frame(&mut writer, &asked).await.unwrap();
        }
        writer.flush().await.unwrap();
        writer
    });
    let mut paused = 0;
    for number in 0..1_502 {
        let read = read_frame::<Reply>(&mut reader, REPLY_BYTES_MAX);
        let reply = patiently("a reply", read).await.unwrap().unwrap();
        assert_eq!(reply.refused, number >= 1_000, "{number}: {reply:?}");
        paused = reply.pause;
    }
    assert!(paused > 100, "a pause of {paused} s");
    let stats = directory.stats();
    assert_eq!(stats.entries, 1_000);
    assert_eq!((stats.refused.peer_full, stats.announced), (500, 1_000), "{stats:?}");
    assert!((2..10).contains(&stats.refused.too_often), "the rest is not read in a hurry: {stats:?}");
    client.network.shutdown().await;
    drop(writing.await);
    tracker.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_atlas_is_offered_to_those_who_want_to_hear_of_it() {
    let (tracker, directory) = tracker(86, open()).await;
    let link = format!("magnet:?xt=urn:btmh:1220{}", "ab".repeat(32));
    assert!(directory.offer_atlas(AtlasOffer { version: 9, link: "x".repeat(2_049) }).is_err());
    directory.offer_atlas(AtlasOffer { version: 9, link: link.clone() }).unwrap();
    let mut client = Client::connect("127.86.0.7", &tracker).await;
    for (known, offered) in
        [(None, false), (Some(0), true), (Some(8), true), (Some(9), false), (Some(10), false)]
    {
        let reply = client.ask(&Question { atlas: known, ..question(1, 0) }).await;
        assert_eq!(reply.atlas.is_some(), offered, "{known:?}");
    }
    let (manifest, data) = testing::content(16 << 10, &[10_000]);
    let curious = NodeConfig { trackers: tracker.addresses(), hear_of_atlases: true, ..config(86, 2) };
    let (node, _folder) = origin(curious, &[(manifest, &data)]).await;
    let mut offers = node.atlas_offers();
    let offer =
        patiently("the offer", offers.wait_for(|offers| !offers.is_empty())).await.unwrap().in_order();
    assert_eq!(offer, [AtlasOffer { version: 9, link }]);
    node.shutdown(Duration::ZERO).await;
    client.network.shutdown().await;
    tracker.shutdown(Duration::ZERO).await;
}

/// The versions offered to a node, in the order of judgement, once there are `count`.
async fn versions(node: &Node, count: usize) -> Vec<u64> {
    let mut offers = node.atlas_offers();
    let heard = offers.wait_for(|offers| offers.in_order().len() >= count);
    let heard = patiently("the offers", heard).await.unwrap().in_order();
    heard.into_iter().map(|offer| offer.version).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracker_that_was_named_by_host_is_named_and_who_shares_its_address_is_not() {
    let at_localhost = |host| NodeConfig {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        directory: Some(open()),
        ..config(94, host)
    };
    let (honest, liar) =
        (Node::start(at_localhost(1)).await.unwrap(), Node::start(at_localhost(3)).await.unwrap());
    for (node, version) in [(&honest, 9), (&liar, 99)] {
        let link = format!("magnet:?xt=urn:btmh:1220{}", "ab".repeat(32));
        node.directory().unwrap().offer_atlas(AtlasOffer { version, link }).unwrap();
    }
    let by_name = honest.addresses().remove(0).to_string().replace("/ip4/127.0.0.1", "/dns4/localhost");
    for typed in [by_name.clone(), by_name.split("/p2p/").next().unwrap().to_owned()] {
        let node = Node::start(NodeConfig { hear_of_atlases: true, ..config(94, 2) }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let source = Source::Magnet(Magnet::new(ContentId([94; 32])));
        let mut wish = fetch(source, folder.path(), liar.addresses());
        wish.directories = vec![typed.parse().unwrap()];
        let _download = node.fetch(wish).await.unwrap();
        assert_eq!(versions(&node, 2).await, [9, 99], "{typed}: whoever the user named comes first");
        node.shutdown(Duration::ZERO).await;
    }
    honest.shutdown(Duration::ZERO).await;
    liar.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_victim_behind_a_directory_that_the_user_typed_in_either_way_is_dialled_a_few_times() {
    let (tracker, directory) = tracker(95, open()).await;
    let content = ContentId([95; 32]);
    for (number, as_directory) in [(1u8, false), (2, true)] {
        // One address under six names, each announced from that address.
        let victim = Victim::start([127, 96, number, 1]);
        let before = directory.stats();
        let at = victim.address.ip().to_string();
        let mut names = Vec::new();
        for _ in 0..6 {
            let mut name = Client::connect(&at, &tracker).await;
            let port = victim.address.port().into();
            name.ask(&Question { content: vec![95; 32], tcp_port: port, ..Question::default() }).await;
            names.push(name);
        }
        // The tracker itself dials the address a few times, however many names there are.
        let looked = before.reached + u64::from(DIALS_BACK_MAX);
        directory_is("the tracker's own dials", &directory, |stats| stats.reached == looked).await;
        let by_the_tracker = victim.hits();
        let node = Node::start(config(95, number)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut wish = fetch(Source::Magnet(Magnet::new(content)), folder.path(), Vec::new());
        match as_directory {
            true => wish.directories = tracker.addresses(),
            false => wish.peers = tracker.addresses(),
        }
        let download = node.fetch(wish).await.unwrap();
        patiently("somebody to be tried", victim.hit.notified()).await;
        // All names that are tried at all are tried in the first moments.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let few = HEARSAY_PER_ADDRESS_MAX + 1..=TOLD_PER_ADDRESS_MAX;
        let hits = victim.hits() - by_the_tracker;
        assert!(few.contains(&hits), "{hits} connections");
        download.stop().await;
        node.shutdown(Duration::ZERO).await;
        for mut name in names {
            name.ask(&Question { content: vec![95; 32], leaving: true, ..Question::default() }).await;
            name.network.shutdown().await;
        }
    }
    tracker.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_directory_knows_who_was_there() {
    let (first, directory) = tracker(87, open()).await;
    let mut client = Client::connect("127.87.0.7", &first).await;
    for content in 1..=20 {
        client.ask(&question(content, 0)).await;
    }
    let mut saved: Vec<Saved> = Vec::new();
    directory.snapshot(|entry| saved.push(entry));
    first.shutdown(Duration::ZERO).await;
    let (second, directory) = tracker(87, open()).await;
    assert_eq!(directory.restore(saved.into_iter()), 20);
    let mut other = Client::connect("127.87.1.7", &second).await;
    let found = other.ask(&question(20, 50)).await;
    assert_eq!(found.peers.len(), 1);
    assert_eq!(found.peers[0].ip, [127, 87, 0, 7]);
    client.network.shutdown().await;
    other.network.shutdown().await;
    second.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listed_directory_is_for_what_is_listed_and_an_ordinary_node_for_nothing() {
    let listed = Admission::Listed([ContentId([1; 32])].into());
    let (tracker, directory) = tracker(88, DirectoryConfig { admission: listed, ..open() }).await;
    let mut client = Client::connect("127.88.0.7", &tracker).await;
    assert!(!client.ask(&question(1, 0)).await.unknown && client.ask(&question(2, 0)).await.unknown);
    assert_eq!(directory.stats().refused.not_admitted, 1);
    let plain = Node::start(config(88, 2)).await.unwrap();
    assert!(plain.directory().is_none());
    let mut other = Client::connect("127.88.0.8", &plain).await;
    assert!(other.ask(&question(1, 0)).await.unknown);
    client.network.shutdown().await;
    other.network.shutdown().await;
    plain.shutdown(Duration::ZERO).await;
    tracker.shutdown(Duration::ZERO).await;
}
