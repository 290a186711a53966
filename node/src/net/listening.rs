//! The start of listening: every address is bound and known before anything else happens.

use std::{collections::BTreeMap, io, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr,
    core::transport::{ListenerId, TransportError},
    swarm::SwarmEvent,
};
use tokio::time::{Instant, timeout_at};

use super::{NetworkConfig, dials::root_cause, swarm::Driver, tcp::reachable_ips};
use crate::{
    address::{Address, ip_of, port_of},
    error::StartError,
};

/// Within this time every listener must report an address, or the start fails.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);
/// A wildcard listener may report no address for some interface. After this time without a new
/// address the addresses count as complete.
const LISTEN_QUIET: Duration = Duration::from_millis(50);

/// A listener, and how many addresses it has reported.
struct Listener<'a> {
    address: &'a Multiaddr,
    told: usize,
    /// One; for a wildcard, one for each interface IP of its family. None where the machine has no
    /// such IP (IPv6 is switched off): the listener waits for one to come.
    expected: usize,
}

impl<'a> Listener<'a> {
    fn new(address: &'a Multiaddr) -> Listener<'a> {
        let ips = ip_of(address).and_then(|ip| reachable_ips(ip).ok());
        Listener { address, told: 0, expected: ips.map_or(1, |ips| ips.len()) }
    }

    fn is_mute(&self) -> bool {
        self.told == 0 && self.expected > 0
    }

    fn has_told_all(&self) -> bool {
        self.told >= self.expected
    }
}

impl Driver {
    /// Listens on all configured addresses. The error names an address that fails.
    pub(crate) async fn listen(&mut self, config: &NetworkConfig) -> Result<(), StartError> {
        let mut listeners = BTreeMap::new();
        let (mut skipped, mut moved) = (None, Vec::new());
        for address in &config.listen {
            let bound = match self.swarm.listen_on(address.clone()) {
                Err(TransportError::Other(error)) if config.listen_may_move && is_taken(&error) => {
                    moved.push(address);
                    self.swarm.listen_on(Address(address.clone()).with_any_port().0)
                }
                bound => bound,
            };
            match bound {
                Ok(listener) => {
                    listeners.insert(listener.to_string(), Listener::new(address));
                }
                // With "listen everywhere", a machine without IPv6 is no reason not to start.
                Err(TransportError::Other(error)) if is_missing_ipv6(address, &error) => {
                    tracing::info!(%address, "this machine has no IPv6");
                    skipped = Some(listen_error(address, root_cause(&error)));
                }
                Err(error) => return Err(listen_error(address, root_cause(&error))),
            }
        }
        say_moved(&moved, config.is_service);
        if let Some(first) = listeners.values().next()
            && listeners.values().all(|listener| listener.expected == 0)
        {
            let reason = "no network interface of this machine is up, or none has such an address";
            return Err(listen_error(first.address, reason.to_owned()));
        }
        match skipped {
            Some(error) if listeners.is_empty() => Err(error),
            _ => self.hear_listeners(listeners).await,
        }
    }

    /// Waits until every listener has reported its addresses.
    async fn hear_listeners(
        &mut self,
        mut listeners: BTreeMap<String, Listener<'_>>,
    ) -> Result<(), StartError> {
        let give_up = Instant::now() + LISTEN_TIMEOUT;
        while !listeners.values().all(Listener::has_told_all) {
            let all_heard = !listeners.values().any(Listener::is_mute);
            let until = if all_heard { Instant::now() + LISTEN_QUIET } else { give_up };
            match timeout_at(until, self.swarm.select_next_some()).await {
                Ok(SwarmEvent::NewListenAddr { listener_id, address }) => {
                    if let Some(listener) = listeners.get_mut(&listener_id.to_string()) {
                        listener.told += 1;
                    }
                    self.add_listen_address(address);
                }
                Ok(SwarmEvent::ListenerClosed { listener_id, reason, .. }) => {
                    return Err(listener_closed(&listeners, listener_id, reason));
                }
                // A peer may connect before listening is set up.
                Ok(event) => self.on_swarm_event(event),
                Err(_) => {
                    let mute = listeners.into_values().find(Listener::is_mute);
                    return mute.map_or(Ok(()), |mute| {
                        Err(listen_error(mute.address, "no address became known within 5 seconds".to_owned()))
                    });
                }
            }
        }
        Ok(())
    }
}

fn is_taken(error: &io::Error) -> bool {
    root_cause(error).contains("Address already in use")
}

/// Logs that ports were taken. It is a warning for a service, because its written-down address now
/// leads to another program. A client's address is not written down.
fn say_moved(moved: &[&Multiaddr], is_service: bool) {
    let Some(port) = moved.first().and_then(|address| port_of(address)) else { return };
    if is_service {
        tracing::warn!(
            "port {port} is taken, so another one is listened on: links and addresses from before lead elsewhere now; \
             free it, or name one to listen on"
        );
    } else {
        tracing::info!("port {port} is taken, so another one is listened on");
    }
}

fn is_missing_ipv6(address: &Multiaddr, error: &io::Error) -> bool {
    let wildcard6 = ip_of(address).is_some_and(|ip| ip.is_ipv6() && ip.is_unspecified());
    let text = root_cause(error);
    wildcard6
        && (text.contains("Address family not supported") || text.contains("Cannot assign requested address"))
}

fn listen_error(address: &Multiaddr, reason: String) -> StartError {
    StartError::Listen { address: Address(address.clone()), reason }
}

fn listener_closed(
    listeners: &BTreeMap<String, Listener<'_>>,
    listener: ListenerId,
    reason: Result<(), io::Error>,
) -> StartError {
    let reason = reason.err().map_or_else(|| "the listener ended".to_owned(), |error| root_cause(&error));
    match listeners.get(&listener.to_string()) {
        Some(listener) => listen_error(listener.address, reason),
        None => StartError::Network(reason),
    }
}
