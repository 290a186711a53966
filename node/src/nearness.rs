//! Our place in the network, as the interfaces of this machine and its settings make it.

use std::{
    net::IpAddr,
    ops::{Deref, DerefMut},
};

use libp2p::Multiaddr;
pub(crate) use nearcast_core::outlook::Outlook;
use nearcast_core::{outlook::Standpoint, scope::Scope};

use crate::{
    address::ip_of,
    surroundings::{Surroundings, interfaces},
};

/// Our own place in the network, and what is known of our own part of it.
#[derive(Debug, Default)]
pub(crate) struct Nearness {
    standpoint: Standpoint,
    /// The IPs that the user configured to listen on.
    told: Vec<IpAddr>,
    surroundings: Surroundings,
}

impl Deref for Nearness {
    type Target = Standpoint;

    fn deref(&self) -> &Standpoint {
        &self.standpoint
    }
}

impl DerefMut for Nearness {
    fn deref_mut(&mut self) -> &mut Standpoint {
        &mut self.standpoint
    }
}

impl Nearness {
    /// `told`: the addresses to listen on as configured. `listen`: the addresses really listened
    /// on.
    pub(crate) fn new(told: &[Multiaddr], listen: &[Multiaddr]) -> Nearness {
        Nearness {
            standpoint: Standpoint::new(listen.iter().filter_map(ip_of).collect(), interfaces()),
            told: told.iter().filter_map(ip_of).filter(|ip| !ip.is_unspecified()).collect(),
            surroundings: Surroundings::default(),
        }
    }

    /// What is known of our own part of the network.
    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The version of our atlas. `None`: there is no atlas.
    pub(crate) fn atlas_version(&self) -> Option<u64> {
        self.atlas().map(|atlas| atlas.version())
    }

    /// Whether we may dial an address that a peer seen at `teller` told us.
    pub(crate) fn may_dial(&self, ip: IpAddr, port: u16, teller: Option<IpAddr>) -> bool {
        Scope::may_dial(ip, port, teller, &self.told)
    }

    /// Whether we may dial an address that a magnet link names.
    pub(crate) fn may_dial_by_link(&self, ip: IpAddr, port: u16) -> bool {
        Scope::may_dial_by_link(ip, port, &self.surroundings.ours(), &self.told)
    }
}
