//! What a supernode says of itself whenever it says anything: how much room it has, and which network it sees.

use super::{contact::Contact, sketch::Sketch};

/// What a supernode says of itself. Who says it, and where it is, follows from the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    /// Children that it would still take. Nobody believes in more than a whole supernode's worth.
    pub room: u16,
    /// It is about to step down.
    pub leaving: bool,
    /// The version of its program, as it says.
    pub version: u32,
    /// Supernodes that it hears of.
    pub sketch: Sketch,
}

/// What a child hears when it is attached, or asks for news.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Welcome {
    /// The parent's ticket.
    pub ticket: Ticket,
    /// Other supernodes, for the child to remember: at most [`OTHERS_MAX`] count.
    pub others: Vec<Contact>,
    /// The child's version has its share of supernodes already, so the child must not elect itself.
    pub crowded: bool,
}

/// Other supernodes that a child is told of at once.
pub const OTHERS_MAX: usize = 8;
/// Supernodes that a refused node is told of.
pub const ALTERNATIVES_MAX: usize = 3;
/// Supernodes that siblings tell each other of at once.
pub const LEADS_TOLD_MAX: usize = 4;
