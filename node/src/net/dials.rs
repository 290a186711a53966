//! Dials in progress: which address is being tried, and what is left to try.
//!
//! Addresses are tried one after another, TCP before QUIC, because bulk is cheaper over TCP with TLS; QUIC is there for
//! peers that TCP does not reach. One at a time also means that somebody else sitting at one address of a peer cannot
//! end the dial before the others had their turn.

use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    io,
    net::IpAddr,
    num::NonZeroU8,
};

use libp2p::{
    Multiaddr, PeerId,
    multiaddr::Protocol,
    swarm::{
        ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};

use crate::address::{ip_of, peer_of};

/// Addresses tried for one dial; more are ignored.
const ADDRESSES_MAX: usize = 8;

/// An address to dial.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: Multiaddr,
    /// One attempt and no more, because it is somebody else who says that the peer is there. It leaves from a port of
    /// its own, so that it cannot cross with a dial of the other side and needs no second one.
    pub(crate) once: bool,
}

/// One dial.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) token: u64,
    pub(crate) peer: Option<PeerId>,
    /// Who else was found, and at which address.
    pub(crate) others_found: Vec<(PeerId, Multiaddr)>,
    left: VecDeque<Attempt>,
    current: Option<Attempt>,
    failures: Vec<String>,
}

#[derive(Clone, Debug)]
struct Attempt {
    address: Multiaddr,
    /// Leave from a port of its own instead of the listening port.
    fresh_port: bool,
}

/// All dials, by the connection each is trying to make.
#[derive(Debug, Default)]
pub(crate) struct Dials(BTreeMap<ConnectionId, Dial>);

impl Dials {
    pub(crate) fn insert(&mut self, connection: ConnectionId, dial: Dial) {
        self.0.insert(connection, dial);
    }

    pub(crate) fn remove(&mut self, connection: ConnectionId) -> Option<Dial> {
        self.0.remove(&connection)
    }
}

impl Dial {
    /// A dial of `peer`, or of whoever is at the addresses if none names a peer.
    pub(crate) fn new(token: u64, peer: Option<PeerId>, targets: Vec<Target>) -> Dial {
        let peer = peer.or_else(|| targets.iter().find_map(|target| peer_of(&target.address)));
        Dial {
            token,
            peer,
            others_found: Vec::new(),
            left: ordered(peer, targets)
                .into_iter()
                .map(|target| Attempt { address: target.address, fresh_port: target.once })
                .collect(),
            current: None,
            failures: Vec::new(),
        }
    }

    /// What to dial next; `None` when everything was tried.
    pub(crate) fn next(&mut self) -> Option<DialOpts> {
        let attempt = self.left.pop_front()?;
        self.current = Some(attempt.clone());
        Some(options(self.peer, attempt))
    }

    /// Notes why the present attempt failed; the next one may be the same address from another port.
    pub(crate) fn failed(&mut self, error: &DialError) {
        let Some(attempt) = self.current.take() else {
            return;
        };
        if let DialError::WrongPeerId { obtained, .. } = error {
            self.others_found.push((*obtained, attempt.address.clone()));
        }
        if !attempt.fresh_port && may_have_crossed(&attempt.address, error) {
            self.left.push_front(Attempt { fresh_port: true, ..attempt });
        } else {
            self.failures.push(format!("{}: {}", attempt.address, reason(error)));
        }
    }

    /// Why every attempt failed, in one line.
    pub(crate) fn reason(&self) -> String {
        if self.failures.is_empty() {
            "no usable address is known".to_owned()
        } else {
            self.failures.join("; ")
        }
    }
}

fn options(peer: Option<PeerId>, attempt: Attempt) -> DialOpts {
    match (peer, attempt.fresh_port) {
        (Some(peer), fresh_port) => {
            let options = DialOpts::peer_id(peer)
                .addresses(vec![attempt.address])
                // Whether a second connection is wanted was decided by whoever asked.
                .condition(PeerCondition::Always)
                .override_dial_concurrency_factor(NonZeroU8::MIN);
            if fresh_port { options.allocate_new_port().build() } else { options.build() }
        }
        (None, true) => DialOpts::unknown_peer_id().address(attempt.address).allocate_new_port().build(),
        (None, false) => DialOpts::unknown_peer_id().address(attempt.address).build(),
    }
}

/// Addresses that can lead to `peer`, each once, without `/p2p`: what is only somebody else's word comes last, and TCP
/// comes first.
fn ordered(peer: Option<PeerId>, targets: Vec<Target>) -> Vec<Target> {
    let mut usable: Vec<Target> = Vec::new();
    for Target { address, once } in targets {
        let names_another = peer_of(&address).is_some_and(|named| Some(named) != peer);
        let address = without_peer(&address);
        let known = usable.iter().any(|target| target.address == address);
        if !names_another && !address.is_empty() && !known {
            usable.push(Target { address, once });
        }
    }
    usable.sort_by_key(|target| (target.once, !is_tcp(&target.address)));
    usable.truncate(ADDRESSES_MAX);
    usable
}

/// The address without the peer it names.
pub(crate) fn without_peer(address: &Multiaddr) -> Multiaddr {
    address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect()
}

/// Whether a dial of `address` leaves from an IP we were told to use. TCP sees to that itself; QUIC dials only from
/// sockets it listens on, and without one would leave from wherever the system likes.
pub(crate) fn keeps_source(listen: &[Multiaddr], address: &Multiaddr) -> bool {
    let Some(remote) = ip_of(address).filter(|_| !is_tcp(address)) else {
        return true;
    };
    let fits = |local: IpAddr| {
        local.is_ipv4() == remote.is_ipv4()
            && (local.is_unspecified() || local.is_loopback() == remote.is_loopback())
    };
    let mut fitting = listen.iter().filter(|local| ip_of(local).is_some_and(fits)).peekable();
    fitting.peek().is_none()
        || fitting.any(|local| !is_tcp(local) || ip_of(local).is_some_and(|ip| ip.is_unspecified()))
}

fn is_tcp(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Tcp(_)))
}

/// Two nodes that dial each other from their listening ports at the same moment meet in one TCP connection of which both
/// believe to be the client, and no handshake comes of it. Whatever failed after the connect is therefore tried once
/// more from another port.
fn may_have_crossed(address: &Multiaddr, error: &DialError) -> bool {
    let DialError::Transport(errors) = error else {
        return false;
    };
    is_tcp(address) && !errors.iter().any(|(_, error)| never_connected(error))
}

fn never_connected(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| {
        error.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::AddrNotAvailable
            )
        })
    })
}

fn reason(error: &DialError) -> String {
    match error {
        DialError::LocalPeerId { .. } => "that is ourselves".to_owned(),
        // One address was given, so the swarm left it out: it does that with those it listens on.
        DialError::NoAddresses => "that is our own address".to_owned(),
        DialError::WrongPeerId { obtained, .. } => format!("another peer, {obtained}, is there"),
        DialError::Denied { cause } => root_cause(cause),
        DialError::Transport(errors) => {
            let causes: Vec<String> = errors.iter().map(|(_, error)| root_cause(error)).collect();
            causes.join(", ")
        }
        other => other.to_string(),
    }
}

/// The last sentence of an error's chain: the first ones say only which layer passed it on.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        // A boxed error inside an io::Error is the same error, one layer down; `source` would skip it.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn targets(addresses: Vec<Multiaddr>) -> Vec<Target> {
        addresses.into_iter().map(|address| Target { address, once: false }).collect()
    }

    #[test]
    fn tcp_is_tried_before_quic_and_every_address_once() {
        let given = addresses(&[
            "/ip4/192.0.2.1/udp/1/quic-v1",
            "/ip4/192.0.2.1/tcp/1",
            "/ip4/192.0.2.1/tcp/1",
            "/ip6/2001:db8::1/tcp/2",
        ]);
        let wanted =
            addresses(&["/ip4/192.0.2.1/tcp/1", "/ip6/2001:db8::1/tcp/2", "/ip4/192.0.2.1/udp/1/quic-v1"]);
        let found: Vec<Multiaddr> =
            ordered(None, targets(given)).into_iter().map(|target| target.address).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn quic_is_not_dialled_from_an_ip_nobody_chose() {
        let quic = |ip: &str| format!("/ip4/{ip}/udp/1/quic-v1").parse().unwrap();
        let keeps = |listen: &[&str], ip: &str| keeps_source(&addresses(listen), &quic(ip));
        assert!(!keeps(&["/ip4/127.1.0.7/tcp/0"], "127.3.0.1"));
        assert!(keeps(&["/ip4/127.1.0.7/tcp/0", "/ip4/127.1.0.7/udp/0/quic-v1"], "127.3.0.1"));
        assert!(keeps(&["/ip4/0.0.0.0/tcp/0"], "127.3.0.1"));
        assert!(keeps(&["/ip4/192.0.2.1/tcp/0"], "127.3.0.1"), "no listen IP reaches loopback anyway");
        assert!(keeps(&[], "192.0.2.1"));
        assert!(keeps_source(
            &addresses(&["/ip4/127.1.0.7/tcp/0"]),
            &addresses(&["/ip4/127.3.0.1/tcp/1"])[0]
        ));
    }

    #[test]
    fn addresses_of_somebody_else_are_left_out() {
        let (peer, other) = (PeerId::random(), PeerId::random());
        let given = vec![
            format!("/ip4/192.0.2.1/tcp/1/p2p/{other}").parse().unwrap(),
            format!("/ip4/192.0.2.2/tcp/1/p2p/{peer}").parse().unwrap(),
        ];
        let dial = Dial::new(1, Some(peer), targets(given.clone()));
        assert_eq!(dial.left.len(), 1);
        assert_eq!(dial.left[0].address, "/ip4/192.0.2.2/tcp/1".parse().unwrap());
        assert_eq!(
            Dial::new(1, None, targets(given)).peer,
            Some(other),
            "the first address says whom we want"
        );
    }

    #[test]
    fn a_broken_handshake_is_tried_again_from_another_port_and_a_refusal_is_not() {
        let transport = |kind: io::ErrorKind| {
            let error =
                libp2p::core::transport::TransportError::Other(io::Error::other(io::Error::from(kind)));
            DialError::Transport(vec![(Multiaddr::empty(), error)])
        };
        let mut dial = Dial::new(1, None, targets(addresses(&["/ip4/192.0.2.1/tcp/1"])));
        assert!(dial.next().is_some());
        dial.failed(&transport(io::ErrorKind::UnexpectedEof));
        assert!(dial.next().is_some(), "once more");
        dial.failed(&transport(io::ErrorKind::UnexpectedEof));
        assert!(dial.next().is_none(), "but not twice");

        let hearsay = Target { address: addresses(&["/ip4/192.0.2.1/tcp/1"]).remove(0), once: true };
        let mut dial = Dial::new(1, None, vec![hearsay]);
        assert!(dial.next().is_some());
        dial.failed(&transport(io::ErrorKind::UnexpectedEof));
        assert!(dial.next().is_none(), "what somebody else says is tried once");

        let mut dial = Dial::new(1, None, targets(addresses(&["/ip4/192.0.2.1/tcp/1"])));
        assert!(dial.next().is_some());
        dial.failed(&transport(io::ErrorKind::ConnectionRefused));
        assert!(dial.next().is_none());
        assert!(dial.reason().contains("/ip4/192.0.2.1/tcp/1"), "{}", dial.reason());
    }
}
