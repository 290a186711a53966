//! Reading files of a download while they come, and after.

use std::{
    io::{ErrorKind, SeekFrom},
    time::Duration,
};

use futures::FutureExt;
use nearcast_core::magnet::Magnet;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{config, fetch, node, origin, patiently};
use crate::{
    config::NodeConfig,
    error::ReaderError,
    fetch::{Fetch, Source},
    progress::Phase,
    store::testing,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_read_while_they_come_from_any_place_and_when_they_are_there() {
    let (manifest, data) = testing::content(64 << 10, &[(1 << 20) + 5, 300_000, 0]);
    let slow = NodeConfig { up: Some(1 << 20), ..config(110, 1) };
    let (seeder, _folder) = origin(slow, &[(manifest.clone(), &data)]).await;
    let (leecher, folder) = (node(110, 2).await, tempfile::tempdir().unwrap());
    let magnet = Source::Magnet(Magnet::new(manifest.content()));
    let download = leecher.fetch(fetch(magnet, folder.path(), seeder.addresses())).await.unwrap();
    let [large, small] = [&data.files[0], &data.files[1]];

    let mut reader = patiently("the metainfo", download.reader(0)).await.unwrap();
    assert_eq!(reader.length(), large.len() as u64);
    let mut end = Vec::new();
    patiently("a place", reader.seek(SeekFrom::End(-70_000))).await.unwrap();
    patiently("the end", reader.read_to_end(&mut end)).await.unwrap();
    assert!(end == large[large.len() - 70_000..]);
    patiently("the start", reader.rewind()).await.unwrap();
    let mut whole = Vec::new();
    patiently("all", reader.read_to_end(&mut whole)).await.unwrap();
    assert!(whole == *large);
    assert_eq!(reader.seek(SeekFrom::Current(-1)).await.unwrap(), large.len() as u64 - 1);
    assert_eq!(reader.seek(SeekFrom::End(-2_000_000)).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(reader.seek(SeekFrom::Start(1 << 40)).await.unwrap(), 1 << 40);
    assert_eq!(reader.read(&mut [0; 9]).await.unwrap(), 0, "nothing is beyond the end");

    patiently("the download", download.finished()).await.unwrap();
    for (file, bytes) in [(1, small), (2, &Vec::new())] {
        let (mut reader, mut whole) = (download.reader(file).await.unwrap(), Vec::new());
        patiently("a file that is there", reader.read_to_end(&mut whole)).await.unwrap();
        assert!(whole == *bytes);
    }
    let none = download.reader(3).await.err();
    assert!(matches!(none, Some(ReaderError::NoSuchFile { file: 3, files: 3 })), "{none:?}");
    for node in [leecher, seeder] {
        patiently("an end", node.shutdown(Duration::ZERO)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_waits_during_a_pause_and_ends_with_the_download() {
    let (manifest, _) = testing::content(64 << 10, &[1 << 20, 300_000]);
    let (leecher, folder) = (node(111, 2).await, tempfile::tempdir().unwrap());
    let nobody = "/ip4/127.111.9.1/tcp/4001".parse().unwrap();
    let wish = fetch(Source::Manifest(manifest), folder.path(), vec![nobody]);
    let wish = Fetch { select: vec!["file00001".to_owned()], ..wish };
    let download = leecher.fetch(wish).await.unwrap();
    patiently("the pause", download.pause()).await;
    let unwanted = patiently("the files", download.reader(0)).await.err();
    assert!(matches!(unwanted, Some(ReaderError::NotWanted(0))), "{unwanted:?}");
    let mut reader = download.reader(1).await.unwrap();
    let mut read = Box::pin(async move { reader.read(&mut [0; 9]).await });
    assert!((&mut read).now_or_never().is_none(), "nothing is here");
    assert_eq!(download.progress().borrow().phase, Phase::Paused);
    patiently("the end", download.stop()).await;
    let ended = patiently("the reader hears of it", read).await.unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::UnexpectedEof);
    patiently("an end", leecher.shutdown(Duration::ZERO)).await;
}
