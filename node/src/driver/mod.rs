//! The driver: the loop around the engine, and the only clock.
//!
//! The driver decides nothing. Events of the network, events of tasks, and commands become input of
//! the engine. Tasks carry out the engine's output. The driver never waits: a full queue ends the
//! link that it belongs to, and the bytes of runs never pass through here.

mod acts;
mod clock;
mod commands;
mod content;
mod contents;
mod discovery;
mod ending;
mod fetch_state;
mod full_disk;
mod giving;
mod lan;
mod link;
mod links;
mod listing;
mod messages;
mod network;
mod once;
mod outcomes;
mod owner;
pub(crate) mod pilot;
mod rate;
mod readers;
mod report;
mod round_trips;
mod slot_wait;
mod slow;
mod storing;
mod transfers;
mod view;
mod web_seeds;
mod wish;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::File,
    sync::Arc,
    time::Duration,
};

use libp2p::Multiaddr;
use nearcast_core::{
    atlas::Atlas,
    config::Config,
    id::{ContentId, ContentKey, PeerKey},
    input::{Event, Input},
    locality::Locality,
    output::Output,
    saturate::to_u16,
    time::Timestamp,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    acts::tell_owner,
    clock::Clock,
    content::Content,
    discovery::Questions,
    links::Link,
    network::Errand,
    once::Once,
    pilot::Pilot,
    rate::Rates,
    view::{Maps, NodeView},
};
use crate::{
    atlas_offers::AtlasOffers,
    command::Command,
    config::NodeConfig,
    dial_back::DialBack,
    directory::Directory,
    durations::Measured,
    events::{Events, TaskEvent, report},
    exchange::{Buffers, Gate, Known, serve::READ_AHEAD_MAX},
    lan::LanBook,
    limit::Limiter,
    nearness::{Nearness, Outlook},
    net::{InboundStream, NetEvent, Network},
    open_files::Budget,
    peer_book::{self, PeerBook},
    pulse::Pulse,
    referrals::Referrals,
    repeats::Repeats,
    store::Workers,
    totals::Totals,
    vital::Vital,
    web_seed,
};

/// Task events queued for the driver. A task waits while the queue is full.
const EVENTS_WAITING_MAX: usize = 1024;
/// Task events handled at once, before other events get their turn.
const EVENTS_AT_ONCE_MAX: usize = 64;
/// Runs being hashed or written, over all links: 4 MiB of whole runs, enough to keep every disk
/// thread busy.
const RUNS_IN_HAND_MAX: usize = 16;
/// The interval at which progress is reported and disks are checked.
const HOUSEKEEPING: Duration = Duration::from_millis(100);
/// How long saving may take when no handle of the node is left.
const SAVE_MAX: Duration = Duration::from_secs(30);
/// The loop runs at least this often, whatever the engine waits for.
const ROUND: Duration = Duration::from_secs(60);

/// The parts that a driver is built from.
pub(crate) struct DriverParts {
    pub(crate) config: NodeConfig,
    pub(crate) policy: Config,
    pub(crate) budget: Budget,
    pub(crate) seed: u64,
    pub(crate) pulse: Pulse,
    pub(crate) measured: Measured,
    pub(crate) vital: Vital,
    /// The driver takes it.
    pub(crate) nearness: Option<Nearness>,
    /// Taken by the driver: what turns of the engine are written to.
    pub(crate) flight: Option<File>,
    pub(crate) network: Network,
    /// The directory that this node runs. `None`: this node is no directory.
    pub(crate) directory: Option<Directory>,
    pub(crate) referrals: Option<Referrals>,
    /// Directories that are told what we serve.
    pub(crate) trackers: Vec<Multiaddr>,
    pub(crate) atlas_offers: watch::Sender<AtlasOffers>,
    pub(crate) net_events: mpsc::Receiver<NetEvent>,
    pub(crate) inbound: mpsc::Receiver<InboundStream>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) totals: watch::Sender<Totals>,
    pub(crate) workers: Workers,
    pub(crate) tasks: TaskTracker,
}

/// The shutdown in progress.
struct Closing {
    deadline: Instant,
    /// Data not saved by this time is not saved.
    until: Instant,
    reply: Option<oneshot::Sender<()>>,
}

/// The loop's state.
pub(crate) struct Driver {
    parts: DriverParts,
    engine: Pilot,
    maps: Maps,
    peers: PeerBook,
    nearness: Nearness,
    /// Directories that are told what we share.
    trackers: Vec<PeerKey>,
    /// The open question streams, by directory.
    questions: BTreeMap<PeerKey, Questions>,
    atlas_offers: watch::Sender<AtlasOffers>,
    contents: BTreeMap<ContentKey, Content>,
    by_id: BTreeMap<ContentId, ContentKey>,
    links: BTreeMap<(ContentKey, PeerKey), Link>,
    /// Work that waits for a connection to a peer being dialled.
    errands: BTreeMap<PeerKey, Vec<Errand>>,
    /// What waits for its turn.
    pending: VecDeque<Pending>,
    /// A turn is being taken.
    in_turn: bool,
    /// The outputs of one turn. Kept, so that no turn allocates.
    outputs: Vec<Output>,
    lan: LanBook,
    services: Services,
    queue: mpsc::Receiver<TaskEvent>,
    totals: Totals,
    rates: Rates,
    once: Once,
    /// Contents that the next round looks at: those in which something happened, and downloads that
    /// are not at rest.
    awake: BTreeSet<ContentKey>,
    clock: Clock,
    next_key: u32,
    next_generation: u32,
    closing: Option<Closing>,
    banned_said: Repeats,
    unreadable_said: Repeats,
}

/// What is done in turn.
enum Pending {
    /// The engine is told something, and what it wants is done.
    Tell(Input),
    /// A link is over for the engine, too: the have-map of the peer goes.
    Unmap(ContentKey, PeerKey),
    /// The engine has left a content: the content goes.
    Forget(ContentKey),
}

/// Why the loop runs a turn.
enum Happened {
    Net(NetEvent),
    Inbound(InboundStream),
    Command(Option<Command>),
    /// Tasks have sent events.
    Told,
    /// The engine's next timeout has come.
    Due,
    /// Time for housekeeping.
    Round,
}

/// What tasks share.
#[derive(Clone)]
struct Services {
    events: Events,
    known: Known,
    up: Limiter,
    down: Limiter,
    gate: Gate,
    buffers: Buffers,
    in_hand: Arc<Semaphore>,
    ahead: Arc<Semaphore>,
    web: web_seed::Budget,
    dial_back: DialBack,
    /// Cancelled when the node ends: then nothing waits any longer for peers to close their
    /// streams.
    stop: CancellationToken,
}

impl Driver {
    pub(crate) fn new(mut parts: DriverParts) -> Driver {
        let mut peers = PeerBook::new(parts.seed.rotate_left(24));
        let trackers = parts.trackers.iter().map(|address| peers.key_at(address)).collect();
        let nearness = parts.nearness.take().unwrap_or_default();
        let surroundings = nearness.surroundings().clone();
        let now = Instant::now();
        let (events, queue) = mpsc::channel(EVENTS_WAITING_MAX);
        let stop = CancellationToken::new();
        Driver {
            engine: Pilot::new(&parts.policy, parts.seed, parts.flight.take()),
            maps: Maps::default(),
            peers,
            trackers,
            nearness,
            questions: BTreeMap::new(),
            atlas_offers: parts.atlas_offers.clone(),
            contents: BTreeMap::new(),
            by_id: BTreeMap::new(),
            links: BTreeMap::new(),
            errands: BTreeMap::new(),
            pending: VecDeque::new(),
            in_turn: false,
            outputs: Vec::new(),
            lan: LanBook::default(),
            services: Services {
                events,
                known: Known::default(),
                up: Limiter::new(parts.config.limits_up(), parts.tasks.clone(), parts.vital.clone()),
                down: Limiter::new(parts.config.limits_down(), parts.tasks.clone(), parts.vital.clone()),
                gate: Gate::new(parts.policy.upload.together_min, to_u16(parts.policy.upload.slots_total)),
                buffers: Buffers::default(),
                in_hand: Arc::new(Semaphore::new(RUNS_IN_HAND_MAX)),
                ahead: Arc::new(Semaphore::new(READ_AHEAD_MAX)),
                web: web_seed::Budget::new(surroundings, parts.config.proxies.clone()),
                dial_back: DialBack::new(parts.tasks.clone(), stop.clone()),
                stop,
            },
            queue,
            totals: Totals::default(),
            rates: Rates::new(now),
            once: Once::default(),
            awake: BTreeSet::new(),
            clock: Clock::new(now),
            next_key: 0,
            next_generation: 0,
            closing: None,
            banned_said: Repeats::default(),
            unreadable_said: Repeats::default(),
            parts,
        }
    }

    /// Runs the loop until the node is told to end.
    pub(crate) async fn run(mut self) {
        self.locate();
        self.start_lan();
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE_MAX);
        loop {
            let wake = self.wake_at();
            let happened = tokio::select! {
                Some(event) = self.parts.net_events.recv() => Happened::Net(event),
                Some(inbound) = self.parts.inbound.recv() => Happened::Inbound(inbound),
                command = self.parts.commands.recv(), if self.closing.is_none() => Happened::Command(command),
                _ = self.queue.recv_many(&mut events, EVENTS_AT_ONCE_MAX) => Happened::Told,
                () = sleep_until(wake) => Happened::Due,
                _ = housekeeping.tick() => Happened::Round,
            };
            if let Some(lost) = self.clock.look(Instant::now()) {
                tracing::info!(seconds = lost.as_secs(), "goes on after it was stopped");
            }
            match happened {
                Happened::Net(event) => self.on_net_event(event),
                Happened::Inbound(inbound) => self.on_inbound(inbound),
                Happened::Command(Some(command)) => self.on_command(command),
                // All handles of the node are gone, so no further command can come.
                Happened::Command(None) => self.close(Duration::ZERO, Instant::now() + SAVE_MAX, None),
                Happened::Told => events.drain(..).for_each(|event| self.on_task_event(event)),
                Happened::Due => self.wake(),
                Happened::Round => self.keep_house(),
            }
            if self.is_done() {
                break;
            }
        }
        self.end().await;
    }

    fn now(&self) -> Timestamp {
        self.clock.timestamp(Instant::now())
    }

    fn wake_at(&self) -> Instant {
        match self.engine.poll_timeout() {
            Some((at, _)) => self.clock.instant(at),
            // The engine waits for no time. Any input comes sooner.
            None => Instant::now() + ROUND,
        }
    }

    fn wake(&mut self) {
        self.handle(Input::Woken);
    }

    /// Gives the engine an event of a content.
    fn input(&mut self, content: ContentKey, event: Event) {
        self.stir(content);
        self.handle(Input::Event { content, event });
    }

    fn handle(&mut self, input: Input) {
        self.take_turn(Pending::Tell(input));
    }

    /// Does what is due, after everything that was due before. Doing what the engine wants may make
    /// more due: that waits until all outputs of the turn are done. So the engine is never called
    /// from within itself, and outputs are done in the order in which it gave them.
    fn take_turn(&mut self, due: Pending) {
        self.pending.push_back(due);
        if std::mem::replace(&mut self.in_turn, true) {
            return;
        }
        while let Some(due) = self.pending.pop_front() {
            match due {
                Pending::Tell(input) => self.tell_engine(input),
                Pending::Unmap(content, peer) => _ = self.maps.0.remove(&(content, peer)),
                Pending::Forget(content) => self.forget(content),
            }
        }
        self.in_turn = false;
    }

    fn tell_engine(&mut self, input: Input) {
        let mut outputs = std::mem::take(&mut self.outputs);
        let view = NodeView { maps: &self.maps, peers: &self.peers, nearness: &self.nearness };
        self.engine.handle(self.clock.timestamp(Instant::now()), input, &view, &mut outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Ban { peer } => self.ban(peer),
                Output::Action { content, action } => self.act(content, action),
            }
        }
        self.outputs = outputs;
    }

    /// Tells the engine where we are, and looks up again where the neighbours are.
    fn locate(&mut self) {
        let tag = peer_book::tag(&self.parts.network.local_peer());
        self.handle(Input::Located(Locality { asn: self.nearness.our_asn(), tag }));
        let places: Vec<_> = self.links.keys().map(|&(_, peer)| self.near(peer)).collect();
        for (link, near) in self.links.values_mut().zip(places) {
            if let Some(up) = link.up_mut() {
                up.near = near;
            }
        }
    }

    /// Computes distances by an atlas, on a blocking thread.
    fn look_around(&self, atlas: Arc<Atlas>) {
        let (ours, events) = (self.nearness.ours().to_vec(), self.services.events.clone());
        let outlook =
            self.parts.vital.blocking("What finds out where we are", move || Outlook::new(atlas, &ours));
        self.parts.tasks.spawn(async move {
            if let Some(outlook) = outlook.await {
                report(&events, TaskEvent::LookedAround(Box::new(outlook))).await;
            }
        });
    }

    /// Begins the shutdown. Runs being sent are finished; runs that only wait to be sent are
    /// refused.
    fn close(&mut self, grace: Duration, until: Instant, reply: Option<oneshot::Sender<()>>) {
        self.closing = Some(Closing { deadline: Instant::now() + grace, until, reply });
        for (content, peer) in self.links.keys().copied().collect::<Vec<_>>() {
            self.refuse_waiting(content, peer);
        }
    }

    /// Whether the shutdown was asked for and is due: no peer waits for a run, or the grace is
    /// over.
    fn is_done(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| {
            Instant::now() >= closing.deadline || self.links.values().all(Link::has_sent_everything)
        })
    }

    /// Saves what was received, says goodbye, and lets the tasks end.
    async fn end(mut self) {
        self.services.stop.cancel();
        let until = self.closing.as_ref().map_or_else(Instant::now, |closing| closing.until);
        for content in self.contents.keys().copied().collect::<Vec<_>>() {
            if timeout_at(until, self.save(content)).await.is_err() {
                let name = self.contents.get(&content).map(|content| content.id.to_string());
                tracing::warn!(
                    content = name,
                    "what was received last is not saved, as the disk does not answer; it is looked at next time"
                );
            }
            self.leave(content);
        }
        self.finish_questions().await;
        if let Some(reply) = self.closing.take().and_then(|closing| closing.reply) {
            tell_owner(reply, ());
        }
        // The queue closes when `self` is dropped here; tasks that still send events find it
        // closed.
    }

    /// The ports that we claim to listen on: TCP, then UDP. 0: none.
    fn ports(&self) -> (u32, u32) {
        peer_book::ports(&self.parts.network.listen_addresses())
    }
}
