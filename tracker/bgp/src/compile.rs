//! The compiler: tables, dumps and updates of many routers in, one atlas out.
//!
//! Invariant: the result depends on the content of the files, and not on their order. Whatever they
//! contain, memory is bounded by [`PREFIXES_MAX`](super::origins::PREFIXES_MAX), [`LINKS_MAX`] and
//! the like.

use std::{
    collections::HashMap,
    io::{self, Read},
};

use nearcast_core::{
    asn::{Asn, Relation},
    atlas::{Atlas, AtlasBuilder, is_reserved},
};

use super::{
    as_rel,
    lines::LineCounts,
    mrt::{MrtCounts, MrtReader},
    origins::{Origins, Voice},
    relations::{LINKS_MAX, Links},
    route::{BgpPeer, Change, Route},
    sites::Sites,
    tables,
};

mod inputs;
mod queue;

pub use inputs::{CompileError, Inputs, Report, compile};

/// ASes that can have a name: eleven times as many as were assigned by 2026.
const NAMES_MAX: usize = 1 << 20;
/// The longest name, in bytes; the atlas keeps no more.
const NAME_BYTES_MAX: usize = 255;

/// A source that has a voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Speaker {
    Router(BgpPeer),
    Table(u16),
}

/// What is known of a speaker.
#[derive(Clone, Copy, Debug)]
struct Known {
    voice: Voice,
    /// The time of its table dump, in seconds since 1970. The table already includes earlier
    /// updates.
    table: u64,
}

/// Reads one unpacked file after another, and makes an atlas of them.
#[derive(Debug, Default)]
pub struct Compiler {
    origins: Origins,
    links: Links,
    speakers: HashMap<Speaker, Known>,
    tables: u16,
    relations: Vec<(Asn, Asn, Relation)>,
    names: HashMap<Asn, Box<str>>,
    sites: Sites,
    stale: u64,
    left_out: u64,
    reserved: u64,
}

impl Compiler {
    /// Infers relations below the ASes at the top of `links`.
    pub fn with_links(links: Links) -> Compiler {
        Compiler { links, ..Compiler::default() }
    }

    /// Reads the table of a collector (MRT). Read it before the updates that follow it.
    ///
    /// # Errors
    /// If reading fails; what was read before counts.
    pub fn rib(&mut self, reader: impl Read) -> io::Result<MrtCounts> {
        self.read(reader, true)
    }

    /// Reads the updates of a collector (MRT). An update older than the same peer's table counts as
    /// stale and has no effect.
    ///
    /// # Errors
    /// As [`Compiler::rib`].
    pub fn updates(&mut self, reader: impl Read) -> io::Result<MrtCounts> {
        self.read(reader, false)
    }

    fn read(&mut self, reader: impl Read, is_table: bool) -> io::Result<MrtCounts> {
        let mut changes = MrtReader::new(reader);
        for change in changes.by_ref() {
            self.change(&change?, is_table);
        }
        Ok(changes.counts())
    }

    fn change(&mut self, change: &Change, is_table: bool) {
        if is_reserved(change.prefix) {
            // A route leak: whatever the path says, its origin does not own these addresses.
            self.reserved = self.reserved.saturating_add(1);
            return;
        }
        let Some(speaker) = self.speaker(Speaker::Router(change.peer)) else {
            self.left_out = self.left_out.saturating_add(1);
            return;
        };
        if is_table {
            speaker.table = speaker.table.max(change.time);
        } else if change.time < speaker.table {
            self.stale = self.stale.saturating_add(1);
            return;
        }
        let voice = speaker.voice;
        match &change.route {
            Route::Announced(path) => {
                self.origins.announce(voice, change.prefix, path.origins());
                self.links.path(path.hops());
            }
            Route::Withdrawn => self.origins.withdraw(voice, change.prefix),
        }
    }

    /// `None`: there are more speakers than voices.
    fn speaker(&mut self, speaker: Speaker) -> Option<&mut Known> {
        let next = u16::try_from(self.speakers.len()).ok();
        match self.speakers.entry(speaker) {
            std::collections::hash_map::Entry::Occupied(known) => Some(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(new) => {
                next.map(|next| new.insert(Known { voice: Voice(next), table: 0 }))
            }
        }
    }

    /// Reads a table of ranges or prefixes (see [`tables`]). It has one voice, as a router has.
    /// Addresses that belong to nobody in the Internet count only if their ASes are private, too:
    /// they describe somebody's sites.
    ///
    /// # Errors
    /// If reading fails.
    pub fn table(&mut self, reader: impl Read) -> io::Result<LineCounts> {
        let number = self.tables;
        self.tables = self.tables.saturating_add(1);
        let Some(voice) = self.speaker(Speaker::Table(number)).map(|known| known.voice) else {
            return Err(io::Error::other("there are more routers and tables than can be told apart"));
        };
        let Compiler { origins: known, reserved, .. } = self;
        tables::prefixes(reader, |prefix, origins| {
            if is_reserved(prefix) && !origins.iter().all(|asn| asn.is_local()) {
                *reserved = reserved.saturating_add(1);
            } else {
                known.announce(voice, prefix, origins);
            }
        })
    }

    /// Sets the operator's own sites (see [`Sites`]). They override everything else about their
    /// addresses.
    pub fn sites(&mut self, sites: Sites) {
        self.sites = sites;
    }

    /// Reads relations that are known better than by inference (see [`as_rel`]). They count
    /// whatever the paths say, and add links that no path showed.
    ///
    /// # Errors
    /// If reading fails.
    pub fn as_rel(&mut self, reader: impl Read) -> io::Result<LineCounts> {
        as_rel::relations(reader, |a, b, relation| {
            if self.relations.len() < LINKS_MAX {
                self.relations.push((a, b, relation));
            } else {
                self.left_out = self.left_out.saturating_add(1);
            }
        })
    }

    /// Reads the names of ASes.
    ///
    /// # Errors
    /// If reading fails.
    pub fn names(&mut self, reader: impl Read) -> io::Result<LineCounts> {
        tables::names(reader, |asn, name| {
            if self.names.len() < NAMES_MAX || self.names.contains_key(&asn) {
                self.names.insert(asn, cut(name).into());
            } else {
                self.left_out = self.left_out.saturating_add(1);
            }
        })
    }

    /// The number of prefixes in the data.
    pub fn prefixes(&self) -> usize {
        self.origins.prefixes()
    }

    /// The number of routers with routes.
    pub fn routers(&self) -> usize {
        self.speakers.keys().filter(|speaker| matches!(speaker, Speaker::Router(_))).count()
    }

    /// Updates older than the table of their router.
    pub fn stale(&self) -> u64 {
        self.stale
    }

    /// Routes and table entries for addresses that belong to nobody.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Routes, links and names that were left out because there were too many.
    pub fn left_out(&self) -> u64 {
        self.left_out.saturating_add(self.origins.left_out()).saturating_add(self.links.left_out())
    }

    /// Makes the atlas. `version`: when the data was collected, in seconds since 1970.
    pub fn finish(self, version: u64) -> Atlas {
        let mut builder = AtlasBuilder::new(version);
        for (prefix, origins) in self.origins.into_prefixes() {
            builder.prefix(prefix, &origins);
        }
        for (lower, higher, relation) in self.links.into_relations() {
            builder.link(lower, higher, relation);
        }
        for (a, b, relation) in self.relations {
            builder.link(a, b, relation);
        }
        for (asn, name) in &self.names {
            builder.name(*asn, name);
        }
        let atlas = builder.build();
        let atlas = if self.sites.is_empty() { atlas } else { self.sites.over(&atlas) };
        atlas.without_reserved()
    }
}

/// The part of a name that is kept.
fn cut(name: &str) -> &str {
    let end = (0..=NAME_BYTES_MAX.min(name.len())).rfind(|&end| name.is_char_boundary(end));
    &name[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests;
