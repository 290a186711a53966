//! One router's connection: bytes in, news out. Reading stops while news wait or the router is too
//! fast; TCP then makes the router stop, too.

use std::{io, net::IpAddr, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{BmpConfig, place::Place};
use crate::feeds::sender::{Closed, FeedSender};
use nearcast_bgp::{
    bmp::{
        frame::{self, FrameError, MESSAGE_BYTES_MAX},
        session::{BmpSession, Broken, Heard},
    },
    feed::{BATCH_MAX, Feed, FeedKind, News, Tally, Told},
    rib::SessionId,
};

/// Buffer space for one read.
const READ_BYTES: usize = 64 << 10;

/// Time limit for a router's first message.
const INITIATION_WITHIN: Duration = Duration::from_secs(10);

/// Time limit for the first peer or route. Routers report one at once; a client that only wants to
/// occupy a place does not. A named router is exempt: its place is reserved, and it may have lost
/// its last peer.
const PEERS_WITHIN: Duration = Duration::from_secs(60);

/// Time limit for the rest of a message that has begun. Between messages a router may be silent for
/// days.
const MESSAGE_WITHIN: Duration = Duration::from_secs(60);

/// How a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("it closed the connection")]
    Closed,
    #[error("it ended the session")]
    Termination,
    #[error("the connection broke: {0}")]
    Connection(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("it sent no initiation within {} s", INITIATION_WITHIN.as_secs())]
    Silent,
    #[error("a message was begun, and not finished within {} s", MESSAGE_WITHIN.as_secs())]
    Stalled,
    #[error("it told of no peer and no route within {} s", PEERS_WITHIN.as_secs())]
    Idle,
    #[error("it told of no peer yet, and its place was needed")]
    Replaced,
    #[error("we stop")]
    Stopped,
}

impl From<Closed> for Ended {
    fn from(_: Closed) -> Ended {
        Ended::Stopped
    }
}

impl Ended {
    /// Whether the router is to blame: it speaks another protocol, or is malicious.
    pub(super) fn is_fault(&self) -> bool {
        matches!(self, Ended::Frame(_) | Ended::Broken(_) | Ended::Silent | Ended::Stalled | Ended::Idle)
    }
}

/// Later than any deadline.
const FAR: Duration = Duration::from_secs(365 * 86_400);

/// The moment `time` after `at`. If that overflows, a year after `at`.
fn after(at: Instant, time: Duration) -> Instant {
    at.checked_add(time).or_else(|| at.checked_add(FAR)).unwrap_or(at)
}

/// A rate limit in bytes a second, with a burst of one second.
#[derive(Debug)]
struct Pace {
    bytes_per_second: f64,
    /// When the rate has paid for all bytes read so far.
    paid_at: Instant,
}

impl Pace {
    fn new(bytes_per_second: u64, now: Instant) -> Pace {
        Pace { bytes_per_second: bytes_per_second.max(1) as f64, paid_at: now }
    }

    /// Charges `bytes` and returns when to read again.
    fn spend(&mut self, now: Instant, bytes: usize) -> Instant {
        let took = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        self.paid_at = after(self.paid_at.max(now), took);
        self.paid_at.checked_sub(Duration::from_secs(1)).unwrap_or(now)
    }
}

/// A connection.
struct Connection<'a> {
    id: SessionId,
    from: IpAddr,
    desk: &'a FeedSender,
    config: &'a BmpConfig,
    /// It may go without reporting a peer for any time.
    may_be_idle: bool,
    session: BmpSession,
    /// The router's name in the log.
    called: String,
    arrived: BytesMut,
    told: Vec<Told>,
    tally_told: Tally,
    began: Instant,
    initiated: bool,
    /// When the current incomplete message began.
    unfinished_since: Option<Instant>,
    /// When it last reported a route. `None` once it has counted as synced.
    unsynced_since: Option<Instant>,
    synced: bool,
}

/// Serves a connection until it ends.
pub(super) async fn serve(
    mut stream: impl AsyncRead + Unpin,
    from: IpAddr,
    id: SessionId,
    desk: &FeedSender,
    config: &BmpConfig,
    (place, stop): (&Place, &CancellationToken),
) -> Ended {
    let now = Instant::now();
    let mut pace = Pace::new(config.bytes_per_second_max, now);
    let mut connection = Connection::new((id, from), desk, config, place.named);
    let run = async {
        loop {
            connection.arrived.reserve(READ_BYTES);
            debug_assert!(connection.arrived.len() <= MESSAGE_BYTES_MAX, "it would be a message");
            let due = connection.due();
            tokio::select! {
                read = stream.read_buf(&mut connection.arrived) => {
                    let read = read?;
                    if read == 0 {
                        return Err(Ended::Closed);
                    }
                    connection.read().await?;
                    if connection.session.has_peers() {
                        place.keep();
                    }
                    sleep_until(pace.spend(Instant::now(), read)).await;
                }
                () = sleep_until(due) => connection.on_due().await?,
            }
        }
    };
    let ended: Result<(), Ended> = tokio::select! {
        ended = run => ended,
        () = stop.cancelled() => Err(Ended::Stopped),
        () = place.taken() => Err(Ended::Replaced),
    };
    ended.err().unwrap_or(Ended::Stopped)
}

impl<'a> Connection<'a> {
    fn new(
        (id, from): (SessionId, IpAddr),
        desk: &'a FeedSender,
        config: &'a BmpConfig,
        may_be_idle: bool,
    ) -> Connection<'a> {
        Connection {
            id,
            from,
            desk,
            config,
            may_be_idle,
            session: BmpSession::default(),
            called: format!("the router at {from}"),
            arrived: BytesMut::new(),
            told: Vec::new(),
            tally_told: Tally::default(),
            began: Instant::now(),
            initiated: false,
            unfinished_since: None,
            unsynced_since: None,
            synced: false,
        }
    }
    /// Handles every complete message that has arrived.
    async fn read(&mut self) -> Result<(), Ended> {
        while let Some(frame) = frame::take(&mut self.arrived)? {
            self.unfinished_since = None;
            #[cfg(test)]
            assert_ne!(frame.kind, nearcast_bgp::bmp::crafted::PANIC, "a test wants to see this");
            let heard = match self.session.handle(&frame, &mut self.told) {
                Ok(heard) => heard,
                Err(broken) => {
                    self.flush().await?;
                    return Err(broken.into());
                }
            };
            self.on_heard(heard).await?;
            for note in self.session.take_notes() {
                tracing::warn!("{}: {note}", self.called);
            }
            if self.told.len() >= BATCH_MAX {
                self.flush().await?;
            }
        }
        if !self.arrived.is_empty() {
            self.unfinished_since.get_or_insert_with(Instant::now);
        }
        self.flush().await
    }

    async fn on_heard(&mut self, heard: Heard) -> Result<(), Ended> {
        match heard {
            Heard::Nothing => {}
            Heard::Route => {
                if !self.synced {
                    self.unsynced_since = Some(Instant::now());
                }
            }
            Heard::Initiation(name) => {
                // A second initiation may only add information.
                if !std::mem::replace(&mut self.initiated, true) {
                    let feed = Feed::new(FeedKind::Bmp, Some(self.from), &name);
                    tracing::info!("{feed} connected");
                    self.called = feed.to_string();
                    self.desk.tell(News::Begun(self.id, feed)).await?;
                }
            }
            Heard::EndOfRib => self.synced().await?,
            Heard::Termination => {
                self.flush().await?;
                return Err(Ended::Termination);
            }
        }
        Ok(())
    }

    /// Notes that the router has reported its whole table, because it says so or because it has
    /// gone quiet.
    async fn synced(&mut self) -> Result<(), Ended> {
        self.unsynced_since = None;
        if std::mem::replace(&mut self.synced, true) {
            return Ok(());
        }
        self.flush().await?;
        Ok(self.desk.tell(News::Synced(self.id)).await?)
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        let tally = self.session.tally();
        if !self.initiated || self.told.is_empty() && tally == self.tally_told {
            return Ok(());
        }
        self.tally_told = tally;
        Ok(self.desk.tell(News::Told(self.id, std::mem::take(&mut self.told), tally)).await?)
    }

    /// Whether the session occupies a place without use.
    fn is_idle(&self) -> bool {
        !self.may_be_idle && !self.session.has_peers()
    }

    /// The next deadline if nothing arrives.
    fn due(&self) -> Instant {
        let far = after(self.began, FAR);
        let initiation = if self.initiated { far } else { after(self.began, INITIATION_WITHIN) };
        let message = self.unfinished_since.map_or(far, |since| after(since, MESSAGE_WITHIN));
        let peers = if self.is_idle() { after(self.began, PEERS_WITHIN) } else { far };
        initiation.min(peers).min(message).min(self.sync_due().unwrap_or(far))
    }

    /// When the session counts as synced without saying so. `None`: no such deadline.
    fn sync_due(&self) -> Option<Instant> {
        let quiet = after(self.unsynced_since?, self.config.quiet);
        Some(quiet.min(after(self.began, self.config.sync_longest)))
    }

    async fn on_due(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        if !self.initiated && now >= after(self.began, INITIATION_WITHIN) {
            return Err(Ended::Silent);
        }
        if self.is_idle() && now >= after(self.began, PEERS_WITHIN) {
            return Err(Ended::Idle);
        }
        if self.unfinished_since.is_some_and(|since| now >= after(since, MESSAGE_WITHIN)) {
            return Err(Ended::Stalled);
        }
        if self.sync_due().is_some_and(|due| now >= due) {
            self.synced().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_router_that_was_named_may_have_no_peers_and_a_stranger_may_not() {
        let (desk, _news) = FeedSender::new();
        let (config, from) = (BmpConfig::default(), IpAddr::from([192, 0, 2, 1]));
        let mut ends = Vec::new();
        for named in [false, true] {
            let mut connection = Connection::new((desk.open(), from), &desk, &config, named);
            connection.initiated = true;
            connection.began -= 2 * PEERS_WITHIN;
            assert_eq!(connection.due() > Instant::now(), named);
            ends.push(connection.on_due().await);
        }
        assert!(matches!(ends[..], [Err(Ended::Idle), Ok(())]), "{ends:?}");
    }

    #[tokio::test]
    async fn a_second_of_bytes_is_free_and_the_rest_is_waited_for() {
        let now = Instant::now();
        let mut pace = Pace::new(1_000, now);
        assert!(pace.spend(now, 1_000) <= now);
        assert_eq!(pace.spend(now, 500), now + Duration::from_millis(500));
        let later = now + Duration::from_secs(60);
        assert!(pace.spend(later, 900) <= later, "what was not used is not saved up");
        assert_eq!(pace.spend(later, 1_100), later + Duration::from_secs(1));
    }
}
