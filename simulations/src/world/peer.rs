//! One peer of the world: its engine, what it holds and told, and its links.

use std::collections::VecDeque;

use nearcast_core::{
    engine::Engine,
    held::Held,
    id::{ContentKey, PeerKey, RequestId, UploadId},
    layout::RunIndex,
    output::{GiveUp, Why},
    run_set::RunSet,
    stats::Traffic,
    time::Timestamp,
};

use super::{
    downlink::Downlink,
    role::{Role, Tells},
    schemers::Bargains,
    uplink::Uplink,
    viewing::Player,
};

/// Requests that an actor makes of its own accord have numbers from here on; no engine reaches
/// these.
const SIPS_FROM: u32 = 1 << 31;

/// One end of a link, from when its peer is told of it until that peer is told of its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// The peer at the other end.
    pub(super) peer: PeerKey,
    /// Tells this link from earlier ones between the same peers.
    pub(super) number: u32,
    /// How much of the other peer's log this end has heard.
    pub(super) heard: u32,
    /// Requests to the other peer that have had no answer.
    pub(super) open: u16,
}

/// What is left of a peer that has gone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parted {
    pub(super) traffic: Traffic,
    pub(super) wasted: u64,
}

/// What becomes of a peer in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not joined yet.
    Before,
    /// It takes part.
    There,
    /// It left, or its machine lost power.
    Gone,
}

pub(super) struct Peer {
    pub(super) engine: Engine,
    pub(super) role: Box<Role>,
    pub(super) have: RunSet,
    /// What it tells, where that is not what it holds.
    told: Option<Box<RunSet>>,
    /// The runs that it gained and tells of, in order.
    log: Vec<RunIndex>,
    /// Sorted by peer.
    pub(super) links: Vec<Link>,
    pub(super) stage: Stage,
    pub(super) uplink: Uplink,
    pub(super) downlink: Downlink,
    /// Upload numbers, and the number that the asker gave each request. Sorted by upload number.
    asked: Vec<(UploadId, RequestId)>,
    next_upload: u32,
    pub(super) completed: Option<Timestamp>,
    pub(super) gave_up: Option<GiveUp>,
    pub(super) wake_at: Option<Timestamp>,
    pub(super) uploaded_bytes: u64,
    /// Payload that came, in bytes.
    pub(super) received_bytes: u64,
    /// It will look what neighbours announced.
    pub(super) pulls: bool,
    /// Requests that have had no answer.
    pub(super) open: u32,
    /// Requests over the border of its AS, the oldest first, and why it made them.
    pub(super) reasons: VecDeque<(RequestId, Why)>,
    /// The number of the next request it makes of its own accord.
    pub(super) next_sip: u32,
    /// What it moved until it went last.
    pub(super) parted: Option<Box<Parted>>,
    /// When it joined.
    pub(super) joined: Timestamp,
    /// When its machine lost power last.
    pub(super) struck_at: Timestamp,
    /// Its machine will be back.
    pub(super) returns: bool,
    /// How often its machine came back.
    pub(super) lives: u8,
    /// Its play, if it is a viewer.
    pub(super) player: Option<Box<Player>>,
    /// What it deals with its neighbours, if it is a BitTyrant.
    pub(super) bargains: Option<Box<Bargains>>,
    /// Peers that it banned. Sorted.
    pub(super) banned: Vec<PeerKey>,
    /// Peers to which it linked of its own accord, ever. Sorted.
    pub(super) dialled: Vec<PeerKey>,
}

impl Peer {
    /// `together`: how many neighbours it sends to at once, at least and at most, unless its role says
    /// how many at most.
    pub(super) fn new(engine: Engine, role: Role, have: RunSet, (least, most): (u16, usize)) -> Peer {
        let told = match role.tells {
            Tells::Truly => None,
            Tells::Everything => Some(RunSet::full(have.runs())),
            Tells::Nothing => Some(RunSet::empty(have.runs())),
            Tells::OneInTen => {
                let mut told = RunSet::empty(have.runs());
                have.iter().filter(|&run| is_tenth(run)).for_each(|run| _ = told.insert(run));
                Some(told)
            }
        };
        let most = u16::try_from(role.together.unwrap_or(most)).unwrap_or(u16::MAX);
        Peer {
            engine,
            have,
            told: told.map(Box::new),
            log: Vec::new(),
            links: Vec::new(),
            stage: Stage::Before,
            uplink: Uplink::new(role.up, (least, most)),
            downlink: Downlink::new(role.down),
            asked: Vec::new(),
            next_upload: 0,
            completed: None,
            gave_up: None,
            wake_at: None,
            uploaded_bytes: 0,
            received_bytes: 0,
            pulls: false,
            open: 0,
            reasons: VecDeque::new(),
            next_sip: SIPS_FROM,
            parted: None,
            joined: Timestamp::ZERO,
            struck_at: Timestamp::ZERO,
            returns: false,
            lives: 0,
            player: None,
            bargains: None,
            banned: Vec::new(),
            dialled: Vec::new(),
            role: Box::new(role),
        }
    }

    /// It stores a run. Returns whether the run is new.
    pub(super) fn gain(&mut self, run: RunIndex) -> bool {
        let is_new = self.have.insert(run);
        let tells = match self.role.tells {
            Tells::Truly => true,
            Tells::Nothing | Tells::Everything => false,
            Tells::OneInTen => is_tenth(run),
        };
        if is_new && tells {
            self.log.push(run);
            self.told.as_mut().map(|told| told.insert(run));
        }
        is_new
    }

    /// Which of these runs it tells of, if it is about to gain them.
    pub(super) fn would_tell(&self, mut runs: Vec<RunIndex>) -> Vec<RunIndex> {
        match self.role.tells {
            Tells::Truly => {}
            Tells::Nothing | Tells::Everything => runs.clear(),
            Tells::OneInTen => runs.retain(|&run| is_tenth(run)),
        }
        runs
    }

    /// Payload that it received, and how much of it was not needed.
    pub(super) fn moved(&self) -> Parted {
        let mut all = self.parted.as_deref().copied().unwrap_or_default();
        // What it moved until it went is in there.
        if self.stage != Stage::Gone
            && let Some(swarm) = self.engine.swarm(ContentKey(self.role.content))
        {
            all.traffic += *swarm.traffic();
            all.wasted += swarm.wasted();
        }
        all
    }

    /// Forgets all requests that were made of it.
    pub(super) fn forget_asked(&mut self) {
        self.asked.clear();
    }

    /// How many runs it has told of since it joined.
    pub(super) fn log_len(&self) -> u32 {
        self.log.len() as u32
    }

    /// The runs that it told of between two places of its log.
    pub(super) fn log(&self, from: u32, upto: u32) -> &[RunIndex] {
        &self.log[from as usize..upto as usize]
    }

    /// What somebody knows that it holds who has heard this much of its log.
    pub(super) fn held(&self, heard: u32) -> Held<'_> {
        Held::new(self.told.as_deref().unwrap_or(&self.have), &self.log[heard as usize..])
    }

    pub(super) fn link(&self, peer: PeerKey) -> Option<&Link> {
        self.position(peer).ok().map(|at| &self.links[at])
    }

    pub(super) fn link_mut(&mut self, peer: PeerKey) -> Option<&mut Link> {
        self.position(peer).ok().map(|at| &mut self.links[at])
    }

    /// Returns whether there was no link to this peer.
    pub(super) fn begin_link(&mut self, link: Link) -> bool {
        let place = self.position(link.peer);
        place.map_err(|at| self.links.insert(at, link)).is_err()
    }

    /// Ends a link. Requests that it leaves open get no answer.
    pub(super) fn end_link(&mut self, peer: PeerKey) {
        if let Ok(at) = self.position(peer) {
            let link = self.links.remove(at);
            self.open -= u32::from(link.open);
        }
    }

    /// It asked a neighbour for a run.
    pub(super) fn note_request(&mut self, peer: PeerKey) {
        if let Some(link) = self.link_mut(peer) {
            link.open += 1;
            self.open += 1;
        }
    }

    /// A neighbour answered a request.
    pub(super) fn note_answer(&mut self, peer: PeerKey) {
        if let Some(link) = self.link_mut(peer).filter(|link| link.open > 0) {
            link.open -= 1;
            self.open -= 1;
        }
    }

    fn position(&self, peer: PeerKey) -> Result<usize, usize> {
        self.links.binary_search_by_key(&peer, |link| link.peer)
    }

    /// A new number for a request that was made of it.
    pub(super) fn note_asked(&mut self, request: RequestId) -> UploadId {
        let upload = UploadId(self.next_upload);
        self.next_upload += 1;
        self.asked.push((upload, request));
        upload
    }

    /// The asker's number of a request.
    pub(super) fn request_of(&self, upload: UploadId) -> Option<RequestId> {
        self.asked.binary_search_by_key(&upload, |&(upload, _)| upload).ok().map(|at| self.asked[at].1)
    }

    /// Forgets a request that is answered now. Returns the asker's number of it.
    pub(super) fn take_asked(&mut self, upload: UploadId) -> Option<RequestId> {
        let at = self.asked.binary_search_by_key(&upload, |&(upload, _)| upload).ok()?;
        Some(self.asked.remove(at).1)
    }
}

fn is_tenth(run: RunIndex) -> bool {
    run.get().is_multiple_of(10)
}

/// Puts a key into a sorted list, once.
pub(super) fn note(list: &mut Vec<PeerKey>, key: PeerKey) {
    if let Err(at) = list.binary_search(&key) {
        list.insert(at, key);
    }
}
