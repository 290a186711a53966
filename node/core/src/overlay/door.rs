//! What can happen to a node of the overlay, and what it wants done.
//!
//! The shell's part:
//! - It keeps one connection to each parent, each child and each sibling, and says [`Input::Lost`] when one breaks.
//! - It answers every [`Output::Attach`], [`Output::Gossip`], [`Output::AskRoom`] and [`Output::Recruit`] with exactly
//!   one input, within [`ANSWER_SECONDS_MAX`]: what the other said, or [`Input::Unreachable`].
//! - Places are those of connections, never of what was said. Addresses of contacts that others name go through the
//!   address book and its rules before they are dialled.
//! - Before a message becomes an input, the shell bounds it: lists by the constants of [`ticket`](super::ticket).
//! - It hands in [`Input::Woken`] when [`Membership::poll_timeout`](super::membership::Membership::poll_timeout) says.

use super::{
    contact::{Caller, Contact, Standing},
    eligible::{ChildFacts, Facts},
    ticket::{Ticket, Welcome},
};
use crate::{id::PeerKey, place::asn::Asn};

/// An answer that takes longer than this is none: the shell says [`Input::Unreachable`].
pub const ANSWER_SECONDS_MAX: u64 = 15;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The time has come that was asked for.
    Woken,
    /// The node measured itself: at the start, when something changed, and every few minutes.
    Measured(Facts),
    /// The shell found supernodes: configured ones, remembered ones, those of a look-up.
    Found(Vec<Contact>),

    /// A supernode took us as its child.
    Attached {
        /// The supernode.
        parent: PeerKey,
        /// As what.
        standing: Standing,
        /// What it says.
        welcome: Box<Welcome>,
    },
    /// A supernode did not take us.
    Refused {
        /// The supernode.
        parent: PeerKey,
        /// Others that it names.
        alternatives: Vec<Contact>,
    },
    /// A node could not be reached, or did not answer.
    Unreachable {
        /// The node.
        peer: PeerKey,
    },
    /// The connection to a node broke, or the node ended what we are to each other.
    Lost {
        /// The node.
        peer: PeerKey,
    },
    /// A parent answered [`Output::Renew`].
    Renewed {
        /// The parent.
        parent: PeerKey,
        /// What it says.
        welcome: Box<Welcome>,
    },
    /// Our parent hands us over to another supernode.
    Moved {
        /// Our parent.
        from: PeerKey,
        /// Where we should go.
        to: Contact,
    },
    /// Our parent elects us.
    Elected {
        /// Our parent.
        by: Contact,
        /// Its siblings.
        siblings: Vec<Contact>,
    },

    /// A node asks to become our child.
    Asked {
        /// The node.
        caller: Caller,
        /// As what.
        standing: Standing,
    },
    /// A child asks for a new ticket.
    RenewAsked {
        /// The child.
        child: PeerKey,
        /// The version of its program.
        version: u32,
    },
    /// What was measured of the children that [`Output::Survey`] named.
    Surveyed(Vec<(PeerKey, ChildFacts)>),
    /// The child that we elected serves.
    Accepted {
        /// The child.
        child: Contact,
    },
    /// The child that we elected does not serve.
    Declined {
        /// The child.
        child: PeerKey,
    },
    /// Processor, memory or connections run short, or do so no longer.
    Strained(bool),

    /// A supernode sent its ticket.
    Told {
        /// The supernode.
        from: Contact,
        /// What it says of itself.
        ticket: Box<Ticket>,
        /// Others that it names.
        leads: Vec<Contact>,
        /// It wants our ticket.
        answer: bool,
    },
    /// A supernode that steps down asks us to take children of its.
    RoomAsked {
        /// The supernode.
        from: PeerKey,
        /// Children.
        children: u16,
    },
    /// A supernode answered [`Output::AskRoom`].
    RoomGranted {
        /// The supernode.
        from: PeerKey,
        /// Children that it takes.
        children: u16,
    },
    /// A supernode hands children over to us: they will ask soon. The shell gives what came with them to
    /// [`Registry::adopt`](crate::directory::registry::Registry::adopt).
    Handed {
        /// The supernode.
        from: PeerKey,
        /// The children.
        children: Vec<PeerKey>,
    },
    /// A child of ours sees a supernode that does not seem to be in our network.
    Introduced {
        /// The child.
        by: PeerKey,
        /// The supernode.
        contact: Contact,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Ask a supernode to take us, and stay connected if it does.
    Attach {
        /// The supernode.
        to: PeerKey,
        /// As what.
        standing: Standing,
    },
    /// Tell a supernode that we are its child no longer.
    Detach {
        /// The supernode.
        from: PeerKey,
    },
    /// Ask a parent for a new ticket.
    Renew {
        /// The parent.
        parent: PeerKey,
    },
    /// Tell our parent of a supernode that does not seem to be in its network.
    Introduce {
        /// Our parent.
        to: PeerKey,
        /// The supernode.
        contact: Contact,
    },
    /// Look for supernodes: configured ones, those on the disk, in the DHT, among peers. The shell paces itself.
    LookUp,

    /// Tell a node that it is our child.
    Welcome {
        /// The node.
        to: PeerKey,
        /// As what.
        standing: Standing,
        /// What we say.
        welcome: Box<Welcome>,
    },
    /// Tell a node that we do not take it, and who might.
    Refuse {
        /// The node.
        to: PeerKey,
        /// Who might.
        alternatives: Vec<Contact>,
    },
    /// Answer a child that asked for a new ticket.
    Renewal {
        /// The child.
        to: PeerKey,
        /// What we say.
        welcome: Box<Welcome>,
    },
    /// Say at once, with [`Input::Surveyed`], what was measured of these children.
    Survey {
        /// The children.
        children: Vec<PeerKey>,
    },
    /// Elect a child.
    Recruit {
        /// The child.
        child: PeerKey,
        /// Our siblings.
        siblings: Vec<Contact>,
    },
    /// Tell a supernode which children it gets, with the registry's entries of these ASes
    /// ([`Registry::carve`](crate::directory::registry::Registry::carve)).
    HandOver {
        /// The supernode.
        to: PeerKey,
        /// Whole ASes. One of them may be handed over in part, if our children are all in one.
        ases: Vec<Asn>,
        /// The children.
        children: Vec<PeerKey>,
    },
    /// Tell a child where to go. It stays our child until it went.
    Move {
        /// The child.
        child: PeerKey,
        /// Where.
        to: Contact,
    },

    /// We serve from now on: open the directory, and join the DHT. If a parent elected us, tell it; the connection to it
    /// stays, as to a sibling.
    Promoted {
        /// The parent that elected us. `None`: we elected ourselves.
        by: Option<PeerKey>,
    },
    /// Tell our parent that we do not serve.
    Decline {
        /// Our parent.
        by: PeerKey,
    },
    /// We serve no longer: close the directory, and tell these nodes, which keep us in reserve.
    SteppedDown {
        /// The nodes.
        warm: Vec<PeerKey>,
    },
    /// Send our ticket to a supernode.
    Gossip {
        /// The supernode.
        to: PeerKey,
        /// What we say of ourselves.
        ticket: Box<Ticket>,
        /// Others.
        leads: Vec<Contact>,
        /// We want its ticket.
        answer: bool,
    },
    /// Ask a supernode to take children of ours.
    AskRoom {
        /// The supernode.
        to: PeerKey,
        /// Children.
        children: u16,
    },
    /// Answer a supernode that asked so.
    GrantRoom {
        /// The supernode.
        to: PeerKey,
        /// Children that we take. They have their place for a minute.
        children: u16,
    },
}
