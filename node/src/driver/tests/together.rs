//! Two leechers that know each other.

use std::time::Duration;

use super::{config, fetch, node, origin, patiently};
use crate::{download::Download, fetch::Source, store::testing};

/// Each content has a link of its own, and so a chance that both sides open it at the same moment.
const CONTENTS: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_dial_each_other_at_the_same_moment_complete_over_one_link() {
    let made: Vec<_> = (0..CONTENTS).map(|extra| testing::content(256 << 10, &[(2 << 20) + extra])).collect();
    let shared: Vec<_> = made.iter().map(|(manifest, data)| (manifest.clone(), data)).collect();
    // Slow enough that passing runs on pays.
    let slow = crate::config::NodeConfig { up: Some(8 << 20), ..config(71, 1) };
    let (source, _folder) = origin(slow, &shared).await;
    let (left, right) = (node(71, 2).await, node(71, 3).await);
    let (left_folder, right_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut downloads: Vec<Download> = Vec::new();
    for (number, (manifest, _)) in made.iter().enumerate() {
        let begin = |folder: &std::path::Path, others: Vec<_>| {
            let source = Source::Manifest(manifest.clone());
            fetch(source, &folder.join(number.to_string()), others)
        };
        let of = |peer: &crate::node::Node| vec![source.addresses().remove(0), peer.addresses().remove(0)];
        let (a, b) = tokio::join!(
            left.fetch(begin(left_folder.path(), of(&right))),
            right.fetch(begin(right_folder.path(), of(&left)))
        );
        downloads.extend([a.unwrap(), b.unwrap()]);
    }
    let (mut from_peers, mut wasted) = (0, 0);
    for download in &mut downloads {
        let summary = patiently("both", download.finished()).await.unwrap();
        from_peers += summary.received.from_peers();
        wasted += summary.wasted;
    }
    for (number, (manifest, data)) in made.iter().enumerate() {
        for folder in [&left_folder, &right_folder] {
            assert!(data.is_in(manifest, &folder.path().join(number.to_string())));
        }
    }
    let all = CONTENTS * (2 << 20) * 2;
    println!("{from_peers} of {all} bytes came from each other, {wasted} wasted");
    assert!(from_peers > all / 8, "the two hardly exchanged anything: {from_peers} bytes");
    for node in [&left, &right] {
        let connections = node.totals().borrow().connections;
        assert!(connections <= 2, "{connections} peers connected: the origin and the other");
    }
    for node in [left, right, source] {
        node.shutdown(Duration::ZERO).await;
    }
}
