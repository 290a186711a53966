//! Directories: asking them, and being a directory.

use std::{net::IpAddr, sync::Arc, time::Duration};

use nearcast_core::{
    addresses::Rank,
    id::{ContentId, ContentKey, PeerKey, QueryId},
    input::{Candidate, Event, Via},
    outcomes::{Outcome, Role},
    registry::Endpoint,
    run_set::RunSet,
    swarm::Swarm,
};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::JoinHandle,
    time::timeout,
};

use super::{Driver, content::Content};
use crate::{
    atlas_offers::Teller,
    directory::AtlasOffer,
    exchange::directory::{self, Asked, QUESTIONS_WAITING_MAX},
    peer_book::{self, Word},
    wire::{
        control::PeerRecord,
        directory::{LINK_BYTES_MAX, Offer, PEERS_MAX, Question, Reply},
    },
};

/// How long we wait at the end for directories to be told that we leave.
const GOODBYE: Duration = Duration::from_millis(500);

/// The questions to one directory, over one stream.
pub(super) struct Questions {
    queue: mpsc::Sender<Asked>,
    task: JoinHandle<()>,
}

impl Driver {
    /// Asks a connected peer for other peers of a swarm.
    pub(super) fn ask(&mut self, key: ContentKey, peer: PeerKey, query: QueryId, wanted: u16) {
        // A connection that was being made when the owner paused the download asks nothing.
        let is_paused = self.contents.get(&key).is_some_and(Content::is_paused);
        let asked = self.question(key).filter(|_| !is_paused).map(|question| {
            let question = Question { wanted: u32::from(wanted), atlas: self.atlas_known(), ..question };
            Asked { content: key, query: Some(query), question }
        });
        if !asked.is_some_and(|asked| self.put_question(peer, asked)) {
            self.input(key, Event::QueryFailed { query });
        }
    }

    /// Tells a directory that we leave a swarm if its stream is open. Otherwise our record expires.
    pub(super) fn withdraw(&mut self, key: ContentKey, peer: PeerKey) {
        let peer = self.peers.alias(peer).unwrap_or(peer);
        let listens = self.questions.get(&peer).is_some_and(|questions| !questions.queue.is_closed());
        if let Some(question) = self.question(key).filter(|_| listens) {
            let question = Question { leaving: true, ..question };
            self.put_question(peer, Asked { content: key, query: None, question });
        }
    }

    fn question(&self, key: ContentKey) -> Option<Question> {
        let content = self.contents.get(&key)?;
        let (tcp_port, udp_port) = self.ports();
        let complete = self.engine.swarm(key).and_then(Swarm::have).is_some_and(RunSet::is_full);
        let content = content.id.0.to_vec();
        Some(Question { content, tcp_port, udp_port, complete, ..Question::default() })
    }

    /// The version of our atlas. `None`: we do not want to hear of newer ones.
    fn atlas_known(&self) -> Option<u64> {
        self.parts.config.hear_of_atlases.then(|| self.nearness.atlas_version().unwrap_or(0))
    }

    /// Queues a question to a connected directory, on its open stream or a new one. False if that
    /// is impossible.
    fn put_question(&mut self, peer: PeerKey, asked: Asked) -> bool {
        let asked = match self.questions.get(&peer).map(|questions| &questions.queue) {
            Some(queue) => match queue.try_send(asked) {
                Ok(()) => return true,
                Err(TrySendError::Full(_)) => return false,
                Err(TrySendError::Closed(asked)) => asked,
            },
            None => asked,
        };
        let connected = self.peers.get(peer).and_then(|known| Some((known.id?, known.connection()?.id)));
        let Some((id, connection)) = connected else { return false };
        let (queue, waiting) = mpsc::channel(QUESTIONS_WAITING_MAX);
        let put = queue.try_send(asked).is_ok();
        let (network, events) = (self.parts.network.clone(), self.services.events.clone());
        let asking = directory::ask(network, (peer, id, connection), waiting, events);
        self.questions.retain(|_, questions| !questions.queue.is_closed());
        self.questions.insert(peer, Questions { queue, task: self.parts.tasks.spawn(asking) });
        put
    }

    /// Waits until directories have been told what is queued for them, at most [`GOODBYE`].
    pub(super) async fn finish_questions(&mut self) {
        let questions = std::mem::take(&mut self.questions);
        let tasks: Vec<_> = questions.into_values().map(|questions| questions.task).collect();
        let told = async {
            for task in tasks {
                // A task fails only if it panicked: then the directory is not told.
                let _ = task.await;
            }
        };
        // A directory that is not told hears no more of us, and soon forgets us.
        let _ = timeout(GOODBYE, told).await;
    }

    /// Whether we answer directory questions about a content.
    pub(super) fn is_directory_of(&self, content: &ContentId) -> bool {
        self.parts.directory.as_ref().is_some_and(|directory| directory.admits(content))
    }

    pub(super) fn on_answered(
        &mut self,
        content: ContentKey,
        query: QueryId,
        directory: PeerKey,
        reply: &Reply,
    ) {
        let ip = self.peers.get(directory).and_then(peer_book::Known::ip);
        let named = self.is_named_directory(content, directory);
        // The peers behind one seeder find each other by its answers, so a typed seeder counts as a
        // directory.
        let chosen = named || self.peers.is_typed(directory);
        let word = Word { ip, rank: if chosen { Rank::Directory } else { Rank::Hearsay } };
        // What the directory heard from others is hearsay, whoever passes it on.
        let known = reply.peers.len().saturating_sub(usize::try_from(reply.referred).unwrap_or(usize::MAX));
        let hearsay = Word { rank: Rank::Hearsay, ..word };
        let records = reply.peers.iter().enumerate().take(PEERS_MAX);
        let mut candidates: Vec<Candidate> = records
            .filter_map(|(at, record)| {
                let word = if at < known { word } else { hearsay };
                self.candidate(record, word, Via::Directory)
            })
            .collect();
        if reply.holds {
            let near = self.near(directory);
            candidates.push(Candidate { peer: directory, near, via: Via::Directory });
        }
        let role = (Role::Directory, directory);
        match () {
            () if !candidates.is_empty() => self.note_good(content, role),
            () if !reply.unknown => self.note_outcome(content, role, Outcome::KnowsNobody),
            // A link does not say which addresses are directories, so peers are asked as well.
            () if named => self.note_outcome(content, role, Outcome::NotForThis),
            () => self.note_good(content, role),
        }
        if let Some(offer) = &reply.atlas {
            self.hear_of_atlas(Teller { peer: directory.0.into(), ip, named }, offer);
        }
        self.hear_where_we_are(&reply.observed, ip, chosen);
        if let Some(pause) = reply.pause() {
            self.input(content, Event::DirectoryPause { query, pause });
        }
        if let Some(members) = reply.members_in_as() {
            self.input(content, Event::Counted { members });
        }
        self.input(content, Event::Discovered { query: Some(query), teller: Some(directory), candidates });
    }

    /// Whether the user named this directory, for this content or for all contents. The best atlas
    /// offer of a named directory is judged first. Only the peer reached at the named address
    /// counts, by the key it proved to have. Other peers at that IP do not count.
    fn is_named_directory(&self, content: ContentKey, directory: PeerKey) -> bool {
        let of_content = self.contents.get(&content).map_or(&[][..], Content::directories);
        let is = |&named: &PeerKey| named == directory || self.peers.alias(named) == Some(directory);
        self.trackers.iter().chain(of_content).any(is)
    }

    /// Notes `observed`, the address at which the directory at `teller` sees us. `named`: the user
    /// typed that directory.
    fn hear_where_we_are(&mut self, observed: &[u8], teller: Option<IpAddr>, named: bool) {
        let v4 = <[u8; 4]>::try_from(observed).map(IpAddr::from);
        let seen_at = v4.or_else(|_| <[u8; 16]>::try_from(observed).map(IpAddr::from));
        if let (Ok(ip), Some(teller)) = (seen_at, teller) {
            self.nearness.surroundings().on_seen_at(ip, teller, named);
        }
        if seen_at.is_ok_and(|ip| self.nearness.on_seen_at(ip))
            && let Some(atlas) = self.nearness.atlas()
        {
            self.look_around(Arc::clone(atlas));
        }
    }

    /// Passes on an offer of a newer atlas at once, from any directory: the fetcher of the atlas
    /// checks the signature.
    fn hear_of_atlas(&mut self, teller: Teller, offer: &Offer) {
        let known = self.nearness.atlas_version().unwrap_or(0);
        if offer.version <= known || offer.link.len() > LINK_BYTES_MAX {
            return;
        }
        let offer = AtlasOffer { version: offer.version, link: offer.link.clone() };
        self.atlas_offers.send_if_modified(|offers| offers.hear(teller, offer));
    }

    /// Makes a candidate of a told record. `None` if we may not dial it or do not believe it.
    pub(super) fn candidate(&mut self, record: &PeerRecord, word: Word, via: Via) -> Option<Candidate> {
        let id = record.peer_id().filter(|id| *id != self.parts.network.local_peer())?;
        let told = peer_book::endpoint(record)?;
        let may_dial = |port: &u16| self.nearness.may_dial(told.ip, *port, word.ip);
        let endpoint = Endpoint { tcp: told.tcp.filter(may_dial), udp: told.udp.filter(may_dial), ..told };
        if endpoint.tcp.is_none() && endpoint.udp.is_none() {
            return None;
        }
        let (ip, now) = (endpoint.ip, self.now());
        let peer = self.peers.hear(now, id, endpoint, word)?;
        // The IP at which we see the peer outweighs the IP that others tell.
        let ip = self.peers.get(peer).and_then(peer_book::Known::ip).unwrap_or(ip);
        Some(Candidate { peer, near: self.nearness.near(ip), via })
    }
}
