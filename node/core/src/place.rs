//! Where peers are: addresses, the AS of each, how near that is, and whose word says so.

pub mod addresses;
pub mod asn;
pub mod atlas;
pub(crate) mod endpoint;
pub mod locality;
pub mod prefix;
pub mod scope;
pub mod tier;
