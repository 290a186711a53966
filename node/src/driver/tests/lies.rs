//! Whatever a peer lies about, the download ends with the right bytes from another source.

use nearcast_core::magnet::Magnet;

use super::{
    config, fetch,
    impostor::{Impostor, Lie},
    node, origin, patiently,
};
use crate::{
    fetch::{Share, Source},
    progress::Summary,
    store::testing,
};

const RUN_BYTES: u64 = 256 << 10;

/// Downloads from a liar and an honest origin. The origin has nothing to give before the first lie
/// is told.
async fn download_beside(lie: Lie, network: u8, by_magnet: bool) -> Summary {
    let (manifest, data) = testing::content(1 << 20, &[6 << 20, 3]);
    let (_, copy) = testing::content(1 << 20, &[6 << 20, 3]);
    let (honest, folder) = origin(config(network, 1), &[]).await;
    data.write_to(&manifest, folder.path());
    let liar = Impostor::start(&format!("127.{network}.2.1"), lie, manifest.clone(), copy).await;
    let (victim, target) = (node(network, 3).await, tempfile::tempdir().unwrap());
    let source = match by_magnet {
        true => Source::Magnet(Magnet::new(manifest.content())),
        false => Source::Manifest(manifest.clone()),
    };
    let peers = vec![liar.address(), honest.addresses().remove(0)];
    let download = victim.fetch(fetch(source, target.path(), peers)).await.unwrap();
    patiently("the first lie", liar.has_lied()).await;
    honest.share(Share { manifest: manifest.clone(), root: folder.path().to_owned() }).await.unwrap();
    let summary = patiently("the download", download.finished()).await.unwrap();
    println!(
        "{lie:?}: {} lies, {} ms, {} wasted, {} banned",
        liar.told(),
        summary.elapsed.as_millis(),
        summary.wasted,
        summary.banned
    );
    assert!(data.is_in(&manifest, target.path()), "the bytes on disk are wrong");
    if lie != Lie::ManifestDrip {
        assert_eq!(summary.received.total(), summary.received.origin, "only the origin gave anything");
    }
    victim.shutdown(std::time::Duration::ZERO).await;
    liar.shutdown().await;
    honest.shutdown(std::time::Duration::ZERO).await;
    summary
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_a_corrupt_run_is_banned_and_the_rest_comes_from_the_origin() {
    let summary = download_beside(Lie::Data, 61, false).await;
    assert_eq!(summary.banned, 1);
    // Only what was in flight when the first false run was found comes on top.
    assert!((1..=8 * RUN_BYTES).contains(&summary.wasted), "{} bytes wasted", summary.wasted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_answers_holds_nothing_up() {
    let summary = download_beside(Lie::Silence, 62, false).await;
    assert!(summary.elapsed.as_secs() < 15, "{:?}", summary.elapsed);
    assert_eq!((summary.banned, summary.wasted), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ends_in_the_middle_of_a_run_holds_nothing_up() {
    let summary = download_beside(Lie::HalfARun, 63, false).await;
    assert_eq!(summary.banned, 0);
    // Half a run each time, and only a few times before the origin has something to give.
    assert!((1..=8 * RUN_BYTES / 2).contains(&summary.wasted), "{} bytes wasted", summary.wasted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_promises_an_absurd_length_is_banned_before_anything_is_allocated() {
    let summary = download_beside(Lie::Length, 64, false).await;
    assert_eq!((summary.banned, summary.wasted), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answers_with_a_run_that_does_not_exist_is_banned() {
    let summary = download_beside(Lie::Run, 65, false).await;
    assert_eq!((summary.banned, summary.wasted), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn elsewhere_of_somebody_who_is_no_origin_silences_no_origin() {
    let summary = download_beside(Lie::Elsewhere, 77, false).await;
    assert_eq!(summary.wasted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answers_with_another_run_than_was_asked_for_is_banned_before_it_is_read() {
    let summary = download_beside(Lie::Another, 78, false).await;
    assert_eq!((summary.banned, summary.wasted), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_what_nobody_asked_for_is_banned_before_it_is_read() {
    let summary = download_beside(Lie::Unasked, 76, false).await;
    assert_eq!((summary.banned, summary.wasted), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_that_comes_byte_by_byte_is_not_waited_for_while_others_have_it() {
    let summary = download_beside(Lie::ManifestDrip, 75, true).await;
    assert_eq!((summary.banned, summary.wasted), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_hello_with_a_have_map_of_another_size_is_no_neighbour() {
    download_beside(Lie::HaveMap, 66, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_hello_for_another_content_is_no_neighbour() {
    download_beside(Lie::Content, 67, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_a_frame_that_is_too_long_is_left() {
    download_beside(Lie::Frame, 68, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_a_false_manifest_is_banned_and_another_peer_is_asked() {
    assert_eq!(download_beside(Lie::Manifest, 69, true).await.banned, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_of_absurd_length_is_refused_and_another_peer_is_asked() {
    download_beside(Lie::ManifestLength, 70, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offered_link_that_is_bad_frees_the_place_of_the_one_it_took_over() {
    let (manifest, data) = testing::content(1 << 20, &[1 << 20]);
    let liar = Impostor::start("127.71.2.1", Lie::OfferedHaveMap, manifest.clone(), data).await;
    let (victim, target) = (node(71, 3).await, tempfile::tempdir().unwrap());
    let source = Source::Manifest(manifest);
    let _download = victim.fetch(fetch(source, target.path(), vec![liar.address()])).await.unwrap();
    // The victim dials again only after a dial has ended.
    patiently("another try", liar.has_lied_often(3)).await;
    victim.shutdown(std::time::Duration::ZERO).await;
    liar.shutdown().await;
}
