//! What others tell the book, and when: addresses, moments, and who says so.

use std::net::IpAddr;

use nearcast_core::{addresses::Rank, prefix::Prefix, registry::Endpoint, time::Timestamp};

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("the tests write addresses")
}

pub(crate) fn endpoint(ip: IpAddr, port: u16) -> Endpoint {
    Endpoint { ip, tcp: Some(port), udp: None }
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn hearsay(teller: &str) -> (Rank, Prefix) {
    (Rank::Hearsay, Prefix::of(ip(teller)))
}

pub(crate) fn directory() -> (Rank, Prefix) {
    (Rank::Directory, Prefix::of(ip("5.5.5.5")))
}
