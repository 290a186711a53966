//! Whether peers take connections, as far as the directory tried. Whoever sits behind a NAT takes none, and is told of last:
//! a newcomer that is told of it waits for nothing. AutoNAT of libp2p asks others for such a dial; a directory is asked by
//! everybody anyway, and looks for itself.

use std::net::SocketAddr;

use super::{Endpoint, PeerName, Registry, seconds};
use crate::time::Timestamp;

/// Who took a connection is tried again after so many minutes,
const OPEN_MINUTES: u16 = 30;
/// and who did not, as somebody may have opened a port by now.
const CLOSED_MINUTES: u16 = 10;
/// Dials to one address that are remembered, whatever names and ports they are for; more wait. Half of them are forgotten in ten
/// seconds. More = a large NAT is known sooner, less = whoever shares an address with a stranger is left alone.
pub const DIALS_BACK_MAX: u32 = 4;
/// Tries that are counted; then half of them are forgotten.
const TRIES_COUNTED: u32 = 64;

/// What is known of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// It was not tried yet.
    #[default]
    Untried,
    /// It is being tried.
    Trying,
    /// It took a connection.
    Open,
    /// It took none.
    Closed,
}

impl Reach {
    /// Whether a host of which this was known `minutes` ago is to be tried.
    pub(super) fn is_due(self, minutes: u16) -> bool {
        match self {
            Reach::Untried => true,
            Reach::Open => minutes >= OPEN_MINUTES,
            // A try that nobody told the end of is over by then.
            Reach::Trying | Reach::Closed => minutes >= CLOSED_MINUTES,
        }
    }
}

/// How the last tries went, all hosts together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tries {
    open: u32,
    all: u32,
}

impl Tries {
    fn note(&mut self, open: bool) {
        if self.all >= TRIES_COUNTED {
            (self.open, self.all) = (self.open / 2, self.all / 2);
        }
        self.open = self.open.saturating_add(open.into());
        self.all = self.all.saturating_add(1);
    }

    /// Whether a host that took no connection is to blame: a directory that reaches nobody at all sits behind a wall itself.
    pub(super) fn count(self) -> bool {
        self.open > 0
    }
}

impl Registry {
    /// Where to try whether a peer that has just announced itself takes connections: its address on the connection it
    /// announced itself over, never another. None while that is known, or after too many dials to that address. Tell [`Registry::tried`] what came of it.
    pub fn to_try(&mut self, now: Timestamp, name: &PeerName, endpoint: &Endpoint) -> Option<SocketAddr> {
        let endpoint = endpoint.vetted()?;
        let at = SocketAddr::new(endpoint.ip, endpoint.tcp?);
        let minute = minute(now);
        let host = self.hosts.at(&self.hosts.of(name), &endpoint)?;
        let (reach, since) = self.hosts.get(host).reach();
        if !reach.is_due(minute.wrapping_sub(since)) {
            return None;
        }
        if self.dialled.weight(now, &endpoint.ip) >= DIALS_BACK_MAX {
            return None;
        }
        self.dialled.fail(now, endpoint.ip, 1);
        self.hosts.set_reach(host, Reach::Trying, minute);
        Some(at)
    }

    /// What came of a try: whether the peer took a connection there, or none if there was no time to try.
    pub fn tried(&mut self, now: Timestamp, name: &PeerName, at: SocketAddr, took: Option<bool>) {
        let reach = match took {
            Some(true) => Reach::Open,
            Some(false) => Reach::Closed,
            None => Reach::Untried,
        };
        if let Some(took) = took {
            self.tries.note(took);
        }
        for host in self.hosts.of(name).into_iter().flatten() {
            let endpoint = self.hosts.get(host).endpoint();
            if (endpoint.ip, endpoint.tcp) == (at.ip(), Some(at.port())) {
                self.hosts.set_reach(host, reach, minute(now));
            }
        }
    }
}

/// Minutes, which begin anew every 45 days.
fn minute(now: Timestamp) -> u16 {
    let minutes = seconds(now) / 60;
    u16::try_from(minutes & u32::from(u16::MAX)).unwrap_or(0)
}
