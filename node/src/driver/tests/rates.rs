//! Rates: limits hold, and control messages arrive while data saturates the link.

use std::time::{Duration, Instant};

use nearcast_core::magnet::Magnet;

use super::{config, fetch, node, origin, patiently, until};
use crate::{config::NodeConfig, fetch::Source, store::testing};

/// Downloads 3 s worth of data in small runs. Returns the rate in bytes a second.
async fn measured(network: u8, rate: u64, up: Option<u64>, down: Option<u64>) -> f64 {
    let (manifest, data) = testing::content(64 << 10, &[3 * rate]);
    let serving = NodeConfig { up, ..config(network, 1) };
    let (source, _folder) = origin(serving, &[(manifest.clone(), &data)]).await;
    let leecher = crate::node::Node::start(NodeConfig { down, ..config(network, 2) }).await.unwrap();
    let target = tempfile::tempdir().unwrap();
    let wish = fetch(Source::Manifest(manifest.clone()), target.path(), source.addresses());
    let download = leecher.fetch(wish).await.unwrap();
    let first = until(&download, "the first bytes", |progress| progress.received.total() > 0).await;
    let begun = Instant::now();
    patiently("the end", download.finished()).await.unwrap();
    let elapsed = begun.elapsed().as_secs_f64();
    let bytes = manifest.layout().bytes() - first.received.total();
    println!("{bytes} bytes in {elapsed:.3} s = {:.3} of {rate}", bytes as f64 / elapsed / rate as f64);
    assert!(data.is_in(&manifest, target.path()));
    leecher.shutdown(Duration::ZERO).await;
    source.shutdown(Duration::ZERO).await;
    bytes as f64 / elapsed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_limit_holds_and_is_used() {
    let rate = 4_000_000;
    let share = measured(72, rate, Some(rate), None).await / rate as f64;
    // A loaded machine may be slower than the limit; no machine may be faster.
    assert!((0.9..1.02).contains(&share), "{share:.3} of the limit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_limit_holds_and_is_used() {
    let rate = 4_000_000;
    let share = measured(73, rate, None, Some(rate)).await / rate as f64;
    assert!((0.9..1.02).contains(&share), "{share:.3} of the limit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_content_comes_at_once_while_a_large_one_saturates_the_connection() {
    let large = testing::content(4 << 20, &[256 << 20]);
    let small: Vec<_> = (0..60).map(|extra| testing::content(16 << 10, &[40_000 + extra])).collect();
    let all: Vec<_> =
        [&large].into_iter().chain(&small).map(|(manifest, data)| (manifest.clone(), data)).collect();
    let (source, _folder) = origin(config(74, 1), &all).await;
    let (leecher, target) = (node(74, 2).await, tempfile::tempdir().unwrap());
    let wish = fetch(Source::Manifest(large.0.clone()), &target.path().join("large"), source.addresses());
    let download = leecher.fetch(wish).await.unwrap();
    until(&download, "the first bytes", |progress| progress.received.total() > 0).await;
    let begun = Instant::now();
    let mut waits = Vec::new();
    for (number, (manifest, data)) in small.iter().enumerate() {
        if download.progress().borrow().bytes_have == large.0.layout().bytes() {
            break;
        }
        let folder = target.path().join(number.to_string());
        let source = fetch(Source::Magnet(Magnet::new(manifest.content())), &folder, source.addresses());
        let asked = Instant::now();
        let small = leecher.fetch(source).await.unwrap();
        patiently("a small content", small.finished()).await.unwrap();
        waits.push(asked.elapsed());
        assert!(data.is_in(manifest, &folder));
    }
    patiently("the large content", download.finished()).await.unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    waits.sort_unstable();
    let p95 = waits[(waits.len() * 95 / 100).min(waits.len() - 1)];
    println!(
        "{:.0} MB/s; {} small contents by magnet meanwhile, median {:?}, p95 {p95:?}, last {:?}",
        large.0.layout().bytes() as f64 / seconds / 1e6,
        waits.len(),
        waits[waits.len() / 2],
        waits[waits.len() - 1]
    );
    assert!(waits.len() >= 3, "too few to say anything");
    assert!(p95 < Duration::from_secs(1), "{p95:?}");
    leecher.shutdown(Duration::ZERO).await;
    source.shutdown(Duration::ZERO).await;
}
