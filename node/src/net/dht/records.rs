//! The store that libp2p's Kademlia asks: the core's, and our own keys.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    iter::{Empty, empty},
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId,
    kad::{
        ProviderRecord, Record, RecordKey,
        store::{Error, RecordStore, Result},
    },
};
use nearcast_core::{
    overlay::{
        keys::Key,
        store::{Store, StoreConfig},
    },
    registry::{Endpoint, PeerName},
    time::Timestamp,
};

use super::{
    after,
    places::{addresses_of, id_of},
};

/// Records of others, and keys under which we stand ourselves. Values are not kept at all.
pub(crate) struct Records {
    origin: Instant,
    local: PeerId,
    pub(super) store: Store,
    /// Keys under which we stand.
    own: BTreeSet<Key>,
    /// What we say about where we are: ports without an IP.
    pub(super) ports: Vec<Multiaddr>,
}

impl Records {
    pub(super) fn new(origin: Instant, local: PeerId, seed: u64) -> Records {
        Records {
            origin,
            local,
            store: Store::new(StoreConfig::default(), seed),
            own: BTreeSet::new(),
            ports: Vec::new(),
        }
    }

    /// Our own id.
    pub(super) fn local(&self) -> PeerId {
        self.local
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.origin.elapsed()
    }

    /// The directories of others that stand under a key here.
    pub(super) fn of(&self, key: &Key) -> Vec<(PeerName, Endpoint)> {
        let records = self.store.of(self.now(), key);
        records.map(|record| (record.name, record.endpoint.clone())).collect()
    }

    fn own(&self, key: &RecordKey) -> Option<ProviderRecord> {
        let is_own = Key::from_bytes(key.as_ref()).is_some_and(|key| self.own.contains(&key));
        // An empty list would be filled with all our listening addresses.
        let addresses = Some(self.ports.clone()).filter(|addresses| is_own && !addresses.is_empty())?;
        Some(ProviderRecord { key: key.clone(), provider: self.local, expires: None, addresses })
    }
}

impl RecordStore for Records {
    type RecordsIter<'a> = Empty<Cow<'a, Record>>;
    type ProvidedIter<'a> = Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, _: &RecordKey) -> Option<Cow<'_, Record>> {
        None
    }

    fn put(&mut self, _: Record) -> Result<()> {
        Err(Error::MaxRecords)
    }

    fn remove(&mut self, _: &RecordKey) {}

    fn records(&self) -> Self::RecordsIter<'_> {
        empty()
    }

    /// Kademlia adds our own records only: those of others are written to `store`, with the address
    /// that we saw.
    fn add_provider(&mut self, record: ProviderRecord) -> Result<()> {
        let key = Key::from_bytes(record.key.as_ref()).ok_or(Error::MaxProvidedKeys)?;
        if record.provider == self.local {
            self.own.insert(key);
        }
        Ok(())
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        let now = self.now();
        let of_others = Key::from_bytes(key.as_ref());
        let of_others = of_others.iter().flat_map(|key| self.store.of(now, key)).filter_map(|record| {
            Some(ProviderRecord {
                key: key.clone(),
                provider: id_of(&record.name)?,
                expires: Some(after(self.origin, Duration::from_nanos(record.expires.as_nanos()))),
                addresses: addresses_of(&record.endpoint),
            })
        });
        self.own(key).into_iter().chain(of_others).collect()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        // Kademlia would write all of them again at once. The core's schedule spreads them.
        empty()
    }

    fn remove_provider(&mut self, key: &RecordKey, provider: &PeerId) {
        if let (Some(key), true) = (Key::from_bytes(key.as_ref()), *provider == self.local) {
            self.own.remove(&key);
        }
    }
}
