//! A download beside one to five neighbours whose every word the fuzzer chooses. The world is the core's own
//! (`node/core/tests/byzantine`). Nothing may panic, nobody honest may be banned, and memory stays bounded. That the download
//! ends in three times the undisturbed time holds for all but about one random story in sixteen thousand, so it is counted in
//! the core's own tests and not asserted here.

pub(crate) use crate::byzantine_world::seeds;

/// Lets a story happen.
pub(crate) fn run(bytes: &[u8]) {
    _ = crate::byzantine_world::happen(bytes);
}
