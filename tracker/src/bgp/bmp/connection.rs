//! One router's connection: bytes in, news out. Reading stops while news wait or the router is too quick, and so does the
//! router, by TCP.

use std::{io, net::IpAddr, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    BmpConfig,
    frame::{self, FrameError, MESSAGE_BYTES_MAX},
    place::Place,
    session::{BmpSession, Broken, Heard},
};
use crate::bgp::{
    feed::{BATCH_MAX, Closed, Desk, Feed, FeedKind, News, Tally, Told},
    rib::SessionId,
};

/// Room that is made for what is read at once.
const READ_BYTES: usize = 64 << 10;

/// A router has so long to send its first message.
const INITIATION_WITHIN: Duration = Duration::from_secs(10);

/// And so long to tell of a peer or a route. Routers do at once; who only wants to hold a place does not. One that the operator
/// named has a place anyway, and may have lost its last peer.
const PEERS_WITHIN: Duration = Duration::from_secs(60);

/// A message that was begun has so long to arrive whole. Between messages a router may be silent for days.
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
    /// Whether the router is to blame: it speaks something else, or harm is meant.
    pub(super) fn is_fault(&self) -> bool {
        matches!(self, Ended::Frame(_) | Ended::Broken(_) | Ended::Silent | Ended::Stalled | Ended::Idle)
    }
}

/// Later than anything that is waited for.
const FAR: Duration = Duration::from_secs(365 * 86_400);

/// So long after a moment; if there is no such moment, a year after it.
fn after(at: Instant, time: Duration) -> Instant {
    at.checked_add(time).or_else(|| at.checked_add(FAR)).unwrap_or(at)
}

/// Bytes a second, with a second's worth at once.
#[derive(Debug)]
struct Pace {
    bytes_per_second: f64,
    /// When all that was read so far has been paid for.
    paid_at: Instant,
}

impl Pace {
    fn new(bytes_per_second: u64, now: Instant) -> Pace {
        Pace { bytes_per_second: bytes_per_second.max(1) as f64, paid_at: now }
    }

    /// When to read again.
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
    desk: &'a Desk,
    config: &'a BmpConfig,
    /// It may tell of no peer for as long as it likes.
    may_be_idle: bool,
    session: BmpSession,
    /// How the router is called in the log.
    called: String,
    arrived: BytesMut,
    told: Vec<Told>,
    tally_told: Tally,
    began: Instant,
    initiated: bool,
    /// When the message began that has not arrived whole.
    unfinished_since: Option<Instant>,
    /// When it was last told of a route, until the first quiet moment.
    unsynced_since: Option<Instant>,
    synced: bool,
}

/// Serves a connection until it ends.
pub(super) async fn serve(
    mut stream: impl AsyncRead + Unpin,
    from: IpAddr,
    id: SessionId,
    desk: &Desk,
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
        desk: &'a Desk,
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
    /// Something arrived: every whole message is handled.
    async fn read(&mut self) -> Result<(), Ended> {
        while let Some(frame) = frame::take(&mut self.arrived)? {
            self.unfinished_since = None;
            #[cfg(test)]
            assert_ne!(frame.kind, super::crafted::PANIC, "a test wants to see this");
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
                // A second one may only add information.
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

    /// Everything was told once, by what the router says, or because it has nothing more to say.
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

    /// Whether it holds a place to no purpose.
    fn is_idle(&self) -> bool {
        !self.may_be_idle && !self.session.has_peers()
    }

    /// When something is due although nothing arrives.
    fn due(&self) -> Instant {
        let far = after(self.began, FAR);
        let initiation = if self.initiated { far } else { after(self.began, INITIATION_WITHIN) };
        let message = self.unfinished_since.map_or(far, |since| after(since, MESSAGE_WITHIN));
        let peers = if self.is_idle() { after(self.began, PEERS_WITHIN) } else { far };
        initiation.min(peers).min(message).min(self.sync_due().unwrap_or(far))
    }

    /// When it counts as synced without saying so.
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
        let (desk, _news) = Desk::new();
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
