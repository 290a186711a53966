//! Meters: for each kind of resource, how much is taken, the limit, and how often it was refused.

use std::sync::atomic::{AtomicU64, Ordering};

/// A kind of resource that strangers can hold or cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Inbound TCP handshakes.
    HalfOpen,
    /// Inbound QUIC handshakes, where the sender of a first packet may be false.
    HalfOpenQuic,
    /// Inbound connections.
    Connections,
    /// Control streams that have not received their hello.
    Hellos,
    /// Data streams that have not named their content.
    Openings,
    /// Questions for metainfo being answered.
    Manifests,
    /// Streams to our directory.
    Directories,
    /// Bytes that are unread, or wait until a peer takes them.
    Bytes,
    /// Dials in progress.
    Dials,
}

impl Kind {
    pub(crate) const COUNT: usize = 9;
    pub(crate) const ALL: [Kind; Kind::COUNT] = [
        Kind::HalfOpen,
        Kind::HalfOpenQuic,
        Kind::Connections,
        Kind::Hellos,
        Kind::Openings,
        Kind::Manifests,
        Kind::Directories,
        Kind::Bytes,
        Kind::Dials,
    ];

    fn name(self) -> &'static str {
        match self {
            Kind::HalfOpen => "half_open",
            Kind::HalfOpenQuic => "half_open_quic",
            Kind::Connections => "connections",
            Kind::Hellos => "hellos",
            Kind::Openings => "openings",
            Kind::Manifests => "manifests",
            Kind::Directories => "directories",
            Kind::Bytes => "bytes",
            Kind::Dials => "dials",
        }
    }
}

/// How much strangers hold of one kind of resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetUse {
    /// The name of the kind.
    pub kind: &'static str,
    /// How much is taken at the moment.
    pub used: u64,
    /// How much may be taken.
    pub limit: u64,
    /// How often it was refused or taken back so far, because the limit was reached.
    pub refused: u64,
}

/// The meter of one kind.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    used: AtomicU64,
    limit: AtomicU64,
    refused: AtomicU64,
}

impl Meter {
    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Adds to the use. Returns the use after that.
    pub(crate) fn add(&self, amount: u64) -> u64 {
        self.used.fetch_add(amount, Ordering::Relaxed).saturating_add(amount)
    }

    pub(crate) fn sub(&self, amount: u64) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn uses(&self, kind: Kind) -> BudgetUse {
        BudgetUse {
            kind: kind.name(),
            used: self.used.load(Ordering::Relaxed),
            limit: self.limit(),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}
