//! What follows from an order, from an event of Kademlia, and from time.

use std::time::{Duration, Instant};

use libp2p::{
    Multiaddr, PeerId,
    core::Endpoint as Side,
    kad::{
        self, GetClosestPeersError, GetClosestPeersOk, GetProvidersOk, InboundRequest, ProviderRecord,
        QueryId, QueryResult, RecordKey, RoutingUpdate,
    },
    swarm::{
        ConnectionId, NetworkBehaviour as _, ToSwarm,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use nearcast_core::{
    overlay::{
        keys::Key,
        provide::RECORDS_ENOUGH,
        store::Written,
        table::{Entrance, Whereabouts},
    },
    registry::PeerName,
};

use super::{
    Dht, Found, Link, Order, after,
    places::{addresses_of, as_seen, endpoint_of, id_of, name_of},
    queries::{LOOK_UP_MAX, MEET_MAX, MORE_MAX, Meeting, PROVIDE_MAX, Query},
};
use crate::net::without_peer;

/// How often the table and the records are looked through.
const LOOK_PAUSE: Duration = Duration::from_secs(30);
/// How often Kademlia fills its table anew.
const BOOTSTRAP_PAUSE: Duration = Duration::from_secs(300);

impl Dht {
    /// Does what somebody wants.
    pub(crate) fn on_order(&mut self, order: Order) {
        match order {
            Order::LookUp { key, enough, reply } => {
                let found = self.found_here(&key);
                if found.directories.len() >= enough || !self.queries.has_room() {
                    self.note_look_up(&found);
                    // An error means that nobody waits any more.
                    let _ = reply.send(found);
                    return;
                }
                let id = self.kad.get_providers(RecordKey::new(&key.0));
                let until = after(Instant::now(), LOOK_UP_MAX);
                self.queries.insert(id, Query::LookUp { found, enough, until, reply });
            }
            Order::Provide { key, reply } => match self.kad.start_providing(RecordKey::new(&key.0)) {
                Ok(id) if self.queries.has_room() => {
                    let until = after(Instant::now(), PROVIDE_MAX);
                    self.queries.insert(id, Query::Provide { until, reply });
                }
                _ => _ = reply.send(None),
            },
            Order::Withdraw { key } => self.kad.stop_providing(&RecordKey::new(&key.0)),
            Order::Meet { peer, addresses, reply } => {
                if let Some(met) = self.met(&peer) {
                    let _ = reply.send(Some(met));
                    return;
                }
                let now = self.now();
                let addresses = self.gate.aim(now, addresses);
                if addresses.is_empty() || !self.queries.has_room() {
                    let _ = reply.send(None);
                    return;
                }
                let opts = DialOpts::peer_id(peer).addresses(addresses).build();
                self.pending.push_back(ToSwarm::Dial { opts });
                self.queries.meet(Meeting { peer, until: after(Instant::now(), MEET_MAX), reply });
            }
            Order::Join { peer, address } => self.join(peer, address),
            Order::Nodes { reply } => _ = reply.send(self.nodes()),
        }
    }

    /// Dials a directory, unless that is done already.
    fn join(&mut self, peer: Option<PeerId>, address: Multiaddr) {
        let dialled = peer.and_then(|peer| self.links.of(peer).find(|(_, link)| !link.is_inbound));
        if let Some(Link { peer, remote, .. }) = dialled.map(|(_, link)| link.clone()) {
            return self.on_joined(peer, &remote);
        }
        let opts = match peer {
            Some(peer) => {
                let dial = DialOpts::peer_id(peer).addresses(vec![address]);
                dial.condition(PeerCondition::NotDialing).build()
            }
            None => DialOpts::unknown_peer_id().address(address).build(),
        };
        self.dials.joins.insert(opts.connection_id());
        self.pending.push_back(ToSwarm::Dial { opts });
    }

    /// The directories in the table, each at one address.
    fn nodes(&mut self) -> Vec<(PeerId, Multiaddr)> {
        let mut nodes = Vec::new();
        for bucket in self.kad.kbuckets() {
            for entry in bucket.iter() {
                nodes.push((*entry.node.key.preimage(), without_peer(entry.node.value.first())));
            }
        }
        nodes
    }

    /// The addresses at which the table has a directory: it answered there.
    pub(super) fn proved(&mut self, peer: PeerId) -> Vec<Multiaddr> {
        let Some(bucket) = self.kad.kbucket(peer) else { return Vec::new() };
        let of_it = bucket.iter().find(|entry| *entry.node.key.preimage() == peer);
        of_it.into_iter().flat_map(|entry| entry.node.value.iter().map(without_peer)).collect()
    }

    /// What our own records say about a key.
    fn found_here(&mut self, key: &Key) -> Found {
        let of_others = self.kad.store_mut().of(key);
        let known = of_others.into_iter().filter_map(|(name, endpoint)| {
            let addresses = self.gate.vetted(addresses_of(&endpoint), None);
            Some((id_of(&name)?, addresses)).filter(|(_, addresses)| !addresses.is_empty())
        });
        Found { directories: known.collect(), requests: 0 }
    }

    pub(super) fn on_kad_event(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest { request: InboundRequest::AddProvider { record: Some(record) } } => {
                self.on_record(&record);
            }
            kad::Event::InboundRequest { request: InboundRequest::AddProvider { .. } } => {}
            kad::Event::InboundRequest { .. } => self.counters.add(|stats| &mut stats.asked, 1),
            kad::Event::OutboundQueryProgressed { id, result, stats, step } => {
                self.on_progress(id, result, stats.num_requests(), step.last);
            }
            kad::Event::RoutablePeer { peer, address } => self.on_reached(peer, &address),
            kad::Event::UnroutablePeer { peer } => self.on_came(peer),
            kad::Event::RoutingUpdated { old_peer: Some(old), .. } => {
                name_of(&old).iter().for_each(|name| self.table.leave(name));
            }
            _ => {}
        }
    }

    /// Another directory writes itself under a key.
    fn on_record(&mut self, record: &ProviderRecord) {
        let now = self.now();
        let place = self.seen_at(&record.provider).and_then(|ip| as_seen(ip, &record.addresses));
        let named = Key::from_bytes(record.key.as_ref()).zip(name_of(&record.provider)).zip(place);
        let written =
            named.map(|((key, name), endpoint)| self.kad.store_mut().store.write(now, key, name, &endpoint));
        match written {
            Some(Written::New | Written::Renewed) => {
                self.counters.add(|stats| &mut stats.written, 1);
                self.counters.lock().records = self.kad.store_mut().store.len() as u64;
            }
            _ => self.counters.add(|stats| &mut stats.refused, 1),
        }
    }

    fn on_progress(&mut self, id: QueryId, result: QueryResult, requests: u32, is_last: bool) {
        match result {
            QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })) => {
                let named: Vec<_> =
                    providers.into_iter().map(|peer| (peer, self.addresses_told(peer))).collect();
                self.on_found(id, named);
            }
            QueryResult::GetProviders(_) if is_last => {
                if let Some(Query::LookUp { found, .. }) = self.queries.get_mut(id) {
                    found.requests = requests;
                    let found = found.clone();
                    self.note_look_up(&found);
                }
                self.queries.end(id, Some(requests));
            }
            QueryResult::GetClosestPeers(closest) => {
                let (Ok(GetClosestPeersOk { peers, .. }) | Err(GetClosestPeersError::Timeout { peers, .. })) =
                    closest;
                let probed = self.dials.probes.extract_if(.., |(probe, _)| *probe == id).next();
                if let Some((_, peer)) = probed
                    && peers.iter().all(|answered| answered.peer_id != peer)
                {
                    self.drop_node(peer);
                }
            }
            QueryResult::StartProviding(done) => {
                self.counters.add(|stats| &mut stats.requests, requests.into());
                self.counters.add(|stats| &mut stats.provided, 1);
                self.queries.end(id, Some(requests).filter(|_| done.is_ok()));
            }
            _ => {}
        }
    }

    /// Somebody named directories to a look-up.
    fn on_found(&mut self, id: QueryId, named: Vec<(PeerId, Vec<Multiaddr>)>) {
        let local = self.kad.store_mut().local();
        let Some(Query::LookUp { found, enough, until, .. }) = self.queries.get_mut(id) else { return };
        for (peer, addresses) in named {
            if peer != local && !addresses.is_empty() && found.directories.len() < *enough {
                found.directories.entry(peer).or_insert(addresses);
            }
        }
        if !found.directories.is_empty() && *enough < RECORDS_ENOUGH {
            *until = (*until).min(after(Instant::now(), MORE_MAX));
        }
        if found.directories.len() >= *enough
            && let Some(mut query) = self.kad.query_mut(&id)
        {
            query.finish();
        }
    }

    fn note_look_up(&self, found: &Found) {
        self.counters.add(|stats| &mut stats.look_ups, 1);
        self.counters.add(|stats| &mut stats.requests, found.requests.into());
        self.counters.add(|stats| &mut stats.found, u64::from(!found.directories.is_empty()));
    }

    /// The addresses of a directory that somebody named in a query under way, and that may be
    /// dialled. Kademlia tells addresses only to who dials, so it is asked as if we did. A directory
    /// that names itself names ports without an IP.
    fn addresses_told(&mut self, peer: PeerId) -> Vec<Multiaddr> {
        let nobody = ConnectionId::new_unchecked(0);
        let told = self.kad.handle_pending_outbound_connection(nobody, Some(peer), &[], Side::Dialer);
        let told: Vec<Multiaddr> = told.unwrap_or_default().iter().map(without_peer).collect();
        let itself = self.seen_at(&peer).and_then(|ip| as_seen(ip, &told)).map(|place| addresses_of(&place));
        self.gate.vetted(itself.into_iter().flatten().chain(told).collect(), None)
    }

    fn whereabouts(&self, address: &Multiaddr) -> Option<Whereabouts> {
        let ip = endpoint_of(address)?.ip;
        Some(Whereabouts { ip, asn: self.atlas.as_ref().and_then(|atlas| atlas.origin(ip)) })
    }

    /// A directory that we dialled serves the hash table, as far as we know.
    fn on_reached(&mut self, peer: PeerId, address: &Multiaddr) {
        let Some((name, at)) = name_of(&peer).zip(self.whereabouts(address)) else { return };
        match self.table.enter(name, at) {
            Entrance::Welcome | Entrance::Known => {
                if self.kad.add_address(&peer, without_peer(address)) == RoutingUpdate::Failed {
                    self.table.leave(&name);
                }
            }
            Entrance::Crowded => self.counters.add(|stats| &mut stats.crowded, 1),
            Entrance::Ourselves | Entrance::Full => {}
        }
        self.counters.lock().nodes = self.table.len() as u64;
    }

    /// A directory that we joined is connected. Whether it serves the hash table shows when it is
    /// asked something.
    fn on_joined(&mut self, peer: PeerId, address: &Multiaddr) {
        let is_new = name_of(&peer).is_some_and(|name| !self.table.has(&name));
        self.on_reached(peer, address);
        if is_new && name_of(&peer).is_some_and(|name| self.table.has(&name)) {
            let probe = self.kad.get_closest_peers(peer);
            self.dials.probes.push((probe, peer));
        }
    }

    fn drop_node(&mut self, peer: PeerId) {
        name_of(&peer).iter().for_each(|name| self.table.leave(name));
        self.kad.remove_peer(&peer);
        self.counters.lock().nodes = self.table.len() as u64;
    }

    /// A directory that serves the hash table came to us. It may enter if it takes a connection at
    /// the address that it came from: our dials leave from the ports that we listen on.
    fn on_came(&mut self, peer: PeerId) {
        let of_peer = self.links.of(peer).find(|(_, link)| link.is_inbound);
        let Some(remote) = of_peer.map(|(_, link)| link.remote.clone()) else { return };
        let Some((name, at)) = name_of(&peer).zip(self.whereabouts(&remote)) else { return };
        let address = self.gate.vetted(vec![remote], Some(at.ip));
        let now = self.now();
        if address.is_empty() || !self.table.begin_try(now, name, at) {
            return;
        }
        let dial = DialOpts::peer_id(peer).addresses(address).condition(PeerCondition::Always);
        let opts = dial.allocate_new_port().build();
        self.dials.tries.insert(opts.connection_id(), name);
        self.pending.push_back(ToSwarm::Dial { opts });
    }

    /// A dial of ours is over. True: it was a try.
    pub(super) fn forget_dial(&mut self, connection: ConnectionId) -> bool {
        self.dials.joins.remove(&connection);
        let tried = self.dials.tries.remove(&connection);
        tried.iter().for_each(|name| self.table.give_up(name));
        tried.is_some()
    }

    /// A directory could not be reached.
    pub(super) fn on_unreached(&mut self, peer: Option<PeerId>) {
        let Some((peer, name)) = peer.and_then(|peer| Some((peer, name_of(&peer)?))) else { return };
        if self.met(&peer).is_some() {
            return;
        }
        self.queries.met(peer, None);
        let now = self.now();
        if self.table.failed(now, &name) {
            self.drop_node(peer);
        }
    }

    /// A connection is up.
    pub(super) fn on_linked(&mut self, connection: ConnectionId) {
        let Some(link) = self.links.get(connection) else { return };
        let (peer, remote, is_inbound) = (link.peer, link.remote.clone(), link.is_inbound);
        if self.dials.joins.remove(&connection) {
            self.on_joined(peer, &remote);
        }
        if self.forget_dial(connection) {
            self.on_reached(peer, &remote);
        }
        if is_inbound {
            let now = self.now();
            self.standing.on_inbound(now);
        } else {
            endpoint_of(&remote).iter().for_each(|place| self.gate.answered(place.ip));
            name_of(&peer).iter().for_each(|name| self.table.reached(name));
        }
        let met = self.met(&peer);
        self.queries.met(peer, met.as_ref());
    }

    /// Does what time brings, and returns when to come again.
    pub(super) fn on_time(&mut self) -> Instant {
        let now = Instant::now();
        for (id, late) in self.queries.give_up(now) {
            let requests = self.kad.query(&id).map_or(0, |query| query.stats().num_requests());
            if let Query::LookUp { found, .. } = &late {
                self.note_look_up(&Found { requests, ..found.clone() });
            }
            late.end(Some(requests));
            if let Some(mut query) = self.kad.query_mut(&id) {
                query.finish();
            }
        }
        if now >= self.chores.looked {
            self.chores.looked = after(now, LOOK_PAUSE);
            self.look_through();
        }
        if now >= self.chores.bootstrapped && !self.table.is_empty() {
            self.chores.bootstrapped = after(now, BOOTSTRAP_PAUSE);
            // It fails only if the table is empty.
            let _ = self.kad.bootstrap();
        }
        let next = self.chores.looked.min(after(now, LOOK_PAUSE));
        self.queries.next_end().map_or(next, |end| end.min(next))
    }

    fn look_through(&mut self) {
        let now = self.now();
        let stand: Vec<PeerName> = self.nodes().iter().filter_map(|(peer, _)| name_of(peer)).collect();
        self.table.keep(|name| stand.contains(name));
        self.kad.store_mut().store.sweep(now);
        self.standing.look(now, self.table.len());
        let mode = if self.standing.serves() { kad::Mode::Server } else { kad::Mode::Client };
        if self.kad.mode() != mode {
            self.kad.set_mode(Some(mode));
        }
        let records = self.kad.store_mut().store.len() as u64;
        let mut stats = self.counters.lock();
        stats.nodes = self.table.len() as u64;
        stats.serves = self.standing.serves();
        stats.records = records;
        stats.dials_refused = self.gate.refused;
    }
}
