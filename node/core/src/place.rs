//! Where peers are: their addresses, their AS, how near they are, and who says so.

pub mod addresses;
pub mod asn;
pub mod atlas;
pub(crate) mod endpoint;
pub mod locality;
pub mod outlook;
pub mod prefix;
pub mod scope;
pub mod tier;
