//! A WebSocket that reconnects whenever the connection is lost.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use bgpkit_parser::rislive::messages::{RisLiveClientMessage, RisSubscribe};
use futures::{SinkExt, StreamExt};
use nearcast_node::repeats::Repeats;
use tokio::{
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Error, Message, protocol::WebSocketConfig},
};

use crate::feeds::sender::{Closed, FeedSender};
use nearcast_bgp::{
    feed::{BATCH_MAX, Feed, News},
    rib::SessionId,
    ris_live::{MESSAGE_BYTES_MAX, RisSession},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const CONNECT_WITHIN: Duration = Duration::from_secs(20);
const WRITE_WITHIN: Duration = Duration::from_secs(20);
/// Time after which a ping asks whether the server is there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A server that sends nothing for this long, not even answers to pings, is gone.
const SILENT_AT_MOST: Duration = Duration::from_secs(60);
/// Changes are handed on after this time at the latest.
const HAND_ON_EVERY: Duration = Duration::from_millis(100);
/// The longest wait before the second attempt; it doubles with each further attempt, up to the
/// maximum.
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error("{0}")]
    Socket(#[from] Error),
    #[error("it did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the server closed it")]
    Ended,
}

/// Listens forever. While the connection is lost, routes still count for as long as those of lost
/// sessions are held.
pub(super) async fn run(
    url: &str,
    collectors: &[String],
    feed: &Feed,
    desk: &FeedSender,
) -> Result<(), Closed> {
    let id = desk.open();
    let mut session = RisSession::default();
    let (mut wait, losses) = (WAIT_FIRST, Repeats::default());
    loop {
        let mut heard = false;
        let lost = match connect(url, collectors).await {
            Ok(socket) => {
                tracing::info!("{feed} is connected");
                desk.tell(News::Begun(id, feed.clone())).await?;
                desk.tell(News::Synced(id)).await?;
                let lost = listen(socket, &mut session, id, desk, &mut heard).await;
                if !matches!(lost, Lost::Closed(_)) {
                    desk.tell(News::Lost(id)).await?;
                }
                lost
            }
            Err(lost) => lost,
        };
        if let Lost::Closed(closed) = lost {
            return Err(closed);
        }
        if let Some(more) = losses.due() {
            tracing::warn!("{feed} is not connected: {lost}; tried again until it is, {more} times before");
        }
        if heard {
            wait = WAIT_FIRST;
        }
        // All clients lose a server at the same moment, so each waits a random time.
        sleep(wait.mul_f64(jitter())).await;
        wait = wait.saturating_mul(2).min(WAIT_MAX);
    }
}

/// A random factor between a tenth and one.
fn jitter() -> f64 {
    let dice = RandomState::new().build_hasher().finish();
    0.1 + 0.9 * (dice >> 11) as f64 / (1u64 << 53) as f64
}

async fn connect(url: &str, collectors: &[String]) -> Result<Socket, Lost> {
    let bounds = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
        .max_write_buffer_size(MESSAGE_BYTES_MAX);
    let connecting = connect_async_with_config(url, Some(bounds), true);
    let (mut socket, _) =
        timeout(CONNECT_WITHIN, connecting).await.map_err(|_| Lost::Silent(CONNECT_WITHIN))??;
    // A subscription without a host covers all collectors.
    let hosts =
        if collectors.is_empty() { vec![None] } else { collectors.iter().cloned().map(Some).collect() };
    for host in hosts {
        let wish = RisSubscribe { host, ..RisSubscribe::new() }.include_raw(false);
        write(&mut socket, Message::text(wish.to_json_string())).await?;
    }
    Ok(socket)
}

async fn write(socket: &mut Socket, message: Message) -> Result<(), Lost> {
    Ok(timeout(WRITE_WITHIN, socket.send(message)).await.map_err(|_| Lost::Silent(WRITE_WITHIN))??)
}

/// Listens until the connection ends.
async fn listen(
    mut socket: Socket,
    session: &mut RisSession,
    id: SessionId,
    desk: &FeedSender,
    heard: &mut bool,
) -> Lost {
    let (mut told, mut said) = (Vec::new(), session.tally());
    let listening = async {
        let mut last = Instant::now();
        let [mut hand_on, mut ping] = [HAND_ON_EVERY, PING_EVERY].map(|every| {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        loop {
            let mut hand = false;
            tokio::select! {
                message = socket.next() => {
                    last = Instant::now();
                    match message.ok_or(Lost::Ended)?? {
                        Message::Text(text) => {
                            *heard = true;
                            session.handle(text.as_str(), &mut told);
                        }
                        Message::Close(_) => return Err(Lost::Ended),
                        // The library answers pings.
                        _ => {}
                    }
                    hand = told.len() >= BATCH_MAX;
                }
                _ = hand_on.tick() => hand = said != session.tally(),
                _ = ping.tick() => {
                    if last.elapsed() > SILENT_AT_MOST {
                        return Err(Lost::Silent(SILENT_AT_MOST));
                    }
                    write(&mut socket, Message::Ping(Vec::new().into())).await?;
                }
            }
            if hand {
                said = session.tally();
                desk.tell(News::Told(id, std::mem::take(&mut told), said)).await?;
            }
        }
    };
    let ended: Result<(), Lost> = listening.await;
    match desk.tell(News::Told(id, told, session.tally())).await {
        Err(closed) => closed.into(),
        Ok(()) => ended.err().unwrap_or(Lost::Ended),
    }
}
