//! How much of each kind is taken, may be taken, and was refused or taken back.

use std::sync::atomic::{AtomicU64, Ordering};

/// What strangers can hold or cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Connections that others are making.
    HalfOpen,
    /// The same over QUIC, where the sender of a first packet may be anybody.
    HalfOpenQuic,
    /// Connections that others made.
    Connections,
    /// Control streams whose hello has not come.
    Hellos,
    /// Data streams that have not said which content they are about.
    Openings,
    /// Questions for metainfo being answered.
    Manifests,
    /// Streams to our directory.
    Directories,
    /// Bytes that came and were not read, or that wait to be taken.
    Bytes,
    /// Connections that we are making.
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

/// How much strangers hold of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetUse {
    /// What it is.
    pub kind: &'static str,
    /// Taken at the moment.
    pub used: u64,
    /// To be had.
    pub limit: u64,
    /// Refused or taken back, ever, because there was no more.
    pub refused: u64,
}

/// One kind.
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

    /// How much there is now.
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
