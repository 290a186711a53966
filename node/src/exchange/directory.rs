//! `/nearcast/directory/1`, both ends.

use std::{net::IpAddr, time::Duration};

use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};
use nearcast_core::{
    id::{ContentKey, PeerKey, QueryId},
    registry::PeerName,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::mpsc,
    time::timeout,
};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use crate::{
    address::{ip_of, port_of},
    budget::StreamPlace,
    dial_back::DialBack,
    directory::{Answer, Directory},
    events::{DirectoryEvent, Events, report},
    net::{InboundStream, Network},
    referrals::{Referrals, Wish},
    wire::{
        DIRECTORY, FrameError,
        control::content_id,
        directory::{PEERS_MAX, QUESTION_BYTES_MAX, Question, REPLY_BYTES_MAX, Reply, write_reply},
        read_frame, write_frame,
    },
};

/// How long to wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The directory closes a stream on which no question has come for this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// The asker closes an idle stream a little earlier.
const ASKER_IDLE_TIMEOUT: Duration = Duration::from_secs(110);
/// Questions queued for one directory. More fail at once.
pub(crate) const QUESTIONS_WAITING_MAX: usize = 1024;
/// Questions asked ahead of their answers.
const QUESTIONS_AHEAD_MAX: usize = 64;
/// The most that a peer that asks too often is kept waiting until its next question is read: it may
/// have other things to ask.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Questions are small: one read takes all that have arrived.
const READ_BYTES: usize = 1024;

/// A question, and what it is for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) content: ContentKey,
    /// The number of the query that the answer belongs to. `None`: the answer is not needed.
    pub(crate) query: Option<QueryId>,
    pub(crate) question: Question,
}

/// A question that was sent and awaits its answer.
type Awaited = (ContentKey, Option<QueryId>);

/// Asks a directory the questions in `queue`, over one stream, until the queue is idle.
pub(crate) async fn ask(
    network: Network,
    directory: (PeerKey, PeerId, ConnectionId),
    mut queue: mpsc::Receiver<Asked>,
    events: Events,
) {
    let (key, peer, connection) = directory;
    let (ahead, mut awaited) = mpsc::channel(QUESTIONS_AHEAD_MAX);
    let reason = match network.open(peer, connection, DIRECTORY).await {
        Ok(stream) => {
            let (reader, writer) = tokio::io::split(stream.compat());
            tokio::select! {
                reason = read_all(key, reader, &mut awaited, &events) => reason,
                reason = write_all(writer, &mut queue, ahead) => reason,
            }
        }
        Err(error) => Some(error.to_string()),
    };
    if let Some(reason) = &reason {
        tracing::debug!(%peer, reason, "a directory is asked no more over this stream");
    }
    let reason = reason.unwrap_or_default();
    queue.close();
    while let Ok((content, query)) = awaited.try_recv() {
        fail((content, query), (key, &reason), &events).await;
    }
    while let Ok(asked) = queue.try_recv() {
        fail((asked.content, asked.query), (key, &reason), &events).await;
    }
}

async fn fail((content, query): Awaited, (directory, reason): (PeerKey, &str), events: &Events) {
    if let Some(query) = query {
        let failed = DirectoryEvent::Failed { content, query, directory, reason: reason.to_owned() };
        report(events, failed).await;
    }
}

/// Writes questions until there are no more. Then it waits for ever, as answers may still come.
/// Returns an error if writing fails.
async fn write_all(
    mut writer: impl AsyncWrite + Unpin,
    queue: &mut mpsc::Receiver<Asked>,
    ahead: mpsc::Sender<Awaited>,
) -> Option<String> {
    while let Ok(Some(asked)) = timeout(ASKER_IDLE_TIMEOUT, queue.recv()).await {
        let written = async {
            // Sending fails only if `read_all` has ended, which ends this future too.
            let _ = ahead.send((asked.content, asked.query)).await;
            write_frame(&mut writer, &asked.question).await?;
            if queue.is_empty() { writer.flush().await } else { Ok(()) }
        };
        match timeout(ANSWER_TIMEOUT, written).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Some(error.to_string()),
            Err(_) => return Some("it reads no more questions".to_owned()),
        }
    }
    // `read_all` ends after the last answer.
    drop(ahead);
    std::future::pending().await
}

/// Reads an answer to each question. Returns the error that ended it early. `None`: all were
/// answered.
async fn read_all(
    directory: PeerKey,
    mut reader: impl AsyncRead + Unpin,
    awaited: &mut mpsc::Receiver<Awaited>,
    events: &Events,
) -> Option<String> {
    while let Some((content, query)) = awaited.recv().await {
        let reason = match timeout(ANSWER_TIMEOUT, read_frame::<Reply>(&mut reader, REPLY_BYTES_MAX)).await {
            Ok(Ok(Some(reply))) => {
                if let Some(query) = query {
                    let answered =
                        DirectoryEvent::Answered { content, query, directory, reply: Box::new(reply) };
                    report(events, answered).await;
                }
                continue;
            }
            Ok(Ok(None)) => "it closed the stream".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        fail((content, query), (directory, &reason), events).await;
        return Some(reason);
    }
    None
}

/// Where questions are answered.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) directory: Directory,
    pub(crate) dial_back: DialBack,
    /// Others that can be asked. `None`: this directory is on its own.
    pub(crate) referrals: Option<Referrals>,
}

impl Desk {
    /// Answers one question of a peer whose connection comes from `remote`.
    async fn answer(
        &self,
        (name, ip): (PeerName, IpAddr),
        remote: &Multiaddr,
        question: &Question,
    ) -> Answer {
        let mut answer = self.directory.answer(name, ip, question);
        answer.reply.observed_port = port_of(remote).map_or(0, u32::from);
        let wanted = usize::try_from(question.wanted).map_or(PEERS_MAX, |wanted| wanted.min(PEERS_MAX));
        let missing = wanted.saturating_sub(answer.members.len());
        let is_told = !answer.reply.unknown && answer.wait.is_zero() && !question.leaving;
        if let (Some(referrals), Ok(content)) = (&self.referrals, content_id(&question.content))
            && is_told
            && missing > 0
            && !question.only_asks
        {
            let waits = answer.members.is_empty() && !answer.reply.holds;
            let wish = Wish { content, asker: name, ip, wanted: missing, waits };
            answer.reply.referred = referrals.complement(&wish, &mut answer.members).await;
        }
        answer
    }
}

/// Answers the questions on one stream in order, until the stream is closed or idle. Without a
/// desk, every answer is "unknown".
pub(crate) async fn serve(inbound: InboundStream, place: StreamPlace, desk: Option<Desk>) {
    let peer = inbound.peer;
    if let Err(error) = answer_all(inbound, &place, desk.as_ref()).await {
        tracing::debug!(%peer, %error, "a directory stream broke");
        // A live peer closes streams that it does not need; a process that was killed does not.
        let broke = matches!(error, FrameError::Io(_));
        if let (Some(desk), Some(name), true) = (desk, PeerName::from_id(&peer.to_bytes()), broke) {
            desk.directory.lose(&name);
        }
    }
    drop(place);
}

async fn answer_all(
    inbound: InboundStream,
    place: &StreamPlace,
    desk: Option<&Desk>,
) -> Result<(), FrameError> {
    let mut lease = place.lease();
    let InboundStream { peer, remote, stream, .. } = inbound;
    // `None`: the asker has no IP, or no key by which it could be known.
    let asker: Option<(PeerName, IpAddr)> = PeerName::from_id(&peer.to_bytes()).zip(ip_of(&remote));
    let (reader, mut writer) = tokio::io::split(stream.compat());
    let mut reader = BufReader::with_capacity(READ_BYTES, reader);
    let mut frames = Vec::new();
    while let Ok(question) =
        timeout(IDLE_TIMEOUT, read_frame::<Question>(&mut reader, QUESTION_BYTES_MAX)).await
    {
        let Some(question) = question? else { break };
        let mut wait = Duration::ZERO;
        match desk.zip(asker) {
            Some((desk, asker)) => {
                place.note_begun();
                let answer = desk.answer(asker, &remote, &question).await;
                if let Some(at) = answer.to_try {
                    desk.dial_back.begin(&desk.directory, asker.0, at);
                }
                write_reply(&answer.reply, &answer.members, &mut frames);
                wait = answer.wait.min(WAIT_MAX);
            }
            None => write_reply(&Reply { unknown: true, ..Reply::default() }, &[], &mut frames),
        }
        // Answers to questions that came together are sent together, as far as they fit into one
        // frame of the muxer.
        if reader.buffer().is_empty() || frames.len() > REPLY_BYTES_MAX || !wait.is_zero() {
            lease.set(frames.capacity());
            timeout(IDLE_TIMEOUT, async {
                writer.write_all(&frames).await?;
                writer.flush().await
            })
            .await
            .map_err(|_| FrameError::Nonsense("answers that nobody reads"))??;
            frames.clear();
            frames.shrink_to(4 * READ_BYTES);
            lease.set(0);
        }
        tokio::time::sleep(wait).await;
    }
    Ok(())
}
