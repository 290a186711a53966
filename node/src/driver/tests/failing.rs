//! A node whose loop failed says so to everybody who asks, and keeps nobody waiting.

use nearcast_core::{id::ContentId, magnet::Magnet};

use super::{fetch, node, patiently};
use crate::{error::DownloadError, handle::Source};

fn link(byte: u8) -> Source {
    Source::Magnet(Magnet::new(ContentId([byte; 32])))
}

#[tokio::test]
async fn whoever_uses_a_node_whose_loop_failed_hears_of_it_and_waits_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(86, 1).await;
    let mut download = node.fetch(fetch(link(1), folder.path(), Vec::new())).await.unwrap();
    node.fail().await;
    let failure = patiently("the failure", node.failed()).await;
    assert!(failure.to_string().starts_with("The node's loop stopped"), "{failure}");
    let before = patiently("the end of the download", download.finished()).await.unwrap_err();
    assert!(matches!(&before, DownloadError::Failed(told) if *told == failure), "{before}");
    let after = patiently("an answer", node.fetch(fetch(link(2), folder.path(), Vec::new()))).await;
    assert!(matches!(after, Err(DownloadError::Failed(told)) if told == failure));
    patiently("the end of what was to be given", download.seeded()).await;
    patiently("the end of the download", download.stop()).await;
    patiently("the end", node.shutdown(std::time::Duration::from_secs(30))).await;
}
