//! What an owner does with downloads that run: list them, pause them, limit them.

use std::time::Duration;

use futures::FutureExt;
use nearcast_core::magnet::Magnet;

use super::{
    config,
    directories::{directory_is, open, tracker},
    fetch, node, origin, patiently, until,
};
use crate::{
    config::{DownloadLimits, NodeConfig},
    fetch::Source,
    listed::ContentState,
    node::Node,
    progress::Phase,
    store::testing,
};

/// Waits until a node has no link any more.
async fn without_links(node: &Node, what: &str) {
    let mut totals = node.totals();
    drop(patiently(what, totals.wait_for(|totals| totals.links == 0)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_download_says_goodbye_and_goes_on_later_with_what_is_here() {
    let (tracker, directory) = tracker(104, open()).await;
    let (manifest, data) = testing::content(64 << 10, &[4 << 20]);
    let slow = NodeConfig { trackers: tracker.addresses(), up: Some(2 << 20), ..config(104, 1) };
    let (seeder, _folder) = origin(slow, &[(manifest.clone(), &data)]).await;
    directory_is("the seeder's announcement", &directory, |stats| stats.entries == 1).await;
    let (leecher, folder) = (node(104, 2).await, tempfile::tempdir().unwrap());
    let mut wish = fetch(Source::Manifest(manifest.clone()), folder.path(), Vec::new());
    wish.directories = tracker.addresses();
    let download = leecher.fetch(wish).await.unwrap();
    until(&download, "the first bytes", |progress| progress.bytes_have > 0).await;
    directory_is("the leecher's announcement", &directory, |stats| stats.entries == 2).await;

    for _ in 0..2 {
        patiently("the pause", download.pause()).await;
        assert_eq!(download.progress().borrow().phase, Phase::Paused);
    }
    directory_is("the leecher's goodbye", &directory, |stats| stats.entries == 1).await;
    without_links(&leecher, "the leecher leaves").await;
    without_links(&seeder, "the seeder hears of it").await;
    assert!(download.finished().now_or_never().is_none(), "it waits on");
    let listed = patiently("the list", leecher.downloads()).await;
    assert_eq!(listed[0].state, ContentState::Download(Phase::Paused));
    assert!(0 < listed[0].bytes_have && listed[0].bytes_have < listed[0].bytes_total, "{listed:?}");

    for _ in 0..2 {
        patiently("the resumption", download.resume()).await;
        assert_ne!(download.progress().borrow().phase, Phase::Paused);
    }
    let summary = patiently("the rest", download.finished()).await.unwrap();
    assert!(data.is_in(&manifest, folder.path()));
    let (bytes, received) = (manifest.layout().bytes(), summary.received.total());
    assert_eq!((summary.bytes, summary.bytes_resumed), (bytes, 0), "one run, with a pause");
    assert!(received <= bytes + summary.wasted, "{received} bytes came: some came twice");
    for node in [leecher, seeder, tracker] {
        patiently("an end", node.shutdown(Duration::ZERO)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_was_paused_before_it_began_begins_when_it_is_resumed() {
    let (manifest, data) = testing::content(64 << 10, &[300_000]);
    let (seeder, _folder) = origin(config(105, 1), &[(manifest.clone(), &data)]).await;
    let (leecher, folder) = (node(105, 2).await, tempfile::tempdir().unwrap());
    let magnet = Source::Magnet(Magnet::new(manifest.content()));
    let download = leecher.fetch(fetch(magnet, folder.path(), seeder.addresses())).await.unwrap();
    patiently("the pause", download.pause()).await;
    without_links(&seeder, "whoever came goes").await;
    assert_eq!(download.progress().borrow().phase, Phase::Paused);
    patiently("the resumption", download.resume()).await;
    patiently("the download", download.finished()).await.unwrap();
    assert!(data.is_in(&manifest, folder.path()));
    for node in [leecher, seeder] {
        patiently("an end", node.shutdown(Duration::ZERO)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limited_download_leaves_the_way_free_to_the_others_until_it_is_let_go() {
    let made = [testing::content(64 << 10, &[2 << 20]), testing::content(64 << 10, &[(2 << 20) + 1])];
    let shared: Vec<_> = made.iter().map(|(manifest, data)| (manifest.clone(), data)).collect();
    let (seeder, _folder) = origin(config(106, 1), &shared).await;
    let (leecher, folder) = (node(106, 2).await, tempfile::tempdir().unwrap());
    let [held, free] = [&made[0].0, &made[1].0].map(|manifest| {
        let folder = folder.path().join(manifest.layout().bytes().to_string());
        fetch(Source::Manifest(manifest.clone()), &folder, seeder.addresses())
    });
    let held = leecher.fetch(held).await.unwrap();
    // Too little for any run, and a start that a run may have had does not suffice for all.
    patiently("the limit", held.set_limits(DownloadLimits { down: Some(1), up: None })).await;
    let free = leecher.fetch(free).await.unwrap();
    patiently("the one without a limit", free.finished()).await.unwrap();
    let progress = held.progress().borrow().clone();
    let half = made[0].0.layout().bytes() / 2;
    assert!(progress.bytes_have < half, "{} bytes came", progress.bytes_have);
    patiently("the limit", held.set_limits(DownloadLimits::default())).await;
    patiently("the other", held.finished()).await.unwrap();
    for node in [leecher, seeder] {
        patiently("an end", node.shutdown(Duration::ZERO)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_lists_what_it_downloads_and_serves_and_finds_a_download_again() {
    let (manifest, data) = testing::content(64 << 10, &[300_000]);
    let (content, bytes) = (manifest.content(), manifest.layout().bytes());
    let (seeder, _folder) = origin(config(107, 1), &[(manifest.clone(), &data)]).await;
    let [served] = &patiently("a list", seeder.downloads()).await[..] else { panic!("one is served") };
    assert_eq!((served.content, &served.state), (content, &ContentState::Share));
    assert_eq!((served.name.as_deref(), served.bytes_have, served.bytes_total), (Some("film"), bytes, bytes));
    assert!(seeder.download(content).await.is_none(), "it is no download");

    let (leecher, folder) = (node(107, 2).await, tempfile::tempdir().unwrap());
    assert!(leecher.downloads().await.is_empty());
    let wish = fetch(Source::Manifest(manifest.clone()), folder.path(), seeder.addresses());
    drop(leecher.fetch(wish).await.unwrap());
    let download = patiently("the download", leecher.download(content)).await.expect("it goes on");
    assert_eq!(download.content(), content);
    patiently("the end", download.finished()).await.unwrap();
    patiently("the goal", download.seeded()).await;
    until(&download, "its report", |progress| progress.phase == Phase::Complete).await;
    let [listed] = &patiently("a list", leecher.downloads()).await[..] else { panic!("one is here") };
    assert_eq!((&listed.state, listed.bytes_have), (&ContentState::Download(Phase::Complete), bytes));
    patiently("the end", download.stop()).await;
    assert!(leecher.downloads().await.is_empty());
    for node in [leecher, seeder] {
        patiently("an end", node.shutdown(Duration::ZERO)).await;
    }
}
