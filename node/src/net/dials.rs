//! Dials in progress: the addresses being tried, and those left to try.
//!
//! TCP comes before QUIC, because bulk is cheaper over TCP with TLS. QUIC serves peers that TCP
//! does not reach. The next address is tried as soon as one has failed, or in parallel when an
//! attempt takes longer than a moment, as in Happy Eyeballs (RFC 8305): an address that does not
//! answer costs that moment only. The first connection made ends the dial. A different peer at one
//! of the addresses does not end the dial while other addresses are left.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    error::Error,
    io,
    net::IpAddr,
    num::NonZeroU8,
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    multiaddr::Protocol,
    swarm::{
        ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};

use nearcast_core::addresses::ATTEMPT_DELAY;
use tokio::time::Instant;

use crate::address::{ip_of, peer_of};

/// The most addresses tried in one dial. More are ignored.
const ADDRESSES_MAX: usize = 8;
/// After TCP was refused, how long to wait for QUIC. The listening process is usually gone then,
/// and waiting for QUIC is useless. A peer that listens on QUIC only has answered by then.
const REFUSED_PATIENCE: Duration = Duration::from_secs(1);

/// An address to dial.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: Multiaddr,
    /// Make only one attempt, because only a third party says that the peer is there. It leaves
    /// from a port of its own, so it cannot cross with a dial of the other side, and needs no
    /// second attempt.
    pub(crate) once: bool,
}

/// One dial.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) token: u64,
    pub(crate) peer: Option<PeerId>,
    /// Other peers that answered, and the addresses at which they did.
    pub(crate) others_found: Vec<(PeerId, Multiaddr)>,
    left: VecDeque<Attempt>,
    under_way: BTreeMap<ConnectionId, Attempt>,
    /// When the next address is tried in parallel.
    next_at: Instant,
    /// When waiting for the attempts under way ends.
    until: Option<Instant>,
    failures: Vec<String>,
}

#[derive(Clone, Debug)]
struct Attempt {
    address: Multiaddr,
    /// Leave from a new port instead of the listening port.
    fresh_port: bool,
}

/// All dials, and the dial of each connection being made.
#[derive(Debug, Default)]
pub(crate) struct Dials {
    dials: BTreeMap<u64, Dial>,
    next: u64,
    by_connection: BTreeMap<ConnectionId, u64>,
    /// Attempts whose dial has ended in a connection meanwhile: a second connection is not needed.
    superfluous: BTreeSet<ConnectionId>,
}

/// What a new connection is for.
pub(crate) enum Made {
    /// The connection that the dial with this token wanted.
    Dialled(u64),
    /// A superfluous connection: its dial has ended in another one.
    Superfluous,
    /// No dial's connection: the other side made it, or its dial was given up.
    Other,
}

impl Dials {
    /// Adds a dial. Returns its number.
    pub(crate) fn insert(&mut self, dial: Dial) -> u64 {
        let number = self.next;
        self.next += 1;
        self.dials.insert(number, dial);
        number
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Dial> {
        self.dials.get_mut(&number)
    }

    /// The options of the next attempt of a dial, and its connection id. `None`: no address is
    /// left.
    pub(crate) fn next(&mut self, now: Instant, number: u64) -> Option<DialOpts> {
        let options = self.dials.get_mut(&number)?.next(now)?;
        self.by_connection.insert(options.connection_id(), number);
        Some(options)
    }

    /// Notes a failed attempt. Returns the number of its dial. `None`: no dial waits for it.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        error: &DialError,
    ) -> Option<u64> {
        self.superfluous.remove(&connection);
        let number = self.by_connection.remove(&connection)?;
        self.dials.get_mut(&number)?.failed(now, connection, error);
        Some(number)
    }

    /// Notes that a connection was made.
    pub(crate) fn made(&mut self, connection: ConnectionId) -> Made {
        if self.superfluous.remove(&connection) {
            return Made::Superfluous;
        }
        let number = self.by_connection.get(&connection).copied();
        let Some(dial) = number.and_then(|number| self.end(number)) else { return Made::Other };
        self.superfluous.extend(dial.under_way.keys().filter(|other| **other != connection));
        Made::Dialled(dial.token)
    }

    /// Ends a dial. Its attempts under way are no longer waited for.
    pub(crate) fn end(&mut self, number: u64) -> Option<Dial> {
        let dial = self.dials.remove(&number)?;
        self.by_connection.retain(|_, dial| *dial != number);
        Some(dial)
    }

    /// The next time at which a dial has something due. `None`: none has.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.dials.values().filter_map(Dial::due).min()
    }

    /// The dials that have something due.
    pub(crate) fn due(&self, now: Instant) -> Vec<u64> {
        let is_due = |(_, dial): &(&u64, &Dial)| dial.due().is_some_and(|due| due <= now);
        self.dials.iter().filter(is_due).map(|(number, _)| *number).collect()
    }
}

impl Dial {
    /// A dial of `peer`. `None`: of the peer that the addresses name, or else of any peer that is
    /// there.
    pub(crate) fn new(now: Instant, token: u64, peer: Option<PeerId>, targets: Vec<Target>) -> Dial {
        let peer = peer.or_else(|| targets.iter().find_map(|target| peer_of(&target.address)));
        Dial {
            token,
            peer,
            others_found: Vec::new(),
            left: ordered(peer, targets)
                .into_iter()
                .map(|target| Attempt { address: target.address, fresh_port: target.once })
                .collect(),
            under_way: BTreeMap::new(),
            next_at: now,
            until: None,
            failures: Vec::new(),
        }
    }

    /// Begins the next attempt. `None`: all were begun.
    fn next(&mut self, now: Instant) -> Option<DialOpts> {
        let attempt = self.left.pop_front()?;
        let options = options(self.peer, attempt.clone());
        self.under_way.insert(options.connection_id(), attempt);
        self.next_at = now + ATTEMPT_DELAY;
        Some(options)
    }

    /// When the next address is tried, or waiting ends.
    fn due(&self) -> Option<Instant> {
        let next = (!self.left.is_empty()).then_some(self.next_at);
        next.into_iter().chain(self.until).min()
    }

    /// Whether no attempt is left that could succeed.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let is_idle = self.left.is_empty() && self.under_way.is_empty();
        is_idle || self.until.is_some_and(|until| until <= now)
    }

    /// Notes why an attempt failed. The next attempt may be the same address from another port.
    fn failed(&mut self, now: Instant, connection: ConnectionId, error: &DialError) {
        let Some(attempt) = self.under_way.remove(&connection) else {
            return;
        };
        if let DialError::WrongPeerId { obtained, .. } = error {
            self.others_found.push((*obtained, attempt.address.clone()));
        }
        if is_refused(error) && self.is_about(&attempt.address) {
            self.until = Some(now + REFUSED_PATIENCE);
        }
        if !attempt.fresh_port && may_have_crossed(&attempt.address, error) {
            self.left.push_front(Attempt { fresh_port: true, ..attempt });
        } else {
            self.failures.push(format!("{}: {}", attempt.address, reason(error)));
        }
    }

    /// Whether all attempts left are at the IP of this address.
    fn is_about(&self, address: &Multiaddr) -> bool {
        let ip = ip_of(address);
        self.left.iter().chain(self.under_way.values()).all(|other| ip_of(&other.address) == ip)
    }

    /// Why all attempts failed, in one line.
    pub(crate) fn reason(&self) -> String {
        let silent = self.under_way.values().map(|attempt| format!("{}: no answer", attempt.address));
        let all: Vec<String> = self.failures.iter().cloned().chain(silent).collect();
        if all.is_empty() { "no usable address is known".to_owned() } else { all.join("; ") }
    }
}

fn options(peer: Option<PeerId>, attempt: Attempt) -> DialOpts {
    match (peer, attempt.fresh_port) {
        (Some(peer), fresh_port) => {
            let options = DialOpts::peer_id(peer)
                .addresses(vec![attempt.address])
                // The caller of the dial has decided whether a second connection is wanted.
                .condition(PeerCondition::Always)
                .override_dial_concurrency_factor(NonZeroU8::MIN);
            if fresh_port { options.allocate_new_port().build() } else { options.build() }
        }
        (None, true) => DialOpts::unknown_peer_id().address(attempt.address).allocate_new_port().build(),
        (None, false) => DialOpts::unknown_peer_id().address(attempt.address).build(),
    }
}

/// The addresses that can lead to `peer`, each once, without `/p2p`. Addresses known only from
/// third parties come last, and TCP comes before QUIC.
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

/// The address without its peer id.
pub(crate) fn without_peer(address: &Multiaddr) -> Multiaddr {
    address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect()
}

/// Whether a dial of `address` leaves from an IP that we were told to use. TCP binds to such an IP
/// itself. QUIC dials only from sockets it listens on, and without one would leave from any IP that
/// the system chooses.
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

/// Whether two dials may have crossed. Two nodes that dial each other from their listening ports at
/// the same moment meet in one TCP connection. Both then believe to be the client, and the
/// handshake fails. A failure after the connect is therefore tried once more from another port.
fn may_have_crossed(address: &Multiaddr, error: &DialError) -> bool {
    let DialError::Transport(errors) = error else {
        return false;
    };
    is_tcp(address) && !errors.iter().any(|(_, error)| never_connected(error))
}

/// Whether the host refused the connection: nothing listens there.
fn is_refused(error: &DialError) -> bool {
    let DialError::Transport(errors) = error else { return false };
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    errors.iter().any(|(_, error)| chain(error).any(|error| error.downcast_ref().is_some_and(refused)))
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
        // One address was given, and the swarm left it out, as it does with addresses on which it
        // listens.
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

/// The last message of an error's chain. The first ones only say which layer passed the error on.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let cause = chain(error).last().unwrap_or(error).to_string();
    // The message of libp2p's timeout. Its type has a parameter that differs from place to place.
    if cause == "Timeout has been reached" { "no answer".to_owned() } else { cause }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        // A boxed error inside an io::Error is the same error, one layer down; `source` would skip
        // it.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests;
