//! What a machine may know of the node it runs in.

use super::config::OverlayConfig;
use crate::id::PeerKey;

/// What a machine may know of the node it runs in. The shell passes it in with each input, so that three million leaves
/// need not keep it.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// The settings.
    pub config: &'a OverlayConfig,
    /// The node itself, as the shell numbers it. Others may name it to itself.
    pub me: PeerKey,
    /// A hash of its public key, which is the same for everybody.
    pub identity: u64,
    /// The version of its program.
    pub version: u32,
}
