//! A node whose loop failed tells every caller so, and lets none wait.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use nearcast_core::{id::ContentId, magnet::Magnet};
use tokio::sync::oneshot;

use super::{fetch, node, patiently, until};
use crate::{error::DownloadError, fetch::Source, store::testing};

fn link(byte: u8) -> Source {
    Source::Magnet(Magnet::new(ContentId([byte; 32])))
}

#[tokio::test]
async fn whoever_uses_a_node_whose_loop_failed_hears_of_it_and_waits_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(86, 1).await;
    let download = node.fetch(fetch(link(1), folder.path(), Vec::new())).await.unwrap();
    node.fail().await;
    let failure = patiently("the failure", node.failed()).await;
    assert!(failure.to_string().starts_with("The node's loop stopped"), "{failure}");
    let before = patiently("the end of the download", download.finished()).await.unwrap_err();
    assert!(matches!(&before, DownloadError::Failed(told) if *told == failure), "{before}");
    let after = patiently("an answer", node.fetch(fetch(link(2), folder.path(), Vec::new()))).await;
    assert!(matches!(after, Err(DownloadError::Failed(told)) if told == failure));
    patiently("the end of what was to be given", download.seeded()).await;
    patiently("the end of the download", download.stop()).await;
    patiently("the end", node.shutdown(Duration::from_secs(30))).await;
}

/// Blocks every disk thread until the returned senders are dropped, like a disk that does not
/// answer.
async fn hang_disks(node: &super::Node) -> Vec<mpsc::SyncSender<()>> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let mut hung = Vec::new();
    for _ in 0..cores.clamp(2, 8) {
        let (answer, never) = mpsc::sync_channel::<()>(1);
        let (hangs, begun) = oneshot::channel();
        let workers = node.workers().clone();
        tokio::spawn(async move {
            let job = move || {
                let _ = hangs.send(());
                never.recv().is_err()
            };
            workers.run(job).await
        });
        patiently("a thread that hangs", begun).await.unwrap();
        hung.push(answer);
    }
    hung
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_does_not_answer_does_not_keep_a_node_from_ending() {
    let (manifest, _) = testing::content(64 << 10, &[4 << 20]);
    let folder = tempfile::tempdir().unwrap();
    let node = node(97, 1).await;
    let wish = fetch(Source::Manifest(manifest), folder.path(), Vec::new());
    let download = node.fetch(wish).await.unwrap();
    until(&download, "an open store", |progress| progress.bytes_total > 0).await;
    let hung = hang_disks(&node).await;
    let began = Instant::now();
    patiently("an end", node.shutdown_within(Duration::ZERO, Duration::from_millis(500))).await;
    // Half a second for the disk, then five seconds for what waits for it, and for its threads.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    drop(hung);
}
