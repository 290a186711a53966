//! Where a peer takes connections.

use std::net::IpAddr;

use crate::place::scope::Scope;

/// Where a peer can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its IP as seen on the connection it announced over.
    pub ip: IpAddr,
    /// The TCP port it says it listens on.
    pub tcp: Option<u16>,
    /// The UDP port it says it listens on, for QUIC.
    pub udp: Option<u16>,
}

impl Endpoint {
    /// What others may be told of it. `None`: the address is nobody's, or both ports are missing or
    /// belong to other services.
    pub fn vetted(&self) -> Option<Endpoint> {
        let allowed = |port: &u16| Scope::may_serve_at(*port);
        let (tcp, udp) = (self.tcp.filter(allowed), self.udp.filter(allowed));
        let ip = self.ip.to_canonical();
        let reachable = Scope::of(ip) != Scope::Nobody && (tcp.is_some() || udp.is_some());
        reachable.then_some(Endpoint { ip, tcp, udp })
    }
}
