//! `/nearcast/manifest/1`: a peer that has only a link asks for metainfo and piece layers, and
//! checks them.
//!
//! The asker writes the info hash. The answer is the length of the info dictionary (0 = unknown),
//! the dictionary, the number of hashes of all layers, the hashes, and the publishers' signatures.
//! Lengths are 4 bytes, big-endian. The number of signatures is one byte.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use libp2p::{PeerId, swarm::ConnectionId};
use nearcast_core::{
    id::{ContentId, ContentKey, Hash, PeerKey},
    manifest::{INFO_BYTES_MAX, Info, Manifest, ManifestError},
    saturate::{to_u8, to_u32},
    signature::{SIGNATURE_BYTES, SIGNATURES_MAX, Signature},
    untrusted::Untrusted,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter},
    sync::oneshot,
    time::timeout,
};
use tokio_util::{compat::FuturesAsyncReadCompatExt, sync::CancellationToken};

use super::least_rate::{LeastRate, Progress};
use crate::{
    budget::StreamPlace,
    events::{Events, ManifestEvent, NoManifest, report},
    net::{InboundStream, Network},
    store::Workers,
    wire::MANIFEST,
};

/// An exchange ends after this long without progress.
const STALL: Duration = Duration::from_secs(15);
/// The longest time that one peer is read from: enough for the largest manifest, 75 MiB, at 256
/// kB/s.
const FETCH_TIME_MAX: Duration = Duration::from_secs(300);
const HASH_BYTES: u64 = 32;
/// Bytes read at a time. Progress is checked after each chunk.
const CHUNK_BYTES: usize = 64 * 1024;

/// How long a question waits for its turn among other questions of its connection.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// A peer that takes an answer more slowly has no use for it, and only holds our buffer.
const ANSWER_BYTES_PER_SECOND_MIN: usize = 4 * 1024;

/// Asks a peer for a manifest. Ends without an event when `over` is cancelled, because the manifest
/// is no longer wanted.
pub(crate) async fn fetch(
    network: Network,
    peer: (PeerKey, PeerId, ConnectionId),
    content: (ContentKey, ContentId),
    workers: Workers,
    events: Events,
    over: CancellationToken,
) {
    let (key, id, connection) = peer;
    tracing::debug!(peer = %id, "asking for the metainfo of {}", content.1);
    let asked = timeout(FETCH_TIME_MAX, exchange(&network, id, connection, content.1, &workers));
    let result = tokio::select! {
        () = over.cancelled() => return,
        result = asked => result.unwrap_or_else(|_| Err(NoManifest::Unavailable("it takes too long".to_owned()))),
    };
    report(&events, ManifestEvent::Came { content: content.0, peer: key, result }).await;
}

async fn exchange(
    network: &Network,
    peer: PeerId,
    connection: ConnectionId,
    content: ContentId,
    workers: &Workers,
) -> Result<Arc<Manifest>, NoManifest> {
    let stream = network
        .open(peer, connection, MANIFEST)
        .await
        .map_err(|error| NoManifest::Unavailable(error.to_string()))?;
    let mut stream = BufReader::new(stream.compat());
    stream.write_all(&content.0).await?;
    stream.flush().await?;
    read(&mut stream, content, workers).await
}

/// Reads and checks an answer.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    content: ContentId,
    workers: &Workers,
) -> Result<Arc<Manifest>, NoManifest> {
    let unavailable = |why: &str| NoManifest::Unavailable(why.to_owned());
    let length = read_length(stream).await?.said().ok_or_else(|| unavailable("it does not have it"))?;
    let length = length.fits().filter(|&length: &usize| length <= INFO_BYTES_MAX);
    let length = length.ok_or_else(|| unavailable("its info dictionary is too long"))?;
    let info = read_bytes(stream, length).await?;
    let info = workers.judge(move || Info::parse(content, &info)).await;
    let info = info.map_err(|error| NoManifest::Unavailable(error.to_string()))?.map_err(judge)?;
    let all_layers = |hashes: u32| {
        let bytes = u64::from(hashes).checked_mul(HASH_BYTES)?;
        usize::try_from(bytes).ok().filter(|_| bytes == info.layers_bytes())
    };
    let layers = read_length(stream).await?.admit(all_layers);
    let layers = layers.ok_or_else(|| unavailable("it does not have the piece layers"))?;
    let layers = read_bytes(stream, layers).await?;
    let signatures = read_signatures(stream).await.unwrap_or_default();
    let assembled = workers.judge(move || {
        let hash = |chunk: &[u8]| Hash::try_from(chunk).expect("chunks of 32 bytes");
        let manifest = info.assemble(layers.chunks_exact(32).map(hash).collect())?;
        Ok(manifest.with_signatures(signatures))
    });
    let manifest = assembled.await.map_err(|error| NoManifest::Unavailable(error.to_string()))?;
    manifest.map(Arc::new).map_err(NoManifest::False)
}

/// Bytes that hash to the id but are malformed are the publisher's fault, not the peer's.
fn judge(error: ManifestError) -> NoManifest {
    match error {
        ManifestError::OtherContent { .. } => NoManifest::False(error),
        other => NoManifest::Unacceptable(other),
    }
}

/// Reads the signatures after the layers. An error, such as the end of the stream, means that the
/// peer has none: the manifest is valid without.
async fn read_signatures(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<Signature>> {
    let count = Untrusted::new(usize::from(timeout(STALL, stream.read_u8()).await.map_err(|_| stalled())??));
    let mut signatures = Vec::new();
    for _ in 0..count.at_most(SIGNATURES_MAX) {
        let mut bytes = [0; SIGNATURE_BYTES];
        timeout(STALL, stream.read_exact(&mut bytes)).await.map_err(|_| stalled())??;
        signatures.push(Signature::from_bytes(&bytes));
    }
    Ok(signatures)
}

async fn read_length(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Untrusted<u32>> {
    timeout(STALL, stream.read_u32()).await.map_err(|_| stalled())?.map(Untrusted::new)
}

/// Reads `length` bytes. Allocates as bytes arrive, not as they are promised. Fails if they arrive
/// below the least rate.
async fn read_bytes(stream: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<Vec<u8>> {
    let (mut bytes, mut rate) = (Vec::new(), LeastRate::new());
    while bytes.len() < length {
        let filled = bytes.len();
        bytes.resize(length.min(filled.saturating_add(CHUNK_BYTES)), 0);
        let asked = Instant::now();
        let read = timeout(rate.patience().min(STALL), stream.read(&mut bytes[filled..])).await;
        let came = read.map_err(|_| stalled())??;
        if came == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.truncate(filled.saturating_add(came));
        if rate.note(asked.elapsed(), came) == Progress::TooLittle {
            return Err(stalled());
        }
    }
    Ok(bytes)
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no data, or next to none, for 15 seconds")
}

/// Answers a peer that asks for a manifest.
pub(crate) async fn serve(inbound: InboundStream, place: StreamPlace, events: Events) {
    let peer = inbound.peer;
    if let Err(error) = answer(inbound, &place, &events).await {
        tracing::debug!(%peer, %error, "a manifest was not sent");
    }
}

async fn answer(inbound: InboundStream, place: &StreamPlace, events: &Events) -> io::Result<()> {
    let mut stream = inbound.stream.compat();
    let mut hash = [0; 32];
    timeout(STALL, stream.read_exact(&mut hash)).await.map_err(|_| stalled())??;
    // Each answer costs a buffer, so only a few answers of one connection are written at a time.
    let _turn = timeout(ANSWER_WAIT, place.turn()).await.map_err(|_| stalled())?.map_err(io::Error::other)?;
    let mut lease = place.lease();
    lease.set(CHUNK_BYTES);
    let mut stream = BufWriter::with_capacity(CHUNK_BYTES, stream);
    let (reply, answer) = oneshot::channel();
    let wanted = ManifestEvent::Wanted { content: ContentId(hash), reply };
    events.send(wanted.into()).await.map_err(|_| io::Error::other("the node stops"))?;
    let Some(manifest) = answer.await.ok().flatten() else {
        stream.write_u32(0).await?;
        return stream.shutdown().await;
    };
    let info = manifest.info_bytes();
    let bytes = manifest.layers().count().saturating_mul(32).saturating_add(info.len());
    let least = Duration::from_secs((bytes / ANSWER_BYTES_PER_SECOND_MIN) as u64);
    timeout(STALL.saturating_add(least), write_answer(&mut stream, &manifest)).await.map_err(|_| stalled())?
}

/// Writes an answer, as long as the peer takes it.
async fn write_answer(stream: &mut (impl AsyncWrite + Unpin), manifest: &Manifest) -> io::Result<()> {
    let info = manifest.info_bytes();
    stream.write_u32(to_u32(info.len())).await?;
    for chunk in info.chunks(CHUNK_BYTES) {
        timeout(STALL, stream.write_all(chunk)).await.map_err(|_| stalled())??;
    }
    stream.write_u32(to_u32(manifest.layers().count())).await?;
    for hash in manifest.layers() {
        timeout(STALL, stream.write_all(hash)).await.map_err(|_| stalled())??;
    }
    let signatures = manifest.signatures().good();
    stream.write_u8(to_u8(signatures.len())).await?;
    for signature in signatures {
        timeout(STALL, stream.write_all(&signature.to_bytes())).await.map_err(|_| stalled())??;
    }
    timeout(STALL, stream.shutdown()).await.map_err(|_| stalled())?
}
