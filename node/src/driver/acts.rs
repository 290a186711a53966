//! Carries out the engine's actions, and passes task events to the engine.

use nearcast_core::{
    id::{ContentKey, PeerKey},
    input::{Event, ManifestFailure},
    message::Message,
    outcomes::{Outcome, Role},
    output::{Action, UnlinkReason},
};
use tokio::sync::oneshot;

use super::{Driver, network::Errand};
use crate::{
    events::{ContentEvent, DirectoryEvent, LinkEvent, ManifestEvent, RunEvent, TaskEvent},
    exchange::{manifest, serve::Due},
    nearness::Outlook,
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
            Action::Announce { runs } => self.announce(content, &runs),
            Action::Request { peer, request, run, exact, .. } => {
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
            TaskEvent::Link(event) => self.on_link_event(event),
            TaskEvent::Run(event) => self.on_run_event(event),
            TaskEvent::WebSeed { link, news } => self.on_web_seed(link, news),
            TaskEvent::Content(event) => self.on_content_event(event),
            TaskEvent::Manifest(event) => self.on_manifest_event(event),
            TaskEvent::Directory(event) => self.on_directory_event(event),
            TaskEvent::LookedAround(outlook) => self.on_looked_around(*outlook),
            TaskEvent::LanHeard(heard) => self.on_lan_heard(&heard),
        }
    }

    fn on_link_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Offered { peer, connection, hello, stream } => {
                self.on_link_offered(peer, connection, &hello, stream);
            }
            LinkEvent::Opened { link, hello, stream } => self.on_link_opened(link, &hello, stream),
            LinkEvent::Failed { link, reason } => self.on_link_failed(link, &reason),
            LinkEvent::Said { link, said } => self.on_said(link, said),
            LinkEvent::DataOffered { peer, content, stream } => self.on_data_offered(peer, content, stream),
            LinkEvent::Closed { link, reason, stalled } => self.on_link_closed(link, &reason, stalled),
        }
    }

    fn on_run_event(&mut self, event: RunEvent) {
        match event {
            RunEvent::Stored { link, request, run } => self.on_stored(link, request, run),
            RunEvent::Failed { link, request, cause } => self.on_failed(link, request, cause),
            RunEvent::Coming { link, request } => self.on_coming(link, request),
            RunEvent::Receiving { link } => self.input(link.content, Event::Receiving),
            RunEvent::Wanted { link, request, run, exact } => self.on_wanted(link, request, (run, exact)),
            RunEvent::Withdrawn { link, request } => self.on_withdrawn(link, request),
            RunEvent::Uploaded { link, run, bytes } => self.on_uploaded(link, run, bytes),
            RunEvent::Unreadable { link, run, error } => self.on_unreadable(link, run, error),
        }
    }

    fn on_content_event(&mut self, event: ContentEvent) {
        match event {
            ContentEvent::Prepared { content, prepared } => self.on_prepared(content, *prepared),
            ContentEvent::Opened { content, result } => self.on_opened(content, result),
            ContentEvent::StoreFailed { content, error } => self.on_store_failed(content, error),
            ContentEvent::Checkpointed { content, result } => self.on_checkpointed(content, result),
            ContentEvent::Finished { content, result } => self.on_finished(content, result),
        }
    }

    fn on_manifest_event(&mut self, event: ManifestEvent) {
        match event {
            ManifestEvent::Wanted { content, reply } => {
                let known = self.by_id.get(&content).and_then(|key| self.contents.get(key));
                let gives = known.filter(|content| !content.is_paused());
                tell_owner(reply, gives.and_then(|content| content.manifest.clone()));
            }
            ManifestEvent::Came { content, peer, result } => self.on_manifest(content, peer, result),
        }
    }

    fn on_directory_event(&mut self, event: DirectoryEvent) {
        match event {
            DirectoryEvent::Answered { content, query, directory, reply } => {
                self.on_answered(content, query, directory, &reply);
            }
            DirectoryEvent::Failed { content, query, directory, reason } => {
                self.note_outcome(content, (Role::Directory, directory), Outcome::Unreached(reason));
                self.input(content, Event::QueryFailed { query });
            }
        }
    }

    fn on_looked_around(&mut self, outlook: Outlook) {
        self.nearness.look_around(outlook);
        self.locate();
        match self.nearness.our_asn() {
            Some(asn) => tracing::info!("another atlas is in use; by it we are in {asn}"),
            None => tracing::info!("another atlas is in use; it does not know which network we are in"),
        }
    }
}

/// Gives an answer to whoever asked. One that no longer waits needs none.
pub(super) fn tell_owner<T>(reply: oneshot::Sender<T>, answer: T) {
    let _ = reply.send(answer);
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
