//! What peers write: see `docs/wire.md`.

use std::{str::FromStr, sync::LazyLock};

use futures::FutureExt;
use nearcast_core::{
    id::ContentId, layout::Layout, merkle::sha256, message::Refusal, registry::PeerName, run_set::RunSet,
};
use prost::Message;

use super::content;
use crate::{
    address::{Address, ip_of},
    directory::{Admission, Directory, DirectoryConfig},
    exchange::manifest,
    peer_book,
    store::Workers,
    wire::{
        FrameError,
        control::{
            FRAME_BYTES_MAX, Frame, HELLO_BYTES_MAX, Hello, PeerRecord, Peers, RUNS_MAX, Runs, Said,
            content_id,
        },
        data::{Answer, Ask, read_proof},
        directory::{Offer, PEERS_MAX, QUESTION_BYTES_MAX, Question, REPLY_BYTES_MAX, Reply},
        read_frame,
    },
};

/// Reads a frame from bytes that are all there; what was read says the same when it is written again.
fn frame<M: Message + Default + PartialEq>(bytes: &mut &[u8], max: usize) -> Option<M> {
    let read: Result<Option<M>, FrameError> =
        read_frame(bytes, max).now_or_never().expect("reading from memory waits for nothing");
    let message = read.ok()??;
    let again = message.encode_to_vec();
    assert!(again.len() <= max, "what is written is no longer than what was read");
    assert!(M::decode(&again[..]).is_ok_and(|decoded| decoded == message));
    Some(message)
}

/// A control stream: a hello, then frames.
pub(super) fn control(bytes: &[u8]) {
    static LAYOUT: LazyLock<Layout> =
        LazyLock::new(|| Layout::new(16 << 10, [100 << 14]).expect("a small content"));
    let mut rest = bytes;
    let Some(hello) = frame::<Hello>(&mut rest, HELLO_BYTES_MAX) else { return };
    let id = hello.content();
    assert_eq!(id.is_ok(), hello.content.len() == 32);
    for runs in [LAYOUT.runs(), hello.have.len() as u32 * 8] {
        if let Ok(map) = hello.have_map(runs) {
            assert_eq!(Hello::default().with_have(&map).have_map(runs).ok(), Some(map));
        }
    }
    while let Some(frame) = frame::<Frame>(&mut rest, FRAME_BYTES_MAX) {
        match frame.said {
            Some(Said::Have(runs) | Said::Lost(runs) | Said::Importing(runs)) => {
                let told = runs.runs.clone();
                if let Ok(checked) = runs.checked(&LAYOUT) {
                    assert!(checked.len() <= RUNS_MAX);
                    assert!(checked.iter().map(|run| run.get()).eq(told));
                }
            }
            Some(Said::Peers(peers)) => peers.peers.iter().for_each(peer),
            _ => {}
        }
    }
}

/// Where somebody is said to be: no address of another IP, nor one without a port.
fn peer(record: &PeerRecord) {
    let _ = record.peer_id();
    let Some((ip, addresses)) = peer_book::addresses(record) else { return };
    assert!(addresses.len() <= 2);
    for address in addresses {
        assert_eq!(ip_of(&address), Some(ip));
        assert!(!address.to_string().contains("/tcp/0/") && !address.to_string().contains("/udp/0/"));
    }
}

pub(super) fn control_seeds() -> Vec<Vec<u8>> {
    let mut map = RunSet::empty(100);
    let (manifest, _) = content();
    map.insert(manifest.layout().run_index(7).expect("a run of the content"));
    let hello = Hello { content: vec![7; 32], tcp_port: 4001, udp_port: 4002, ..Hello::default() };
    let hellos = [RunSet::empty(100), map, RunSet::full(100)].map(|have| hello.clone().with_have(&have));
    let record = PeerRecord { peer: peer_id(), ip: vec![127, 2, 0, 9], tcp_port: 4001, udp_port: 4002 };
    let said = [
        Said::Have(Runs { runs: vec![0, 99, 100] }),
        Said::Lost(Runs { runs: vec![7] }),
        Said::Interested(true),
        Said::Idle(true),
        Said::Choke(true),
        Said::Unchoke(true),
        Said::Peers(Peers { peers: vec![record.clone(), PeerRecord { ip: vec![0; 16], ..record }] }),
        Said::Goodbye(3),
        Said::Importing(Runs { runs: vec![1, 2] }),
    ];
    let frames: Vec<u8> = said
        .into_iter()
        .flat_map(|said| Frame { said: Some(said) }.encode_length_delimited_to_vec())
        .collect();
    hellos.iter().map(|hello| [hello.encode_length_delimited_to_vec(), frames.clone()].concat()).collect()
}

fn peer_id() -> Vec<u8> {
    // The multihash of an ed25519 key: an identity hash of its protobuf.
    [&[0, 36, 8, 1, 18, 32][..], &[9; 32]].concat()
}

/// A data stream: asks one way, answers with proofs the other.
pub(super) fn data(bytes: &[u8]) {
    for ask in bytes.as_chunks().0.iter().filter_map(|bytes| Ask::decode(*bytes).ok()) {
        assert_eq!(Ask::decode(ask.encode()).ok(), Some(ask));
    }
    let mut rest = bytes;
    while let Some(Ok(head)) = rest.split_off(..Answer::BYTES).map(<[u8; Answer::BYTES]>::try_from) {
        let Ok(answer) = Answer::decode(head) else { return };
        assert_eq!(Answer::decode(answer.encode()).ok(), Some(answer));
        if let Answer::Run { proof_hashes, .. } = answer {
            let read = read_proof(&mut rest, proof_hashes).now_or_never();
            let Ok(proof) = read.expect("reading from memory waits for nothing") else { return };
            assert_eq!(proof.len(), usize::from(proof_hashes));
        }
    }
}

pub(super) fn data_seeds() -> Vec<Vec<u8>> {
    let asks = [Ask::Request { id: 1, run: 7.into(), exact: false }, Ask::Cancel { id: 1 }]
        .map(Ask::encode)
        .concat();
    let run = Answer::Run { id: 1, run: 7.into(), proof_hashes: 2, bytes: 262_144.into() }.encode();
    let refused = Answer::Refused { id: 2, why: Refusal::Elsewhere }.encode();
    let answers = [&refused[..], &run, &[5; 64], &refused].concat();
    vec![asks, answers]
}

/// Questions, which a directory answers, and with another first byte replies.
pub(super) fn directory(bytes: &[u8]) {
    let Some((&kind, mut rest)) = bytes.split_first() else { return };
    if kind % 2 == 0 {
        let admission = Admission::Open;
        let directory = Directory::new(DirectoryConfig { admission, ..DirectoryConfig::default() }, 1, None);
        let mut asker = 0;
        while let Some(question) = frame::<Question>(&mut rest, QUESTION_BYTES_MAX) {
            asker += 1;
            let answer = directory.answer(PeerName([asker; 32]), [10, 0, asker, 1].into(), &question);
            let wanted = usize::try_from(question.wanted).unwrap_or(usize::MAX);
            assert!(answer.members.len() <= wanted.min(PEERS_MAX));
            assert_eq!(content_id(&question.content).is_err(), answer.reply.unknown);
            if asker == u8::MAX {
                return;
            }
        }
    } else {
        while let Some(reply) = frame::<Reply>(&mut rest, REPLY_BYTES_MAX) {
            reply.peers.iter().for_each(peer);
        }
    }
}

pub(super) fn directory_seeds() -> Vec<Vec<u8>> {
    let question = Question {
        content: vec![7; 32],
        wanted: 50,
        tcp_port: 4001,
        udp_port: 4002,
        complete: true,
        leaving: true,
        atlas: Some(7),
        only_asks: true,
    };
    let record = PeerRecord { peer: peer_id(), ip: vec![192, 0, 2, 7], tcp_port: 4001, udp_port: 0 };
    let reply = Reply {
        peers: vec![record; 3],
        holds: true,
        members: 1_000,
        members_in_as: 10,
        observed: vec![8; 4],
        pause: 60,
        atlas: Some(Offer { version: 7, link: "magnet:?xt=".to_owned() }),
        ..Reply::default()
    };
    let all = Question { wanted: u32::MAX, leaving: false, tcp_port: u32::MAX, ..question.clone() };
    let two = [all.encode_length_delimited_to_vec(), question.encode_length_delimited_to_vec()].concat();
    vec![[vec![0], two].concat(), [vec![1], reply.encode_length_delimited_to_vec()].concat()]
}

/// The answer to a question for a manifest. An even first byte makes the link name what comes, so that
/// the hash is no wall.
pub(super) fn manifest_exchange(bytes: &[u8]) {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime can be made")
    });
    static WORKERS: LazyLock<Workers> = LazyLock::new(|| Workers::new(1).expect("a thread can be made"));
    let Some((&kind, mut stream)) = bytes.split_first() else { return };
    let content = match kind % 2 {
        0 => ContentId(sha256(announced(stream))),
        _ => ContentId([7; 32]),
    };
    let read = RUNTIME.block_on(manifest::read(&mut stream, content, &WORKERS));
    if let Ok(manifest) = read {
        assert_eq!(manifest.content(), content, "only what the link names is taken");
    }
}

/// The info dictionary whose length the first four bytes announce.
fn announced(stream: &[u8]) -> &[u8] {
    let Some((length, rest)) = stream.split_first_chunk() else { return &[] };
    rest.get(..u32::from_be_bytes(*length) as usize).unwrap_or_default()
}

pub(super) fn manifest_exchange_seeds() -> Vec<Vec<u8>> {
    let (manifest, _) = content();
    let info = manifest.info_bytes();
    let layers: Vec<_> = manifest.layers().copied().collect();
    let (length, hashes) = ((info.len() as u32).to_be_bytes(), (layers.len() as u32).to_be_bytes());
    let answer = [&length[..], info, &hashes, layers.as_flattened()].concat();
    vec![vec![0; 5], [vec![0], answer.clone()].concat(), [vec![1], answer].concat()]
}

/// An address as links and people write it.
pub(super) fn address(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(address) = Address::from_str(text) {
        let again = Address::from_str(&address.to_string());
        assert!(again.is_ok_and(|again| again.0 == address.0));
        let _ = (address.peer_id(), address.ip());
    }
}

pub(super) fn address_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "/ip4/127.0.0.1/tcp/4800",
        "/ip6/2001:db8::1/udp/4800/quic-v1/p2p/12D3KooWPPmWqZLw9vezfyuSAp9S6WJ881ajyzcFABg5KD6HBm3R",
        "/dns/origin.example/tcp/4800",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}
