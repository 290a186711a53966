//! `/nearcast/directory/1`, both ends.

use std::time::Duration;

use libp2p::{PeerId, swarm::ConnectionId};
use nearcast_core::id::{ContentKey, PeerKey, QueryId};
use tokio::{io::AsyncWriteExt, sync::oneshot, time::timeout};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::{Events, TaskEvent};
use crate::{
    net::{InboundStream, Network},
    wire::{
        DIRECTORY, FrameError,
        directory::{QUESTION_BYTES_MAX, Question, REPLY_BYTES_MAX, Reply},
        read_frame, write_frame,
    },
};

/// An answer takes no longer, or there is none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A kept stream on which nothing is asked is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Asks a directory.
pub(crate) async fn ask(
    network: Network,
    directory: (PeerKey, PeerId, ConnectionId),
    content: ContentKey,
    query: QueryId,
    question: Question,
    events: Events,
) {
    let (key, peer, connection) = directory;
    let exchange = async {
        let stream = network.open(peer, connection, DIRECTORY).await.map_err(|error| error.to_string())?;
        let mut stream = stream.compat();
        write_frame(&mut stream, &question).await.map_err(|error| error.to_string())?;
        stream.flush().await.map_err(|error| error.to_string())?;
        let reply = read_frame::<Reply>(&mut stream, REPLY_BYTES_MAX).await.map_err(|error| error.to_string())?;
        reply.ok_or_else(|| "it closed the stream".to_owned())
    };
    let event = match timeout(ANSWER_TIMEOUT, exchange).await {
        Ok(Ok(reply)) => TaskEvent::Answered { content, query, directory: key, reply },
        failed => {
            let reason = failed.map_or_else(|_| "no answer in time".to_owned(), |answer| answer.err().unwrap_or_default());
            tracing::debug!(%peer, reason, "a directory did not answer");
            TaskEvent::AskFailed { content, query }
        }
    };
    // The driver is gone only when the node stops.
    let _ = events.send(event).await;
}

/// Answers questions on one stream, one after the other, until it is closed or quiet.
pub(crate) async fn serve(inbound: InboundStream, events: Events) {
    let peer = inbound.peer;
    if let Err(error) = answer_all(inbound, &events).await {
        tracing::debug!(%peer, %error, "a directory stream broke");
    }
}

async fn answer_all(inbound: InboundStream, events: &Events) -> Result<(), FrameError> {
    let InboundStream { peer, connection, stream, .. } = inbound;
    let mut stream = stream.compat();
    while let Ok(question) = timeout(IDLE_TIMEOUT, read_frame::<Question>(&mut stream, QUESTION_BYTES_MAX)).await {
        let Some(question) = question? else { break };
        let (reply, answer) = oneshot::channel();
        if events.send(TaskEvent::DirectoryAsked { peer, connection, question, reply }).await.is_err() {
            break;
        }
        let Ok(reply) = answer.await else { break };
        write_frame(&mut stream, &reply).await?;
        stream.flush().await?;
    }
    Ok(())
}
