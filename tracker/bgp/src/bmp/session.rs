//! One router's session, without its connection: messages in, route changes out.
//!
//! Invariant: an error inside a message costs only that message; the session ends only after more
//! than [`DAMAGED_MAX`] of them. An error in the framing ends it at once ([`super::frame`]).

use std::{collections::BTreeSet, sync::Arc};

use bgpkit_parser::{
    bmp::{
        error::ParserBmpError,
        messages::{BmpMessageBody, InitiationTlvType, parse_per_peer_header},
        parse_bmp_msg,
    },
    error::BgpValidationWarning,
    models::{Afi, AsPath, AsPathSegment, BgpMessage, BgpUpdateMessage, NetworkPrefix, Nlri, Safi},
    parser::bgp::messages::parse_bgp_message,
};
use bytes::Bytes;
use ipnetwork::IpNetwork;
use nearcast_core::asn::Asn;

use super::{
    frame::{Frame, HEADER_BYTES},
    path_ids::{Form, form},
    peers::{About, Claim, FAMILIES, Family, Peer, Peers, View},
};
use crate::{
    feed::{Tally, Told},
    paths::Path,
    route::network,
};

/// The most damaged messages of one session: a router that sends more speaks another protocol, or
/// is malicious.
pub const DAMAGED_MAX: u64 = 100;

/// Kinds of messages (RFC 7854, section 10.1). Others are skipped, as the RFC demands.
mod kind {
    pub(super) const ROUTE_MONITORING: u8 = 0;
    pub(super) const PEER_DOWN: u8 = 2;
    pub(super) const PEER_UP: u8 = 3;
    pub(super) const INITIATION: u8 = 4;
    pub(super) const TERMINATION: u8 = 5;
}

/// What a message meant, besides route changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing else.
    Nothing,
    /// The session begins. The router's own name, unchanged.
    Initiation(String),
    /// The message was about a route, whether or not it changed anything.
    Route,
    /// The routes of every peer have been reported once.
    EndOfRib,
    /// The router ends the session.
    Termination,
}

/// Something that the operator should know about a router, once a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Note {
    /// RFC 7911 demands that path ids are announced.
    #[error(
        "it puts path ids in front of prefixes, and did not say so when the peer came up; they are read all the same"
    )]
    UnannouncedIds,
    /// Prefixes are unreadable both with and without path ids.
    #[error(
        "prefixes of some of its messages cannot be read, neither as it announced them nor with path ids (RFC 7911); such \
         routes are left out. A newer version of the router's software may help, or another of its views \
         (route-monitoring-policy)"
    )]
    UnreadablePrefixes,
}

/// The session must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// RFC 7854 demands an initiation message first.
    #[error("it began with a message of kind {0} instead of an initiation")]
    NoInitiation(u8),
    /// More than [`DAMAGED_MAX`] damaged messages.
    #[error("more than {DAMAGED_MAX} of its messages were damaged")]
    Damaged,
}

/// Why a message had no effect.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("it cannot be read: {0}")]
    Damaged(#[from] ParserBmpError),
    #[error("it is about something that is not taken")]
    Skipped,
}

impl From<bgpkit_parser::ParserError> for Lost {
    fn from(error: bgpkit_parser::ParserError) -> Lost {
        Lost::Damaged(error.into())
    }
}

/// A session.
#[derive(Debug, Default)]
pub struct BmpSession {
    peers: Peers,
    begun: bool,
    tally: Tally,
    /// Sources to forget before the following changes.
    gone: Vec<u32>,
    noted: BTreeSet<Note>,
    /// Notes that were not taken yet.
    notes: Vec<Note>,
}

impl BmpSession {
    /// Counts of what was heard so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// New notes for the operator.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    fn note(&mut self, note: Note) {
        if self.noted.insert(note) {
            self.notes.push(note);
        }
    }

    /// Whether the router has reported a peer or a route.
    pub fn has_peers(&self) -> bool {
        !self.peers.is_empty() || self.tally.announced > 0
    }

    /// Handles one message. Appends route changes to `told`.
    ///
    /// # Errors
    /// If the session must end.
    pub fn handle(&mut self, frame: &Frame, told: &mut Vec<Told>) -> Result<Heard, Broken> {
        if !self.begun && frame.kind != kind::INITIATION {
            return Err(Broken::NoInitiation(frame.kind));
        }
        self.begun = true;
        self.tally.messages = self.tally.messages.saturating_add(1);
        let heard = match frame.kind {
            kind::ROUTE_MONITORING => self.route_monitoring(frame.whole.slice(HEADER_BYTES..), told),
            kind::INITIATION | kind::PEER_UP | kind::PEER_DOWN => self.other(frame.whole.clone(), told),
            kind::TERMINATION => return Ok(Heard::Termination),
            _ => return Ok(Heard::Nothing),
        };
        match heard {
            Ok(heard) => return Ok(heard),
            Err(Lost::Skipped) => self.tally.skipped = self.tally.skipped.saturating_add(1),
            Err(Lost::Damaged(error)) => {
                tracing::debug!("a BMP message of kind {} cannot be read: {error}", frame.kind);
                self.tally.damaged = self.tally.damaged.saturating_add(1);
            }
        }
        if self.tally.damaged > DAMAGED_MAX { Err(Broken::Damaged) } else { Ok(Heard::Nothing) }
    }

    fn other(&mut self, mut whole: Bytes, told: &mut Vec<Told>) -> Result<Heard, Lost> {
        let message = parse_bmp_msg(&mut whole)?;
        let about = || message.per_peer_header.as_ref().and_then(About::of).ok_or(Lost::Skipped);
        match &message.message_body {
            BmpMessageBody::InitiationMessage(initiation) => {
                let name = initiation.tlvs.iter().find(|tlv| tlv.info_type == InitiationTlvType::SysName);
                return Ok(Heard::Initiation(name.map_or_else(String::new, |tlv| tlv.info.clone())));
            }
            BmpMessageBody::PeerUpNotification(up) => {
                let has_room = self.peers.up(&about()?, &up.sent_open, &up.received_open, &mut self.gone);
                has_room.then_some(()).ok_or(Lost::Skipped)?;
            }
            BmpMessageBody::PeerDownNotification(_) => self.peers.down(&about()?, &mut self.gone),
            _ => {}
        }
        self.forget(told);
        Ok(Heard::Nothing)
    }

    fn forget(&mut self, told: &mut Vec<Told>) {
        told.extend(self.gone.drain(..).map(|source| Told::Forgotten { source }));
    }

    fn route_monitoring(&mut self, mut body: Bytes, told: &mut Vec<Told>) -> Result<Heard, Lost> {
        let header = parse_per_peer_header(&mut body)?;
        let about = About::of(&header).ok_or(Lost::Skipped)?;
        let peer = *self.peers.find(&about).ok_or(Lost::Skipped)?;
        if self.peers.is_superseded(&about) {
            self.tally.other_views = self.tally.other_views.saturating_add(1);
            return Ok(Heard::Route);
        }
        let add_path = self.add_path(&about, &peer, &body);
        let parse = |add_path| match parse_bgp_message(&mut body.clone(), add_path, &about.asn_length)? {
            BgpMessage::Update(update) => Ok(update),
            _ => Err(Lost::Skipped),
        };
        let update = parse(add_path[Family::V4 as usize])?;
        if update.is_end_of_rib() {
            return Ok(if self.end_of_rib(&about, &update) { Heard::EndOfRib } else { Heard::Nothing });
        }
        let own = match about.view {
            View::Local => Some(peer.own.unwrap_or(about.asn)),
            _ => peer.own,
        };
        let teller = if about.view == View::Local { own.unwrap_or(about.asn) } else { about.asn };
        // The parser reads all of a message in one way, but routers may use the other way for the
        // second family.
        let other = multiprotocol(&update).map(|family| add_path[family as usize]);
        let multiprotocol = match other.filter(|&other| other != add_path[Family::V4 as usize]) {
            Some(other) => Some(parse(other)?),
            None => None,
        };
        let multiprotocol = multiprotocol.as_ref().unwrap_or(&update);
        let mut reading =
            Reading { peers: &mut self.peers, about, tally: &mut self.tally, gone: &mut self.gone, told };
        reading.update(&update, multiprotocol, own, teller, add_path);
        Ok(Heard::Route)
    }

    /// For each family: whether path ids stand in front of its prefixes in this message, as
    /// announced or as the bytes require.
    fn add_path(&mut self, about: &About, peer: &Peer, message: &[u8]) -> [bool; 2] {
        let mut add_path = peer.add_path;
        for family in FAMILIES {
            let at = family as usize;
            if add_path[at] {
                continue;
            }
            match form(message, family) {
                Form::Plain => {}
                Form::Either => add_path[at] = peer.has_ids[at],
                Form::WithIds => {
                    add_path[at] = true;
                    if self.peers.note_ids(about, family) {
                        self.note(Note::UnannouncedIds);
                    }
                }
                Form::Neither => self.note(Note::UnreadablePrefixes),
            }
        }
        add_path
    }

    fn end_of_rib(&mut self, about: &About, update: &BgpUpdateMessage) -> bool {
        let family = match update.attributes.get_unreachable_nlri() {
            None => Family::V4,
            Some(nlri) => match family(nlri) {
                Some(family) => family,
                None => return false,
            },
        };
        self.peers.end_of_rib(about, family)
    }
}

/// The family of unicast prefixes. Only unicast, sent to one address at a time, is of use.
fn family(nlri: &Nlri) -> Option<Family> {
    match (nlri.afi, nlri.safi) {
        (Afi::Ipv4, Safi::Unicast) => Some(Family::V4),
        (Afi::Ipv6, Safi::Unicast) => Some(Family::V6),
        _ => None,
    }
}

/// The family in the multiprotocol attributes of a message: IPv6, or IPv4 in the newer encoding
/// (RFC 4760).
fn multiprotocol(update: &BgpUpdateMessage) -> Option<Family> {
    let attributes = &update.attributes;
    attributes.get_reachable_nlri().or_else(|| attributes.get_unreachable_nlri()).and_then(family)
}

/// Turns one update into route changes.
struct Reading<'a> {
    peers: &'a mut Peers,
    about: About,
    tally: &'a mut Tally,
    gone: &'a mut Vec<u32>,
    told: &'a mut Vec<Told>,
}

impl Reading<'_> {
    fn update(
        &mut self,
        update: &BgpUpdateMessage,
        multiprotocol: &BgpUpdateMessage,
        own: Option<Asn>,
        teller: Asn,
        add_path: [bool; 2],
    ) {
        let damaged =
            |warning: &BgpValidationWarning| matches!(warning, BgpValidationWarning::MalformedNlri { .. });
        if update.attributes.validation_warnings().iter().any(damaged) {
            self.tally.damaged = self.tally.damaged.saturating_add(1);
        }
        let withdrawn = multiprotocol.attributes.get_unreachable_nlri();
        let announced = multiprotocol.attributes.get_reachable_nlri();
        self.prefixes(Family::V4, &update.withdrawn_prefixes, None, add_path);
        self.nlri(withdrawn, None, add_path);
        if update.announced_prefixes.is_empty() && announced.is_none() {
            return;
        }
        let path = update.attributes.effective_as_path().map(|path| without_front(path, own));
        // Without a usable path it counts as withdrawn (RFC 7606).
        let path = path.and_then(|path| Path::clean(&path, teller).ok()).map(Arc::new);
        if path.is_none() {
            self.tally.skipped = self.tally.skipped.saturating_add(1);
        }
        self.prefixes(Family::V4, &update.announced_prefixes, path.as_ref(), add_path);
        self.nlri(announced, path.as_ref(), add_path);
    }

    fn nlri(&mut self, nlri: Option<&Nlri>, path: Option<&Arc<Path>>, add_path: [bool; 2]) {
        let Some(nlri) = nlri else { return };
        match family(nlri) {
            Some(family) => self.prefixes(family, &nlri.prefixes, path, add_path),
            None => self.tally.skipped = self.tally.skipped.saturating_add(1),
        }
    }

    fn prefixes(
        &mut self,
        family: Family,
        prefixes: &[NetworkPrefix],
        path: Option<&Arc<Path>>,
        add_path: [bool; 2],
    ) {
        if prefixes.is_empty() {
            return;
        }
        let source = match path {
            Some(_) => match self.peers.claim(&self.about, family, self.gone) {
                Claim::Taken(source) => Some(source),
                Claim::Better => None,
            },
            None => self.peers.taken(&self.about, family),
        };
        self.told.extend(self.gone.drain(..).map(|source| Told::Forgotten { source }));
        let Some(source) = source else {
            self.tally.other_views = self.tally.other_views.saturating_add(1);
            return;
        };
        for prefix in prefixes {
            // The parser takes a zero for the start of a path id even if ids were not announced.
            let guessed = prefix.path_id.is_some() && !add_path[family as usize];
            let Some(network) = network(prefix).filter(|network| !guessed && is_of(network, family)) else {
                self.tally.skipped = self.tally.skipped.saturating_add(1);
                continue;
            };
            let path_id = prefix.path_id.unwrap_or(0);
            self.told.push(match path {
                Some(path) => {
                    self.tally.announced = self.tally.announced.saturating_add(1);
                    Told::Announced { source, network, path_id, path: Arc::clone(path) }
                }
                None => {
                    self.tally.withdrawn = self.tally.withdrawn.saturating_add(1);
                    Told::Withdrawn { source, network, path_id }
                }
            });
        }
    }
}

fn is_of(network: &IpNetwork, family: Family) -> bool {
    network.is_ipv4() == (family == Family::V4)
}

/// Removes the router's own AS from the front of a path. Best paths and paths sent on begin with
/// it, but it is not part of the way.
fn without_front(path: AsPath, own: Option<Asn>) -> AsPath {
    let Some(own) = own else { return path };
    let mut front = true;
    let segments: Vec<AsPathSegment> = path
        .into_segments_iter()
        .map(|segment| match segment {
            AsPathSegment::AsSequence(members) if front => {
                let ours = members.iter().take_while(|member| u32::from(**member) == own.0).count();
                front = ours == members.len();
                AsPathSegment::AsSequence(members[ours..].into())
            }
            other => {
                front = front && other.is_confed();
                other
            }
        })
        .collect();
    AsPath::from_segments(segments)
}

#[cfg(test)]
mod tests;
