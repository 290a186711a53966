//! BGP data: read from files and from what routers tell, cleaned, and compiled into an atlas.
//!
//! No sockets and no runtime: whoever has a connection or a file gives bytes, and gets route changes
//! ([`feed::Told`]), a table ([`rib::Rib`]) or an atlas ([`compile::Compiler`]).

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

pub mod as_rel;
pub mod bmp;
pub mod compile;
pub mod feed;
mod fields;
pub mod lines;
pub mod made_up;
pub mod mrt;
pub mod origins;
pub mod packed;
pub mod paths;
pub mod relations;
pub mod rib;
pub mod ris_live;
pub mod route;
pub mod sites;
pub mod tables;

/// The path of real data, if present: in the folder that `NEARCAST_BGP_DATA` names, else beside the
/// workspace. Prints a line if it is missing. For tests.
#[doc(hidden)]
pub fn data(name: &str) -> Option<std::path::PathBuf> {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/bgp").into();
    let path = std::path::Path::new(&std::env::var_os("NEARCAST_BGP_DATA").unwrap_or_else(beside)).join(name);
    let found = path.exists().then_some(path);
    if found.is_none() {
        println!("skipped: {name} is not here");
    }
    found
}
