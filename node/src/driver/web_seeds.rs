//! Web seeds: neighbours of the engine without a link. Each has a peer key and a task that speaks
//! HTTP. The engine's requests go to the task, and the runs it fetches are handled like all runs.

use std::time::Duration;

use nearcast_core::{
    id::{ContentKey, PeerKey, RequestId},
    input::{Candidate, Event, Neighbour, RunFailure, Via},
    outcomes::{Outcome, Role},
    output::Action,
    paths::printable,
    run_set::RunSet,
    tier::{Near, Tier},
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Driver, Pending};
use crate::{
    events::{LinkId, News, Trouble},
    exchange::fetch::{ASKS_WAITING_MAX, Tools},
    fetch::Source,
    progress,
    web_seed::{
        PIECE_BYTES_MAX, Place,
        task::{self, Job},
    },
    wire::data::Ask,
};

/// Web seeds used for one content: those the user named come first. Each takes the place of a
/// neighbour.
const WEB_SEEDS_USED_MAX: usize = 8;
/// The pause after a web seed answered and then delivered nothing. Doubles each time in a row, up
/// to about a minute.
const PAUSE_FRUITLESS: Duration = Duration::from_secs(2);
const PAUSE_DOUBLINGS_MAX: u8 = 5;

/// A web seed of one content.
pub(super) struct WebSeed {
    place: Place,
    line: Option<Line>,
    /// The server asked to be left alone until this moment, or it is paused until then.
    not_before: Option<Instant>,
    /// How many tasks in a row connected and delivered nothing.
    fruitless: u8,
    received: u64,
    /// Why bytes of this server may be false.
    doubt: Option<&'static str>,
}

/// The channel to the task of a web seed. Dropping it ends the task.
struct Line {
    id: LinkId,
    open: bool,
    asks: mpsc::Sender<Ask>,
    fruitful: bool,
    _task: DropGuard,
}

impl WebSeed {
    fn new(place: Place) -> WebSeed {
        WebSeed { place, line: None, not_before: None, fruitless: 0, received: 0, doubt: None }
    }

    /// The web seed as a neighbour in the progress report. `None`: it is not open.
    pub(super) fn neighbour(&self) -> Option<progress::Neighbour> {
        self.line.as_ref().filter(|line| line.open)?;
        Some(progress::Neighbour {
            peer: self.place.to_string(),
            address: self.place.to_string(),
            tier: Tier::Unknown,
            asn: None,
            rate_down: 0.0,
            origin: true,
            web_seed: true,
            has: 1.0,
            received: self.received,
            sent: 0,
        })
    }
}

impl Driver {
    /// Makes candidates of the web seeds that the user, the torrent or the link names.
    pub(super) fn find_web_seeds(&mut self, key: ContentKey) {
        let Some(content) = self.contents.get(&key) else { return };
        let (Some(manifest), Some(state)) = (content.manifest.clone(), &content.fetch) else { return };
        let by_link = match &state.fetch.source {
            Source::Magnet(magnet) => magnet.web_seeds.as_slice(),
            Source::Manifest(_) => &[],
        };
        let named = state.fetch.web_seeds.iter().map(|url| (url, true));
        let others = manifest.web_seeds().iter().chain(by_link).map(|url| (url, false));
        let mut places: Vec<Place> = Vec::new();
        for (url, named) in named.chain(others) {
            match Place::parse(url, named) {
                Ok(place) if places.iter().all(|known| known.url() != place.url()) => places.push(place),
                Ok(_) => {}
                Err(error) => tracing::warn!(url = printable(url), %error, "a web seed is left out"),
            }
        }
        places.truncate(WEB_SEEDS_USED_MAX);
        let piece_bytes = manifest.layout().piece_bytes();
        if piece_bytes > PIECE_BYTES_MAX && !places.is_empty() {
            tracing::warn!(
                piece_bytes,
                "web seeds are not used: they give whole pieces, and those of this content are too large"
            );
            return;
        }
        let mut candidates = Vec::with_capacity(places.len());
        for place in places {
            let peer = self.peers.key_of_server();
            candidates.push(Candidate { peer, near: Near::UNKNOWN, via: Via::Named });
            if let Some(content) = self.contents.get_mut(&key) {
                content.web_seeds.insert(peer, WebSeed::new(place));
            }
        }
        if !candidates.is_empty() {
            self.input(key, Event::Discovered { query: None, teller: None, candidates });
        }
    }

    /// Notes the web seeds that were asked and brought nothing since, unless they said why before: at
    /// the end of a download they are a reason that it has nothing.
    pub(super) fn note_unanswered_by_http(&mut self, key: ContentKey) {
        let Some(content) = self.contents.get_mut(&key) else { return };
        let Some(state) = &mut content.fetch else { return };
        for seed in content.web_seeds.values() {
            let Some(line) = seed.line.as_ref().filter(|line| !line.fruitful) else { continue };
            let outcome = match line.open {
                false => Outcome::Unreached("no answer".to_owned()),
                true => Outcome::Reached("it answers, and sends next to nothing".to_owned()),
            };
            state.outcomes.note_if_new((Role::Peer, &seed.place.to_string()), true, outcome);
        }
    }

    fn web_seed(&mut self, key: ContentKey, peer: PeerKey) -> Option<&mut WebSeed> {
        self.contents.get_mut(&key)?.web_seeds.get_mut(&peer)
    }

    /// Carries out an action on a web seed. Returns an action that concerns another peer.
    pub(super) fn act_by_http(&mut self, key: ContentKey, action: Action) -> Option<Action> {
        let (Action::Dial { peer }
        | Action::Unlink { peer, .. }
        | Action::Request { peer, .. }
        | Action::Cancel { peer, .. }
        | Action::Send { peer, .. }) = action
        else {
            return Some(action);
        };
        let Some(seed) = self.web_seed(key, peer) else { return Some(action) };
        let asks = seed.line.as_ref().map(|line| &line.asks);
        match action {
            Action::Dial { .. } => self.dial_web_seed(key, peer),
            Action::Unlink { .. } => self.hang_up(key, peer),
            Action::Request { request, run, .. } => {
                let ask = Ask::Request { id: request.0, run: run.get().into(), exact: false };
                if asks.is_none_or(|asks| asks.try_send(ask).is_err()) {
                    self.input(key, Event::RunFailed { peer, request, cause: RunFailure::Silent });
                }
            }
            // A cancellation that is lost does no harm: the run is good if it comes all the same.
            Action::Cancel { request: RequestId(id), .. } => {
                let _ = asks.map(|asks| asks.try_send(Ask::Cancel { id }));
            }
            _ => {}
        }
        None
    }

    fn dial_web_seed(&mut self, key: ContentKey, peer: PeerKey) {
        let id = self.new_link_id(key, peer);
        let job = self.web_job(id);
        let (Some(job), Some(seed)) = (job, self.web_seed(key, peer)) else {
            return self.input(key, Event::DialFailed { peer });
        };
        let wait = seed.not_before.map(|moment| moment.saturating_duration_since(Instant::now()));
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            return self.input(key, Event::DialLater { peer, wait });
        }
        let (asks, queue) = mpsc::channel(ASKS_WAITING_MAX);
        let cancel = CancellationToken::new();
        let task = cancel.clone().drop_guard();
        seed.line = Some(Line { id, open: false, asks, fruitful: false, _task: task });
        self.parts.tasks.spawn(task::run(job, queue, cancel));
    }

    fn web_job(&self, link: LinkId) -> Option<Job> {
        let content = self.contents.get(&link.content)?;
        let (manifest, store) = (content.manifest.clone()?, content.store.clone()?);
        let place = content.web_seeds.get(&link.peer)?.place.clone();
        let file = manifest.layout().run(store.wanted().iter().next()?).file;
        let services = &self.services;
        let tools = Tools {
            manifest,
            store,
            workers: self.parts.workers.clone(),
            down: services.down.clone(),
            account: self.account(link),
            arrived: content.arrived(),
            buffers: services.buffers.clone(),
            in_hand: services.in_hand.clone(),
            events: services.events.clone(),
            tasks: self.parts.tasks.clone(),
        };
        Some(Job { link, place, tools, budget: services.web.clone(), file })
    }

    pub(super) fn on_web_seed(&mut self, id: LinkId, news: News) {
        let (key, peer) = (id.content, id.peer);
        let runs =
            self.contents.get(&key).and_then(|content| Some(content.manifest.as_ref()?.layout().runs()));
        let (Some(runs), Some(seed)) = (runs, self.web_seed(key, peer)) else { return };
        let Some(line) = seed.line.as_mut().filter(|line| line.id == id) else { return };
        match news {
            News::Open => {
                line.open = true;
                self.maps.0.insert((key, peer), RunSet::full(runs));
                let about = Neighbour {
                    near: Near::UNKNOWN,
                    origin: true,
                    directory: false,
                    manifest: false,
                    web_seed: true,
                };
                self.input(key, Event::Linked { peer, about });
            }
            News::Doubt(why) => seed.doubt = Some(why),
            News::Gone(trouble) => self.on_web_seed_gone(key, peer, &trouble),
        }
    }

    fn on_web_seed_gone(&mut self, key: ContentKey, peer: PeerKey, trouble: &Trouble) {
        let Some(seed) = self.web_seed(key, peer) else { return };
        let Some(line) = seed.line.take() else { return };
        let place = seed.place.to_string();
        seed.fruitless = if line.open && !line.fruitful { seed.fruitless.saturating_add(1) } else { 0 };
        let after = match trouble {
            Trouble::Passing { after, .. } => Some(after.unwrap_or(Duration::ZERO)),
            Trouble::Lasting(_) => None,
        };
        let pause = match seed.fruitless {
            0 => Duration::ZERO,
            times => PAUSE_FRUITLESS * (1 << (times - 1).min(PAUSE_DOUBLINGS_MAX)),
        };
        seed.not_before = after.map(|after| Instant::now() + after.max(pause));
        let lasting = after.is_none();
        let why = trouble.why();
        let reason = match why.remedy {
            Some(remedy) => format!("{why}; {remedy}"),
            None => why.to_string(),
        };
        if lasting {
            tracing::warn!(place, reason, "a web seed is given up");
        } else {
            tracing::debug!(place, reason, "a web seed is of no use at the moment");
        }
        if let Some(state) = self.fetch_state(key) {
            state.outcomes.note((Role::Peer, &place), true, why.outcome());
        }
        let event = match (lasting, line.open) {
            (true, _) => Event::Hopeless { peer },
            (false, true) => Event::Unlinked { peer },
            (false, false) => Event::DialFailed { peer },
        };
        self.input(key, event);
        // The engine needs the have-map while it handles the event.
        self.take_turn(Pending::Unmap(key, peer));
    }

    /// Ends the task of a web seed.
    fn hang_up(&mut self, key: ContentKey, peer: PeerKey) {
        self.maps.0.remove(&(key, peer));
        if let Some(seed) = self.web_seed(key, peer) {
            seed.line = None;
        }
    }

    /// Counts a run that came from a web seed.
    pub(super) fn note_web_run(&mut self, id: LinkId, bytes: u64) {
        let Some(seed) = self.web_seed(id.content, id.peer) else { return };
        seed.received += bytes;
        seed.fruitless = 0;
        if let Some(line) = seed.line.as_mut().filter(|line| line.id == id) {
            line.fruitful = true;
        }
    }

    /// Warns that a web seed sent a false piece, since no connection shows it.
    pub(super) fn note_web_corruption(&mut self, id: LinkId) {
        // Several false pieces may be under way. The first is reported.
        let seed = self.web_seed(id.content, id.peer).filter(|seed| seed.line.is_some());
        let Some(seed) = seed else { return };
        let place = seed.place.to_string();
        let doubt = seed.doubt.map(|doubt| format!("; {doubt}")).unwrap_or_default();
        tracing::warn!(
            place,
            "banned for sending corrupt data: a web seed's file is not the content's{doubt}"
        );
        if let Some(state) = self.fetch_state(id.content) {
            let why = format!("its file differs from the content{doubt}");
            state.outcomes.note((Role::Peer, &place), true, Outcome::Reached(why));
        }
    }

    /// The open web seeds, as neighbours.
    pub(super) fn web_neighbours(&self, key: ContentKey) -> impl Iterator<Item = progress::Neighbour> {
        let seeds = self.contents.get(&key).map(|content| content.web_seeds.iter());
        let swarm = self.engine.swarm(key);
        seeds.into_iter().flatten().filter_map(move |(peer, seed)| {
            let rate_down = f64::from(swarm.map_or(0.0, |swarm| swarm.rate_of(*peer)));
            Some(progress::Neighbour { rate_down, ..seed.neighbour()? })
        })
    }

    /// Whether web seeds are named, but the metainfo of the link is missing, which they do not give.
    pub(super) fn lacks_metainfo_for_web_seeds(&self, key: ContentKey) -> bool {
        let content = self.contents.get(&key).filter(|content| content.manifest.is_none());
        let Some(state) = content.and_then(|content| content.fetch.as_ref()) else { return false };
        let Source::Magnet(magnet) = &state.fetch.source else { return false };
        !magnet.web_seeds.is_empty() || !state.fetch.web_seeds.is_empty()
    }
}
