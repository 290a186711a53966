//! What nodes send each other, and what can happen in a world.

use nearcast_core::{
    id::PeerKey,
    overlay::{
        contact::{Contact, Standing},
        ticket::{Ticket, Welcome},
    },
    time::Timestamp,
};

use super::after;
use crate::overlay::scenario::OverlayScenario;

/// What a node says to another. The frames around it, and encryption, cost some 60 bytes each.
#[derive(Debug)]
pub(super) enum Message {
    Ask(Standing),
    Welcome(Standing, Box<Welcome>),
    Refuse(Vec<Contact>),
    Detach,
    Renew,
    Renewal(Box<Welcome>),
    Introduce(Contact),
    Recruit(Vec<Contact>),
    Accept,
    Decline,
    Gossip(Box<Ticket>, Vec<Contact>, bool),
    AskRoom(u16),
    GrantRoom(u16),
    Handed(Vec<PeerKey>),
    Move(Contact),
}

/// Bytes of a frame with its encryption.
const FRAME_BYTES: u64 = 60;
/// Bytes of a contact on the wire: a public key, and an address.
const CONTACT_BYTES: u64 = 56;
const TICKET_BYTES: u64 = 12;
const MARK_BYTES: u64 = 6;

impl Message {
    /// Its sender waits for an answer.
    pub(super) fn is_question(&self) -> bool {
        matches!(
            self,
            Message::Ask(_) | Message::Recruit(_) | Message::Gossip(_, _, true) | Message::AskRoom(_)
        )
    }

    /// About as long as it is on the wire.
    pub(super) fn bytes(&self) -> u64 {
        let contacts = |count: usize| CONTACT_BYTES * count as u64;
        let ticket = |ticket: &Ticket| TICKET_BYTES + MARK_BYTES * ticket.sketch.marks().len() as u64;
        FRAME_BYTES
            + match self {
                Message::Welcome(_, welcome) | Message::Renewal(welcome) => {
                    ticket(&welcome.ticket) + contacts(welcome.others.len())
                }
                Message::Refuse(others) | Message::Recruit(others) => contacts(others.len()),
                Message::Gossip(said, leads, _) => ticket(said) + contacts(leads.len()),
                Message::Introduce(_) | Message::Move(_) => contacts(1),
                Message::Handed(children) => contacts(children.len()),
                Message::Ask(_)
                | Message::Detach
                | Message::Renew
                | Message::Accept
                | Message::Decline
                | Message::AskRoom(_)
                | Message::GrantRoom(_) => 4,
            }
    }

    fn kind(&self) -> u64 {
        match self {
            Message::Ask(Standing::Primary) => 0,
            Message::Ask(Standing::Warm) => 1,
            Message::Welcome(..) => 2,
            Message::Refuse(_) => 3,
            Message::Detach => 4,
            Message::Renew => 5,
            Message::Renewal(_) => 6,
            Message::Introduce(_) => 7,
            Message::Recruit(_) => 8,
            Message::Accept => 9,
            Message::Decline => 10,
            Message::Gossip(..) => 11,
            Message::AskRoom(_) => 12,
            Message::GrantRoom(_) => 13,
            Message::Handed(_) => 14,
            Message::Move(_) => 15,
        }
    }
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) from: u32,
    pub(super) to: u32,
    /// The incarnations of both when it was sent.
    pub(super) states: (u8, u8),
    pub(super) message: Message,
}

/// What can happen.
#[derive(Debug)]
pub(super) enum Event {
    /// A machine wanted to be woken.
    Wake { node: u32 },
    /// A message arrives.
    Delivered(Box<Sent>),
    /// A node does not answer.
    Failed { at: u32, state: u8, peer: u32 },
    /// A connection is seen to be broken.
    Closed { at: u32, state: u8, peer: u32 },
    /// A look-up ends.
    Found { at: u32, state: u8 },
    /// A node starts.
    Start { node: u32 },
    /// A second has passed: nodes come and go.
    Tide,
    /// Something fails.
    Fault(Fault),
}

impl Event {
    /// The event in a trace.
    pub(super) fn word(&self) -> u64 {
        let pair = |kind: u64, a: u32, b: u32| kind << 58 ^ u64::from(a) << 29 ^ u64::from(b);
        match self {
            Event::Wake { node } => pair(1, *node, 0),
            Event::Delivered(sent) => pair(16 + sent.message.kind(), sent.to, sent.from),
            Event::Failed { at, peer, .. } => pair(2, *at, *peer),
            Event::Closed { at, peer, .. } => pair(3, *at, *peer),
            Event::Found { at, .. } => pair(4, *at, 0),
            Event::Start { node } => pair(5, *node, 0),
            Event::Tide => pair(6, 0, 0),
            Event::Fault(_) => pair(7, 0, 0),
        }
    }
}

/// Something fails, or is mended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Loss,
    Part,
    Mend,
    /// The nodes that are to be cut off are drawn.
    Clog,
    /// One of them is cut off, or comes back.
    Cut {
        node: u32,
        is: bool,
    },
}

impl Fault {
    /// All that fail in a scenario.
    pub(super) fn of(scenario: &OverlayScenario) -> Vec<(Timestamp, Fault)> {
        let mut faults = Vec::new();
        if scenario.loss.at_seconds > 0.0 {
            faults.push((after(scenario.loss.at_seconds), Fault::Loss));
        }
        let partition = &scenario.partition;
        if partition.at_seconds > 0.0 {
            faults.push((after(partition.at_seconds), Fault::Part));
            faults.push((after(partition.at_seconds + partition.for_seconds), Fault::Mend));
        }
        if scenario.clog.at_seconds > 0.0 {
            faults.push((after(scenario.clog.at_seconds), Fault::Clog));
        }
        faults
    }
}
