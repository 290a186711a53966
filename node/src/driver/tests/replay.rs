//! The policy of a node is the engine's alone: what the nodes of a swarm were told is told to fresh
//! engines, and those decide the same.

use std::{fs, path::Path, time::Duration};

use nearcast_core::flight::{Entry, Replay};

use super::{
    config, fetch,
    impostor::{Impostor, Lie},
    origin, patiently, until,
};
use crate::{
    config::{NodeConfig, SeedGoal},
    fetch::{Fetch, Source},
    node::Node,
    store::testing,
};

const NETWORK: u8 = 79;
const LEECHERS: u8 = 8;

/// Does a flight again; gives how many turns it has, and a hash over all that was decided.
fn replay(flight: &Path) -> (u64, u64) {
    let mut replay = Replay::default();
    for line in fs::read_to_string(flight).expect("a flight was written").lines() {
        let entry: Entry = serde_json::from_str(line).expect("a line is an entry");
        replay.take(entry).unwrap_or_else(|differs| panic!("{}: {differs}", flight.display()));
    }
    (replay.turns(), replay.trace())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_swarm_with_a_dying_origin_and_a_liar_decided_is_decided_again() {
    let flights = tempfile::tempdir().unwrap();
    let flight = |name: &str| Some(flights.path().join(name));
    let (manifest, data) = testing::content(1 << 20, &[24 << 20, 3]);
    let (_, copy) = testing::content(1 << 20, &[24 << 20, 3]);
    let of_origin = NodeConfig { flight: flight("origin"), up: Some(12 << 20), ..config(NETWORK, 1) };
    let (dying, _root) = origin(of_origin, &[(manifest.clone(), &data)]).await;
    let liar = Impostor::start(&format!("127.{NETWORK}.2.1"), Lie::Data, manifest.clone(), copy).await;

    let mut swarm = Vec::new();
    let mut peers = vec![dying.addresses().remove(0), liar.address()];
    for number in 0..LEECHERS {
        let config = NodeConfig { flight: flight(&number.to_string()), ..config(NETWORK, 10 + number) };
        let (node, folder) = (Node::start(config).await.unwrap(), tempfile::tempdir().unwrap());
        let wanted = Fetch {
            seed: SeedGoal::Forever,
            exchange_peers: true,
            ..fetch(Source::Manifest(manifest.clone()), folder.path(), peers.clone())
        };
        let download = node.fetch(wanted).await.unwrap();
        peers.push(node.addresses().remove(0));
        swarm.push((node, folder, download));
    }
    // Once one of them has everything nobody needs the origin any more.
    until(&swarm[0].2, "one leecher to have everything", |progress| progress.bytes_have >= 24 << 20).await;
    dying.shutdown(Duration::ZERO).await;
    for (node, folder, download) in &mut swarm {
        patiently("the download", download.finished()).await.unwrap();
        assert!(data.is_in(&manifest, folder.path()), "{}: the bytes on disk are wrong", node.peer_id());
    }
    for (node, ..) in &swarm {
        node.shutdown(Duration::ZERO).await;
    }
    liar.shutdown().await;

    let mut turns = 0;
    for file in fs::read_dir(flights.path()).unwrap() {
        let path = file.unwrap().path();
        let once = replay(&path);
        assert_eq!(once, replay(&path), "the same again");
        turns += once.0;
    }
    assert!(turns > 1_000, "{turns} turns: the swarm was recorded");
    println!("{} engines did {turns} turns again", LEECHERS + 1);
}
