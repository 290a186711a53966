//! How peers of each kind fared.

use std::collections::BTreeMap;

use nearcast_core::id::PeerKey;

use super::gather::spread;
use crate::{
    outcome::{Behaviour, PeerRow},
    workload::Kind,
    world::{Gives, World},
};

/// Whether a peer that takes gives as well: its uplink counts where bounds count uplinks.
pub(super) fn gives(world: &World, peer: PeerKey) -> bool {
    let may = matches!(world.kind(peer), Kind::Leecher | Kind::LargeView | Kind::BitTyrant);
    may && world.role(peer).gives != Gives::Nothing
}

/// The kinds of peers that take, with their figures, honest ones first.
pub(super) fn kinds(peers: &[PeerRow], bytes: u64, world: &World) -> Vec<Behaviour> {
    let mut by_kind: BTreeMap<Kind, Vec<&PeerRow>> = BTreeMap::new();
    for row in peers.iter().filter(|row| world.role(PeerKey(row.peer)).is_served()) {
        by_kind.entry(row.kind).or_default().push(row);
    }
    let figures = |(kind, rows): (Kind, Vec<&PeerRow>)| {
        let took: Vec<f64> = rows.iter().filter_map(|row| Some(row.completed? - row.joined)).collect();
        Behaviour {
            kind,
            peers: rows.len() as u32,
            completed: took.len() as u32,
            completion_seconds: spread(took),
            sent_copies: rows.iter().map(|row| row.sent).sum::<u64>() as f64 / bytes as f64,
        }
    };
    by_kind.into_iter().map(figures).collect()
}
