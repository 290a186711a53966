//! A user edits a finished file while it is served: the file is the user's, and is kept.

use std::{fs, time::Duration};

use super::{config, fetch, node, origin, patiently, until};
use crate::{
    config::SeedGoal,
    error::DownloadError,
    fetch::{Fetch, Source},
    store::testing,
};

const RUN_BYTES: u64 = 256 << 10;
const FILE_BYTES: u64 = 8 * RUN_BYTES;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_edits_what_he_gives_is_not_banned_gives_the_rest_and_keeps_his_edit() {
    let (manifest, data) = testing::content(RUN_BYTES, &[FILE_BYTES]);
    let (source, _folder) = origin(config(73, 1), &[(manifest.clone(), &data)]).await;
    let (giver, taker) = (node(73, 2).await, node(73, 3).await);
    let (given, taken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let of = |folder: &std::path::Path, peers| fetch(Source::Manifest(manifest.clone()), folder, peers);

    let all = Fetch { seed: SeedGoal::Forever, ..of(given.path(), vec![source.addresses().remove(0)]) };
    let giving = giver.fetch(all).await.unwrap();
    patiently("the giver", giving.finished()).await.unwrap();
    let film = given.path().join("film");
    let mut edited = fs::read(&film).unwrap();
    edited[3 * RUN_BYTES as usize + 5] ^= 1;
    fs::write(&film, &edited).unwrap();

    let from_giver = vec![giver.addresses().remove(0)];
    let download = taker.fetch(of(taken.path(), from_giver.clone())).await.unwrap();
    until(&download, "all but what was edited", |progress| progress.bytes_have >= FILE_BYTES - RUN_BYTES)
        .await;
    download.stop().await;

    let both = [from_giver, vec![source.addresses().remove(0)]].concat();
    let download = taker.fetch(of(taken.path(), both)).await.unwrap();
    let summary = patiently("the taker", download.finished()).await.unwrap();
    assert_eq!((summary.received.from_peers(), summary.banned), (0, 0), "only the edited run was missing");
    assert!(data.is_in(&manifest, taken.path()));
    assert_eq!(fs::read(&film).unwrap(), edited);
    for node in [giver, taker, source] {
        node.shutdown(Duration::ZERO).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_edits_a_finished_file_gets_all_the_others_and_is_told_in_the_end() {
    let (manifest, data) = testing::content(RUN_BYTES, &[FILE_BYTES, FILE_BYTES]);
    let (source, _folder) = origin(config(74, 1), &[(manifest.clone(), &data)]).await;
    let (first, giver, taker) = (node(74, 2).await, node(74, 3).await, node(74, 4).await);
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let of = |folder: &std::path::Path, peers: &[&crate::node::Node]| Fetch {
        seed: SeedGoal::Forever,
        ..fetch(
            Source::Manifest(manifest.clone()),
            folder,
            peers.iter().map(|peer| peer.addresses().remove(0)).collect(),
        )
    };

    let select = vec!["*file00000".to_owned()];
    let half = first.fetch(Fetch { select, ..of(folders[0].path(), &[&source]) }).await.unwrap();
    let giving = giver.fetch(of(folders[1].path(), &[&first])).await.unwrap();
    let [file, other] =
        ["file00000", "file00001"].map(|name| folders[1].path().join("things/part000").join(name));
    let named = async {
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    patiently("the first file", named).await;
    let mut edited = fs::read(&file).unwrap();
    edited[3 * RUN_BYTES as usize + 5] ^= 1;
    fs::write(&file, &edited).unwrap();

    let taking = taker.fetch(of(folders[2].path(), &[&giver])).await.unwrap();
    until(&giving, "the edit to be noticed", |progress| progress.bytes_have == FILE_BYTES - RUN_BYTES).await;
    taking.stop().await;
    let taking = taker.fetch(of(folders[2].path(), &[&giver, &source])).await.unwrap();
    patiently("the taker", taking.finished()).await.unwrap();
    match patiently("the giver", giving.finished()).await {
        Err(DownloadError::Edited(path)) => assert_eq!(path, file),
        other => panic!("{:?}", other.map(|summary| summary.path)),
    }
    assert_eq!(fs::read(&other).unwrap(), data.files[1], "what could be finished is finished");
    assert_eq!(fs::read(&file).unwrap(), edited);
    half.stop().await;
    for node in [first, giver, taker, source] {
        node.shutdown(Duration::ZERO).await;
    }
}
