//! The control stream of a link: hello each way, then frames until one side ends it.

use std::time::Duration;

use libp2p::PeerId;
use tokio::{
    io::{AsyncWriteExt, BufReader, BufWriter, ReadHalf, WriteHalf, split},
    sync::mpsc,
    time::timeout,
};
use tokio_util::{compat::FuturesAsyncReadCompatExt, sync::CancellationToken};

use super::{Events, LinkId, TaskEvent, Wire};
use crate::{
    net::{InboundStream, Network},
    wire::{
        EXCHANGE, FrameError,
        control::{FRAME_BYTES_MAX, Frame, HELLO_BYTES_MAX, Hello},
        read_frame, write_frame,
    },
};

/// Frames that wait to be written to a neighbour; one that takes no more is too slow, and is let go.
pub(crate) const FRAMES_WAITING_MAX: usize = 512;
/// From the opening of the stream to the other side's hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a goodbye may take to leave.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens a control stream on a connection and exchanges hellos.
pub(crate) async fn open(
    network: Network,
    link: LinkId,
    peer: PeerId,
    connection: libp2p::swarm::ConnectionId,
    hello: Hello,
    events: Events,
) {
    let event = match greet(&network, peer, connection, &hello).await {
        Ok((hello, stream)) => TaskEvent::LinkOpened { link, hello, stream },
        Err(reason) => TaskEvent::LinkFailed { link, reason },
    };
    // The driver is gone only when the node stops.
    let _ = events.send(event).await;
}

async fn greet(
    network: &Network,
    peer: PeerId,
    connection: libp2p::swarm::ConnectionId,
    hello: &Hello,
) -> Result<(Hello, Wire), String> {
    let stream = network.open(peer, connection, EXCHANGE).await.map_err(|error| error.to_string())?;
    let mut stream = stream.compat();
    let exchange = async {
        write_frame(&mut stream, hello).await?;
        stream.flush().await?;
        read_frame::<Hello>(&mut stream, HELLO_BYTES_MAX).await
    };
    match timeout(HELLO_TIMEOUT, exchange).await {
        Ok(Ok(Some(hello))) => Ok((hello, stream)),
        Ok(Ok(None)) => Err("the peer does not have this content, or has no room".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the peer did not answer in time".to_owned()),
    }
}

/// Reads the hello of somebody who opened a control stream to us.
pub(crate) async fn receive(inbound: InboundStream, events: Events) {
    let InboundStream { peer, connection, stream, .. } = inbound;
    let mut stream = stream.compat();
    if let Ok(Ok(Some(hello))) =
        timeout(HELLO_TIMEOUT, read_frame::<Hello>(&mut stream, HELLO_BYTES_MAX)).await
    {
        // The driver is gone only when the node stops.
        let _ = events.send(TaskEvent::LinkOffered { peer, connection, hello, stream }).await;
    }
}

/// Moves frames both ways until the stream ends, the driver drops `frames`, or `cancel` is set.
pub(crate) async fn run(
    link: LinkId,
    stream: Wire,
    hello: Option<Hello>,
    frames: mpsc::Receiver<Frame>,
    events: Events,
    cancel: CancellationToken,
) {
    let (reader, writer) = split(stream);
    let reason = tokio::select! {
        () = cancel.cancelled() => return,
        reason = read(link, BufReader::new(reader), &events) => reason,
        reason = write(BufWriter::new(writer), hello, frames) => match reason {
            Some(reason) => reason,
            None => return,
        },
    };
    // The driver is gone only when the node stops.
    let _ = events.send(TaskEvent::LinkClosed { link, reason, stalled: false }).await;
}

async fn read(link: LinkId, mut reader: BufReader<ReadHalf<Wire>>, events: &Events) -> String {
    loop {
        match read_frame::<Frame>(&mut reader, FRAME_BYTES_MAX).await {
            Ok(Some(Frame { said: Some(said) })) => {
                if events.send(TaskEvent::Said { link, said }).await.is_err() {
                    return "the node stops".to_owned();
                }
            }
            // A kind of frame of a later version.
            Ok(Some(Frame { said: None })) => {}
            Ok(None) => return "the peer closed the link".to_owned(),
            Err(error) => return error.to_string(),
        }
    }
}

/// Writes what comes; none when the driver ended the link and everything is written.
async fn write(
    mut writer: BufWriter<WriteHalf<Wire>>,
    hello: Option<Hello>,
    mut frames: mpsc::Receiver<Frame>,
) -> Option<String> {
    let reason = |error: std::io::Error| Some(FrameError::from(error).to_string());
    if let Some(hello) = hello
        && let Err(error) = write_frame(&mut writer, &hello).await
    {
        return reason(error);
    }
    loop {
        // Flush only when nothing more waits.
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
            // The link is over; a peer that does not even take the end is cut off.
            let _ = timeout(GOODBYE_TIMEOUT, writer.shutdown()).await;
            return None;
        };
        if let Err(error) = write_frame(&mut writer, &frame).await {
            return reason(error);
        }
    }
}

/// Tells somebody who offered a link that there will be none: the stream ends without a hello.
pub(crate) async fn refuse(mut stream: Wire) {
    let _ = timeout(GOODBYE_TIMEOUT, stream.shutdown()).await;
}
