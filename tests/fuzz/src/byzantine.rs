//! A download beside one to five neighbours whose every word the fuzzer chooses. The world is the
//! core's own (`node/core/tests/engine/byzantine`). Nothing may panic, no honest peer may be banned, and
//! memory stays bounded. All but about one in sixteen thousand random stories also end within three
//! times the undisturbed time; the core's own tests count these, so this target does not assert it.

pub(crate) use crate::byzantine_world::seeds;

/// Lets a story happen.
pub(crate) fn run(bytes: &[u8]) {
    _ = crate::byzantine_world::happen(bytes);
}
