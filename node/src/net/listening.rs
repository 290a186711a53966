//! The start: every address is bound and known before anything else happens.

use std::{collections::BTreeMap, io, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr,
    core::transport::{ListenerId, TransportError},
    swarm::SwarmEvent,
};
use tokio::time::{Instant, timeout_at};

use super::{dials::root_cause, swarm::Driver};
use crate::{
    address::{Address, ip_of},
    error::StartError,
};

/// Every listener tells at least one address within this, or the start fails.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);
/// A wildcard listener tells its addresses one by one; after this long without another they are taken as complete.
const LISTEN_QUIET: Duration = Duration::from_millis(50);

impl Driver {
    /// Listens on all of them, or says which it cannot.
    pub(crate) async fn listen(&mut self, addresses: &[Multiaddr]) -> Result<(), StartError> {
        let mut silent = BTreeMap::new();
        let mut skipped = None;
        for address in addresses {
            match self.swarm.listen_on(address.clone()) {
                Ok(listener) => {
                    silent.insert(listener.to_string(), address);
                }
                // A machine without IPv6 is no reason not to start, when all was asked for was "wherever you can".
                Err(TransportError::Other(error)) if is_missing_ipv6(address, &error) => {
                    tracing::info!(%address, "this machine has no IPv6");
                    skipped = Some(listen_error(address, root_cause(&error)));
                }
                Err(error) => return Err(listen_error(address, root_cause(&error))),
            }
        }
        match skipped {
            Some(error) if silent.is_empty() => Err(error),
            _ => self.hear_listeners(silent).await,
        }
    }

    /// Waits until every listener told an address.
    async fn hear_listeners(&mut self, mut silent: BTreeMap<String, &Multiaddr>) -> Result<(), StartError> {
        let any_wildcard =
            silent.values().any(|address| ip_of(address).is_some_and(|ip| ip.is_unspecified()));
        let give_up = Instant::now() + LISTEN_TIMEOUT;
        loop {
            let complete = silent.is_empty();
            if complete && !any_wildcard {
                return Ok(());
            }
            let until = if complete { Instant::now() + LISTEN_QUIET } else { give_up };
            match timeout_at(until, self.swarm.select_next_some()).await {
                Ok(SwarmEvent::NewListenAddr { listener_id, address }) => {
                    silent.remove(&listener_id.to_string());
                    self.add_listen_address(address);
                }
                Ok(SwarmEvent::ListenerClosed { listener_id, reason, .. }) => {
                    return Err(listener_closed(&silent, listener_id, reason));
                }
                // Somebody may be quick enough to connect before we are done.
                Ok(event) => self.on_swarm_event(event),
                Err(_) => {
                    let mute = silent.into_values().next();
                    return mute.map_or(Ok(()), |address| {
                        Err(listen_error(address, "no address became known within 5 seconds".to_owned()))
                    });
                }
            }
        }
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
    silent: &BTreeMap<String, &Multiaddr>,
    listener: ListenerId,
    reason: Result<(), io::Error>,
) -> StartError {
    let reason = reason.err().map_or_else(|| "the listener ended".to_owned(), |error| root_cause(&error));
    match silent.get(&listener.to_string()) {
        Some(address) => listen_error(address, reason),
        None => StartError::Network(reason),
    }
}
