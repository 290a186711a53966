//! The overlay of supernodes in a virtual world: leaves and supernodes run the core's machine, without contents.
//!
//! [`scenario`] says what is simulated, [`world`] is the world, and [`run`] lets it go on and judges what came of it.
//! Beside it runs, where a scenario wants it, the rule that felled Skype in 2010 ([`old_rule`]).

pub mod course;
mod graph;
mod node;
pub mod old_rule;
pub mod run;
pub mod scenario;
pub mod shipped;
pub mod world;
