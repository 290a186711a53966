//! BGP data: read from files and routers, cleaned, and compiled into an atlas.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

pub mod as_rel;
pub mod bmp;
pub mod compile;
pub mod feed;
mod fields;
pub mod lines;
pub mod live;
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
pub mod updates;

/// The path of real data, if present: in the folder that `NEARCAST_BGP_DATA` names, else beside the
/// workspace. Prints a line if it is missing.
#[cfg(test)]
fn data(name: &str) -> Option<std::path::PathBuf> {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/bgp").into();
    let path = std::path::Path::new(&std::env::var_os("NEARCAST_BGP_DATA").unwrap_or_else(beside)).join(name);
    let found = path.exists().then_some(path);
    if found.is_none() {
        println!("skipped: {name} is not here");
    }
    found
}
