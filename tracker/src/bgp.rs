//! What BGP tells: read from files and routers, cleaned, and compiled into an atlas.

pub mod paths;
pub mod rib;
pub mod route;
