//! How nodes keep together without a centre: supernodes that nodes elect, and leaves that hold on to them.
//!
//! [`membership`] is the machine. It has the clock and the dice of the engine, and a door of its own ([`door`]): it
//! knows nothing of contents. Sockets, addresses on the wire and measurements are the shell's; `door` says what a shell
//! must do for each output, and when it must tell what.

mod admission;
mod children;
pub mod config;
pub mod contact;
pub mod door;
pub mod eligible;
pub mod host;
mod leads;
pub mod membership;
mod memory;
mod pace;
mod parents;
mod room;
mod siblings;
pub mod sketch;
mod supernode;
pub mod ticket;
mod versions;
