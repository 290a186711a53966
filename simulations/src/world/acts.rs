//! What the peers of the world do: what their engines decide, and what scripted actors do instead.

use std::time::Duration;

use nearcast_core::{
    announce::due_to,
    directory::{Asker, Question, Verdict},
    id::{PeerKey, QueryId, RequestId, UploadId},
    input::{Candidate, Event, Input, Neighbour, RunFailure, Via},
    layout::RunIndex,
    message::{Message, Refusal},
    output::Action,
    registry::PeerName,
    run_set::RunSet,
};

use super::{CONTENT, CONTENT_ID, Gives, Happening, Takes, Tells, World, place::Map, uplink::Upload};

/// The port that every peer listens on.
const PORT: u16 = 4_000;

/// The name that a directory knows a peer by.
fn name(peer: PeerKey) -> PeerName {
    let mut name = [0; 32];
    name[..4].copy_from_slice(&peer.0.to_be_bytes());
    PeerName(name)
}

/// The peer of a name.
fn key(name: &PeerName) -> PeerKey {
    let [a, b, c, d, ..] = name.0;
    PeerKey(u32::from_be_bytes([a, b, c, d]))
}

impl World {
    pub(super) fn act(&mut self, me: PeerKey, action: Action) {
        match action {
            Action::Dial { .. } if self.peers[me.0 as usize].role.intrudes.is_some() => {}
            Action::Dial { peer } => self.dial(me, peer),
            Action::Unlink { peer, .. } => self.unlink(me, peer),
            Action::Send { peer, message } => self.send(me, peer, message),
            Action::Announce { runs } => self.announce(me, &runs),
            Action::Request { peer, request, run, exact } => {
                let role = &self.peers[me.0 as usize].role;
                if role.takes == Takes::Freely && !role.boasts {
                    self.request(me, peer, request, (run, exact));
                }
            }
            Action::Cancel { peer, request } => self.cancel(me, peer, request),
            Action::Serve { peer, upload, run } if self.gives(me, peer) => self.serve(me, peer, upload, run),
            Action::Serve { peer, upload, run } => {
                self.deliver(me, Event::UploadEnded { peer, run, bytes: 0 });
                self.refuse(me, peer, upload, Refusal::Choked);
            }
            Action::Refuse { peer, upload, why } => self.refuse(me, peer, upload, why),
            Action::Completed => {
                let now = self.now;
                self.peers[me.0 as usize].completed.get_or_insert(now);
            }
            Action::GaveUp(why) => self.peers[me.0 as usize].gave_up = Some(why),
            Action::Ask { query, wanted, .. } => self.answer(me, query, wanted),
            Action::Withdraw { .. } | Action::FetchManifest { .. } | Action::GoalReached => {}
        }
    }

    /// Whether `me` serves `peer` at all.
    fn gives(&self, me: PeerKey, peer: PeerKey) -> bool {
        match self.peers[me.0 as usize].role.gives {
            Gives::Freely => true,
            Gives::Nothing => false,
            Gives::ToItsKind => self.peers[peer.0 as usize].role.gives == Gives::ToItsKind,
        }
    }

    /// The part of these runs that `me` announces.
    fn told(&self, me: PeerKey, runs: Vec<RunIndex>) -> Vec<RunIndex> {
        match self.peers[me.0 as usize].role.tells {
            Tells::Truly => runs,
            Tells::Nothing | Tells::Everything => Vec::new(),
            Tells::OneInTen => runs.into_iter().filter(|run| run.get() % 10 == 0).collect(),
        }
    }

    /// The have-map that `me` sends to a new neighbour.
    fn map_told(&self, me: PeerKey) -> RunSet {
        let peer = &self.peers[me.0 as usize];
        match peer.role.tells {
            Tells::Truly => peer.have.clone(),
            Tells::Everything => RunSet::full(self.layout.runs()),
            Tells::Nothing | Tells::OneInTen => {
                let mut told = RunSet::empty(self.layout.runs());
                self.told(me, peer.have.iter().collect()).into_iter().for_each(|run| _ = told.insert(run));
                told
            }
        }
    }

    /// Tells the neighbours of `me` that it now holds these runs too.
    fn announce(&mut self, me: PeerKey, runs: &[RunIndex]) {
        let maps = self.maps(me);
        let known = self.known.range((me, PeerKey(0))..=(me, PeerKey(u32::MAX)));
        let linked = known.map(|(&(_, peer), _)| peer).filter(|&peer| self.are_linked(me, peer));
        let due = linked.map(|peer| {
            let of = (peer, self.claims_to_be_origin(peer));
            (peer, due_to(&maps, CONTENT, of, runs).to_vec())
        });
        let due: Vec<(PeerKey, Vec<RunIndex>)> = due.filter(|(_, runs)| !runs.is_empty()).collect();
        for (peer, runs) in due {
            self.send(me, peer, Message::Have(runs));
        }
    }

    fn claims_to_be_origin(&self, peer: PeerKey) -> bool {
        let role = &self.peers[peer.0 as usize].role;
        role.origin || role.poses
    }

    fn send(&mut self, me: PeerKey, peer: PeerKey, message: Message) {
        if !self.are_linked(me, peer) {
            return;
        }
        if message == Message::Choke {
            self.refuse_waiting(me, peer);
        }
        let role = &self.peers[me.0 as usize].role;
        let message = match message {
            Message::Unchoke if !self.gives(me, peer) => return,
            Message::Interested(true) if role.takes == Takes::Nothing => return,
            Message::Have(runs) => Message::Have(self.told(me, runs)),
            Message::Importing(runs) => Message::Importing(self.told(me, runs)),
            other => other,
        };
        if matches!(&message, Message::Have(runs) | Message::Importing(runs) if runs.is_empty()) {
            return;
        }
        self.announcements += u64::from(matches!(message, Message::Importing(_)));
        self.cross(me, peer, Event::Message { peer: me, message });
    }

    /// The directory answers, as a tracker would: the same code decides.
    fn answer(&mut self, me: PeerKey, query: QueryId, wanted: u16) {
        let host = PeerKey(0);
        if !self.peers[0].alive || self.are_clogged(me, host) {
            return self.fail_unanswered(me, Event::QueryFailed { query });
        }
        if self.peers[0].joined {
            self.directory.registry_mut().add_own(CONTENT_ID);
        }
        let (place, have) = (self.places[me.0 as usize], &self.peers[me.0 as usize].have);
        let asker = Asker { name: name(me), ip: place.ip.into() };
        let question = Question {
            content: CONTENT_ID,
            tcp: Some(PORT),
            udp: None,
            complete: have.is_full(),
            leaving: false,
            wanted: u32::from(wanted).into(),
            atlas: None,
        };
        let mut members = Vec::new();
        let map = Map(&self.places);
        let verdict = self.directory.answer(self.now, asker, &question, &map, &mut members);
        let Verdict::Told(told) = verdict else {
            return self.fail_unanswered(me, Event::QueryFailed { query });
        };
        // Whoever is dialled back takes the connection.
        if let Some(at) = told.to_try {
            self.directory.tried(self.now, &asker.name, at, Some(true));
        }
        let peers = members.iter().map(|member| key(&member.name)).chain(told.holds.then_some(host));
        let near = |peer: PeerKey| self.near(me.0 as usize, peer.0 as usize);
        let candidates =
            peers.map(|peer| Candidate { peer, near: near(peer), via: Via::Directory }).collect();
        if !told.pause.is_zero() {
            self.deliver(me, Event::DirectoryPause { query, pause: told.pause.into() });
        }
        if told.census.members_in_as > 0 {
            self.deliver(me, Event::Counted { members: told.census.members_in_as.into() });
        }
        self.deliver(me, Event::Discovered { query: Some(query), teller: Some(host), candidates });
    }

    fn neighbours(&self, me: PeerKey) -> Vec<PeerKey> {
        (0..self.peers.len() as u32).map(PeerKey).filter(|&other| self.are_linked(me, other)).collect()
    }

    /// Every half second a liar tells its neighbours that it imports everything.
    pub(super) fn boast(&mut self, me: PeerKey) {
        let runs: Vec<RunIndex> = RunSet::full(self.layout.runs()).iter().collect();
        for peer in self.neighbours(me) {
            self.cross(me, peer, Event::Message { peer: me, message: Message::Importing(runs.clone()) });
        }
        self.schedule(self.now + Duration::from_millis(500), me, Happening::Boast);
    }

    /// A stranger links to every peer that has joined. Peers that join later get a link when the
    /// stranger comes again.
    pub(super) fn intrude(&mut self, me: PeerKey) {
        for other in (0..self.peers.len() as u32).map(PeerKey) {
            let role = &self.peers[other.0 as usize].role;
            if other != me && role.intrudes.is_none() && !self.are_linked(me, other) {
                self.dial(me, other);
            }
        }
        if let Some(pause) = self.peers[me.0 as usize].role.intrudes {
            self.schedule(self.now + pause, me, Happening::Intrude);
        }
    }

    /// A peer takes a little, so that it does not look idle.
    pub(super) fn sip(&mut self, me: PeerKey) {
        for peer in self.neighbours(me) {
            let sips = &mut self.peers[me.0 as usize].next_sip;
            let request = RequestId(*sips);
            *sips += 1;
            let run = self.layout.run_index(self.random.below(self.layout.runs())).expect("one of its runs");
            self.request(me, peer, request, (run, false));
        }
        if let Takes::Sips(pause) = self.peers[me.0 as usize].role.takes {
            self.schedule(self.now + pause, me, Happening::Sip);
        }
    }

    pub(super) fn are_linked(&self, a: PeerKey, b: PeerKey) -> bool {
        self.links.contains(&(a.min(b), a.max(b)))
    }

    fn dial(&mut self, me: PeerKey, peer: PeerKey) {
        let other = &self.peers[peer.0 as usize];
        let barred = self.banned.contains(&(peer, me)) || self.banned.contains(&(me, peer));
        if !other.joined || !other.alive || barred {
            return self.deliver(me, Event::DialFailed { peer });
        }
        if self.are_linked(me, peer) {
            return;
        }
        if self.are_clogged(me, peer) {
            return self.fail_unanswered(me, Event::DialFailed { peer });
        }
        self.dials.insert((me, peer));
        self.links.insert((me.min(peer), me.max(peer)));
        for (a, b) in [(me, peer), (peer, me)] {
            let map = self.map_told(b);
            self.known.insert((a, b), map);
            let about = Neighbour {
                near: self.near(a.0 as usize, b.0 as usize),
                origin: self.claims_to_be_origin(b),
                directory: false,
                manifest: true,
                web_seed: false,
            };
            self.deliver(a, Event::Linked { peer: b, about });
        }
    }

    pub(super) fn unlink(&mut self, me: PeerKey, peer: PeerKey) {
        if self.links.remove(&(me.min(peer), me.max(peer))) {
            self.drop_held(me, peer);
            for (a, b) in [(me, peer), (peer, me)] {
                for Upload { run, .. } in self.peers[a.0 as usize].uplink.drop_peer(self.now, b) {
                    self.deliver(a, Event::UploadEnded { peer: b, run, bytes: 0 });
                }
                self.plan_sending(a);
                self.deliver(a, Event::Unlinked { peer: b });
            }
        }
    }

    pub(super) fn ban(&mut self, me: PeerKey, peer: PeerKey) {
        self.banned.insert((me, peer));
        self.unlink(me, peer);
    }

    fn request(&mut self, me: PeerKey, peer: PeerKey, request: RequestId, (run, exact): (RunIndex, bool)) {
        if !self.are_linked(me, peer) || !self.peers[peer.0 as usize].alive {
            return self.deliver(me, Event::RunFailed { peer, request, cause: RunFailure::Silent });
        }
        let server = &mut self.peers[peer.0 as usize];
        let upload = UploadId(server.next_upload);
        server.next_upload += 1;
        server.asked.insert(upload, request);
        self.cross(me, peer, Event::RunWanted { peer: me, upload, run, exact });
    }

    fn cancel(&mut self, me: PeerKey, peer: PeerKey, request: RequestId) {
        // A request held back by a clog cannot be cancelled: it is answered late, when it arrives,
        // and not again.
        if self.are_clogged(me, peer) {
            return;
        }
        let server = &mut self.peers[peer.0 as usize];
        let asked = &server.asked;
        let named = |upload: &Upload| asked.get(&upload.upload) == Some(&request);
        if let Some(Upload { run, .. }) = server.uplink.withdraw(me, named) {
            self.deliver(peer, Event::UploadEnded { peer: me, run, bytes: 0 });
        }
    }

    fn refuse(&mut self, me: PeerKey, peer: PeerKey, upload: UploadId, why: Refusal) {
        let Some(request) = self.peers[me.0 as usize].asked.remove(&upload) else { return };
        let cause = RunFailure::Refused(why);
        self.cross(me, peer, Event::RunFailed { peer: me, request, cause });
    }

    /// A choked peer gets only the run that is on its way already.
    fn refuse_waiting(&mut self, me: PeerKey, peer: PeerKey) {
        while let Some(Upload { upload, run, .. }) = self.peers[me.0 as usize].uplink.withdraw(peer, |_| true)
        {
            self.deliver(me, Event::UploadEnded { peer, run, bytes: 0 });
            self.refuse(me, peer, upload, Refusal::Choked);
        }
    }

    fn serve(&mut self, me: PeerKey, to: PeerKey, upload: UploadId, run: RunIndex) {
        let bytes = self.layout.run_length(run);
        self.peers[me.0 as usize].uplink.push(self.now, Upload { to, upload, run, bytes });
        self.plan_sending(me);
    }

    /// Schedules the moment at which the next run of an uplink is out.
    fn plan_sending(&mut self, me: PeerKey) {
        let peer = &mut self.peers[me.0 as usize];
        peer.plans += 1;
        let plan = peer.plans;
        if let Some(at) = peer.uplink.next_done() {
            self.schedule(at, me, Happening::Sent(plan));
        }
    }

    pub(super) fn finish_sending(&mut self, me: PeerKey, plan: u64) {
        let peer = &mut self.peers[me.0 as usize];
        if peer.plans != plan {
            return;
        }
        for upload in peer.uplink.take_done(self.now) {
            self.sent(me, upload);
        }
        self.plan_sending(me);
    }

    fn sent(&mut self, me: PeerKey, Upload { to, upload, run, bytes }: Upload) {
        let peer = &mut self.peers[me.0 as usize];
        peer.uploaded_runs += 1;
        let corrupt = peer.role.corrupt;
        let Some(request) = peer.asked.remove(&upload) else { return };
        if self.random.unit() < self.config.loss {
            let at = self.now + Duration::from_secs(1);
            let cause = RunFailure::Refused(Refusal::Busy);
            self.schedule(at, to, Happening::Input(Event::RunFailed { peer: me, request, cause }));
        } else if corrupt {
            let cause = RunFailure::Corrupt { bytes };
            self.cross(me, to, Event::RunFailed { peer: me, request, cause });
        } else {
            self.cross(me, to, Event::RunStored { peer: me, request, run });
        }
        let event = Event::UploadEnded { peer: to, run, bytes };
        self.handle(me, Input::Event { content: CONTENT, event });
    }

    /// The machine of a peer loses power.
    pub fn kill(&mut self, key: u32) {
        let key = PeerKey(key);
        self.peers[key.0 as usize].alive = false;
        let partners: Vec<PeerKey> = (0..self.peers.len() as u32).map(PeerKey).collect();
        partners.into_iter().for_each(|other| self.unlink(key, other));
    }
}
