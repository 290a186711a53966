//! Links: how they begin, what comes over them, how they end.
//!
//! Both sides may open a link at the same moment. Then the link opened by the smaller peer id
//! stands.

use std::{sync::Arc, time::Duration};

use libp2p::{PeerId, swarm::ConnectionId};
use nearcast_core::{
    id::{ContentKey, PeerKey},
    input::{Event, Neighbour},
    layout::RunIndex,
    manifest::Manifest,
    message::Message,
    outcomes::{Outcome, Role},
    prefix::Prefix,
    rates::Account,
    run_set::RunSet,
    tier::Near,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Driver, Pending, slot_wait::SlotWait};
use crate::{
    budget::Holdings,
    events::LinkId,
    exchange::{
        fetch::{self, ASKS_WAITING_MAX, Fetch, Tools},
        link::{self, FRAMES_WAITING_MAX},
        serve::UploadQueue,
    },
    net::Wire,
    peer_book,
    store::DiskStore,
    wire::{
        control::{Frame, Hello, Said},
        data::Ask,
    },
};

/// For this long, a link we opened is not replaced by a link that the peer opened at the same
/// moment.
const RACE: Duration = Duration::from_secs(10);

/// How long the streams of a link may stay open after the link ends.
const LINGER: Duration = Duration::from_secs(10);

/// A link, or a link being opened.
pub(super) struct Link {
    pub(super) id: LinkId,
    state: State,
}

enum State {
    /// There is no manifest yet, only the connection.
    Bare(ConnectionId),
    /// Our control stream awaits its answer. The hello promised these runs.
    Opening {
        connection: ConnectionId,
        promised: RunSet,
    },
    Up(Box<Up>),
}

/// A link that is up.
pub(super) struct Up {
    pub(super) peer: PeerId,
    connection: ConnectionId,
    /// The buffers that the connection holds. `None`: the connection has ended already.
    held: Option<Arc<Holdings>>,
    pub(super) origin: bool,
    pub(super) near: Near,
    since: Instant,
    /// We opened it.
    ours: bool,
    pub(super) frames: mpsc::Sender<Frame>,
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) uploads: Arc<UploadQueue>,
    /// The peer's data stream is being served.
    pub(super) serving: bool,
    /// Uploads accepted and not yet ended.
    pub(super) uploading: u32,
    pub(super) cancel: CancellationToken,
    pub(super) slot_wait: SlotWait,
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Link {
    pub(super) fn is_over(&self, connection: ConnectionId) -> bool {
        match &self.state {
            State::Bare(other) | State::Opening { connection: other, .. } => *other == connection,
            State::Up(up) => up.connection == connection,
        }
    }

    pub(super) fn has_sent_everything(&self) -> bool {
        self.up().is_none_or(|up| up.uploading == 0)
    }

    pub(super) fn up(&self) -> Option<&Up> {
        if let State::Up(up) = &self.state { Some(up) } else { None }
    }

    pub(super) fn up_mut(&mut self) -> Option<&mut Up> {
        if let State::Up(up) = &mut self.state { Some(up) } else { None }
    }
}

impl Up {
    /// Notes a run given or taken: the connection is worth its place.
    pub(super) fn note_worth(&self) {
        if let Some(held) = &self.held {
            held.note_worth();
        }
    }
}

impl Driver {
    pub(super) fn new_link_id(&mut self, content: ContentKey, peer: PeerKey) -> LinkId {
        self.next_generation = self.next_generation.wrapping_add(1);
        LinkId { content, peer, generation: self.next_generation }
    }

    /// The link that a task's event is about. `None`: the link is no longer the same.
    pub(super) fn link(&mut self, id: LinkId) -> Option<&mut Up> {
        let link = self.links.get_mut(&(id.content, id.peer)).filter(|link| link.id == id)?;
        link.up_mut()
    }

    fn hello(&self, content: &super::Content, have: &RunSet) -> Hello {
        let (tcp_port, udp_port) = self.ports();
        let hello = Hello {
            content: content.id.0.to_vec(),
            origin: self.parts.config.origin,
            directory: self.is_directory_of(&content.id),
            tcp_port,
            udp_port,
            ..Hello::default()
        };
        hello.with_have(have)
    }

    /// The runs we hold of a content. `None`: the content is not ready for exchange, or is paused.
    fn ours(&self, content: ContentKey) -> Option<RunSet> {
        self.engine.swarm(content).filter(|swarm| !swarm.is_paused())?.have().cloned()
    }

    /// Opens a control stream to a connected peer, to make a link.
    pub(super) fn open_link(&mut self, key: ContentKey, peer: PeerKey) {
        let connected = self.peers.get(peer).and_then(|known| Some((known.id?, known.connection()?.id)));
        let (Some((peer_id, connection)), Some(content)) = (connected, self.contents.get(&key)) else {
            return self.input(key, Event::DialFailed { peer });
        };
        if self.links.contains_key(&(key, peer)) {
            return;
        }
        let Some(have) = self.ours(key) else {
            let link = Link { id: self.new_link_id(key, peer), state: State::Bare(connection) };
            self.links.insert((key, peer), link);
            let about = Neighbour {
                near: self.near(peer),
                origin: false,
                directory: false,
                manifest: true,
                web_seed: false,
            };
            return self.input(key, Event::Linked { peer, about });
        };
        let hello = (self.hello(content, &have), have.runs());
        let id = self.new_link_id(key, peer);
        let state = State::Opening { connection, promised: have };
        self.links.insert((key, peer), Link { id, state });
        let (network, events) = (self.parts.network.clone(), self.services.events.clone());
        self.parts.tasks.spawn(link::open(network, id, peer_id, connection, hello, events));
    }

    pub(super) fn on_link_failed(&mut self, id: LinkId, reason: &str) {
        if self.links.get(&(id.content, id.peer)).is_some_and(|link| link.id == id) {
            self.links.remove(&(id.content, id.peer));
            self.on_no_link(id, reason);
        }
    }

    /// Reports that a link we wanted was not made.
    fn on_no_link(&mut self, id: LinkId, reason: &str) {
        self.note_outcome(id.content, (Role::Peer, id.peer), Outcome::Reached(reason.to_owned()));
        self.input(id.content, Event::DialFailed { peer: id.peer });
    }

    pub(super) fn on_link_opened(&mut self, id: LinkId, hello: &Hello, stream: Wire) {
        let at = (id.content, id.peer);
        let opening = self.links.get(&at).filter(|link| link.id == id).map(|link| &link.state);
        let Some(State::Opening { connection, promised }) = opening else { return };
        let (connection, promised) = (*connection, promised.clone());
        self.links.remove(&at);
        let wanted = self.contents.get(&id.content).map(|content| content.id);
        if hello.content().ok() != wanted {
            return self.on_no_link(id, "it answers for another content");
        }
        if let Err(reason) = self.bring_up(id, connection, hello, None, stream, true) {
            return self.on_no_link(id, reason);
        }
        // Runs that arrived while the hello was under way were announced to the other links only.
        let news = self.ours(id.content).map(|have| {
            let new = have.iter().filter(|&run| !promised.contains(run));
            new.collect::<Vec<RunIndex>>()
        });
        if let Some(news) = news.filter(|news| !news.is_empty()) {
            self.tell(id.content, id.peer, Message::Have(news));
        }
    }

    pub(super) fn on_link_offered(
        &mut self,
        peer_id: PeerId,
        connection: ConnectionId,
        hello: &Hello,
        stream: Wire,
    ) {
        let content = hello.content().ok().and_then(|id| self.by_id.get(&id).copied());
        let known = content.and_then(|key| Some((key, self.contents.get(&key)?, self.ours(key)?)));
        let (Some((key, content, have)), false) = (known, self.closing.is_some()) else {
            self.parts.tasks.spawn(link::refuse(stream));
            return;
        };
        let answer = self.hello(content, &have);
        let peer = self.peers.key_of(peer_id);
        if !self.gives_way(key, peer, peer_id, connection) {
            self.parts.tasks.spawn(link::refuse(stream));
            return;
        }
        let id = self.new_link_id(key, peer);
        if let Err(reason) = self.bring_up(id, connection, hello, Some(answer), stream, false) {
            tracing::debug!(peer = %peer_id, reason, "an offered link was refused");
            // The offered link may have replaced one being opened, which reports nothing more.
            self.input(key, Event::DialFailed { peer });
        }
    }

    /// Whether an offered link may replace the existing link with this peer. If so, the existing
    /// link is ended.
    fn gives_way(
        &mut self,
        content: ContentKey,
        peer: PeerKey,
        id: PeerId,
        connection: ConnectionId,
    ) -> bool {
        let ours_stands = self.parts.network.local_peer() < id;
        let Some(link) = self.links.get(&(content, peer)) else { return true };
        match &link.state {
            State::Bare(_) => false,
            State::Opening { .. } if ours_stands => false,
            State::Opening { .. } => {
                self.links.remove(&(content, peer));
                true
            }
            // A second link on the same connection has no purpose.
            State::Up(up) if up.connection == connection => false,
            State::Up(up) if up.ours && ours_stands && up.since.elapsed() < RACE => false,
            State::Up(_) => {
                self.on_link_gone(content, peer, "the peer opened another link");
                true
            }
        }
    }

    fn bring_up(
        &mut self,
        id: LinkId,
        connection: ConnectionId,
        hello: &Hello,
        answer: Option<Hello>,
        stream: Wire,
        ours: bool,
    ) -> Result<(), &'static str> {
        let (key, peer) = (id.content, id.peer);
        let content = self.contents.get(&key).ok_or("the content was left")?;
        let (Some(manifest), Some(store)) = (content.manifest.clone(), content.store.clone()) else {
            return Err("the content is not open yet");
        };
        let theirs = hello.have_map(manifest.layout().runs()).map_err(|_| "its have-map has another size")?;
        let peer_id = self.peers.get(peer).and_then(|known| known.id).ok_or("the connection is gone")?;
        let (content_id, near) = (content.id, self.near(peer));
        let asks_directories = content.asks_directories();
        self.peers.set_ports(peer, hello.tcp_port, hello.udp_port);
        self.peers.learn_claimed(peer);

        let (frames, frame_queue) = mpsc::channel(FRAMES_WAITING_MAX);
        let (asks, ask_queue) = mpsc::channel(ASKS_WAITING_MAX);
        let cancel = CancellationToken::new();
        let tools = self.tools(id, content, manifest, store);
        let held = self.parts.network.budget().of(connection);
        if let Some(held) = &held {
            held.note_use();
        }
        let (told, until) = (self.services.events.clone(), cancel.clone());
        self.parts.tasks.spawn(link::run(id, stream, answer, frame_queue, held.clone(), told, until));
        let fetch = Fetch {
            link: id,
            network: self.parts.network.clone(),
            peer: peer_id,
            connection,
            content: content_id,
            from_origin: hello.origin,
            tools,
        };
        self.parts.tasks.spawn(fetch::run(fetch, ask_queue, cancel.clone()));
        let up = Up {
            peer: peer_id,
            connection,
            held,
            origin: hello.origin,
            near,
            since: Instant::now(),
            ours,
            frames,
            asks,
            uploads: Arc::default(),
            serving: false,
            uploading: 0,
            cancel,
            slot_wait: SlotWait::default(),
            received: 0,
            sent: 0,
        };
        self.links.insert((key, peer), Link { id, state: State::Up(Box::new(up)) });
        self.maps.0.insert((key, peer), theirs);
        let directory = hello.directory && asks_directories && !self.asks_by_another_name(key, peer);
        let about = Neighbour { near, origin: hello.origin, directory, manifest: true, web_seed: false };
        self.input(key, Event::Linked { peer, about });
        self.tell_round_trip(key, peer);
        Ok(())
    }

    /// What the runs that come over a link are received and stored with.
    fn tools(
        &self,
        link: LinkId,
        content: &super::Content,
        manifest: Arc<Manifest>,
        store: Arc<DiskStore>,
    ) -> Tools {
        let (services, parts) = (&self.services, &self.parts);
        Tools {
            manifest,
            store,
            workers: parts.workers.clone(),
            down: services.down.clone(),
            account: self.account(link),
            arrived: content.arrived(),
            buffers: services.buffers.clone(),
            in_hand: services.in_hand.clone(),
            events: services.events.clone(),
            tasks: parts.tasks.clone(),
        }
    }

    /// Whether the engine asks this peer as a directory already, under the key of an address.
    fn asks_by_another_name(&self, content: ContentKey, peer: PeerKey) -> bool {
        let is_asked = |name| self.engine.swarm(content).is_some_and(|swarm| swarm.asks(name));
        self.peers.names_of(peer).any(is_asked)
    }

    /// The account that the bytes of a link are charged to.
    pub(super) fn account(&self, link: LinkId) -> Account {
        let ip = self.peers.get(link.peer).and_then(peer_book::Known::ip);
        Account { content: link.content, peer: link.peer, prefix: ip.map(Prefix::of) }
    }

    pub(super) fn on_link_closed(&mut self, id: LinkId, reason: &str, stalled: bool) {
        let Some(connection) = self.link(id).map(|up| up.connection) else { return };
        self.on_link_gone(id.content, id.peer, reason);
        if stalled {
            // The cause of the stall may not affect another connection.
            self.parts.network.close(connection);
        }
    }

    /// Ends a link for a reason other than the engine's decision.
    pub(super) fn on_link_gone(&mut self, content: ContentKey, peer: PeerKey, reason: &str) {
        tracing::debug!(content = content.0, peer = peer.0, reason, "a link ended");
        let Some(link) = self.links.get(&(content, peer)) else { return };
        let (event, outcome) = match link.state {
            State::Opening { .. } => (Event::DialFailed { peer }, Outcome::Unreached(reason.to_owned())),
            State::Bare(_) | State::Up(_) => (Event::Unlinked { peer }, Outcome::Reached(reason.to_owned())),
        };
        self.note_outcome(content, (Role::Peer, peer), outcome);
        self.input(content, event);
        self.cut(content, peer, None);
        // The engine needs the have-map while it handles the event.
        self.take_turn(Pending::Unmap(content, peer));
    }

    /// Ends a link because the peer broke the protocol.
    pub(super) fn on_breach(&mut self, content: ContentKey, peer: PeerKey, reason: &str) {
        self.blame(peer);
        self.on_link_gone(content, peer, reason);
    }

    /// Lets newcomers take the place of a connection at once if it carries no other link. Otherwise
    /// a peer that is refused and keeps coming back would hold every place.
    fn note_link_over(&self, peer: PeerKey, ended: &Up) {
        let is_used = |content: &ContentKey| {
            let link = self.links.get(&(*content, peer)).map(|link| &link.state);
            matches!(link, Some(State::Up(up)) if up.connection == ended.connection)
        };
        if let Some(held) = ended.held.as_ref().filter(|_| !self.contents.keys().any(is_used)) {
            held.note_over();
        }
    }

    /// Ends the tasks of a link. `goodbye`: the reason told to the peer first.
    pub(super) fn take_down(&mut self, content: ContentKey, peer: PeerKey, goodbye: Option<u32>) {
        self.maps.0.remove(&(content, peer));
        self.cut(content, peer, goodbye);
    }

    /// The same, while the engine still needs the peer's have-map.
    fn cut(&mut self, content: ContentKey, peer: PeerKey, goodbye: Option<u32>) {
        let Some(Link { state: State::Up(up), .. }) = self.links.remove(&(content, peer)) else { return };
        self.note_link_over(peer, &up);
        let ended = goodbye.map(|why| up.frames.try_send(Frame { said: Some(Said::Goodbye(why)) }));
        if !matches!(ended, Some(Ok(()))) {
            up.cancel.cancel();
        }
        // With a goodbye, the tasks end once they have drained their queues, which are dropped
        // here. A peer that keeps the streams open after that is cut off.
        let (cancel, stop) = (up.cancel.clone(), self.services.stop.clone());
        self.parts.tasks.spawn(async move {
            let _ = timeout(LINGER, stop.cancelled()).await;
            cancel.cancel();
        });
        for run in up.uploads.clear() {
            self.input(content, Event::UploadEnded { peer, run, bytes: 0 });
        }
    }
}
