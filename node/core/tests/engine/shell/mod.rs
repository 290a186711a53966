//! A shell that knows what an engine may ask of it, and checks every output against that knowledge.
//! It keeps the contract of [`nearcast_core::input`], and lets its owner break everything else.

mod said;
pub(crate) mod step;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use nearcast_core::{
    Location, View,
    announce::due_to,
    config::Config,
    engine::Engine,
    held::Held,
    id::{ContentKey, PeerKey, QueryId, RequestId, UploadId},
    input::{Event, Goal, Input, Join, Material, Neighbour, RunFailure},
    layout::{Layout, RunIndex},
    message::Message,
    output::{Action, Output},
    prefix::Network,
    run_set::RunSet,
    swarm::Swarm,
    time::Timestamp,
};

type At = (ContentKey, PeerKey);

/// Bytes in a run.
pub(crate) const RUN_BYTES: u64 = 256 << 10;

/// What the shell knows of one link.
#[derive(Default)]
pub(crate) struct Link {
    /// The link came up before the manifest was known, so it has no have-map.
    bare: bool,
    origin: bool,
    unchoked: bool,
    chokes_us: bool,
    interests_us: bool,
    /// It was told that our uplink is idle.
    is_offered: bool,
    pub(crate) open: BTreeMap<RequestId, RunIndex>,
    pub(crate) uploads: Vec<RunIndex>,
}

/// What the shell knows of one content.
struct Content {
    have: RunSet,
    wanted: Option<RunSet>,
    known: bool,
    complete: bool,
    disk_full: bool,
}

#[derive(Default)]
struct Maps {
    maps: BTreeMap<At, RunSet>,
    web_seeds: BTreeSet<PeerKey>,
}

impl View for Maps {
    fn held(&self, content: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
        self.maps.get(&(content, peer)).map(Held::from)
    }

    /// Peers with keys of the same thousand share an address. Peers with keys of the same million
    /// share a network.
    fn location(&self, peer: PeerKey) -> Location {
        let network = match peer.0 / 1_000_000 {
            0 => Network::UNKNOWN,
            million => Network::of(Ipv4Addr::from_bits(0x0909_0000 | million << 8).into()),
        };
        let host = (peer.0 >= 1_000).then_some(u64::from(peer.0 / 1_000));
        Location { host, network, ..Location::unknown(peer) }
    }

    fn is_connected(&self, _: PeerKey) -> bool {
        false
    }

    fn is_web_seed(&self, peer: PeerKey) -> bool {
        self.web_seeds.contains(&peer)
    }
}

pub(crate) struct Shell {
    pub(crate) now: Timestamp,
    pub(crate) woken: u32,
    engine: Engine,
    config: Config,
    layout: Arc<Layout>,
    contents: BTreeMap<ContentKey, Content>,
    pub(crate) links: BTreeMap<At, Link>,
    maps: Maps,
    banned: BTreeSet<PeerKey>,
    pub(crate) queries: Vec<(ContentKey, QueryId)>,
    pub(crate) dialing: BTreeSet<At>,
    pub(crate) manifest_asked: Vec<At>,
    /// Requests that the engine cancelled, or whose link is gone. Their answers are stale.
    pub(crate) stale: Vec<(At, RequestId, RunIndex)>,
    next_upload: u32,
    /// The actions the engine wants, for an owner that carries them out. `None`: nothing is kept.
    pub(crate) journal: Option<Vec<Action>>,
}

impl Shell {
    pub(crate) fn new(config: Config, seed: u64, runs: u64) -> Shell {
        config.validate().expect("valid settings");
        Shell {
            now: Timestamp::from_millis(1),
            woken: 0,
            engine: Engine::new(Arc::new(config.clone()), seed),
            config,
            layout: Arc::new(Layout::new(RUN_BYTES, [runs * RUN_BYTES - 5]).expect("a small content")),
            contents: BTreeMap::new(),
            links: BTreeMap::new(),
            maps: Maps::default(),
            banned: BTreeSet::new(),
            queries: Vec::new(),
            dialing: BTreeSet::new(),
            manifest_asked: Vec::new(),
            stale: Vec::new(),
            next_upload: 0,
            journal: None,
        }
    }

    /// When the engine wants to be woken. `None`: never.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.engine.poll_timeout().map(|(at, _)| at)
    }

    pub(crate) fn swarm(&self, key: ContentKey) -> Option<&Swarm> {
        self.engine.swarm(key)
    }

    pub(crate) fn run(&self, number: u32) -> RunIndex {
        self.layout.run_index(number % self.layout.runs()).expect("within the content")
    }

    pub(crate) fn runs(&self) -> u32 {
        self.layout.runs()
    }

    /// The runs whose bits are set in `pattern`, repeated.
    pub(crate) fn set(&self, pattern: u16) -> RunSet {
        let mut set = RunSet::empty(self.runs());
        for run in (0..self.runs()).filter(|run| pattern >> (run % 16) & 1 == 1) {
            set.insert(self.run(run));
        }
        set
    }

    pub(crate) fn is_banned(&self, peer: PeerKey) -> bool {
        self.banned.contains(&peer)
    }

    pub(crate) fn has_joined(&self, content: ContentKey) -> bool {
        self.contents.contains_key(&content)
    }

    pub(crate) fn is_complete(&self, content: ContentKey) -> bool {
        self.contents.get(&content).is_some_and(|content| content.complete)
    }

    fn material(&self, have: RunSet, wanted: Option<RunSet>) -> Material {
        Material { layout: self.layout.clone(), have, wanted }
    }

    pub(crate) fn join(&mut self, key: ContentKey, join: Join, have: Option<(RunSet, Option<RunSet>)>) {
        if self.contents.contains_key(&key) {
            return;
        }
        let none = RunSet::empty(self.runs());
        let material = have.map(|(have, wanted)| self.material(have, wanted));
        let (have, wanted) = match &material {
            Some(material) => (material.have.clone(), material.wanted.clone()),
            None => (none, None),
        };
        let content = Content { have, wanted, known: material.is_some(), complete: false, disk_full: false };
        self.contents.insert(key, content);
        self.event(key, Event::Join(Join { material, ..join }));
    }

    pub(crate) fn manifest(&mut self, key: ContentKey, have: RunSet) {
        let Some(content) = self.contents.get_mut(&key).filter(|content| !content.known) else { return };
        content.known = true;
        content.have = have.clone();
        let material = self.material(have, None);
        self.event(key, Event::Manifest(material));
    }

    pub(crate) fn leave(&mut self, key: ContentKey) {
        self.contents.remove(&key);
        self.event(key, Event::Leave);
        let links: Vec<At> = self.links.keys().copied().filter(|at| at.0 == key).collect();
        assert!(links.is_empty(), "leaving ends every link");
        self.stale.retain(|((content, _), ..)| *content != key);
        self.dialing.retain(|(content, _)| *content != key);
        self.queries.retain(|(content, _)| *content != key);
        self.manifest_asked.retain(|(content, _)| *content != key);
    }

    /// A link comes up. The owner offers no link to a banned peer: a network lets none in.
    pub(crate) fn link(&mut self, key: ContentKey, peer: PeerKey, map: RunSet, about: Neighbour) {
        let at = (key, peer);
        let Some(content) = self.contents.get(&key) else { return };
        if self.links.contains_key(&at) {
            // A shell never does this; an engine must bear it.
            return self.event(key, Event::Linked { peer, about });
        }
        let bare = !content.known;
        self.dialing.remove(&at);
        self.links.insert(at, Link { bare, origin: about.origin, chokes_us: true, ..Link::default() });
        self.maps.web_seeds.extend(about.web_seed.then_some(peer));
        if !bare {
            self.maps.maps.insert(at, map);
        }
        self.event(key, Event::Linked { peer, about });
    }

    /// A link breaks. If there is no link, a stale message about one arrives.
    pub(crate) fn unlink(&mut self, key: ContentKey, peer: PeerKey) {
        let dialing = self.dialing.contains(&(key, peer));
        if dialing && !self.links.contains_key(&(key, peer)) {
            return self.dial_failed(key, peer);
        }
        let link = self.links.remove(&(key, peer));
        self.bury((key, peer), link);
        self.event(key, Event::Unlinked { peer });
        self.maps.maps.remove(&(key, peer));
    }

    pub(crate) fn dial_failed(&mut self, key: ContentKey, peer: PeerKey) {
        self.dialing.remove(&(key, peer));
        self.event(key, Event::DialFailed { peer });
    }

    fn bury(&mut self, at: At, link: Option<Link>) {
        let open = link.map(|link| link.open).unwrap_or_default();
        self.stale.extend(open.into_iter().map(|(request, run)| (at, request, run)));
    }

    pub(crate) fn message(&mut self, key: ContentKey, peer: PeerKey, message: Message) {
        let map = self.maps.maps.get_mut(&(key, peer));
        let message = match (message, map) {
            (Message::Have(mut runs), Some(map)) => {
                runs.retain(|&run| map.insert(run));
                Message::Have(runs)
            }
            (Message::Lost(mut runs), Some(map)) => {
                runs.retain(|&run| map.remove(run));
                Message::Lost(runs)
            }
            (Message::Have(_) | Message::Lost(_), None) => return,
            (other, _) => other,
        };
        if let Some(link) = self.links.get_mut(&(key, peer)) {
            match message {
                Message::Choke => link.chokes_us = true,
                Message::Unchoke => link.chokes_us = false,
                _ => {}
            }
        }
        self.event(key, Event::Message { peer, message });
    }

    /// Many neighbours got runs. The engine hears of them in one input.
    pub(crate) fn heard(&mut self, key: ContentKey, mut news: Vec<(PeerKey, RunIndex)>) {
        news.sort_by_key(|&(peer, _)| peer);
        news.retain(|&(peer, run)| self.maps.maps.get_mut(&(key, peer)).is_some_and(|map| map.insert(run)));
        self.event(key, Event::Heard(news));
    }

    pub(crate) fn want(&mut self, key: ContentKey, peer: PeerKey, run: RunIndex, exact: bool) {
        let upload = UploadId(self.next_upload);
        self.next_upload += 1;
        self.event(key, Event::RunWanted { peer, upload, run, exact });
    }

    /// An accepted upload ends. If there is none, a stale message about one arrives.
    pub(crate) fn upload_ended(&mut self, key: ContentKey, peer: PeerKey, sent: bool) {
        let link = self.links.get_mut(&(key, peer));
        let run = link.and_then(|link| link.uploads.pop()).unwrap_or_else(|| self.run(0));
        let bytes = if sent { self.layout.run_length(run) } else { 0 };
        self.event(key, Event::UploadEnded { peer, run, bytes });
    }

    /// The answer to an open request: `run` came.
    pub(crate) fn stored(&mut self, key: ContentKey, peer: PeerKey, request: RequestId, run: RunIndex) {
        let Some(content) = self.contents.get_mut(&key).filter(|content| content.known) else { return };
        content.have.insert(run);
        if let Some(link) = self.links.get_mut(&(key, peer)) {
            let asked = link.open.remove(&request);
            // If an origin answers with the run of another request, it owes us the first run for
            // that one.
            if let Some(asked) = asked.filter(|&asked| asked != run && !content.have.contains(asked))
                && let Some(other) = link.open.values_mut().find(|other| **other == run)
            {
                *other = asked;
            }
        }
        self.event(key, Event::RunStored { peer, request, run });
    }

    pub(crate) fn failed(&mut self, key: ContentKey, peer: PeerKey, request: RequestId, cause: RunFailure) {
        if let Some(link) = self.links.get_mut(&(key, peer)) {
            link.open.remove(&request);
        }
        self.event(key, Event::RunFailed { peer, request, cause });
    }

    pub(crate) fn lose(&mut self, key: ContentKey, runs: Vec<RunIndex>) {
        let Some(content) = self.contents.get_mut(&key) else { return };
        for &run in &runs {
            content.have.remove(run);
        }
        content.complete &= content.is_satisfied() || self.config.is_origin;
        self.event(key, Event::RunsLost(runs));
    }

    pub(crate) fn disk_full(&mut self, key: ContentKey, full: bool) {
        let Some(content) = self.contents.get_mut(&key) else { return };
        content.disk_full = full && content.known && !content.complete;
        self.event(key, Event::DiskFull(full));
    }

    pub(crate) fn event(&mut self, content: ContentKey, event: Event) {
        self.handle(Input::Event { content, event });
    }

    /// Lets time pass, and wakes the engine whenever it asked for it.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, why)) = self.engine.poll_timeout().filter(|&(at, _)| at <= end) {
            self.now = self.now.max(at);
            self.woken += 1;
            self.handle(Input::Woken);
            let next = self.engine.poll_timeout();
            assert!(next.is_none_or(|(at, _)| at > self.now), "woken for {why:?}, it wants {next:?} at once");
        }
        self.now = end;
    }

    pub(crate) fn handle(&mut self, input: Input) {
        let mut outputs = Vec::new();
        self.engine.handle(self.now, input, &self.maps, &mut outputs);
        self.engine.check(&self.maps);
        for output in outputs {
            match output {
                Output::Ban { peer } => {
                    self.banned.insert(peer);
                }
                Output::Action { content, action } => {
                    self.journal.iter_mut().for_each(|journal| journal.push(action.clone()));
                    self.act(content, action);
                }
            }
        }
        self.check();
    }

    fn act(&mut self, key: ContentKey, action: Action) {
        match action {
            Action::Dial { peer } => {
                assert!(!self.banned.contains(&peer), "{peer:?} is dialled, and banned");
                assert!(!self.links.contains_key(&(key, peer)), "{peer:?} is dialled, and linked");
                assert!(self.dialing.insert((key, peer)), "{peer:?} is dialled twice at a time");
            }
            Action::Unlink { peer, .. } => {
                let link = self.links.remove(&(key, peer));
                assert!(link.is_some(), "{peer:?} is unlinked, and not linked");
                self.bury((key, peer), link);
                self.maps.maps.remove(&(key, peer));
            }
            Action::FetchManifest { peer } => {
                assert!(!self.banned.contains(&peer), "{peer:?} is asked for the manifest, and banned");
                self.linked(key, peer);
                self.manifest_asked.push((key, peer));
            }
            Action::Ask { query, .. } => self.queries.push((key, query)),
            // The shell has nothing to do.
            Action::Withdraw { .. } => {}
            Action::Send { peer, message } => self.sent(key, peer, message),
            Action::Announce { runs } => self.announced(key, &runs),
            Action::Request { peer, request, run, .. } => self.requested(key, peer, request, run),
            Action::Cancel { peer, request } => {
                let run = self.linked(key, peer).open.remove(&request);
                let run = run.expect("only an open request is cancelled");
                self.stale.push(((key, peer), request, run));
            }
            Action::Serve { peer, run, .. } => {
                let (queued, have) = (self.config.upload.queued_max, self.contents[&key].have.contains(run));
                assert!(have, "{run:?} is served, and not held");
                let link = self.linked(key, peer);
                assert!(link.unchoked, "{peer:?} is served, and choked");
                link.uploads.push(run);
                assert!(link.uploads.len() <= usize::from(queued));
            }
            Action::Refuse { peer, .. } => {
                self.linked(key, peer);
            }
            Action::Completed => {
                let content = self.contents.get_mut(&key).expect("a content that was joined");
                assert!(content.is_satisfied() && !content.complete, "completed once, and truly");
                content.complete = true;
                // The last run was stored, so there is room. The engine forgets what it knew of the
                // disk with the rest.
                content.disk_full = false;
            }
            Action::GoalReached => assert!(self.contents[&key].complete || self.config.is_origin),
            Action::GaveUp(_) => assert!(!self.contents[&key].complete),
        }
    }

    fn linked(&mut self, key: ContentKey, peer: PeerKey) -> &mut Link {
        self.links.get_mut(&(key, peer)).unwrap_or_else(|| panic!("{peer:?} is not linked"))
    }

    fn announced(&mut self, key: ContentKey, runs: &[RunIndex]) {
        assert!(!runs.is_empty(), "says nothing");
        let links = self.links.iter().filter(|(at, _)| at.0 == key).map(|(at, link)| (at.1, link.origin));
        let due = links.filter(|&of| !due_to(&self.maps, key, of, runs).is_empty());
        let due: Vec<PeerKey> = due.map(|of| of.0).collect();
        due.into_iter().for_each(|peer| self.sent(key, peer, Message::Have(runs.to_vec())));
    }

    fn requested(&mut self, key: ContentKey, peer: PeerKey, request: RequestId, run: RunIndex) {
        let content = &self.contents[&key];
        assert!(!content.have.contains(run), "{run:?} is requested, and held");
        assert!(content.wanted.as_ref().is_none_or(|wanted| wanted.contains(run)), "requested, not wanted");
        assert!(!content.complete && !content.disk_full);
        assert!(self.maps.maps[&(key, peer)].contains(run), "{peer:?} does not hold {run:?}");
        assert!(!self.banned.contains(&peer));
        let of_content = self.links.iter().filter(|(at, _)| at.0 == key);
        let twice = of_content.flat_map(|(_, link)| link.open.values()).any(|&other| other == run);
        assert!(!twice, "{run:?} is in two requests");
        let reused = self.stale.iter().any(|(at, id, _)| *at == (key, peer) && *id == request);
        assert!(!reused, "{request:?} names a request whose answer may still come");
        let link = self.linked(key, peer);
        assert!(!link.bare && !link.chokes_us, "{peer:?} is asked, and chokes us");
        assert!(link.open.insert(request, run).is_none(), "{request:?} is used twice");
    }

    /// What must hold after every step.
    fn check(&self) {
        let mut total = 0;
        for (&key, content) in &self.contents {
            let swarm = self.engine.swarm(key).expect("what was joined is there");
            let links = self.links.iter().filter(|(at, _)| at.0 == key);
            assert_eq!(swarm.neighbours(), links.clone().count(), "both know the same links");
            let unchoked = links.filter(|(_, link)| link.unchoked).count();
            assert!(unchoked <= usize::from(self.config.upload.slots), "{unchoked} unchoked");
            total += unchoked;
            if content.known {
                assert_eq!(swarm.have(), Some(&content.have));
                assert_eq!(swarm.is_complete(), content.complete);
            }
        }
        assert!(total <= self.config.upload.slots_total as usize, "{total} unchoked in all");
    }
}

impl Content {
    fn is_satisfied(&self) -> bool {
        self.wanted.as_ref().map_or(self.have.is_full(), |wanted| !wanted.has_beyond(&self.have))
    }
}

/// A join that holds nothing yet.
pub(crate) fn bare_join(patience: Duration) -> Join {
    Join {
        material: None,
        candidates: Vec::new(),
        directories: Vec::new(),
        may_be_found: true,
        exchange_peers: true,
        patience,
        goal: Goal::Forever,
        paused: false,
    }
}
