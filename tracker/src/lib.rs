//! `nearcast-tracker`: a directory that knows from BGP where everybody is.

pub mod bgp;
