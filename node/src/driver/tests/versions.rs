//! Peers of other versions in one swarm: unknown fields and kinds are skipped, and peers with other
//! protocols are left alone.

use std::{sync::Arc, time::Duration};

use libp2p::StreamProtocol;
use nearcast_core::{layout::RunIndex, manifest::Manifest};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    config, fetch,
    impostor::{Impostor, Lie},
    node, origin, patiently,
    raw::Raw,
};
use crate::{
    fetch::Source,
    node::Node,
    progress::Summary,
    store::testing::{self, Data},
    wire::{
        DATA, EXCHANGE,
        control::{FRAME_BYTES_MAX, Frame, HELLO_BYTES_MAX, Hello, Said},
        data::{Answer, Ask},
        read_frame, write_frame,
    },
};

/// A framed message with unknown fields of several wire types after its own fields.
pub(super) fn later(message: &impl Message) -> Vec<u8> {
    use prost::encoding::{WireType, encode_key, encode_varint};
    let mut bytes = message.encode_to_vec();
    for tag in [15, 20, 24, 300, 70_000] {
        encode_key(tag, WireType::Varint, &mut bytes);
        encode_varint(u64::MAX, &mut bytes);
        encode_key(tag + 1, WireType::LengthDelimited, &mut bytes);
        encode_varint(40, &mut bytes);
        bytes.extend([0xee; 40]);
        encode_key(tag + 2, WireType::ThirtyTwoBit, &mut bytes);
        bytes.extend([0xff; 4]);
        encode_key(tag + 3, WireType::SixtyFourBit, &mut bytes);
        bytes.extend([0xff; 8]);
    }
    let mut framed = Vec::new();
    encode_varint(bytes.len() as u64, &mut framed);
    framed.extend(bytes);
    framed
}

/// Downloads from a peer of another version. `beside`: an origin of our version that helps.
async fn download_from(
    kind: Lie,
    network: u8,
    (manifest, data): (Arc<Manifest>, Data),
    beside: Option<&Node>,
) -> Summary {
    let (_, copy) = testing::content(256 << 10, &[4 << 20, 3]);
    let other = Impostor::start(&format!("127.{network}.2.1"), kind, manifest.clone(), copy).await;
    let (leecher, target) = (node(network, 3).await, tempfile::tempdir().unwrap());
    let peers = std::iter::once(other.address()).chain(beside.map(|node| node.addresses().remove(0)));
    let wish = fetch(Source::Manifest(manifest.clone()), target.path(), peers.collect());
    let download = leecher.fetch(wish).await.unwrap();
    let summary = patiently("the download", download.finished()).await.unwrap();
    println!("{kind:?}: {} ms", summary.elapsed.as_millis());
    assert!(data.is_in(&manifest, target.path()));
    assert_eq!((summary.banned, summary.wasted), (0, 0));
    leecher.shutdown(Duration::ZERO).await;
    other.shutdown().await;
    summary
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_version_whose_messages_have_unknown_fields_and_kinds_gives_as_any_other() {
    let summary =
        download_from(Lie::LaterFields, 107, testing::content(256 << 10, &[4 << 20, 3]), None).await;
    assert!(summary.received.from_peers() >= 4 << 20, "all of it came from the other version");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_another_version_only_is_left_alone_and_holds_nothing_up() {
    let (manifest, data) = testing::content(256 << 10, &[4 << 20, 3]);
    let (seeder, _folder) = origin(config(108, 1), &[(manifest.clone(), &data)]).await;
    let summary = download_from(Lie::OtherProtocols, 108, (manifest, data), Some(&seeder)).await;
    assert!(summary.elapsed < Duration::from_secs(10), "{:?}", summary.elapsed);
    seeder.shutdown(Duration::ZERO).await;
}

/// Opens a link with unknown fields and kinds in all its messages, and takes one run.
async fn take_a_run(raw: &Raw, manifest: &Manifest) -> Vec<u8> {
    let content = manifest.content().0.to_vec();
    let mut link = raw.open(EXCHANGE).await;
    link.write_all(&later(&Hello { content: content.clone(), ..Hello::default() })).await.unwrap();
    link.write_all(&later(&Frame { said: None })).await.unwrap();
    link.write_all(&later(&Frame { said: Some(Said::Interested(true)) })).await.unwrap();
    link.flush().await.unwrap();
    let hello = patiently("a hello", read_frame::<Hello>(&mut link, HELLO_BYTES_MAX)).await.unwrap();
    assert!(hello.unwrap().have_all);
    loop {
        let frame = patiently("a turn", read_frame::<Frame>(&mut link, FRAME_BYTES_MAX)).await.unwrap();
        if frame.expect("the link goes on").said == Some(Said::Unchoke(true)) {
            break;
        }
    }
    let mut data = raw.open(DATA).await;
    data.write_all(&content).await.unwrap();
    data.write_all(&Ask::Request { id: 1, run: 0.into(), exact: false }.encode()).await.unwrap();
    data.flush().await.unwrap();
    let mut header = [0; Answer::BYTES];
    patiently("an answer", data.read_exact(&mut header)).await.unwrap();
    let Answer::Run { id: 1, proof_hashes, bytes, .. } = Answer::decode(header).unwrap() else {
        panic!("no run, but {header:?}");
    };
    let length: usize = bytes.fits().expect("a run fits");
    let mut body = vec![0; 32 * usize::from(proof_hashes) + length];
    patiently("the run", data.read_exact(&mut body)).await.unwrap();
    body.split_off(32 * usize::from(proof_hashes))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_version_is_served_and_so_is_ours_on_the_same_connection() {
    let (manifest, data) = testing::content(256 << 10, &[4 << 20, 3]);
    let (seeder, _folder) = origin(config(109, 1), &[(manifest.clone(), &data)]).await;
    let raw = Raw::connect("127.109.2.1", &seeder, &[EXCHANGE, DATA]).await;
    // A protocol of a later version is refused, and the connection goes on.
    let later_only = StreamProtocol::new("/nearcast/exchange/2");
    assert!(!raw.speaks(later_only).await, "a protocol that there is not");
    let first: RunIndex = manifest.layout().run_index(0).unwrap();
    let got = take_a_run(&raw, &manifest).await;
    assert!(got == data.verified(&manifest, first).into_bytes(), "other bytes");
    raw.network.shutdown().await;
    seeder.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn a_frame_of_a_later_version_is_read_up_to_its_end() {
    let mut bytes = later(&Frame { said: Some(Said::Goodbye(99)) });
    bytes.extend(later(&Frame { said: None }));
    let mut ours = Vec::new();
    write_frame(&mut ours, &Frame { said: Some(Said::Choke(true)) }).await.unwrap();
    bytes.extend(ours);
    let mut stream = &bytes[..];
    let mut heard = Vec::new();
    while let Some(frame) = read_frame::<Frame>(&mut stream, FRAME_BYTES_MAX).await.unwrap() {
        heard.push(frame.said);
    }
    assert_eq!(heard, [Some(Said::Goodbye(99)), None, Some(Said::Choke(true))]);
}
