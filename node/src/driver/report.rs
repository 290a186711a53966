//! Reports to owners, and the regular care of the disks.

use std::{sync::atomic::Ordering, time::Duration};

use nearcast_core::{
    id::{ContentKey, PeerKey},
    swarm::{Standing, Swarm},
};
use tokio::time::Instant;

use super::{Driver, content::Counted, fetch_state::FetchState, links::Link};
use crate::{
    progress::{Neighbour, Phase, Progress, Stall},
    store::Store,
};

/// A peer with a free slot answers at once. A peer that lets us wait this long serves others.
const REFUSED_AFTER: Duration = Duration::from_secs(1);

/// The rates of a transfer are shown this long after its last byte.
const RATES_LAST: Duration = Duration::from_secs(5);

impl Driver {
    /// Notes that something happened to a content: the next round looks at it.
    pub(super) fn stir(&mut self, key: ContentKey) {
        if let Some(content) = self.contents.get_mut(&key) {
            content.stirred = Instant::now();
            self.awake.insert(key);
        }
    }

    /// Runs several times a second: updates progress, totals and stores. Contents to which nothing
    /// happens cost nothing here.
    pub(super) fn keep_house(&mut self) {
        for key in std::mem::take(&mut self.awake) {
            self.count(key);
            self.look_after_store(key);
            self.report(key);
            if !self.is_at_rest(key) {
                self.awake.insert(key);
            }
        }
        self.report_totals();
        if let Some(directory) = &self.parts.directory {
            directory.sweep();
        }
        self.parts.pulse.beat();
    }

    /// Whether a report on this content would say the same until something happens to it: it is only
    /// served, or it is complete or paused and the rates of its last transfer are over. What came
    /// last is durable long before.
    fn is_at_rest(&self, key: ContentKey) -> bool {
        let Some(content) = self.contents.get(&key) else { return true };
        let Some(state) = &content.fetch else { return true };
        let is_complete = state.path.is_some() && self.engine.swarm(key).is_some_and(Swarm::is_complete);
        let is_opening = content.manifest.is_some() && content.store.is_none();
        let is_over = is_complete || state.paused && !is_opening;
        let is_stored = !state.storing && !state.to_finish && !state.full_disk.is_full();
        is_over && is_stored && self.links_of(key).is_empty() && content.stirred.elapsed() > RATES_LAST
    }

    /// Adds what a content received, and what was found rotten in it, to the totals of the node.
    pub(super) fn count(&mut self, key: ContentKey) {
        let Some(content) = self.contents.get_mut(&key) else { return };
        let received = self.engine.swarm(key).map(|swarm| *swarm.traffic()).unwrap_or_default();
        let rotten_runs = content.store.as_ref().map_or(0, |store| store.rotten_runs());
        let counted = std::mem::replace(&mut content.counted, Counted { received, rotten_runs });
        self.totals.received += received.since(&counted.received);
        self.totals.rotten_runs += rotten_runs.saturating_sub(counted.rotten_runs);
    }

    /// Tells the owners of the node what it has done so far.
    pub(crate) fn report_totals(&mut self) {
        self.totals.refused_streams = self.parts.network.refused_streams();
        self.totals.refused_connections = self.parts.network.refused_connections();
        self.totals.budget = self.parts.network.budget().uses();
        self.totals.links = self.links.values().filter(|link| link.up().is_some()).count() as u32;
        self.totals.unchoked = self.engine.unchoked();
        self.totals.asn = self.engine.locality().asn;
        self.take_rates(self.totals.received.total());
        self.totals.connections = self.peers.connected() as u32;
        self.totals.contents = self.contents.len() as u32;
        self.parts.totals.send_if_modified(|told| {
            let news = *told != self.totals;
            if news {
                told.clone_from(&self.totals);
            }
            news
        });
    }

    /// Tells at once of how many contents there are: whoever has shared one may ask.
    pub(super) fn report_number(&mut self) {
        self.totals.contents = self.contents.len() as u32;
        self.parts.totals.send_modify(|told| told.contents = self.totals.contents);
    }

    fn take_rates(&mut self, received: u64) {
        let (now, totals) = (Instant::now(), &mut self.totals);
        totals.rate_down = self.rates.down.update(now, received);
        totals.rate_up = self.rates.up.update(now, totals.uploaded);
        if let Some(directory) = &self.parts.directory {
            let (questions, answers) = directory.asked();
            totals.questions_per_second = self.rates.questions.update(now, questions);
            totals.answers_per_second = self.rates.answers.update(now, answers);
        }
    }

    pub(super) fn links_of(&self, key: ContentKey) -> Vec<PeerKey> {
        let range = (key, PeerKey(0))..=(key, PeerKey(u32::MAX));
        self.links.range(range).map(|(&(_, peer), _)| peer).collect()
    }

    /// Reports progress to a download's owner.
    pub(super) fn report(&mut self, key: ContentKey) {
        let (neighbours, moment) = (self.neighbours(key), self.now());
        let swarm = self.engine.swarm(key);
        let Some(content) = self.contents.get_mut(&key) else { return };
        let Some(state) = &mut content.fetch else { return };
        let now = Instant::now();
        let mut progress = Progress {
            phase: phase(now, state, swarm),
            bytes_total: state.bytes_total,
            bytes_resumed: state.bytes_resumed,
            neighbours,
            banned: content.corrupt_peers.len() as u32,
            ..Progress::default()
        };
        if let Some(manifest) = &content.manifest {
            manifest.name().clone_into(&mut progress.name);
        }
        if let (Some(swarm), Some(manifest), Some(wanted)) = (swarm, &content.manifest, &state.wanted) {
            let layout = manifest.layout();
            if let Some(have) = swarm.have() {
                progress.bytes_have = state.have_bytes.of(now, have, wanted, layout);
            }
            if let Some(store) = &content.store {
                progress.durable_bytes = state.durable_bytes.of(now, &store.durable(), wanted, layout);
            }
            progress.received = *swarm.traffic();
            progress.imports = self.engine.locality().asn.map(|_| state.imports.clone());
            progress.uploaded = swarm.uploaded();
            progress.wasted = swarm.wasted();
            progress.streaming = swarm.streaming(moment);
            progress.rate_down = state.down.update(now, state.arrived.load(Ordering::Relaxed));
            progress.rate_up = state.up.update(now, swarm.uploaded());
        }
        (progress.slow, progress.slow_seconds) = (state.slowness.now, state.slowness.seconds);
        let rate_down = progress.rate_down;
        state.progress.send_replace(progress);
        self.look_why(key, rate_down);
    }

    fn neighbours(&self, key: ContentKey) -> Vec<Neighbour> {
        let of_content = self.links_of(key).into_iter();
        let mut neighbours: Vec<Neighbour> =
            of_content.filter_map(|peer| self.neighbour(key, peer)).collect();
        neighbours.extend(self.web_neighbours(key));
        neighbours.sort_by_key(|neighbour| neighbour.tier);
        neighbours
    }

    fn neighbour(&self, key: ContentKey, peer: PeerKey) -> Option<Neighbour> {
        let up = self.links.get(&(key, peer)).and_then(Link::up)?;
        let known = self.peers.get(peer)?;
        let map = self.maps.0.get(&(key, peer))?;
        Some(Neighbour {
            peer: up.peer.to_string(),
            address: known.connection().map(|connection| connection.remote.to_string()).unwrap_or_default(),
            tier: up.near.tier(),
            asn: up.near.asn,
            rate_down: f64::from(self.engine.swarm(key).map_or(0.0, |swarm| swarm.rate_of(peer))),
            origin: up.origin,
            web_seed: false,
            has: f64::from(map.count()) / f64::from(map.runs().max(1)),
            received: up.received,
            sent: up.sent,
        })
    }
}

fn phase(now: Instant, state: &mut FetchState, swarm: Option<&Swarm>) -> Phase {
    if state.paused && !*state.seeded.borrow() {
        return Phase::Paused;
    }
    if state.path.is_some() {
        return if *state.seeded.borrow() { Phase::Complete } else { Phase::Seeding };
    }
    if state.full_disk.is_full() {
        return Phase::DiskFull;
    }
    let Some(swarm) = swarm else { return Phase::Checking };
    let standing = swarm.standing();
    let queued_since = (standing == Standing::Queued).then(|| state.queued_since.unwrap_or(now));
    state.queued_since = queued_since;
    let is_refused = queued_since.is_some_and(|since| now.duration_since(since) >= REFUSED_AFTER);
    let stall = match standing {
        // The manifest came from a peer, and files found on disk are being hashed.
        Standing::FetchingManifest if state.checked.1.load(Ordering::Relaxed) > 0 => return Phase::Checking,
        Standing::FetchingManifest => return Phase::FetchingManifest,
        Standing::Paused => return Phase::Paused,
        Standing::Moving | Standing::Complete => return Phase::Downloading,
        Standing::DiskFull => return Phase::DiskFull,
        Standing::Alone => Stall::Alone,
        Standing::Searching => Stall::Searching,
        Standing::Queued if is_refused => Stall::Refused,
        Standing::Queued | Standing::Waiting => Stall::Waiting,
        Standing::NobodyHasIt => Stall::NobodyHasIt,
    };
    Phase::Stalled(stall)
}
