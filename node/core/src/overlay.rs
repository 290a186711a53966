//! How nodes keep together without a centre.
//!
//! Two machines share this room. Directories share a distributed hash table (Kademlia) that says which
//! of them know a content: [`keys`], [`table`], [`store`], [`provide`]; and they ask each other:
//! [`referral`]. And nodes elect supernodes, which leaves hold on to: [`membership`] is that machine. It
//! has the clock and the dice of the engine, and a door of its own ([`door`]): it knows nothing of
//! contents. Sockets, addresses on the wire and measurements are the shell's; `door` says what a shell
//! must do for each output, and when it must tell what.

mod admission;
mod children;
pub mod config;
pub mod contact;
pub mod door;
pub mod eligible;
pub mod host;
pub mod keys;
mod leads;
pub mod membership;
mod memory;
mod pace;
mod parents;
pub mod provide;
pub mod referral;
mod room;
mod siblings;
pub mod sketch;
pub mod store;
mod supernode;
pub mod table;
pub mod ticket;
mod versions;
