//! What is shared: files cut into pieces and runs, the hashes that prove them, and the forms that
//! describe them.

pub mod held;
pub mod layout;
pub mod magnet;
pub mod manifest;
pub mod merkle;
pub mod paths;
pub mod run_set;
pub mod signature;
pub(crate) mod tree_hash;
