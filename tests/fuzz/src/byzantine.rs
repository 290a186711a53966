//! A download beside one to five neighbours whose every word the fuzzer chooses. The world is the core's own
//! (`node/core/tests/byzantine`): with an honest source of every run linked, it ends in three times the undisturbed time.

pub(crate) use crate::byzantine_world::{run, seeds};
