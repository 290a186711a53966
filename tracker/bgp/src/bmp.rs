//! BMP (RFC 7854), without its connections: framing, and messages to route changes.

#[doc(hidden)]
#[allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::should_implement_trait,
    clippy::missing_panics_doc,
    reason = "it makes messages for tests, here and in the tracker, and reads nothing"
)]
pub mod crafted;
pub mod frame;
mod path_ids;
mod peers;
pub mod session;
