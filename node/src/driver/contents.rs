//! The life of contents: added by the owner, and opened in a store.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use libp2p::Multiaddr;
use nearcast_core::{
    id::{ContentKey, PeerKey},
    input::{Candidate, Event, Goal, Join, ManifestFailure, Material, Via},
    manifest::Manifest,
    outcomes::{Outcome, Role},
    run_set::RunSet,
    signature::PublisherKey,
};
use tokio::{sync::oneshot, time::Instant};

use super::{
    Driver,
    acts::tell_owner,
    content::{Content, Counted},
    fetch_state::{FetchState, bytes_of},
    giving::Account,
    link,
    wish::{demand_signature, selection},
};
use crate::{
    command::DownloadParts,
    config::SeedGoal,
    error::{DownloadError, ShareError},
    events::{ContentEvent, NoManifest, Prepared, report},
    fetch::{Fetch, Share, Shared, Source},
    resolve,
    store::{DiskStore, Opened, Target, saved_manifest},
};

impl Driver {
    fn new_key(&mut self) -> ContentKey {
        let key = ContentKey(self.next_key);
        self.next_key = self.next_key.wrapping_add(1);
        key
    }

    fn add(&mut self, key: ContentKey, content: Content) {
        self.by_id.insert(content.id, key);
        self.contents.insert(key, content);
        self.report_number();
        self.awake.insert(key);
    }

    pub(super) fn begin_share(&mut self, share: Share, reply: oneshot::Sender<Result<Shared, ShareError>>) {
        let content = share.manifest.content();
        let answer = if self.by_id.contains_key(&content) {
            self.renew_signatures(&share.manifest);
            Ok(Shared { content })
        } else if self.contents.len() >= self.parts.config.contents_max as usize {
            Err(ShareError::TooMany(self.parts.config.contents_max))
        } else {
            // Looks at sizes and reads no data: short enough for the driver, and a seeder starts
            // its contents in order.
            DiskStore::open_seed(share.manifest.clone(), share.root).map(|store| {
                self.serve(share.manifest, store);
                Shared { content }
            })
        };
        tell_owner(reply, answer);
    }

    /// Replaces the manifest of a served content: it may have been signed since.
    fn renew_signatures(&mut self, manifest: &Arc<Manifest>) {
        let served = self.by_id.get(&manifest.content()).and_then(|key| self.contents.get_mut(key));
        if let Some(content) = served.filter(|content| content.fetch.is_none()) {
            content.manifest = Some(manifest.clone());
        }
    }

    fn serve(&mut self, manifest: Arc<Manifest>, store: Arc<DiskStore>) {
        let layout = Arc::new(manifest.layout().clone());
        let layout_runs = layout.runs();
        let material = Material { have: RunSet::full(layout_runs), layout, wanted: None };
        if let Some(directory) = &self.parts.directory {
            directory.add_own(manifest.content());
        }
        self.services.known.insert(manifest.content(), layout_runs);
        let key = self.new_key();
        let content = Content {
            id: manifest.content(),
            manifest: Some(manifest),
            store: Some(store),
            fetch: None,
            corrupt_peers: BTreeSet::new(),
            web_seeds: BTreeMap::new(),
            account: Account::default(),
            counted: Counted::default(),
            stirred: Instant::now(),
        };
        self.add(key, content);
        let join = Join {
            material: Some(material),
            candidates: Vec::new(),
            directories: self.trackers.clone(),
            may_be_found: true,
            exchange_peers: false,
            patience: Duration::MAX,
            goal: Goal::Forever,
            paused: false,
        };
        self.input(key, Event::Join(join));
    }

    pub(super) fn begin_fetch(&mut self, fetch: Fetch) -> Result<DownloadParts, DownloadError> {
        let id = match &fetch.source {
            Source::Magnet(magnet) => magnet.content,
            Source::Manifest(manifest) => manifest.content(),
        };
        if self.by_id.contains_key(&id) {
            return Err(DownloadError::Busy(fetch.folder));
        }
        if let Source::Manifest(manifest) = &fetch.source {
            demand_signature(manifest, &fetch.signed_by).map_err(DownloadError::Unsigned)?;
        }
        let (key, state) = (self.new_key(), FetchState::begin(fetch.clone()));
        let parts = state.parts(id, key);
        let content = Content {
            id,
            manifest: None,
            store: None,
            fetch: Some(Box::new(state)),
            corrupt_peers: BTreeSet::new(),
            web_seeds: BTreeMap::new(),
            account: Account::default(),
            counted: Counted::default(),
            stirred: Instant::now(),
        };
        self.add(key, content);
        let (events, workers) = (self.services.events.clone(), self.parts.workers.clone());
        let preparing = async move {
            let prepared = Box::new(prepare(fetch, workers).await);
            report(&events, ContentEvent::Prepared { content: key, prepared }).await;
        };
        self.parts.tasks.spawn(self.parts.vital.guard("What prepares downloads", preparing));
        Ok(parts)
    }

    pub(super) fn on_prepared(&mut self, key: ContentKey, prepared: Prepared) {
        let Some(state) = self.contents.get(&key).and_then(|content| content.fetch.as_ref()) else { return };
        let magnet = matches!(state.fetch.source, Source::Magnet(_));
        let (patience, exchange_peers) = (state.fetch.patience, state.fetch.exchange_peers);
        let ask_directories = state.fetch.ask_directories;
        let goal = goal(state.fetch.seed);
        let mut candidates: Vec<Candidate> =
            prepared.peers.iter().map(|address| self.named(address)).collect();
        candidates.extend(self.linked(key, &prepared.linked));
        let mut directories: Vec<PeerKey> =
            prepared.directories.iter().map(|address| self.peers.key_at(address)).collect();
        if let Some(state) = self.fetch_state(key) {
            state.directories.clone_from(&directories);
            for (role, at, why) in prepared.nameless {
                state.outcomes.note((role, &at), true, Outcome::Unreached(why));
            }
        }
        if magnet && ask_directories {
            // A magnet link does not say which of its addresses are directories. Asking them all is
            // cheap.
            directories.extend(candidates.iter().map(|candidate| candidate.peer));
        }
        let may_be_found = self.may_be_found(key, prepared.manifest.as_deref());
        let join = Join {
            material: None,
            candidates,
            directories,
            may_be_found,
            exchange_peers,
            patience,
            goal,
            // Until it is joined, the owner may say otherwise.
            paused: false,
        };
        match prepared.manifest {
            Some(manifest) => self.open(key, manifest, Some(join)),
            None => self.join(key, join),
        }
    }

    /// Whether we may find peers that nobody names: by web seeds or on the local network.
    fn may_be_found(&self, key: ContentKey, manifest: Option<&Manifest>) -> bool {
        let Some(fetch) = self.contents.get(&key).and_then(|content| content.fetch.as_ref()) else {
            return true;
        };
        let fetch = &fetch.fetch;
        let of_source = match &fetch.source {
            Source::Magnet(magnet) => magnet.web_seeds.len(),
            Source::Manifest(manifest) => manifest.web_seeds().len(),
        };
        let web_seeds =
            of_source + fetch.web_seeds.len() + manifest.map_or(0, |known| known.web_seeds().len());
        web_seeds > 0 || fetch.find_on_lan && self.listens_on_lan()
    }

    fn named(&mut self, address: &Multiaddr) -> Candidate {
        let peer = self.peers.key_at(address);
        Candidate { peer, near: self.near(peer), via: Via::Named }
    }

    pub(super) fn on_manifest(
        &mut self,
        key: ContentKey,
        peer: PeerKey,
        result: Result<Arc<Manifest>, NoManifest>,
    ) {
        let wanted = |content: &&Content| content.manifest.is_none();
        let Some(content) = self.contents.get(&key).filter(wanted) else { return };
        match result {
            Ok(manifest) => {
                self.tell_bad_signatures(peer, &manifest);
                let demanded = self.demanded(key);
                if let Err(reason) = demand_signature(&manifest, &demanded) {
                    if let Some(state) = self.fetch_state(key) {
                        state.unsigned = Some(reason);
                    }
                    let why = ManifestFailure::Unsigned;
                    return self.input(key, Event::ManifestFailed { peer, why });
                }
                let seeds = match content.fetch.as_ref().map(|state| &state.fetch.source) {
                    Some(Source::Magnet(magnet)) => magnet.web_seeds.clone(),
                    _ => Vec::new(),
                };
                let manifest = Arc::new(Manifest::clone(&manifest).with_web_seeds(seeds));
                self.open(key, manifest, None);
            }
            Err(NoManifest::Unacceptable(error)) => {
                self.fail(key, DownloadError::Manifest(error.to_string()))
            }
            Err(error) => {
                let corrupt = matches!(error, NoManifest::False(_));
                if let Some(content) = self.contents.get_mut(&key).filter(|_| corrupt) {
                    content.corrupt_peers.insert(peer);
                }
                self.note_outcome(key, (Role::Peer, peer), Outcome::Reached(error.to_string()));
                let why = if corrupt { ManifestFailure::False } else { ManifestFailure::Unavailable };
                self.input(key, Event::ManifestFailed { peer, why });
            }
        }
    }

    /// The publishers one of whom must have signed the content.
    fn demanded(&self, key: ContentKey) -> Vec<PublisherKey> {
        let state = self.contents.get(&key).and_then(|content| content.fetch.as_ref());
        state.map(|state| state.fetch.signed_by.clone()).unwrap_or_default()
    }

    /// Logs signatures that do not verify. The manifest itself stays valid without them.
    fn tell_bad_signatures(&self, peer: PeerKey, manifest: &Manifest) {
        let peer = self.peers.get(peer).and_then(|known| known.id).map(|id| id.to_string());
        for key in manifest.signatures().bad() {
            let peer = peer.as_deref().unwrap_or_default();
            tracing::warn!(peer, "a signature said to be by {key} does not verify, and is ignored");
        }
    }

    /// Opens the store on another thread. `join`: how to join the swarm then. `None`: it was joined
    /// before.
    fn open(&mut self, key: ContentKey, manifest: Arc<Manifest>, join: Option<Join>) {
        let Some(content) = self.contents.get_mut(&key) else { return };
        let Some(state) = &mut content.fetch else { return };
        content.manifest = Some(manifest.clone());
        state.manifest.send_replace(Some(manifest.clone()));
        state.metainfo_wanted.cancel();
        let bytes = manifest.layout().bytes();
        if let Some(bytes_max) = state.fetch.bytes_max.filter(|&bytes_max| bytes > bytes_max) {
            return self.fail(key, DownloadError::TooLarge { bytes, bytes_max });
        }
        let selected = match selection(&manifest, &state.fetch) {
            Ok(selected) => selected,
            Err(error) => return self.fail(key, error),
        };
        state.join = join;
        let target = Target {
            folder: state.fetch.folder.clone(),
            overwrite: state.fetch.overwrite,
            selected,
            state_dir: state.fetch.state_dir.clone(),
            wait_for_room: state.fetch.disk_wait.is_none_or(|wait| !wait.is_zero()),
        };
        let (checked, cancelled) = (state.checked.clone(), state.cancelled.clone());
        let events = self.services.events.clone();
        // A thread of its own: opening may hash for minutes on all cores, and must not hold up the
        // workers.
        let opened = self.parts.vital.blocking("What looks at the files that are there", move || {
            let progress = |done, total| {
                checked.0.store(done, Ordering::Relaxed);
                checked.1.store(total, Ordering::Relaxed);
            };
            DiskStore::open(manifest, target, &progress, &cancelled)
        });
        self.parts.tasks.spawn(async move {
            // `None` only when the program or the runtime ends.
            let Some(result) = opened.await else { return };
            report(&events, ContentEvent::Opened { content: key, result }).await;
        });
    }

    /// Opens the store once more.
    pub(super) fn open_again(&mut self, key: ContentKey) {
        let Some(content) = self.contents.get_mut(&key) else { return };
        let join = content.fetch.as_mut().and_then(|state| state.join.take());
        if let Some(manifest) = content.manifest.clone() {
            self.open(key, manifest, join);
        }
    }

    pub(super) fn on_opened(&mut self, key: ContentKey, result: Result<Opened, DownloadError>) {
        let opened = match result {
            Ok(opened) => opened,
            // Nothing was written yet. The store is opened again when there may be room.
            Err(DownloadError::DiskFull(path)) => {
                return self.pause_for_room(key, &path, "nothing could be begun");
            }
            Err(error) => return self.fail(key, error),
        };
        let Some(content) = self.contents.get_mut(&key) else { return };
        let (Some(manifest), Some(state)) = (&content.manifest, &mut content.fetch) else { return };
        let layout = Arc::new(manifest.layout().clone());
        let wanted = opened.store.wanted();
        state.full_disk.on_written();
        state.bytes_total = bytes_of(&layout, wanted.iter());
        state.bytes_resumed = bytes_of(&layout, opened.have.iter().filter(|&run| wanted.contains(run)));
        state.was_complete = opened.complete;
        let join = state.join.take();
        let material = Material {
            layout,
            have: opened.have,
            wanted: Some(wanted.clone()).filter(|wanted| !wanted.is_full()),
        };
        state.wanted = Some(wanted);
        state.store.send_replace(Some(Arc::downgrade(&opened.store)));
        content.store = Some(opened.store);
        self.services.known.insert(content.id, material.layout.runs());
        match join {
            Some(join) => self.join(key, Join { material: Some(material), ..join }),
            None => self.input(key, Event::Manifest(material)),
        }
        self.find_web_seeds(key);
    }

    pub(super) fn fetch_state(&mut self, key: ContentKey) -> Option<&mut FetchState> {
        self.contents.get_mut(&key)?.fetch.as_deref_mut()
    }
}

/// Looks for a manifest left by an unfinished download, and resolves names to IPs.
async fn prepare(fetch: Fetch, workers: crate::store::Workers) -> Prepared {
    let mut linked = Vec::new();
    let peers: Vec<Multiaddr> = fetch.peers.iter().map(|address| address.0.clone()).collect();
    let directories: Vec<Multiaddr> = fetch.directories.iter().map(|address| address.0.clone()).collect();
    let manifest = match fetch.source {
        Source::Manifest(manifest) => Some(manifest),
        Source::Magnet(magnet) => {
            linked = link::addresses(&magnet, peers.is_empty() && directories.is_empty()).await;
            let (folder, content) = (fetch.folder, magnet.content);
            let saved = workers.run(move || saved_manifest(&folder, content)).await.ok().flatten();
            // An earlier run without demanded signatures may have left it: then a peer may have a
            // signed one.
            let signed = |manifest: &Manifest| demand_signature(manifest, &fetch.signed_by).is_ok();
            saved.filter(signed).map(Arc::new)
        }
    };
    let (peers, directories) = tokio::join!(
        resolve::addresses(&peers, resolve::LOOKUP_TIMEOUT),
        resolve::addresses(&directories, resolve::LOOKUP_TIMEOUT)
    );
    let nameless = |role, found: Vec<(Multiaddr, String)>| {
        found.into_iter().map(move |(address, why)| (role, address.to_string(), why))
    };
    Prepared {
        manifest,
        peers: peers.found,
        linked,
        directories: directories.found,
        nameless: nameless(Role::Peer, peers.nameless)
            .chain(nameless(Role::Directory, directories.nameless))
            .collect(),
    }
}

fn goal(seed: SeedGoal) -> Goal {
    match seed {
        SeedGoal::None => Goal::Ratio(0.0),
        SeedGoal::Ratio(ratio) => Goal::Ratio(ratio as f32),
        SeedGoal::Time(time) => Goal::Time(time),
        SeedGoal::Forever => Goal::Forever,
    }
}
