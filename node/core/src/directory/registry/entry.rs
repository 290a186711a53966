//! One member of a swarm: where it is, whether it has everything, and how long that counts.

use std::net::IpAddr;

use super::networks::Spot;
use crate::{
    place::{asn::Asn, scope::Scope},
    saturate::low_half,
};

/// The AS of addresses whose AS is not known.
pub(super) const NO_AS: u32 = 0;
/// Later moments are as good as this one: 17 years.
pub(super) const SECONDS_MAX: u32 = (1 << SECONDS_BITS) - 1;
const SECONDS_BITS: u32 = 29;
const COMPLETE: u32 = 1 << 31;
/// Whether scopes other than the Internet's have to be looked at.
const SCOPED: u32 = 1 << 30;

/// A member: 20 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    asn: u32,
    /// The spot, in halves: aligned to 4 bytes an entry is smaller.
    spot: [u32; 2],
    pub(super) host: u32,
    /// Seconds at which it expires, and flags.
    state: u32,
}

impl Entry {
    pub(super) fn new(asn: Option<Asn>, ip: IpAddr, host: u32, complete: bool, expires: u32) -> Entry {
        let spot = Spot::of(ip).0;
        let mut entry = Entry {
            asn: asn.map_or(NO_AS, |asn| asn.0),
            spot: [(spot >> 32) as u32, low_half(spot)],
            host,
            state: if Scope::of(ip) == Scope::Public { 0 } else { SCOPED },
        };
        entry.renew(complete, expires);
        entry
    }

    /// It counts until then, or for longer if it did already.
    pub(super) fn renew(&mut self, complete: bool, expires: u32) {
        let complete = if complete { COMPLETE } else { 0 };
        let expires = expires.min(SECONDS_MAX).max(self.expires());
        self.state = self.state & SCOPED | complete | expires;
    }

    /// Another atlas says where it is.
    pub(super) fn place(&mut self, asn: Option<Asn>) {
        self.asn = asn.map_or(NO_AS, |asn| asn.0);
    }

    pub(super) fn asn(&self) -> u32 {
        self.asn
    }

    pub(super) fn spot(&self) -> Spot {
        Spot(u64::from(self.spot[0]) << 32 | u64::from(self.spot[1]))
    }

    pub(super) fn is_complete(&self) -> bool {
        self.state & COMPLETE != 0
    }

    /// It is not in the Internet, so not everybody may be told of it.
    pub(super) fn is_scoped(&self) -> bool {
        self.state & SCOPED != 0
    }

    pub(super) fn expires(&self) -> u32 {
        self.state & SECONDS_MAX
    }

    /// What a swarm is sorted by.
    pub(super) fn key(&self) -> (u32, Spot, u32) {
        (self.asn, self.spot(), self.host)
    }
}
