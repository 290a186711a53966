//! The control stream of a link: a hello each way, then frames until one side ends the link.

use std::{io, sync::Arc, time::Duration};

use libp2p::PeerId;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter, ReadHalf, WriteHalf, split},
    sync::mpsc,
    time::timeout,
};
use tokio_util::{compat::FuturesAsyncReadCompatExt, sync::CancellationToken};

use super::Known;
use crate::{
    budget::{Holdings, Ticket},
    events::{Events, LinkEvent, LinkId, report},
    net::{InboundStream, Network, Wire},
    wire::{
        EXCHANGE, FrameError,
        control::{FRAME_BYTES_MAX, Frame, Hello},
        hello::{Begun, begin_hello},
        read_frame_held, write_frame,
    },
};

/// Frames queued for a neighbour. A neighbour whose queue is full is too slow, and loses its link.
pub(crate) const FRAMES_WAITING_MAX: usize = 512;
/// The time limit from opening the stream to the other side's hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// A longer hello waits for its turn: only a few are read at a time on one connection.
const SHORT_HELLO_BYTES_MAX: usize = 4 * 1024;
/// The time limit from the first byte of a frame to its last.
const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// How long sending a goodbye may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens a control stream on a connection and exchanges hellos. `hello`: our hello, and the number
/// of runs of its content.
pub(crate) async fn open(
    network: Network,
    link: LinkId,
    peer: PeerId,
    connection: libp2p::swarm::ConnectionId,
    hello: (Hello, u32),
    events: Events,
) {
    let event = match greet(&network, peer, connection, hello).await {
        Ok((hello, stream)) => LinkEvent::Opened { link, hello, stream },
        Err(reason) => LinkEvent::Failed { link, reason },
    };
    report(&events, event).await;
}

async fn greet(
    network: &Network,
    peer: PeerId,
    connection: libp2p::swarm::ConnectionId,
    (hello, runs): (Hello, u32),
) -> Result<(Hello, Wire), String> {
    let stream = network.open(peer, connection, EXCHANGE).await.map_err(|error| error.to_string())?;
    let mut stream = stream.compat();
    let exchange = async {
        write_frame(&mut stream, &hello).await?;
        stream.flush().await?;
        let Some(begun) = begin_hello(&mut stream).await? else { return Ok(None) };
        let holdings = network.budget().of(connection);
        Ok::<_, FrameError>(Some(finish_hello(begun, &mut stream, runs, holdings.as_ref()).await?))
    };
    match timeout(HELLO_TIMEOUT, exchange).await {
        Ok(Ok(Some(hello))) => Ok((hello, stream)),
        Ok(Ok(None)) => Err("the peer does not have this content, or has no room".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the peer did not answer in time".to_owned()),
    }
}

/// Reads the hello on a control stream that a peer opened: first the content that it is about, and
/// the rest only if we know that content.
pub(crate) async fn receive(
    inbound: InboundStream,
    known: Known,
    place: Ticket,
    holdings: Arc<Holdings>,
    events: Events,
) {
    let InboundStream { peer, connection, stream, .. } = inbound;
    let mut stream = stream.compat();
    let read = async {
        let begun = begin_hello(&mut stream).await?;
        let Some((begun, runs)) =
            begun.and_then(|begun| known.runs(&begun.content).map(|runs| (begun, runs)))
        else {
            return Ok::<_, FrameError>(None);
        };
        Ok(Some(finish_hello(begun, &mut stream, runs, Some(&holdings)).await?))
    };
    let hello = tokio::select! {
        () = place.evicted() => return,
        read = timeout(HELLO_TIMEOUT, read) => read,
    };
    let came = matches!(hello, Ok(Ok(_)));
    if came {
        place.made();
    } else {
        drop(place);
    }
    match hello {
        Ok(Ok(Some(hello))) => {
            report(&events, LinkEvent::Offered { peer, connection, hello, stream }).await;
        }
        // A peer that asks for an unknown content is told that there will be no link. A peer that
        // falls silent or breaks the protocol is not.
        Ok(Ok(None)) => refuse(stream).await,
        Ok(Err(_)) | Err(_) => {}
    }
}

/// Reads the second part of a hello. Only a few long hellos are read at a time.
async fn finish_hello(
    begun: Begun,
    stream: &mut Wire,
    runs: u32,
    holdings: Option<&Arc<Holdings>>,
) -> Result<Hello, FrameError> {
    let Some(holdings) = holdings.filter(|_| begun.bytes_left() > SHORT_HELLO_BYTES_MAX) else {
        return begun.finish(stream, runs, |_| {}).await;
    };
    let _turn = holdings.turn().await.map_err(io::Error::other)?;
    let mut lease = holdings.lease();
    begun.finish(stream, runs, |bytes| lease.set(bytes)).await
}

/// Moves frames both ways until the stream ends, the driver drops `frames`, or `cancel` is set.
pub(crate) async fn run(
    link: LinkId,
    stream: Wire,
    hello: Option<Hello>,
    frames: mpsc::Receiver<Frame>,
    holdings: Option<Arc<Holdings>>,
    events: Events,
    cancel: CancellationToken,
) {
    let (reader, writer) = split(stream);
    let reason = tokio::select! {
        () = cancel.cancelled() => return,
        reason = read(link, BufReader::new(reader), holdings, &events) => reason,
        reason = write(BufWriter::new(writer), hello, frames) => match reason {
            Some(reason) => reason,
            None => return,
        },
    };
    report(&events, LinkEvent::Closed { link, reason, stalled: false }).await;
}

async fn read(
    link: LinkId,
    mut reader: BufReader<ReadHalf<Wire>>,
    holdings: Option<Arc<Holdings>>,
    events: &Events,
) -> String {
    let mut lease = holdings.map(|holdings| holdings.lease());
    let mut hold = |bytes| {
        if let Some(lease) = &mut lease {
            lease.set(bytes);
        }
    };
    loop {
        hold(0);
        // Hours may pass between frames, but a frame that was begun has to be finished.
        if let Err(error) = reader.fill_buf().await {
            return FrameError::from(error).to_string();
        }
        let frame = read_frame_held::<Frame>(&mut reader, FRAME_BYTES_MAX, &mut hold);
        let Ok(read) = timeout(FRAME_TIMEOUT, frame).await else {
            return "the peer began a frame and did not finish it".to_owned();
        };
        match read {
            Ok(Some(Frame { said: Some(said) })) => {
                if events.send(LinkEvent::Said { link, said }.into()).await.is_err() {
                    return "the node stops".to_owned();
                }
            }
            // An unknown kind of frame, of a later version.
            Ok(Some(Frame { said: None })) => {}
            Ok(None) => return "the peer closed the link".to_owned(),
            Err(error) => return error.to_string(),
        }
    }
}

/// Writes frames. Returns the error that ended it. `None`: the driver ended the link, and
/// everything is written.
async fn write(
    mut writer: BufWriter<WriteHalf<Wire>>,
    hello: Option<Hello>,
    mut frames: mpsc::Receiver<Frame>,
) -> Option<String> {
    let reason = |error: io::Error| Some(FrameError::from(error).to_string());
    if let Some(hello) = hello
        && let Err(error) = write_frame(&mut writer, &hello).await
    {
        return reason(error);
    }
    loop {
        // Flushes only when no more frames are queued.
        let frame = match frames.try_recv() {
            Ok(frame) => Some(frame),
            Err(_) => {
                if let Err(error) = writer.flush().await {
                    return reason(error);
                }
                frames.recv().await
            }
        };
        let Some(frame) = frame else {
            // The link is over. A peer that does not even take the end of the stream is cut off.
            let _ = timeout(GOODBYE_TIMEOUT, writer.shutdown()).await;
            return None;
        };
        if let Err(error) = write_frame(&mut writer, &frame).await {
            return reason(error);
        }
    }
}

/// Refuses an offered link: the stream ends without a hello.
pub(crate) async fn refuse(mut stream: Wire) {
    let _ = timeout(GOODBYE_TIMEOUT, stream.shutdown()).await;
}
