//! Carries out the engine's actions, and passes task events to the engine.

use nearcast_core::{
    id::{ContentKey, PeerKey},
    input::{Event, ManifestFailure},
    message::Message,
    outcomes::{Outcome, Role},
    output::{Action, UnlinkReason},
};

use super::{Driver, network::Errand};
use crate::{
    exchange::{TaskEvent, manifest, serve::Due},
    wire::data::Ask,
};

impl Driver {
    pub(super) fn act(&mut self, content: ContentKey, action: Action) {
        let Some(action) = self.act_by_http(content, action) else { return };
        match action {
            Action::Dial { peer } => self.send_on_errand(peer, Errand::Link(content)),
            Action::Unlink { peer, why } => self.take_down(content, peer, Some(goodbye(why))),
            Action::FetchManifest { peer } => self.fetch_manifest(content, peer),
            Action::Ask { directory, query, wanted } => {
                self.send_on_errand(directory, Errand::Ask { content, query, wanted });
            }
            Action::Withdraw { directory } => self.withdraw(content, directory),
            Action::Send { peer, message } => {
                if message == Message::Choke {
                    // Otherwise a peer that requests many runs in its turn is served long after the
                    // turn.
                    self.refuse_waiting(content, peer);
                }
                self.tell(content, peer, message);
            }
            Action::Request { peer, request, run, exact } => {
                self.send_ask(content, peer, Ask::Request { id: request.0, run: run.get().into(), exact });
            }
            Action::Cancel { peer, request } => self.send_ask(content, peer, Ask::Cancel { id: request.0 }),
            Action::Serve { peer, upload, run } => {
                self.answer(content, peer, Due::Run { request: upload.0, run });
            }
            Action::Refuse { peer, upload, why } => {
                self.answer(content, peer, Due::Refusal { request: upload.0, why });
            }
            Action::Completed => self.on_completed(content),
            Action::GoalReached => self.on_goal_reached(content),
            Action::GaveUp(why) => self.on_gave_up(content, why),
        }
    }

    fn fetch_manifest(&mut self, content: ContentKey, peer: PeerKey) {
        let connected = self.peers.get(peer).and_then(|known| Some((known.id?, known.connection()?.id)));
        let wanted = self.contents.get(&content);
        let wanted =
            wanted.and_then(|content| Some((content.id, content.fetch.as_ref()?.metainfo_wanted.clone())));
        let (Some((id, connection)), Some((wanted, pursued))) = (connected, wanted) else {
            let why = ManifestFailure::Unavailable;
            return self.input(content, Event::ManifestFailed { peer, why });
        };
        self.parts.tasks.spawn(manifest::fetch(
            self.parts.network.clone(),
            (peer, id, connection),
            (content, wanted),
            self.parts.workers.clone(),
            self.services.events.clone(),
            pursued.child_token(),
        ));
    }

    pub(super) fn on_task_event(&mut self, event: TaskEvent) {
        match event {
            TaskEvent::LinkOffered { peer, connection, hello, stream } => {
                self.on_link_offered(peer, connection, &hello, stream);
            }
            TaskEvent::LinkOpened { link, hello, stream } => self.on_link_opened(link, &hello, stream),
            TaskEvent::LinkFailed { link, reason } => self.on_link_failed(link, &reason),
            TaskEvent::Said { link, said } => self.on_said(link, said),
            TaskEvent::LinkClosed { link, reason, stalled } => self.on_link_closed(link, &reason, stalled),
            TaskEvent::Stored { link, request, run } => self.on_stored(link, request, run),
            TaskEvent::Failed { link, request, cause } => self.on_failed(link, request, cause),
            TaskEvent::WebSeed { link, news } => self.on_web_seed(link, news),
            TaskEvent::Receiving { link } => self.input(link.content, Event::Receiving),
            TaskEvent::DataOffered { peer, content, stream } => self.on_data_offered(peer, content, stream),
            TaskEvent::Wanted { link, request, run, exact } => self.on_wanted(link, request, (run, exact)),
            TaskEvent::Withdrawn { link, request } => self.on_withdrawn(link, request),
            TaskEvent::Uploaded { link, run, bytes } => self.on_uploaded(link, run, bytes),
            TaskEvent::Answered { content, query, directory, reply } => {
                self.on_answered(content, query, directory, &reply);
            }
            TaskEvent::AskFailed { content, query, directory, reason } => {
                self.note_outcome(content, (Role::Directory, directory), Outcome::Unreached(reason));
                self.input(content, Event::QueryFailed { query });
            }
            TaskEvent::ManifestWanted { content, reply } => {
                let manifest =
                    self.by_id.get(&content).and_then(|key| self.contents.get(key)?.manifest.clone());
                // Sending fails if the asker has gone; then no answer is needed.
                let _ = reply.send(manifest);
            }
            TaskEvent::ManifestCame { content, peer, result } => self.on_manifest(content, peer, result),
            TaskEvent::LookedAround(outlook) => {
                self.nearness.look_around(*outlook);
                self.locate();
                match self.nearness.our_asn() {
                    Some(asn) => tracing::info!("another atlas is in use; by it we are in {asn}"),
                    None => {
                        tracing::info!("another atlas is in use; it does not know which network we are in")
                    }
                }
            }
            TaskEvent::LanHeard(heard) => self.on_lan_heard(&heard),
            stores => self.on_store_event(stores),
        }
    }

    fn on_store_event(&mut self, event: TaskEvent) {
        match event {
            TaskEvent::Prepared { content, prepared } => self.on_prepared(content, *prepared),
            TaskEvent::Opened { content, result } => self.on_opened(content, result),
            TaskEvent::StoreFailed { content, error } => self.on_store_failed(content, error),
            TaskEvent::Unreadable { link, run, error } => self.on_unreadable(link, run, error),
            TaskEvent::Checkpointed { content, result } => self.on_checkpointed(content, result),
            TaskEvent::Finished { content, result } => self.on_finished(content, result),
            _ => {}
        }
    }
}

/// The reason as a number on the wire.
fn goodbye(why: UnlinkReason) -> u32 {
    match why {
        UnlinkReason::Full => 1,
        UnlinkReason::Useless | UnlinkReason::Relink => 2,
        UnlinkReason::Leaving => 3,
        UnlinkReason::Banned => 4,
    }
}
