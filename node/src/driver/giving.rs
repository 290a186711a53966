//! Counts what we give of each content, and reports it on request.

use std::{cmp::Reverse, collections::BTreeMap};

use libp2p::PeerId;
use nearcast_core::{
    id::{ContentKey, PeerKey},
    tier::Near,
};
use tokio::time::Instant;

use super::{Driver, content::Content, links::Link, once::Deed};
use crate::giving::{Given, Giving, Givings};

/// The counters of one content.
#[derive(Debug, Default)]
pub(super) struct Account {
    given: Given,
    /// When bytes were sent last.
    last: Option<Instant>,
}

/// Linked peers that lack something, and linked peers that lack nothing.
type Linked = (u32, u32);

impl Driver {
    /// Counts bytes of a content that were sent to a peer.
    pub(super) fn note_given(&mut self, key: ContentKey, peer: PeerKey, near: Near, bytes: u32) {
        if bytes == 0 {
            return;
        }
        let taker = self.peers.get(peer).and_then(|known| known.id);
        let is_new = taker.is_some_and(|id| self.once.is_new(key, &id, Deed::Took));
        let is_export = self.engine.locality().is_foreign(near);
        let Some(content) = self.contents.get_mut(&key) else { return };
        let (bytes, given) = (u64::from(bytes), &mut content.account.given);
        given.takers += u64::from(is_new);
        given.sent += bytes;
        given.by_tier[near.tier() as usize] += bytes;
        given.exported += if is_export { bytes } else { 0 };
        content.account.last = Some(Instant::now());
    }

    /// Counts a neighbour that lacked something and now says that it holds everything.
    pub(super) fn note_completed(&mut self, key: ContentKey, id: &PeerId) {
        if self.once.is_new(key, id, Deed::Completed)
            && let Some(content) = self.contents.get_mut(&key)
        {
            content.account.given.completed += 1;
        }
    }

    /// The `max` busiest contents. Looks at each content once.
    pub(super) fn givings(&self, max: usize) -> Givings {
        let mut linked: BTreeMap<ContentKey, Linked> = BTreeMap::new();
        for (at, link) in &self.links {
            let (fetching, complete) = linked.entry(at.0).or_default();
            match self.maps.0.get(at) {
                Some(map) if Link::up(link).is_some() && map.is_full() => *complete += 1,
                Some(_) if Link::up(link).is_some() => *fetching += 1,
                _ => {}
            }
        }
        let known = |key: &ContentKey| linked.get(key).copied().unwrap_or_default();
        let open = self.contents.iter().filter(|(_, content)| content.manifest.is_some());
        let mut all: Vec<(&ContentKey, &Content)> = open.collect();
        let left_out = all.len().saturating_sub(max);
        let busier = |(key, content): &(&ContentKey, &Content)| {
            let account = &content.account;
            (Reverse((known(key).0, account.last, account.given.sent)), **key)
        };
        if left_out > 0 && max > 0 {
            all.select_nth_unstable_by_key(max, busier);
        }
        all.truncate(max);
        all.sort_unstable_by_key(busier);
        let busiest = all.into_iter().filter_map(|(key, content)| giving(content, known(key))).collect();
        Givings { busiest, left_out }
    }
}

fn giving(content: &Content, (fetching, complete): Linked) -> Option<Giving> {
    let manifest = content.manifest.as_ref()?;
    Some(Giving {
        content: content.id,
        name: manifest.name().to_owned(),
        bytes: manifest.layout().bytes(),
        fetching,
        complete,
        given: content.account.given.clone(),
    })
}
