//! Runs in both directions: our requests and their results, the peers' requests and our answers.

use libp2p::PeerId;
use nearcast_core::{
    id::{ContentId, ContentKey, PeerKey, RequestId, UploadId},
    input::{Event, RunFailure},
    layout::RunIndex,
    message::Refusal,
    tier::Near,
    untrusted::Untrusted,
};

use super::{Driver, links::Link};
use crate::{
    events::LinkId,
    exchange::serve::{self, Due, Serve},
    net::Wire,
    store::StoreError,
    wire::data::Ask,
};

impl Driver {
    /// Sends a request, or its cancellation.
    pub(super) fn send_ask(&mut self, content: ContentKey, peer: PeerKey, ask: Ask) {
        let up = self.links.get(&(content, peer)).and_then(Link::up);
        match up.map(|up| up.asks.try_send(ask)) {
            Some(Ok(())) => {}
            Some(Err(_)) => self.on_link_gone(content, peer, "the peer takes no requests"),
            None => {
                if let Ask::Request { id, .. } = ask {
                    let request = RequestId(id);
                    self.input(content, Event::RunFailed { peer, request, cause: RunFailure::Silent });
                }
            }
        }
    }

    pub(super) fn on_coming(&mut self, id: LinkId, request: u32) {
        if self.link(id).is_some() {
            self.input(id.content, Event::Coming { peer: id.peer, request: RequestId(request) });
        }
    }

    pub(super) fn on_stored(&mut self, id: LinkId, request: u32, run: RunIndex) {
        let (content, peer) = (id.content, id.peer);
        let bytes = self.contents.get(&content).map_or(0, |content| content.run_length(run));
        if let Some(up) = self.link(id) {
            up.received += bytes;
            up.note_worth();
            let near = up.near;
            self.note_import(content, near, bytes);
        } else {
            self.note_web_run(id, bytes);
        }
        self.note_room(content);
        let fetch = self.contents.get(&content).and_then(|content| content.fetch.as_ref());
        let first = fetch.is_some_and(|state| state.progress.borrow().received.total() == 0);
        // Told even if the link is gone: the run is on disk.
        self.input(content, Event::RunStored { peer, request: RequestId(request), run });
        self.wake_readers(content);
        if first {
            // Owners wait for the first run. Later progress is reported several times a second
            // anyway.
            self.report(content);
        }
    }

    fn note_import(&mut self, content: ContentKey, near: Near, bytes: u64) {
        let foreign = self.engine.locality().is_foreign(near);
        if let (Some(asn), true, Some(state)) = (near.asn, foreign, self.fetch_state(content)) {
            state.imports.add(asn, bytes);
        }
    }

    pub(super) fn on_failed(&mut self, id: LinkId, request: u32, cause: RunFailure) {
        let is_false = matches!(cause, RunFailure::Corrupt { .. } | RunFailure::Unasked);
        if let (true, Some(content)) = (is_false, self.contents.get_mut(&id.content)) {
            content.corrupt_peers.insert(id.peer);
            self.note_web_corruption(id);
        }
        let event = Event::RunFailed { peer: id.peer, request: RequestId(request), cause };
        self.input(id.content, event);
    }

    pub(super) fn on_data_offered(&mut self, peer_id: PeerId, content: ContentId, stream: Wire) {
        let Some(&key) = self.by_id.get(&content) else { return };
        let peer = self.peers.key_of(peer_id);
        let Some(store) = self.contents.get(&key).and_then(|content| content.store.clone()) else { return };
        let Some(id) = self.links.get(&(key, peer)).map(|link| link.id) else { return };
        let account = self.account(id);
        let Some(up) = self.link(id).filter(|up| !up.serving) else { return };
        up.serving = true;
        let (queue, cancel) = (up.uploads.clone(), up.cancel.clone());
        let serve = Serve {
            link: id,
            queue,
            store,
            workers: self.parts.workers.clone(),
            up: self.services.up.clone(),
            gate: self.services.gate.clone(),
            account,
            buffers: self.services.buffers.clone(),
            ahead: self.services.ahead.clone(),
            measured: self.parts.measured.clone(),
            events: self.services.events.clone(),
        };
        self.parts.tasks.spawn(serve::run(serve, stream, cancel));
    }

    pub(super) fn on_wanted(&mut self, id: LinkId, request: u32, (run, exact): (Untrusted<u32>, bool)) {
        let closing = self.closing.is_some();
        let content = self.contents.get(&id.content);
        let index = content.and_then(|content| run.admit(|run| content.run_index(run)));
        if self.link(id).is_none() {
            return;
        }
        match index {
            Some(_) if closing => {
                self.answer(id.content, id.peer, Due::Refusal { request, why: Refusal::Choked })
            }
            Some(run) => {
                let event = Event::RunWanted { peer: id.peer, upload: UploadId(request), run, exact };
                self.input(id.content, event);
            }
            None => self.on_breach(id.content, id.peer, "it asked for a run the content does not have"),
        }
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, content: ContentKey, peer: PeerKey, due: Due) {
        if let Due::Refusal { why, .. } = due {
            self.totals.requests_refused[why as usize] += 1;
        }
        let up = self.links.get_mut(&(content, peer)).and_then(Link::up_mut);
        match (up, due) {
            (Some(up), due) => {
                if up.uploads.push(due) {
                    up.uploading += u32::from(matches!(due, Due::Run { .. }));
                } else {
                    self.on_breach(content, peer, "the peer asks and does not read the answers");
                }
            }
            (None, Due::Run { run, .. }) => {
                self.input(content, Event::UploadEnded { peer, run, bytes: 0 });
            }
            (None, Due::Refusal { .. }) => {}
        }
    }

    /// Refuses requests that wait to be served and were not begun.
    pub(super) fn refuse_waiting(&mut self, content: ContentKey, peer: PeerKey) {
        let Some((id, uploads)) =
            self.links.get(&(content, peer)).and_then(|link| Some((link.id, link.up()?.uploads.clone())))
        else {
            return;
        };
        for run in uploads.refuse_all() {
            self.on_uploaded(id, run, 0);
        }
    }

    /// Handles a requested run that cannot be read. Runs that are lost with it are no longer
    /// offered.
    pub(super) fn on_unreadable(&mut self, id: LinkId, run: RunIndex, error: StoreError) {
        self.totals.disk_errors += 1;
        if let Some(kept_back) = self.unreadable_said.due() {
            tracing::error!(%error, run = run.get(), kept_back, "a run could not be served");
        }
        self.on_uploaded(id, run, 0);
        match error {
            StoreError::Rotten { lost, .. } => self.on_runs_lost(id.content, lost),
            StoreError::Edited { lost, .. } => self.on_edited(id.content, lost),
            error if error.is_passing() => {}
            _ => self.on_runs_lost(id.content, vec![run]),
        }
    }

    pub(super) fn on_withdrawn(&mut self, id: LinkId, request: u32) {
        let Some(run) = self.link(id).and_then(|up| up.uploads.withdraw(request)) else { return };
        self.on_uploaded(id, run, 0);
    }

    pub(super) fn on_uploaded(&mut self, id: LinkId, run: RunIndex, bytes: u32) {
        let near = self.link(id).map(|up| {
            up.sent += u64::from(bytes);
            if bytes > 0 {
                up.note_worth();
            }
            up.uploading = up.uploading.saturating_sub(1);
            up.near
        });
        self.totals.uploaded += u64::from(bytes);
        self.totals.requests_served += u64::from(bytes > 0);
        let near = near.unwrap_or(Near::UNKNOWN);
        self.totals.uploaded_by_tier[near.tier() as usize] += u64::from(bytes);
        if self.engine.locality().is_foreign(near) {
            self.totals.exported += u64::from(bytes);
        }
        self.note_given(id.content, id.peer, near, bytes);
        self.input(id.content, Event::UploadEnded { peer: id.peer, run, bytes });
    }
}
