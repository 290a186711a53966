//! Demanded signatures: asked of several peers, and an error when no peer has one.

use std::{sync::Arc, time::Duration};

use nearcast_core::{id::ContentId, magnet::Magnet, manifest::Manifest, signature::Signature};

use super::{
    config, fetch,
    impostor::{Impostor, Lie, PUBLISHER_SEED},
    node, origin, patiently,
};
use crate::{
    error::DownloadError,
    fetch::{Fetch, Source},
    store::testing,
};

fn signature(content: ContentId) -> Signature {
    Signature::sign(&PUBLISHER_SEED, content)
}

fn demanding(wish: Fetch, content: ContentId) -> Fetch {
    Fetch { signed_by: vec![signature(content).key], ..wish }
}

fn signed(manifest: &Manifest) -> Arc<Manifest> {
    Arc::new(manifest.clone().with_signatures([signature(manifest.content())]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_signature_is_ignored_and_another_peer_is_asked_for_a_good_one() {
    let (manifest, data) = testing::content(1 << 20, &[3 << 20, 3]);
    let (_, copy) = testing::content(1 << 20, &[3 << 20, 3]);
    let liar = Impostor::start("127.81.2.1", Lie::Signature, manifest.clone(), copy).await;
    let (honest, _folder) = origin(config(81, 1), &[(signed(&manifest), &data)]).await;
    let (victim, target) = (node(81, 3).await, tempfile::tempdir().unwrap());
    let source = Source::Magnet(Magnet::new(manifest.content()));
    let wish = demanding(fetch(source, target.path(), vec![liar.address()]), manifest.content());
    let download = victim.fetch(Fetch { directories: honest.addresses(), ..wish }).await.unwrap();
    let summary = patiently("the download", download.finished()).await.unwrap();
    assert_eq!(summary.signed_by, [signature(manifest.content()).key]);
    assert_eq!(summary.banned, 0, "the manifest it gave was right");
    assert!(data.is_in(&manifest, target.path()));
    for node in [&victim, &honest] {
        node.shutdown(Duration::ZERO).await;
    }
    liar.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_demanded_signature_nothing_is_downloaded() {
    let (manifest, data) = testing::content(1 << 20, &[3 << 20, 3]);
    let (unsigned, _folder) = origin(config(82, 1), &[(manifest.clone(), &data)]).await;
    let victim = node(82, 3).await;
    let target = tempfile::tempdir().unwrap();
    let source = Source::Magnet(Magnet::new(manifest.content()));
    let wish = demanding(fetch(source, target.path(), unsigned.addresses()), manifest.content());
    let download = victim.fetch(wish.clone()).await.unwrap();
    let error = patiently("the end", download.finished()).await.unwrap_err();
    assert!(matches!(error, DownloadError::Unsigned(_)), "{error}");
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0, "nothing is left");
    // With a manifest at hand no peer needs to be asked.
    let at_hand = Fetch { source: Source::Manifest(manifest.clone()), ..wish.clone() };
    let error = victim.fetch(at_hand).await.err().unwrap();
    assert!(matches!(error, DownloadError::Unsigned(_)), "{error}");
    let signed = Fetch { source: Source::Manifest(signed(&manifest)), ..wish };
    let download = victim.fetch(signed).await.unwrap();
    patiently("the download", download.finished()).await.unwrap();
    for node in [&victim, &unsigned] {
        node.shutdown(Duration::ZERO).await;
    }
}
