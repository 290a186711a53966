//! The only owner of the table: it applies news, drops lost sessions, and starts rebuilds of the
//! atlas.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use nearcast_core::atlas::Atlas;
use nearcast_node::repeats::Repeats;
use tokio::{
    sync::{mpsc, watch},
    time::sleep_until,
};
use tokio_util::sync::CancellationToken;

use super::{
    LiveConfig, Phase,
    rebuild::{Done, Rebuild, walk},
    stats::{Board, Kept},
};
use nearcast_bgp::{
    feed::{Feed, News, Tally, Told},
    rib::{Announced, Full, Rib, RibLimits, SessionId, Source},
};

/// Lost sessions that are held; the oldest goes first.
const HELD_MAX: usize = 64;

/// The wait if nothing else is due.
const IDLE: Duration = Duration::from_secs(3_600);

/// The table is gone: a walk through it panicked.
#[derive(Debug)]
struct TableLost;

pub(super) struct Keeper {
    rib: Rib,
    limits: RibLimits,
    hold: Duration,
    rebuild_every: Duration,
    base: Arc<Atlas>,
    news: mpsc::Receiver<News>,
    publish: watch::Sender<Arc<Atlas>>,
    board: Arc<Board>,
    rebuild: Rebuild,
    /// Changes that are neither in the atlas nor in the one being made.
    changed: bool,
    ready: bool,
    refusals: Repeats,
}

impl Keeper {
    pub(super) fn new(
        config: &LiveConfig,
        base: Arc<Atlas>,
        news: mpsc::Receiver<News>,
        publish: watch::Sender<Arc<Atlas>>,
        board: Arc<Board>,
    ) -> Keeper {
        Keeper {
            rib: Rib::new(config.rib),
            limits: config.rib,
            hold: config.hold,
            rebuild_every: config.rebuild_every,
            base,
            news,
            publish,
            board,
            rebuild: Rebuild::default(),
            changed: false,
            ready: false,
            refusals: Repeats::default(),
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            let due = self.due();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(news) = self.news.recv() => self.on_news(news),
                done = self.rebuild.done() => {
                    if let Err(TableLost) = self.on_stage(done).await {
                        tracing::error!("the table of live routes is lost; the last atlas stays as it is until a restart");
                        self.board.lock().is_broken = true;
                        break;
                    }
                }
                () = sleep_until(due.into()) => self.on_due(),
            }
            self.write();
        }
        self.news.close();
        self.rebuild.finish().await;
    }

    /// When there is something to do without news.
    fn due(&self) -> Instant {
        let now = Instant::now();
        let written = self.board.lock();
        let held = written.sessions.values().filter_map(|kept| kept.until).min();
        let rebuild = self.rebuild_due(now);
        held.into_iter().chain(rebuild).min().or_else(|| now.checked_add(IDLE)).unwrap_or(now)
    }

    fn rebuild_due(&self, now: Instant) -> Option<Instant> {
        let wanted = self.changed && self.ready && self.rebuild.is_idle();
        match self.rebuild.began() {
            _ if !wanted => None,
            None => Some(now),
            Some(began) => began.checked_add(self.rebuild_every),
        }
    }

    fn on_due(&mut self) {
        let now = Instant::now();
        let over = |kept: &Kept| kept.until.is_some_and(|until| until <= now);
        let gone: Vec<SessionId> =
            self.board.lock().sessions.iter().filter(|(_, kept)| over(kept)).map(|(id, _)| *id).collect();
        for id in gone {
            self.let_go(id, Gone::StayedAway);
        }
        if self.rebuild_due(now).is_some_and(|due| due <= now) {
            self.changed = false;
            let version = self.next_version();
            self.rebuild.begin(Arc::clone(&self.base), version);
        }
    }

    /// A version newer than the last one, whatever the clock says.
    fn next_version(&self) -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let last = self.publish.borrow().version().max(self.base.version());
        // A base with the highest possible version has no successor.
        now.max(last.saturating_add(1))
    }

    async fn on_stage(&mut self, done: Result<Done, tokio::task::JoinError>) -> Result<(), TableLost> {
        match done {
            Ok(Done::Prepared(builder)) => {
                let rib = std::mem::replace(&mut self.rib, Rib::new(self.limits));
                let (rib, builder) = walk(rib, builder).await.map_err(|_| TableLost)?;
                self.rib = rib;
                self.rebuild.build(builder);
            }
            Ok(Done::Built(atlas)) => {
                let took = self.rebuild.began().map(|began| began.elapsed()).unwrap_or_default();
                tracing::debug!("atlas {} was made of the live table in {took:?}", atlas.version());
                let mut written = self.board.lock();
                written.last_rebuild = Some((Instant::now(), took));
                written.rebuilds = written.rebuilds.saturating_add(1);
                drop(written);
                self.publish.send_replace(atlas);
            }
            Err(error) => tracing::error!("no atlas was made of the live table, the last one stays: {error}"),
        }
        Ok(())
    }

    fn on_news(&mut self, news: News) {
        match news {
            News::Begun(id, feed) => self.on_begun(id, feed),
            News::Told(id, told, tally) => self.on_told(id, &told, tally),
            News::Synced(id) => self.on_synced(id),
            News::Lost(id) => self.on_lost(id),
        }
    }

    fn on_begun(&mut self, id: SessionId, feed: Feed) {
        let mut written = self.board.lock();
        if let Some(kept) = written.sessions.get_mut(&id) {
            kept.phase = Phase::Syncing;
            kept.until = None;
            drop(written);
            self.rib.revive(id);
            self.changed = true;
            return;
        }
        let kept = Kept {
            feed,
            phase: Phase::Syncing,
            until: None,
            began: Instant::now(),
            last_change: None,
            tally: Tally::default(),
            refused: 0,
            routes: 0,
        };
        written.sessions.insert(id, kept);
    }

    fn on_told(&mut self, id: SessionId, told: &[Told], tally: Tally) {
        let (mut changed, mut refused) = (false, 0_u64);
        for told in told {
            match self.apply(id, told) {
                Applied::Changed => changed = true,
                Applied::Same => {}
                Applied::Refused => refused = refused.saturating_add(1),
            }
        }
        if refused > 0 {
            self.say_refused(id, refused);
        }
        let now = Instant::now();
        let mut written = self.board.lock();
        if changed {
            self.changed = true;
            written.last_change = Some(now);
        }
        let Some(kept) = written.sessions.get_mut(&id) else { return };
        kept.tally = tally;
        kept.refused = kept.refused.saturating_add(refused);
        if changed {
            kept.last_change = Some(now);
        }
    }

    fn apply(&mut self, session: SessionId, told: &Told) -> Applied {
        match told {
            Told::Announced { source: number, network, path_id, path } => {
                let source = Source { session, number: *number };
                let mut outcome = self.rib.announce(source, *network, *path_id, path);
                // A connected session goes before a lost one.
                while outcome == Announced::Refused(Full::Table) && self.let_oldest_go(session) {
                    outcome = self.rib.announce(source, *network, *path_id, path);
                }
                match outcome {
                    Announced::New | Announced::Changed => Applied::Changed,
                    Announced::Same => Applied::Same,
                    Announced::Refused(_) => Applied::Refused,
                }
            }
            Told::Withdrawn { source: number, network, path_id } => {
                let source = Source { session, number: *number };
                if self.rib.withdraw(source, *network, *path_id) { Applied::Changed } else { Applied::Same }
            }
            Told::Forgotten { source: number } => {
                let routes = self.rib.forget(Source { session, number: *number });
                if routes > 0 { Applied::Changed } else { Applied::Same }
            }
        }
    }

    fn say_refused(&self, id: SessionId, refused: u64) {
        if let Some(more) = self.refusals.due() {
            let written = self.board.lock();
            let feed =
                written.sessions.get(&id).map_or_else(|| "a feed".into(), |kept| kept.feed.to_string());
            tracing::warn!(
                "there is no room for {refused} routes of {feed}; so it was {more} times before. It may hold {} routes, \
                 and all feeds {}",
                self.limits.routes_per_session_max,
                self.limits.routes_max
            );
        }
    }

    /// Replaces the routes that the same feed reported in an earlier session.
    fn on_synced(&mut self, id: SessionId) {
        let mut written = self.board.lock();
        let Some(kept) = written.sessions.get_mut(&id) else { return };
        kept.phase = Phase::Synced;
        let (feed, Tally { skipped, damaged, .. }) = (kept.feed.clone(), kept.tally);
        written.ready = true;
        self.ready = true;
        let before = |(other, kept): (&SessionId, &Kept)| {
            (*other != id && kept.phase == Phase::Held && kept.feed == feed).then_some(*other)
        };
        let replaced: Vec<SessionId> = written.sessions.iter().filter_map(before).collect();
        drop(written);
        let routes = self.rib.routes_of(id);
        if routes == 0 && skipped.saturating_add(damaged) > 0 {
            tracing::warn!(
                "{feed} has told all it knows, and no route comes of it: {skipped} were of no use (peers that it did not tell \
                 of, other address families, paths without an origin), and {damaged} messages could not be read"
            );
        } else {
            tracing::info!("{feed} has told all it knows: {routes} routes");
        }
        for other in replaced {
            self.let_go(other, Gone::CameBack);
        }
    }

    fn on_lost(&mut self, id: SessionId) {
        let routes = self.rib.routes_of(id);
        let mut written = self.board.lock();
        let Some(kept) = written.sessions.get(&id) else { return };
        let newer = |(other, of): (&SessionId, &Kept)| {
            *other > id && of.phase == Phase::Synced && of.feed == kept.feed
        };
        if routes == 0 || written.sessions.iter().any(newer) {
            drop(written);
            self.let_go(id, Gone::Superseded);
            return;
        }
        let Some(kept) = written.sessions.get_mut(&id) else { return };
        kept.phase = Phase::Held;
        kept.until = Instant::now().checked_add(self.hold);
        let held = written.sessions.values().filter(|kept| kept.phase == Phase::Held).count();
        drop(written);
        self.rib.age(id);
        self.changed = true;
        if held > HELD_MAX {
            self.let_oldest_go(id);
        }
    }

    /// Drops the held session that was lost first. Returns whether there was one besides `except`.
    fn let_oldest_go(&mut self, except: SessionId) -> bool {
        let written = self.board.lock();
        let held = written.sessions.iter().filter_map(|(id, kept)| Some((kept.until?, *id)));
        let oldest = held.filter(|(_, id)| *id != except).min();
        drop(written);
        let Some((_, id)) = oldest else { return false };
        self.let_go(id, Gone::NoRoom);
        true
    }

    fn let_go(&mut self, id: SessionId, why: Gone) {
        let mut written = self.board.lock();
        let Some(kept) = written.sessions.remove(&id) else { return };
        written.past.entry(kept.feed.kind).or_default().add(&kept.tally);
        drop(written);
        let routes = self.rib.forget_session(id);
        if routes > 0 {
            self.changed = true;
            tracing::info!("{}", why.sentence(&kept.feed, routes));
        }
    }

    /// Publishes the current figures.
    fn write(&self) {
        let mut written = self.board.lock();
        written.rib = self.rib.counts();
        written.is_behind = self.changed || !self.rebuild.is_idle();
        for (id, kept) in &mut written.sessions {
            kept.routes = self.rib.routes_of(*id);
        }
    }
}

/// Why the routes of a session no longer count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// The same feed has synced in another session.
    CameBack,
    /// The hold time is over.
    StayedAway,
    /// Others needed its room.
    NoRoom,
    /// A newer session of the feed is already there, or the lost one had no routes.
    Superseded,
}

impl Gone {
    fn sentence(self, feed: &Feed, routes: usize) -> String {
        let they = if routes == 1 { "the 1 route".to_owned() } else { format!("the {routes} routes") };
        match self {
            Gone::CameBack => {
                format!("{feed} is back: what it tells now replaces {they} held from its earlier session")
            }
            Gone::StayedAway => format!("{feed} did not come back in time: {they} held from it are dropped"),
            Gone::NoRoom => {
                format!("{they} held from {feed}, which is away, are dropped to make room for others")
            }
            Gone::Superseded => {
                format!("an earlier session of {feed} is over: what its newer one told replaces {they} of it")
            }
        }
    }
}

/// The effect of a route change.
enum Applied {
    Changed,
    Same,
    Refused,
}
