//! Dials in progress: which addresses are being tried, and what is left to try.
//!
//! TCP comes before QUIC, because bulk is cheaper over TCP with TLS; QUIC is there for peers that TCP does not reach. The
//! next address is tried as soon as one failed, and beside it when that takes longer than a moment, as in Happy Eyeballs
//! (RFC 8305): an address that does not answer at all costs that moment only. The first connection that is made ends the
//! dial. Somebody else who sits at one address of a peer does not end it before the others had their turn.

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

/// Addresses tried for one dial; more are ignored.
const ADDRESSES_MAX: usize = 8;
/// Where TCP is refused the process that listened there is gone, as a rule, and QUIC would be waited for in vain. Whoever
/// speaks QUIC alone at that address has answered after so long.
const REFUSED_PATIENCE: Duration = Duration::from_secs(1);

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
    under_way: BTreeMap<ConnectionId, Attempt>,
    /// When the next address is tried beside those under way.
    next_at: Instant,
    /// When nothing that is under way is waited for any more.
    until: Option<Instant>,
    failures: Vec<String>,
}

#[derive(Clone, Debug)]
struct Attempt {
    address: Multiaddr,
    /// Leave from a port of its own instead of the listening port.
    fresh_port: bool,
}

/// All dials, and whose each connection is that is being made.
#[derive(Debug, Default)]
pub(crate) struct Dials {
    dials: BTreeMap<u64, Dial>,
    next: u64,
    by_connection: BTreeMap<ConnectionId, u64>,
    /// Attempts whose dial has led somewhere meanwhile: nobody needs a second connection.
    superfluous: BTreeSet<ConnectionId>,
}

/// What a connection that was made is.
pub(crate) enum Made {
    /// What the dial with this token was for.
    Dialled(u64),
    /// One too many: its dial has led somewhere else.
    Superfluous,
    /// Nobody's: the other side made it, or its dial was given up.
    Other,
}

impl Dials {
    /// A dial begins. Its number.
    pub(crate) fn insert(&mut self, dial: Dial) -> u64 {
        let number = self.next;
        self.next += 1;
        self.dials.insert(number, dial);
        number
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Dial> {
        self.dials.get_mut(&number)
    }

    /// What to try next for this dial, and the connection that this will be.
    pub(crate) fn next(&mut self, now: Instant, number: u64) -> Option<DialOpts> {
        let options = self.dials.get_mut(&number)?.next(now)?;
        self.by_connection.insert(options.connection_id(), number);
        Some(options)
    }

    /// The dial that tried this, which failed; none if nobody waits for it.
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

    /// A connection is made.
    pub(crate) fn made(&mut self, connection: ConnectionId) -> Made {
        if self.superfluous.remove(&connection) {
            return Made::Superfluous;
        }
        let number = self.by_connection.get(&connection).copied();
        let Some(dial) = number.and_then(|number| self.end(number)) else { return Made::Other };
        self.superfluous.extend(dial.under_way.keys().filter(|other| **other != connection));
        Made::Dialled(dial.token)
    }

    /// A dial is over. What it had under way is waited for by nobody.
    pub(crate) fn end(&mut self, number: u64) -> Option<Dial> {
        let dial = self.dials.remove(&number)?;
        self.by_connection.retain(|_, dial| *dial != number);
        Some(dial)
    }

    /// When something is due here; none if nothing is.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.dials.values().filter_map(Dial::due).min()
    }

    /// Dials that have something due.
    pub(crate) fn due(&self, now: Instant) -> Vec<u64> {
        let is_due = |(_, dial): &(&u64, &Dial)| dial.due().is_some_and(|due| due <= now);
        self.dials.iter().filter(is_due).map(|(number, _)| *number).collect()
    }
}

impl Dial {
    /// A dial of `peer`, or of whoever is at the addresses if none names a peer.
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

    /// What to dial next; `None` when everything was begun.
    fn next(&mut self, now: Instant) -> Option<DialOpts> {
        let attempt = self.left.pop_front()?;
        let options = options(self.peer, attempt.clone());
        self.under_way.insert(options.connection_id(), attempt);
        self.next_at = now + ATTEMPT_DELAY;
        Some(options)
    }

    /// When the next address is tried, or nothing is waited for any more.
    fn due(&self) -> Option<Instant> {
        let next = (!self.left.is_empty()).then_some(self.next_at);
        next.into_iter().chain(self.until).min()
    }

    /// Whether nothing of it is left that could lead somewhere.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let is_idle = self.left.is_empty() && self.under_way.is_empty();
        is_idle || self.until.is_some_and(|until| until <= now)
    }

    /// Notes why an attempt failed; the next one may be the same address from another port.
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

    /// Whether all that is left is at the IP of this address.
    fn is_about(&self, address: &Multiaddr) -> bool {
        let ip = ip_of(address);
        self.left.iter().chain(self.under_way.values()).all(|other| ip_of(&other.address) == ip)
    }

    /// Why every attempt failed, in one line.
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

/// Whether somebody said at once that nobody listens there.
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
    let cause = chain(error).last().unwrap_or(error).to_string();
    // The sentence of libp2p's timeout, whose type has a parameter that differs from place to place.
    if cause == "Timeout has been reached" { "no answer".to_owned() } else { cause }
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
mod tests;
