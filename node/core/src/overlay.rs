//! The network among directories: a distributed hash table (Kademlia) that says which directories
//! know a content, and directories that ask each other.

pub mod keys;
pub mod provide;
pub mod referral;
pub mod store;
pub mod table;
